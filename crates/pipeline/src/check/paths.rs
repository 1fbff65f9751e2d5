//! Ways through a graph.

use std::collections::VecDeque;

use crate::graph::{Graph, NodeIx};

/// The shortest ways from a node to all others, over edges and retry targets (ruling 13).
pub(super) struct Paths {
    start: NodeIx,
    /// The node before each node that was reached; its own for the start.
    before: Vec<Option<NodeIx>>,
}

impl Paths {
    /// All ways.
    pub(super) fn from(graph: &Graph, start: NodeIx) -> Self {
        Self::search(graph, start, None)
    }

    /// Ways that do not pass a node.
    pub(super) fn around(graph: &Graph, start: NodeIx, avoided: NodeIx) -> Self {
        Self::search(graph, start, Some(avoided))
    }

    fn search(graph: &Graph, start: NodeIx, avoided: Option<NodeIx>) -> Self {
        let mut paths = Self { start, before: vec![None; graph.nodes().len()] };
        let mut queue = VecDeque::new();
        paths.enter(start, start, avoided, &mut queue);
        while let Some(node) = queue.pop_front() {
            for next in successors(graph, node) {
                paths.enter(next, node, avoided, &mut queue);
            }
        }
        paths
    }

    fn enter(
        &mut self,
        node: NodeIx,
        from: NodeIx,
        avoided: Option<NodeIx>,
        queue: &mut VecDeque<NodeIx>,
    ) {
        if Some(node) == avoided {
            return;
        }
        if let Some(slot @ None) = self.before.get_mut(node.index()) {
            *slot = Some(from);
            queue.push_back(node);
        }
    }

    /// Whether a way leads to a node.
    pub(super) fn reaches(&self, node: NodeIx) -> bool {
        self.before.get(node.index()).is_some_and(Option::is_some)
    }

    /// The way to a node, for a message.
    pub(super) fn told(&self, graph: &Graph, to: NodeIx) -> String {
        let mut way = vec![to];
        let mut at = to;
        while at != self.start {
            let Some(before) = self.before.get(at.index()).copied().flatten() else { break };
            way.push(before);
            at = before;
        }
        way.reverse();
        tell(graph, &way)
    }
}

/// Where a run can go from a node: along edges, to its retry targets, and from an exit to those
/// of the graph.
fn successors(graph: &Graph, node: NodeIx) -> impl Iterator<Item = NodeIx> {
    let at = graph.node(node);
    let own = [at.retry_target(), at.fallback_retry_target()];
    let of_graph = if graph.is_exit(node) {
        [graph.retry_target(), graph.fallback_retry_target()]
    } else {
        [None, None]
    };
    let targets = own.into_iter().chain(of_graph).flatten().filter_map(|id| graph.find(id));
    graph.outgoing(node).iter().map(|edge| graph.edge(*edge).to()).chain(targets)
}

/// `a -> b -> c`; the middle of a long way is left out.
pub(super) fn tell(graph: &Graph, way: &[NodeIx]) -> String {
    const ENDS: usize = 6;
    let id = |node: &NodeIx| graph.id(*node).to_owned();
    let told: Vec<String> = if way.len() <= 2 * ENDS {
        way.iter().map(id).collect()
    } else {
        let (head, tail) = (way.iter().take(ENDS), way.iter().skip(way.len() - ENDS));
        let gap = format!("… {} more …", way.len() - 2 * ENDS);
        head.map(id).chain([gap]).chain(tail.map(id)).collect()
    };
    told.join(" -> ")
}
