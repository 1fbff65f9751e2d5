//! Thinking, its room in `max_tokens`, and the sampling parameters that it rules out.
//!
//! `reasoning_effort` becomes a budget on models that take one (low 1,024, medium 8,192, high 24,576 tokens),
//! and `output_config.effort` with adaptive thinking on those that refuse budgets. `none` switches thinking
//! off, or asks for the least of it where it cannot be. A `thinking` among the provider's options takes the place of ours.

use serde_json::{Map, Value, json};

use super::invalid;
use super::models::{Abilities, ThinkingForm, ThinkingOff};
use super::options::Options;
use crate::catalogue::get_model_info;
use crate::error::LlmError;
use crate::types::{Request, ToolChoice, Warning};

/// What a model that the catalogue does not know is given, in tokens.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// Adds `max_tokens`, `thinking`, `output_config.effort`, `temperature` and `top_p`. `loop_without_thinking`:
/// the answers to tool calls go to a turn that began without thinking.
///
/// # Errors
/// [`crate::ErrorKind::InvalidRequest`] for an effort that the model has no budget for.
pub(super) fn apply(
    body: &mut Map<String, Value>,
    request: &Request,
    options: &Options,
    loop_without_thinking: bool,
    warnings: &mut Vec<Warning>,
) -> Result<(), LlmError> {
    let abilities = Abilities::of(&request.model);
    let plan = match options.get("thinking") {
        Some(own) => {
            let effort = request.reasoning_effort.clone().filter(|effort| effort != "none");
            let takes_effort = abilities.thinking == ThinkingForm::Adaptive;
            Plan { thinking: Some(own.clone()), effort: effort.filter(|_| takes_effort) }
        }
        None => {
            let mut plan = plan(request, abilities, loop_without_thinking, warnings)?;
            if let Some(settings) = options.block_binding.as_ref()
                && abilities.binds_thinking
                && !is_forced(request)
            {
                plan.bind(settings);
            }
            plan
        }
    };
    let budget =
        plan.thinking.as_ref().and_then(|thinking| thinking.get("budget_tokens")?.as_u64());
    body.insert("max_tokens".into(), json!(max_tokens(request, budget, warnings)));
    sampling(body, request, abilities, plan.is_thinking(), warnings);
    // The caller's own goes in with the other options.
    if let Some(thinking) = plan.thinking.filter(|_| options.get("thinking").is_none()) {
        body.insert("thinking".into(), thinking);
    }
    if let Some(effort) = plan.effort {
        body.insert("output_config".into(), json!({ "effort": effort }));
    }
    Ok(())
}

#[derive(Default)]
struct Plan {
    thinking: Option<Value>,
    effort: Option<String>,
}

impl Plan {
    fn is_thinking(&self) -> bool {
        let kind = self.thinking.as_ref().and_then(|thinking| thinking.get("type")?.as_str());
        kind.is_some_and(|kind| kind != "disabled")
    }

    /// Models that bind their thinking think adaptively when nothing is said of it.
    fn bind(&mut self, settings: &Value) {
        let thinking = self.thinking.get_or_insert_with(|| json!({ "type": "adaptive" }));
        if thinking["type"] == "adaptive" {
            thinking["block_binding"] = settings.clone();
        }
    }
}

fn is_forced(request: &Request) -> bool {
    matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named { .. }))
}

