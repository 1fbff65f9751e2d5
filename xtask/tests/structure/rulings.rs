//! docs/rulings.md and the tests that it names keep in step.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{Violation, assert_none, files, root};

const PAGE: &str = "docs/rulings.md";

/// A test that proves a ruling or a box of a specification's checklist starts with one of these.
const NAMED: [&str; 4] = ["ruling_", "llm_8_", "loop_9_", "pipeline_11_"];

/// Names of functions in a source, as far as they are tests of rulings or boxes.
fn tests_in(source: &str) -> impl Iterator<Item = &str> {
    source.match_indices("fn ").filter_map(|(at, found)| {
        let rest = &source[at + found.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let name = &rest[..end];
        NAMED.iter().any(|start| name.starts_with(start)).then_some(name)
    })
}

/// What the page mentions between backticks; an ellipsis at the end stands for every name that starts so.
fn mentioned(page: &str) -> BTreeSet<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|name| NAMED.iter().any(|start| name.starts_with(start))).collect()
}

fn covers(mention: &str, test: &str) -> bool {
    match mention.strip_suffix('…') {
        Some(start) => test.starts_with(start),
        None => mention == test,
    }
}

fn check(page: &str, tests: &BTreeSet<String>) -> Vec<Violation> {
    let mentioned = mentioned(page);
    let unproved = mentioned
        .iter()
        .filter(|mention| !tests.iter().any(|test| covers(mention, test)))
        .map(|mention| {
            let at = page.lines().position(|line| line.contains(*mention)).map_or(1, |at| at + 1);
            Violation::new(PAGE, at, format!("`{mention}` is no test"))
        });
    let unlisted = tests
        .iter()
        .filter(|test| !mentioned.iter().any(|mention| covers(mention, test)))
        .map(|test| Violation::new(PAGE, 1, format!("the test `{test}` is not listed")));
    unproved.chain(unlisted).collect()
}

#[test]
fn every_ruling_and_box_names_its_tests_and_every_such_test_is_listed() {
    let mut tests = BTreeSet::new();
    for path in files::all() {
        if path.starts_with("crates") && path.extension().is_some_and(|kind| kind == "rs") {
            let source = fs::read_to_string(root().join(&path)).unwrap();
            tests.extend(tests_in(&source).map(str::to_owned));
        }
    }
    assert!(tests.len() > 50, "{} tests found", tests.len());
    let page = fs::read_to_string(root().join(Path::new(PAGE))).unwrap();
    assert_none(&check(&page, &tests));
}

#[test]
fn what_is_missing_on_either_side_is_found() {
    let tests: BTreeSet<String> = tests_in(
        "fn ruling_01_a() {}\nasync fn llm_8_1_b() {}\nfn other() {}\nfn ruling_01_c(x: u8) {}",
    )
    .map(str::to_owned)
    .collect();
    assert_eq!(tests.len(), 3);
    assert!(check("`ruling_01_…`, `llm_8_1_b`", &tests).is_empty());
    let found = check("text\n`ruling_01_a` `llm_8_1_gone`", &tests);
    let rules: Vec<&str> = found.iter().map(|violation| violation.rule.as_str()).collect();
    assert_eq!(
        rules,
        [
            "`llm_8_1_gone` is no test",
            "the test `llm_8_1_b` is not listed",
            "the test `ruling_01_c` is not listed"
        ]
    );
    assert_eq!(found[0].line, 2);
}
