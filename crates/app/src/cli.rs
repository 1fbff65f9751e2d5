//! The command line: one file per command.

pub mod acp;
pub mod app_server;
pub mod ask;
pub mod check;
pub mod client;
mod confine;
mod elsewhere;
pub mod exec;
pub mod graph;
mod logs;
pub mod models;
pub(crate) mod print;
pub mod run;
pub mod runs;
mod stdin;
pub mod supervise;
pub mod threads;
pub mod up;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bridge::agent::SANDBOX_HELPER;
use crate::error::Error;

/// Makes agent-compiled software trustworthy.
#[derive(Debug, Parser)]
#[command(name = "canon", version, about, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Orchestrate: poll the tracker, dispatch issues to coding agents, supervise them (Symphony)
    Up(up::Args),
    /// Show what a running `canon up` does
    Status(client::StatusArgs),
    /// Have a running `canon up` poll its tracker now
    Refresh(client::Target),
    /// Keep a running `canon up` from dispatching more
    Pause(client::Target),
    /// Let a paused `canon up` dispatch again
    Resume(client::Target),
    /// Answer the question of an issue's agent
    Answer(client::AnswerArgs),
    /// Stop an issue and hold it
    Stop(client::IssueArgs),
    /// Run an issue that waits or is held as soon as there is a slot
    Retry(client::IssueArgs),
    /// Run one non-interactive agent session
    Exec(exec::Args),
    /// List, show and delete the conversations that were kept
    Threads(threads::Args),
    /// Serve the agent behind the Codex app-server protocol on standard input and output
    AppServer(app_server::Args),
    /// Serve the agent to editors, behind the Agent Client Protocol on standard input and output
    Acp(acp::Args),
    /// Draw a pipeline, as SVG
    Graph(graph::Args),
    /// Ask a model one question
    Ask(ask::Args),
    /// Check a pipeline before it is run
    Check(check::Args),
    /// Run a pipeline, or go on with a run
    Run(run::Args),
    /// List, show, compare, fork and remove the runs that were kept
    Runs(runs::Args),
    /// Tell why a run went the way it went: every hop, with the rule that decided
    Explain(runs::ShowArgs),
    /// List the models of the catalogue
    Models(models::Args),
    /// Supervise one session (started by `canon up`)
    #[command(hide = true)]
    Supervise(supervise::Args),
}

/// Runs the program; never panics on what it is given.
pub fn main() -> ExitCode {
    // Started for every command of the Landlock sandbox, which shall not wait for the rest.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == SANDBOX_HELPER) {
        let code = canon_exec::sandbox::helper_main(args);
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    let outcome = run(Cli::parse().command).and_then(|code| match print::lost() {
        None => Ok(code),
        Some(error) => Err(Error::environment(format!("standard output: {error}"))),
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            print::error(&error);
            error.exit_code()
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Up(args) => up::run(args),
        Command::Status(args) => client::status(args),
        Command::Refresh(target) => client::refresh(&target),
        Command::Pause(target) => client::pause(&target),
        Command::Resume(target) => client::resume(&target),
        Command::Answer(args) => client::answer(args),
        Command::Stop(args) => client::stop(&args),
        Command::Retry(args) => client::retry(&args),
        Command::Exec(args) => exec::run(args),
        Command::Threads(args) => threads::run(&args),
        Command::AppServer(args) => app_server::run(args),
        Command::Acp(args) => acp::run(args),
        Command::Graph(args) => graph::run(&args),
        Command::Ask(args) => ask::run(args),
        Command::Check(args) => check::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Runs(args) => runs::run(&args),
        Command::Explain(args) => runs::explain(&args),
        Command::Models(args) => models::run(&args),
        Command::Supervise(args) => supervise::run(args),
    }
}

/// The asynchronous runtime of the commands that need one.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(32)
        .enable_all()
        .build()
        .map_err(|error| Error::environment(format!("the runtime cannot be started: {error}")))
}
