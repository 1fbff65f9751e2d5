use super::Place;
use crate::check::Rule;
use crate::{Condition, Diagnostic, Graph};

/// Conditions can be read (§7.2, §10).
pub(super) struct ConditionSyntax;

impl Rule for ConditionSyntax {
    fn name(&self) -> &str {
        "condition_syntax"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for edge in graph.edge_indexes() {
            let Some(attr) = graph.edge(edge).attrs().get("condition") else { continue };
            if let Err(error) = Condition::parse(attr.value.text()) {
                let diagnostic = Diagnostic::error("condition_syntax", error.message)
                    .on_edge(graph, edge)
                    .fix(error.fix);
                found.push(match attr.locate(error.span) {
                    Some(span) => diagnostic.at(span),
                    None => diagnostic,
                });
            }
        }
        found
    }
}
