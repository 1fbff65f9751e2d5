//! Ids of calls. Hosts tell calls apart by them, and providers find results; yet there are servers
//! that give one id to several calls.

use std::collections::HashSet;

use canon_llm::{ContentPart, Message};
use serde_json::Value;

use super::turn::Turn;

/// The ids that a conversation has.
#[derive(Debug, Default)]
pub(super) struct CallIds(HashSet<String>);

impl CallIds {
    pub(super) fn of(history: &[Turn]) -> Self {
        let replies = history.iter().filter_map(|turn| match turn {
            Turn::Assistant(reply) => Some(reply.tool_calls()),
            _ => None,
        });
        Self(replies.flatten().map(|call| call.id).collect())
    }

    /// Gives a call of a new reply another id where the conversation has it already, also in the
    /// provider's own block, which goes back to it.
    pub(super) fn make_distinct(&mut self, reply: &mut Message) {
        for part in &mut reply.content {
            let ContentPart::ToolCall { tool_call, provider_raw } = part else { continue };
            if self.0.insert(tool_call.id.clone()) {
                continue;
            }
            let id = self.fresh(&tool_call.id);
            for name in ["id", "call_id"] {
                let own = provider_raw.as_mut().and_then(|raw| raw.block.get_mut(name));
                if let Some(Value::String(own)) = own
                    && *own == tool_call.id
                {
                    own.clone_from(&id);
                }
            }
            tool_call.id = id;
        }
    }

    fn fresh(&mut self, id: &str) -> String {
        let mut number = self.0.len() + 1;
        loop {
            let fresh = format!("{id}-{number}");
            if self.0.insert(fresh.clone()) {
                return fresh;
            }
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon_llm::{ProviderRaw, Role, ToolCallData};
    use serde_json::json;

    fn ids(message: &Message) -> Vec<String> {
        message.tool_calls().into_iter().map(|call| call.id).collect()
    }

    #[test]
    fn calls_with_one_id_get_ids_of_their_own_and_the_provider_learns_them() {
        let part = |id: &str| {
            let block = json!({"id": id, "extra": "kept", "function": {"name": "shell"}});
            ContentPart::tool_call(ToolCallData::new(id, "shell", json!({})))
                .with_provider_raw(ProviderRaw::new("openai_compatible", block))
        };
        let reply =
            || Message::new(Role::Assistant, vec![part("a"), part("a"), part("a-2"), part("b")]);
        let mut known = CallIds::default();
        let (mut first, mut second) = (reply(), reply());
        known.make_distinct(&mut first);
        known.make_distinct(&mut second);
        let all: HashSet<String> = ids(&first).into_iter().chain(ids(&second)).collect();
        assert_eq!(all.len(), 8, "{all:?}");
        assert_eq!((ids(&first)[0].as_str(), ids(&first)[3].as_str()), ("a", "b"));
        for (part, id) in first.content.iter().zip(ids(&first)) {
            let block = part.raw_for("openai_compatible").unwrap();
            assert_eq!((&block["id"], &block["extra"]), (&json!(id), &json!("kept")));
        }
    }
}
