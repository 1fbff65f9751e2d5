//! What the tests share.

use canon_pipeline::{Checked, Diagnostic, Graph, Prepare, Severity};

/// The graph of a source that has no errors of syntax.
#[track_caller]
pub(crate) fn graph(source: &str) -> Graph {
    match Graph::parse(source) {
        Ok(parsed) => parsed.graph,
        Err(refused) => panic!("{refused}"),
    }
}

/// A digraph with start and exit around these statements.
pub(crate) fn pipeline(statements: &str) -> String {
    format!("digraph g {{ start [shape=Mdiamond] exit [shape=Msquare] {statements} }}")
}

pub(crate) fn check(source: &str) -> Checked {
    Prepare::new().check(source)
}

/// What a rule finds.
pub(crate) fn found(source: &str, rule: &str) -> Vec<Diagnostic> {
    check(source).diagnostics.into_iter().filter(|found| found.rule == rule).collect()
}

/// The one thing that a rule finds, of this severity.
#[track_caller]
pub(crate) fn finds(source: &str, rule: &str, severity: Severity) -> Diagnostic {
    let mut found = found(source, rule);
    assert_eq!(found.len(), 1, "{rule}: {:#?}", check(source).diagnostics);
    let found = found.remove(0);
    assert_eq!(found.severity, severity, "{found}");
    assert!(!found.message.is_empty() && found.fix.is_some(), "{found:?}");
    found
}

#[track_caller]
pub(crate) fn finds_nothing(source: &str, rule: &str) {
    assert_eq!(found(source, rule), [], "{rule}");
}
