//! What a gate offers, and which of it an answer means (Attractor §4.6, ruling 10).

use crate::engine::normalize_label;
use crate::graph::{EdgeIx, Graph, NodeIx};
use crate::interview::{Answer, AnswerValue, QuestionOption};

/// One way on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// What is typed for it; no two choices of a gate have the same.
    pub key: String,
    /// The edge's label, else the id of its target.
    pub label: String,
    /// The id of the node that it leads to.
    pub target: String,
    /// The edge itself: two edges to one node stay apart.
    pub edge: EdgeIx,
}

impl Choice {
    pub(super) fn option(&self) -> QuestionOption {
        QuestionOption { key: self.key.clone(), label: self.label.clone() }
    }
}

/// The edges without a condition that leave a node, in the order of declaration.
pub(super) fn of(graph: &Graph, node: NodeIx) -> Vec<Choice> {
    let edges = graph.outgoing(node).iter().copied();
    let offered: Vec<_> = edges.filter(|at| graph.edge(*at).condition().is_none()).collect();
    let labels: Vec<&str> = offered
        .iter()
        .map(|at| {
            let edge = graph.edge(*at);
            match edge.label().trim() {
                "" => graph.id(edge.to()),
                label => label,
            }
        })
        .collect();
    let choice = |((edge, label), key): ((&EdgeIx, &&str), String)| Choice {
        key,
        label: (*label).to_owned(),
        target: graph.id(graph.edge(*edge).to()).to_owned(),
        edge: *edge,
    };
    offered.iter().zip(&labels).zip(keys(&labels)).map(choice).collect()
}

/// The choice that a text means: by key, label, or target. None where it fits nothing, or fits
/// several alike.
pub(super) fn named<'a>(choices: &'a [Choice], text: &str) -> Option<&'a Choice> {
    let text = text.trim();
    let only = |test: &dyn Fn(&Choice) -> bool| {
        let mut found = choices.iter().filter(|choice| test(choice));
        found.next().filter(|_| found.next().is_none())
    };
    only(&|choice| same(&choice.key, text))
        .or_else(|| only(&|choice| choice.label == text))
        .or_else(|| only(&|choice| normalize_label(&choice.label) == normalize_label(text)))
        .or_else(|| only(&|choice| choice.target == text))
}

/// The choice that an answer means.
pub(super) fn matching<'a>(choices: &'a [Choice], answer: &Answer) -> Option<&'a Choice> {
    if let Some(option) = &answer.selected_option {
        return choices.iter().find(|choice| choice.option() == *option);
    }
    match &answer.value {
        AnswerValue::Text(text) => named(choices, text),
        AnswerValue::Yes => named(choices, "yes").or_else(|| named(choices, "y")),
        AnswerValue::No => named(choices, "no").or_else(|| named(choices, "n")),
        AnswerValue::Skipped | AnswerValue::Timeout => None,
    }
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// A key for each label. Keys that labels spell out go first; then each label takes the first of
/// its characters that is free, or else a number.
fn keys(labels: &[&str]) -> Vec<String> {
    let mut keys: Vec<Option<String>> = Vec::with_capacity(labels.len());
    let taken = |keys: &[Option<String>], key: &str| keys.iter().flatten().any(|k| same(k, key));
    for label in labels {
        let spelled = accelerator(label).filter(|key| !taken(&keys, key));
        keys.push(spelled.map(str::to_owned));
    }
    for (at, label) in labels.iter().enumerate() {
        if keys[at].is_none() {
            let letters = label.chars().filter(|c| c.is_alphanumeric());
            let letters = letters.map(|c| c.to_uppercase().collect::<String>());
            let numbers = (1..).map(|n: usize| n.to_string());
            keys[at] = letters.chain(numbers).find(|key| !taken(&keys, key));
        }
    }
    keys.into_iter().flatten().collect()
}

/// The key in `[K] Label`, `K) Label` or `K - Label`.
fn accelerator(label: &str) -> Option<&str> {
    let label = label.trim();
    if let Some(rest) = label.strip_prefix('[') {
        let (key, _) = rest.split_once(']')?;
        return (!key.is_empty() && key.chars().all(char::is_alphanumeric)).then_some(key);
    }
    let first = label.chars().next().filter(|key| key.is_alphanumeric())?;
    let (key, rest) = label.split_at(first.len_utf8());
    (rest.starts_with(") ") || rest.starts_with(" - ")).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(edges: &str) -> Vec<Choice> {
        let source = format!("digraph g {{ gate [shape=hexagon] {edges} }}");
        let graph = Graph::parse(&source).unwrap().graph;
        of(&graph, graph.find("gate").unwrap())
    }

    fn keys_of(labels: &[&str]) -> Vec<String> {
        keys(labels)
    }

    #[test]
    fn keys_are_read_from_labels_in_all_four_patterns() {
        let labels = ["[Y] Yes, deploy", "N) No", "L - Later", "abort", "[Esc] Leave"];
        assert_eq!(keys_of(&labels), ["Y", "N", "L", "A", "Esc"]);
    }

    #[test]
    fn keys_that_clash_become_the_next_that_is_free() {
        assert_eq!(keys_of(&["Approve", "Abort", "[B] Back"]), ["A", "O", "B"]);
        assert_eq!(keys_of(&["[A] One", "[a] Two", "a", "a"]), ["A", "T", "1", "2"]);
        assert_eq!(keys_of(&["…", "!", "[] x"]), ["1", "2", "X"]);
    }

    #[test]
    fn ruling_pipeline_10_conditional_edges_are_no_choices() {
        let found =
            choices("gate -> a [label=\"Go\"] gate -> b [condition=\"outcome=fail\"] gate -> c");
        let labels: Vec<_> = found.iter().map(|choice| choice.label.as_str()).collect();
        assert_eq!(labels, ["Go", "c"]);
    }

    #[test]
    fn answers_are_matched_by_key_label_and_target() {
        let found = choices("gate -> ship [label=\"[S] Ship it\"] gate -> hold [label=\"Hold\"]");
        for text in ["s", "S", "[S] Ship it", "ship it", " SHIP IT ", "ship"] {
            assert_eq!(named(&found, text).map(|c| c.target.as_str()), Some("ship"), "{text}");
        }
        for text in ["", "x", "shi", "ship it now"] {
            assert_eq!(named(&found, text), None, "{text}");
        }
        assert_eq!(matching(&found, &Answer::yes()), None);
    }

    #[test]
    fn ruling_pipeline_10_an_answer_that_fits_two_edges_alike_fits_none() {
        let found = choices("gate -> fix [label=\"Fix tests\"] gate -> fix [label=\"Fix docs\"]");
        assert_eq!(named(&found, "fix"), None, "both lead there");
        assert_eq!(named(&found, "fix docs").unwrap().edge, found[1].edge);
        assert_eq!(
            matching(&found, &Answer::option(&found[0].option())).unwrap().edge,
            found[0].edge
        );
    }
}
