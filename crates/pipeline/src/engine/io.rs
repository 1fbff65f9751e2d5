//! What goes into the machine and what comes out of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::frame::{FrameId, Snapshot};
use super::route::Rule;
use crate::outcome::{Outcome, Status, Usage};

/// One try of one stage. An input about another try than the one that runs is late and ignored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// How often the run was restarted by an edge before (ruling 18).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restart: u32,
    /// The frame.
    #[serde(default = "FrameId::root", skip_serializing_if = "FrameId::is_root")]
    pub frame: FrameId,
    /// The node.
    pub node: String,
    /// Which visit of the node in this frame, from 1.
    pub visit: u32,
    /// Which attempt of this visit, from 1.
    pub attempt: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// What the machine is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Start at the start.
    Begin,
    /// An attempt ended.
    Ended {
        /// Which.
        attempt: AttemptId,
        /// What became of it.
        outcome: Box<Outcome>,
        /// The workspace after it.
        snapshot: Option<Snapshot>,
    },
    /// The pause before an attempt is over.
    Due {
        /// The attempt that may begin.
        attempt: AttemptId,
    },
    /// End the run now; what it did is kept, and it can be resumed.
    Stop {
        /// Why: `canceled`, `budget_wall`.
        reason: String,
    },
}

/// What the machine wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write it down before anything that follows is done.
    Record(Box<StageRecord>),
    /// Tell those who watch.
    Emit(EventKind),
    /// Run a stage's handler; `Input::Ended` is owed.
    Execute(Box<Execute>),
    /// `Input::Due` after a pause.
    Pause {
        /// The attempt that waits.
        attempt: AttemptId,
        /// How long.
        delay: Duration,
    },
    /// Stop an attempt; nothing is owed for it any more.
    Cancel {
        /// Which.
        attempt: AttemptId,
    },
    /// A branch begins at this state of the workspace.
    Branch {
        /// Its frame.
        frame: FrameId,
        /// The frame that it leaves.
        parent: FrameId,
        /// The workspace that it begins with.
        snapshot: Option<Snapshot>,
    },
    /// The run begins anew in the directory `restart-N` (ruling 18).
    Restart {
        /// N.
        restart: u32,
    },
    /// The run is over, nothing follows.
    Finish(Finish),
}

/// A stage to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Execute {
    /// Which try.
    pub attempt: AttemptId,
    /// The node, by its place in the graph.
    pub node: usize,
    /// The edge that led here, by its place in the graph.
    pub via: Option<usize>,
    /// What the stage sees.
    pub context: crate::context::Context,
    /// The node that ended before in this frame.
    pub previous: Option<usize>,
    /// What may still be used; `None` is without limit.
    pub remaining: Remaining,
}

/// What is left of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Remaining {
    /// Tokens, in and out.
    pub tokens: Option<u64>,
    /// US dollars.
    pub usd: Option<f64>,
}

/// The record of one attempt in the journal (ruling 16): the input that the machine was given, and
/// beside it what it made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Which try of which stage.
    #[serde(flatten)]
    pub attempt: AttemptId,
    /// What became of it, as it was handed in.
    pub outcome: Outcome,
    /// When the stage began, in Unix milliseconds.
    pub started: u64,
    /// When it ended, in Unix milliseconds.
    pub at: u64,
    /// The workspace after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// What was decided.
    pub hop: Hop,
}

/// Where it went on, and by which rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// The rule that decided.
    pub rule: Rule,
    /// The next node; none where the frame ends or the stage is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The edge that was taken, by its place in the graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<usize>,
    /// What decided, for people: the condition, the label, the count.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finish {
    /// `Success` or `Fail`.
    pub status: Status,
    /// `code: what and where`, for a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rule that ended it.
    pub rule: Rule,
    /// What it cost in all.
    #[serde(default)]
    pub usage: Usage,
}

