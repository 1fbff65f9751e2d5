use super::Place;
use crate::check::Rule;
use crate::{Diagnostic, Graph, Kind};

/// A shape names a handler (§2.8), or `type` does; otherwise the node is a stage of an agent.
pub(super) struct ShapeKnown;

impl Rule for ShapeKnown {
    fn name(&self) -> &str {
        "shape_known"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for at in graph.node_indexes() {
            let node = graph.node(at);
            let Some(attr) = node.attrs().get("shape") else { continue };
            let silent = node.type_name().is_none() && graph.kind(at) == Kind::Codergen;
            if !silent || Kind::of_shape(node.shape()).is_some() {
                continue;
            }
            let message = format!(
                "the shape `{}` names no handler: `{}` is run as a stage of an agent",
                node.shape(),
                node.id()
            );
            found.push(
                Diagnostic::warning("shape_known", message)
                    .on_node(graph, at)
                    .on_value(attr)
                    .fix("write `shape=box` if that is meant, or name the handler with `type`"),
            );
        }
        found
    }
}
