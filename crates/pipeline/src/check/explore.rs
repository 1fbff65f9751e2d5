//! All states that a run can get into, as far as they are known before it: a stage, and how it
//! ended. Contexts are not followed: whatever a condition asks of them may be so or not.

mod components;

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::paths;
use super::routing::{self, Status};
use crate::graph::{EdgeIx, Graph, Kind, NodeIx};
use crate::limits::MAX_STEPS;

/// A stage that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    node: NodeIx,
    status: Status,
}

/// The states, and where each can lead.
pub(super) struct Explored {
    states: Vec<State>,
    next: Vec<Vec<usize>>,
    /// The state before each; its own for those at the start.
    before: Vec<usize>,
    /// Whether an exit can be reached from it, or the run ends by failing.
    ends: Vec<bool>,
    exits: Vec<bool>,
}

/// Branches of fan-outs: a stage in one that fails leads to where the branches meet.
struct Branches {
    /// The node where the branches meet that a node is in.
    join: HashMap<NodeIx, NodeIx>,
}

impl Branches {
    /// None when there are too many to look at.
    fn of(graph: &Graph) -> Option<Self> {
        let mut join = HashMap::new();
        let size = graph.nodes().len() + graph.edges().len();
        let mut steps = 0usize;
        for fan_out in graph.node_indexes().filter(|node| graph.kind(*node) == Kind::Parallel) {
            let branches = graph.outgoing(fan_out).len();
            steps = steps.saturating_add(branches.saturating_add(1).saturating_mul(2 * size));
            if steps > MAX_STEPS {
                return None;
            }
            let Some(meets) = graph.join(fan_out) else { continue };
            // Fan-outs within others are declared after them as a rule, and win.
            join.extend(graph.branch_nodes(fan_out).into_iter().map(|node| (node, meets)));
        }
        Some(Self { join })
    }
}

impl Explored {
    /// Explores from the start on; none when the graph is too large for it.
    pub(super) fn new(graph: &Graph, start: NodeIx) -> Option<Self> {
        let branches = Branches::of(graph)?;
        let redirects = redirects(graph);
        let mut explored = Self {
            states: Vec::new(),
            next: Vec::new(),
            before: Vec::new(),
            ends: Vec::new(),
            exits: Vec::new(),
        };
        let mut known: HashMap<State, usize> = HashMap::new();
        let mut queue = VecDeque::new();
        for state in entered(graph, start, Status::Success) {
            explored.add(state, None, &mut known, &mut queue);
        }
        let mut steps = 0usize;
        while let Some(at) = queue.pop_front() {
            let Some(state) = explored.states.get(at).copied() else { break };
            let redirected = if graph.is_exit(state.node) { redirects.len() } else { 0 };
            steps = steps.saturating_add(1 + graph.outgoing(state.node).len() + redirected);
            if steps > MAX_STEPS / 100 {
                return None;
            }
            let after = after(graph, state, &branches, &redirects);
            let ends = after.fails || graph.is_exit(state.node);
            let mut next = BTreeSet::new();
            for node in after.nodes {
                for state in entered(graph, node, state.status) {
                    next.insert(explored.add(state, Some(at), &mut known, &mut queue));
                }
            }
            if let (Some(slot), Some(end)) = (explored.next.get_mut(at), explored.ends.get_mut(at))
            {
                *slot = next.into_iter().collect();
                *end = ends;
            }
        }
        let exit: Vec<bool> =
            explored.states.iter().map(|state| graph.is_exit(state.node)).collect();
        explored.exits = explored.backwards(exit);
        explored.ends = explored.backwards(explored.ends.clone());
        Some(explored)
    }

    fn add(
        &mut self,
        state: State,
        from: Option<usize>,
        known: &mut HashMap<State, usize>,
        queue: &mut VecDeque<usize>,
    ) -> usize {
        *known.entry(state).or_insert_with(|| {
            let at = self.states.len();
            self.states.push(state);
            self.next.push(Vec::new());
            self.ends.push(false);
            self.before.push(from.unwrap_or(at));
            queue.push_back(at);
            at
        })
    }

