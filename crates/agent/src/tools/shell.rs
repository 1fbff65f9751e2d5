//! `shell`: one command to its end (loop spec §3.3, §5.4).

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use canon_exec::{ExecCommand, ExecResult, ExecutionEnvironment};
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Access, CommandTimeouts, Tool, ToolContext, ToolOutput, args, define, resolve};

/// Runs a command in bash, in a process group of its own, with a time limit. What it leaves running
/// ends with it. Of an output beyond the environment's limit (1 MiB by default) the beginning and
/// the end are kept, with a marker between them; that is all there is of it anywhere.
#[derive(Debug, Clone, Copy)]
pub struct Shell;

#[derive(Deserialize)]
struct Args {
    command: String,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    workdir: Option<String>,
}

#[async_trait]
impl Tool for Shell {
    fn definition(&self) -> ToolDefinition {
        define(
            "shell",
            "Run a command with bash in the working directory and return its exit code, duration \
             and output, stdout and stderr together. Each call is a fresh shell without a \
             terminal or input. Set timeout_ms for commands that take long, such as builds and \
             test suites.",
            &[
                (
                    "command",
                    json!({"type": "string", "minLength": 1, "description": "The command"}),
                    true,
                ),
                (
                    "timeout_ms",
                    json!({"type": "integer", "minimum": 1, "description": "Milliseconds after which the command is stopped"}),
                    false,
                ),
                (
                    "workdir",
                    json!({"type": "string", "minLength": 1, "description": "Directory to run in (default: the working directory)"}),
                    false,
                ),
                (
                    "description",
                    json!({"type": "string", "description": "What the command does, in a few words"}),
                    false,
                ),
            ],
        )
    }

    fn access(&self, _: &Map<String, Value>, _: &dyn ExecutionEnvironment) -> Access {
        Access::Anything
    }

    fn working_directory(
        &self,
        arguments: &Map<String, Value>,
        env: &dyn ExecutionEnvironment,
    ) -> PathBuf {
        match arguments.get("workdir") {
            Some(Value::String(path)) => resolve(env, path),
            _ => env.working_directory().to_owned(),
        }
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let args: Args = match args::parse(arguments) {
            Ok(args) => args,
            Err(text) => return ToolOutput::error(text),
        };
        let timeout_ms = effective_timeout(args.timeout_ms, context.timeouts);
        let command = ExecCommand {
            timeout: Some(Duration::from_millis(timeout_ms)),
            working_dir: args.workdir.map(|path| resolve(context.env.as_ref(), &path)),
            cancel: context.cancel.clone(),
            on_output: Some(context.output.command_sink()),
            ..ExecCommand::new(args.command)
        };
        match context.env.exec_command(command).await {
            Ok(result) => output(&result, timeout_ms),
            Err(error) => ToolOutput::error(error.to_string()),
        }
    }
}

/// What the call asks for, else the default; the maximum holds for both.
fn effective_timeout(asked: Option<u64>, timeouts: CommandTimeouts) -> u64 {
    asked.unwrap_or(timeouts.default_ms).min(timeouts.max_ms).max(1)
}

fn output(result: &ExecResult, timeout_ms: u64) -> ToolOutput {
    let ending = match (result.exit_code, result.signal) {
        (Some(code), _) => code.to_string(),
        (None, Some(signal)) => format!("none, ended by signal {signal}"),
        (None, None) => "none".to_owned(),
    };
    let mut text = format!("Exit code: {ending}\nDuration: {} ms\nOutput:\n", result.duration_ms);
    text.push_str(&result.combined);
    let remark = if result.timed_out {
        Some(format!(
            "[ERROR: Command timed out after {timeout_ms}ms. Partial output is shown above.\nYou \
             can retry with a longer timeout by setting the timeout_ms parameter.]"
        ))
    } else if result.cancelled {
        Some("[ERROR: Command was cancelled. Partial output is shown above.]".to_owned())
    } else {
        None
    };
    if let Some(remark) = remark {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&remark);
    }
    ToolOutput {
        text,
        is_error: !result.success(),
        images: Vec::new(),
        details: json!({
            "exit_code": result.exit_code,
            "signal": result.signal,
            "timed_out": result.timed_out,
            "cancelled": result.cancelled,
            "duration_ms": result.duration_ms,
            "omitted_bytes": result.truncated_bytes,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loop_9_4_timeouts_have_a_default_and_a_maximum() {
        let timeouts = CommandTimeouts { default_ms: 10_000, max_ms: 600_000 };
        assert_eq!(effective_timeout(None, timeouts), 10_000);
        assert_eq!(effective_timeout(Some(30_000), timeouts), 30_000);
        assert_eq!(effective_timeout(Some(u64::MAX), timeouts), 600_000);
    }

    #[test]
    fn the_timeout_message_is_the_specified_one() {
        let result = ExecResult {
            combined: "partial".to_owned(),
            timed_out: true,
            signal: Some(15),
            duration_ms: 52,
            ..ExecResult::default()
        };
        let output = output(&result, 50);
        assert!(output.is_error);
        assert_eq!(
            output.text,
            "Exit code: none, ended by signal 15\nDuration: 52 ms\nOutput:\npartial\n[ERROR: \
             Command timed out after 50ms. Partial output is shown above.\nYou can retry with a \
             longer timeout by setting the timeout_ms parameter.]"
        );
    }

    #[test]
    fn a_command_that_fails_is_an_error_result() {
        let failed = ExecResult { exit_code: Some(3), ..ExecResult::default() };
        assert!(output(&failed, 1).is_error);
        let fine = ExecResult { exit_code: Some(0), ..ExecResult::default() };
        assert!(!output(&fine, 1).is_error);
    }
}
