use super::Place;
use crate::check::Rule;
use crate::{Diagnostic, Graph};

/// A goal gate says where to go when it is not satisfied (§7.2), or the graph does (§3.4).
pub(super) struct GoalGateHasRetry;

impl Rule for GoalGateHasRetry {
    fn name(&self) -> &str {
        "goal_gate_has_retry"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let gates = graph.node_indexes().filter(|node| graph.node(*node).goal_gate());
        gates
            .filter(|gate| graph.gate_target(*gate).is_none())
            .map(|gate| {
                let message = format!(
                    "when the goal gate `{}` is not satisfied, the run fails at the exit",
                    graph.id(gate)
                );
                Diagnostic::warning("goal_gate_has_retry", message)
                    .on_node(graph, gate)
                    .fix("set `retry_target` on it, to the stage to go back to")
            })
            .collect()
    }
}
