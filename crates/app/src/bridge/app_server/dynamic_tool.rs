//! A tool that the client executes.

use std::time::Duration;

use async_trait::async_trait;
use canon_agent::{Tool, ToolContext, ToolOutput};
use canon_llm::ToolDefinition;
use canon_protocol::codex::server::call::DynamicTool;
use canon_protocol::jsonrpc::RpcError;
use canon_protocol::jsonrpc::peer::Peer;
use serde_json::{Map, Value, json};

use super::invalid;

/// A client that has not answered by then has forgotten the call.
const TIMEOUT: Duration = Duration::from_secs(600);

/// One dynamic tool of one thread.
pub(super) struct Remote {
    pub(super) peer: Peer,
    pub(super) thread_id: String,
    pub(super) turn_id: super::turn::CurrentTurn,
    pub(super) namespace: Option<String>,
    pub(super) tool: String,
    pub(super) definition: ToolDefinition,
}

/// The tools of a `thread/start`, groups taken apart.
pub(super) fn flatten(
    tools: Vec<DynamicTool>,
) -> Result<Vec<(Option<String>, ToolDefinition)>, RpcError> {
    let mut flat = Vec::new();
    for tool in tools {
        match tool {
            DynamicTool::Function { name, description, input_schema } => {
                flat.push((None, define(name, description, input_schema)?));
            }
            DynamicTool::Namespace { name: group, tools, .. } => {
                for tool in tools {
                    let DynamicTool::Function { name, description, input_schema } = tool else {
                        return Err(invalid("a group of tools cannot hold a group"));
                    };
                    flat.push((Some(group.clone()), define(name, description, input_schema)?));
                }
            }
        }
    }
    Ok(flat)
}

fn define(name: String, description: String, schema: Value) -> Result<ToolDefinition, RpcError> {
    let definition = ToolDefinition { name, description, parameters: schema };
    definition.validate().map_err(|error| invalid(error.to_string()))?;
    Ok(definition)
}

#[async_trait]
impl Tool for Remote {
    fn definition(&self) -> ToolDefinition {
        self.definition.clone()
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let params = json!({
            "threadId": self.thread_id, "turnId": self.turn_id.get(), "callId": context.call_id,
            "tool": self.tool, "namespace": self.namespace, "arguments": arguments,
        });
        let answer = tokio::select! {
            answer = self.peer.request("item/tool/call", &params, TIMEOUT) => answer,
            () = context.cancel.cancelled() => return ToolOutput::error("the call was given up"),
        };
        match answer {
            Ok(answer) => output(&answer),
            Err(error) => ToolOutput::error(format!("tool {}: {error}", self.tool)),
        }
    }
}

fn output(answer: &Value) -> ToolOutput {
    let items = answer["contentItems"].as_array();
    let texts = items.into_iter().flatten().map(|item| match item["text"].as_str() {
        Some(text) => text.to_owned(),
        // Pictures and what may come: the model reads what they are.
        None => item.to_string(),
    });
    let text = texts.collect::<Vec<_>>().join("\n");
    match answer["success"].as_bool() {
        Some(true) => ToolOutput::ok(text),
        _ => ToolOutput::error(text),
    }
}
