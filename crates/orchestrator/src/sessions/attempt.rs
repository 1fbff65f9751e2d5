//! One attempt from its workspace to its evidence (Symphony §7.2, §16.5).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use canon_protocol::codex::client::{Answer, Client, Options, Output, Replayed, RequestKey};
use canon_runtime::clock;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::converse::{self, Conversation, End, Ended, failure};
use super::evidence::{self, Counted};
use super::live::{self, LiveCell, Phase};
use super::record::{AttemptRecord, Origin};
use super::timers::Timers;
use super::{Command, Host, prepare, verify};
use crate::dispatch::{AttemptOutcome, Event, Failure, StopReason, Usage};
use crate::settings::Settings;
use crate::supervisor::{
    Attached, GRACE_MS, JournalError, Lines, Records, SessionDir, Spec, end_for_certain,
    kill_leftovers, launch,
};
use crate::workspace::{Workspace, workspace_key};

/// Containment of a session whose processes only its supervisor holds together.
const SUBREAPER: &str = "subreaper";

/// One attempt's task.
pub(super) struct Attempt {
    pub(super) host: Arc<Host>,
    pub(super) settings: Arc<Settings>,
    pub(super) dir: SessionDir,
    pub(super) origin: Origin,
    pub(super) inbox: mpsc::UnboundedReceiver<Command>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) stop: CancellationToken,
    pub(super) stop_reason: Arc<OnceLock<StopReason>>,
    pub(super) detach: CancellationToken,
    pub(super) live: LiveCell,
    /// A session may live that must be gone before the attempt has ended.
    pub(super) open: bool,
}

/// What a conversation reads besides its inbox.
pub(super) struct Streams {
    pub(super) lines: Lines,
    pub(super) tool_answers: mpsc::UnboundedReceiver<(RequestKey, Answer)>,
}

/// A session that is attached to, and what its client wants first.
struct Session {
    attached: Attached,
    client: Client,
    outputs: Vec<Output>,
    asked: BTreeSet<String>,
}

/// Where an attempt stands when its task begins.
pub(super) enum Begin {
    /// It never ran.
    Fresh,
    /// Its supervisor lives.
    TakeUp(Box<AttemptRecord>),
    /// Its session is over, but nobody has finished it.
    Conclude(Box<AttemptRecord>),
}

/// How long the orders that a restart repeats may take to arrive.
const ORDER_WAIT: Duration = Duration::from_millis(500);

