//! `canon exec`: one agent session without a person at hand.

mod conversation;
mod drive;
mod habits;
mod outcome;
pub(in crate::cli) mod progress;
mod shape;
mod task;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use canon_agent::tools::{FetchPolicy, HostPattern, WebFetch};
use canon_agent::{Family, Input, Journal, Profile};
use canon_exec::ExecutionEnvironment;
use canon_exec::sandbox::SandboxPolicy;

use self::conversation::Conversation;
use self::outcome::Report;
use super::confine::Mode;
use super::elsewhere::Elsewhere;
use super::{logs, print, runtime};
use crate::bridge::agent::{self, Limits, Model, Sandbox};
use crate::bridge::mcp::Servers;
use crate::bridge::shape::Shape;
use crate::error::{Error, Kind};

/// What the help says below the options.
const NOTES: &str = "\
The last text of the model goes to standard output; what it does goes to standard error. The
conversation is kept under the state directory, see `canon threads`.

Exit code 1: the work failed, or a limit was reached. 2: a flag, a file or the task is wrong. 3: no
key, a key that is refused, no network, no sandbox, no place to keep the conversation. 130: it was
interrupted; its processes are ended, and --resume goes on.";

/// One task for the agent.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// What to do; `-` reads it from standard input. What is piped in beside a task follows it. With
    /// --resume it may be left out
    task: Option<String>,
    /// Print events as JSON, one a line, and last `{"v": 1, "kind": "result", …}`
    #[arg(long)]
    json: bool,
    /// [PROVIDER/]MODEL; for the scripted provider the path of its transcript
    #[arg(long, short)]
    model: Option<String>,
    /// openai, anthropic, gemini, openai-compatible or scripted
    #[arg(long)]
    provider: Option<String>,
    /// Tools and instructions for models of this family, where the model's name does not say it:
    /// openai, anthropic, gemini or generic
    #[arg(long, value_name = "FAMILY")]
    profile: Option<Family>,
    /// How much to think: low, medium, high, or what the provider knows beside
    #[arg(long, visible_alias = "effort", value_name = "EFFORT")]
    reasoning_effort: Option<String>,
    /// Work in this directory
    #[arg(long, short = 'C', value_name = "DIR")]
    cd: Option<PathBuf>,
    /// Let the agent write below this directory too; may be repeated
    #[arg(long, value_name = "DIR", conflicts_with_all = ["container", "container_image", "ssh"])]
    add_dir: Vec<PathBuf>,
    /// What commands and file operations may touch
    #[arg(long, value_enum, default_value_t)]
    sandbox: Mode,
    /// Let sandboxed commands use the network
    #[arg(long)]
    network: bool,
    /// Let the agent fetch pages of this host: a name, *.NAME for those below it, or * for all with
    /// public addresses; may be repeated. Canon fetches them itself, outside the sandbox
    #[arg(long, value_name = "HOST")]
    allow_fetch: Vec<HostPattern>,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// An image to look at, a file or a URL; may be repeated
    #[arg(long, value_name = "PATH|URL")]
    image: Vec<String>,
    /// Instructions that stand behind all others in the system prompt
    #[arg(long, value_name = "FILE")]
    instructions: Option<PathBuf>,
    /// End with one JSON value that fits the JSON Schema in FILE, and print it alone
    #[arg(long, visible_alias = "output-schema", value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Write to FILE what goes to standard output without --json; empty when there is nothing
    #[arg(long, short, value_name = "FILE")]
    output_last_message: Option<PathBuf>,
    /// Go on with a thread: its id, or `last` for the last one of this directory
    #[arg(long, value_name = "ID|last")]
    resume: Option<String>,
    /// Keep nothing of the conversation
    #[arg(long)]
    ephemeral: bool,
    /// Most replies of the model; 0 for no limit
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
    /// Say nothing on standard error but errors
    #[arg(long, short)]
    quiet: bool,
}

/// Runs the session; its last text is the data.
pub fn run(args: Args) -> Result<ExitCode, Error> {
    logs::to_stderr(if args.quiet { tracing::Level::ERROR } else { tracing::Level::WARN });
    if args.budget_usd.is_some_and(|budget| !budget.is_finite() || budget <= 0.0) {
        return Err(Error::input("--budget-usd: expected an amount above 0"));
    }
    if args.budget_tokens == Some(0) {
        return Err(Error::input("--budget-tokens: expected a number above 0"));
    }
    let shape = args.schema.as_deref().map(shape::read).transpose()?;
    let input = task::input(&args)?;
    let conversation = Conversation::of(&args)?;
    let mut model = Model::connect(conversation.model_name(&args)?.as_deref())?;
    if let Some(path) = &args.record {
        model = model.recorded(path)?;
    }
    let copy = args.output_last_message.as_deref().map(outcome::Copy::open).transpose()?;
    let report = runtime()?.block_on(work(&args, input, conversation, &model, shape))?;
    outcome::finish(&args, &model, &report, copy)
}

