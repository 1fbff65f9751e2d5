//! Thinking: what goes with it, and that it comes back where it must.

use serde_json::Value;

use super::conversation::{blocks, is_only_results};
use super::{Version, shapes};
use crate::model_server::issued::Issued;
use crate::model_server::protocol::Call;
use crate::model_server::rules::ANTHROPIC;

/// Whether a block is thinking, readable or not.
pub(super) fn is_thought(block: &Value) -> bool {
    block["type"] == "thinking" || block["type"] == "redacted_thinking"
}

/// What the server knows a thought by.
pub(super) fn opaque(block: &Value) -> Option<&str> {
    match block["type"].as_str() {
        Some("thinking") => block["signature"].as_str(),
        Some("redacted_thinking") => block["data"].as_str(),
        _ => None,
    }
}

pub(super) fn check(call: &Call<'_>, issued: &Issued, problems: &mut Vec<String>) {
    let body = call.body;
    let Some(thinking) = body.get("thinking") else {
        return;
    };
    shapes::THINKING.check("thinking", thinking, &ANTHROPIC, problems);
    let kind = thinking["type"].as_str().unwrap_or("");
    match kind {
        "enabled" => budget(call, thinking, problems),
        "adaptive" | "disabled" | "between_tools" => {
            if thinking.get("budget_tokens").is_some() {
                let message = "budget_tokens: Extra inputs are not permitted";
                problems.push(format!("thinking.{kind}.{message}"));
            }
        }
        _ => problems.push(format!("thinking: Input tag {kind:?} does not match")),
    }
    if let Some(binding) = thinking.get("block_binding") {
        shapes::BLOCK_BINDING.check("thinking.block_binding", binding, &ANTHROPIC, problems);
        block_binding(call, kind, problems);
    }
    if kind == "disabled" {
        if always_thinks(body) {
            let message = "\"thinking.type.disabled\" is not supported for this model.";
            problems.push(message.to_owned());
        }
        return;
    }
    company(body, problems);
    turn(body, kind == "enabled", issued, problems);
}

/// Only models that bind their thinking to its conversation are told what becomes of it.
fn block_binding(call: &Call<'_>, kind: &str, problems: &mut Vec<String>) {
    const BETA: &str = "thinking-binding-controls-2026-08-01";
    let betas = call.header("anthropic-beta").unwrap_or("");
    if !betas.split(',').any(|beta| beta.trim() == BETA) {
        problems.push(format!("block_binding goes with the anthropic-beta header {BETA}"));
    }
    let binds = Version::of(call.body).is_some_and(|version| version >= Version(5, 1));
    if !binds || !matches!(kind, "adaptive" | "enabled") {
        problems.push(format!("thinking.{kind}.block_binding: Extra inputs are not permitted"));
    }
}

/// Fable and Mythos, and from 5.5 on all but the smallest.
fn always_thinks(body: &Value) -> bool {
    let is = |family: &str| body["model"].as_str().is_some_and(|model| model.contains(family));
    let is_late = Version::of(body).is_some_and(|version| version >= Version(5, 5));
    is("fable") || is("mythos") || is_late && !is("haiku")
}

fn budget(call: &Call<'_>, thinking: &Value, problems: &mut Vec<String>) {
    let body = call.body;
    if Version::of(body).is_some_and(Version::is_adaptive_only) {
        problems.push(
            "\"thinking.type.enabled\" is not supported for this model. Use \
             \"thinking.type.adaptive\" and \"output_config.effort\" to control thinking behavior."
                .to_owned(),
        );
    }
    let Some(budget) = thinking["budget_tokens"].as_u64() else {
        problems.push("thinking.enabled.budget_tokens: Field required".to_owned());
        return;
    };
    if budget < 1024 {
        problems.push(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
                .to_owned(),
        );
    }
    let betas = call.header("anthropic-beta").unwrap_or("");
    let interleaved = betas.contains("interleaved-thinking-");
    if !interleaved && body["max_tokens"].as_u64().is_some_and(|most| most <= budget) {
        problems.push("`max_tokens` must be greater than `thinking.budget_tokens`".to_owned());
    }
}

/// What a request that thinks may not hold besides.
fn company(body: &Value, problems: &mut Vec<String>) {
    if body["tool_choice"]["type"] == "any" || body["tool_choice"]["type"] == "tool" {
        problems.push("Thinking may not be enabled when tool_choice forces tool use.".to_owned());
    }
    if body["temperature"].as_f64().is_some_and(|value| (value - 1.0).abs() > f64::EPSILON) {
        problems.push("`temperature` may only be set to 1 when thinking is enabled".to_owned());
    }
    if body["top_p"].as_f64().is_some_and(|value| value < 0.95) {
        problems.push(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled"
                .to_owned(),
        );
    }
    if body.get("top_k").is_some() {
        problems.push("`top_k` must be unset when thinking is enabled".to_owned());
    }
    let messages = body["messages"].as_array();
    if messages.and_then(|list| list.last()).is_some_and(|last| last["role"] == "assistant") {
        problems.push("a prefilled answer does not go with thinking".to_owned());
    }
}

/// The turn that tools are being called in: it begins with thinking, if budgets are given, and every
/// thought that it had is still there. Earlier turns may have lost theirs.
fn turn(body: &Value, begins_with_thought: bool, issued: &Issued, problems: &mut Vec<String>) {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let begin = messages
        .iter()
        .rposition(|message| message["role"] == "user" && !is_only_results(message))
        .map_or(0, |user| user + 1);
    let turn = messages.iter().enumerate().skip(begin);
    let turn: Vec<_> = turn.filter(|(_, message)| message["role"] == "assistant").collect();
    if begins_with_thought
        && let Some((index, first)) = turn.first()
        && !blocks(first).first().is_some_and(is_thought)
    {
        problems.push(format!(
            "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`. When \
             `thinking` is enabled, a final `assistant` message must start with a thinking block \
             (preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
        ));
    }
    for (index, message) in turn {
        let sent = blocks(message).iter().find_map(|block| issued.get(block["id"].as_str()?));
        let had = sent.map(|known| &known["thoughts"]).and_then(Value::as_array);
        let has: Vec<&Value> = blocks(message).iter().filter(|block| is_thought(block)).collect();
        for thought in had.into_iter().flatten() {
            if !has.contains(&thought) {
                problems.push(format!(
                    "messages.{index}: its thinking is gone or changed, {thought} came with its \
                     calls of tools"
                ));
            }
        }
    }
}
