//! `wait`: the results of subagents.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{details, result};
use crate::subagents::{Report, Subagents, Waited};
use crate::tools::{Tool, ToolContext, ToolOutput, args, define};

pub(super) struct Wait(pub(super) Arc<Subagents>);

#[derive(Deserialize)]
struct Args {
    agent_id: Option<String>,
    #[serde(default)]
    agent_ids: Vec<String>,
    #[serde(default)]
    any: bool,
    timeout_ms: Option<u64>,
}

#[async_trait]
impl Tool for Wait {
    fn definition(&self) -> ToolDefinition {
        define(
            "wait",
            "Waits until subagents are done and returns their results: whether they succeeded, the \
             turns that they used, and their last message. Without an id it waits for all that are \
             at work. The result of one that is done can be had again.",
            &[
                ("agent_id", json!({"type": "string", "description": "Which subagent."}), false),
                (
                    "agent_ids",
                    json!({"type": "array", "items": {"type": "string"}, "description":
                    "Several subagents."}),
                    false,
                ),
                (
                    "any",
                    json!({"type": "boolean", "description":
                    "Whether to return as soon as one of them is done; by default all must be."}),
                    false,
                ),
                (
                    "timeout_ms",
                    json!({"type": "integer", "minimum": 0, "description":
                    "Return after so many milliseconds, done or not; by default there is no limit."}),
                    false,
                ),
            ],
        )
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let Args { agent_id, agent_ids, any, timeout_ms } = match args::parse(arguments) {
            Ok(args) => args,
            Err(why) => return ToolOutput::error(why),
        };
        let agent_ids = agent_id.into_iter().chain(agent_ids).collect();
        let limit = timeout_ms.map(Duration::from_millis);
        let waited = tokio::select! {
            biased;
            () = context.cancel.cancelled() => {
                Err("[ERROR: The wait was cancelled. The subagents can be waited for again.]".to_owned())
            }
            waited = self.0.wait(agent_ids, any, limit) => waited,
        };
        match waited {
            Ok(Waited::Over(reports)) => output("", &reports),
            Ok(Waited::NotYet(reports)) => {
                output("The time is over; not all are done.\n\n", &reports)
            }
            Err(why) => ToolOutput::error(why),
        }
    }
}

fn output(note: &str, reports: &[Report]) -> ToolOutput {
    let results: Vec<String> = reports.iter().map(result).collect();
    ToolOutput::ok(format!("{note}{}", results.join("\n\n")))
        .with_details(Value::Array(reports.iter().map(details).collect()))
}
