//! The daemon: the one owner of the dispatch machine. It linearises what reaches the machine,
//! stores every input in the ledger and only then performs what the machine decided.
//!
//! Nothing slow happens here: the tracker, hooks, workspaces and agents have tasks of their own
//! (ruling 10), and a view of what was decided is published within moments, however much it is.

mod gateway;
mod handle;
mod issues;
mod pace;
mod perform;
mod restore;
mod state_dir;
mod timers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use canon_exec::sandbox::HelperCommand;
use canon_ledger::{AppendError, NewRecord, OpenError, ReadError, Writer};
use canon_runtime::clock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use handle::{Answered, Handle, View};
pub use restore::RestoreError;
pub use state_dir::{StateDir, StateDirError};

use crate::config::Environment;
use crate::dispatch::{EVENT_VERSION, Effect, Event, IdleStatus, Machine, ShutdownMode, TimerKey};
use crate::issue::Issue;
use crate::sessions::{Attempts, Host};
use crate::settings::{Settings, SettingsError};
use crate::supervisor::Launch;
use crate::tracker::TrackerError;
use crate::watch;
use gateway::Found;
use issues::Issues;
use pace::Pace;
use timers::Timers;

/// Name of the ledger's stream of dispatch events.
pub const STREAM: &str = "dispatch";
/// Version of the machine's state in the ledger's snapshots.
const STATE_VERSION: u32 = 1;
/// Records after which a snapshot is stored.
const SNAPSHOT_EVERY: u64 = 2_000;
/// Inputs applied in one batch, at most.
const BATCH: usize = 256;
/// How often the checks without a timer of their own are made.
const TICK: Duration = Duration::from_millis(500);

/// How the daemon is to run.
pub struct Options {
    /// The workflow file.
    pub workflow: PathBuf,
    /// Where this workflow's state lies.
    pub state: StateDir,
    /// How supervisors are started.
    pub launch: Launch,
    /// Shell command of Canon's own agent behind the app-server protocol.
    pub canon_agent: String,
    /// Model for Canon's own agent that overrides the workflow's.
    pub model: Option<String>,
    /// How this program is started as the helper of a sandbox.
    pub sandbox_helper: Option<HelperCommand>,
    /// End by itself when there is nothing left to do.
    pub until_idle: bool,
    /// The daemon's environment.
    pub environment: Environment,
    /// How long sessions may go on without a daemon.
    pub orphan_grace: Duration,
    /// Told of every decision, in order; must not block.
    pub observer: Box<dyn Observer>,
}

/// Sees what the machine sees and decides. For progress lines and logs; it has no say.
pub trait Observer: Send {
    /// `event` was stored and applied at `now_ms`, and `effects` follow from it.
    fn observed(&mut self, now_ms: u64, event: &Event, effects: &[Effect], machine: &Machine);
}

/// An observer that looks away.
impl Observer for () {
    fn observed(&mut self, _: u64, _: &Event, _: &[Effect], _: &Machine) {}
}

