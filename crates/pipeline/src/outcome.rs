//! What became of a stage (Attractor §5.2, Appendix C).

use std::collections::BTreeMap;

use canon_runtime::secret::Redactor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run::{redact_text, redact_value};

/// How a stage ended (§5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It did its work.
    Success,
    /// It did its work, with caveats that its notes tell; success for edges and gates (ruling 24).
    PartialSuccess,
    /// It wants to be run again.
    Retry,
    /// It failed for good.
    Fail,
    /// It was not run; routes like success, satisfies no gate (ruling 24).
    Skipped,
}

impl Status {
    /// The word that conditions compare with and files hold.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::PartialSuccess => "partial_success",
            Self::Retry => "retry",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }

    /// Whether a goal gate with this status is satisfied (§3.4).
    pub const fn satisfies_gate(self) -> bool {
        matches!(self, Self::Success | Self::PartialSuccess)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kind of failure it was, for those who decide whether to try again (Appendix D).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Network, 429, 5xx, a model call that took too long: may pass by itself.
    Transient,
    /// Trying the same again does not help.
    Permanent,
    /// A goal gate's stage ended without an explicit verdict (ruling 6).
    NoVerdict,
    /// The stage used up its time.
    Timeout,
    /// It was told to stop.
    Canceled,
    /// Going on would take more than the run may use (ruling 19).
    Budget,
}

/// Tokens and money that a stage used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens that were sent, cached ones included.
    pub input_tokens: u64,
    /// Tokens that came back, reasoning included.
    pub output_tokens: u64,
    /// US dollars; only of models whose price is known.
    pub cost_usd: f64,
}

impl Usage {
    /// Input and output together.
    pub const fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// Whether anything was used.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another stage's use.
    pub fn add(&mut self, other: &Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost_usd += other.cost_usd;
    }
}

/// Who answered a gate, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The person, or the automaton, that answered.
    pub by: String,
    /// Unix milliseconds.
    pub at: u64,
    /// The question as it was asked.
    pub question: String,
    /// The answer as it was given.
    pub answer: String,
}

/// What a stage's handler returns (§5.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended. Files that say `outcome` instead are read by [`crate::verdict`].
    pub status: Status,
    /// Label of the edge to follow.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub preferred_label: String,
    /// Nodes to go to, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggested_next_ids: Vec<String>,
    /// What is merged into the context.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context_updates: BTreeMap<String, Value>,
    /// What people read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Why, when the status is `Fail` or `Retry`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failure_reason: String,
    /// What kind of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_class: Option<FailureClass>,
    /// The chosen edge by its place among the graph's edges, so that two edges to one node stay
    /// apart (ruling 10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<usize>,
    /// Who answered, where people were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
}

impl Outcome {
    /// An outcome with nothing but a status.
    pub fn of(status: Status) -> Self {
        Self {
            status,
            preferred_label: String::new(),
            suggested_next_ids: Vec::new(),
            context_updates: BTreeMap::new(),
            notes: String::new(),
            failure_reason: String::new(),
            failure_class: None,
            edge: None,
            approval: None,
            usage: Usage::default(),
        }
    }

    /// Done, with notes.
    pub fn success(notes: impl Into<String>) -> Self {
        Self { notes: notes.into(), ..Self::of(Status::Success) }
    }

    /// Failed for good.
    pub fn fail(reason: impl Into<String>) -> Self {
        Self {
            failure_reason: reason.into(),
            failure_class: Some(FailureClass::Permanent),
            ..Self::of(Status::Fail)
        }
    }

    /// To be run again.
    pub fn retry(reason: impl Into<String>, class: FailureClass) -> Self {
        Self {
            failure_reason: reason.into(),
            failure_class: Some(class),
            ..Self::of(Status::Retry)
        }
    }

    /// The same with one more context update.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context_updates.insert(key.into(), value.into());
        self
    }

    /// Takes secrets out of all that it says: it is written to disk and shown.
    pub(crate) fn redact(&mut self, redactor: &Redactor) {
        for text in [&mut self.preferred_label, &mut self.notes, &mut self.failure_reason] {
            redact_text(redactor, text);
        }
        for value in self.context_updates.values_mut() {
            redact_value(redactor, value);
        }
        if let Some(approval) = &mut self.approval {
            redact_text(redactor, &mut approval.question);
            redact_text(redactor, &mut approval.answer);
        }
    }

    /// The same with another failure class.
    #[must_use]
    pub fn class(self, class: FailureClass) -> Self {
        Self { failure_class: Some(class), ..self }
    }
}
