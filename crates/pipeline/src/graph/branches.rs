//! Branches of a fan-out and where they meet (ruling 8).

use std::collections::VecDeque;

use super::{Graph, Kind, NodeIx};

impl Graph {
    /// How many edges each node is away from a node; none for nodes that cannot be reached.
    pub fn distances(&self, from: NodeIx) -> Vec<Option<u32>> {
        let mut distances = vec![None; self.nodes().len()];
        let mut queue = VecDeque::from([from]);
        if let Some(own) = distances.get_mut(from.index()) {
            *own = Some(0);
        }
        while let Some(node) = queue.pop_front() {
            let next = distances.get(node.index()).copied().flatten().map(|steps: u32| steps + 1);
            for edge in self.outgoing(node) {
                let to = self.edge(*edge).to();
                if let Some(slot @ None) = distances.get_mut(to.index()) {
                    *slot = next;
                    queue.push_back(to);
                }
            }
        }
        distances
    }

    /// Where the branches of a fan-out meet: the nearest fan-in that all of them can reach, else
    /// the nearest node. Near is what the farthest branch is near to; of two the one that is
    /// declared first. None when the branches have no node in common, or when there are none.
    ///
    /// Takes time in proportion to the branches times the size of the graph.
    pub fn join(&self, fan_out: NodeIx) -> Option<NodeIx> {
        let mut farthest: Option<Vec<Option<u32>>> = None;
        for edge in self.outgoing(fan_out) {
            let near = self.distances(self.edge(*edge).to());
            farthest = Some(match farthest {
                None => near,
                Some(far) => {
                    far.into_iter().zip(near).map(|(far, near)| Some(far?.max(near?))).collect()
                }
            });
        }
        let candidates: Vec<(u32, NodeIx)> = farthest?
            .into_iter()
            .enumerate()
            .filter_map(|(index, steps)| Some((steps?, NodeIx::new(index))))
            .filter(|(_, node)| *node != fan_out)
            .collect();
        let fan_ins = candidates.iter().filter(|(_, node)| self.kind(*node) == Kind::FanIn);
        fan_ins.min().or_else(|| candidates.iter().min()).map(|(_, node)| *node)
    }

    /// The nodes of the branches of a fan-out: all that can be reached from it without passing
    /// the node where they meet, an exit, or the fan-out itself.
    pub fn branch_nodes(&self, fan_out: NodeIx) -> Vec<NodeIx> {
        let join = self.join(fan_out);
        let mut seen = vec![false; self.nodes().len()];
        let mut found = Vec::new();
        let mut open = vec![fan_out];
        while let Some(node) = open.pop() {
            for edge in self.outgoing(node) {
                let to = self.edge(*edge).to();
                let outside = Some(to) == join || to == fan_out || self.is_exit(to);
                match seen.get_mut(to.index()) {
                    Some(seen) if !*seen && !outside => *seen = true,
                    _ => continue,
                }
                found.push(to);
                open.push(to);
            }
        }
        found.sort_unstable();
        found
    }
}
