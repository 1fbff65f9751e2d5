use super::Place;
use crate::check::Rule;
use crate::{Diagnostic, Dialect, Graph};

/// Exactly one node ends the run (§7.2, ruling 11); several in the dialect of February.
pub(super) struct TerminalNode;

impl Rule for TerminalNode {
    fn name(&self) -> &str {
        "terminal_node"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        match graph.roles().exits.as_slice() {
            [_] => Vec::new(),
            [] => vec![
                Diagnostic::error("terminal_node", "no node ends the run")
                    .at(graph.span())
                    .fix("add `exit [shape=Msquare]` and an edge to it"),
            ],
            _ if graph.dialect() == Dialect::February2026 => Vec::new(),
            [first, others @ ..] => others
                .iter()
                .map(|node| {
                    let message = format!(
                        "`{}` ends the run as well as `{}`",
                        graph.id(*node),
                        graph.id(*first)
                    );
                    Diagnostic::error("terminal_node", message).on_node(graph, *node).fix(format!(
                        "lead its edges to `{}`; or set `dialect=\"2026-02\"` on the graph, \
                         where several exits are allowed",
                        graph.id(*first)
                    ))
                })
                .collect(),
        }
    }
}
