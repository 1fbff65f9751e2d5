//! `canon run`: a pipeline from start to exit, or a run that goes on.

mod answers;
mod backend;
mod drive;
mod job;
mod kept;
mod progress;
mod result;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use canon_pipeline::Dialect;
use canon_pipeline::graph::parse_duration;

use super::{check, confine, logs, runtime};
use crate::error::Error;

pub(in crate::cli) use drive::of_run;
pub(in crate::cli) use kept::{Kept, find, fresh, home};

/// What the help says below the options.
const NOTES: &str = "\
Stages work in the current directory, with --repo in a git worktree of their own. What they do goes
to standard error, the last answer of a model to standard output. The run is kept, see `canon runs`.

Exit code 1: the run failed. 2: the pipeline or a flag is wrong; nothing was run. 3: no key, no
sandbox, no place to keep the run. 130: it was interrupted, and --resume goes on with it; a second
signal ends it at once.";

/// A pipeline to run.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// The pipeline, a DOT file; `-` is standard input. With --resume it may be left out
    #[arg(value_name = "FILE", required_unless_present = "resume")]
    file: Option<PathBuf>,
    /// Ask no model: each of its stages gets a made-up answer. Commands run, and people are asked
    #[arg(long, conflicts_with = "backend")]
    simulate: bool,
    /// Answer for people: yes, and the first choice
    #[arg(long, conflicts_with = "answers")]
    auto_approve: bool,
    /// Answer for people what was recorded in FILE
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Add what people answer to FILE, for --answers
    #[arg(long, value_name = "FILE")]
    record_answers: Option<PathBuf>,
    /// Keep the run in DIR, which is empty or not there yet [default: below the state directory]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    logs: Option<PathBuf>,
    /// Go on with a run: its directory, its id, or the beginning of it
    #[arg(long, value_name = "DIR|RUN")]
    resume: Option<PathBuf>,
    /// Go on from the latest visit of this stage, as if what came after it had not happened
    #[arg(long, value_name = "STAGE", requires = "resume")]
    from: Option<String>,
    /// Read the pipeline as written for another text of the specification (`2026-02`, or
    /// `current`), whatever it says itself
    #[arg(long, value_name = "NAME", value_parser = check::dialect)]
    dialect: Option<Dialect>,
    /// A value that the pipeline uses as `$inputs.KEY`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = input, conflicts_with = "resume")]
    input: Vec<(String, String)>,
    /// Work in a git worktree of this repository, on a branch of the run's own; a commit a stage
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    repo: Option<PathBuf>,
    /// Most US dollars that the run may use
    #[arg(long, value_name = "X")]
    budget_usd: Option<f64>,
    /// Most tokens that the run may use, input and output
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    budget_tokens: Option<u64>,
    /// Most time that this process may run it, such as 90s, 15m or 2h
    #[arg(long, value_name = "TIME", value_parser = time)]
    budget_time: Option<Duration>,
    /// Print events as JSON, one a line, and last `{"v": 1, "kind": "result", …}`
    #[arg(long)]
    json: bool,
    /// [PROVIDER/]MODEL of stages that name none; for the scripted provider the path of its
    /// transcript, which then answers for all stages
    #[arg(long, short)]
    model: Option<String>,
    /// openai, anthropic, gemini, openai-compatible or scripted
    #[arg(long)]
    provider: Option<String>,
    /// What works on the stages of models [default: agent]
    #[arg(long, value_enum)]
    backend: Option<backend::Which>,
    /// The agent of `--backend app-server`: a command that speaks the Codex app-server protocol
    /// [default: this program's own]
    #[arg(long, value_name = "COMMAND")]
    agent_command: Option<String>,
    /// What commands and file operations of stages may touch [default: workspace-write]
    #[arg(long, value_enum)]
    sandbox: Option<confine::Mode>,
    /// Let sandboxed commands use the network
    #[arg(long)]
    network: bool,
    /// Where chance comes from, for edges that are chosen at random and the spread of retries
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    seed: Option<u64>,
    /// Say nothing on standard error but errors and questions
    #[arg(long, short)]
    quiet: bool,
}

fn input(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "expected a time such as 90s, 15m or 2h".to_owned())
}

impl Args {
    fn check(&self) -> Result<(), Error> {
        if self.budget_usd.is_some_and(|budget| !budget.is_finite() || budget <= 0.0) {
            return Err(Error::input("--budget-usd: expected an amount above 0"));
        }
        Ok(())
    }

    fn inputs(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut inputs = BTreeMap::new();
        for (key, value) in &self.input {
            if inputs.insert(key.clone(), value.clone()).is_some() {
                return Err(Error::input(format!("--input {key}: it is given twice")));
            }
        }
        Ok(inputs)
    }
}

/// Runs it.
pub fn run(args: &Args) -> Result<ExitCode, Error> {
    logs::to_stderr(if args.quiet { tracing::Level::ERROR } else { tracing::Level::WARN });
    args.check()?;
    let job = job::Job::of(args)?;
    let runtime = runtime()?;
    let code = runtime.block_on(drive::run(args, job));
    // A thread that waits for a line of a person who will not type one is not waited for.
    runtime.shutdown_background();
    code
}
