//! What the surfaces need of a running daemon, and the real one behind it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use canon_orchestrator::dispatch::{IssueView, Snapshot, Usage};
use canon_orchestrator::driver::{Answered, Handle, View};
use canon_orchestrator::sessions::{Live, Phase, TailEntry};
use canon_orchestrator::supervisor::SessionDir;
use canon_orchestrator::tracker::RecordProblem;
use canon_orchestrator::workspace::workspace_key;
use canon_runtime::clock;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// Finished issues shown, the newest.
const FINISHED_SHOWN: usize = 100;

/// A daemon as the surfaces see it. No method waits.
pub trait Daemon: Send + Sync + 'static {
    /// Everything at a glance, as of now.
    fn overview(&self) -> Result<Overview, Gone>;

    /// One issue, by what people call it or else by its dispatch id; `None` for an unknown one.
    fn issue(&self, name: &str) -> Result<Option<IssueReport>, Gone>;

    /// Whether there still is a daemon.
    fn is_alive(&self) -> bool;

    /// Asks for something; it is done when the daemon gets to it.
    fn ask(&self, action: Action) -> Result<(), Refused>;

    /// Answers a question of the issue's agent; without `request`, the only open one (ruling 7).
    fn answer(&self, identifier: &str, request: Option<&str>, answer: Value) -> Answered;
}

/// The daemon has ended: there is no state to show (ruling 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the daemon has ended, so there is no state to show; start `canon up` again")]
pub struct Gone;

/// What an operator may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A poll and reconciliation now.
    Refresh,
    /// No new dispatch.
    Pause,
    /// New dispatches again.
    Resume,
    /// Stop this issue and hold it.
    Stop {
        /// Dispatch id.
        issue_id: String,
    },
    /// Run this issue as soon as there is a slot.
    Retry {
        /// Dispatch id.
        issue_id: String,
    },
}

/// Why something that was asked for will not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The daemon has ended.
    Gone,
    /// The daemon does not keep up.
    Busy,
}

/// Everything at a glance.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Now, Unix milliseconds; the sums are as of now.
    pub now_ms: u64,
    /// The dispatch machine's own view.
    pub snapshot: Snapshot,
    /// Live counters of sessions by issue id.
    pub live: BTreeMap<String, LiveRow>,
    /// Issues that ran and are claimed no more, the newest first.
    pub finished: Vec<FinishedRow>,
    /// The workflow file.
    pub workflow: PathBuf,
    /// Why the file as it stands now is not in force, if it is not.
    pub config_error: Option<String>,
    /// Records of the tracker that need a person.
    pub problems: Vec<RecordProblem>,
}

/// What a session shows between decisions.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRow {
    /// Where the attempt stands (Symphony §7.2).
    pub phase: Phase,
    /// `<thread_id>-<turn_id>` of the newest turn.
    pub session_id: Option<String>,
    /// Turns started.
    pub turns: u32,
    /// Absolute totals of the session.
    pub usage: Usage,
    /// Latest rate limits.
    pub rate_limits: Option<Value>,
    /// Newest event: when (Unix milliseconds), name, message.
    pub last: Option<(u64, String, String)>,
    /// Milliseconds since the last sign of life.
    pub silent_ms: u64,
}

/// An issue that ran.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedRow {
    /// Dispatch id.
    pub issue_id: String,
    /// What people call it.
    pub identifier: String,
    /// State when last seen.
    pub state: String,
    /// Attempts started in all.
    pub attempts: u32,
    /// `completed`, `failed`, or why the last attempt was stopped.
    pub result: Option<String>,
    /// Latest failure.
    pub last_error: Option<String>,
    /// Tokens of the attempts that are remembered.
    pub total_tokens: u64,
    /// Running time of the attempts that are remembered, milliseconds.
    pub ran_ms: u64,
}

