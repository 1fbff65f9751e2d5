//! Where the prompt cache is told to cut (unified-llm §2.10).
//!
//! Anthropic caches the prompt (tools, then system, then messages) up to blocks that are marked, at most four
//! of them, and finds an earlier mark only within some twenty blocks before a later one. So the marks are:
//!
//! 1. the last block of the last user turn: the next request reads everything up to here;
//! 2. the last block of the user turn before it, which is where the request before this one ended, so that
//!    a turn of many blocks cannot put its entry out of sight;
//! 3. the end of the system prompt, which other conversations share;
//! 4. the last tool, which they share even under another system prompt.
//!
//! A caller's own marks stay and count; those of this list are placed, from the top, while marks are left. None is
//! placed before a mark of an hour, because the API wants longer-lived entries first, none on thinking or
//! blank text, which take none, and none on a tool that is loaded later. A top-level `cache_control` is the
//! caller's mark on the last block; the others, which all stand before it, live as long as it does.

use serde_json::{Map, Value, json};

const MOST: usize = 4;

const MARK: &str = "cache_control";

/// Adds marks to a body that is otherwise complete.
pub(super) fn place(body: &mut Map<String, Value>) {
    let own = count(body);
    let whole = body.get(MARK).filter(|mark| !mark.is_null()).cloned();
    let on_last = whole.is_some();
    let mark = whole.unwrap_or_else(|| json!({ "type": "ephemeral" }));
    let mut spots = spots(body);
    let after_long = spots.iter().rposition(|spot| spot.is_long()).map_or(0, |at| at + 1);
    let last_of = |wanted: &dyn Fn(Place) -> bool| {
        let fits = |spot: &Spot<'_>| wanted(spot.place) && spot.takes_mark();
        spots.iter().rposition(fits)
    };
    let turns: Vec<usize> = spots
        .iter()
        .filter_map(|spot| match spot.place {
            Place::User(turn) => Some(turn),
            _ => None,
        })
        .collect();
    let last_turn = turns.last().copied();
    let turn_before = turns.iter().rev().copied().find(|turn| Some(*turn) != last_turn);
    let in_turn =
        |turn: Option<usize>| turn.and_then(|turn| last_of(&|place| place == Place::User(turn)));
    let wanted = [
        if on_last { None } else { in_turn(last_turn) },
        in_turn(turn_before),
        last_of(&|place| place == Place::System),
        last_of(&|place| place == Place::Tools),
    ];
    let mut left = MOST.saturating_sub(own);
    for at in wanted.into_iter().flatten() {
        if left > 0 && at >= after_long && spots[at].mark(&mark) {
            left -= 1;
        }
    }
}

/// Whether a mark stands anywhere.
pub(super) fn is_used(body: &Map<String, Value>) -> bool {
    count(body) > 0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Tools,
    System,
    /// With the turn's index.
    User(usize),
    Assistant,
}

/// A place that may hold a mark.
struct Spot<'a> {
    place: Place,
    block: &'a mut Map<String, Value>,
}

impl Spot<'_> {
    fn is_long(&self) -> bool {
        self.block.get(MARK).and_then(|mark| mark.get("ttl")?.as_str()) == Some("1h")
    }

    fn takes_mark(&self) -> bool {
        let text = |name: &str| self.block.get(name).and_then(Value::as_str).unwrap_or("");
        match self.place {
            Place::Tools => self.block.get("defer_loading") != Some(&Value::Bool(true)),
            Place::System | Place::User(_) => match text("type") {
                "text" => !text("text").trim().is_empty(),
                "image" | "document" | "tool_result" | "search_result" => true,
                _ => false,
            },
            Place::Assistant => false,
        }
    }

    /// Whether a mark was added.
    fn mark(&mut self, mark: &Value) -> bool {
        let is_free = self.block.get(MARK).is_none_or(Value::is_null);
        if is_free {
            self.block.insert(MARK.to_owned(), mark.clone());
        }
        is_free
    }
}

/// All places in the order of the prompt.
fn spots(body: &mut Map<String, Value>) -> Vec<Spot<'_>> {
    let (mut tools, mut system, mut messages) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in body.iter_mut() {
        match name.as_str() {
            "tools" => tools.extend(blocks(value, Place::Tools)),
            "system" => system.extend(blocks(value, Place::System)),
            "messages" => {
                let turns = value.as_array_mut().into_iter().flatten();
                for (turn, message) in turns.enumerate() {
                    let is_user = message.get("role").and_then(Value::as_str) == Some("user");
                    let place = if is_user { Place::User(turn) } else { Place::Assistant };
                    if let Some(content) = message.get_mut("content") {
                        messages.extend(blocks(content, place));
                    }
                }
            }
            _ => {}
        }
    }
    tools.into_iter().chain(system).chain(messages).collect()
}

fn blocks(list: &mut Value, place: Place) -> impl Iterator<Item = Spot<'_>> {
    let blocks = list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut);
    blocks.map(move |block| Spot { place, block })
}

/// The marks of the whole body, those inside tool results and documents too.
fn count(body: &Map<String, Value>) -> usize {
    let list = |name: &str| body.get(name).and_then(Value::as_array).into_iter().flatten();
    let contents = list("messages")
        .filter_map(|message| message.get("content")?.as_array())
        .flatten()
        .flat_map(|block| {
            let inner = block.get("content").or_else(|| block.pointer("/source/content"));
            let inner = inner.and_then(Value::as_array).into_iter().flatten();
            std::iter::once(block).chain(inner)
        });
    let blocks = list("tools").chain(list("system")).chain(contents);
    let marked = |block: &Value| block.get(MARK).is_some_and(|mark| !mark.is_null());
    blocks.filter(|block| marked(block)).count()
        + usize::from(body.get(MARK).is_some_and(|mark| !mark.is_null()))
}

#[cfg(test)]
mod tests;