/// Why an attempt went no further.
enum Halt {
    Failed(Failure),
    Stopped,
    Left,
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Attempt {
    /// Runs the attempt from where it stands to its end, and reports that.
    pub(super) async fn run(mut self, begin: Begin) {
        let began = Instant::now();
        let mut counted = Counted::default();
        let mut kept = None;
        let (end, usage) = match self.work(begin, &mut counted, &mut kept).await {
            Ok(ended) => {
                self.open = !ended.settled;
                (ended.end, ended.usage)
            }
            Err(Halt::Failed(failure)) => (End::Failed(failure), Usage::default()),
            Err(Halt::Stopped) => (End::Stopped, Usage::default()),
            Err(Halt::Left) => return,
        };
        let outcome = match end {
            End::Left => return,
            End::Ordered(None) => AttemptOutcome::Normal,
            End::Ordered(Some(failure)) | End::Failed(failure) => {
                AttemptOutcome::Failed { failure }
            }
            End::Stopped => AttemptOutcome::Stopped,
        };
        self.live.phase(Phase::Finishing);
        let (ran_ms, evidence) = self.finish(began, &counted, kept).await;
        self.log_end(&outcome);
        let attempt_id = self.origin.attempt_id.clone();
        let ended = Event::AttemptEnded { attempt_id, outcome, usage, ran_ms, evidence };
        let _ = self.events.send(ended).await;
    }

    async fn work(
        &mut self,
        begin: Begin,
        counted: &mut Counted,
        kept: &mut Option<Kept>,
    ) -> Result<Ended, Halt> {
        let (record, session) = match begin {
            Begin::TakeUp(record) => {
                self.live.set_started(record.started_at_ms);
                *kept = Some(Kept::of(&record));
                let session = self.take_up(&record, counted).await?;
                (*record, session)
            }
            Begin::Conclude(record) => {
                self.live.set_started(record.started_at_ms);
                *kept = Some(Kept::of(&record));
                return Ok(self.conclude(*record, counted).await);
            }
            Begin::Fresh => {
                let mut record = self.prepare(kept).await?;
                *kept = Some(Kept::of(&record));
                let session = self.launch(&mut record).await?;
                *kept = Some(Kept::of(&record));
                (record, session)
            }
        };
        Ok(self.converse(&record, session, counted).await)
    }

    /// Everything before the agent starts; `kept` is set as soon as there is a workspace.
    async fn prepare(&mut self, kept: &mut Option<Kept>) -> Result<AttemptRecord, Halt> {
        self.live.phase(Phase::PreparingWorkspace);
        let cancel = CancellationToken::new();
        let _cancel_hooks = cancel.clone().drop_guard();
        let (host, settings, origin) = (&self.host, &self.settings, &self.origin);
        let preparing = prepare::prepare(host, settings, origin, &self.live, &cancel, kept);
        let prepared = tokio::select! {
            prepared = preparing => prepared?,
            () = self.stop.cancelled() => return Err(Halt::Stopped),
            () = self.detach.cancelled() => return Err(Halt::Left),
        };
        Ok(AttemptRecord {
            origin: origin.clone(),
            options: prepare::options(settings, origin, &prepared.workspace.path),
            workspace: prepared.workspace.path,
            started_at_ms: self.live.get().started_at_ms,
            prompt: prepared.prompt,
            workflow_digest: settings.workflow.digest.clone(),
            agent: prepare::agent_kind(settings).to_owned(),
            base_commit: prepared.base_commit,
            tests_before: prepared.tests_before,
            containment: None,
        })
    }

    /// Starts the supervisor and its agent, and attaches.
    async fn launch(&mut self, record: &mut AttemptRecord) -> Result<Session, Halt> {
        self.live.phase(Phase::LaunchingAgentProcess);
        self.open = true;
        let startup = |error: String| Halt::Failed(failure("startup_failed", &error));
        record.save(&self.dir).map_err(|error| startup(error.to_string()))?;
        let spec = Spec {
            attempt_id: self.origin.attempt_id.clone(),
            command: prepare::agent_command(&self.host, &self.settings),
            cwd: record.workspace.clone(),
            grace_ms: GRACE_MS,
            orphan_grace_ms: self.host.orphan_grace_ms,
        };
        let launched = launch(&self.host.launch, &self.dir, &spec, self.environment())
            .await
            .map_err(|error| startup(error.to_string()))?;
        record.containment = Some(launched.containment);
        record.save(&self.dir).map_err(|error| startup(error.to_string()))?;
        self.live.phase(Phase::InitializingSession);
        let attached = Attached::to(&self.dir, self.host.epoch, 0)
            .await
            .map_err(|error| startup(error.to_string()))?;
        let mut client = Client::new(record.options.clone());
        let outputs = client.start();
        Ok(Session { attached, client, outputs, asked: BTreeSet::new() })
    }

    /// Attaches to a session that outlived the last daemon, with everything that it said replayed.
    async fn take_up(
        &mut self,
        record: &AttemptRecord,
        counted: &mut Counted,
    ) -> Result<Session, Halt> {
        let lost = |error: String| Halt::Failed(failure("port_exit", &error));
        self.open = true;
        let (journal, options) = (self.dir.journal(), record.options.clone());
        let replaying = tokio::task::spawn_blocking(move || replay(&journal, options));
        let (replayed, from) = replaying
            .await
            .map_err(|error| lost(error.to_string()))?
            .map_err(|error| lost(error.to_string()))?;
        // What came after the last record read comes over the socket.
        let attached = Attached::to(&self.dir, self.host.epoch, from)
            .await
            .map_err(|error| lost(error.to_string()))?;
        for event in &replayed.events {
            self.live.fold(event);
            converse::count(counted, event);
        }
        let asked = replayed.client.waiting().map(|input| input.key.to_string()).collect();
        self.live.phase(Phase::StreamingTurn);
        Ok(Session { attached, client: replayed.client, outputs: replayed.outputs, asked })
    }

    /// The end of a session that did not outlive the last daemon, or ended without one: it is counted
    /// from its journal, and what the machine had ordered before decides how it ended.
    async fn conclude(&mut self, record: AttemptRecord, counted: &mut Counted) -> Ended {
        let (journal, options) = (self.dir.journal(), record.options);
        let replaying = tokio::task::spawn_blocking(move || replay(&journal, options));
        let mut usage = Usage::default();
        if let Ok(Ok((replayed, _))) = replaying.await {
            usage = live::usage(&replayed.client.usage());
            for event in &replayed.events {
                self.live.fold(event);
                converse::count(counted, event);
            }
        }
        let ordered = async {
            loop {
                match self.inbox.recv().await {
                    Some(Command::End { failure }) => return failure,
                    Some(_) => {}
                    None => std::future::pending().await,
                }
            }
        };
        let end = tokio::select! {
            () = self.detach.cancelled() => End::Left,
            () = self.stop.cancelled() => End::Stopped,
            failure = ordered => End::Ordered(failure),
            () = tokio::time::sleep(ORDER_WAIT) => {
                let how = self.dir.exit().map_or_else(String::new, |exit| format!(": {exit}"));
                End::Failed(failure("lost", &format!("the session did not survive its daemon{how}")))
            }
        };
        Ended { end, usage, settled: true }
    }

    async fn converse(
        &mut self,
        record: &AttemptRecord,
        session: Session,
        counted: &mut Counted,
    ) -> Ended {
        let (tool_results, tool_answers) = mpsc::unbounded_channel();
        let (lines, link) = converse::split(session.attached);
        let conversation = Conversation {
            attempt_id: &self.origin.attempt_id,
            issue: self.origin.issue.clone(),
            prompt: &record.prompt,
            attempt: self.origin.attempt,
            max_turns: self.origin.max_turns,
            tracker: self.settings.tracker.clone(),
            inbox: &mut self.inbox,
            events: &self.events,
            stop: &self.stop,
            detach: &self.detach,
            live: &self.live,
            counted,
            client: session.client,
            link,
            timers: Timers::default(),
            tool_results,
            asked: session.asked,
            ending: None,
            stuck: false,
            rate_limits: None,
        };
        conversation.run(Streams { lines, tool_answers }, session.outputs).await
    }

    /// The last verification, `after_run`, and the evidence.
    async fn finish(&self, began: Instant, counted: &Counted, kept: Option<Kept>) -> (u64, Value) {
        let ran_ms = live::millis(began.elapsed());
        let Some(kept) = kept else { return (ran_ms, Value::Null) };
        if self.open {
            end_for_certain(&self.dir, &self.origin.attempt_id, self.host.epoch).await;
        } else if kept.record.as_ref().and_then(|record| record.containment.as_deref())
            == Some(SUBREAPER)
        {
            // A PID namespace leaves nothing behind; without one, what fled is sought.
            kill_leftovers(&self.origin.attempt_id);
        }
        let tests_after = match &self.settings.config.agent.verify {
            Some(command) if kept.record.is_some() && self.leaves_a_result() => {
                let (workspace, issue) = (&kept.workspace.path, &self.origin.issue);
                Some(verify::verify(command, workspace, issue, &self.host).await)
            }
            _ => None,
        };
        prepare::workspaces(&self.settings)
            .after_run(&kept.workspace, &prepare::context(&self.origin), &CancellationToken::new())
            .await;
        let Some(record) = &kept.record else { return (ran_ms, Value::Null) };
        let since = clock::now_ms().saturating_sub(record.started_at_ms);
        (since.max(ran_ms), evidence::gather(record, counted, &tests_after).await)
    }

    /// Whether somebody will want to know if the tests pass: not after an attempt that was cut off.
    fn leaves_a_result(&self) -> bool {
        matches!(
            self.stop_reason.get(),
            None | Some(StopReason::Terminal | StopReason::NotActive | StopReason::NotRoutable)
        )
    }

    /// The daemon's environment less what only the daemon may know (ruling 14).
    fn environment(&self) -> Vec<(OsString, OsString)> {
        let secrets = self.settings.tracker.secret_environment_names();
        std::env::vars_os()
            .filter(|(name, _)| !secrets.iter().any(|secret| name == secret.as_str()))
            .collect()
    }

    fn log_end(&self, outcome: &AttemptOutcome) {
        let issue = &self.origin.issue;
        let (word, reason) = match outcome {
            AttemptOutcome::Normal => ("completed", ""),
            AttemptOutcome::Failed { failure } => ("failed", failure.error.as_str()),
            AttemptOutcome::Stopped => ("stopped", ""),
        };
        let session_id = self.live.get().session_id.unwrap_or_default();
        tracing::info!(
            issue_id = %issue.id, issue_identifier = %issue.identifier, session_id,
            attempt_id = %self.origin.attempt_id, outcome = word, reason, "attempt"
        );
    }
}

/// Rebuilds the client from the journal, and tells the number of the first record that it lacks.
fn replay(journal: &Path, options: Options) -> Result<(Replayed, u64), JournalError> {
    let mut records = Records::open(journal)?;
    let (mut read, mut failed) = (0, None);
    let lines = std::iter::from_fn(|| match records.next_record() {
        Ok(record) => record.map(|record| {
            read += 1;
            (converse::direction(record.direction), record.into_line())
        }),
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let replayed = Client::replay(options, lines);
    match failed {
        Some(error) => Err(error),
        None => Ok((replayed, read)),
    }
}

/// What has to be finished once there is a workspace.
pub(super) struct Kept {
    pub(super) workspace: Workspace,
    /// Set once the agent was about to start.
    pub(super) record: Option<AttemptRecord>,
}

impl Kept {
    fn of(record: &AttemptRecord) -> Self {
        let workspace = Workspace {
            path: record.workspace.clone(),
            key: workspace_key(&record.origin.issue.identifier),
            created_now: false,
        };
        Self { workspace, record: Some(record.clone()) }
    }
}
