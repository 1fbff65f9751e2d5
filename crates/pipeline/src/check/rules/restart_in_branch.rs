use super::Place;
use crate::check::Rule;
use crate::limits::MAX_STEPS;
use crate::{Diagnostic, Graph, Kind};

/// A branch of a fan-out cannot begin the run anew (ruling 8).
pub(super) struct RestartInBranch;

impl Rule for RestartInBranch {
    fn name(&self) -> &str {
        "restart_in_branch"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let restarts: Vec<_> =
            graph.edge_indexes().filter(|edge| graph.edge(*edge).loop_restart()).collect();
        if restarts.is_empty() {
            return Vec::new();
        }
        let mut found = vec![None; graph.edges().len()];
        let mut work = 0usize;
        let size = graph.nodes().len() + graph.edges().len();
        for fan_out in graph.node_indexes().filter(|node| graph.kind(*node) == Kind::Parallel) {
            work = work.saturating_add((graph.outgoing(fan_out).len() + 1).saturating_mul(size));
            if work > MAX_STEPS {
                break;
            }
            let inside = graph.branch_nodes(fan_out);
            for edge in &restarts {
                let from = graph.edge(*edge).from();
                let within = from == fan_out || inside.binary_search(&from).is_ok();
                if let Some(slot) = found.get_mut(edge.index()).filter(|_| within) {
                    slot.get_or_insert((*edge, fan_out));
                }
            }
        }
        let tell = |(edge, fan_out)| {
            let message = format!(
                "`loop_restart` in a branch of `{}`: a branch cannot begin the run anew",
                graph.id(fan_out)
            );
            Diagnostic::error("restart_in_branch", message)
                .on_edge(graph, edge)
                .fix("decide about the restart after the branches have met")
        };
        found.into_iter().flatten().map(tell).collect()
    }
}