/// What happened, for those who watch (§9.6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum EventKind {
    /// The run begins.
    PipelineStarted {
        /// The graph's name.
        name: String,
        /// The run.
        id: String,
    },
    /// The run goes on from its journal.
    PipelineResumed {
        /// The graph's name.
        name: String,
        /// The run.
        id: String,
        /// Stages that need not run again.
        stages: u64,
    },
    /// The run succeeded.
    PipelineCompleted {
        /// Milliseconds.
        duration_ms: u64,
        /// Artifacts that it left.
        artifact_count: usize,
    },
    /// The run failed.
    PipelineFailed {
        /// Why.
        error: String,
        /// Milliseconds.
        duration_ms: u64,
    },
    /// Something that people should know of and that changes nothing for the run.
    PipelineWarning {
        /// What happened.
        message: String,
    },
    /// The run begins anew.
    PipelineRestarted {
        /// How often it was.
        restart: u32,
    },
    /// A stage begins.
    StageStarted {
        /// Which try.
        #[serde(flatten)]
        attempt: AttemptId,
        /// How many stages began before it.
        index: u64,
    },
    /// A stage ended well.
    StageCompleted {
        /// Which try.
        #[serde(flatten)]
        attempt: AttemptId,
        /// How it ended.
        status: Status,
        /// What people read.
        notes: String,
        /// Milliseconds.
        duration_ms: u64,
        /// What it cost.
        usage: Usage,
        /// Where it goes on.
        next: Option<String>,
        /// The rule that decided so.
        rule: Rule,
    },
    /// A stage failed.
    StageFailed {
        /// Which try.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Why.
        error: String,
        /// Whether it is tried again.
        will_retry: bool,
        /// Milliseconds.
        duration_ms: u64,
        /// What it cost.
        usage: Usage,
        /// Where it goes on.
        next: Option<String>,
        /// The rule that decided so.
        rule: Rule,
    },
    /// A stage is tried again after a pause.
    StageRetrying {
        /// The try that comes.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Milliseconds.
        delay_ms: u64,
    },
    /// A fan-out opens.
    ParallelStarted {
        /// The component.
        node: String,
        /// How many branches.
        branch_count: usize,
    },
    /// A branch begins.
    ParallelBranchStarted {
        /// Its frame.
        branch: FrameId,
        /// Its place among the component's edges.
        index: usize,
    },
    /// A branch ended.
    ParallelBranchCompleted {
        /// Its frame.
        branch: FrameId,
        /// Its place among the component's edges.
        index: usize,
        /// Milliseconds since the fan-out opened.
        duration_ms: u64,
        /// Whether it did not fail.
        success: bool,
    },
    /// A fan-out is over.
    ParallelCompleted {
        /// The component.
        node: String,
        /// Milliseconds.
        duration_ms: u64,
        /// Branches that did not fail.
        success_count: usize,
        /// Branches that failed.
        failure_count: usize,
    },
    /// People are asked.
    InterviewStarted {
        /// The stage that asks.
        stage: String,
        /// What it asks.
        question: String,
    },
    /// People answered.
    InterviewCompleted {
        /// The stage that asked.
        stage: String,
        /// What it asked.
        question: String,
        /// The answer.
        answer: String,
        /// Who gave it.
        by: String,
        /// Milliseconds.
        duration_ms: u64,
    },
    /// Nobody answered in time.
    InterviewTimeout {
        /// The stage that asked.
        stage: String,
        /// What it asked.
        question: String,
        /// Milliseconds.
        duration_ms: u64,
    },
    /// The derived checkpoint was rewritten.
    CheckpointSaved {
        /// The last stage in it.
        node_id: String,
    },
    /// Something that a backend, a hook or an agent did within a stage.
    StageProgress {
        /// The stage.
        stage: String,
        /// What happened, as the part that did it tells it.
        detail: serde_json::Value,
    },
}

impl EventKind {
    /// The node that it is about, if it is about one.
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::StageStarted { attempt, .. }
            | Self::StageCompleted { attempt, .. }
            | Self::StageFailed { attempt, .. }
            | Self::StageRetrying { attempt, .. } => Some(&attempt.node),
            Self::ParallelStarted { node, .. } | Self::ParallelCompleted { node, .. } => Some(node),
            Self::InterviewStarted { stage, .. }
            | Self::InterviewCompleted { stage, .. }
            | Self::InterviewTimeout { stage, .. }
            | Self::StageProgress { stage, .. } => Some(stage),
            Self::CheckpointSaved { node_id } => Some(node_id),
            Self::PipelineStarted { .. }
            | Self::PipelineResumed { .. }
            | Self::PipelineCompleted { .. }
            | Self::PipelineFailed { .. }
            | Self::PipelineWarning { .. }
            | Self::PipelineRestarted { .. }
            | Self::ParallelBranchStarted { .. }
            | Self::ParallelBranchCompleted { .. } => None,
        }
    }
}
