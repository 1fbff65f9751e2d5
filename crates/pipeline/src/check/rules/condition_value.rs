use super::{Place, nearest};
use crate::check::Rule;
use crate::condition::{Key, Test};
use crate::{Condition, Diagnostic, Graph};

/// A condition compares `outcome` with a status that there is (§10.3).
pub(super) struct ConditionValue;

/// Statuses, as conditions see them; a stage that ended has no RETRY left, but may be asked.
const STATUSES: [&str; 5] = ["success", "partial_success", "retry", "fail", "skipped"];

impl Rule for ConditionValue {
    fn name(&self) -> &str {
        "condition_value"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for edge in graph.edge_indexes() {
            let Some(attr) = graph.edge(edge).attrs().get("condition") else { continue };
            let Ok(condition) = Condition::parse(attr.value.text()) else { continue };
            for clause in condition.clauses() {
                let (Key::Outcome, Test::Equals(word) | Test::Differs(word)) =
                    (&clause.key, &clause.test)
                else {
                    continue;
                };
                if STATUSES.contains(&word.as_str()) {
                    continue;
                }
                let always = matches!(clause.test, Test::Differs(_));
                let message = format!(
                    "`{word}` is no status, so this clause is {} true",
                    if always { "always" } else { "never" }
                );
                let mut warning = Diagnostic::warning("condition_value", message)
                    .on_edge(graph, edge)
                    .fix(fix(word));
                warning.span = attr.locate(clause.span).or(warning.span);
                found.push(warning);
            }
        }
        found
    }
}

fn fix(word: &str) -> String {
    let small = word.to_ascii_lowercase();
    let status = match small.as_str() {
        "succeeded" | "ok" | "pass" | "passed" => Some("success"),
        "failed" | "failure" | "error" => Some("fail"),
        small => STATUSES
            .into_iter()
            .find(|status| *status == small)
            .or_else(|| nearest(small, STATUSES.into_iter())),
    };
    match status {
        Some(status) => format!("write `{status}`"),
        None => format!(
            "the statuses are {}; for anything else compare `preferred_label` or `context.NAME`",
            STATUSES.join(", ")
        ),
    }
}
