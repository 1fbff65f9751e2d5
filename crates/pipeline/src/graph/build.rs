//! Document → graph: scopes are resolved, chains and groups expanded (Attractor §2.9–2.11).

use std::collections::HashSet;
use std::sync::Arc;

use super::class_of_label;
use super::{Attr, Attrs, Data, Edge, Graph, Node, NodeIx, Origin, Subgraph, SubgraphIx, Value};
use crate::diagnostic::Diagnostic;
use crate::dot::ast;
use crate::limits::{MAX_ALL_ATTRIBUTES, MAX_ATTRIBUTES, MAX_EDGES, MAX_NODES};
use crate::span::Span;

/// What is in force at a place of the source.
#[derive(Clone, Default)]
struct Scope {
    node: Attrs,
    edge: Attrs,
    /// The subgraphs around, the outermost first.
    subgraphs: Vec<SubgraphIx>,
}

struct Builder {
    data: Data,
    /// How deep the scope was whose defaults a node has; 0 is the graph itself.
    depths: Vec<usize>,
    /// Nodes of each subgraph so far, by (subgraph, node).
    members: HashSet<(SubgraphIx, NodeIx)>,
    /// Attributes of nodes and edges so far.
    attributes: usize,
    /// The first attribute that is written twice in one place, and how many there are.
    twice: Option<(Diagnostic, usize)>,
}

type Result<T> = std::result::Result<T, Box<Diagnostic>>;

pub(super) fn build(document: &ast::Document, notes: &mut Vec<Diagnostic>) -> Result<Graph> {
    let name = document.name.as_ref().map(|name| Arc::clone(&name.text)).unwrap_or_default();
    let data = Data { name, span: document.span, ..Data::default() };
    let mut builder =
        Builder { data, depths: Vec::new(), members: HashSet::new(), attributes: 0, twice: None };
    builder.statements(&document.statements, &mut Scope::default())?;
    if let Some((mut first, count)) = builder.twice {
        if count > 1 {
            first.message = format!("{} (and {} more such)", first.message, count - 1);
        }
        notes.push(first);
    }
    for subgraph in &mut builder.data.subgraphs {
        subgraph.class = class_of_label(subgraph.attrs.text("label")).map(Into::into);
    }
    Ok(Graph { data: Arc::new(builder.data) })
}

impl Builder {
    fn statements(&mut self, all: &[ast::Statement], scope: &mut Scope) -> Result<()> {
        for statement in all {
            match statement {
                ast::Statement::Attribute(attribute) => {
                    self.own_attribute(attribute, scope)?;
                }
                ast::Statement::Defaults(defaults) => self.defaults(defaults, scope)?,
                ast::Statement::Node(node) => self.node(node, scope)?,
                ast::Statement::Edge(edge) => self.edge(edge, scope)?,
                ast::Statement::Subgraph(subgraph) => {
                    self.subgraph(subgraph, scope)?;
                }
            }
        }
        Ok(())
    }

    /// An attribute of the graph or subgraph that the scope is of.
    fn own_attribute(&mut self, attribute: &ast::Attribute, scope: &Scope) -> Result<()> {
        let attrs = match scope.subgraphs.last() {
            Some(at) => self.data.subgraphs.get_mut(at.index()).map(|subgraph| &mut subgraph.attrs),
            None => Some(&mut self.data.attrs),
        };
        match attrs {
            Some(attrs) => set(attrs, attribute, Origin::Explicit),
            None => Ok(()),
        }
    }

    fn defaults(&mut self, defaults: &ast::Defaults, scope: &mut Scope) -> Result<()> {
        self.find_twice(&defaults.attributes);
        for attribute in &defaults.attributes {
            match defaults.target {
                ast::Target::Graph => self.own_attribute(attribute, scope)?,
                ast::Target::Node => set(&mut scope.node, attribute, Origin::Default)?,
                ast::Target::Edge => set(&mut scope.edge, attribute, Origin::Default)?,
            }
        }
        Ok(())
    }

    fn node(&mut self, statement: &ast::Node, scope: &Scope) -> Result<()> {
        let at = self.named(&statement.id, scope)?;
        let depth = scope.subgraphs.len();
        if let (Some(node), Some(known)) =
            (self.data.nodes.get_mut(at.index()), self.depths.get_mut(at.index()))
        {
            // A statement brings the defaults of its scope; a later one only those of a scope
            // further in, so that naming a node again outside its subgraph changes nothing.
            if !node.declared || depth > *known {
                node.attrs.overlay(&scope.node);
                *known = depth;
            }
            if !node.declared {
                node.declared = true;
                node.span = Some(statement.span);
            }
            for attribute in &statement.attributes {
                set(&mut node.attrs, attribute, Origin::Explicit)?;
            }
        }
        self.find_twice(&statement.attributes);
        self.count(statement.attributes.len(), 1, statement.span)
    }

