//! What nodes inherit from the graph, and values that are one of a few words.

use std::fmt;

use super::{Attrs, Dialect, Graph, NodeIx};

/// How much of the conversation so far a stage is given (Attractor §5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fidelity {
    /// The same session.
    Full,
    /// Only the goal and the run.
    Truncate,
    /// A structured summary; what is used where nothing is said.
    #[default]
    Compact,
    /// A brief summary, about 600 tokens.
    SummaryLow,
    /// A summary of about 1,500 tokens.
    SummaryMedium,
    /// A summary of about 3,000 tokens.
    SummaryHigh,
}

impl Fidelity {
    /// All modes.
    pub const ALL: [Self; 6] = [
        Self::Full,
        Self::Truncate,
        Self::Compact,
        Self::SummaryLow,
        Self::SummaryMedium,
        Self::SummaryHigh,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Truncate => "truncate",
            Self::Compact => "compact",
            Self::SummaryLow => "summary:low",
            Self::SummaryMedium => "summary:medium",
            Self::SummaryHigh => "summary:high",
        }
    }

    /// The mode of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When a fan-out is done (§4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JoinPolicy {
    /// When all branches are.
    #[default]
    WaitAll,
    /// When one branch has succeeded.
    FirstSuccess,
}

impl JoinPolicy {
    /// The policy of a word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "wait_all" => Some(Self::WaitAll),
            "first_success" => Some(Self::FirstSuccess),
            _ => None,
        }
    }
}

/// The text of the first key that is set and not empty.
fn first_text<'a>(attrs: &'a Attrs, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| attrs.non_empty(key))
}

/// The model, and the alias of earlier texts of the specification.
pub(crate) const MODEL: [&str; 2] = ["llm_model", "model"];
/// The provider, and its alias.
pub(crate) const PROVIDER: [&str; 2] = ["llm_provider", "provider"];
/// The reasoning effort, which has no alias.
pub(crate) const EFFORT: [&str; 1] = ["reasoning_effort"];

impl Graph {
    /// What the pipeline is for; empty by default.
    pub fn goal(&self) -> &str {
        self.attrs().text("goal")
    }

    /// The name for people; the graph's name by default.
    pub fn label(&self) -> &str {
        self.attrs().non_empty("label").unwrap_or_else(|| self.name())
    }

    /// The stylesheet (§8); empty by default.
    pub fn model_stylesheet(&self) -> &str {
        self.attrs().text("model_stylesheet")
    }

    /// Where to go when a goal gate without a target of its own is not satisfied.
    pub fn retry_target(&self) -> Option<&str> {
        self.attrs().non_empty("retry_target")
    }

    /// Where to go when `retry_target` is missing or no node.
    pub fn fallback_retry_target(&self) -> Option<&str> {
        self.attrs().non_empty("fallback_retry_target")
    }

    /// The fidelity of stages that name none; `compact` where nothing is said.
    pub fn default_fidelity(&self) -> Fidelity {
        self.attrs().non_empty("default_fidelity").and_then(Fidelity::parse).unwrap_or_default()
    }

    /// The LLM session of stages that name none (ruling 15).
    pub fn default_thread(&self) -> Option<&str> {
        first_text(self.attrs(), &["default_thread", "default_thread_id"])
    }

    /// Retries of stages that do not say how many; 0 by default, 50 in the dialect of February.
    pub fn default_max_retries(&self) -> u32 {
        let written = ["default_max_retries", "default_max_retry"];
        written.iter().find_map(|key| self.attrs().count(key)).unwrap_or(match self.dialect() {
            Dialect::Current => 0,
            Dialect::February2026 => 50,
        })
    }

    /// Attempts of a node beyond the first (§3.5).
    pub fn max_retries(&self, node: NodeIx) -> u32 {
        let own = self.node(node).attrs().count("max_retries");
        own.unwrap_or_else(|| self.default_max_retries())
    }

    /// How often a node may run in one run; 100 by default (ruling 19).
    pub fn max_visits(&self, node: NodeIx) -> u32 {
        let own = self.node(node).attrs().count("max_visits");
        own.or_else(|| self.attrs().count("max_visits")).unwrap_or(100)
    }

    /// How many stages a run may have; 10,000 by default (ruling 19).
    pub fn max_stages(&self) -> u32 {
        self.attrs().count("max_stages").unwrap_or(10_000)
    }

    /// How often an unsatisfied goal gate may send a run back; 10 by default (ruling 5).
    pub fn max_goal_redirects(&self) -> u32 {
        self.attrs().count("max_goal_redirects").unwrap_or(10)
    }

    /// How often a run may begin anew; 10 by default (ruling 18).
    pub fn max_restarts(&self) -> u32 {
        self.attrs().count("max_restarts").unwrap_or(10)
    }

    /// The model of a stage, after [`crate::stylesheet::apply`]: its own, else the graph's (§8.5).
    pub fn llm_model(&self, node: NodeIx) -> Option<&str> {
        self.inherited(node, &MODEL)
    }

    /// The provider of a stage; none: the model says it.
    pub fn llm_provider(&self, node: NodeIx) -> Option<&str> {
        self.inherited(node, &PROVIDER)
    }

    /// The reasoning effort of a stage; `high` where nothing is said (ruling 21).
    pub fn reasoning_effort(&self, node: NodeIx) -> &str {
        self.inherited(node, &EFFORT).unwrap_or("high")
    }

    /// The text of the first key that is set on a node, else on the graph.
    pub(crate) fn inherited<'a>(&'a self, node: NodeIx, keys: &[&str]) -> Option<&'a str> {
        first_text(self.node(node).attrs(), keys).or_else(|| first_text(self.attrs(), keys))
    }

    /// Where a goal gate that is not satisfied sends the run: the first target that is a node,
    /// of the gate's own and then the graph's (§3.4).
    pub fn gate_target(&self, gate: NodeIx) -> Option<NodeIx> {
        let node = self.node(gate);
        let targets = [
            node.retry_target(),
            node.fallback_retry_target(),
            self.retry_target(),
            self.fallback_retry_target(),
        ];
        targets.into_iter().flatten().find_map(|id| self.find(id))
    }

    /// Where a stage that failed for good sends the run, when no edge does: the first of its own
    /// targets that is a node (§3.7).
    pub fn failure_target(&self, node: NodeIx) -> Option<NodeIx> {
        let node = self.node(node);
        let targets = [node.retry_target(), node.fallback_retry_target()];
        targets.into_iter().flatten().find_map(|id| self.find(id))
    }
}
