//! `$goal` and `$inputs.NAME` in prompts (Attractor §9.2).
//!
//! Values are data: they are put in once and what they hold is not looked at again, and they are
//! never put into commands, which read them from their environment instead.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::Transform;
use crate::diagnostic::Diagnostic;
use crate::graph::{Attr, Graph, Origin};
use crate::span::Span;

/// Attributes of nodes whose text a model or a person reads.
const TEXTS: [&str; 2] = ["prompt", "label"];
/// Attributes that a shell reads.
const COMMANDS: [&str; 3] = ["tool_command", "tool_hooks.pre", "tool_hooks.post"];

/// Replaces `$goal` and `$inputs.NAME` in prompts and labels of nodes, and `$inputs.NAME` in the
/// goal. A longer name such as `$goalpost` is another word and stays.
#[derive(Debug, Clone, Copy)]
pub struct Variables<'a> {
    inputs: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Variables<'a> {
    /// With these values; without any, inputs stay as they are written.
    pub fn of(inputs: Option<&'a BTreeMap<String, String>>) -> Self {
        Self { inputs }
    }

    fn value(&self, goal: &str, name: &Name<'_>) -> Option<String> {
        match name {
            Name::Goal => Some(goal.to_owned()),
            Name::Input(name) => self.inputs?.get(*name).cloned(),
        }
    }

    /// Tells of inputs that are used and not given.
    fn missing(&self, attr: &Attr, owner: impl Fn(Diagnostic) -> Diagnostic) -> Vec<Diagnostic> {
        let Some(inputs) = self.inputs else { return Vec::new() };
        let undefined = |found: Found<'_>| match found.name {
            Name::Input(name) if !inputs.contains_key(name) => {
                let message = format!("the input `{name}` is not given");
                let fix = format!("give it with --input {name}=VALUE");
                let error = Diagnostic::error("input_undefined", message).fix(fix);
                Some(owner(error).at(attr.locate(found.span)))
            }
            _ => None,
        };
        names(attr.value.text()).filter_map(undefined).collect()
    }

    /// Tells of inputs that are given and not used.
    fn unused(&self, graph: &Graph) -> Vec<Diagnostic> {
        let used = used(graph);
        let given = self.inputs.into_iter().flat_map(BTreeMap::keys);
        let unused = given.filter(|name| !used.contains(*name) && !in_commands(graph, name));
        unused
            .map(|name| {
                let message = format!("the input `{name}` is given and not used");
                Diagnostic::warning("input_unused", message)
                    .fix("see whether its name is written as the pipeline writes it")
            })
            .collect()
    }
}

impl Transform for Variables<'_> {
    fn apply(&self, graph: &Graph, found: &mut Vec<Diagnostic>) -> Graph {
        found.extend(in_command(graph));
        found.extend(self.unused(graph));
        let mut expanded = graph.clone();
        if let Some(attr) = graph.attrs().get("goal") {
            found.extend(self.missing(attr, |error| error));
            let text = attr.value.text();
            let own = |name: &Name<'_>| match name {
                Name::Goal => None,
                input => self.value("", input),
            };
            if let Cow::Owned(goal) = replace(text, own) {
                expanded.rewrite_attr("goal", goal, Origin::Transform);
            }
        }
        let goal = expanded.goal().to_owned();
        for node in graph.node_indexes() {
            for key in TEXTS {
                let Some(attr) = graph.node(node).attrs().get(key) else { continue };
                found.extend(self.missing(attr, |error| error.node(graph.id(node))));
                if let Cow::Owned(text) = replace(attr.value.text(), |name| self.value(&goal, name))
                {
                    expanded.rewrite_node_attr(node, key, text, Origin::Transform);
                }
            }
        }
        expanded
    }
}

/// Inputs that a graph uses in its texts.
pub(super) fn used(graph: &Graph) -> BTreeSet<String> {
    let goal = graph.attrs().get("goal");
    let of_nodes =
        graph.nodes().iter().flat_map(|node| TEXTS.iter().filter_map(|key| node.attrs().get(key)));
    let inputs = goal.into_iter().chain(of_nodes).flat_map(|attr| names(attr.value.text()));
    inputs
        .filter_map(|found| match found.name {
            Name::Input(name) => Some(name.to_owned()),
            Name::Goal => None,
        })
        .collect()
}

/// Texts that a shell reads, each with the node that it is of, if it is of one.
fn commands(graph: &Graph) -> impl Iterator<Item = (Option<&str>, &Attr)> {
    let graphs = COMMANDS.iter().filter_map(|key| graph.attrs().get(key)).map(|attr| (None, attr));
    let nodes = graph.nodes().iter().flat_map(|node| {
        let attrs = COMMANDS.iter().filter_map(|key| node.attrs().get(key));
        attrs.map(|attr| (Some(node.id()), attr))
    });
    graphs.chain(nodes)
}

/// Whether a command reads an input from its environment.
fn in_commands(graph: &Graph, name: &str) -> bool {
    let variable = input_variable(name);
    commands(graph).any(|(_, attr)| attr.value.text().contains(&variable))
}

/// A shell would read `$inputs.NAME` as an empty variable and a word.
fn in_command(graph: &Graph) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (node, attr) in commands(graph) {
        for at in names(attr.value.text()) {
            let Name::Input(name) = at.name else { continue };
            let message = format!("an input is not put into a command ({})", attr.key);
            let fix = format!("write \"${}\", with the quotes", input_variable(name));
            let mut error = Diagnostic::error("input_in_command", message).fix(fix);
            error.node = node.map(str::to_owned);
            found.push(error.at(attr.locate(at.span)));
        }
    }
    found
}

/// The environment variable that commands find an input in.
pub(crate) fn input_variable(input: &str) -> String {
    format!("ATTRACTOR_INPUT_{input}")
}

/// `$goal` replaced, and nothing else.
pub fn expand_goal(text: &str, goal: &str) -> String {
    let value = |name: &Name<'_>| matches!(name, Name::Goal).then(|| goal.to_owned());
    replace(text, value).into_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name<'a> {
    Goal,
    Input(&'a str),
}

struct Found<'a> {
    name: Name<'a>,
    span: Span,
}

/// The variables of a text, from its beginning to its end.
fn names(text: &str) -> impl Iterator<Item = Found<'_>> {
    text.match_indices('$').filter_map(|(start, _)| {
        let rest = &text[start + 1..];
        let word = word(rest);
        let (name, length) = match word {
            "goal" => (Name::Goal, word.len()),
            "inputs" => {
                let input = self::word(rest[word.len()..].strip_prefix('.')?);
                (!input.is_empty()).then_some((Name::Input(input), word.len() + 1 + input.len()))?
            }
            _ => return None,
        };
        Some(Found { name, span: Span::new(start, start + 1 + length) })
    })
}

/// The letters, digits and `_` that a text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// A text with the variables replaced that have a value.
fn replace(text: &str, value: impl Fn(&Name<'_>) -> Option<String>) -> Cow<'_, str> {
    let mut replaced = String::new();
    let mut from = 0;
    for found in names(text) {
        let Some(value) = value(&found.name) else { continue };
        replaced.push_str(&text[from..found.span.start as usize]);
        replaced.push_str(&value);
        from = found.span.end as usize;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    replaced.push_str(&text[from..]);
    Cow::Owned(replaced)
}
