use super::Place;
use crate::check::Rule;
use crate::check::paths::Paths;
use crate::{Diagnostic, Graph};

/// Every node can be reached from the start (§7.2); retry targets count as edges (ruling 13).
pub(super) struct Reachability;

impl Rule for Reachability {
    fn name(&self) -> &str {
        "reachability"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let Some(start) = graph.start() else { return Vec::new() };
        let paths = Paths::from(graph, start);
        let unreached = graph.node_indexes().filter(|node| !paths.reaches(*node));
        unreached
            .map(|node| {
                let message =
                    format!("no way leads from `{}` to `{}`", graph.id(start), graph.id(node));
                Diagnostic::error("reachability", message)
                    .on_node(graph, node)
                    .fix(format!("add an edge to `{}`, or remove the node", graph.id(node)))
            })
            .collect()
    }
}
