//! What no file of the repository may mention: the machine that it was written on, and where packages came from.

use std::fs;

use super::{Violation, assert_none, files, root};

const PATH: &str = "a path of some machine: make it relative, or take it from the environment";
const HOST: &str = "a registry's host: name the package";

/// Spelled in two parts, so that this file does not mention them itself.
const WORDS: &[(&str, &str, &str)] = &[
    ("/wo", "rk/main", PATH),
    ("/wo", "rk/shared", PATH),
    ("/wo", "rk/.library", PATH),
    ("/ro", "ot/", PATH),
    ("/tmp/", "brief", PATH),
    ("/tmp/", "SPEC", PATH),
    ("shared/", "design", PATH),
    ("crates", ".io/", HOST),
    ("index.", "crates.io", HOST),
    ("static.", "crates.io", HOST),
    ("registry.", "npmjs", HOST),
    ("proxy.", "golang", HOST),
    ("pypi.", "org", HOST),
    ("deb.", "debian.org", HOST),
    ("archive.", "ubuntu.com", HOST),
];

/// Cargo writes it, sources included.
const EXEMPT: &[&str] = &["Cargo.lock"];

fn check(path: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for (start, end, rule) in WORDS {
            let word = format!("{start}{end}");
            // A path is absolute only at its start: `some/work/dir` is none.
            let stands = |found: usize| {
                let before = line[..found].chars().next_back();
                !word.starts_with('/')
                    || !before.is_some_and(|c| c.is_alphanumeric() || "._-~/}>*".contains(c))
            };
            if line.match_indices(&word).any(|(found, _)| stands(found)) {
                violations.push(Violation::new(path, at + 1, format!("`{word}`: {rule}")));
            }
        }
    }
    violations
}

#[test]
fn the_repository_speaks_of_itself_alone() {
    let mut violations = Vec::new();
    for path in files::all() {
        let name = path.to_string_lossy();
        if EXEMPT.contains(&name.as_ref()) {
            continue;
        }
        // What is no text has nothing to say.
        if let Ok(text) = fs::read_to_string(root().join(&path)) {
            violations.extend(check(&name, &text));
        }
    }
    assert_none(&violations);
}

#[test]
fn a_word_out_of_place_is_found() {
    let lines = |text: &str| {
        check("x", text).into_iter().map(|violation| violation.line).collect::<Vec<_>>()
    };
    let machine = ["/wo", "rk/main"].concat();
    assert_eq!(lines(&format!("fine\nsee {machine}\n(\"{machine}\")")), [2, 3]);
    assert_eq!(lines(&format!("some{machine} $dir}}{machine}")), [0_usize; 0]);
    assert_eq!(lines(&["https://registry.", "npmjs.org"].concat()), [1]);
}
