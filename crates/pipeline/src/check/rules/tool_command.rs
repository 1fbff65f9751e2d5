use super::Place;
use crate::check::Rule;
use crate::{Diagnostic, Graph, Kind};

/// A tool stage has a command; without one it fails (§4.10).
pub(super) struct ToolCommand;

impl Rule for ToolCommand {
    fn name(&self) -> &str {
        "tool_command"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let tools = graph.node_indexes().filter(|node| graph.kind(*node) == Kind::Tool);
        tools
            .filter(|node| graph.node(*node).tool_command().is_none())
            .map(|node| {
                let message =
                    format!("the tool stage `{}` has no command and will fail", graph.id(node));
                Diagnostic::warning("tool_command", message)
                    .on_node(graph, node)
                    .fix("set `tool_command`")
            })
            .collect()
    }
}
