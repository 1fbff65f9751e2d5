//! `canon models`: the catalogue.

use std::process::ExitCode;

use canon_llm::list_models;
use serde_json::json;

use super::print;
use crate::error::Error;

/// Which models to list.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only models of this provider
    #[arg(long)]
    provider: Option<String>,
    /// Print `{"v": 1, "models": […]}`
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub fn run(args: &Args) -> Result<ExitCode, Error> {
    let models: Vec<_> = list_models(args.provider.as_deref()).collect();
    if args.json {
        print::data(json!({ "v": 1, "models": models }));
        return Ok(ExitCode::SUCCESS);
    }
    let width = models.iter().map(|model| model.id.len()).max().unwrap_or(0);
    let price =
        |price: Option<f64>| price.map_or_else(|| "?".to_owned(), |price| format!("{price}"));
    for model in models {
        print::data(format_args!(
            "{:<width$}  {:<10}  {:>9} tokens  $ per million: {} in, {} out",
            model.id,
            model.provider,
            model.context_window,
            price(model.input_cost_per_million),
            price(model.output_cost_per_million),
        ));
    }
    Ok(ExitCode::SUCCESS)
}
