use super::Place;
use crate::check::Rule;
use crate::check::paths::Paths;
use crate::check::routing::{self, Status};
use crate::{Diagnostic, Graph, NodeIx};

/// A stage whose edges all have conditions has one for every status that it can end with
/// (ruling 4).
pub(super) struct AllConditional;

impl Rule for AllConditional {
    fn name(&self) -> &str {
        "all_conditional"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let Some(start) = graph.start() else { return Vec::new() };
        let paths = Paths::from(graph, start);
        let all_conditional = |node: &NodeIx| {
            let edges = graph.outgoing(*node);
            !edges.is_empty() && edges.iter().all(|edge| graph.edge(*edge).condition().is_some())
        };
        let nodes = graph.node_indexes().filter(|node| paths.reaches(*node));
        let nodes = nodes.filter(all_conditional).filter(|node| routing::readable(graph, *node));
        nodes.filter_map(|node| found(graph, node, &paths)).collect()
    }
}

fn found(graph: &Graph, node: NodeIx, paths: &Paths) -> Option<Diagnostic> {
    let possible = routing::statuses(graph, node);
    let open: Vec<Status> =
        possible.into_iter().filter(|status| !routing::covered(graph, node, *status)).collect();
    let id = graph.id(node);
    if open.iter().any(|status| *status != Status::Fail) {
        let message = format!(
            "no edge of `{id}` need hold when it ends with {}; the run would fail there: {}",
            Status::list(&open),
            paths.told(graph, node)
        );
        let fix = "add an edge without a condition, or conditions for the other cases";
        return Some(Diagnostic::warning("all_conditional", message).on_node(graph, node).fix(fix));
    }
    if open.is_empty() || graph.failure_target(node).is_some() {
        return None;
    }
    let message = format!("when `{id}` fails, no edge leads on and the run fails");
    let fix =
        "add an edge with `condition=\"outcome=fail\"`, or `retry_target`, if it should go on";
    Some(Diagnostic::info("all_conditional", message).on_node(graph, node).fix(fix))
}