/// One issue.
#[derive(Debug, Clone)]
pub struct IssueReport {
    /// The dispatch machine's own view.
    pub view: IssueView,
    /// Live counters of its session.
    pub live: Option<LiveRow>,
    /// Latest events of its session, oldest first.
    pub events: Vec<TailEntry>,
    /// Its workspace, there or not.
    pub workspace: PathBuf,
    /// Where its sessions are recorded, the newest first.
    pub logs: Vec<SessionLog>,
}

/// Where one session is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLog {
    /// `latest`, or the attempt's id.
    pub label: String,
    /// Names the attempt.
    pub attempt_id: String,
    /// Everything that was said between the daemon and the agent.
    pub journal: PathBuf,
    /// The agent's standard error.
    pub stderr: PathBuf,
}

/// The daemon of this process.
#[derive(Clone)]
pub struct Surface {
    handle: Handle,
    sessions: PathBuf,
    ended: CancellationToken,
}

impl Surface {
    /// `sessions` is where the sessions' directories lie; `ended` is cancelled when the daemon has
    /// ended, however it did.
    pub fn new(handle: Handle, sessions: PathBuf, ended: CancellationToken) -> Self {
        Self { handle, sessions, ended }
    }

    fn report(&self, view: &View, issue: &IssueView) -> IssueReport {
        let live = view.live.get(&issue.issue_id).map(|cell| cell.get());
        let root = &view.settings.config.workspace.root;
        IssueReport {
            view: issue.clone(),
            events: live.iter().flat_map(|live| live.tail.iter().cloned()).collect(),
            live: live.as_ref().map(LiveRow::of),
            workspace: root.join(workspace_key(&issue.identifier)),
            logs: self.logs(issue),
        }
    }

    fn logs(&self, issue: &IssueView) -> Vec<SessionLog> {
        let current = issue.running.as_ref().or(issue.blocked.as_ref().map(|row| &row.attempt));
        let ended = issue.history.iter().flat_map(|history| history.attempts.iter().rev());
        let mut ids: Vec<&String> = current.iter().map(|row| &row.attempt_id).collect();
        ids.extend(ended.map(|attempt| &attempt.attempt_id));
        ids.dedup();
        let log = |(position, id): (usize, &String)| {
            let dir = SessionDir::new(&self.sessions, id);
            SessionLog {
                label: if position == 0 { "latest".to_owned() } else { id.clone() },
                attempt_id: id.clone(),
                journal: dir.journal(),
                stderr: dir.stderr(),
            }
        };
        ids.into_iter().enumerate().map(log).collect()
    }
}

impl Daemon for Surface {
    fn overview(&self) -> Result<Overview, Gone> {
        if !self.is_alive() {
            return Err(Gone);
        }
        let view = self.handle.view();
        let live =
            view.live.iter().map(|(id, cell)| (id.clone(), LiveRow::of(&cell.get()))).collect();
        let mut overview = Overview {
            now_ms: clock::now_ms(),
            snapshot: view.snapshot.clone(),
            live,
            finished: finished(&view),
            workflow: view.settings.workflow.path.clone(),
            config_error: view.config_error.clone(),
            problems: view.problems.clone(),
        };
        overview.bring_sums_up_to_date();
        Ok(overview)
    }

    fn issue(&self, name: &str) -> Result<Option<IssueReport>, Gone> {
        if !self.is_alive() {
            return Err(Gone);
        }
        let view = self.handle.view();
        let by_id = || view.issues.values().find(|issue| issue.issue_id == name);
        let issue = view.issues.get(name).or_else(by_id);
        Ok(issue.map(|issue| self.report(&view, issue)))
    }

    fn is_alive(&self) -> bool {
        !self.ended.is_cancelled()
    }

