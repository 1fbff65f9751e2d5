//! What tokens cost. The loop knows no price list: its host gives one through [`Pricing`].

pub use canon_llm::{Price, Rates};

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
        canon_llm::get_model_info(model).filter(|info| info.provider == provider)?.price()
    }
}

/// The most that so many tokens can cost as one call, in US dollars: no cache may hold the input,
/// and all of it may be written to one.
pub(crate) fn most_usd(price: &Price, input_tokens: u64, output_tokens: u64) -> f64 {
    let rates = price.rates(input_tokens);
    let input = rates.input.max(rates.cache_read).max(rates.cache_write);
    (input_tokens as f64 * input + output_tokens as f64 * rates.output) * 1e-6
}

/// How many output tokens `usd` buys in a call with this input; `None` where they cost nothing.
pub(crate) fn output_tokens_for(price: &Price, input_tokens: u64, usd: f64) -> Option<u64> {
    let output = price.rates(input_tokens).output;
    // A float-to-integer cast saturates, which is what is wanted of an absurd budget.
    (output > 0.0).then(|| (usd.max(0.0) * 1e6 / output) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripted_models_are_free_and_unknown_ones_have_no_price() {
        assert_eq!(CataloguePricing.price("scripted", "x.jsonl"), Some(Price::FREE));
        assert_eq!(CataloguePricing.price("openai", "unheard-of"), None);
        assert!(CataloguePricing.price("openai", "gpt-5.2").is_some());
    }

    #[test]
    fn a_long_input_is_expected_at_its_own_price() {
        let rates = |input, output| Rates { input, output, cache_read: 0.1, cache_write: 0.0 };
        let price =
            Price { ordinary: rates(1.0, 10.0), long_context: Some((1000, rates(2.0, 20.0))) };
        assert!((most_usd(&price, 1000, 100) - 0.002).abs() < 1e-12);
        assert!((most_usd(&price, 1001, 100) - 0.004_002).abs() < 1e-12);
        assert_eq!(output_tokens_for(&price, 1000, 0.001), Some(100));
        assert_eq!(output_tokens_for(&price, 1001, 0.001), Some(50));
        assert_eq!(output_tokens_for(&Price::FREE, 0, 1.0), None);
    }
}
