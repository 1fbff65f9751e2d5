//! The chunks that come by the thousand, read without building a tree.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A chunk that brings more text, reasoning or arguments and nothing else. Whatever is not spelled out here
/// makes reading fail, so that nothing is passed over; what says the same in every chunk is ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plain<'a> {
    #[serde(borrow)]
    choices: [Choice<'a>; 1],
    #[serde(default, rename = "usage")]
    _usage: (),
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(default, rename = "object")]
    _object: IgnoredAny,
    #[serde(default, rename = "created")]
    _created: IgnoredAny,
    #[serde(default, rename = "model")]
    _model: IgnoredAny,
    #[serde(default, rename = "provider")]
    _provider: IgnoredAny,
    #[serde(default, rename = "system_fingerprint")]
    _system_fingerprint: IgnoredAny,
    #[serde(default, rename = "service_tier")]
    _service_tier: IgnoredAny,
    /// Padding against guesses by length.
    #[serde(default, rename = "obfuscation")]
    _obfuscation: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    delta: Delta<'a>,
    #[serde(default, rename = "finish_reason")]
    _finish_reason: (),
    #[serde(default, rename = "native_finish_reason")]
    _native_finish_reason: (),
    #[serde(default, rename = "logprobs")]
    _logprobs: (),
    #[serde(default, rename = "stop_reason")]
    _stop_reason: (),
    #[serde(default, rename = "matched_stop")]
    _matched_stop: (),
    #[serde(default, rename = "token_ids")]
    _token_ids: (),
}

/// What a chunk adds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delta<'a> {
    #[serde(default, rename = "role")]
    _role: IgnoredAny,
    #[serde(default, borrow)]
    content: Option<Text<'a>>,
    #[serde(default, borrow)]
    reasoning_content: Option<Text<'a>>,
    #[serde(default, borrow)]
    reasoning: Option<Text<'a>>,
    #[serde(default, borrow)]
    tool_calls: Option<[Call<'a>; 1]>,
    #[serde(default, rename = "refusal")]
    _refusal: (),
    #[serde(default, rename = "function_call")]
    _function_call: (),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call<'a> {
    index: u64,
    #[serde(default, rename = "id")]
    _id: (),
    #[serde(default, rename = "type")]
    _kind: IgnoredAny,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Function<'a> {
    #[serde(default, rename = "name")]
    _name: (),
    #[serde(borrow)]
    arguments: Text<'a>,
}

/// Borrowed unless it holds an escape. A type of its own, since serde borrows no `Cow` inside of an `Option`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// More arguments of a call.
pub(super) struct Arguments<'a> {
    pub(super) index: u64,
    pub(super) arguments: &'a str,
}

impl Plain<'_> {
    /// What it adds to the first choice; `None` when it is about another.
    pub(super) fn delta(&self) -> Option<&Delta<'_>> {
        let [choice] = &self.choices;
        (choice.index == 0).then_some(&choice.delta)
    }
}

impl Delta<'_> {
    pub(super) fn content(&self) -> Option<&str> {
        self.content.as_ref().map(|text| text.0.as_ref())
    }

    /// By the order of the names in [`super::REASONING_TEXTS`].
    pub(super) fn reasoning(&self) -> [Option<&str>; 2] {
        [&self.reasoning_content, &self.reasoning]
            .map(|text| text.as_ref().map(|text| text.0.as_ref()))
    }

    /// Whether it brings text or reasoning.
    pub(super) fn has_text(&self) -> bool {
        self.reasoning().into_iter().chain([self.content()]).flatten().any(|text| !text.is_empty())
    }

    /// The one call that goes on here.
    pub(super) fn call(&self) -> Option<Arguments<'_>> {
        let [call] = self.tool_calls.as_ref()?;
        Some(Arguments { index: call.index, arguments: &call.function.arguments.0 })
    }
}
