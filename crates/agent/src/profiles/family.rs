//! Families of models: those that were trained on the same tools.

use std::fmt;
use std::str::FromStr;

use super::ProfileError;

/// A family of models (loop spec §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// GPT, the o series and Codex: files are changed by patches.
    OpenAi,
    /// Claude: one exact text of a file is replaced by another.
    Anthropic,
    /// Gemini: as Claude, with tools to list directories and to read many files.
    Gemini,
    /// Any other model: the tools that all families know.
    Generic,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OpenAi, Self::Anthropic, Self::Gemini, Self::Generic];

    /// Its name, such as `openai`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Generic => "generic",
        }
    }

    /// The family of `model` at `provider`. The model's name counts first, also as gateways write
    /// it (`anthropic/claude-opus-5`, `us.anthropic.claude-opus-5-v1:0`), since a gateway serves
    /// models of all vendors; then the provider. `None` where neither says anything.
    pub fn of(provider: &str, model: &str) -> Option<Self> {
        Self::by_name(model).or(match provider {
            "openai" => Some(Self::OpenAi),
            "anthropic" => Some(Self::Anthropic),
            "gemini" => Some(Self::Gemini),
            "openai-compatible" | "scripted" => Some(Self::Generic),
            _ => None,
        })
    }

    /// Only the last segment of a path counts, and in it the beginning of the name or of what
    /// stands behind a `.` or `:`: `marco-o1` and `qwen3-claude-distill` are of other vendors.
    fn by_name(model: &str) -> Option<Self> {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        name.split(['.', ':']).find_map(|part| {
            let begins = |names: &[&str]| names.iter().any(|name| part.starts_with(name));
            if begins(&["claude"]) {
                Some(Self::Anthropic)
            } else if begins(&["gemini"]) {
                Some(Self::Gemini)
            } else if begins(&["gpt", "chatgpt", "codex"]) || is_o_series(part) {
                Some(Self::OpenAi)
            } else {
                None
            }
        })
    }
}

/// `o3`, `o4-mini`.
fn is_o_series(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next() == Some('o')
        && matches!(chars.next(), Some('1'..='9'))
        && matches!(chars.next(), None | Some('-'))
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Family {
    type Err = ProfileError;

    fn from_str(name: &str) -> Result<Self, ProfileError> {
        Self::ALL
            .into_iter()
            .find(|family| family.as_str() == name)
            .ok_or_else(|| ProfileError::UnknownFamily { family: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_follows_from_the_name_of_the_model_then_from_the_provider() {
        use Family::{Anthropic, Gemini, Generic, OpenAi};
        for (provider, model, family) in [
            ("openai", "gpt-5.2-codex", Some(OpenAi)),
            ("openai", "o3", Some(OpenAi)),
            ("openai", "o4-mini-2025-04-16", Some(OpenAi)),
            ("openai", "codex-mini-latest", Some(OpenAi)),
            ("openai", "ft:gpt-4.1:acme::abc", Some(OpenAi)),
            ("openai", "tomorrow", Some(OpenAi)),
            ("anthropic", "claude-opus-5-5", Some(Anthropic)),
            ("anthropic", "kimi-k2", Some(Anthropic)),
            ("gemini", "gemini-4-argon", Some(Gemini)),
            ("gemini", "models/gemini-3-flash-preview", Some(Gemini)),
            ("gemini", "gemma-4", Some(Gemini)),
            ("openai-compatible", "openai/gpt-5.2", Some(OpenAi)),
            ("openai-compatible", "openai/gpt-oss-120b", Some(OpenAi)),
            ("openai-compatible", "openai/o3", Some(OpenAi)),
            ("openai-compatible", "openai.gpt-oss-20b-1:0", Some(OpenAi)),
            ("openai-compatible", "anthropic/claude-opus-4.8", Some(Anthropic)),
            ("openai-compatible", "openrouter/anthropic/claude-sonnet-5", Some(Anthropic)),
            ("openai-compatible", "us.anthropic.claude-haiku-4-5-v1:0", Some(Anthropic)),
            ("openai-compatible", "Claude-Sonnet-5@20260101", Some(Anthropic)),
            ("openai-compatible", "google/gemini-3.8-flash", Some(Gemini)),
            ("openai-compatible", "meta-llama/llama-4", Some(Generic)),
            ("openai-compatible", "qwen3.5-coder:30b", Some(Generic)),
            ("openai-compatible", "qwen3-claude-distill", Some(Generic)),
            ("openai-compatible", "marco-o1", Some(Generic)),
            ("openai-compatible", "o1labs-7b", Some(Generic)),
            ("openai-compatible", "claude/my-model", Some(Generic)),
            ("scripted", "test-model", Some(Generic)),
            ("scripted", "/home/claude/session.jsonl", Some(Generic)),
            ("scripted", "./gpt-5.2.jsonl", Some(OpenAi)),
            ("my-gateway", "claude-opus-5-5", Some(Anthropic)),
            ("my-gateway", "llama-4", None),
            ("my-gateway", "", None),
        ] {
            assert_eq!(Family::of(provider, model), family, "{provider} {model}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for family in Family::ALL {
            assert_eq!(family.to_string().parse::<Family>().unwrap(), family);
        }
        let error = "claude".parse::<Family>().unwrap_err().to_string();
        assert_eq!(
            error,
            "no agent profile `claude`; there are openai, anthropic, gemini and generic"
        );
    }
}
