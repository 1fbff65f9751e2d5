//! What stands between a run and its success (Attractor §3.4, ruling 5).

use super::Machine;
use crate::engine::frame::{FrameId, Latest};
use crate::engine::route::{Rule, Way};

/// The first gate that keeps a run from its end.
#[derive(Clone, Copy)]
enum Open {
    /// Its latest verdict is no success.
    Unsatisfied(usize),
    /// It judged another tree than the one at the end.
    Stale(usize),
}

impl Machine {
    /// At the exit, or where no edge leads on: success only if every visited gate is satisfied and
    /// judged what is there now.
    pub(super) fn at_the_end(&self, id: &FrameId, rule: Rule) -> Way {
        let Some(open) = self.open_gate(id) else { return Way::Done { rule } };
        let detail = self.describe(open);
        let Some(node) = self.way_back(open) else {
            let reason = format!("goal_gate_unsatisfied: {detail}, and no retry_target leads back");
            return Way::Fail { rule: Rule::GateUnsatisfied, reason };
        };
        if self.redirects >= self.plan.max_goal_redirects {
            let all = self.plan.max_goal_redirects;
            let reason = format!("max_goal_redirects: sent back {all} times, and still {detail}");
            return Way::Fail { rule: Rule::Limit, reason };
        }
        let (gate, stale, rule) = match open {
            Open::Unsatisfied(gate) => (gate, false, Rule::GoalGate),
            Open::Stale(gate) => (gate, true, Rule::StaleGate),
        };
        Way::Back { node, gate, stale, rule, detail }
    }

    /// Sends the run back. A stale gate alone is asked again, and the run then is where it was; for
    /// an unsatisfied one the run goes on from `node`, and gates that held are asked again on the
    /// way, while the failing one keeps its verdict until it has another.
    pub(super) fn redirect(&mut self, id: &FrameId, node: usize, gate: usize, stale: bool) {
        self.redirects += 1;
        let again = self.plan.reachable(node);
        if let Some(frame) = self.frames.get_mut(id) {
            if stale {
                frame.recheck = Some(frame.at);
            } else {
                let nodes = &self.plan.nodes;
                frame.latest.retain(|at, latest| {
                    let held = nodes[*at].goal_gate && latest.outcome.status.satisfies_gate();
                    *at == gate || !held || !again.contains(at)
                });
            }
        }
        self.enter(id, node, None);
    }

    /// Gates in execution order, over the latest outcome of each that was visited.
    fn open_gate(&self, id: &FrameId) -> Option<Open> {
        let frame = self.frames.get(id)?;
        let tree = frame.snapshot.as_ref().map(|snapshot| &snapshot.tree);
        let mut gates: Vec<_> =
            frame.latest.iter().filter(|(node, _)| self.plan.nodes[**node].goal_gate).collect();
        gates.sort_by_key(|(_, latest)| latest.order);
        let unsatisfied = gates.iter().find(|(_, latest)| !latest.outcome.status.satisfies_gate());
        if let Some((node, _)) = unsatisfied {
            return Some(Open::Unsatisfied(**node));
        }
        let stale = |latest: &Latest| match (&latest.tree, tree) {
            (Some(judged), Some(now)) => judged != now,
            _ => false,
        };
        gates.iter().find(|(_, latest)| stale(latest)).map(|(node, _)| Open::Stale(**node))
    }

    fn way_back(&self, open: Open) -> Option<usize> {
        match open {
            Open::Stale(gate) => Some(gate),
            Open::Unsatisfied(gate) => {
                let gate = &self.plan.nodes[gate];
                let [graph, fallback] = self.plan.retry_targets;
                gate.retry_target.or(gate.fallback_retry_target).or(graph).or(fallback)
            }
        }
    }

    fn describe(&self, open: Open) -> String {
        match open {
            Open::Unsatisfied(gate) => {
                format!("goal gate `{}` is not satisfied", self.plan.nodes[gate].id)
            }
            Open::Stale(gate) => format!(
                "goal gate `{}` judged another state of the files than the one here",
                self.plan.nodes[gate].id
            ),
        }
    }
}
