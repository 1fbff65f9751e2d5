use super::Place;
use crate::check::Rule;
use crate::check::paths::Paths;
use crate::limits::MAX_STEPS;
use crate::{Diagnostic, Graph};

/// A run cannot end without having visited every goal gate; unvisited gates are not checked
/// (§3.4, ruling 5).
pub(super) struct GateVisited;

impl Rule for GateVisited {
    fn name(&self) -> &str {
        "gate_visited"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let Some(start) = graph.start() else { return Vec::new() };
        let gates: Vec<_> =
            graph.node_indexes().filter(|node| graph.node(*node).goal_gate()).collect();
        let size = graph.nodes().len() + graph.edges().len();
        if gates.len().saturating_mul(size) > MAX_STEPS {
            let message = "too many goal gates to look for ways around them";
            return vec![Diagnostic::info("gate_visited", message).at(graph.span())];
        }
        let mut found = Vec::new();
        for gate in gates {
            let around = Paths::around(graph, start, gate);
            let exit = graph.roles().exits.iter().find(|exit| around.reaches(**exit));
            if let Some(exit) = exit.filter(|_| gate != start) {
                let message = format!(
                    "a run can end without visiting the goal gate `{}`, and succeed: {}",
                    graph.id(gate),
                    around.told(graph, *exit)
                );
                found.push(
                    Diagnostic::warning("gate_visited", message)
                        .on_node(graph, gate)
                        .fix("lead every way to the exit through the gate"),
                );
            }
        }
        found
    }
}
