//! `cargo xtask gen catalogue`: the model catalogue of `canon-llm`, made from a public price list.
//!
//! The list is LiteLLM's `model_prices_and_context_window.json` or the `api.json` of models.dev. What is
//! kept of it, in which order, and what is known better, stands in `catalogue/rules.json`:
//!
//! - `families`: a model is kept if its id has the form of one. Families are in the order in which a
//!   caller wants them, per provider: first the one that the provider recommends for most work. Within a
//!   family the newest is first, by the version `{v}`.
//! - `aliases`: names that a provider takes for another model. A dated id is an alias of the same id
//!   without the date when its prices are the same, and a model of its own otherwise.
//! - `retires`: when a provider takes a model away, `YYYY-MM-DD`; one that is gone by then is left out.
//! - `not_served`: names of the list that the provider does not know.
//! - `by_hand`: fields that are taken instead of the list's, or whole models that the list lacks. A price
//!   for an introduction only is not used: what a budget is held against must not be too low.

mod family;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::family::Family;
use crate::failure::Failure;
use crate::workspace::root;

/// What is written, relative to the root.
const CATALOGUE: &str = "crates/llm/src/catalogue.json";
const RULES: &str = include_str!("catalogue/rules.json");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    families: Vec<Family>,
    aliases: BTreeMap<String, String>,
    retires: BTreeMap<String, String>,
    not_served: Vec<String>,
    by_hand: Vec<Map<String, Value>>,
}

/// One model, with the fields of `canon_llm::ModelInfo` in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    provider: String,
    #[serde(default)]
    display_name: String,
    context_window: u64,
    max_output: Option<u64>,
    supports_tools: bool,
    supports_vision: bool,
    supports_reasoning: bool,
    #[serde(flatten)]
    prices: Prices,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    long_context: Option<LongContext>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retires: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
}

/// US dollars for a million tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Prices {
    input_cost_per_million: Option<f64>,
    output_cost_per_million: Option<f64>,
    cache_read_cost_per_million: Option<f64>,
    cache_write_cost_per_million: Option<f64>,
}

/// What a call costs whose input is longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LongContext {
    above_tokens: u64,
    #[serde(flatten)]
    prices: Prices,
}

/// Models by provider and id.
type Models = BTreeMap<(String, String), Entry>;

/// `--from FILE [--as-of YYYY-MM-DD]`; without a date, the one that the catalogue has is kept.
pub(super) fn run(args: &[String]) -> Result<(), Failure> {
    let mut from = None;
    let mut as_of = None;
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| Failure::usage(format!("{flag} needs a value")))?;
        match flag.as_str() {
            "--from" => from = Some(value),
            "--as-of" if family::is_date(value) => as_of = Some(value.clone()),
            "--as-of" => return Err(Failure::usage("--as-of: expected YYYY-MM-DD")),
            _ => return Err(Failure::usage(format!("gen catalogue: unknown argument {flag:?}"))),
        }
    }
    let from = from.ok_or_else(|| Failure::usage("gen catalogue needs --from FILE"))?;
    let list = read(Path::new(from))?;
    let path = root().join(CATALOGUE);
    let as_of = match as_of {
        Some(date) => date,
        None => read(&path)?["as_of"].as_str().unwrap_or_default().to_owned(),
    };
    let rules: Rules = serde_json::from_str(RULES)
        .map_err(|error| Failure::work(format!("catalogue/rules.json: {error}")))?;
    let models =
        make(&list, &rules, &as_of).map_err(|why| Failure::work(format!("{from}: {why}")))?;
    fs::write(&path, written(&models, &as_of))
        .map_err(|error| Failure::environment(format!("cannot write {CATALOGUE}: {error}")))?;
    println!("wrote {CATALOGUE}: {} models as of {as_of}", models.len());
    Ok(())
}

fn read(path: &Path) -> Result<Value, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::environment(format!("cannot read {shown}: {error}")))?;
    serde_json::from_str(&text).map_err(|error| Failure::work(format!("{shown}: {error}")))
}

/// The catalogue's models in order; the same input gives the same output.
fn make(list: &Value, rules: &Rules, as_of: &str) -> Result<Vec<Entry>, String> {
    let mut models = source::models(list)?;
    models.retain(|(provider, id), _| {
        rules.place(provider, id).is_some() && !rules.not_served.contains(id)
    });
    fold_aliases(&mut models, rules);
    for fields in &rules.by_hand {
        by_hand(&mut models, fields)?;
    }
    let mut placed = Vec::new();
    for ((provider, id), mut entry) in models {
        let place = rules
            .place(&provider, &id)
            .ok_or_else(|| format!("by_hand: {provider}/{id} belongs to no family"))?;
        entry.retires = rules.retires.get(&id).cloned().or(entry.retires);
        if entry.retires.as_deref().is_some_and(|date| date <= as_of) {
            continue;
        }
        if entry.display_name.is_empty() {
            entry.display_name = rules.families[place.family].display(&id);
        }
        entry.aliases.sort();
        placed.push((place, entry));
    }
    if placed.is_empty() {
        return Err("no model of any family; is it a price list?".to_owned());
    }
    placed.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.id.cmp(&y.id)));
    Ok(placed.into_iter().map(|(_, entry)| entry).collect())
}

impl Rules {
    fn place(&self, provider: &str, id: &str) -> Option<family::Place> {
        self.families.iter().enumerate().find_map(|(family, rule)| {
            let version = (rule.provider == provider).then(|| rule.version(id))??;
            Some(family::Place::new(family, version, id))
        })
    }
}

/// Names that stand for another model leave the list and become its aliases.
fn fold_aliases(models: &mut Models, rules: &Rules) {
    for key in models.keys().cloned().collect::<Vec<_>>() {
        let (provider, id) = &key;
        let named = rules.aliases.get(id).map(String::as_str);
        let Some(target) = named.or_else(|| family::undated(id)) else { continue };
        let target = (provider.clone(), target.to_owned());
        let Some(prices) = models.get(&target).map(|entry| entry.prices.clone()) else { continue };
        if named.is_none() && models.get(&key).is_some_and(|entry| entry.prices != prices) {
            continue;
        }
        models.remove(&key);
        if let Some(entry) = models.get_mut(&target) {
            entry.aliases.push(key.1);
        }
    }
}

fn by_hand(models: &mut Models, fields: &Map<String, Value>) -> Result<(), String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let key = (text("provider"), text("id"));
    let wrong = |error: serde_json::Error| format!("by_hand: {}/{}: {error}", key.0, key.1);
    let mut whole = match models.get(&key) {
        Some(entry) => serde_json::to_value(entry).map_err(wrong)?,
        // A correction of a model that this list does not have has nothing to correct.
        None if !fields.contains_key("supports_tools") => return Ok(()),
        None => Value::Object(Map::new()),
    };
    for (name, value) in fields {
        whole[name.as_str()] = value.clone();
    }
    let entry = serde_json::from_value(whole).map_err(wrong)?;
    models.insert(key, entry);
    Ok(())
}

/// A model a line, so that a change shows as one.
fn written(models: &[Entry], as_of: &str) -> String {
    let lines: Vec<String> = models
        .iter()
        .filter_map(|entry| serde_json::to_string(entry).ok())
        .map(|line| format!("    {line}"))
        .collect();
    format!("{{\n  \"as_of\": \"{as_of}\",\n  \"models\": [\n{}\n  ]\n}}\n", lines.join(",\n"))
}

#[cfg(test)]
mod tests;
