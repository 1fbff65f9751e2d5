//! Nodes (Attractor §2.6).

use std::sync::Arc;
use std::time::Duration;

use super::settings::{Fidelity, JoinPolicy};
use super::{Attrs, SubgraphIx};
use crate::span::Span;

/// A node: one stage. What it inherits from the graph is read through [`super::Graph`].
#[derive(Debug, Clone)]
pub struct Node {
    id: Arc<str>,
    pub(super) attrs: Attrs,
    pub(super) span: Option<Span>,
    pub(super) declared: bool,
    pub(super) subgraphs: Vec<SubgraphIx>,
}

impl Node {
    pub(super) fn new(id: &str, declared: bool) -> Self {
        Self { id: id.into(), attrs: Attrs::default(), span: None, declared, subgraphs: Vec::new() }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn id_shared(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }

    /// All its attributes, those of `node [...]` blocks and of the stylesheet included.
    pub fn attrs(&self) -> &Attrs {
        &self.attrs
    }

    /// Where it was declared, or first used.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// Whether a node statement declares it; otherwise only an edge names it (ruling 12).
    pub fn is_declared(&self) -> bool {
        self.declared
    }

    /// The subgraphs that it stands in, the outermost first.
    pub fn subgraphs(&self) -> &[SubgraphIx] {
        &self.subgraphs
    }

    /// The name for people; its id by default.
    pub fn label(&self) -> &str {
        self.attrs.non_empty("label").unwrap_or(&self.id)
    }

    /// The Graphviz shape; `box` by default.
    pub fn shape(&self) -> &str {
        self.attrs.non_empty("shape").unwrap_or("box")
    }

    /// The handler that it names itself (`type`).
    pub fn type_name(&self) -> Option<&str> {
        self.attrs.non_empty("type")
    }

    /// The instruction; empty by default.
    pub fn prompt(&self) -> &str {
        self.attrs.text("prompt")
    }

    /// The instruction of an LLM stage: the prompt, else the label (§4.5).
    pub fn instruction(&self) -> &str {
        self.attrs.non_empty("prompt").unwrap_or_else(|| self.label())
    }

    /// Whether it must have succeeded before the run may end.
    pub fn goal_gate(&self) -> bool {
        self.attrs.bool("goal_gate").unwrap_or(false)
    }

    /// Where to go when it failed for good.
    pub fn retry_target(&self) -> Option<&str> {
        self.attrs.non_empty("retry_target")
    }

    /// Where to go when `retry_target` is missing or no node.
    pub fn fallback_retry_target(&self) -> Option<&str> {
        self.attrs.non_empty("fallback_retry_target")
    }

    /// How much of the conversation it is given; see also [`super::Graph::default_fidelity`].
    pub fn fidelity(&self) -> Option<Fidelity> {
        self.attrs.non_empty("fidelity").and_then(Fidelity::parse)
    }

    /// The LLM session that it uses.
    pub fn thread_id(&self) -> Option<&str> {
        self.attrs.non_empty("thread_id")
    }

    /// The classes in its own `class` attribute, separated by commas or white space.
    pub fn own_classes(&self) -> impl Iterator<Item = &str> {
        self.attrs
            .text("class")
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|class| !class.is_empty())
    }

    /// The time of each attempt (ruling 23).
    pub fn timeout(&self) -> Option<Duration> {
        self.attrs.duration("timeout")
    }

    /// Whether it succeeds where its handler left neither verdict nor error (ruling 7).
    pub fn auto_status(&self) -> bool {
        self.attrs.bool("auto_status").unwrap_or(false)
    }

    /// Whether exhausted retries end in PARTIAL_SUCCESS.
    pub fn allow_partial(&self) -> bool {
        self.attrs.bool("allow_partial").unwrap_or(false)
    }

    /// Whether an unconditional edge carries its FAIL on (ruling 2).
    pub fn continue_on_fail(&self) -> bool {
        self.attrs.bool("continue_on_fail").unwrap_or(false)
    }

    /// The command of a tool stage.
    pub fn tool_command(&self) -> Option<&str> {
        self.attrs.non_empty("tool_command")
    }

    /// When a fan-out is done; `wait_all` by default (§4.8).
    pub fn join_policy(&self) -> JoinPolicy {
        self.attrs.non_empty("join_policy").and_then(JoinPolicy::parse).unwrap_or_default()
    }

    /// How many branches run at a time; 4 by default, at least 1.
    pub fn max_parallel(&self) -> u32 {
        self.attrs.count("max_parallel").unwrap_or(4).max(1)
    }

    /// The node to go to when nobody answers a human gate in time (§6.5).
    pub fn default_choice(&self) -> Option<&str> {
        self.attrs.non_empty("human.default_choice")
    }
}
