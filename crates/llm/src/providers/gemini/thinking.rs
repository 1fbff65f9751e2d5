//! How hard a model thinks: levels since Gemini 3, token budgets with Gemini 2.5, nothing before.

use serde_json::{Value, json};

use super::invalid;
use crate::error::LlmError;
use crate::types::Warning;

/// What a model wants to be told about thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// `thinkingLevel`.
    Levels,
    /// `thinkingBudget`.
    Budgets,
    /// It refuses a `thinkingConfig`, or is no Gemini model that is known by its name.
    Never,
}

impl Thinking {
    /// By the model's name: `gemini-VERSION-…`; `gemini-…-latest` counts as the newest.
    pub(super) fn of(model: &str) -> Self {
        let name = base_name(model);
        let Some(rest) = name.strip_prefix("gemini-") else {
            return Self::Never;
        };
        let has = |word: &str| rest.split('-').any(|part| part == word);
        if ["tts", "audio", "live", "embedding"].into_iter().any(has) {
            return Self::Never;
        }
        let version = rest.split('-').next().unwrap_or("");
        let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
        match (major.parse::<u32>(), minor) {
            (Ok(3..), _) => Self::Levels,
            (Ok(2), "5") if !has("image") => Self::Budgets,
            (Err(_), _) if has("latest") => Self::Levels,
            _ => Self::Never,
        }
    }
}

