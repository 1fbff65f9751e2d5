//! `canon app-server`: Canon's agent behind the Codex app-server protocol.

use std::process::ExitCode;
use std::time::Duration;

use super::{logs, runtime, stdin};
use crate::bridge::agent::{Limits, model_name};
use crate::bridge::app_server::{Setup, serve};
use crate::error::Error;

/// What threads get that say nothing else.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model of threads that name none, as [PROVIDER/]MODEL; for the scripted provider the path of
    /// its transcript
    #[arg(long)]
    model: Option<String>,
    /// Provider of the model
    #[arg(long)]
    provider: Option<String>,
    /// Most replies of the model in each thread
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_turns: u32,
    /// Most US dollars for each thread
    #[arg(long, value_name = "X")]
    budget_usd: Option<f64>,
    /// Most tokens for each thread, input and output of all replies
    #[arg(long, value_name = "N")]
    budget_tokens: Option<u64>,
}

/// Serves the client on standard input and output until its input ends, or until it is told to end.
pub fn run(args: Args) -> Result<ExitCode, Error> {
    logs::to_stderr(tracing::Level::WARN);
    let model = model_name(args.provider.as_deref(), args.model.as_deref())?;
    if args.budget_usd.is_some_and(|budget| !budget.is_finite() || budget <= 0.0) {
        return Err(Error::input("--budget-usd: expected an amount above 0"));
    }
    if args.budget_tokens == Some(0) {
        return Err(Error::input("--budget-tokens: expected a number above 0"));
    }
    let limits = Limits {
        max_turns: args.max_turns,
        max_tokens: args.budget_tokens,
        max_cost_usd: args.budget_usd,
    };
    let setup = Setup::new(model, vec![crate::home::state()?], limits);
    let runtime = runtime()?;
    let served = runtime.block_on(serve(stdin::until_told(), tokio::io::stdout(), setup));
    // What threads held, their temporary directories above all, goes with them; a read of standard
    // input that nobody ends must not hold the process for ever.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served.map(|()| ExitCode::SUCCESS)
}
