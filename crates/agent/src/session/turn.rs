//! The conversation: turns (loop spec §2.4), and the messages that a model sees of them.

use canon_llm::{ContentPart, ImageData, Message, Role, ToolCall, ToolResultData, Usage};
use serde::{Deserialize, Serialize};

use super::input::message;
use crate::events::Earlier;

/// One entry of a session's history. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "turn", rename_all = "snake_case")]
pub enum Turn {
    /// An input.
    User {
        /// Its text.
        content: String,
        /// Its pictures.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<ImageData>,
        /// When it entered the conversation.
        timestamp: u64,
    },
    /// A reply of the model.
    Assistant(Box<AssistantTurn>),
    /// The results of one round of tool calls.
    ToolResults {
        /// One for each call of the reply before, in its order.
        results: Vec<ToolResultEntry>,
        /// When the last of them came.
        timestamp: u64,
    },
    /// Instructions that a host put into a history that it resumes.
    System {
        /// Their text.
        content: String,
        /// When they were given.
        timestamp: u64,
    },
    /// A steering message; the model sees it as the user's.
    Steering {
        /// Its text.
        content: String,
        /// Its pictures.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<ImageData>,
        /// When it entered the conversation.
        timestamp: u64,
    },
}

/// A reply of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssistantTurn {
    /// The reply as it came, the provider's own blocks included: they go back verbatim.
    pub message: Message,
    /// Its tokens.
    pub usage: Usage,
    /// The provider's id of it.
    pub response_id: String,
    /// What it cost in US dollars, by the prices of its day; absent when they were not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// When it was complete.
    pub timestamp: u64,
}

/// What became of one tool call, as the model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResultEntry {
    /// The result, with its first image.
    pub result: ToolResultData,
    /// Images beyond the first; a result holds one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_images: Vec<ImageData>,
}

impl AssistantTurn {
    /// All text of the reply.
    pub fn content(&self) -> String {
        self.message.text()
    }

    /// Its tool calls.
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        self.message.tool_calls()
    }

    /// Its readable reasoning.
    pub fn reasoning(&self) -> Option<String> {
        self.message.reasoning()
    }
}

impl Turn {
    /// About how many characters a model reads for this turn (loop spec §5.5).
    pub(crate) fn chars(&self) -> usize {
        match self {
            Self::User { content, images, .. } | Self::Steering { content, images, .. } => {
                content.len() + images.len() * IMAGE_CHARS
            }
            Self::System { content, .. } => content.len(),
            Self::Assistant(turn) => chars_of(&turn.message),
            Self::ToolResults { results, .. } => results.iter().map(entry_chars).sum(),
        }
    }
}

/// What a picture counts for: 1,600 tokens, which is what a large one costs with most models.
const IMAGE_CHARS: usize = 6_400;

/// About how many characters there are in a message.
pub(crate) fn chars_of(message: &Message) -> usize {
    message.content.iter().map(part_chars).sum()
}

fn entry_chars(entry: &ToolResultEntry) -> usize {
    let images = usize::from(entry.result.image_data.is_some()) + entry.more_images.len();
    entry.result.content_text().len() + images * IMAGE_CHARS
}

/// Bytes stand for characters here: an estimate for a threshold, made often.
fn part_chars(part: &ContentPart) -> usize {
    match part {
        ContentPart::Text { text, .. } => text.len(),
        ContentPart::ToolCall { tool_call, .. } => {
            tool_call.name.len() + tool_call.arguments_text().len()
        }
        ContentPart::Thinking { thinking, .. } => thinking.text.len(),
        ContentPart::Image { .. } => IMAGE_CHARS,
        _ => 0,
    }
}

