use super::Place;
use crate::check::Rule;
use crate::{Diagnostic, Graph};

/// No edge leads to where the run begins (§7.2).
pub(super) struct StartNoIncoming;

impl Rule for StartNoIncoming {
    fn name(&self) -> &str {
        "start_no_incoming"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let starts = &graph.roles().starts;
        let edges = starts.iter().flat_map(|start| graph.incoming(*start));
        edges
            .map(|edge| {
                let to = graph.id(graph.edge(*edge).to());
                let message = format!("an edge leads back to `{to}`, where the run begins");
                Diagnostic::error("start_no_incoming", message)
                    .on_edge(graph, *edge)
                    .fix("lead it to the first stage after the start")
            })
            .collect()
    }
}