    /// Counts attributes; those that replace others are counted too.
    fn count(&mut self, attributes: usize, times: usize, at: Span) -> Result<()> {
        self.attributes = self.attributes.saturating_add(attributes.saturating_mul(times));
        if self.attributes > MAX_ALL_ATTRIBUTES {
            return Err(too_many("attributes in all", MAX_ALL_ATTRIBUTES, at));
        }
        Ok(())
    }

    /// The node of an id, made with the defaults of the scope if it is new; it becomes a member
    /// of the subgraphs around.
    fn named(&mut self, id: &ast::Text, scope: &Scope) -> Result<NodeIx> {
        let at = match self.data.ids.get(&*id.text) {
            Some(at) => *at,
            None => {
                if self.data.nodes.len() >= MAX_NODES {
                    return Err(too_many("nodes", MAX_NODES, id.span));
                }
                let mut node = Node::new(&id.text, false);
                node.span = Some(id.span);
                node.attrs = scope.node.clone();
                self.depths.push(scope.subgraphs.len());
                self.count(scope.node.len(), 1, id.span)?;
                self.data.add_node(node)
            }
        };
        for subgraph in &scope.subgraphs {
            if !self.members.insert((*subgraph, at)) {
                continue;
            }
            if let Some(node) = self.data.nodes.get_mut(at.index()) {
                node.subgraphs.push(*subgraph);
            }
            if let Some(subgraph) = self.data.subgraphs.get_mut(subgraph.index()) {
                subgraph.nodes.push(at);
            }
        }
        Ok(at)
    }

    fn edge(&mut self, statement: &ast::Edge, scope: &Scope) -> Result<()> {
        self.find_twice(&statement.attributes);
        let mut attrs = scope.edge.clone();
        for attribute in &statement.attributes {
            set(&mut attrs, attribute, Origin::Explicit)?;
        }
        let mut before: Option<(Vec<NodeIx>, Span)> = None;
        for end in &statement.ends {
            let nodes = match end {
                ast::End::Node(id) => vec![self.named(id, scope)?],
                ast::End::Group(group) => self.subgraph(group, scope)?,
            };
            if let Some((sources, start)) = before {
                let span = start.to(end.span());
                if self.data.edges.len() + sources.len().saturating_mul(nodes.len()) > MAX_EDGES {
                    return Err(too_many("edges", MAX_EDGES, span));
                }
                self.count(attrs.len(), sources.len() * nodes.len(), span)?;
                for from in &sources {
                    for to in &nodes {
                        let mut edge = Edge::new(*from, *to);
                        edge.attrs = attrs.clone();
                        edge.span = Some(span);
                        self.data.add_edge(edge);
                    }
                }
            }
            before = Some((nodes, end.span()));
        }
        Ok(())
    }

    /// The nodes of a subgraph, in the order in which it names them.
    fn subgraph(&mut self, statement: &ast::Subgraph, scope: &Scope) -> Result<Vec<NodeIx>> {
        let at = SubgraphIx::new(self.data.subgraphs.len());
        self.data.subgraphs.push(Subgraph {
            id: statement.id.as_ref().map(|id| Arc::clone(&id.text)),
            parent: scope.subgraphs.last().copied(),
            ..Subgraph::default()
        });
        let mut inner = scope.clone();
        inner.subgraphs.push(at);
        self.statements(&statement.statements, &mut inner)?;
        Ok(self.data.subgraphs.get(at.index()).map(|made| made.nodes.clone()).unwrap_or_default())
    }

    fn find_twice(&mut self, attributes: &[ast::Attribute]) {
        let mut seen = HashSet::new();
        for ast::Attribute { key, value } in attributes {
            if seen.insert(&*key.text) {
                continue;
            }
            let (_, count) = self.twice.get_or_insert_with(|| {
                let message = format!("`{}` is set twice here; the last value counts", key.text);
                let found = Diagnostic::warning("duplicate_attribute", message)
                    .at(key.span.to(value.span))
                    .fix("remove one of them");
                (found, 0)
            });
            *count += 1;
        }
    }
}

fn set(attrs: &mut Attrs, attribute: &ast::Attribute, origin: Origin) -> Result<()> {
    let ast::Attribute { key, value } = attribute;
    if attrs.len() >= MAX_ATTRIBUTES && attrs.get(&key.text).is_none() {
        return Err(too_many("attributes in one place", MAX_ATTRIBUTES, key.span));
    }
    let text = Arc::clone(&value.text);
    attrs.set(Attr {
        key: Arc::clone(&key.text),
        value: if value.quoted { Value::string(text) } else { Value::bare(text) },
        origin,
        key_span: Some(key.span),
        value_span: Some(value.span),
        map: value.map.clone(),
    });
    Ok(())
}

fn too_many(what: &str, limit: usize, at: Span) -> Box<Diagnostic> {
    let message = format!("more than {limit} {what}");
    Box::new(
        Diagnostic::error("syntax", message).at(at).fix("divide the pipeline into several files"),
    )
}
