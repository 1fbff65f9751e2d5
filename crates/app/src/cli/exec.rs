//! `canon exec`: one non-interactive agent session.

use std::path::PathBuf;
use std::process::ExitCode;

use canon_agent::{EventData, Outcome, SessionEvent, Status};
use canon_exec::sandbox::SandboxPolicy;
use clap::ValueEnum;
use serde_json::json;

use super::{logs, print, runtime};
use crate::bridge::agent::{self, Limits, Model, Sandbox, model_name};
use crate::bridge::mcp::Servers;
use crate::error::{Error, Kind};

/// One task for the agent.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do; `-` reads it from standard input
    task: String,
    /// Print events as JSON, one a line, and last `{"v": 1, "kind": "result", …}`
    #[arg(long)]
    json: bool,
    /// [PROVIDER/]MODEL; for the scripted provider the path of its transcript
    #[arg(long)]
    model: Option<String>,
    /// openai, anthropic, gemini, openai-compatible or scripted
    #[arg(long)]
    provider: Option<String>,
    /// Work in this directory
    #[arg(long, value_name = "DIR")]
    cd: Option<PathBuf>,
    /// What commands and file operations may touch
    #[arg(long, value_enum, default_value_t = Mode::WorkspaceWrite)]
    sandbox: Mode,
    /// Let sandboxed commands use the network
    #[arg(long)]
    network: bool,
    /// Most replies of the model
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_turns: u32,
    /// Most US dollars
    #[arg(long, value_name = "X")]
    budget_usd: Option<f64>,
    /// Most tokens, input and output of all replies
    #[arg(long, value_name = "N")]
    budget_tokens: Option<u64>,
    /// Write the model's exchanges to FILE, as a transcript for the scripted provider
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Give the agent the tools of the MCP servers in FILE, which run outside the sandbox
    #[arg(long, value_name = "FILE")]
    mcp_config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    ReadOnly,
    WorkspaceWrite,
    DangerFullAccess,
}

/// Runs the session; its last text is the data.
pub fn run(args: Args) -> Result<ExitCode, Error> {
    logs::to_stderr(tracing::Level::WARN);
    let task = match args.task.as_str() {
        "-" => std::io::read_to_string(std::io::stdin())
            .map_err(|error| Error::input(format!("standard input: {error}")))?,
        _ => args.task.clone(),
    };
    if task.trim().is_empty() {
        return Err(Error::input("the task is empty"));
    }
    if args.budget_usd.is_some_and(|budget| !budget.is_finite() || budget <= 0.0) {
        return Err(Error::input("--budget-usd: expected an amount above 0"));
    }
    let name = model_name(args.provider.as_deref(), args.model.as_deref())?;
    let mut model = Model::connect(name.as_deref())?;
    if let Some(path) = &args.record {
        model = model.recorded(path)?;
    }
    let runtime = runtime()?;
    let outcome = runtime.block_on(work(&args, task, &model))?;
    finish(&args, &model, &outcome)
}

async fn work(args: &Args, task: String, model: &Model) -> Result<Outcome, Error> {
    let cwd = match &args.cd {
        Some(cd) => cd.clone(),
        None => PathBuf::from("."),
    };
    let cwd = cwd
        .canonicalize()
        .map_err(|error| Error::input(format!("--cd {}: {error}", cwd.display())))?;
    let policy = match args.sandbox {
        Mode::ReadOnly => SandboxPolicy::read_only(),
        Mode::WorkspaceWrite => SandboxPolicy::workspace_write(),
        Mode::DangerFullAccess => SandboxPolicy::DangerFullAccess,
    };
    let sandbox =
        Sandbox { policy: policy.with_network(args.network), masked: vec![crate::home::state()?] };
    let environment = sandbox.environment(&cwd).await?;
    let found = environment.sandbox();
    if args.json {
        print::data(json!({ "kind": "sandbox", "data": found }));
    } else {
        let network = if found.network { "with network" } else { "no network" };
        print::note(format_args!(
            "model {}/{}; sandbox {} {} ({}, {network})",
            model.provider(),
            model.id(),
            found.backend,
            found.version,
            found.mode
        ));
    }
    let limits = Limits {
        max_turns: args.max_turns,
        max_tokens: args.budget_tokens,
        max_cost_usd: args.budget_usd,
    };
    let servers = Servers::start(args.mcp_config.as_deref(), &cwd).await?;
    for note in servers.notes() {
        print::note(format_args!("warning: {note}"));
    }
    let mut options = agent::options(model, environment, &limits)?;
    servers.join(&mut options);
    let mut session = agent::session(options)?;
    let handle = session.handle();
    servers.follow(&handle);
    let json = args.json;
    let show = move |event: &SessionEvent| if json { data(event) } else { note(event) };
    let mut interrupted = false;
    let outcome = {
        let running = session.run_to_idle(task, show);
        tokio::pin!(running);
        loop {
            tokio::select! {
                outcome = &mut running => break outcome,
                () = told_to_end(), if !interrupted => {
                    interrupted = true;
                    let _ = handle.abort();
                }
            }
        }
    };
    let _ = handle.close();
    while let Some(event) = session.next_event().await {
        if json {
            data(&event);
        }
    }
    servers.close().await;
    if interrupted {
        return Err(Error::new(Kind::Interrupted, "interrupted; its processes are ended"));
    }
    outcome.map_err(|error| Error::work(error.to_string()))
}

/// Waits for Ctrl-C, for a service manager's TERM, or for the terminal to go away: each ends the
/// session in order, with its processes and its temporary files.
pub(super) async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async |kind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}

fn finish(args: &Args, model: &Model, outcome: &Outcome) -> Result<ExitCode, Error> {
    if args.json {
        print::data(json!({
            "v": 1, "kind": "result", "provider": model.provider(), "model": model.id(),
            "scripted": model.provider() == "scripted", "outcome": outcome,
        }));
    } else {
        print::text(&outcome.text);
        let cost = outcome.cost_usd.map(|cost| format!(", $ {cost:.4}")).unwrap_or_default();
        print::note(format_args!(
            "{} replies, {} tool calls, {} tokens{cost}",
            outcome.turns, outcome.tool_calls, outcome.usage.total_tokens
        ));
    }
    match &outcome.status {
        Status::Completed | Status::AwaitingInput => Ok(ExitCode::SUCCESS),
        Status::Limit { .. } => Err(Error::work("a limit of the session was reached")),
        Status::Aborted => Err(Error::new(Kind::Interrupted, "the session was aborted")),
        Status::Failed { message, .. } => Err(Error::work(message.clone())),
    }
}

fn data(event: &SessionEvent) {
    if let Ok(line) = serde_json::to_string(event) {
        print::data(line);
    }
}

/// What a person wants to see while it works.
fn note(event: &SessionEvent) {
    match &event.data {
        EventData::ToolCallStart { tool_name, arguments, .. } => {
            let what =
                ["command", "file_path", "pattern"].iter().find_map(|key| arguments[key].as_str());
            print::note(format_args!("· {tool_name} {}", what.unwrap_or_default()));
        }
        EventData::ToolCallEnd { tool_name, output, is_error: true, .. } => {
            let first = output.lines().next().unwrap_or_default();
            print::note(format_args!("  {tool_name} failed: {first}"));
        }
        EventData::Warning { message, .. }
        | EventData::LoopDetection { message, .. }
        | EventData::TurnLimit { message, .. } => print::note(format_args!("warning: {message}")),
        _ => {}
    }
}
