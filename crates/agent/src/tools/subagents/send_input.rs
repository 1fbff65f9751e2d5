//! `send_input`: a message for a subagent.

use std::sync::Arc;

use async_trait::async_trait;
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::subagents::Subagents;
use crate::tools::{Tool, ToolContext, ToolOutput, args, define};

pub(super) struct SendInput(pub(super) Arc<Subagents>);

#[derive(Deserialize)]
struct Args {
    agent_id: String,
    message: String,
}

#[async_trait]
impl Tool for SendInput {
    fn definition(&self) -> ToolDefinition {
        define(
            "send_input",
            "Sends a subagent a message. One that is at work reads it after the tool calls that it \
             has under way; one that is done takes it as its next task, with all that it knows.",
            &[
                ("agent_id", json!({"type": "string", "description": "Which subagent."}), true),
                (
                    "message",
                    json!({"type": "string", "minLength": 1, "description":
                    "What to tell it."}),
                    true,
                ),
            ],
        )
    }

    async fn run(&self, arguments: Map<String, Value>, _: ToolContext) -> ToolOutput {
        let Args { agent_id, message } = match args::parse(arguments) {
            Ok(args) => args,
            Err(why) => return ToolOutput::error(why),
        };
        match self.0.send(&agent_id, message) {
            Ok(()) => ToolOutput::ok(format!("{agent_id} gets the message.")),
            Err(why) => ToolOutput::error(why),
        }
    }
}
