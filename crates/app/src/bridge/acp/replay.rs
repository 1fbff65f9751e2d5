//! A stored conversation, told again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canon_agent::{AssistantTurn, Turn, canonical_arguments};
use canon_llm::{ImageData, ToolCallData};
use canon_protocol::acp::content::ContentBlock;
use canon_protocol::acp::tool::ToolCall;
use canon_protocol::acp::update::{ContentChunk, SessionUpdate};
use canon_runtime::id;
use serde_json::Value;

use super::calls::{self, Ending};
use super::places::Places;

/// The updates that tell a conversation, in its order.
pub(super) fn updates(turns: &[Turn], places: &Places) -> Vec<SessionUpdate> {
    let mut told = Vec::new();
    let mut open: Vec<ToolCall> = Vec::new();
    for turn in turns {
        match turn {
            Turn::User { content, images, .. } | Turn::Steering { content, images, .. } => {
                told.extend(user(content, images));
            }
            Turn::Assistant(reply) => {
                told.extend(said(reply));
                for call in reply.tool_calls() {
                    let ToolCallData { id, name, arguments, .. } = ToolCallData::from(call);
                    let arguments = canonical_arguments(&name, &arguments);
                    let call = calls::begun(&id, &name, &arguments, places, None);
                    told.push(SessionUpdate::ToolCall(call.clone()));
                    open.push(call);
                }
            }
            Turn::ToolResults { results, .. } => {
                for entry in results {
                    let is_it = |call: &ToolCall| call.tool_call_id == entry.result.tool_call_id;
                    let Some(at) = open.iter().position(is_it) else { continue };
                    let output = entry.result.content_text();
                    told.push(end(open.remove(at), &output, entry.result.is_error));
                }
            }
            // Between the host and the model.
            Turn::System { .. } => {}
        }
    }
    // Cut off before they had a result.
    told.extend(open.into_iter().map(|call| end(call, "", true)));
    told
}

fn end(call: ToolCall, output: &str, is_error: bool) -> SessionUpdate {
    let ending = Ending { output, is_error, details: &Value::Null };
    SessionUpdate::ToolCallUpdate(calls::ended(call, &ending))
}

fn user(text: &str, images: &[ImageData]) -> Vec<SessionUpdate> {
    let message = id::new("message");
    let text = (!text.is_empty()).then(|| ContentBlock::text(text));
    let pictures = images.iter().filter_map(|image| {
        let data = STANDARD.encode(image.data.as_ref()?);
        let mime_type = image.media_type.clone()?;
        Some(ContentBlock::Image { data, mime_type, uri: None })
    });
    let chunk = |content| {
        let message_id = Some(message.clone());
        SessionUpdate::UserMessageChunk(ContentChunk { content, message_id })
    };
    text.into_iter().chain(pictures).map(chunk).collect()
}

fn said(reply: &AssistantTurn) -> Vec<SessionUpdate> {
    let chunk = |text: String, kind: &str| ContentChunk {
        content: ContentBlock::text(text),
        message_id: Some(id::new(kind)),
    };
    let thought = reply.reasoning().filter(|text| !text.is_empty());
    let text = Some(reply.content()).filter(|text| !text.is_empty());
    let thought = thought.map(|text| SessionUpdate::AgentThoughtChunk(chunk(text, "thought")));
    let text = text.map(|text| SessionUpdate::AgentMessageChunk(chunk(text, "message")));
    thought.into_iter().chain(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon_protocol::acp::tool::ToolStatus;
    use serde_json::json;

    #[test]
    fn a_conversation_is_told_in_its_order_and_what_was_cut_off_failed() {
        let part = |id: &str, name: &str, command: &str| {
            json!({ "kind": "tool_call", "tool_call":
                { "id": id, "name": "shell", "arguments": { name: command } } })
        };
        let reply = |parts: Value| {
            json!({ "turn": "assistant", "message": { "role": "assistant", "content": parts },
                "usage": { "input_tokens": 1, "output_tokens": 1, "total_tokens": 2 },
                "response_id": "r", "timestamp": 1 })
        };
        let turns: Vec<Turn> = serde_json::from_value(json!([
            { "turn": "user", "content": "go", "timestamp": 1,
              "images": [{ "data": "iVA=", "media_type": "image/png" }] },
            reply(json!([{ "kind": "text", "text": "ok" }, part("a", "command", "ls"), part("b", "cmd", "pwd")])),
            { "turn": "tool_results", "timestamp": 2, "results": [{ "result":
                { "tool_call_id": "a", "content": "file", "is_error": false } }] },
        ]))
        .unwrap();
        let told = updates(&turns, &Places::plain("/w"));
        let kinds: Vec<String> = told
            .iter()
            .map(|update| serde_json::to_value(update).unwrap()["sessionUpdate"].to_string())
            .collect();
        let wanted = [
            "user_message_chunk",
            "user_message_chunk",
            "agent_message_chunk",
            "tool_call",
            "tool_call",
            "tool_call_update",
            "tool_call_update",
        ];
        assert_eq!(kinds, wanted.map(|kind| format!("\"{kind}\"")));
        let ends: Vec<_> = told
            .iter()
            .filter_map(|update| match update {
                SessionUpdate::ToolCallUpdate(call) => Some((&*call.tool_call_id, call.status)),
                _ => None,
            })
            .collect();
        let ended = [("a", Some(ToolStatus::Completed)), ("b", Some(ToolStatus::Failed))];
        assert_eq!(ends, ended);
    }
}
