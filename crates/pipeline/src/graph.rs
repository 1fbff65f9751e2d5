//! The typed graph that checks and engine read (Attractor §2, §3.1).
//!
//! A [`Graph`] is cheap to clone: clones share everything until one is changed, as transforms do.
//! Nodes and edges stand in the order of their declaration and are named by small integers.

mod attrs;
mod branches;
mod build;
mod edge;
mod kind;
mod node;
pub(crate) mod settings;
mod subgraph;
mod value;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

pub use attrs::{Attr, Attrs, Origin};
pub use edge::Edge;
pub use kind::{Dialect, Kind, Roles};
pub use node::Node;
pub use settings::{Fidelity, JoinPolicy};
pub use subgraph::{Subgraph, class_of_label};
pub use value::{Scalar, Value, parse_duration};

use crate::diagnostic::{Diagnostic, Refused};
use crate::dot;
use crate::span::Span;

/// Which node of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeIx(pub(crate) u32);

/// Which edge of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeIx(pub(crate) u32);

/// Which subgraph of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubgraphIx(pub(crate) u32);

macro_rules! index {
    ($name:ident) => {
        impl $name {
            pub(crate) fn new(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// The position, from 0, in the order of declaration.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}
index!(NodeIx);
index!(EdgeIx);
index!(SubgraphIx);

/// A pipeline.
#[derive(Debug, Clone)]
pub struct Graph {
    data: Arc<Data>,
}

#[derive(Debug, Clone, Default)]
struct Data {
    name: Arc<str>,
    span: Span,
    attrs: Attrs,
    nodes: Vec<Node>,
    ids: HashMap<Arc<str>, NodeIx>,
    edges: Vec<Edge>,
    outgoing: Vec<Vec<EdgeIx>>,
    incoming: Vec<Vec<EdgeIx>>,
    subgraphs: Vec<Subgraph>,
    /// The dialect that was asked for; otherwise the graph says it.
    dialect: Option<Dialect>,
    /// Made when they are first asked for, made anew after a change.
    roles: OnceLock<Roles>,
}

/// A source that is a graph.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The graph.
    pub graph: Graph,
    /// What the source says that the specification's grammar does not have; no errors.
    pub diagnostics: Vec<Diagnostic>,
}

impl Graph {
    /// Reads a graph.
    ///
    /// # Errors
    ///
    /// The source is no digraph, or larger than [`crate::limits`] allow: all errors that were
    /// found, with their places.
    pub fn parse(source: &str) -> Result<Parsed, Refused> {
        let dot::Read { document, mut diagnostics } = dot::read(source);
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(Refused { diagnostics });
        }
        match build::build(&document, &mut diagnostics) {
            Ok(graph) => Ok(Parsed { graph, diagnostics }),
            Err(error) => {
                diagnostics.push(*error);
                Err(Refused { diagnostics })
            }
        }
    }

    /// A graph without nodes.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { data: Arc::new(Data { name: name.into(), ..Data::default() }) }
    }

    /// The name after `digraph`; empty if it has none.
    pub fn name(&self) -> &str {
        &self.data.name
    }

    /// Where it stands in its source.
    pub fn span(&self) -> Span {
        self.data.span
    }

    /// Attributes of the graph (§2.5).
    pub fn attrs(&self) -> &Attrs {
        &self.data.attrs
    }

    /// All nodes in the order of declaration.
    pub fn nodes(&self) -> &[Node] {
        &self.data.nodes
    }

    /// All edges in the order of declaration.
    pub fn edges(&self) -> &[Edge] {
        &self.data.edges
    }

    /// All subgraphs, an outer one before those within it.
    pub fn subgraphs(&self) -> &[Subgraph] {
        &self.data.subgraphs
    }

    /// A node.
    ///
    /// # Panics
    ///
    /// When the index is of another, larger graph.
    pub fn node(&self, node: NodeIx) -> &Node {
        &self.data.nodes[node.index()]
    }

    /// An edge.
    ///
    /// # Panics
    ///
    /// When the index is of another, larger graph.
    pub fn edge(&self, edge: EdgeIx) -> &Edge {
        &self.data.edges[edge.index()]
    }

    /// The node of an id.
    pub fn find(&self, id: &str) -> Option<NodeIx> {
        self.data.ids.get(id).copied()
    }

    /// The id of a node.
    ///
    /// # Panics
    ///
    /// When the index is of another, larger graph.
    pub fn id(&self, node: NodeIx) -> &str {
        self.node(node).id()
    }

    /// Edges that leave a node, in the order of declaration.
    pub fn outgoing(&self, node: NodeIx) -> &[EdgeIx] {
        self.data.outgoing.get(node.index()).map_or(&[], Vec::as_slice)
    }

    /// Edges that come to a node, in the order of declaration.
    pub fn incoming(&self, node: NodeIx) -> &[EdgeIx] {
        self.data.incoming.get(node.index()).map_or(&[], Vec::as_slice)
    }

    /// The indexes of all nodes in the order of declaration.
    pub fn node_indexes(&self) -> impl Iterator<Item = NodeIx> + use<> {
        (0..self.data.nodes.len()).map(NodeIx::new)
    }

    /// The indexes of all edges in the order of declaration.
    pub fn edge_indexes(&self) -> impl Iterator<Item = EdgeIx> + use<> {
        (0..self.data.edges.len()).map(EdgeIx::new)
    }

    /// The classes of a node for the stylesheet: its own, then those of the subgraphs that it
    /// stands in, the outermost first (§2.10, §2.12).
    pub fn classes(&self, node: NodeIx) -> Vec<&str> {
        let node = self.node(node);
        let derived = node
            .subgraphs()
            .iter()
            .filter_map(|at| self.data.subgraphs.get(at.index()).and_then(Subgraph::class));
        let mut classes: Vec<&str> = Vec::new();
        for class in node.own_classes().chain(derived) {
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
        classes
    }

    fn data_mut(&mut self) -> &mut Data {
        let data = Arc::make_mut(&mut self.data);
        data.roles.take();
        data
    }

    /// Sets an attribute of the graph.
    pub fn set_attr(&mut self, key: &str, value: Value, origin: Origin) {
        self.data_mut().attrs.set(Attr::new(key, value, origin));
    }

    /// Sets an attribute of a node.
    pub fn set_node_attr(&mut self, node: NodeIx, key: &str, value: Value, origin: Origin) {
        if let Some(node) = self.data_mut().nodes.get_mut(node.index()) {
            node.attrs.set(Attr::new(key, value, origin));
        }
    }

    /// Sets an attribute of an edge.
    pub fn set_edge_attr(&mut self, edge: EdgeIx, key: &str, value: Value, origin: Origin) {
        if let Some(edge) = self.data_mut().edges.get_mut(edge.index()) {
            edge.attrs.set(Attr::new(key, value, origin));
        }
    }

    /// Gives an attribute of the graph that is there another text; the place stays where it was
    /// written.
    pub(crate) fn rewrite_attr(&mut self, key: &str, text: String, origin: Origin) {
        self.data_mut().attrs.rewrite(key, Value::string(text), origin);
    }

    /// [`rewrite_attr`](Self::rewrite_attr) for an attribute of a node.
    pub(crate) fn rewrite_node_attr(
        &mut self,
        node: NodeIx,
        key: &str,
        text: String,
        origin: Origin,
    ) {
        if let Some(node) = self.data_mut().nodes.get_mut(node.index()) {
            node.attrs.rewrite(key, Value::string(text), origin);
        }
    }

    /// Adds a node without attributes; the node of that id, if there is one already.
    pub fn add_node(&mut self, id: &str) -> NodeIx {
        match self.find(id) {
            Some(node) => node,
            None => self.data_mut().add_node(Node::new(id, true)),
        }
    }

    /// Adds an edge without attributes. Both nodes must be of this graph.
    pub fn add_edge(&mut self, from: NodeIx, to: NodeIx) -> EdgeIx {
        self.data_mut().add_edge(Edge::new(from, to))
    }
}

impl Data {
    fn add_node(&mut self, node: Node) -> NodeIx {
        let index = NodeIx::new(self.nodes.len());
        self.ids.insert(node.id_shared(), index);
        self.nodes.push(node);
        self.outgoing.push(Vec::new());
        self.incoming.push(Vec::new());
        index
    }

    fn add_edge(&mut self, edge: Edge) -> EdgeIx {
        let index = EdgeIx::new(self.edges.len());
        if let Some(edges) = self.outgoing.get_mut(edge.from().index()) {
            edges.push(index);
        }
        if let Some(edges) = self.incoming.get_mut(edge.to().index()) {
            edges.push(index);
        }
        self.edges.push(edge);
        index
    }
}

#[cfg(test)]
mod tests;
