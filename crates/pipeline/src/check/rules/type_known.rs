use super::{Place, nearest};
use crate::check::Rule;
use crate::{Diagnostic, Graph, Kind};

/// Every `type` names a handler (§7.2). An error: it would not be run as an LLM call instead
/// (ruling 14).
pub(super) struct TypeKnown {
    registered: Vec<String>,
}

impl TypeKnown {
    pub(super) fn new(types: &[&str]) -> Self {
        Self { registered: types.iter().map(|name| (*name).to_owned()).collect() }
    }
}

impl Rule for TypeKnown {
    fn name(&self) -> &str {
        "type_known"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let names: Vec<&str> = Kind::BUILT_IN
            .iter()
            .map(Kind::as_str)
            .chain(self.registered.iter().map(String::as_str))
            .collect();
        let mut found = Vec::new();
        for node in graph.node_indexes() {
            let Some(attr) = graph.node(node).attrs().get("type") else { continue };
            let Some(name) = graph.node(node).type_name() else { continue };
            if names.contains(&name) {
                continue;
            }
            let fix = match nearest(name, names.iter().copied()) {
                Some(near) => format!("write `type=\"{near}\"`"),
                None => format!("the types are {}; shapes name them too", names.join(", ")),
            };
            let message = format!("no handler is called `{name}`");
            found.push(
                Diagnostic::error("type_known", message)
                    .on_node(graph, node)
                    .on_value(attr)
                    .fix(fix),
            );
        }
        found
    }
}
