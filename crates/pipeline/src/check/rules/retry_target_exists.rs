use super::{Owner, Place, each_attribute, nearest};
use crate::check::Rule;
use crate::{Diagnostic, Graph};

/// Retry targets are nodes (§7.2).
pub(super) struct RetryTargetExists;

impl Rule for RetryTargetExists {
    fn name(&self) -> &str {
        "retry_target_exists"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        each_attribute(graph, |owner, attr| {
            let id = attr.value.text().trim();
            let is_target = matches!(&*attr.key, "retry_target" | "fallback_retry_target");
            if !is_target || matches!(owner, Owner::Edge(_)) || id.is_empty() {
                return;
            }
            if graph.find(id).is_some() {
                return;
            }
            let message = format!("{} is `{id}`, which is no node", attr.key);
            let fix = match nearest(id, graph.nodes().iter().map(|node| node.id())) {
                Some(near) => format!("write `{near}`"),
                None => "name a node of the graph".to_owned(),
            };
            let warning = Diagnostic::warning("retry_target_exists", message);
            found.push(owner.place(graph, warning).on_value(attr).fix(fix));
        });
        found
    }
}
