//! Sources that are made to cost much.

use std::time::{Duration, Instant};

use canon_pipeline::limits::{MAX_ERRORS, MAX_FINDINGS};

use super::support::check;

/// More than a linear reading takes on a slow and busy machine, far less than a quadratic one.
const LONG: Duration = Duration::from_secs(60);

#[track_caller]
fn refused(source: &str, says: &str) {
    let began = Instant::now();
    let checked = check(source);
    assert!(!checked.is_ok());
    let found = &checked.diagnostics;
    assert!(found.iter().any(|found| found.message.contains(says)), "{:?}", found.first());
    assert!(found.len() <= 40 * MAX_FINDINGS);
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
}

#[test]
fn a_million_braces() {
    refused(&"{".repeat(1_000_000), "expected `digraph`");
    refused(&format!("digraph g {}", "{".repeat(1_000_000)), "nest at most");
    refused(&format!("digraph g {{ a -> {}", "subgraph x {".repeat(100_000)), "nest at most");
}

#[test]
fn a_chain_of_a_hundred_thousand() {
    refused(&format!("digraph g {{ {} }}", ["a"; 100_000].join("->")), "no node begins");
}

#[test]
fn a_product_of_groups() {
    let group: String = (0..10_000).map(|n| format!("n{n} ")).collect();
    refused(&format!("digraph g {{ {{{group}}} -> {{{group}}} }}"), "more than 500000 edges");
}

#[test]
fn files_that_are_too_large() {
    refused(&" ".repeat(50_000_000), "16 MiB are read at most");
}

#[test]
fn many_attributes() {
    let many: String = (0..200_000).map(|n| format!("k{n}=1,")).collect();
    refused(&format!("digraph g {{ a [{many}] }}"), "more than 256 attributes");
    let every: String = (0..20_000).map(|n| format!("node [k{}=1] n{n} ", n % 250)).collect();
    refused(&format!("digraph g {{ {every} }}"), "attributes in all");
}

#[test]
fn errors_without_end() {
    let source = format!("digraph g {{ {} }}", "@\na [\n".repeat(100_000));
    let found = check(&source).diagnostics;
    assert!(found.len() <= MAX_ERRORS + 20, "{}", found.len());
    for open in ["\"", "/*", "<", "[label=\"", "[x=<"] {
        refused(&format!("digraph g {{ a {open}{}", "<x \n".repeat(200_000)), "");
    }
}

#[test]
fn many_findings_of_one_rule_are_counted() {
    let nodes: String = (0..5_000).map(|n| format!("n{n} ")).collect();
    refused(&format!("digraph g {{ start exit start -> exit {nodes} }}"), "4900 more findings");
}
