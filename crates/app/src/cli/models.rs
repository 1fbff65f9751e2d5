//! `canon models`: the catalogue, and which of it can be asked here.

use std::fmt::Write as _;
use std::process::ExitCode;

use canon_llm::{
    Client, ModelInfo, ModelRef, PROVIDERS, ProviderStatus, catalogue_date, list_models,
};
use serde_json::json;

use super::print;
use crate::error::Error;

/// Which models to list.
///
/// Prices are US dollars for a million tokens, `?` where none is known; the one that is asked without
/// `--model` is marked with `*`. Keys are looked for, and never shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only models of this provider
    #[arg(long)]
    provider: Option<String>,
    /// Print `{"v": 1, "as_of": …, "default": …, "providers": […], "models": […]}`
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub fn run(args: &Args) -> Result<ExitCode, Error> {
    let wanted = args.provider.as_deref();
    if let Some(wanted) = wanted.filter(|wanted| !PROVIDERS.contains(wanted)) {
        let known = PROVIDERS.join(", ");
        return Err(Error::input(format!("no provider `{wanted}`; known: {known}")));
    }
    let environment = |name: &str| std::env::var(name).ok();
    let default = Client::default_model(environment).ok();
    let models: Vec<_> = list_models(wanted).collect();
    let mut providers = Client::providers(environment);
    providers.retain(|provider| wanted.is_none_or(|wanted| provider.name == wanted));
    if args.json {
        let providers: Vec<_> = providers
            .iter()
            .map(|ProviderStatus { name, variables, configured }| {
                json!({ "name": name, "variables": variables, "configured": configured })
            })
            .collect();
        print::data(json!({
            "v": 1, "as_of": catalogue_date(), "default": default.map(|model| model.to_string()),
            "providers": providers, "models": models,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    if !models.is_empty() {
        print::data(table(&models, default.as_ref()));
    }
    print::data(status(&providers, default.as_ref()));
    Ok(ExitCode::SUCCESS)
}

fn table(models: &[&ModelInfo], default: Option<&ModelRef>) -> String {
    let widest = |of: fn(&ModelInfo) -> usize| models.iter().map(|model| of(model)).max();
    let id = widest(|model| model.id.len()).unwrap_or(0);
    let provider = widest(|model| model.provider.len()).unwrap_or(0).max("PROVIDER".len());
    let mut out = format!(
        "  {:<id$}  {:<provider$}  {:>6}  {:>6}  {:<22}  {:>6}  {:>6}  {:>6}  {:>6}",
        "MODEL", "PROVIDER", "WINDOW", "OUTPUT", "CAN", "IN", "OUT", "CACHED", "WRITE"
    );
    for model in models {
        let is_default = default.is_some_and(|default| {
            default.model == model.id && default.provider_or(None) == Some(&model.provider)
        });
        let _ = write!(
            out,
            "\n{} {:<id$}  {:<provider$}  {:>6}  {:>6}  {:<22}  {:>6}  {:>6}  {:>6}  {:>6}",
            if is_default { '*' } else { ' ' },
            model.id,
            model.provider,
            thousands(Some(model.context_window)),
            thousands(model.max_output),
            can(model),
            price(model.input_cost_per_million),
            price(model.output_cost_per_million),
            price(model.cache_read_cost_per_million),
            price(model.cache_write_cost_per_million),
        );
        if let Some(day) = &model.retires {
            let _ = write!(out, "  until {day}");
        }
        if !model.aliases.is_empty() {
            let _ = write!(out, "  also {}", model.aliases.join(", "));
        }
    }
    out
}

/// One line for each provider, then what is asked when nothing is said.
fn status(providers: &[ProviderStatus], default: Option<&ModelRef>) -> String {
    let mut out = String::new();
    for ProviderStatus { name, variables, configured } in providers {
        let variables = variables.join(" or ");
        let _ = match configured {
            true => writeln!(out, "{name}: configured ({variables})"),
            false => writeln!(out, "{name}: not configured; set {variables}"),
        };
    }
    match default {
        Some(model) => {
            let _ = write!(out, "without --model: {}", print::plain(&model.to_string()));
        }
        None => out.push_str("without --model: none, there is no key"),
    }
    out
}

fn can(model: &ModelInfo) -> String {
    let all = [
        (model.supports_tools, "tools"),
        (model.supports_vision, "vision"),
        (model.supports_reasoning, "reasoning"),
    ];
    let names: Vec<&str> = all.iter().filter(|(can, _)| *can).map(|(_, name)| *name).collect();
    names.join(" ")
}

fn thousands(tokens: Option<u64>) -> String {
    tokens.map_or_else(|| "?".to_owned(), |tokens| format!("{}k", tokens / 1000))
}

fn price(price: Option<f64>) -> String {
    price.map_or_else(|| "?".to_owned(), |price| format!("{price}"))
}
