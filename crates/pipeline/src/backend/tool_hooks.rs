//! Commands around each call of a tool (Attractor §9.7).

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use canon_exec::ExecCommand;
use serde_json::{Value, json};

use crate::engine::EventKind;
use crate::handler::Stage;

/// How long a hook may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Bytes that are kept of what a hook writes.
const OUTPUT: usize = 16 * 1024;
/// The stage's log of hooks that failed, one JSON object a line.
const LOG: &str = "tool_hooks.jsonl";

/// The commands of a stage. A backend calls [`before`](Self::before) and [`after`](Self::after)
/// around each call of a tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ToolHooks<'a> {
    /// `tool_hooks.pre`: if it exits with another code than 0, the call is left out.
    pub pre: Option<&'a str>,
    /// `tool_hooks.post`: whatever it does, the call has happened.
    pub post: Option<&'a str>,
}

/// A call of a tool, as hooks are told of it.
#[derive(Debug, Clone, Copy)]
pub struct ToolCall<'a> {
    /// The call's id.
    pub id: &'a str,
    /// The tool's name.
    pub tool: &'a str,
    /// What the model gave it.
    pub arguments: &'a Value,
}

impl<'a> ToolHooks<'a> {
    /// Those of the node, else of the graph, each for itself.
    pub fn of(stage: &'a Stage) -> Self {
        let hook = |key| stage.graph.inherited(stage.node, &[key]);
        Self { pre: hook("tool_hooks.pre"), post: hook("tool_hooks.post") }
    }

    /// Asks the hook before a call.
    ///
    /// # Errors
    /// The call is to be left out: why, for the model and for people. So it is when the hook cannot
    /// be run or takes too long.
    pub async fn before(&self, stage: &Stage, call: &ToolCall<'_>) -> Result<(), String> {
        let Some(hook) = self.pre else { return Ok(()) };
        let ran = run(stage, hook, call, "pre", Value::Null).await;
        ran.map_err(|why| {
            let why = format!("the hook before the call refused it: {why}");
            record(stage, call, "pre", &why);
            why
        })
    }

    /// Tells the hook of a call that has happened, and what came of it. A failure is recorded.
    pub async fn after(&self, stage: &Stage, call: &ToolCall<'_>, result: &Value) {
        let Some(hook) = self.post else { return };
        if let Err(why) = run(stage, hook, call, "post", result.clone()).await {
            record(stage, call, "post", &why);
        }
    }
}

/// Runs a hook; the error says how it ended.
async fn run(
    stage: &Stage,
    hook: &str,
    call: &ToolCall<'_>,
    when: &str,
    result: Value,
) -> Result<(), String> {
    let mut told = json!({
        "hook": when, "run": stage.run.id, "node": stage.node().id(),
        "id": call.id, "tool": call.tool, "arguments": call.arguments,
    });
    if !result.is_null() {
        told["result"] = result;
    }
    let mut env: std::collections::BTreeMap<_, _> = stage.variables().into_iter().collect();
    for (name, value) in [("HOOK", when), ("TOOL_NAME", call.tool), ("TOOL_CALL_ID", call.id)] {
        env.insert(format!("ATTRACTOR_{name}"), value.to_owned());
    }
    let ran = stage.environment.exec_command(ExecCommand {
        timeout: Some(LIMIT),
        env,
        stdin: Some(told.to_string().into_bytes()),
        output_limit: Some(OUTPUT),
        cancel: stage.cancel.clone(),
        ..ExecCommand::new(hook)
    });
    let ran = ran.await.map_err(|error| error.to_string())?;
    if ran.success() {
        return Ok(());
    }
    let how = match ran.exit_code {
        _ if ran.timed_out => format!("not done within {} s", LIMIT.as_secs()),
        _ if ran.cancelled => "canceled".to_owned(),
        Some(code) => format!("exit code {code}"),
        None => "ended by a signal".to_owned(),
    };
    let said = if ran.stderr.trim().is_empty() { ran.stdout } else { ran.stderr };
    let said = said.trim();
    Err(if said.is_empty() { how } else { format!("{how}: {said}") })
}

/// Puts a failure into the stage's log, and tells those who watch.
fn record(stage: &Stage, call: &ToolCall<'_>, when: &str, why: &str) {
    let mut detail = json!({
        "kind": "tool_hook_failed", "hook": when, "tool": call.tool, "id": call.id, "why": why,
    });
    crate::run::redact_value(&stage.redactor, &mut detail);
    let path = stage.dir.join(LOG);
    let log = OpenOptions::new().append(true).create(true).open(&path);
    if let Err(error) = log.and_then(|mut log| writeln!(log, "{detail}")) {
        // Who watches is told of it all the same.
        detail["log"] = Value::from(format!("{}: {error}", path.display()));
    }
    let stage_id = stage.node().id().to_owned();
    stage.events.emit(EventKind::StageProgress { stage: stage_id, detail });
}
