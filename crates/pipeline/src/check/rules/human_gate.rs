use super::Place;
use crate::check::Rule;
use crate::{Diagnostic, Graph, Kind, NodeIx};

/// A human gate has choices, and its default is one of them (§4.6, §6.5, ruling 10).
pub(super) struct HumanGate;

impl Rule for HumanGate {
    fn name(&self) -> &str {
        "human_gate"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let gates = graph.node_indexes().filter(|node| graph.kind(*node) == Kind::WaitHuman);
        gates
            .flat_map(|gate| [choices(graph, gate), default_choice(graph, gate)])
            .flatten()
            .collect()
    }
}

/// Unconditional edges are the choices.
fn choices(graph: &Graph, gate: NodeIx) -> Option<Diagnostic> {
    let offered = |edge: &&crate::EdgeIx| graph.edge(**edge).condition().is_none();
    if graph.outgoing(gate).iter().any(|edge| offered(&edge)) {
        return None;
    }
    let message = format!("the human gate `{}` has no choices to offer", graph.id(gate));
    Some(
        Diagnostic::warning("human_gate", message)
            .on_node(graph, gate)
            .fix("add an edge without a condition for each choice, with a label"),
    )
}

fn default_choice(graph: &Graph, gate: NodeIx) -> Option<Diagnostic> {
    let node = graph.node(gate);
    let choice = node.default_choice()?;
    let attr = node.attrs().get("human.default_choice")?;
    let offered = graph.outgoing(gate).iter().map(|edge| graph.edge(*edge));
    let mut offered = offered.filter(|edge| edge.condition().is_none());
    if offered.any(|edge| graph.id(edge.to()) == choice || edge.label() == choice) {
        return None;
    }
    let message = format!("`human.default_choice` is `{choice}`, which no choice leads to");
    Some(
        Diagnostic::warning("human_gate", message)
            .on_node(graph, gate)
            .on_value(attr)
            .fix("name the node that one of its unconditional edges leads to"),
    )
}
