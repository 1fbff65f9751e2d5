//! What tokens cost. The loop knows no price list: its host gives one through [`Pricing`].

use serde::{Deserialize, Serialize};

/// Prices of one model, in US dollars per million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Input that no cache held.
    pub input: f64,
    /// Output, reasoning included.
    pub output: f64,
    /// Input read from the provider's cache.
    pub cache_read: f64,
    /// Input written to the provider's cache.
    pub cache_write: f64,
}

const PER_MILLION: f64 = 1e-6;

impl Price {
    /// What a model costs that costs nothing, such as a scripted or a local one.
    pub const FREE: Self = Self { input: 0.0, output: 0.0, cache_read: 0.0, cache_write: 0.0 };

    /// The cost of `usage` in US dollars. Cached input is part of `input_tokens` for every
    /// provider, so it is taken out before the plain price applies.
    pub fn cost_usd(&self, usage: &canon_llm::Usage) -> f64 {
        let read = usage.cache_read_tokens.unwrap_or(0);
        let written = usage.cache_write_tokens.unwrap_or(0);
        let plain = usage.input_tokens.saturating_sub(read).saturating_sub(written);
        (tokens(plain) * self.input
            + tokens(read) * self.cache_read
            + tokens(written) * self.cache_write
            + tokens(usage.output_tokens) * self.output)
            * PER_MILLION
    }

    /// The least that so many tokens can cost, in US dollars: all input may come from a cache.
    pub(crate) fn least_usd(&self, input_tokens: u64, output_tokens: u64) -> f64 {
        (tokens(input_tokens) * self.input.min(self.cache_read)
            + tokens(output_tokens) * self.output)
            * PER_MILLION
    }

    /// How many output tokens `usd` buys; `None` where they cost nothing.
    pub(crate) fn output_tokens_for(&self, usd: f64) -> Option<u64> {
        // A float-to-integer cast saturates, which is what is wanted of an absurd budget.
        (self.output > 0.0).then(|| (usd.max(0.0) / (self.output * PER_MILLION)) as u64)
    }
}

fn tokens(count: u64) -> f64 {
    count as f64
}

/// The host's price list.
pub trait Pricing: Send + Sync {
    /// The price of `model` at `provider`; `None` where it is not known.
    fn price(&self, provider: &str, model: &str) -> Option<Price>;
}

/// A price list with one price for everything.
#[derive(Debug, Clone, Copy)]
pub struct FlatPrice(pub Price);

impl Pricing for FlatPrice {
    fn price(&self, _provider: &str, _model: &str) -> Option<Price> {
        Some(self.0)
    }
}

/// The prices of the model client's own catalogue; what the provider `scripted` plays is free.
#[derive(Debug, Clone, Copy, Default)]
pub struct CataloguePricing;

impl Pricing for CataloguePricing {
    fn price(&self, provider: &str, model: &str) -> Option<Price> {
        if provider == "scripted" {
            return Some(Price::FREE);
        }
        let info = canon_llm::get_model_info(model).filter(|info| info.provider == provider)?;
        let input = info.input_cost_per_million?;
        Some(Price {
            input,
            output: info.output_cost_per_million?,
            cache_read: info.cache_read_cost_per_million.unwrap_or(input),
            cache_write: info.cache_write_cost_per_million.unwrap_or(input),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon_llm::Usage;

    #[test]
    fn cached_input_has_its_own_price() {
        let price = Price { input: 2.0, output: 10.0, cache_read: 0.5, cache_write: 3.0 };
        let usage = Usage {
            cache_read_tokens: Some(400_000),
            cache_write_tokens: Some(100_000),
            ..Usage::new(1_000_000, 100_000)
        };
        assert!((price.cost_usd(&usage) - (1.0 + 0.2 + 0.3 + 1.0)).abs() < 1e-9);
    }

    #[test]
    fn scripted_models_are_free_and_unknown_ones_have_no_price() {
        assert_eq!(CataloguePricing.price("scripted", "x.jsonl"), Some(Price::FREE));
        assert_eq!(CataloguePricing.price("openai", "unheard-of"), None);
        assert!(CataloguePricing.price("openai", "gpt-5.2").is_some());
    }
}
