//! The catalogue of known models (unified-llm §2.9). Advisory: an unknown model is passed through.
//!
//! The data is generated: `cargo xtask gen catalogue --from FILE`.

mod price;

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

pub use price::{Price, Rates};

/// The data: per provider, family after family, and in a family the newest first. The first family is the
/// one that the provider recommends for most work. Costs that no public source states are `null`.
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
    /// Price of the input that was written to a cache; as other input when unknown.
    pub cache_write_cost_per_million: Option<f64>,
    /// Other prices for calls with a long input, where the provider has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContextCost>,
    /// The day, `YYYY-MM-DD`, on which the provider takes it away, once that is announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires: Option<String>,
    /// Other names that the provider takes for it.
    pub aliases: Vec<String>,
}

/// What a whole call costs once its input is longer than a limit; US dollars for a million tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LongContextCost {
    /// Most input tokens, cached ones included, at the ordinary prices.
    pub above_tokens: u64,
    /// Price of input.
    pub input_cost_per_million: Option<f64>,
    /// Price of output, reasoning included.
    pub output_cost_per_million: Option<f64>,
    /// Price of the input that a cache served.
    pub cache_read_cost_per_million: Option<f64>,
    /// Price of the input that was written to a cache.
    pub cache_write_cost_per_million: Option<f64>,
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

    /// What its tokens cost, or `None` where the price of input or output is unknown.
    pub fn price(&self) -> Option<Price> {
        let (input, output) = (self.input_cost_per_million?, self.output_cost_per_million?);
        let ordinary = Rates {
            input,
            output,
            cache_read: self.cache_read_cost_per_million.unwrap_or(input),
            cache_write: self.cache_write_cost_per_million.unwrap_or(input),
        };
        let long_context = self.long_context.as_ref().map(|long| {
            let input = long.input_cost_per_million.unwrap_or(input);
            // What the long prices leave out costs what it does otherwise.
            let read = long.cache_read_cost_per_million.or(self.cache_read_cost_per_million);
            let write = long.cache_write_cost_per_million.or(self.cache_write_cost_per_million);
            let rates = Rates {
                input,
                output: long.output_cost_per_million.unwrap_or(output),
                cache_read: read.unwrap_or(input),
                cache_write: write.unwrap_or(input),
            };
            (long.above_tokens, rates)
        });
        Some(Price { ordinary, long_context })
    }

    /// What one call cost in US dollars, or `None` where a price is unknown: see [`Price::cost_usd`].
    pub fn cost(&self, usage: &crate::types::Usage) -> Option<f64> {
        self.price().map(|price| price.cost_usd(usage))
    }
}

#[derive(Default, Deserialize)]
struct Data {
    as_of: String,
    models: Vec<ModelInfo>,
}

fn data() -> &'static Data {
    static READ: OnceLock<Data> = OnceLock::new();
    READ.get_or_init(|| match serde_json::from_str(DATA) {
        Ok(data) => data,
        // A test reads the file that is compiled in, so this is not reached in a build that passed.
        Err(error) => {
            tracing::error!(%error, "the model catalogue cannot be read");
            Data::default()
        }
    })
}

fn models() -> &'static [ModelInfo] {
    &data().models
}

