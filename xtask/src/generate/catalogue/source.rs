//! The two public price lists, read into one form.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Entry, LongContext, Models, Prices};

/// The models of either list that talk, whatever their provider's name is there.
pub(super) fn models(list: &Value) -> Result<Models, String> {
    let Some(entries) = list.as_object() else {
        return Err("a price list is a JSON object".to_owned());
    };
    let models_dev = entries.values().any(|entry| entry["models"].is_object());
    Ok(if models_dev { of_models_dev(list) } else { of_litellm(list) })
}

/// LiteLLM: one object per name, prices per token. Models of the Gemini API have a prefix; without it
/// they are Vertex AI's, which serve where the list was cut down.
fn of_litellm(list: &Value) -> Models {
    let mut models = BTreeMap::new();
    for (name, entry) in list.as_object().into_iter().flatten() {
        if !matches!(entry["mode"].as_str(), Some("chat" | "responses")) || name.starts_with("ft:")
        {
            continue;
        }
        let (provider, own) = match entry["litellm_provider"].as_str() {
            Some(provider @ ("openai" | "anthropic" | "gemini")) => (provider, true),
            Some("vertex_ai-language-models") => ("gemini", false),
            _ => continue,
        };
        let id = name.strip_prefix("gemini/").unwrap_or(name);
        let Some(window) = entry["max_input_tokens"].as_u64() else { continue };
        let key = (provider.to_owned(), id.to_owned());
        if !own && models.contains_key(&key) {
            continue;
        }
        let can = |what: &str| entry[format!("supports_{what}")].as_bool() == Some(true);
        let made = Entry {
            id: id.to_owned(),
            provider: provider.to_owned(),
            display_name: String::new(),
            context_window: window,
            max_output: entry["max_output_tokens"].as_u64(),
            supports_tools: can("function_calling"),
            supports_vision: can("vision"),
            supports_reasoning: can("reasoning"),
            prices: litellm_prices(entry, ""),
            long_context: litellm_long(entry),
            retires: entry["deprecation_date"].as_str().map(str::to_owned),
            aliases: Vec::new(),
        };
        models.insert(key, made);
    }
    models
}

fn litellm_prices(entry: &Value, suffix: &str) -> Prices {
    let price = |name: &str| entry[format!("{name}{suffix}")].as_f64().map(per_million);
    Prices {
        input_cost_per_million: price("input_cost_per_token"),
        output_cost_per_million: price("output_cost_per_token"),
        cache_read_cost_per_million: price("cache_read_input_token_cost"),
        // Some state a longer context's price for writes that are free.
        cache_write_cost_per_million: entry["cache_creation_input_token_cost"]
            .is_number()
            .then(|| price("cache_creation_input_token_cost"))
            .flatten(),
    }
}

fn litellm_long(entry: &Value) -> Option<LongContext> {
    let suffixes = [(128, "128k"), (200, "200k"), (256, "256k"), (272, "272k")];
    suffixes.iter().find_map(|(thousands, name)| {
        let prices = litellm_prices(entry, &format!("_above_{name}_tokens"));
        prices.input_cost_per_million?;
        Some(LongContext { above_tokens: thousands * 1000, prices })
    })
}

/// From dollars a token, without the noise of binary fractions.
fn per_million(price: f64) -> f64 {
    (price * 1e12).round() / 1e6
}

/// models.dev: providers with their models, prices per million.
fn of_models_dev(list: &Value) -> Models {
    let mut models = BTreeMap::new();
    for (name, provider) in [("openai", "openai"), ("anthropic", "anthropic"), ("google", "gemini")]
    {
        for (id, entry) in list[name]["models"].as_object().into_iter().flatten() {
            let has = |side: &str, kind: &str| {
                entry["modalities"][side]
                    .as_array()
                    .is_some_and(|kinds| kinds.iter().any(|found| found == kind))
            };
            let Some(window) = entry["limit"]["context"].as_u64() else { continue };
            if !has("output", "text") || entry["status"] == "deprecated" {
                continue;
            }
            let long = &entry["cost"]["context_over_200k"];
            let made = Entry {
                id: id.clone(),
                provider: provider.to_owned(),
                display_name: String::new(),
                context_window: window,
                max_output: entry["limit"]["output"].as_u64(),
                supports_tools: entry["tool_call"].as_bool() == Some(true),
                supports_vision: has("input", "image"),
                supports_reasoning: entry["reasoning"].as_bool() == Some(true),
                prices: models_dev_prices(&entry["cost"]),
                long_context: long.is_object().then(|| LongContext {
                    above_tokens: 200_000,
                    prices: models_dev_prices(long),
                }),
                retires: None,
                aliases: Vec::new(),
            };
            models.insert((provider.to_owned(), id.clone()), made);
        }
    }
    models
}

fn models_dev_prices(cost: &Value) -> Prices {
    Prices {
        input_cost_per_million: cost["input"].as_f64(),
        output_cost_per_million: cost["output"].as_f64(),
        cache_read_cost_per_million: cost["cache_read"].as_f64(),
        cache_write_cost_per_million: cost["cache_write"].as_f64(),
    }
}
