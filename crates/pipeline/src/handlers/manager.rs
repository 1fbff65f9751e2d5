//! Supervisors of child pipelines (Attractor §4.11, ruling 25).

mod child;
mod settings;
mod steer;
mod telemetry;
mod workspaces;

use std::sync::Arc;

use async_trait::async_trait;
use canon_runtime::task::{TaskSpec, spawn};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::backend::Backend;
use crate::engine::{EventKind, Seen};
use crate::handler::{Handler, Stage};
use crate::outcome::{FailureClass, Outcome, Status, Usage};
use crate::run::{End, Event};
use child::Child;
use settings::Settings;
use telemetry::Telemetry;

/// Runs another pipeline in this process, in a directory of its own below the stage's, and watches
/// it until it ends, a condition holds, or it took too many cycles. A child that was interrupted
/// goes on where it was; another attempt of the stage begins a new one.
pub struct Manager {
    backend: Arc<dyn Backend>,
}

/// Why the manager stopped watching.
enum Why {
    Ended(Result<End, String>),
    Condition,
    Cycles,
}

/// A child that runs, told to stop when nobody watches it any more.
struct Watched {
    task: JoinHandle<Result<End, String>>,
    events: mpsc::UnboundedReceiver<Event>,
    cancel: CancellationToken,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Watched {
    fn begin(child: Child, stage: &Stage) -> Self {
        let (to, events) = mpsc::unbounded_channel();
        let cancel = stage.cancel.child_token();
        let run = child.run(to, cancel.clone());
        let task = spawn(TaskSpec::new("child pipeline").signalled(), run);
        Self { task, events, cancel }
    }

    /// Stops it, and waits until its journal is closed.
    async fn stop(&mut self) -> Result<End, String> {
        self.cancel.cancel();
        ended(&mut self.task).await
    }
}

async fn ended(task: &mut JoinHandle<Result<End, String>>) -> Result<End, String> {
    match task.await {
        Ok(end) => end,
        Err(error) => Err(format!("the child pipeline broke: {error}")),
    }
}

impl Manager {
    /// Managers whose steering `backend` words.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    async fn supervise(&self, stage: &Stage, settings: &Settings) -> Result<Outcome, String> {
        let child = Child::of(stage, settings)?;
        let mut telemetry = Telemetry::new(child.directory());
        let mut watched = Watched::begin(child, stage);
        let mut steering = steer::Steering::new(self.backend.as_ref(), stage, settings);
        let why = watch(stage, settings, &mut watched, &mut telemetry, &mut steering).await;
        let (end, verdict) = match why {
            Why::Ended(end) => (end, None),
            Why::Condition => {
                let notes = format!("stop condition satisfied: {}", settings.condition_text());
                (watched.stop().await, Some(Outcome::success(notes)))
            }
            Why::Cycles => {
                let reason = format!("max cycles exceeded: {}", settings.max_cycles);
                (watched.stop().await, Some(Outcome::fail(reason)))
            }
        };
        while let Ok(event) = watched.events.try_recv() {
            telemetry.take(&event);
            forward(stage, &event);
        }
        let end = match (end, &verdict) {
            (Ok(end), _) => end,
            (Err(why), _) => {
                let usage = sum(&[telemetry.usage(), steering.usage()]);
                return Ok(Outcome { usage, ..Outcome::fail(why) });
            }
        };
        telemetry.end(&end, verdict.is_some());
        let outcome = verdict.unwrap_or_else(|| of_child(stage, &end));
        let usage = sum(&[end.usage, steering.usage()]);
        Ok(Outcome { usage, context_updates: telemetry.values().collect(), ..outcome })
    }
}

/// One cycle after the other: on the clock where the manager waits, else with each event.
async fn watch(
    stage: &Stage,
    settings: &Settings,
    watched: &mut Watched,
    telemetry: &mut Telemetry,
    steering: &mut steer::Steering<'_>,
) -> Why {
    let mut context = stage.context.clone();
    let first = Instant::now() + settings.poll_interval;
    let mut clock = tokio::time::interval_at(first, settings.poll_interval);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut cycles = 0;
    loop {
        let cycle = tokio::select! {
            biased;
            Some(event) = watched.events.recv() => {
                telemetry.take(&event);
                forward(stage, &event);
                !settings.waits
            }
            end = ended(&mut watched.task) => return Why::Ended(end),
            _ = clock.tick(), if settings.waits => true,
        };
        // A child that was told to stop is waited for, not judged.
        if !cycle || stage.cancel.is_cancelled() {
            continue;
        }
        cycles += 1;
        if settings.observes {
            for (key, value) in telemetry.values() {
                context.set(key, value);
            }
        }
        if settings.steers {
            steering.perhaps(telemetry).await;
        }
        let running = Outcome::of(Status::Success);
        let seen = Seen { outcome: &running, context: &context };
        if settings.stop_condition.as_ref().is_some_and(|condition| condition.holds(&seen)) {
            return Why::Condition;
        }
        if cycles >= settings.max_cycles {
            return Why::Cycles;
        }
    }
}

/// Ruling 25: a child that ended without success is a failure, whatever else it says.
fn of_child(stage: &Stage, end: &End) -> Outcome {
    if end.finish.status == Status::Success {
        return Outcome::success("child completed");
    }
    if stage.cancel.is_cancelled() {
        return Outcome::fail("canceled").class(FailureClass::Canceled);
    }
    let reason = end.finish.reason.as_deref().unwrap_or("no reason was given");
    Outcome::fail(format!("child failed: {reason}; its run is in {}", end.logs.display()))
}

/// Those who watch the run see what its child does.
fn forward(stage: &Stage, event: &Event) {
    stage.events.emit(EventKind::StageProgress {
        stage: stage.node().id().to_owned(),
        detail: json!({ "child": event }),
    });
}

fn sum(parts: &[Usage]) -> Usage {
    let mut all = Usage::default();
    for part in parts {
        all.add(part);
    }
    all
}

#[async_trait]
impl Handler for Manager {
    async fn execute(&self, stage: &Stage) -> Outcome {
        let settings = match Settings::of(stage) {
            Ok(settings) => settings,
            Err(why) => return Outcome::fail(why),
        };
        self.supervise(stage, &settings).await.unwrap_or_else(Outcome::fail)
    }

    fn takes_written_verdict(&self) -> bool {
        false
    }
}
