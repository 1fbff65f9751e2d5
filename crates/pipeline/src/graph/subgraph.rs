//! Subgraphs (Attractor §2.10).

use std::sync::Arc;

use super::{Attrs, NodeIx, SubgraphIx};

/// A subgraph: its nodes stand in the graph itself; it gives them defaults and a class.
#[derive(Debug, Clone, Default)]
pub struct Subgraph {
    pub(super) id: Option<Arc<str>>,
    pub(super) parent: Option<SubgraphIx>,
    pub(super) attrs: Attrs,
    pub(super) nodes: Vec<NodeIx>,
    pub(super) class: Option<Arc<str>>,
}

impl Subgraph {
    /// Its id, if it has one.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The subgraph around it.
    pub fn parent(&self) -> Option<SubgraphIx> {
        self.parent
    }

    /// Its own attributes.
    pub fn attrs(&self) -> &Attrs {
        &self.attrs
    }

    /// The nodes that are named in it, or in subgraphs of it.
    pub fn nodes(&self) -> &[NodeIx] {
        &self.nodes
    }

    /// The class that its label gives to its nodes.
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }
}

/// The class of a label: small letters, hyphens for spaces, nothing but letters, digits and
/// hyphens (§2.10). None when nothing is left.
pub fn class_of_label(label: &str) -> Option<String> {
    let class: String = label
        .trim()
        .chars()
        .map(|c| if c.is_whitespace() { '-' } else { c.to_ascii_lowercase() })
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    (!class.is_empty()).then_some(class)
}
