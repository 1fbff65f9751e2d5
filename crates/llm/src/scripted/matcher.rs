//! What an entry demands of a request, and why a request does not meet it.

use std::collections::HashMap;

use regex::Regex;
use serde::{Deserialize, Deserializer, de};

use crate::types::{Request, Role, ToolResultData};

/// Longest piece of what was really there that a message shows from either end, in characters.
const SHOWN: usize = 600;

/// A request as matchers see it.
pub(super) struct View<'a> {
    pub(super) request: &'a Request,
    /// Assistant messages that are in it already.
    pub(super) turn: usize,
    /// Results after the last assistant message, each with the name of the tool that was called.
    results: Vec<(Option<&'a str>, &'a ToolResultData)>,
}

impl<'a> View<'a> {
    pub(super) fn new(request: &'a Request) -> Self {
        let messages = &request.messages;
        let is_assistant = |message: &&crate::types::Message| message.role == Role::Assistant;
        let turn = messages.iter().filter(is_assistant).count();
        let last = messages.iter().rposition(|message| message.role == Role::Assistant);
        let names: HashMap<&str, &str> = messages
            .iter()
            .flat_map(|message| &message.content)
            .filter_map(|part| match part {
                crate::types::ContentPart::ToolCall { tool_call, .. } => {
                    Some((tool_call.id.as_str(), tool_call.name.as_str()))
                }
                _ => None,
            })
            .collect();
        let results = messages[last.map_or(0, |at| at + 1)..]
            .iter()
            .flat_map(|message| message.tool_results())
            .map(|result| (names.get(result.tool_call_id.as_str()).copied(), result))
            .collect();
        Self { request, turn, results }
    }

    fn user_texts(&self) -> impl DoubleEndedIterator<Item = String> {
        self.request
            .messages
            .iter()
            .filter(|message| message.role == Role::User && message.tool_results().next().is_none())
            .map(crate::types::Message::text)
    }

    fn system(&self) -> String {
        let texts: Vec<String> = self
            .request
            .messages
            .iter()
            .filter(|message| matches!(message.role, Role::System | Role::Developer))
            .map(crate::types::Message::text)
            .collect();
        texts.join("\n\n")
    }
}

/// All matchers of an entry; those that are given must all hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    model: Option<TextMatch>,
    system: Option<TextMatch>,
    first_user: Option<TextMatch>,
    last_user: Option<TextMatch>,
    turn: Option<usize>,
    tool_results: Option<Vec<ResultMatch>>,
    #[serde(default)]
    tools: Vec<String>,
}

impl When {
    /// Every matcher that does not hold, with what was really there.
    pub(super) fn misfit(&self, view: &View<'_>) -> Misfit {
        Misfit {
            place: self.place_failures(view),
            results: self
                .tool_results
                .as_ref()
                .map(|wanted| result_failures(wanted, view))
                .unwrap_or_default(),
        }
    }

    fn place_failures(&self, view: &View<'_>) -> Vec<String> {
        let mut out = Vec::new();
        if let Some(turn) = self.turn
            && turn != view.turn
        {
            out.push(format!("turn: wanted {turn}, was {}", view.turn));
        }
        let mut text = |name: &str, wanted: &Option<TextMatch>, real: Option<String>| {
            if let Some(wanted) = wanted {
                match real {
                    None => out.push(format!("{name}: there is none")),
                    Some(real) => out
                        .extend(wanted.failure(&real).map(|failure| format!("{name}: {failure}"))),
                }
            }
        };
        text("model", &self.model, Some(view.request.model.clone()));
        text("system", &self.system, Some(view.system()));
        text("first_user", &self.first_user, view.user_texts().next());
        text("last_user", &self.last_user, view.user_texts().next_back());
        for tool in &self.tools {
            if !view.request.tools.iter().any(|known| known.name == *tool) {
                out.push(format!("tools: `{tool}` is not offered"));
            }
        }
        out
    }
}

/// Why an entry does not fit: it is meant for another place, or the tools did not do what it demands.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) place: Vec<String>,
    pub(super) results: Vec<String>,
}

