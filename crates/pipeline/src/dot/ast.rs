//! What stands in a source, as it stands there.

use std::sync::Arc;

use crate::span::{Span, SpanMap};

/// A whole file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The name of the digraph.
    pub name: Option<Text>,
    /// Its statements in order.
    pub statements: Vec<Statement>,
    /// From `digraph` to the last brace.
    pub span: Span,
}

/// A statement (§2.2).
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `key = value`.
    Attribute(Attribute),
    /// `graph [...]`, `node [...]`, `edge [...]`.
    Defaults(Defaults),
    /// `id [...]`.
    Node(Node),
    /// `a -> b -> c [...]`.
    Edge(Edge),
    /// `subgraph id { ... }` or `{ ... }`.
    Subgraph(Subgraph),
}

/// Attributes for what follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    /// What they are for.
    pub target: Target,
    /// The attributes.
    pub attributes: Vec<Attribute>,
    /// The whole statement.
    pub span: Span,
}

/// What a block of defaults is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The graph or subgraph itself.
    Graph,
    /// Nodes that follow in the scope.
    Node,
    /// Edges that follow in the scope.
    Edge,
}

/// A node statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The node's id.
    pub id: Text,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// The whole statement.
    pub span: Span,
}

/// An edge statement: a chain of at least two ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// The chain.
    pub ends: Vec<End>,
    /// The attributes of every edge of the chain.
    pub attributes: Vec<Attribute>,
    /// The whole statement.
    pub span: Span,
}

/// One end of an edge.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// A node.
    Node(Text),
    /// All nodes of a group: `{A B}` or `subgraph id { ... }`.
    Group(Subgraph),
}

impl End {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Node(id) => id.span,
            Self::Group(group) => group.span,
        }
    }
}

/// A subgraph or a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subgraph {
    /// Its id, if it has one.
    pub id: Option<Text>,
    /// Its statements.
    pub statements: Vec<Statement>,
    /// The whole of it.
    pub span: Span,
}

/// `key = value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// The key, with dots where it is qualified.
    pub key: Text,
    /// The value.
    pub value: Text,
}

/// An id, a key or a value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Text {
    /// The text, without quotes and escapes.
    pub text: Arc<str>,
    /// Whether it stood in quotes.
    pub quoted: bool,
    /// Where it stands, quotes included.
    pub span: Span,
    /// Where its characters stand.
    pub map: SpanMap,
}