    /// From which states one of the marked ones can be reached.
    fn backwards(&self, mut marked: Vec<bool>) -> Vec<bool> {
        let mut sources = vec![Vec::new(); self.states.len()];
        for (from, next) in self.next.iter().enumerate() {
            for to in next {
                if let Some(sources) = sources.get_mut(*to) {
                    sources.push(from);
                }
            }
        }
        let mut open: Vec<usize> =
            marked.iter().enumerate().filter(|(_, is)| **is).map(|(at, _)| at).collect();
        while let Some(at) = open.pop() {
            for from in sources.get(at).into_iter().flatten() {
                if let Some(mark @ false) = marked.get_mut(*from) {
                    *mark = true;
                    open.push(*from);
                }
            }
        }
        marked
    }

    /// Which nodes a run can get to.
    pub(super) fn visited(&self, graph: &Graph) -> Vec<bool> {
        let mut visited = vec![false; graph.nodes().len()];
        for state in &self.states {
            if let Some(slot) = visited.get_mut(state.node.index()) {
                *slot = true;
            }
        }
        visited
    }

    /// How many states there are.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// The first state of a run.
    pub(super) fn start(&self) -> usize {
        0
    }

    /// The stage of a state.
    pub(super) fn node(&self, state: usize) -> NodeIx {
        self.states.get(state).map_or(NodeIx(0), |state| state.node)
    }

    /// How the stage of a state has ended.
    pub(super) fn status(&self, state: usize) -> &'static str {
        self.states.get(state).map_or("success", |state| state.status.as_str())
    }

    /// Whether an exit can be reached from a state.
    pub(super) fn reaches_exit(&self, state: usize) -> bool {
        self.exits.get(state).copied().unwrap_or(false)
    }

    /// The first state that a run gets to from which neither an exit nor the end of a failed run
    /// can be reached.
    pub(super) fn trapped(&self) -> Option<usize> {
        (0..self.states.len()).find(|at| !self.ends.get(*at).copied().unwrap_or(true))
    }

    /// The first state that a run gets to from which it goes nowhere; one in which nothing has
    /// failed, if there is one.
    pub(super) fn dead_end(&self) -> usize {
        let mut ends = self.next.iter().enumerate().filter(|(_, next)| next.is_empty());
        let first = ends.clone().next();
        let succeeded = |(at, _): &(usize, &Vec<usize>)| {
            self.states.get(*at).is_some_and(|state| state.status != Status::Fail)
        };
        ends.find(succeeded).or(first).map_or(self.start(), |(at, _)| at)
    }

    /// The way to a state, for a message.
    pub(super) fn told(&self, graph: &Graph, state: usize) -> String {
        let mut way = vec![self.node(state)];
        let mut at = state;
        while let Some(before) = self.before.get(at).copied().filter(|before| *before != at) {
            way.push(self.node(before));
            at = before;
        }
        way.reverse();
        paths::tell(graph, &way)
    }

    /// Whether a run can reach an exit after a gate has failed, without a success of it between.
    pub(super) fn can_fail_and_exit(&self, graph: &Graph, gate: NodeIx) -> bool {
        let failed = |state: &State| state.node == gate && state.status == Status::Fail;
        let Some(from) = self.states.iter().position(failed) else { return false };
        let mut seen = vec![false; self.states.len()];
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            for to in self.next.get(at).into_iter().flatten() {
                let succeeded = self
                    .states
                    .get(*to)
                    .is_some_and(|state| state.node == gate && state.status != Status::Fail);
                match seen.get_mut(*to) {
                    Some(seen) if !*seen && !succeeded => *seen = true,
                    _ => continue,
                }
                if graph.is_exit(self.node(*to)) {
                    return true;
                }
                open.push(*to);
            }
        }
        false
    }

    /// Whether a run that goes on at a node can get to another, or is there.
    pub(super) fn leads(&self, from: NodeIx, to: NodeIx) -> bool {
        let at = |state: &State| state.node == to;
        let marked = self.backwards(self.states.iter().map(at).collect());
        let mut states = self.states.iter().zip(&marked);
        // A target that no run got to yet is not known here; `reachability` counts it as reached.
        let known = self.states.iter().any(|state| state.node == from);
        !known || states.any(|(state, marked)| state.node == from && *marked)
    }

    /// The nodes of each loop, in the order of declaration. Going back because of a goal gate is
    /// no loop: that is counted.
    pub(super) fn loops(&self, graph: &Graph) -> Vec<Vec<NodeIx>> {
        let next: Vec<Vec<usize>> = self
            .next
            .iter()
            .enumerate()
            .map(|(at, next)| if graph.is_exit(self.node(at)) { Vec::new() } else { next.clone() })
            .collect();
        let mut loops: BTreeSet<Vec<NodeIx>> = BTreeSet::new();
        for component in components::cycles(&next) {
            let nodes: BTreeSet<NodeIx> = component.iter().map(|at| self.node(*at)).collect();
            loops.insert(nodes.into_iter().collect());
        }
        loops.into_iter().collect()
    }
}

