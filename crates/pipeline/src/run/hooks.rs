//! Commands of the author's around runs, stages and gates: graph attributes `hooks.NAME`, beyond the
//! specification. Commands around the calls of an agent's tools are `tool_hooks.*` (§9.7).

use std::sync::Arc;
use std::time::Duration;

use canon_exec::{ExecCommand, ExecutionEnvironment};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::engine::EventKind;
use crate::graph::{Graph, Kind};
use crate::handler::Stage;
use crate::outcome::{FailureClass, Outcome, Status};

/// How long a hook may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Exit codes with a meaning of their own.
const BLOCK: i32 = 2;
const SKIP: i32 = 3;

/// Characters of what a hook complained of.
const MAX_WHY: usize = 500;

/// Where a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    RunStart,
    RunEnd,
    StageStart,
    StageEnd,
    Gate,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::RunStart => "run_start",
            Self::RunEnd => "run_end",
            Self::StageStart => "stage_start",
            Self::StageEnd => "stage_end",
            Self::Gate => "gate",
        }
    }

    /// The command of a graph.
    pub(super) fn command(self, graph: &Graph) -> Option<&str> {
        graph.attrs().non_empty(&format!("hooks.{}", self.name()))
    }
}

/// What a hook said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Proceed,
    Skip(String),
    Block(String),
    /// It did not come to say anything.
    Broken(String),
    Canceled,
}

/// Calls a hook, if the graph has it.
async fn call(
    hook: Hook,
    graph: &Graph,
    environment: &Arc<dyn ExecutionEnvironment>,
    about: Value,
    variables: Vec<(String, String)>,
    cancel: CancellationToken,
) -> Said {
    let Some(command) = hook.command(graph) else { return Said::Proceed };
    let name = hook.name();
    let mut input = json!({ "v": 1, "hook": name });
    if let (Some(input), Value::Object(about)) = (input.as_object_mut(), about) {
        input.extend(about);
    }
    let run = ExecCommand {
        timeout: Some(LIMIT),
        env: variables.into_iter().collect(),
        stdin: Some(input.to_string().into_bytes()),
        cancel,
        ..ExecCommand::new(command)
    };
    let result = match environment.exec_command(run).await {
        Ok(result) => result,
        Err(error) => return Said::Broken(format!("hooks.{name} cannot be run: {error}")),
    };
    let complaint = if result.stderr.trim().is_empty() { &result.stdout } else { &result.stderr };
    let shown: String = complaint.trim().chars().take(MAX_WHY).collect();
    let with = |what: String| if shown.is_empty() { what } else { format!("{what}: {shown}") };
    match (result.cancelled, result.timed_out, result.exit_code) {
        (true, _, _) => Said::Canceled,
        (_, true, _) => Said::Broken(with(format!("hooks.{name} took longer than {LIMIT:?}"))),
        (_, _, Some(0)) => Said::Proceed,
        (_, _, Some(BLOCK)) => Said::Block(with(format!("blocked by hooks.{name}"))),
        (_, _, Some(SKIP)) => Said::Skip(with(format!("skipped by hooks.{name}"))),
        (_, _, Some(code)) => {
            Said::Broken(with(format!("hooks.{name} failed with exit status {code}")))
        }
        (_, _, None) => Said::Broken(with(format!("hooks.{name} was killed"))),
    }
}

/// Before a stage, and before a gate asks: an outcome if the stage is not to run. A hook that does
/// not work blocks, for it may be there to protect something.
pub(super) async fn before(stage: &Stage) -> Option<Outcome> {
    let gate = stage.graph.kind(stage.node) == Kind::WaitHuman;
    for hook in [Some(Hook::StageStart), gate.then_some(Hook::Gate)].into_iter().flatten() {
        match on_stage(hook, stage, None, stage.cancel.clone()).await {
            Said::Proceed => {}
            Said::Skip(notes) => return Some(Outcome { notes, ..Outcome::of(Status::Skipped) }),
            Said::Block(why) | Said::Broken(why) => return Some(Outcome::fail(why)),
            Said::Canceled => {
                return Some(Outcome::fail("canceled").class(FailureClass::Canceled));
            }
        }
    }
    None
}

/// After a stage, whatever became of it: a hook that blocks makes it a failure; one that does not
/// work is told to those who watch.
pub(super) async fn after(stage: &Stage, outcome: Outcome) -> Outcome {
    let ended = json!({
        "status": outcome.status,
        "notes": outcome.notes,
        "failure_reason": outcome.failure_reason,
        "usage": outcome.usage,
    });
    // The stage's own token may stand for its time alone, which is over.
    let cancel = CancellationToken::new();
    match on_stage(Hook::StageEnd, stage, Some(ended), cancel).await {
        Said::Block(why) => Outcome {
            context_updates: outcome.context_updates,
            notes: outcome.notes,
            usage: outcome.usage,
            approval: outcome.approval,
            ..Outcome::fail(why)
        },
        _ => outcome,
    }
}

async fn on_stage(
    hook: Hook,
    stage: &Stage,
    ended: Option<Value>,
    cancel: CancellationToken,
) -> Said {
    if hook.command(&stage.graph).is_none() {
        return Said::Proceed;
    }
    let attempt = &stage.attempt;
    let about = json!({
        "run": stage.run.id,
        "name": stage.run.name,
        "node": attempt.node,
        "type": stage.graph.kind(stage.node).as_str(),
        "visit": attempt.visit,
        "attempt": attempt.attempt,
        "dir": stage.dir,
        "outcome": ended,
    });
    let (graph, environment) = (&stage.graph, &stage.environment);
    let said = call(hook, graph, environment, about, stage.variables(), cancel).await;
    if let Said::Skip(why) | Said::Block(why) | Said::Broken(why) = &said {
        let detail = json!({ "hook": hook.name(), "said": why });
        stage.events.emit(EventKind::StageProgress { stage: attempt.node.clone(), detail });
    }
    said
}

/// Before and after a run. Why it may not begin, or what went wrong at its end.
pub(super) async fn on_run(
    hook: Hook,
    graph: &Graph,
    environment: &Arc<dyn ExecutionEnvironment>,
    about: Value,
    cancel: CancellationToken,
) -> Result<(), String> {
    match call(hook, graph, environment, about, Vec::new(), cancel).await {
        Said::Proceed => Ok(()),
        Said::Skip(why) | Said::Block(why) | Said::Broken(why) => Err(why),
        Said::Canceled => Err("canceled".to_owned()),
    }
}
