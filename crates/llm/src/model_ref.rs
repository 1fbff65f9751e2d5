//! How a model is named on a command line: `openai/gpt-5.2`, `gpt-5.2`, `scripted/./session.jsonl`.

use std::fmt;

use crate::catalogue::get_model_info;

/// The names that a prefix may have (the spellings that scripts rely on).
pub const PROVIDERS: [&str; 5] = ["openai", "anthropic", "gemini", "openai-compatible", "scripted"];

/// A model, and its provider where the name says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRef {
    /// The provider, if it is known.
    pub provider: Option<String>,
    /// The provider's id of the model; for `scripted` the path of the transcript.
    pub model: String,
}

impl ModelRef {
    /// Splits off a prefix only if it is the name of a provider, so that model ids may hold slashes.
    pub fn parse(text: &str) -> Self {
        if let Some((prefix, model)) = text.split_once('/')
            && PROVIDERS.contains(&prefix)
            && !model.is_empty()
        {
            return Self { provider: Some(prefix.to_owned()), model: model.to_owned() };
        }
        Self { provider: None, model: text.to_owned() }
    }

    /// The provider: the one that is named, else the catalogue's, else `default`.
    pub fn provider_or<'a>(&'a self, default: Option<&'a str>) -> Option<&'a str> {
        self.provider
            .as_deref()
            .or_else(|| get_model_info(&self.model).map(|info| info.provider.as_str()))
            .or(default)
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Some(provider) => write!(f, "{provider}/{}", self.model),
            None => f.write_str(&self.model),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_counts_only_if_it_names_a_provider() {
        let cases = [
            ("gpt-5.2", None, "gpt-5.2"),
            ("openai/gpt-5.2", Some("openai"), "gpt-5.2"),
            ("scripted/./a/b.jsonl", Some("scripted"), "./a/b.jsonl"),
            ("scripted//tmp/b.jsonl", Some("scripted"), "/tmp/b.jsonl"),
            ("meta-llama/llama-4", None, "meta-llama/llama-4"),
            (
                "openai-compatible/meta-llama/llama-4",
                Some("openai-compatible"),
                "meta-llama/llama-4",
            ),
            ("openai/", None, "openai/"),
        ];
        for (text, provider, model) in cases {
            let parsed = ModelRef::parse(text);
            assert_eq!(
                (parsed.provider.as_deref(), parsed.model.as_str()),
                (provider, model),
                "{text}"
            );
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn the_catalogue_comes_before_the_default() {
        let model = |text| ModelRef::parse(text);
        assert_eq!(model("claude-opus-4-6").provider_or(Some("openai")), Some("anthropic"));
        assert_eq!(model("anthropic/gpt-5.2").provider_or(None), Some("anthropic"));
        assert_eq!(model("mystery").provider_or(Some("openai")), Some("openai"));
        assert_eq!(model("mystery").provider_or(None), None);
    }
}
