//! Edges (Attractor §2.7).

use super::settings::Fidelity;
use super::{Attrs, NodeIx};
use crate::span::Span;

/// An edge.
#[derive(Debug, Clone)]
pub struct Edge {
    from: NodeIx,
    to: NodeIx,
    pub(super) attrs: Attrs,
    pub(super) span: Option<Span>,
}

impl Edge {
    pub(super) fn new(from: NodeIx, to: NodeIx) -> Self {
        Self { from, to, attrs: Attrs::default(), span: None }
    }

    /// Where it begins.
    pub fn from(&self) -> NodeIx {
        self.from
    }

    /// Where it ends.
    pub fn to(&self) -> NodeIx {
        self.to
    }

    /// All its attributes, those of `edge [...]` blocks included.
    pub fn attrs(&self) -> &Attrs {
        &self.attrs
    }

    /// Where it stands: from one end to the other.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// The caption, which is also a key of routing; empty by default.
    pub fn label(&self) -> &str {
        self.attrs.text("label")
    }

    /// The guard, to be read by [`crate::condition`]; none for an unconditional edge.
    pub fn condition(&self) -> Option<&str> {
        self.attrs.get("condition").map(|attr| attr.value.text()).filter(|c| !c.trim().is_empty())
    }

    /// The priority; 0 by default.
    pub fn weight(&self) -> i64 {
        self.attrs.get("weight").and_then(|attr| attr.value.as_whole()).unwrap_or(0)
    }

    /// How much of the conversation the target is given.
    pub fn fidelity(&self) -> Option<Fidelity> {
        self.attrs.non_empty("fidelity").and_then(Fidelity::parse)
    }

    /// The LLM session that the target uses.
    pub fn thread_id(&self) -> Option<&str> {
        self.attrs.non_empty("thread_id")
    }

    /// Whether taking it begins the run anew (ruling 18).
    pub fn loop_restart(&self) -> bool {
        self.attrs.bool("loop_restart").unwrap_or(false)
    }
}
