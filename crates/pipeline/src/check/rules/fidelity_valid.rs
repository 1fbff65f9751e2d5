use super::{Owner, Place, each_attribute};
use crate::check::Rule;
use crate::graph::Fidelity;
use crate::{Diagnostic, Graph};

/// Fidelities are one of the modes of §5.4 (§7.2).
pub(super) struct FidelityValid;

impl Rule for FidelityValid {
    fn name(&self) -> &str {
        "fidelity_valid"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        each_attribute(graph, |owner, attr| {
            let key = if owner == Owner::Graph { "default_fidelity" } else { "fidelity" };
            let word = attr.value.text().trim();
            if &*attr.key != key || word.is_empty() || Fidelity::parse(word).is_some() {
                return;
            }
            let modes = Fidelity::ALL.map(Fidelity::as_str).join("`, `");
            let message = format!("`{word}` is no fidelity; it is read as not set");
            let warning = Diagnostic::warning("fidelity_valid", message);
            found.push(
                owner.place(graph, warning).on_value(attr).fix(format!("write one of `{modes}`")),
            );
        });
        found
    }
}
