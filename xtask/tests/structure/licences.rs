//! Under which terms the dependencies come.

use std::fs;

use super::{Violation, assert_none, metadata, root};

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression can be fulfilled with what is allowed. `/` is an old spelling of `OR`.
fn fulfilled(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest) && rest.is_empty()
}

fn any(words: &mut &[&str]) -> bool {
    let mut fulfilled = all(words);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        fulfilled |= all(words);
    }
    fulfilled
}

fn all(words: &mut &[&str]) -> bool {
    let mut fulfilled = one(words);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        fulfilled &= one(words);
    }
    fulfilled
}

fn one(words: &mut &[&str]) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let inner = any(words);
            match *words {
                [")", rest @ ..] => {
                    *words = rest;
                    inner
                }
                _ => false,
            }
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            ALLOWED.contains(&format!("{licence} WITH {exception}").as_str())
        }
        [licence, rest @ ..] => {
            *words = rest;
            ALLOWED.contains(licence)
        }
        [] => false,
    }
}

#[test]
fn every_dependency_comes_under_allowed_terms() {
    let metadata = metadata();
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let resolved: Vec<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let mut violations = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        if !resolved.contains(&package["id"].as_str().unwrap()) {
            continue;
        }
        let licence = package["license"].as_str().unwrap_or("none stated");
        if !fulfilled(licence) {
            let name = package["name"].as_str().unwrap();
            let line = super::line_of(&lock, &[format!("name = \"{name}\"")]);
            let rule = format!(
                "{name} comes under {licence}, which is not among the allowed licences: use another crate"
            );
            violations.push(Violation::new("Cargo.lock", line, rule));
        }
    }
    assert_none(&violations);
}

#[test]
fn expressions_are_understood() {
    for good in [
        "MIT",
        "MIT/GPL-3.0",
        "MIT OR GPL-3.0",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(fulfilled(good), "{good}");
    }
    for bad in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "",
        "none stated",
        "(MIT",
        "MIT)",
        "MIT GPL-3.0",
        "GPL-3.0 WITH LLVM-exception",
    ] {
        assert!(!fulfilled(bad), "{bad}");
    }
}