/// Why the daemon could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The workflow file gives no settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The state directory is not usable.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The ledger cannot be opened.
    #[error("{}", with_causes(.0))]
    Open(#[from] OpenError),
    /// The ledger cannot be read.
    #[error("{}", with_causes(.0))]
    Read(#[from] ReadError),
    /// What the ledger holds cannot be replayed.
    #[error("{}", with_causes(.0))]
    Restore(#[from] RestoreError),
    /// An input could not be stored: nothing that follows from it was done.
    #[error("the ledger cannot be written, so nothing more is decided: {0}")]
    Append(#[from] AppendError),
    /// The workspaces' root cannot be used.
    #[error("{0}")]
    WorkspaceRoot(String),
}

/// An error with its causes: what the system said is what a person can act on.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        // Some messages hold their cause, and some causes say the same again.
        if !text.contains(&said) && !said.ends_with(&last) {
            text = format!("{text}: {said}");
        }
        last = said;
        next = cause.source();
    }
    text
}

/// What reaches the daemon, before it is an event for the machine.
pub(crate) enum Input {
    Event(Event),
    /// The candidates of a poll.
    Polled {
        poll_id: u64,
        answer: Result<Vec<Issue>, TrackerError>,
    },
    /// The running issues of a poll.
    Reconciled {
        poll_id: u64,
        answer: Result<Found, TrackerError>,
    },
    /// Issues by id.
    Refreshed {
        refresh_id: u64,
        answer: Result<Found, TrackerError>,
    },
    /// The workflow file changed.
    Reloaded(Result<Box<Settings>, SettingsError>),
}

/// The daemon, ready to run.
pub struct Driver {
    machine: Machine,
    ledger: Writer,
    since_snapshot: u64,
    settings: Arc<Settings>,
    attempts: Attempts,
    timers: Timers,
    inputs: mpsc::Receiver<Input>,
    input: mpsc::Sender<Input>,
    events: mpsc::Receiver<Event>,
    view: Arc<ArcSwap<View>>,
    pace: Pace,
    issues: Issues,
    config_error: Option<String>,
    until_idle: bool,
    idle_asked: bool,
    ended: bool,
    environment: Environment,
    observer: Box<dyn Observer>,
}

impl Driver {
    /// Loads the workflow, opens the ledger, replays it, and takes up the sessions that live.
    pub async fn start(options: Options) -> Result<(Self, Handle), DriverError> {
        let settings = Arc::new(Settings::load(&options.workflow, &options.environment)?);
        crate::workspace::check_root(&settings.config.workspace.root)
            .map_err(|error| DriverError::WorkspaceRoot(error.to_string()))?;
        options.state.create()?;
        let ledger = canon_ledger::Ledger::open_writer(options.state.ledger())?;
        let epoch = options.state.next_epoch()?;
        let host = Arc::new(Host {
            launch: options.launch,
            canon_agent: options.canon_agent,
            model: options.model,
            sessions: options.state.sessions(),
            epoch,
            sandbox_helper: options.sandbox_helper,
            masked: vec![options.state.path().to_owned()],
            orphan_grace_ms: u64::try_from(options.orphan_grace.as_millis()).unwrap_or(u64::MAX),
        });
        let (event_sender, events) = mpsc::channel(1024);
        let (input, inputs) = mpsc::channel(1024);
        let machine = restore::machine(&ledger.reader()?)?;
        let view = Arc::new(ArcSwap::from_pointee(View::empty(&settings)));
        let mut driver = Self {
            machine,
            ledger,
            since_snapshot: 0,
            settings,
            attempts: Attempts::new(host, event_sender),
            timers: Timers::default(),
            inputs,
            input: input.clone(),
            events,
            view: view.clone(),
            pace: Pace::default(),
            issues: Issues::default(),
            config_error: None,
            until_idle: options.until_idle,
            idle_asked: false,
            ended: false,
            environment: options.environment,
            observer: options.observer,
        };
        let first = driver.first_event().await;
        restore::tidy(&driver.attempts, &driver.machine);
        driver.apply(vec![Input::Event(first)]).await?;
        driver.publish();
        Ok((driver, Handle::new(view, input)))
    }

    /// Runs until a shutdown is done. `shutdown` yields the modes that are asked for.
    pub async fn run(
        mut self,
        mut shutdown: mpsc::Receiver<ShutdownMode>,
    ) -> Result<Machine, DriverError> {
        let watching = CancellationToken::new();
        let _stop_watching = watching.clone().drop_guard();
        self.watch_workflow(watching);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.ended {
            let mut batch = Vec::new();
            tokio::select! {
                Some(mode) = shutdown.recv() => {
                    batch.push(Input::Event(Event::ShutdownRequested { mode }));
                }
                Some(event) = self.events.recv() => batch.push(Input::Event(event)),
                Some(input) = self.inputs.recv() => batch.push(input),
                timer_id = self.timers.next() => {
                    batch.push(Input::Event(Event::TimerFired { timer_id }));
                }
                _ = tick.tick() => {
                    let silence = self.attempts.silence();
                    let checks = self.machine.tick(&silence, clock::now_ms());
                    batch.extend(checks.map(Input::Event));
                }
                () = self.pace.due() => {}
            }
            while batch.len() < BATCH {
                if let Ok(event) = self.events.try_recv() {
                    batch.push(Input::Event(event));
                } else if let Ok(input) = self.inputs.try_recv() {
                    batch.push(input);
                } else {
                    break;
                }
            }
            self.apply(batch).await?;
            self.check_idle().await?;
            if self.pace.take() {
                self.publish();
            }
        }
        self.publish();
        self.attempts.detach();
        Ok(self.machine)
    }

    /// Applies inputs, stores them, and only then performs what follows.
    async fn apply(&mut self, batch: Vec<Input>) -> Result<(), DriverError> {
        let mut records = Vec::with_capacity(batch.len());
        let mut decided = Vec::with_capacity(batch.len());
        for input in batch {
            let now = clock::now_ms();
            let Some(event) = self.event_of(input) else { continue };
            gateway::log(&event);
            match NewRecord::json(event.kind(), EVENT_VERSION, now, &event) {
                Ok(record) => records.push(record),
                Err(error) => {
                    tracing::error!(kind = event.kind(), reason = %error, outcome = "dropped", "event");
                    continue;
                }
            }
            let effects = self.machine.apply(event.clone(), now);
            self.observer.observed(now, &event, &effects, &self.machine);
            decided.push((event, effects));
        }
        if records.is_empty() {
            return Ok(());
        }
        self.since_snapshot += records.len() as u64;
        let appended = self.ledger.append(STREAM, records).await?;
        for (event, effects) in decided {
            self.note(&event);
            for effect in effects {
                self.perform(effect);
            }
        }
        if self.since_snapshot >= SNAPSHOT_EVERY {
            self.store_snapshot(appended.last_seq).await;
        }
        self.pace.changed();
        Ok(())
    }

    /// What an input means to the machine; some mean nothing.
    fn event_of(&mut self, input: Input) -> Option<Event> {
        Some(match input {
            Input::Event(event) => event,
            Input::Polled { poll_id, answer: Ok(issues) } => {
                Event::Polled { poll_id, delta: self.machine.poll_delta(issues) }
            }
            Input::Polled { poll_id, answer: Err(error) } => {
                Event::PollFailed { poll_id, error: error.to_string() }
            }
            Input::Reconciled { poll_id, answer: Ok(found) } => {
                Event::Reconciled { poll_id, reread: found.reread(&self.machine) }
            }
            Input::Reconciled { poll_id, answer: Err(error) } => {
                Event::ReconcileFailed { poll_id, error: error.to_string() }
            }
            Input::Refreshed { refresh_id, answer: Ok(found) } => {
                Event::Refreshed { refresh_id, reread: found.reread(&self.machine) }
            }
            Input::Refreshed { refresh_id, answer: Err(error) } => {
                Event::RefreshFailed { refresh_id, error: error.to_string() }
            }
            Input::Reloaded(Ok(settings)) => {
                tracing::info!(outcome = "completed", digest = %settings.workflow.digest, "workflow reload");
                self.config_error = None;
                self.settings = Arc::from(settings);
                Event::ConfigChanged { config: self.settings.dispatch() }
            }
            Input::Reloaded(Err(SettingsError::Workflow(error))) => {
                tracing::error!(outcome = "failed", reason = %error, "workflow reload");
                self.config_error = Some(error.to_string());
                Event::WorkflowBroken { error: error.to_string() }
            }
            Input::Reloaded(Err(error)) => {
                tracing::error!(outcome = "failed", reason = %error, "workflow reload");
                self.config_error = Some(error.to_string());
                // Readable again, only not usable: the last good settings go on (ruling 8).
                Event::ConfigChanged { config: self.settings.dispatch() }
            }
        })
    }

    /// An attempt that reported its end needs no handle any more.
    fn note(&mut self, event: &Event) {
        if let Event::AttemptEnded { attempt_id, .. } = event {
            self.attempts.forget(attempt_id);
        }
    }

    async fn check_idle(&mut self) -> Result<(), DriverError> {
        if !self.until_idle || self.ended {
            return Ok(());
        }
        match self.machine.idle() {
            IdleStatus::Busy => self.idle_asked = false,
            IdleStatus::Unconfirmed if !self.idle_asked => {
                self.idle_asked = true;
                self.apply(vec![Input::Event(Event::RefreshRequested)]).await?;
            }
            IdleStatus::Unconfirmed => {}
            IdleStatus::Idle => {
                self.until_idle = false;
                let mode = ShutdownMode::Stop;
                self.apply(vec![Input::Event(Event::ShutdownRequested { mode })]).await?;
            }
        }
        Ok(())
    }

    /// A snapshot only saves time at the next start: without it the whole stream is replayed.
    async fn store_snapshot(&mut self, upto: u64) {
        self.since_snapshot = 0;
        let stored = match serde_json::to_vec(self.machine.state()) {
            Ok(bytes) => self
                .ledger
                .put_snapshot(STREAM, upto, STATE_VERSION, bytes)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = stored {
            tracing::warn!(reason, outcome = "failed", "snapshot");
        }
    }

    fn publish(&mut self) {
        let now = clock::now_ms();
        let snapshot = self.machine.snapshot(now);
        self.issues.update(&self.machine, &snapshot, now);
        self.view.store(Arc::new(View {
            snapshot,
            live: self.attempts.live(),
            issues: self.issues.views(),
            settings: self.settings.clone(),
            config_error: self.config_error.clone(),
            problems: self.settings.tracker.problems(),
        }));
    }

    fn watch_workflow(&self, until: CancellationToken) {
        let path = self.settings.workflow.path.clone();
        let digest = self.settings.workflow.digest.clone();
        let environment = self.environment.clone();
        let input = self.input.clone();
        watch::spawn(path, digest, until, move |loaded| {
            let settings = loaded
                .map_err(SettingsError::from)
                .and_then(|workflow| Settings::of(workflow, &environment));
            let input = input.clone();
            async move {
                let _ = input.send(Input::Reloaded(settings.map(Box::new))).await;
            }
        });
    }

    fn timer_set(&mut self, key: TimerKey, timer_id: u64, delay_ms: u64) {
        self.timers.set(key, timer_id, Duration::from_millis(delay_ms));
    }
}
