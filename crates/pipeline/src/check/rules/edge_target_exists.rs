use super::{Place, nearest};
use crate::check::Rule;
use crate::{Diagnostic, Dialect, Graph, NodeIx, Severity};

/// Every end of an edge is a node that is declared (§7.2, ruling 12).
pub(super) struct EdgeTargetExists;

impl Rule for EdgeTargetExists {
    fn name(&self) -> &str {
        "edge_target_exists"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let severity = match graph.dialect() {
            Dialect::Current => Severity::Error,
            Dialect::February2026 => Severity::Warning,
        };
        let undeclared = graph.node_indexes().filter(|node| !graph.node(*node).is_declared());
        let undeclared = undeclared.enumerate();
        undeclared.map(|(count, node)| found(graph, node, severity, count < MOST_HINTS)).collect()
    }
}

/// Findings for which a similar id is looked for.
const MOST_HINTS: usize = 50;

fn found(graph: &Graph, node: NodeIx, severity: Severity, hint: bool) -> Diagnostic {
    let id = graph.id(node);
    let declared = graph.nodes().iter().filter(|other| other.is_declared()).map(|other| other.id());
    let fix = match hint.then(|| nearest(id, declared)).flatten() {
        Some(near) => {
            format!("write `{near}` if that is meant, or declare it: `{id} [label=\"…\"]`")
        }
        None => format!("declare it: `{id} [label=\"…\", prompt=\"…\"]`"),
    };
    let message = format!("an edge names `{id}`, which no statement declares");
    let mut found = Diagnostic::new("edge_target_exists", severity, message);
    if let Some(edge) = graph.incoming(node).first().or(graph.outgoing(node).first()) {
        found = found.on_edge(graph, *edge);
    }
    found.on_node(graph, node).fix(fix)
}
