//! One line of traversal: the run itself, or a branch of a fan-out (Attractor §3.8, ruling 8).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::Context;
use crate::outcome::{Outcome, Status};

/// Which frame: empty for the run itself, else `component/branch` for each fan-out on the way,
/// with `component@N` from the second visit on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct FrameId(Arc<str>);

impl FrameId {
    /// The run itself.
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// Whether it is the run itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// A branch of a fan-out of this frame.
    pub(crate) fn branch(&self, component: &str, visit: u32, branch: &str) -> Self {
        let lead = if self.is_root() { String::new() } else { format!("{}/", self.0) };
        let again = if visit > 1 { format!("@{visit}") } else { String::new() };
        let (component, branch) = (part(component), part(branch));
        Self(Arc::from(format!("{lead}{component}{again}/{branch}")))
    }

    /// The frame that a branch left; the root's is the root.
    pub fn parent(&self) -> Self {
        let mut parts: Vec<&str> = self.0.split('/').collect();
        parts.truncate(parts.len().saturating_sub(2));
        Self(Arc::from(parts.join("/")))
    }

    /// As it stands in records and paths.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An id as one part of a frame's: ids may hold anything.
fn part(id: &str) -> String {
    id.replace('%', "%25").replace('/', "%2F")
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of the workspace after a stage, where there is a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The commit.
    pub commit: String,
    /// Its tree: what a gate judged.
    pub tree: String,
}

/// The last outcome of a node in a frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Latest {
    /// When, among the stages of the frame: gates are checked in this order (ruling 5).
    pub order: u64,
    pub outcome: Outcome,
    /// The tree that it left, or judged.
    pub tree: Option<String>,
}

/// What a branch came to (ruling 8).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BranchResult {
    pub id: String,
    pub status: Status,
    pub notes: String,
    pub updates: BTreeMap<String, Value>,
    pub commit: Option<String>,
}

impl BranchResult {
    /// As `parallel.results` holds it.
    pub(crate) fn to_json(&self) -> Value {
        let mut result = json!({
            "id": self.id, "status": self.status, "notes": self.notes,
            "context_updates": self.updates,
        });
        if let Some(score) = self.updates.get("score").filter(|score| score.is_number()) {
            result["score"] = score.clone();
        }
        if let Some(commit) = &self.commit {
            result["commit"] = json!(commit);
        }
        result
    }
}

/// A branch of an open fan-out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Branch {
    pub frame: FrameId,
    /// The node that it begins with, and where there are several of it, a number.
    pub name: String,
    pub target: usize,
}

/// An open fan-out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fork {
    /// Branches in declaration order.
    pub branches: Vec<Branch>,
    /// What has come back.
    pub results: Vec<Option<BranchResult>>,
    /// How many were started.
    pub started: usize,
    /// When it opened, in Unix milliseconds.
    pub at: u64,
    /// Gates and paths of branches that ended.
    pub ended: BTreeMap<usize, Frame>,
}

/// What a frame waits for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Phase {
    /// The end of an attempt.
    Running,
    /// The next attempt's time.
    Pausing { until: u64 },
    /// Its branches.
    Forked(Fork),
    /// Nothing.
    Ended,
}

/// One line of traversal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub id: FrameId,
    pub context: Context,
    /// The context that it began with.
    pub base: Context,
    /// The node that it is at.
    pub at: usize,
    /// The edge that it came by.
    pub via: Option<usize>,
    /// The attempt at that node, from 1.
    pub attempt: u32,
    /// When the stage began, in Unix milliseconds.
    pub since: u64,
    pub phase: Phase,
    pub visits: HashMap<usize, u32>,
    pub latest: HashMap<usize, Latest>,
    pub order: u64,
    /// Nodes that ended, in order, those of branches included.
    pub path: Vec<usize>,
    /// The last outcome that a conditional reports on (ruling 1).
    pub last: Outcome,
    /// Where a branch ends: the join.
    pub stop: Option<usize>,
    pub snapshot: Option<Snapshot>,
    /// Set while a stale gate is asked again: where to go back to when it holds.
    pub recheck: Option<usize>,
}

impl Frame {
    pub(crate) fn new(id: FrameId, context: Context, at: usize, stop: Option<usize>) -> Self {
        Self {
            id,
            base: context.clone(),
            context,
            at,
            via: None,
            attempt: 1,
            since: 0,
            phase: Phase::Ended,
            visits: HashMap::new(),
            latest: HashMap::new(),
            order: 0,
            path: Vec::new(),
            last: Outcome::of(Status::Success),
            stop,
            snapshot: None,
            recheck: None,
        }
    }

    pub(crate) fn visit(&self) -> u32 {
        self.visits.get(&self.at).copied().unwrap_or(0)
    }

    pub(crate) fn keep(&mut self, node: usize, outcome: Outcome) {
        self.order += 1;
        let tree = self.snapshot.as_ref().map(|snapshot| snapshot.tree.clone());
        self.latest.insert(node, Latest { order: self.order, outcome, tree });
        self.path.push(node);
    }
}

impl From<String> for FrameId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<FrameId> for String {
    fn from(id: FrameId) -> Self {
        id.0.as_ref().into()
    }
}