/// The messages that a model sees of a history.
pub(crate) fn messages(history: &[Turn]) -> Vec<Message> {
    let mut messages = Vec::with_capacity(history.len());
    for turn in history {
        match turn {
            Turn::User { content, images, .. } | Turn::Steering { content, images, .. } => {
                messages.push(message(content, images));
            }
            Turn::System { content, .. } => messages.push(Message::developer(content.as_str())),
            Turn::Assistant(turn) => messages.push(turn.message.clone()),
            Turn::ToolResults { results, .. } => push_results(&mut messages, results),
        }
    }
    messages
}

fn push_results(messages: &mut Vec<Message>, results: &[ToolResultEntry]) {
    let mut images = Vec::new();
    for entry in results {
        let part = ContentPart::tool_result(entry.result.clone());
        messages.push(Message {
            tool_call_id: Some(entry.result.tool_call_id.clone()),
            ..Message::new(Role::Tool, vec![part])
        });
        images.extend(entry.more_images.iter().cloned().map(ContentPart::image));
    }
    // Behind all results: nothing may stand between a call and its answers.
    if !images.is_empty() {
        messages.push(Message::new(Role::User, images));
    }
}

/// What a history used up; `None` for one without replies.
pub(crate) fn totals(history: &[Turn]) -> Option<Earlier> {
    let replies: Vec<&AssistantTurn> = history
        .iter()
        .filter_map(|turn| match turn {
            Turn::Assistant(reply) => Some(&**reply),
            _ => None,
        })
        .collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (!replies.is_empty()).then(|| Earlier {
        usage: replies.iter().map(|reply| reply.usage.clone()).sum(),
        cost_usd: replies.iter().map(|reply| reply.cost_usd).sum(),
        turns: count(replies.len()),
        tool_calls: count(replies.iter().map(|reply| reply.tool_calls().len()).sum()),
    })
}

/// A history in which every tool call has exactly one result: calls that a resumed history left
/// open are answered with an error, results without a call are dropped.
pub(crate) fn repaired(history: Vec<Turn>) -> Vec<Turn> {
    let mut sound: Vec<Turn> = Vec::with_capacity(history.len());
    let mut turns = history.into_iter().peekable();
    while let Some(turn) = turns.next() {
        match turn {
            Turn::Assistant(reply) => {
                let calls = reply.tool_calls();
                let timestamp = reply.timestamp;
                sound.push(Turn::Assistant(reply));
                if calls.is_empty() {
                    continue;
                }
                let (mut known, mut timestamp) = (Vec::new(), timestamp);
                let results = |turn: &Turn| matches!(turn, Turn::ToolResults { .. });
                while let Some(Turn::ToolResults { results, timestamp: at }) =
                    turns.next_if(results)
                {
                    known.extend(results);
                    timestamp = at;
                }
                let results = calls.iter().map(|call| take_result(&mut known, &call.id)).collect();
                sound.push(Turn::ToolResults { results, timestamp });
            }
            Turn::ToolResults { .. } => {}
            other => sound.push(other),
        }
    }
    sound
}