/// How a node can end when it is entered after a stage with a status: a conditional node hands
/// that on (ruling 1).
fn entered(graph: &Graph, node: NodeIx, before: Status) -> Vec<State> {
    let statuses = match graph.kind(node) {
        Kind::Conditional => vec![before],
        _ => routing::statuses(graph, node),
    };
    statuses.into_iter().map(|status| State { node, status }).collect()
}

/// Where a run can go on after a state.
struct After {
    nodes: Vec<NodeIx>,
    /// Whether the run can fail here.
    fails: bool,
}

/// Where goal gates that are not satisfied send a run from the exit.
fn redirects(graph: &Graph) -> Vec<NodeIx> {
    let gates = graph.node_indexes().filter(|node| graph.node(*node).goal_gate());
    let targets: BTreeSet<NodeIx> = gates.filter_map(|gate| graph.gate_target(gate)).collect();
    targets.into_iter().collect()
}

fn after(graph: &Graph, state: State, branches: &Branches, redirects: &[NodeIx]) -> After {
    let mut after = After { nodes: Vec::new(), fails: false };
    if graph.is_exit(state.node) {
        after.nodes.extend_from_slice(redirects);
        return after;
    }
    let edges = graph.outgoing(state.node);
    let to = |edge: &EdgeIx| graph.edge(*edge).to();
    let unconditional =
        || edges.iter().filter(|edge| graph.edge(**edge).condition().is_none()).map(to);
    if graph.kind(state.node) == Kind::Parallel {
        // Every branch runs, and then the node where they meet.
        after.nodes.extend(edges.iter().map(to));
        after.nodes.extend(graph.join(state.node));
        after.fails = edges.is_empty();
        return after;
    }
    let taken = routing::taken(graph, state.node, state.status);
    let undecided = match taken {
        Some(taken) => {
            after.nodes.extend(taken.iter().flatten().map(to));
            taken.contains(&None)
        }
        None => {
            let conditional = edges.iter().filter(|edge| graph.edge(**edge).condition().is_some());
            after.nodes.extend(conditional.map(to));
            true
        }
    };
    if undecided {
        let node = graph.node(state.node);
        let before = after.nodes.len();
        if state.status != Status::Fail || node.continue_on_fail() {
            after.nodes.extend(unconditional());
        } else {
            // Ruling 2.
            let conditional = |node: &NodeIx| graph.kind(*node) == Kind::Conditional;
            after.nodes.extend(unconditional().filter(conditional));
            after.nodes.extend(graph.failure_target(state.node));
        }
        if after.nodes.len() == before {
            match branches.join.get(&state.node) {
                Some(join) => after.nodes.push(*join),
                None => after.fails = true,
            }
        }
    }
    after
}
