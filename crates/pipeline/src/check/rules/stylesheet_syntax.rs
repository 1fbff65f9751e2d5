use crate::check::Rule;
use crate::{Diagnostic, Graph, Stylesheet};

/// The stylesheet can be read (§7.2, §8).
pub(super) struct StylesheetSyntax;

impl Rule for StylesheetSyntax {
    fn name(&self) -> &str {
        "stylesheet_syntax"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let Some(attr) = graph.attrs().get("model_stylesheet") else { return Vec::new() };
        match Stylesheet::parse(attr.value.text()) {
            Ok(_) => Vec::new(),
            Err(error) => vec![
                Diagnostic::error("stylesheet_syntax", error.message)
                    .at(attr.locate(error.span))
                    .fix(error.fix),
            ],
        }
    }
}
