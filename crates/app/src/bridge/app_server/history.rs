//! What a stored conversation is to a client: turns with their items.

use std::collections::HashMap;

use canon_agent::{ToolResultEntry, Turn as Kept, canonical_arguments};
use canon_llm::{ContentPart, ImageData, Usage};
use canon_protocol::codex::server::outgoing::{
    ItemStatus, ThreadItem, Turn, TurnError, TurnStatus, text_part,
};
use canon_protocol::jsonrpc::RpcError;
use serde_json::{Value, json};

use super::invalid;
use super::turn::{Call, Naming};
use crate::bridge::shape::Shape;
use crate::threads::Entry;

/// Mark: a turn begins.
pub(super) const BEGINS: &str = "app-server/turn";
/// Mark: a turn is over.
pub(super) const ENDS: &str = "app-server/turn-end";
/// Mark: the sandbox, the approvals and the tools in force.
pub(super) const SETTINGS: &str = "app-server/settings";

/// A turn, and how much of the conversation stands before it.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) turn: Turn,
    pub(super) before: usize,
}

/// All tokens that a thread has used up: what was written at the end of its last turn, and replies
/// since then. Subagents, whose conversations are not kept, are in the former alone.
pub(super) fn used(entries: &[Entry]) -> Usage {
    entries.iter().fold(Usage::default(), |used, entry| match entry {
        Entry::Turn(Kept::Assistant(reply)) => used + reply.usage.clone(),
        Entry::Mark { label, data } if label == ENDS => {
            match serde_json::from_value::<Usage>(data["usage"].clone()) {
                Ok(written) if written.total_tokens >= used.total_tokens => written,
                _ => used,
            }
        }
        _ => used,
    })
}

/// The turns of a thread, whichever surface it was begun with; `running` is the one that runs.
pub(super) fn turns(entries: &[Entry], naming: &Naming, running: Option<&str>) -> Vec<Past> {
    let mut reader =
        Reader { naming, past: Vec::new(), marked: false, formed: false, kept: 0, items: 0 };
    for entry in entries {
        reader.take(entry);
    }
    let runs = |turn: &Turn| running == Some(turn.id.as_str());
    // Of a turn that was given up, the mark of its beginning is left.
    let is_left = |turn: &Turn| {
        turn.status == TurnStatus::InProgress && turn.items.as_ref().is_some_and(Vec::is_empty)
    };
    reader.past.retain(|past| runs(&past.turn) || !is_left(&past.turn));
    // What has no end was cut off, unless it still runs.
    for past in &mut reader.past {
        if past.turn.status == TurnStatus::InProgress && !runs(&past.turn) {
            past.turn.status = TurnStatus::Interrupted;
        }
    }
    reader.past
}

/// The turn of this id.
pub(super) fn find<'a>(past: &'a [Past], id: &str) -> Result<(usize, &'a Past), RpcError> {
    let found = past.iter().enumerate().find(|(_, past)| past.turn.id == id);
    found.ok_or_else(|| invalid(format!("turn not found: {id}")))
}

struct Reader<'a> {
    naming: &'a Naming,
    past: Vec<Past>,
    /// The last turn was begun by a mark, so inputs belong to it.
    marked: bool,
    /// The last message of the turn was to have a form, of which the model was told.
    formed: bool,
    kept: usize,
    items: usize,
}