async fn work(
    args: &Args,
    input: Input,
    conversation: Conversation,
    model: &Model,
    shape: Option<Shape>,
) -> Result<Report, Error> {
    let sandbox = Sandbox { policy: policy(args)?, masked: vec![crate::home::state()?] };
    let environment = args.elsewhere.environment(&sandbox, &conversation.cwd).await?;
    let there = Arc::clone(&environment);
    let report = work_in(there, args, input, conversation, model, shape).await;
    if let Err(error) = environment.cleanup().await {
        warn(args, format_args!("cleaning up: {error}"));
    }
    report
}

/// What the flags allow on this machine.
fn policy(args: &Args) -> Result<SandboxPolicy, Error> {
    let mut policy = args.sandbox.policy();
    if args.add_dir.is_empty() {
        return Ok(policy.with_network(args.network));
    }
    let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = &mut policy else {
        return Err(Error::input(format!(
            "--add-dir says nothing with `--sandbox {}`",
            policy.mode()
        )));
    };
    for dir in &args.add_dir {
        let wrong = |why: &dyn std::fmt::Display| {
            Error::input(format!("--add-dir {}: {why}", dir.display()))
        };
        let root = dir.canonicalize().map_err(|error| wrong(&error))?;
        if !root.is_dir() {
            return Err(wrong(&"not a directory"));
        }
        writable_roots.push(root);
    }
    Ok(policy.with_network(args.network))
}

async fn work_in(
    environment: Arc<dyn ExecutionEnvironment>,
    args: &Args,
    input: Input,
    mut conversation: Conversation,
    model: &Model,
    shape: Option<Shape>,
) -> Result<Report, Error> {
    let mut out = drive::Out::new(args, environment.working_directory());
    out.begin(&environment.sandbox(), model, &conversation);
    let limits = Limits {
        max_turns: args.max_turns,
        max_tokens: args.budget_tokens,
        max_cost_usd: args.budget_usd,
    };
    let mut options = agent::options(model, environment, &limits)?;
    if let Some(family) = conversation.family()? {
        options.profile = Profile::of_family(family, model.provider(), model.id());
    }
    options.config.reasoning_effort.clone_from(&args.reasoning_effort);
    let last = shape.as_ref().map(Shape::instructions);
    let layers: Vec<String> = conversation.instructions.clone().into_iter().chain(last).collect();
    options.user_instructions = (!layers.is_empty()).then(|| layers.join("\n\n"));
    if !args.allow_fetch.is_empty() {
        let policy = FetchPolicy::new(args.allow_fetch.clone());
        options.extra_tools.push(Arc::new(WebFetch::new(policy)));
    }
    // What has to be cleaned up is there already, so that a signal must not just end the process.
    let servers = tokio::select! {
        servers = Servers::start(args.mcp_config.as_deref(), &conversation.cwd) => servers?,
        () = told_to_end() => {
            return Err(Error::new(Kind::Interrupted, "interrupted before the work began"));
        }
    };
    for note in servers.notes() {
        warn(args, note);
    }
    servers.join(&mut options);
    let thread = conversation.thread(args, model)?;
    if let Some(thread) = &thread {
        options.session_id = Some(thread.id());
        options.journal = Some(Arc::clone(thread) as Arc<dyn Journal>);
    }
    options.history = std::mem::take(&mut conversation.history);
    let session = agent::session(options)?;
    if let Some(thread) = &thread {
        conversation.keep(thread, model)?;
    }
    servers.follow(&session.handle());
    let report = drive::run(session, input, shape.as_ref(), &mut out).await;
    servers.close().await;
    let thread_id = thread.filter(|thread| thread.is_kept()).map(|thread| thread.id());
    Ok(Report { thread_id, ..report })
}

/// Waits for Ctrl-C, for a service manager's TERM, or for the terminal to go away: each ends the
/// session in order, with its processes and its temporary files.
pub(in crate::cli) async fn told_to_end() {
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

/// Something that is not as wanted, but ends nothing.
fn warn(args: &Args, message: impl std::fmt::Display) {
    if !args.quiet {
        print::note(format_args!("warning: {message}"));
    }
}
