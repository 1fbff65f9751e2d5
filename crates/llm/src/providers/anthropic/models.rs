//! What a model's name says about the parameters that it takes: the API refuses those of another generation.

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThinkingForm {
    /// It cannot.
    None,
    /// `thinking: {type: enabled, budget_tokens}`.
    Budget,
    /// `thinking: {type: adaptive}` with `output_config.effort`; budgets are refused.
    Adaptive,
}

/// How a model is told not to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThinkingOff {
    /// `thinking: {type: disabled}`.
    Disabled,
    /// Nothing need be said: it thinks only when asked to.
    Unasked,
    /// `thinking: {type: between_tools}`, the least that it does.
    BetweenTools,
    /// It always thinks, and is refused what would say otherwise.
    Never,
}

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) thinking: ThinkingForm,
    pub(super) off: ThinkingOff,
    /// `temperature` and `top_p`.
    pub(super) sampling: bool,
    /// Both of them at once.
    pub(super) both_samplers: bool,
    /// `output_config.format` with a schema.
    pub(super) native_schema: bool,
    /// Its thinking goes back only to the conversation that it came from.
    pub(super) binds_thinking: bool,
}

impl Abilities {
    /// By version: budgets from Claude 3.7 to 4.6, adaptive thinking and no sampling parameters from 4.7 on,
    /// schemas from 4.1 on. Claude without a version is taken for new; any other name is that of another
    /// vendor's or a gateway's endpoint, which speak the API as it was when they took it over.
    pub(super) fn of(model: &str) -> Self {
        let tokens: Vec<&str> = model.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let Some(claude) = tokens.iter().position(|token| token.eq_ignore_ascii_case("claude"))
        else {
            return Self {
                thinking: ThinkingForm::Budget,
                off: ThinkingOff::Disabled,
                sampling: true,
                both_samplers: true,
                native_schema: false,
                binds_thinking: false,
            };
        };
        let tokens = &tokens[claude + 1..];
        let known = version(tokens);
        let version = known.unwrap_or((u32::MAX, 0));
        let thinking = match version {
            v if v < (3, 7) => ThinkingForm::None,
            v if v < (4, 7) => ThinkingForm::Budget,
            _ => ThinkingForm::Adaptive,
        };
        Self {
            thinking,
            off: off(version, tokens),
            sampling: thinking != ThinkingForm::Adaptive,
            both_samplers: version < (4, 1),
            native_schema: version >= (4, 1),
            binds_thinking: known.is_some_and(|version| version >= (5, 1)),
        }
    }
}

fn off(version: (u32, u32), tokens: &[&str]) -> ThinkingOff {
    let is = |family: &str| tokens.iter().any(|token| token.eq_ignore_ascii_case(family));
    match version {
        v if v < (4, 7) => ThinkingOff::Disabled,
        _ if is("fable") || is("mythos") => ThinkingOff::Never,
        v if v < (5, 0) => ThinkingOff::Unasked,
        v if v < (5, 5) || is("haiku") => ThinkingOff::Disabled,
        _ if is("sonnet") => ThinkingOff::BetweenTools,
        _ => ThinkingOff::Never,
    }
}

/// `opus-4-6` is 4.6, `3-5-sonnet-20241022` is 3.5, `opus-4-20250514` is 4.0: long numbers are dates.
fn version(tokens: &[&str]) -> Option<(u32, u32)> {
    let number = |token: &&str| token.parse::<u32>().ok().filter(|_| token.len() <= 2);
    let first = tokens.iter().position(|token| number(token).is_some())?;
    let major = number(&tokens[first])?;
    let minor = tokens.get(first + 1).and_then(number).unwrap_or(0);
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_all_spellings() {
        for (model, expected) in [
            ("claude-opus-4-6", Some((4, 6))),
            ("claude-sonnet-4-5-20250929", Some((4, 5))),
            ("claude-3-5-sonnet-20241022", Some((3, 5))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("anthropic.claude-haiku-4-5-20251001-v1:0", Some((4, 5))),
            ("anthropic/claude-opus-4.8", Some((4, 8))),
            ("claude-sonnet-4-5@20250929", Some((4, 5))),
            ("claude-sonnet-5", Some((5, 0))),
            ("claude-mythos-preview", None),
        ] {
            let tokens: Vec<&str> = model.split(|c: char| !c.is_ascii_alphanumeric()).collect();
            let at = tokens.iter().position(|token| *token == "claude").unwrap();
            assert_eq!(version(&tokens[at + 1..]), expected, "{model}");
        }
    }

    #[test]
    fn generations_differ_in_what_they_take() {
        use ThinkingForm::{Adaptive, Budget, None};
        for (model, thinking, sampling, both, schema) in [
            ("claude-3-5-haiku-20241022", None, true, true, false),
            ("claude-3-7-sonnet-20250219", Budget, true, true, false),
            ("claude-opus-4-1", Budget, true, false, true),
            ("claude-haiku-4-5", Budget, true, false, true),
            ("claude-opus-4-6", Budget, true, false, true),
            ("claude-opus-4-7", Adaptive, false, false, true),
            ("claude-sonnet-5", Adaptive, false, false, true),
            ("claude-mythos-preview", Adaptive, false, false, true),
            ("kimi-k2", Budget, true, true, false),
        ] {
            let said = Abilities::of(model);
            assert_eq!((said.thinking, said.sampling), (thinking, sampling), "{model}");
            assert_eq!((said.both_samplers, said.native_schema), (both, schema), "{model}");
        }
    }

    #[test]
    fn not_every_model_can_be_told_not_to_think() {
        for (model, expected) in [
            ("claude-sonnet-4-5", ThinkingOff::Disabled),
            ("claude-opus-4-8", ThinkingOff::Unasked),
            ("claude-opus-5", ThinkingOff::Disabled),
            ("claude-sonnet-5", ThinkingOff::Disabled),
            ("claude-haiku-5-5", ThinkingOff::Disabled),
            ("claude-sonnet-5-5", ThinkingOff::BetweenTools),
            ("claude-opus-5-5", ThinkingOff::Never),
            ("claude-fable-5", ThinkingOff::Never),
            ("claude-mythos-preview", ThinkingOff::Never),
            ("kimi-k2", ThinkingOff::Disabled),
        ] {
            assert_eq!(Abilities::of(model).off, expected, "{model}");
        }
    }
}
