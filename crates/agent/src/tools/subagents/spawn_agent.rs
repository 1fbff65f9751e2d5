//! `spawn_agent`: a subagent for a part of the task.

use std::sync::Arc;

use async_trait::async_trait;
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::subagents::{Order, Subagents};
use crate::tools::{Tool, ToolContext, ToolOutput, args, define};

pub(super) struct SpawnAgent(pub(super) Arc<Subagents>);

#[derive(Deserialize)]
struct Args {
    task: String,
    working_dir: Option<String>,
    model: Option<String>,
    #[serde(default)]
    max_turns: u32,
}

#[async_trait]
impl Tool for SpawnAgent {
    fn definition(&self) -> ToolDefinition {
        define(
            "spawn_agent",
            "Starts a subagent that works on a part of the task by itself while you go on. It sees \
             the same files, but nothing of this conversation: put everything that it must know \
             into the task. Returns the id of the subagent; get its result with wait. Give parts \
             that do not touch the same files to several subagents at the same time.",
            &[
                (
                    "task",
                    json!({"type": "string", "minLength": 1, "description":
                    "What to do, what to know for it, and what to report at the end."}),
                    true,
                ),
                (
                    "working_dir",
                    json!({"type": "string", "description":
                    "A directory below the working directory to work in; the same by default."}),
                    false,
                ),
                (
                    "model",
                    json!({"type": "string", "description":
                    "Another model; your own by default."}),
                    false,
                ),
                (
                    "max_turns",
                    json!({"type": "integer", "minimum": 0, "maximum": u32::MAX,
                    "description": "Most replies of its model; 0, the default, for no limit."}),
                    false,
                ),
            ],
        )
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let Args { task, working_dir, model, max_turns } = match args::parse(arguments) {
            Ok(args) => args,
            Err(why) => return ToolOutput::error(why),
        };
        let order = Order { task, working_dir, model, max_turns };
        let spawned = tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err("The call was cancelled.".to_owned()),
            spawned = self.0.spawn(order, Arc::clone(&context.env)) => spawned,
        };
        match spawned {
            Ok(agent_id) => {
                let status = json!({"agent_id": agent_id, "status": "running"});
                ToolOutput::ok(status.to_string()).with_details(status)
            }
            Err(why) => ToolOutput::error(format!("No subagent was started: {why}")),
        }
    }
}
