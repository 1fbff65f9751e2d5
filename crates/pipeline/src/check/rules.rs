//! The built-in rules, one a file: those of §7.2 first, in its order, then those of the rulings.

mod all_conditional;
mod attribute_alias;
mod attribute_known;
mod attribute_value;
mod condition_syntax;
mod condition_value;
mod dialect;
mod edge_target_exists;
mod exit_no_outgoing;
mod explore;
mod fidelity_valid;
mod gate_visited;
mod goal_gate_has_retry;
mod human_gate;
mod parallel_branches;
mod prompt_on_llm_nodes;
mod reachability;
mod restart_in_branch;
mod retry_target_exists;
mod shape_known;
mod start_no_incoming;
mod start_node;
mod stylesheet_syntax;
mod terminal_node;
mod tool_command;
mod type_known;

use super::Rule;
use crate::diagnostic::Diagnostic;
use crate::graph::{Attr, EdgeIx, Graph, NodeIx};

/// All built-in rules; `types` are registered besides the built-in handlers.
pub fn built_in(types: &[&str]) -> Vec<Box<dyn Rule>> {
    vec![
        Box::new(start_node::StartNode),
        Box::new(terminal_node::TerminalNode),
        Box::new(reachability::Reachability),
        Box::new(edge_target_exists::EdgeTargetExists),
        Box::new(start_no_incoming::StartNoIncoming),
        Box::new(exit_no_outgoing::ExitNoOutgoing),
        Box::new(condition_syntax::ConditionSyntax),
        Box::new(stylesheet_syntax::StylesheetSyntax),
        Box::new(type_known::TypeKnown::new(types)),
        Box::new(fidelity_valid::FidelityValid),
        Box::new(retry_target_exists::RetryTargetExists),
        Box::new(goal_gate_has_retry::GoalGateHasRetry),
        Box::new(prompt_on_llm_nodes::PromptOnLlmNodes),
        Box::new(dialect::DialectRule),
        Box::new(all_conditional::AllConditional),
        Box::new(gate_visited::GateVisited),
        Box::new(explore::Explore),
        Box::new(parallel_branches::ParallelBranches),
        Box::new(restart_in_branch::RestartInBranch),
        Box::new(human_gate::HumanGate),
        Box::new(tool_command::ToolCommand),
        Box::new(condition_value::ConditionValue),
        Box::new(attribute_value::AttributeValue),
        Box::new(attribute_alias::AttributeAlias),
        Box::new(attribute_known::AttributeKnown),
        Box::new(shape_known::ShapeKnown),
    ]
}

/// Says where a finding is.
trait Place: Sized {
    /// It is about a node.
    fn on_node(self, graph: &Graph, node: NodeIx) -> Self;
    /// It is about an edge.
    fn on_edge(self, graph: &Graph, edge: EdgeIx) -> Self;
    /// It is about the value of an attribute.
    fn on_value(self, attr: &Attr) -> Self;
    /// It is about the key of an attribute.
    fn on_key(self, attr: &Attr) -> Self;
}

impl Place for Diagnostic {
    fn on_node(self, graph: &Graph, node: NodeIx) -> Self {
        let node = graph.node(node);
        self.node(node.id()).at(node.span())
    }

    fn on_edge(self, graph: &Graph, edge: EdgeIx) -> Self {
        let edge = graph.edge(edge);
        self.edge(graph.id(edge.from()), graph.id(edge.to())).at(edge.span())
    }

    fn on_value(mut self, attr: &Attr) -> Self {
        self.span = attr.value_span.or(self.span);
        self
    }

    fn on_key(mut self, attr: &Attr) -> Self {
        self.span = attr.key_span.or(self.span);
        self
    }
}

/// Every attribute of the graph, its nodes and edges, once for each place where it is written: a
/// value of a block of defaults is seen with the first node or edge that has it.
fn each_attribute<'a>(graph: &'a Graph, mut see: impl FnMut(Owner, &'a Attr)) {
    let mut seen = std::collections::HashSet::new();
    let mut once = |owner, attr: &'a Attr| {
        if attr.key_span.is_none_or(|span| seen.insert(span)) {
            see(owner, attr);
        }
    };
    for attr in graph.attrs().iter() {
        once(Owner::Graph, attr);
    }
    for node in graph.node_indexes() {
        for attr in graph.node(node).attrs().iter() {
            once(Owner::Node(node), attr);
        }
    }
    for edge in graph.edge_indexes() {
        for attr in graph.edge(edge).attrs().iter() {
            once(Owner::Edge(edge), attr);
        }
    }
}

/// Whose attribute it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Graph,
    Node(NodeIx),
    Edge(EdgeIx),
}

impl Owner {
    /// A finding about it.
    fn place(self, graph: &Graph, found: Diagnostic) -> Diagnostic {
        match self {
            Self::Graph => found.at(graph.span()),
            Self::Node(node) => found.on_node(graph, node),
            Self::Edge(edge) => found.on_edge(graph, edge),
        }
    }
}

/// The word that is most like this one, if one is like it.
fn nearest<'a>(word: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // More candidates than a person would look through are not worth the time.
    among
        .take(1_000)
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 2 && *candidate != word)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && *distance * 3 <= candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters must be added, removed, replaced to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, c) in one.chars().take(64).enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (column, o) in other.iter().enumerate() {
            let above = row.get(column + 1).copied().unwrap_or(0);
            let own = (diagonal + usize::from(c != *o)).min(above + 1).min(left + 1);
            diagonal = above;
            if let Some(slot) = row.get_mut(column) {
                *slot = left;
            }
            left = own;
        }
        if let Some(last) = row.last_mut() {
            *last = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        let words = ["prompt", "max_retries", "goal_gate"];
        assert_eq!(nearest("max_retry", words.into_iter()), None);
        assert_eq!(nearest("max_retrie", words.into_iter()), Some("max_retries"));
        assert_eq!(nearest("promt", words.into_iter()), Some("prompt"));
        assert_eq!(nearest("x", ["y"].into_iter()), None);
    }
}