fn plan(
    request: &Request,
    abilities: Abilities,
    loop_without_thinking: bool,
    warnings: &mut Vec<Warning>,
) -> Result<Plan, LlmError> {
    let Some(effort) = request.reasoning_effort.as_deref() else {
        return Ok(Plan::default());
    };
    let mut warn = |message: &str| {
        warnings.push(Warning::new("unsupported_parameter", format!("anthropic: {message}")));
    };
    let form = match get_model_info(&request.model) {
        Some(info) if !info.supports_reasoning => ThinkingForm::None,
        _ => abilities.thinking,
    };
    if effort == "none" {
        let said = |kind: &str| Plan { thinking: Some(json!({ "type": kind })), effort: None };
        return Ok(match abilities.off {
            _ if form == ThinkingForm::None => Plan::default(),
            ThinkingOff::Disabled => said("disabled"),
            ThinkingOff::Unasked => Plan::default(),
            ThinkingOff::BetweenTools => {
                warn("this model cannot be kept from thinking between tools");
                said("between_tools")
            }
            ThinkingOff::Never => {
                warn("this model always thinks; reasoning_effort `none` was taken for `low`");
                Plan { thinking: None, effort: Some("low".to_owned()) }
            }
        });
    }
    let forced = is_forced(request);
    match form {
        ThinkingForm::None => {
            warn("this model does not think; reasoning_effort was left out");
            Ok(Plan::default())
        }
        ThinkingForm::Budget if forced => {
            warn("a forced tool call rules thinking out; reasoning_effort was left out");
            Ok(Plan::default())
        }
        ThinkingForm::Budget if loop_without_thinking => {
            warn(
                "the tool calls being answered began without thinking; reasoning_effort was left out",
            );
            Ok(Plan::default())
        }
        ThinkingForm::Budget => {
            let budget = match effort {
                "low" => 1024,
                "medium" => 8192,
                "high" => 24_576,
                "minimal" => {
                    warn("reasoning_effort `minimal` was taken for `low`");
                    1024
                }
                "xhigh" | "max" => {
                    warn(&format!("reasoning_effort `{effort}` was taken for `high`"));
                    24_576
                }
                other => {
                    return Err(invalid(format!(
                        "reasoning_effort `{other}` is not none, low, medium or high"
                    )));
                }
            };
            let thinking = json!({ "type": "enabled", "budget_tokens": budget });
            Ok(Plan { thinking: Some(thinking), effort: None })
        }
        ThinkingForm::Adaptive => {
            let effort = if effort == "minimal" {
                warn("reasoning_effort `minimal` was taken for `low`");
                "low"
            } else {
                effort
            };
            if forced {
                warn("a forced tool call rules asking for thinking out; only the effort was set");
            }
            // These models show no thinking unless asked to.
            let thinking = json!({ "type": "adaptive", "display": "summarized" });
            Ok(Plan { thinking: (!forced).then_some(thinking), effort: Some(effort.to_owned()) })
        }
    }
}

/// The given limit, else the catalogue's, else 4,096; always above the thinking budget, which counts
/// towards it.
fn max_tokens(request: &Request, budget: Option<u64>, warnings: &mut Vec<Warning>) -> u64 {
    let most = get_model_info(&request.model).and_then(|info| info.max_output);
    let wanted = request.max_tokens.or(most).unwrap_or(DEFAULT_MAX_TOKENS);
    let Some(budget) = budget.filter(|budget| wanted <= *budget) else {
        return wanted;
    };
    let least = budget.saturating_add(1);
    let raised = budget.saturating_add(wanted).min(most.unwrap_or(u64::MAX)).max(least);
    if request.max_tokens.is_some() {
        warnings.push(Warning::new(
            "adjusted_parameter",
            format!(
                "anthropic: max_tokens was raised from {wanted} to {raised}, because {budget} tokens of thinking count towards it"
            ),
        ));
    }
    raised
}

fn sampling(
    body: &mut Map<String, Value>,
    request: &Request,
    abilities: Abilities,
    thinking: bool,
    warnings: &mut Vec<Warning>,
) {
    let mut refuse = |name: &str, why: &str| {
        warnings.push(Warning::new(
            "unsupported_parameter",
            format!("anthropic: {why}; {name} was left out"),
        ));
    };
    // Leaving out the default changes nothing.
    let temperature = request.temperature.filter(|value| *value != 1.0);
    let top_p = request.top_p.filter(|value| *value != 1.0);
    let mut has_temperature = false;
    if let Some(value) = temperature {
        if !abilities.sampling {
            refuse("temperature", "this model takes no sampling parameters");
        } else if thinking {
            refuse("temperature", "thinking goes with the default temperature only");
        } else {
            body.insert("temperature".into(), json!(value));
            has_temperature = true;
        }
    }
    if let Some(value) = top_p {
        if !abilities.sampling {
            refuse("top_p", "this model takes no sampling parameters");
        } else if thinking && value < 0.95 {
            refuse("top_p", "thinking goes with a top_p of 0.95 to 1 only");
        } else if has_temperature && !abilities.both_samplers {
            refuse("top_p", "this model takes either temperature or top_p");
        } else {
            body.insert("top_p".into(), json!(value));
        }
    }
}
