//! What a run came to: time, cost, retries, where it was stuck.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::changes::FileChange;
use super::journal::Contents;
use super::list::{RunState, state_of};
use crate::engine::{Rule, StageRecord};
use crate::outcome::{Status, Usage};

/// One stage in the report, all visits, branches and restarts together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageReport {
    /// The node.
    pub stage: String,
    /// How often it was visited.
    pub visits: u64,
    /// Attempts in all visits.
    pub attempts: u64,
    /// Attempts that failed and were followed by another.
    pub retries: u64,
    /// Visits that ended in a failure.
    pub failures: u64,
    /// Milliseconds in all visits, pauses before retries included.
    pub duration_ms: u64,
    /// What it cost.
    pub usage: Usage,
    /// How it ended last.
    pub status: Status,
    /// Files that it touched, by path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileChange>,
}

/// Where a run lost its time or came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// The node.
    pub stage: String,
    /// What about it.
    pub why: String,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The run.
    pub run: String,
    /// Where it stands; a run that is not over counts as interrupted.
    pub state: RunState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Milliseconds from its begin to its last record.
    pub elapsed_ms: u64,
    /// Milliseconds of those in which a stage was under way.
    pub active_ms: u64,
    /// What it cost.
    pub usage: Usage,
    /// Attempts in all.
    pub attempts: u64,
    /// Attempts that were followed by another.
    pub retries: u64,
    /// Restarts by edges.
    pub restarts: u32,
    /// Stages in the order of their first end.
    pub stages: Vec<StageReport>,
    /// The stage that took longest; fan-outs do not count, their branches do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest: Option<String>,
    /// Where it was stuck: where it failed, else where it went round most often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Stuck>,
    /// Files that the run touched, by path, branches that were not taken over included.
    pub files: Vec<FileChange>,
}

/// The report of a run. `files` are those that each record touched, as
/// [`files_touched`](super::files_touched) finds them.
pub fn report(contents: &Contents, files: &BTreeMap<usize, Vec<FileChange>>) -> Report {
    let mut stages: Vec<StageReport> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut all = Files::default();
    let mut usage = Usage::default();
    let mut touched: Vec<Files> = Vec::new();
    for (at, record) in contents.stages.iter().enumerate() {
        let node = record.attempt.node.as_str();
        let place = *places.entry(node).or_insert_with(|| {
            stages.push(StageReport::new(node));
            touched.push(Files::default());
            stages.len() - 1
        });
        stages[place].add(record);
        usage.add(&record.outcome.usage);
        for file in files.get(&at).into_iter().flatten() {
            touched[place].add(file);
            all.add(file);
        }
    }
    for (stage, touched) in stages.iter_mut().zip(touched) {
        stage.files = touched.list();
    }
    let (state, reason) = state_of(contents, false);
    let last = contents.stages.last();
    let over = contents.ended.or(last.map(|record| record.at)).unwrap_or(contents.header.begun);
    Report {
        run: contents.header.run.clone(),
        elapsed_ms: over.saturating_sub(contents.header.begun),
        active_ms: active(&contents.stages),
        attempts: stages.iter().map(|stage| stage.attempts).sum(),
        retries: stages.iter().map(|stage| stage.retries).sum(),
        restarts: last.map_or(0, |record| record.attempt.restart),
        longest: longest(&contents.stages, &stages),
        stuck: stuck(state, last, &stages),
        files: all.list(),
        state,
        reason,
        usage,
        stages,
    }
}

impl StageReport {
    fn new(stage: &str) -> Self {
        Self {
            stage: stage.to_owned(),
            visits: 0,
            attempts: 0,
            retries: 0,
            failures: 0,
            duration_ms: 0,
            usage: Usage::default(),
            status: Status::Success,
            files: Vec::new(),
        }
    }

    fn add(&mut self, record: &StageRecord) {
        let again = record.hop.rule == Rule::Retry;
        self.attempts += 1;
        self.retries += u64::from(again);
        self.usage.add(&record.outcome.usage);
        self.status = record.outcome.status;
        if !again {
            // All attempts of a visit are told with the time at which the visit began.
            self.visits += 1;
            self.duration_ms += record.at.saturating_sub(record.started);
            let failed = matches!(record.outcome.status, Status::Fail | Status::Retry);
            self.failures += u64::from(failed);
        }
    }
}

/// Milliseconds in which at least one stage was under way.
fn active(records: &[StageRecord]) -> u64 {
    let mut spans: Vec<(u64, u64)> =
        records.iter().map(|record| (record.started, record.at)).collect();
    spans.sort_unstable();
    let (mut all, mut until) = (0, 0);
    for (from, to) in spans {
        let from = from.max(until);
        all += to.saturating_sub(from);
        until = until.max(to);
    }
    all
}

fn longest(records: &[StageRecord], stages: &[StageReport]) -> Option<String> {
    let is_fan_out = |stage: &str| {
        // A frame is named by its component, with the visit behind an `@`.
        let named = |frame: &str| {
            let parts: Vec<&str> = frame.split('/').collect();
            let component = parts.len().checked_sub(2).and_then(|at| parts.get(at).copied());
            component.is_some_and(|name| name == stage || name.starts_with(&format!("{stage}@")))
        };
        records.iter().any(|record| named(record.attempt.frame.as_str()))
    };
    let mut by_time: Vec<&StageReport> = stages.iter().filter(|s| s.duration_ms > 0).collect();
    by_time.sort_by_key(|stage| std::cmp::Reverse(stage.duration_ms));
    by_time.iter().find(|stage| !is_fan_out(&stage.stage)).map(|stage| stage.stage.clone())
}

fn stuck(state: RunState, last: Option<&StageRecord>, stages: &[StageReport]) -> Option<Stuck> {
    if let (RunState::Failed, Some(last)) = (state, last) {
        let why = if last.hop.detail.is_empty() {
            last.outcome.failure_reason.clone()
        } else {
            last.hop.detail.clone()
        };
        return Some(Stuck { stage: last.attempt.node.clone(), why });
    }
    let rounds = |stage: &&StageReport| stage.retries + stage.failures;
    let most = stages.iter().rev().max_by_key(rounds).filter(|stage| rounds(stage) > 0)?;
    let why = format!("{} visits, {} failed, {} retries", most.visits, most.failures, most.retries);
    Some(Stuck { stage: most.stage.clone(), why })
}

/// Changes of files, added up by path.
#[derive(Default)]
struct Files(BTreeMap<String, FileChange>);

impl Files {
    fn add(&mut self, file: &FileChange) {
        let sum = |a: Option<u64>, b: Option<u64>| Some(a? + b?);
        self.0
            .entry(file.path.clone())
            .and_modify(|all| {
                all.added = sum(all.added, file.added);
                all.removed = sum(all.removed, file.removed);
            })
            .or_insert_with(|| file.clone());
    }

    fn list(self) -> Vec<FileChange> {
        self.0.into_values().collect()
    }
}
