//! The Anthropic family (loop spec §3.5): changes replace one exact text by another.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Parts, instructions};
use crate::tools::{EditFile, Glob, GrepModes, ReadFile, Shell, WriteFile};

/// As in the family's own agent.
const COMMAND_TIMEOUT_MS: u64 = 120_000;

/// Lets a model of the fourth generation think between tool calls; the later ones do it unasked.
const INTERLEAVED_THINKING: &str = "interleaved-thinking-2025-05-14";

pub(super) fn parts(model: &str) -> Parts {
    Parts {
        base_instructions: instructions::put_together(
            include_str!("text/anthropic.md"),
            include_str!("text/anthropic_tools.md"),
        ),
        tools: vec![
            Arc::new(ReadFile),
            Arc::new(WriteFile),
            Arc::new(EditFile::Plain),
            Arc::new(Shell),
            Arc::new(GrepModes),
            Arc::new(Glob),
        ],
        document_name: Some("CLAUDE.md"),
        command_timeout_ms: Some(COMMAND_TIMEOUT_MS),
        provider_options: options(model),
    }
}

/// Newer models refuse their own thinking once anything before it has changed. A session changes
/// that when it shortens old outputs, gets another tool or is resumed elsewhere; then the thinking
/// is to be dropped, and the work to go on.
fn options(model: &str) -> Map<String, Value> {
    let mut options = Map::new();
    options.insert("block_binding".into(), json!({ "prefix_mismatch_behavior": "drop_block" }));
    if is_fourth_generation(model) {
        options.insert("beta_headers".into(), json!([INTERLEAVED_THINKING]));
    }
    Map::from_iter([("anthropic".to_owned(), Value::Object(options))])
}

/// Claude 4 to 4.6: those that think to a budget. The header says nothing to any other.
fn is_fourth_generation(model: &str) -> bool {
    let mut tokens = model.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
    if !tokens.any(|token| token == "claude") {
        return false;
    }
    // Longer numbers are dates.
    let version = |token: &String| token.parse::<u32>().ok().filter(|_| token.len() <= 2);
    let rest: Vec<String> = tokens.collect();
    let Some(major) = rest.iter().position(|token| version(token).is_some()) else { return false };
    let minor = rest.get(major + 1).and_then(version).unwrap_or(0);
    version(&rest[major]) == Some(4) && minor < 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fourth_generation_is_asked_to_think_between_calls() {
        for (model, expected) in [
            ("claude-opus-4-20250514", true),
            ("claude-sonnet-4-5-20250929", true),
            ("anthropic/claude-opus-4.6", true),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", true),
            ("claude-opus-4-7", false),
            ("claude-3-7-sonnet-20250219", false),
            ("claude-sonnet-5", false),
            ("claude-opus-5-5", false),
            ("claude-mythos-preview", false),
            ("kimi-k4", false),
        ] {
            assert_eq!(is_fourth_generation(model), expected, "{model}");
            let options = options(model);
            assert_eq!(options["anthropic"].get("beta_headers").is_some(), expected, "{model}");
        }
    }
}