    fn ask(&self, action: Action) -> Result<(), Refused> {
        let taken = self.is_alive()
            && match action {
                Action::Refresh => self.handle.refresh(),
                Action::Pause => self.handle.pause(),
                Action::Resume => self.handle.resume(),
                Action::Stop { issue_id } => self.handle.stop(&issue_id),
                Action::Retry { issue_id } => self.handle.retry(&issue_id),
            };
        match (taken, self.is_alive()) {
            (true, _) => Ok(()),
            (false, true) => Err(Refused::Busy),
            (false, false) => Err(Refused::Gone),
        }
    }

    fn answer(&self, identifier: &str, request: Option<&str>, answer: Value) -> Answered {
        match self.is_alive() {
            true => self.handle.answer(identifier, request, answer),
            false => Answered::Gone,
        }
    }
}

impl LiveRow {
    fn of(live: &Live) -> Self {
        Self {
            phase: live.phase,
            session_id: live.session_id.clone(),
            turns: live.turns,
            usage: live.usage,
            rate_limits: live.rate_limits.clone(),
            last: live.last().map(|last| (last.at_ms, last.event.clone(), last.message.clone())),
            silent_ms: live.silence_ms(),
        }
    }
}

impl Overview {
    /// A snapshot is as old as the last decision; sessions go on in between (Symphony §13.5,
    /// ruling 15).
    pub fn bring_sums_up_to_date(&mut self) {
        let Snapshot { running, blocked, totals, rate_limits, at_ms, .. } = &mut self.snapshot;
        let mut sessions = 0_u32;
        for row in running.iter().chain(blocked.iter().map(|row| &row.attempt)) {
            sessions += 1;
            let Some(live) = self.live.get(&row.issue_id) else { continue };
            let (sum, now, then) = (&mut totals.usage, live.usage, row.usage);
            grow(&mut sum.input_tokens, now.input_tokens, then.input_tokens);
            grow(&mut sum.cached_input_tokens, now.cached_input_tokens, then.cached_input_tokens);
            grow(&mut sum.output_tokens, now.output_tokens, then.output_tokens);
            grow(
                &mut sum.reasoning_output_tokens,
                now.reasoning_output_tokens,
                then.reasoning_output_tokens,
            );
            grow(&mut sum.total_tokens, now.total_tokens, then.total_tokens);
        }
        let age = std::time::Duration::from_millis(self.now_ms.saturating_sub(*at_ms));
        totals.seconds_running += age.as_secs_f64() * f64::from(sessions);
        let with_limits = self.live.values().filter(|live| live.rate_limits.is_some());
        if let Some(newest) = with_limits.min_by_key(|live| live.silent_ms) {
            rate_limits.clone_from(&newest.rate_limits);
        }
    }
}

fn grow(sum: &mut u64, now: u64, then: u64) {
    *sum = sum.saturating_add(now.saturating_sub(then));
}

fn finished(view: &View) -> Vec<FinishedRow> {
    let mut rows: Vec<(u64, FinishedRow)> = view
        .issues
        .values()
        .filter(|issue| issue.status == "released")
        .filter_map(|issue| {
            let history = issue.history.as_ref()?;
            let last = history.attempts.last();
            let number = last.map_or(0, |attempt| attempt_number(&attempt.attempt_id));
            let row = FinishedRow {
                issue_id: issue.issue_id.clone(),
                identifier: issue.identifier.clone(),
                state: history.state.clone(),
                attempts: history.attempts_started,
                result: last.map(|attempt| attempt.result.clone()),
                last_error: history.last_error.clone(),
                total_tokens: history.attempts.iter().map(|a| a.usage.total_tokens).sum(),
                ran_ms: history.attempts.iter().map(|a| a.ran_ms).sum(),
            };
            Some((number, row))
        })
        .collect();
    rows.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.identifier.cmp(&b.1.identifier)));
    rows.into_iter().take(FINISHED_SHOWN).map(|(_, row)| row).collect()
}

/// Attempts are numbered in the order of their dispatch; the number ends their id.
fn attempt_number(attempt_id: &str) -> u64 {
    let digits = attempt_id.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    attempt_id.get(digits..).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
