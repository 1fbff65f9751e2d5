//! Token accounting from absolute thread totals (Symphony §13.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Tokens, either a total or what was added to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input tokens, the cached ones included.
    pub input_tokens: u64,
    /// Input tokens that came from the provider's cache.
    pub cached_input_tokens: u64,
    /// Output tokens, the reasoning ones included.
    pub output_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_output_tokens: u64,
    /// All tokens, as the agent counts them.
    pub total_tokens: u64,
}

impl Usage {
    /// Reads a breakdown leniently: camel or snake case, missing members are zero, a missing
    /// total is input plus output. `None` when it has no token count at all.
    pub fn read(value: &Value) -> Option<Usage> {
        let count = |names: &[&str]| {
            names.iter().find_map(|name| value.get(name)).and_then(|v| {
                v.as_u64().or_else(|| v.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64))
            })
        };
        let input = count(&["inputTokens", "input_tokens", "promptTokens", "prompt_tokens"]);
        let output =
            count(&["outputTokens", "output_tokens", "completionTokens", "completion_tokens"]);
        let total = count(&["totalTokens", "total_tokens", "total"]);
        if input.is_none() && output.is_none() && total.is_none() {
            return None;
        }
        let (input, output) = (input.unwrap_or(0), output.unwrap_or(0));
        Some(Usage {
            input_tokens: input,
            cached_input_tokens: count(&["cachedInputTokens", "cached_input_tokens"]).unwrap_or(0),
            output_tokens: output,
            reasoning_output_tokens: count(&["reasoningOutputTokens", "reasoning_output_tokens"])
                .unwrap_or(0),
            total_tokens: total.unwrap_or(input.saturating_add(output)),
        })
    }

    fn zip(self, other: Usage, f: impl Fn(u64, u64) -> u64) -> Usage {
        Usage {
            input_tokens: f(self.input_tokens, other.input_tokens),
            cached_input_tokens: f(self.cached_input_tokens, other.cached_input_tokens),
            output_tokens: f(self.output_tokens, other.output_tokens),
            reasoning_output_tokens: f(self.reasoning_output_tokens, other.reasoning_output_tokens),
            total_tokens: f(self.total_tokens, other.total_tokens),
        }
    }

    /// Sum, member by member.
    pub fn plus(self, other: Usage) -> Usage {
        self.zip(other, u64::saturating_add)
    }

    /// Difference, member by member, never below zero.
    pub fn minus(self, other: Usage) -> Usage {
        self.zip(other, u64::saturating_sub)
    }
}

/// Turns absolute totals of several threads (an agent may start sub-agents) into one sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Meter {
    reported: BTreeMap<String, Usage>,
    sum: Usage,
}

impl Meter {
    /// A meter that takes `base` of `thread` as already counted.
    pub(super) fn with_base(thread: &str, base: Usage) -> Self {
        Self { reported: BTreeMap::from([(thread.to_owned(), base)]), sum: Usage::default() }
    }

    /// Notes a total as counted already, without adding it.
    pub(super) fn rebase(&mut self, thread: &str, total: Usage) {
        self.reported.insert(thread.to_owned(), total);
    }

    /// Takes a thread's new total; returns what it adds. A total that went down starts anew.
    pub(super) fn report(&mut self, thread: &str, total: Usage) -> Usage {
        let before = self.reported.insert(thread.to_owned(), total).unwrap_or_default();
        let delta = total.minus(before);
        self.sum = self.sum.plus(delta);
        delta
    }

    /// Everything that this session added, over all its threads.
    pub(super) fn sum(&self) -> Usage {
        self.sum
    }
}
