use super::Place;
use crate::check::Rule;
use crate::limits::MAX_STEPS;
use crate::{Diagnostic, Graph, Kind};

/// A fan-out has branches, and they meet again (ruling 8); a fan-in has something to join.
pub(super) struct ParallelBranches;

impl Rule for ParallelBranches {
    fn name(&self) -> &str {
        "parallel_branches"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut work = 0usize;
        let size = graph.nodes().len() + graph.edges().len();
        for node in graph.node_indexes().filter(|node| graph.kind(*node) == Kind::Parallel) {
            let branches = graph.outgoing(node).len();
            work = work.saturating_add(branches.saturating_mul(size));
            let id = graph.id(node);
            let diagnostic = if branches == 0 {
                Diagnostic::error(
                    "parallel_branches",
                    format!("the fan-out `{id}` has no branches"),
                )
                .fix("add an edge from it to each branch")
            } else if work <= MAX_STEPS && graph.join(node).is_none() {
                let message =
                    format!("the branches of `{id}` meet nowhere, so nothing follows them");
                Diagnostic::warning("parallel_branches", message)
                    .fix("lead them all to one node, such as a fan-in (shape=tripleoctagon)")
            } else if branches == 1 {
                let message = format!("the fan-out `{id}` has only one branch");
                Diagnostic::info("parallel_branches", message).fix("remove it, or add branches")
            } else {
                continue;
            };
            found.push(diagnostic.on_node(graph, node));
        }
        found
    }
}
