//! `close_agent`: the end of a subagent.

use std::sync::Arc;

use async_trait::async_trait;
use canon_llm::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{details, result};
use crate::subagents::Subagents;
use crate::tools::{Tool, ToolContext, ToolOutput, args, define};

pub(super) struct CloseAgent(pub(super) Arc<Subagents>);

#[derive(Deserialize)]
struct Args {
    agent_id: String,
}

#[async_trait]
impl Tool for CloseAgent {
    fn definition(&self) -> ToolDefinition {
        define(
            "close_agent",
            "Ends a subagent and the commands that it runs, and returns where it stood. What it \
             changed stays as it is.",
            &[("agent_id", json!({"type": "string", "description": "Which subagent."}), true)],
        )
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let Args { agent_id } = match args::parse(arguments) {
            Ok(args) => args,
            Err(why) => return ToolOutput::error(why),
        };
        let closed = tokio::select! {
            biased;
            closed = self.0.close(&agent_id) => closed,
            () = context.cancel.cancelled() => Err(format!(
                "The call was cancelled; {agent_id} is still about to end."
            )),
        };
        match closed {
            Ok(report) => ToolOutput::ok(result(&report)).with_details(details(&report)),
            Err(why) => ToolOutput::error(why),
        }
    }
}
