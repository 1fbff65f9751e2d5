//! What tokens cost.

use serde::{Deserialize, Serialize};

use crate::types::Usage;

/// Prices of one sort of call, in US dollars for a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Input that no cache held.
    pub input: f64,
    /// Output, reasoning included.
    pub output: f64,
    /// Input that a cache served.
    pub cache_read: f64,
    /// Input that was written to a cache, for its short retention.
    pub cache_write: f64,
}

/// What the tokens of one model cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Of ordinary calls.
    pub ordinary: Rates,
    /// The most input tokens, cached ones included, of an ordinary call, and what every token of a
    /// longer one costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_context: Option<(u64, Rates)>,
}

const PER_MILLION: f64 = 1e-6;

/// What Anthropic, the one provider with a choice of retentions, charges for input that it keeps
/// for an hour, in prices of plain input.
const LONG_RETENTION: f64 = 2.0;

impl Price {
    /// What a model costs that costs nothing, such as a scripted or a local one.
    pub const FREE: Self = Self {
        ordinary: Rates { input: 0.0, output: 0.0, cache_read: 0.0, cache_write: 0.0 },
        long_context: None,
    };

    /// The same prices for calls of any length.
    pub const fn flat(rates: Rates) -> Self {
        Self { ordinary: rates, long_context: None }
    }

    /// The prices of a call with so many input tokens.
    pub fn rates(&self, input_tokens: u64) -> Rates {
        match self.long_context {
            Some((above, rates)) if input_tokens > above => rates,
            _ => self.ordinary,
        }
    }

    /// What one call cost, in US dollars. `usage` is of this call alone: a sum of several would be
    /// taken for one long call. Cached input is part of the input tokens; what was written to a
    /// cache for an hour is told apart by the provider's own numbers in `usage.raw`.
    pub fn cost_usd(&self, usage: &Usage) -> f64 {
        let rates = self.rates(usage.input_tokens);
        let read = usage.cache_read_tokens.unwrap_or(0).min(usage.input_tokens);
        let written = usage.cache_write_tokens.unwrap_or(0).min(usage.input_tokens - read);
        let for_long = kept_for_an_hour(usage).min(written);
        let fresh = usage.input_tokens - read - written;
        (fresh as f64 * rates.input
            + read as f64 * rates.cache_read
            + (written - for_long) as f64 * rates.cache_write
            + for_long as f64 * (rates.input * LONG_RETENTION).max(rates.cache_write)
            + usage.output_tokens as f64 * rates.output)
            * PER_MILLION
    }
}

fn kept_for_an_hour(usage: &Usage) -> u64 {
    let path = "/cache_creation/ephemeral_1h_input_tokens";
    usage.raw.as_ref().and_then(|raw| raw.pointer(path)?.as_u64()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn input_that_is_kept_for_an_hour_costs_twice_the_plain_price() {
        let rates = Rates { input: 2.0, output: 10.0, cache_read: 0.5, cache_write: 2.5 };
        let usage =
            |raw| Usage { cache_write_tokens: Some(400_000), raw, ..Usage::new(1_000_000, 0) };
        let cost = |raw| Price::flat(rates).cost_usd(&usage(raw));
        let hour = json!({"cache_creation": {
            "ephemeral_5m_input_tokens": 100_000, "ephemeral_1h_input_tokens": 300_000,
        }});
        assert!((cost(None) - (1.2 + 1.0)).abs() < 1e-9);
        assert!((cost(Some(hour)) - (1.2 + 0.25 + 1.2)).abs() < 1e-9);
    }
}
