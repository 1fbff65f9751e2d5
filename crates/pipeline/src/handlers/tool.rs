//! Commands (Attractor §4.10, ruling 23).

use async_trait::async_trait;
use canon_exec::{ExecCommand, ExecError, ExecResult};

use crate::handler::{Handler, Stage};
use crate::outcome::{FailureClass, Outcome};

/// Bytes of each stream that are kept at all.
const MAX_OUTPUT: usize = 16 << 20;

/// Bytes of the output that later stages see: few enough to stay in the context whole.
const MAX_CONTEXT: usize = 8 << 10;

/// Bytes of what a command complained of, in the reason of its failure.
const MAX_REASON: usize = 2 << 10;

/// Runs `tool_command` where the stage works. Exit 0 is success, and as such an explicit verdict of
/// a goal gate; anything else is a failure. Inputs of the run are in its environment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tool;

#[async_trait]
impl Handler for Tool {
    async fn execute(&self, stage: &Stage) -> Outcome {
        let node = stage.node();
        let Some(command) = node.tool_command() else {
            return Outcome::fail("no `tool_command` specified");
        };
        let run = ExecCommand {
            timeout: node.timeout(),
            env: stage.variables().into_iter().collect(),
            output_limit: Some(MAX_OUTPUT),
            cancel: stage.cancel.clone(),
            ..ExecCommand::new(command)
        };
        let result = match stage.environment.exec_command(run).await {
            Ok(result) => result,
            Err(error) => return cannot_run(&error),
        };
        for (name, text) in [("stdout.log", &result.stdout), ("stderr.log", &result.stderr)] {
            if let Err(error) = stage.write(name, text) {
                let dir = stage.dir.display();
                return Outcome::fail(format!("cannot write {name} in {dir}: {error}"));
            }
        }
        let outcome = verdict(stage, command, &result);
        let exit = result.exit_code.map_or(serde_json::Value::Null, Into::into);
        outcome.with("tool.output", shortened(stage, &result.stdout)).with("tool.exit_code", exit)
    }

    /// The environment ends the command with its whole group, and what it wrote is kept.
    fn keeps_time(&self) -> bool {
        true
    }
}

/// A command that was certainly not begun may find its place again; else trying does not help.
fn cannot_run(error: &ExecError) -> Outcome {
    match error {
        ExecError::Unreachable { output: None, .. } => {
            Outcome::retry(error.to_string(), FailureClass::Transient)
        }
        _ => Outcome::fail(error.to_string()),
    }
}

fn verdict(stage: &Stage, command: &str, result: &ExecResult) -> Outcome {
    let (what, class) = match (result.timed_out, result.cancelled, result.exit_code) {
        (true, _, _) => {
            let limit = stage.node().timeout().unwrap_or_default().as_secs_f64();
            (format!("timeout: not done within {limit} s"), FailureClass::Timeout)
        }
        (_, true, _) => ("canceled".to_owned(), FailureClass::Canceled),
        (_, _, Some(0)) => {
            let first = command.trim().lines().next().unwrap_or_default();
            return Outcome::success(format!("tool completed: {first}"));
        }
        (_, _, Some(code)) => (format!("exit status {code}"), FailureClass::Permanent),
        (_, _, None) => {
            let signal = result.signal.map_or_else(|| "one".to_owned(), |n| n.to_string());
            (format!("ended by signal {signal}"), FailureClass::Permanent)
        }
    };
    // What a command complains of stands on stderr; some say it on stdout.
    let complaint = match result.stderr.trim() {
        "" => result.stdout.trim(),
        complaint => complaint,
    };
    let reason = match tail(complaint, MAX_REASON) {
        "" => what,
        tail => format!("{what}: {tail}"),
    };
    Outcome::fail(reason).class(class)
}

/// The end of a text, from a whole character on.
fn tail(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}

/// Beginning and end of a long output, and where the whole of it is.
fn shortened(stage: &Stage, output: &str) -> String {
    if output.len() <= MAX_CONTEXT {
        return output.to_owned();
    }
    let head = &output[..output.floor_char_boundary(MAX_CONTEXT / 2)];
    let tail = tail(output, MAX_CONTEXT / 2);
    let cut = output.len() - head.len() - tail.len();
    let whole = stage.dir.join("stdout.log");
    format!("{head}\n[… {cut} bytes are left out here; all of it: {} …]\n{tail}", whole.display())
}
