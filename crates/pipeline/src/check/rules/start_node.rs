use super::Place;
use crate::check::Rule;
use crate::{Diagnostic, Graph};

/// Exactly one node begins the run (§7.2, ruling 11).
pub(super) struct StartNode;

impl Rule for StartNode {
    fn name(&self) -> &str {
        "start_node"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        match graph.roles().starts.as_slice() {
            [_] => Vec::new(),
            [] => vec![
                Diagnostic::error("start_node", "no node begins the run")
                    .at(graph.span())
                    .fix("add `start [shape=Mdiamond]` and an edge from it"),
            ],
            [first, others @ ..] => others
                .iter()
                .map(|node| {
                    let message = format!(
                        "`{}` begins the run as well as `{}`",
                        graph.id(*node),
                        graph.id(*first)
                    );
                    Diagnostic::error("start_node", message)
                        .on_node(graph, *node)
                        .fix("give only one node the shape Mdiamond, and lead it to the others")
                })
                .collect(),
        }
    }
}
