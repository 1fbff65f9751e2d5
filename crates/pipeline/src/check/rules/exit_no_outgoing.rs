use super::Place;
use crate::check::Rule;
use crate::{Diagnostic, Graph};

/// No edge leaves where the run ends (§7.2).
pub(super) struct ExitNoOutgoing;

impl Rule for ExitNoOutgoing {
    fn name(&self) -> &str {
        "exit_no_outgoing"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let exits = &graph.roles().exits;
        let edges = exits.iter().flat_map(|exit| graph.outgoing(*exit));
        edges
            .map(|edge| {
                let from = graph.id(graph.edge(*edge).from());
                let message = format!("an edge leaves `{from}`, where the run ends");
                Diagnostic::error("exit_no_outgoing", message)
                    .on_edge(graph, *edge)
                    .fix("let it leave the stage before the exit")
            })
            .collect()
    }
}