impl Reader<'_> {
    fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Mark { label, data } if label == BEGINS => {
                let id = data["id"].as_str().unwrap_or_default();
                self.begin(id.to_owned(), data["startedAt"].as_i64());
                self.marked = true;
                self.formed = data["form"] == true;
            }
            Entry::Mark { label, data } if label == ENDS => self.end(data),
            Entry::Mark { .. } => {}
            Entry::Turn(turn) => {
                self.turn(turn);
                self.kept += 1;
            }
        }
    }

    fn begin(&mut self, id: String, at: Option<i64>) {
        let turn = Turn { started_at: at, items: Some(Vec::new()), ..Turn::started(id, 0) };
        self.past.push(Past { turn, before: self.kept });
    }

    fn end(&mut self, data: &Value) {
        let Some(Past { turn, .. }) = self.past.last_mut() else { return };
        turn.status = match data["status"].as_str() {
            Some("completed") => TurnStatus::Completed,
            Some("failed") => TurnStatus::Failed,
            _ => TurnStatus::Interrupted,
        };
        turn.error = data["error"].as_str().map(|message| TurnError {
            message: message.to_owned(),
            info: Some(data["info"].clone()).filter(|info| !info.is_null()),
            details: None,
        });
        turn.completed_at = data["completedAt"].as_i64();
        turn.duration_ms = data["durationMs"].as_u64();
        self.marked = false;
    }

    fn turn(&mut self, turn: &Kept) {
        match turn {
            Kept::User { content, images, timestamp } => {
                // Other surfaces set no marks: each input is a turn.
                if !self.marked {
                    let at = i64::try_from(timestamp / 1000).ok();
                    self.begin(format!("turn-{}", self.kept), at);
                }
                self.input(content, images);
            }
            Kept::Steering { content, images, .. } => self.input(content, images),
            Kept::System { .. } => {}
            Kept::Assistant(reply) => {
                for part in &reply.message.content {
                    self.part(part);
                }
                if !self.marked
                    && reply.tool_calls().is_empty()
                    && let Some(past) = self.past.last_mut()
                {
                    past.turn.status = TurnStatus::Completed;
                }
            }
            Kept::ToolResults { results, .. } => self.results(results),
        }
    }

    fn input(&mut self, content: &str, images: &[ImageData]) {
        if self.formed && Shape::is_ours(content) {
            return;
        }
        let text = (!content.is_empty()).then(|| text_part(content));
        let images = images.iter().map(|image| match &image.url {
            Some(url) => json!({ "type": "image", "url": url }),
            None => {
                let json = serde_json::to_value(image).unwrap_or_default();
                let media_type = image.media_type.as_deref().unwrap_or("image/png");
                let data = json["data"].as_str().unwrap_or_default();
                json!({ "type": "image", "url": format!("data:{media_type};base64,{data}") })
            }
        });
        let content = text.into_iter().chain(images).collect();
        let id = self.item_id();
        self.push(ThreadItem::UserMessage { id, client_id: None, content });
    }

    fn part(&mut self, part: &ContentPart) {
        let item = match part {
            ContentPart::Text { text, .. } if !text.is_empty() => {
                ThreadItem::AgentMessage { id: self.item_id(), text: text.clone() }
            }
            ContentPart::Thinking { thinking, .. } if !thinking.text.is_empty() => {
                let summary = vec![thinking.text.clone()];
                ThreadItem::Reasoning { id: self.item_id(), summary }
            }
            ContentPart::ToolCall { tool_call, .. } => {
                let arguments = canonical_arguments(&tool_call.name, &tool_call.arguments);
                let call = Call {
                    id: &tool_call.id,
                    tool: &tool_call.name,
                    arguments: &arguments,
                    cwd: &self.naming.cwd,
                    agent: "",
                };
                self.naming.item(call, None)
            }
            _ => return,
        };
        self.push(item);
    }

    /// The calls that these results are of become what they are with them.
    fn results(&mut self, results: &[ToolResultEntry]) {
        let by_id: HashMap<&str, &ToolResultEntry> =
            results.iter().map(|entry| (entry.result.tool_call_id.as_str(), entry)).collect();
        let Some(Past { turn, .. }) = self.past.last_mut() else { return };
        for item in turn.items.iter_mut().flatten() {
            finish(item, &by_id);
        }
    }

    fn push(&mut self, item: ThreadItem) {
        if self.past.is_empty() {
            self.begin("turn-0".to_owned(), None);
        }
        if let Some(Past { turn: Turn { items: Some(items), .. }, .. }) = self.past.last_mut() {
            items.push(item);
        }
    }

    fn item_id(&mut self) -> String {
        self.items += 1;
        format!("item-{}", self.items)
    }
}

fn finish(item: &mut ThreadItem, results: &HashMap<&str, &ToolResultEntry>) {
    let ended = |id: &str| {
        let entry = results.get(id)?;
        let text = entry.result.content_text();
        let status = match entry.result.is_error {
            true if text.starts_with("[DENIED: ") => ItemStatus::Declined,
            true => ItemStatus::Failed,
            false => ItemStatus::Completed,
        };
        Some((text, status))
    };
    match item {
        ThreadItem::CommandExecution { id, status, output, .. } => {
            if let Some((text, how)) = ended(id) {
                *output = Some(text);
                *status = how;
            }
        }
        ThreadItem::FileChange { id, status, .. } => {
            if let Some((_, how)) = ended(id) {
                *status = how;
            }
        }
        ThreadItem::McpToolCall { id, status, result, .. } => {
            if let Some((text, how)) = ended(id) {
                let success = how == ItemStatus::Completed;
                *status = if success { how } else { ItemStatus::Failed };
                *result = Some(if success { Ok(text) } else { Err(text) });
            }
        }
        ThreadItem::CollabAgentToolCall { id, status, .. } => {
            if let Some((_, how)) = ended(id) {
                let success = how == ItemStatus::Completed;
                *status = if success { how } else { ItemStatus::Failed };
            }
        }
        ThreadItem::DynamicToolCall { id, status, result, .. } => {
            if let Some((text, how)) = ended(id) {
                let success = how == ItemStatus::Completed;
                *status = if success { how } else { ItemStatus::Failed };
                *result = Some((success, json!([{ "type": "inputText", "text": text }])));
            }
        }
        _ => {}
    }
}