fn base_name(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// The `thinkingConfig` for a `reasoning_effort`, with summaries of the thoughts wherever the model thinks.
///
/// # Errors
/// [`crate::ErrorKind::InvalidRequest`] for an effort that a model with token budgets has no number for.
pub(super) fn config(
    model: &str,
    effort: Option<&str>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Value>, LlmError> {
    match (Thinking::of(model), effort) {
        (Thinking::Never, None) => Ok(None),
        (Thinking::Never, Some(_)) => {
            warnings.push(Warning::new(
                "unsupported_parameter",
                format!("gemini: `{model}` takes no reasoning_effort; it was left out"),
            ));
            Ok(None)
        }
        // Lite models think only when they are told to, and refuse to show thoughts otherwise.
        (Thinking::Budgets, None) if base_name(model).contains("-lite") => Ok(None),
        // The model decides unless it is told.
        (Thinking::Levels | Thinking::Budgets, None) | (Thinking::Levels, Some("auto")) => {
            Ok(Some(json!({ "includeThoughts": true })))
        }
        (Thinking::Levels, Some(effort)) => {
            let level = level(base_name(model), effort, warnings);
            Ok(Some(json!({ "includeThoughts": true, "thinkingLevel": level })))
        }
        (Thinking::Budgets, Some(effort)) => {
            let budget = budget(base_name(model), effort, warnings)?;
            Ok(Some(match budget {
                // Thoughts that are switched off cannot be included.
                0 => json!({ "thinkingBudget": 0 }),
                _ => json!({ "includeThoughts": true, "thinkingBudget": budget }),
            }))
        }
    }
}

/// Levels that a model lacks become the nearest one; a word that is none of ours goes to the API as it is.
fn level(model: &str, effort: &str, warnings: &mut Vec<Warning>) -> String {
    let is_pro = model.contains("-pro");
    let nearest = match effort {
        "none" | "minimal" if is_pro => "LOW",
        "none" => "MINIMAL",
        "medium" if model.starts_with("gemini-3-pro") => "HIGH",
        // The API knows XHIGH above it, but few models do.
        "max" => "HIGH",
        _ => return effort.to_ascii_uppercase(),
    };
    warnings.push(adjusted(model, effort, nearest));
    nearest.to_owned()
}

fn budget(model: &str, effort: &str, warnings: &mut Vec<Warning>) -> Result<i64, LlmError> {
    let is_pro = model.contains("-pro");
    Ok(match effort {
        "none" if is_pro => {
            warnings.push(adjusted(model, effort, "128 tokens"));
            128
        }
        "none" => 0,
        "minimal" | "low" => 1_024,
        "medium" => 8_192,
        "high" => 24_576,
        "xhigh" | "max" if is_pro => 32_768,
        "xhigh" | "max" => 24_576,
        "auto" => -1,
        _ => {
            return Err(invalid(format!(
                "reasoning_effort `{effort}` means nothing to `{model}`; known: none, minimal, low, medium, high, xhigh, max, auto"
            )));
        }
    })
}

fn adjusted(model: &str, effort: &str, instead: &str) -> Warning {
    Warning::new(
        "adjusted_parameter",
        format!("gemini: `{model}` has no reasoning_effort `{effort}`; {instead} was asked for"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(model: &str, effort: Option<&str>) -> (Option<Value>, usize) {
        let mut warnings = Vec::new();
        let config = config(model, effort, &mut warnings).unwrap();
        (config, warnings.len())
    }

    #[test]
    fn the_name_of_a_model_says_what_it_wants_to_be_told() {
        let cases = [
            ("gemini-3.1-pro-preview", Thinking::Levels),
            ("gemini-3-flash-preview", Thinking::Levels),
            ("models/gemini-3-flash-preview", Thinking::Levels),
            ("gemini-3-pro-image-preview", Thinking::Levels),
            ("gemini-10", Thinking::Levels),
            ("gemini-flash-latest", Thinking::Levels),
            ("gemini-2.5-pro", Thinking::Budgets),
            ("gemini-2.5-flash-lite", Thinking::Budgets),
            ("gemini-2.5-flash-image", Thinking::Never),
            ("gemini-2.5-flash-preview-tts", Thinking::Never),
            ("gemini-2.0-flash", Thinking::Never),
            ("gemini-1.5-pro", Thinking::Never),
            ("gemini-pro", Thinking::Never),
            ("gemma-3-27b-it", Thinking::Never),
            ("tunedModels/mine", Thinking::Never),
            ("", Thinking::Never),
        ];
        for (model, wanted) in cases {
            assert_eq!(Thinking::of(model), wanted, "{model}");
        }
    }

    #[test]
    fn ruling_llm_reasoning_effort_becomes_a_thinking_config() {
        let level = |level: &str| Some(json!({ "includeThoughts": true, "thinkingLevel": level }));
        let budget =
            |tokens: i64| Some(json!({ "includeThoughts": true, "thinkingBudget": tokens }));
        let shown = Some(json!({ "includeThoughts": true }));
        let (flash, pro, old) =
            ("gemini-3-flash-preview", "gemini-3.1-pro-preview", "gemini-2.5-pro");
        let cases = [
            (flash, Some("low"), level("LOW"), 0),
            (flash, Some("high"), level("HIGH"), 0),
            (flash, Some("minimal"), level("MINIMAL"), 0),
            (flash, Some("none"), level("MINIMAL"), 1),
            (flash, None, shown.clone(), 0),
            (pro, Some("medium"), level("MEDIUM"), 0),
            (pro, Some("none"), level("LOW"), 1),
            (pro, Some("xhigh"), level("XHIGH"), 0),
            (pro, Some("max"), level("HIGH"), 1),
            (pro, Some("auto"), shown.clone(), 0),
            ("gemini-3-pro-preview", Some("medium"), level("HIGH"), 1),
            (old, Some("low"), budget(1_024), 0),
            (old, Some("medium"), budget(8_192), 0),
            (old, Some("high"), budget(24_576), 0),
            (old, Some("max"), budget(32_768), 0),
            (old, Some("auto"), budget(-1), 0),
            (old, Some("none"), budget(128), 1),
            (old, None, shown, 0),
            ("gemini-2.5-flash", Some("none"), Some(json!({ "thinkingBudget": 0 })), 0),
            ("gemini-2.5-flash", Some("max"), budget(24_576), 0),
            ("gemini-2.5-flash-lite", None, None, 0),
            ("gemini-2.0-flash", Some("high"), None, 1),
            ("gemini-2.0-flash", None, None, 0),
        ];
        for (model, effort, wanted, warnings) in cases {
            assert_eq!(of(model, effort), (wanted, warnings), "{model} {effort:?}");
        }
        let error = config(old, Some("huge"), &mut Vec::new()).unwrap_err();
        assert!(error.message().contains("huge"), "{error}");
    }
}