/// The day, `YYYY-MM-DD`, as of which the catalogue was made.
pub fn catalogue_date() -> &'static str {
    &data().as_of
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
    fn llm_8_1_model_catalogue_holds_the_models_of_the_specification_and_the_newest() {
        for id in [
            "claude-opus-4-6",
            "claude-sonnet-4-5",
            "gpt-5.2",
            "gpt-5.2-mini",
            "gpt-5.2-codex",
            "gemini-3.1-pro-preview",
            "gemini-3-flash-preview",
        ] {
            let info = get_model_info(id).unwrap_or_else(|| panic!("{id}"));
            assert!(info.supports_tools && info.supports_vision && info.supports_reasoning, "{id}");
            assert!(info.context_window >= 200_000, "{id}");
        }
        for provider in ["openai", "anthropic", "gemini"] {
            let models: Vec<_> = list_models(Some(provider)).collect();
            assert!(models.len() >= 10, "{provider}: {}", models.len());
            let newest = get_latest_model(provider, None).unwrap();
            assert_eq!(newest, models[0]);
            assert!(newest.cost(&Usage::new(1, 1)).is_some_and(|cost| cost > 0.0), "{provider}");
            assert!(newest.retires.is_none(), "{provider}: the default is about to go");
        }
        assert_eq!(catalogue_date().len(), 10);
        let mut names = HashSet::new();
        for info in list_models(None) {
            assert!(names.insert(info.id.as_str()), "{} twice", info.id);
            for alias in &info.aliases {
                assert!(names.insert(alias.as_str()), "{alias} twice");
            }
            assert!(info.max_output.is_none_or(|most| most <= info.context_window), "{}", info.id);
            let long = info.long_context.as_ref().and_then(|long| long.input_cost_per_million);
            assert!(long.is_none() || long > info.input_cost_per_million, "{}", info.id);
        }
    }

    #[test]
    fn llm_8_1_model_catalogue_lookups_filter_by_provider_and_capability() {
        assert!(list_models(Some("openai")).all(|info| info.provider == "openai"));
        assert_eq!(list_models(Some("nobody")).count(), 0);
        assert!(list_models(None).count() > list_models(Some("openai")).count());
        assert_eq!(get_model_info("gpt-5.2-2025-12-11").unwrap().id, "gpt-5.2");
        assert_eq!(get_model_info("gpt-5.6").unwrap().id, "gpt-5.6-sol");
        assert_eq!(get_model_info("unheard-of"), None);
    }

    #[test]
    fn ruling_llm_get_latest_model_is_the_first_that_can_do_it() {
        for capability in [Capability::Tools, Capability::Vision, Capability::Reasoning] {
            for provider in ["openai", "anthropic", "gemini"] {
                let first =
                    list_models(Some(provider)).find(|info| info.supports(capability)).unwrap();
                assert_eq!(get_latest_model(provider, Some(capability)), Some(first));
            }
        }
        assert_eq!(get_latest_model("nobody", None), None);
        assert_eq!(get_latest_model("scripted", Some(Capability::Tools)), None);
    }

    /// Prices of no real model, so that a change of prices changes no test.
    fn priced() -> ModelInfo {
        serde_json::from_value(serde_json::json!({
            "id": "m", "provider": "p", "display_name": "M", "context_window": 2_000_000,
            "max_output": null, "supports_tools": true, "supports_vision": false,
            "supports_reasoning": false, "input_cost_per_million": 2.0,
            "output_cost_per_million": 10.0, "cache_read_cost_per_million": 0.5,
            "cache_write_cost_per_million": 2.5, "aliases": [],
            "long_context": {
                "above_tokens": 1_000_000, "input_cost_per_million": 4.0,
                "output_cost_per_million": 15.0, "cache_read_cost_per_million": 1.0,
            },
        }))
        .unwrap()
    }

    #[track_caller]
    fn assert_cost(info: &ModelInfo, usage: Usage, wanted: f64) {
        let cost = info.cost(&usage).unwrap();
        assert!((cost - wanted).abs() < 1e-9, "{cost} is not {wanted}");
    }

    #[test]
    fn cost_charges_what_a_cache_served_and_took_at_their_own_prices() {
        let usage = |read, write| Usage {
            cache_read_tokens: read,
            cache_write_tokens: write,
            ..Usage::new(1_000_000, 100_000)
        };
        assert_cost(&priced(), usage(None, None), 2.0 + 1.0);
        assert_cost(&priced(), usage(Some(400_000), None), 1.2 + 0.2 + 1.0);
        assert_cost(&priced(), usage(Some(400_000), Some(200_000)), 0.8 + 0.2 + 0.5 + 1.0);
        // Numbers that cannot be do not make a call cheaper than nothing.
        assert_cost(&priced(), usage(Some(900_000), Some(900_000)), 0.45 + 0.25 + 1.0);
        let unknown = ModelInfo {
            cache_read_cost_per_million: None,
            cache_write_cost_per_million: None,
            ..priced()
        };
        assert_cost(&unknown, usage(Some(400_000), Some(200_000)), 2.0 + 1.0);
    }

    #[test]
    fn a_long_input_has_its_own_prices_for_the_whole_call() {
        let usage = |input| Usage {
            cache_read_tokens: Some(1_000_000),
            cache_write_tokens: Some(200_000),
            ..Usage::new(input, 100_000)
        };
        // What the long prices leave out is charged at the ordinary one.
        assert_cost(&priced(), usage(1_500_000), 0.3 * 4.0 + 1.0 + 0.2 * 2.5 + 1.5);
        assert_cost(&priced(), Usage::new(1_000_000, 0), 2.0);
        assert_cost(&priced(), Usage::new(1_000_001, 0), 4.000_004);
    }

    #[test]
    fn cost_is_unknown_without_prices() {
        assert_eq!(get_model_info("gpt-5.2-mini").unwrap().cost(&Usage::new(1, 1)), None);
        let free_output = ModelInfo { output_cost_per_million: None, ..priced() };
        assert_eq!(free_output.cost(&Usage::new(1, 1)), None);
    }
}
