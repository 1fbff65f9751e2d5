use super::Place;
use crate::check::Rule;
use crate::stylesheet::Property;
use crate::{Diagnostic, Dialect, Graph, NodeIx, Stylesheet};

/// What earlier texts of the specification said otherwise is told, with what to write now.
pub(super) struct DialectRule;

impl Rule for DialectRule {
    fn name(&self) -> &str {
        "dialect"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        name(graph, &mut found);
        if graph.dialect() == Dialect::Current {
            retries(graph, &mut found);
            shapes(graph, &mut found);
            stylesheet(graph, &mut found);
        }
        found
    }
}

/// A dialect that nobody knows.
fn name(graph: &Graph, found: &mut Vec<Diagnostic>) {
    let Some(attr) = graph.attrs().get("dialect") else { return };
    if Dialect::parse(attr.value.text()).is_none() {
        let message = format!("`{}` is no dialect", attr.value.text());
        let fix = format!("write `dialect=\"{}\"`, or leave it out", Dialect::FEBRUARY);
        found.push(Diagnostic::error("dialect", message).on_value(attr).fix(fix));
    }
}

fn retries(graph: &Graph, found: &mut Vec<Diagnostic>) {
    if let Some(attr) = graph.attrs().get("default_max_retry") {
        let message = "`default_max_retry` is the old name of `default_max_retries`";
        found.push(
            Diagnostic::warning("dialect", message).on_key(attr).fix("write `default_max_retries`"),
        );
    }
}

/// Circles for start and exit.
fn shapes(graph: &Graph, found: &mut Vec<Diagnostic>) {
    let roles = graph.roles();
    let mut old = |nodes: &[NodeIx], old: &str, new: &str| {
        for node in nodes {
            let attrs = graph.node(*node).attrs();
            if let Some(attr) = attrs.get("shape").filter(|attr| attr.value.text() == old) {
                let message = format!("`{old}` is an old shape of this role");
                let fix = format!("write `shape={new}`");
                let warning = Diagnostic::warning("dialect", message).on_node(graph, *node);
                found.push(warning.on_value(attr).fix(fix));
            }
        }
    };
    old(&roles.starts, "circle", "Mdiamond");
    old(&roles.exits, "doublecircle", "Msquare");
}

/// `model` and `provider` in stylesheets.
fn stylesheet(graph: &Graph, found: &mut Vec<Diagnostic>) {
    let Some(attr) = graph.attrs().get("model_stylesheet") else { return };
    let Ok(sheet) = Stylesheet::parse(attr.value.text()) else { return };
    for declaration in sheet.rules().iter().flat_map(|rule| &rule.declarations) {
        let property: Property = declaration.property;
        if declaration.name != property.as_str() {
            let message = format!("`{}` is an old name of a property", declaration.name);
            let warning = Diagnostic::warning("dialect", message).at(attr.locate(declaration.span));
            found.push(warning.fix(format!("write `{}`", property.as_str())));
        }
    }
}