fn take_result(known: &mut Vec<ToolResultEntry>, id: &str) -> ToolResultEntry {
    match known.iter().position(|entry| entry.result.tool_call_id == id) {
        Some(at) => known.remove(at),
        None => ToolResultEntry {
            result: ToolResultData::new(
                id,
                "[ERROR: The session ended before this tool call had a result. Whether it ran, wholly \
                 or in part, is unknown: look before you repeat it.]",
                true,
            ),
            more_images: Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon_llm::{ProviderRaw, ToolCallData};
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn reply(parts: Vec<ContentPart>) -> Turn {
        Turn::Assistant(Box::new(AssistantTurn {
            message: Message::new(Role::Assistant, parts),
            usage: Usage::default(),
            response_id: "r".to_owned(),
            cost_usd: None,
            timestamp: 1,
        }))
    }

    fn call(id: &str) -> ContentPart {
        ContentPart::tool_call(ToolCallData::new(id, "shell", json!({})))
    }

    #[test]
    fn provider_blocks_go_back_verbatim() {
        let block = json!({"type": "reasoning", "encrypted_content": "…"});
        let part = ContentPart::thinking("because")
            .with_provider_raw(ProviderRaw::new("openai", block.clone()));
        let messages = messages(&[reply(vec![part])]);
        assert_eq!(messages[0].content[0].raw_for("openai"), Some(&block));
    }

    #[test]
    fn loop_9_6_steering_turns_become_user_messages() {
        let turn =
            Turn::Steering { content: "look left".to_owned(), images: Vec::new(), timestamp: 1 };
        assert_eq!(messages(&[turn]), [Message::user("look left")]);
    }

    #[test]
    fn images_beyond_the_first_follow_the_results() {
        let mut result = ToolResultData::new("a", "two", false);
        result.image_data = Some(vec![1]);
        let entry = ToolResultEntry { result, more_images: vec![ImageData::default()] };
        let messages = messages(&[Turn::ToolResults { results: vec![entry], timestamp: 1 }]);
        assert_eq!(messages[0].role, Role::Tool);
        assert_eq!(messages[0].tool_call_id.as_deref(), Some("a"));
        assert_eq!((messages[1].role, messages[1].content.len()), (Role::User, 1));
    }

    fn result(id: &str) -> ToolResultEntry {
        ToolResultEntry { result: ToolResultData::new(id, "done", false), more_images: Vec::new() }
    }

    proptest! {
        /// However a store cut, doubled or mixed the turns of a conversation.
        #[test]
        fn any_history_is_healed(choices in prop::collection::vec((0u8..5, prop::collection::vec(0u8..4, 0..4)), 0..12)) {
            let history: Vec<Turn> = choices.iter().map(|(kind, ids)| {
                let ids: BTreeSet<String> = ids.iter().map(|id| format!("c{id}")).collect();
                match kind {
                    0 => Turn::User { content: "u".to_owned(), images: Vec::new(), timestamp: 1 },
                    1 | 2 => reply(ids.iter().map(|id| call(id)).collect()),
                    _ => Turn::ToolResults {
                        results: ids.iter().map(|id| result(id)).collect(),
                        timestamp: 2,
                    },
                }
            }).collect();
            let sound = repaired(history.clone());
            crate::session::state::check_history(&sound);
            // Nothing but results was added or lost, and a sound history stays as it is.
            let others = |turns: &[Turn]| -> Vec<Turn> {
                turns.iter().filter(|turn| !matches!(turn, Turn::ToolResults { .. })).cloned().collect()
            };
            prop_assert_eq!(others(&sound), others(&history));
            prop_assert_eq!(repaired(sound.clone()), sound);
        }
    }

    #[test]
    fn a_history_from_before_there_were_images_and_costs_reads_the_same() {
        let old = json!([
            {"turn": "user", "content": "go", "timestamp": 1},
            {"turn": "steering", "content": "left", "timestamp": 2},
        ]);
        let history: Vec<Turn> = serde_json::from_value(old.clone()).unwrap();
        assert_eq!(serde_json::to_value(&history).unwrap(), old);
    }

    #[test]
    fn open_calls_of_a_resumed_history_are_answered() {
        let done = result("b");
        let stray = Turn::ToolResults { results: vec![done.clone()], timestamp: 1 };
        let history = vec![
            stray.clone(),
            reply(vec![call("a"), call("b")]),
            Turn::ToolResults { results: vec![done.clone()], timestamp: 2 },
            reply(vec![call("c")]),
        ];
        let sound = repaired(history);
        assert_eq!(sound.len(), 4);
        let Turn::ToolResults { results, timestamp: 2 } = &sound[1] else { panic!() };
        assert!(results[0].result.is_error);
        assert_eq!(results[1], done);
        let Turn::ToolResults { results, .. } = &sound[3] else { panic!() };
        assert_eq!(results[0].result.tool_call_id, "c");
    }
}
