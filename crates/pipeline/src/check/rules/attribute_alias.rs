use super::{Owner, Place, each_attribute};
use crate::check::Rule;
use crate::{Diagnostic, Graph};

/// Other names of attributes (ruling 21): some are read as the attribute, others belong to other
/// engines and mean nothing here.
pub(super) struct AttributeAlias;

/// (Name, the attribute, whether it is read as that).
const OF_NODES: [(&str, &str, bool); 6] = [
    ("model", "llm_model", true),
    ("provider", "llm_provider", true),
    ("node_type", "type", false),
    ("llm_prompt", "prompt", false),
    ("script", "tool_command", false),
    ("command", "tool_command", false),
];
const OF_GRAPHS: [(&str, &str, bool); 3] = [
    ("model", "llm_model", true),
    ("provider", "llm_provider", true),
    ("default_thread_id", "default_thread", true),
];

impl Rule for AttributeAlias {
    fn name(&self) -> &str {
        "attribute_alias"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        each_attribute(graph, |owner, attr| {
            let aliases: &[_] = match owner {
                Owner::Graph => &OF_GRAPHS,
                Owner::Node(_) => &OF_NODES,
                Owner::Edge(_) => return,
            };
            let Some((name, meant, read)) = aliases.iter().find(|(name, ..)| *name == &*attr.key)
            else {
                return;
            };
            let message = if *read {
                format!("`{name}` is another name of `{meant}`")
            } else {
                format!("`{name}` means nothing here; the attribute is called `{meant}`")
            };
            let warning = Diagnostic::warning("attribute_alias", message);
            found.push(owner.place(graph, warning).on_key(attr).fix(format!("write `{meant}`")));
        });
        found
    }
}
