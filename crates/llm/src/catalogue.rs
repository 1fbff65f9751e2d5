//! The catalogue of known models (unified-llm §2.9). Advisory: an unknown model is passed through.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// The data, newest and best first within a provider. Costs that no public source states are `null`.
const DATA: &str = include_str!("catalogue.json");

/// What is known about one model. Costs are US dollars for a million tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The provider's id of it.
    pub id: String,
    /// The provider, e.g. `openai`.
    pub provider: String,
    /// For people.
    pub display_name: String,
    /// Most tokens of input and output together.
    pub context_window: u64,
    /// Most tokens of output.
    pub max_output: Option<u64>,
    /// Whether it calls tools.
    pub supports_tools: bool,
    /// Whether it sees images.
    pub supports_vision: bool,
    /// Whether it produces reasoning tokens.
    pub supports_reasoning: bool,
    /// Price of input.
    pub input_cost_per_million: Option<f64>,
    /// Price of output, reasoning included.
    pub output_cost_per_million: Option<f64>,
    /// Price of the input that a cache served; as other input when unknown.
    pub cache_read_cost_per_million: Option<f64>,
    /// Other names of it.
    pub aliases: Vec<String>,
}

/// What a model must be able to do to be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Calling tools.
    Tools,
    /// Seeing images.
    Vision,
    /// Reasoning.
    Reasoning,
}

impl ModelInfo {
    /// Whether it can do this.
    pub fn supports(&self, capability: Capability) -> bool {
        match capability {
            Capability::Tools => self.supports_tools,
            Capability::Vision => self.supports_vision,
            Capability::Reasoning => self.supports_reasoning,
        }
    }

    /// What a call cost in US dollars, or `None` where a price is unknown.
    pub fn cost(&self, usage: &crate::types::Usage) -> Option<f64> {
        let input_price = self.input_cost_per_million?;
        let output_price = self.output_cost_per_million?;
        let cached = usage.cache_read_tokens.unwrap_or(0).min(usage.input_tokens);
        let fresh = usage.input_tokens - cached;
        let cached_price = self.cache_read_cost_per_million.unwrap_or(input_price);
        Some(
            (fresh as f64 * input_price
                + cached as f64 * cached_price
                + usage.output_tokens as f64 * output_price)
                / 1_000_000.0,
        )
    }
}

#[derive(Deserialize)]
struct Data {
    models: Vec<ModelInfo>,
}

fn models() -> &'static [ModelInfo] {
    static MODELS: OnceLock<Vec<ModelInfo>> = OnceLock::new();
    MODELS.get_or_init(|| match serde_json::from_str::<Data>(DATA) {
        Ok(data) => data.models,
        // A test reads the file that is compiled in, so this is not reached in a build that passed.
        Err(error) => {
            tracing::error!(%error, "the model catalogue cannot be read");
            Vec::new()
        }
    })
}

/// The entry of a model by id or alias, or `None` if it is unknown.
pub fn get_model_info(model: &str) -> Option<&'static ModelInfo> {
    models().iter().find(|info| info.id == model || info.aliases.iter().any(|alias| alias == model))
}

/// All known models, or those of one provider; newest and best first.
pub fn list_models(provider: Option<&str>) -> impl Iterator<Item = &'static ModelInfo> {
    models().iter().filter(move |info| provider.is_none_or(|wanted| info.provider == wanted))
}

/// The newest model of a provider, or the newest that can do something.
pub fn get_latest_model(
    provider: &str,
    capability: Option<Capability>,
) -> Option<&'static ModelInfo> {
    models().iter().find(|info| {
        info.provider == provider && capability.is_none_or(|wanted| info.supports(wanted))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::types::Usage;

    #[test]
    fn the_data_file_reads_and_holds_the_models_of_the_specification() {
        for id in [
            "claude-opus-4-6",
            "claude-sonnet-4-5",
            "gpt-5.2",
            "gpt-5.2-mini",
            "gpt-5.2-codex",
            "gemini-3.1-pro-preview",
            "gemini-3-flash-preview",
        ] {
            assert!(get_model_info(id).is_some(), "{id}");
        }
        let mut names = HashSet::new();
        for info in list_models(None) {
            assert!(names.insert(info.id.as_str()), "{} twice", info.id);
            for alias in &info.aliases {
                assert!(names.insert(alias.as_str()), "{alias} twice");
            }
        }
    }

    #[test]
    fn lookups_filter_by_provider_and_capability() {
        assert!(list_models(Some("openai")).all(|info| info.provider == "openai"));
        assert_eq!(
            get_latest_model("openai", Some(Capability::Reasoning)).unwrap(),
            list_models(Some("openai")).next().unwrap()
        );
        assert_eq!(get_latest_model("nobody", None), None);
        assert_eq!(get_model_info("gpt-5.2-2025-12-11").unwrap().id, "gpt-5.2");
        assert_eq!(get_model_info("unheard-of"), None);
    }

    #[test]
    fn cost_charges_cached_input_at_its_own_price_and_is_unknown_without_prices() {
        let usage = Usage { cache_read_tokens: Some(400_000), ..Usage::new(1_000_000, 100_000) };
        let cost = get_model_info("gpt-5.2").unwrap().cost(&usage).unwrap();
        assert!((cost - (0.6 * 1.75 + 0.4 * 0.175 + 1.4)).abs() < 1e-9, "{cost}");
        assert_eq!(get_model_info("gpt-5.2-mini").unwrap().cost(&usage), None);
    }
}