fn result_failures(wanted: &[ResultMatch], view: &View<'_>) -> Vec<String> {
    let mut out: Vec<String> = wanted
        .iter()
        .zip(&view.results)
        .enumerate()
        .filter_map(|(index, (wanted, (name, real)))| {
            let failure = wanted.failure(*name, real)?;
            Some(format!("tool_results[{index}]: {failure}"))
        })
        .collect();
    if wanted.len() != view.results.len() {
        let real: Vec<String> = view
            .results
            .iter()
            .map(|(name, result)| {
                format!("{}: {}", name.unwrap_or("unknown tool"), shown(&result.content_text()))
            })
            .collect();
        out.push(format!(
            "tool_results: wanted {}, there are {}: [{}]",
            wanted.len(),
            real.len(),
            real.join(", ")
        ));
    }
    out
}

/// Conditions on a text; a plain string in JSON stands for `contains`.
#[derive(Debug, Default)]
struct TextMatch {
    contains: Vec<String>,
    not_contains: Vec<String>,
    regex: Vec<Regex>,
    equals: Option<String>,
}

impl TextMatch {
    fn failure(&self, real: &str) -> Option<String> {
        let wanted = self.first_unmet(real)?;
        Some(format!("{wanted}; it was {}", shown(real)))
    }

    fn first_unmet(&self, real: &str) -> Option<String> {
        if let Some(equals) = self.equals.as_ref().filter(|equals| *equals != real) {
            return Some(format!("wanted exactly {}", shown(equals)));
        }
        if let Some(missing) = self.contains.iter().find(|text| !real.contains(*text)) {
            return Some(format!("wanted it to contain {missing:?}"));
        }
        if let Some(extra) = self.not_contains.iter().find(|text| real.contains(*text)) {
            return Some(format!("wanted it not to contain {extra:?}"));
        }
        let unmet = self.regex.iter().find(|regex| !regex.is_match(real))?;
        Some(format!("wanted it to match /{unmet}/"))
    }
}

/// Conditions on one tool result.
#[derive(Debug)]
struct ResultMatch {
    name: Option<String>,
    is_error: Option<bool>,
    text: TextMatch,
}

impl ResultMatch {
    fn failure(&self, name: Option<&str>, real: &ToolResultData) -> Option<String> {
        let text = real.content_text();
        if let Some(wanted) = &self.name
            && Some(wanted.as_str()) != name
        {
            return Some(format!(
                "wanted a result of `{wanted}`, it was of `{}`: {}",
                name.unwrap_or("unknown tool"),
                shown(&text)
            ));
        }
        if let Some(wanted) = self.is_error
            && wanted != real.is_error
        {
            return Some(format!(
                "wanted is_error {wanted}; it was {}: {}",
                real.is_error,
                shown(&text)
            ));
        }
        self.text.failure(&text)
    }
}

/// Quoted, the middle left out when it is long: the end of a command's output says most.
fn shown(text: &str) -> String {
    let count = text.chars().count();
    if count <= 2 * SHOWN {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(SHOWN).collect();
    let tail: String = text.chars().skip(count - SHOWN).collect();
    format!("{head:?} … {} characters … {tail:?}", count - 2 * SHOWN)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn list(this: Option<Self>) -> Vec<String> {
        match this {
            None => Vec::new(),
            Some(Self::One(text)) => vec![text],
            Some(Self::Many(list)) => list,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMatch {
    name: Option<String>,
    is_error: Option<bool>,
    contains: Option<OneOrMany>,
    not_contains: Option<OneOrMany>,
    regex: Option<OneOrMany>,
    equals: Option<String>,
}

impl RawMatch {
    /// A plain string, or an object; by hand so that errors name the unknown field.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => {
                Ok(Self { contains: Some(OneOrMany::One(text)), ..Self::default() })
            }
            other => serde_json::from_value(other).map_err(de::Error::custom),
        }
    }

    fn text<E: de::Error>(self) -> Result<TextMatch, E> {
        let regex = OneOrMany::list(self.regex)
            .iter()
            .map(|pattern| Regex::new(pattern).map_err(E::custom))
            .collect::<Result<_, _>>()?;
        Ok(TextMatch {
            contains: OneOrMany::list(self.contains),
            not_contains: OneOrMany::list(self.not_contains),
            regex,
            equals: self.equals,
        })
    }
}

impl<'de> Deserialize<'de> for TextMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawMatch::read(deserializer)?;
        if raw.name.is_some() || raw.is_error.is_some() {
            return Err(de::Error::custom("`name` and `is_error` belong to tool_results only"));
        }
        raw.text()
    }
}

impl<'de> Deserialize<'de> for ResultMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut raw = RawMatch::read(deserializer)?;
        Ok(Self { name: raw.name.take(), is_error: raw.is_error, text: raw.text()? })
    }
}
