//! `canon up`: orchestrate (Symphony).

mod preflight;
mod progress;
mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use canon_exec::sandbox::HelperCommand;
use canon_orchestrator::config::Environment;
use canon_orchestrator::dispatch::ShutdownMode;
use canon_orchestrator::driver::{Driver, DriverError, Handle, Options, StateDir};
use canon_orchestrator::sessions::quoted;
use canon_orchestrator::settings::Settings;
use canon_orchestrator::supervisor::Launch;
use canon_orchestrator::workflow;
use canon_runtime::task::{self, TaskSpec};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{logs, print, runtime};
use crate::bridge::agent::SANDBOX_HELPER;
use crate::error::{Error, Kind};
use crate::home;
use crate::server::{self, Bound, Surface, address};

/// How to orchestrate.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workflow file
    #[arg(value_name = "WORKFLOW.md")]
    workflow: Option<PathBuf>,
    /// Serve the API and a status page on this port (0: any free one); overrides server.port
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// End when nothing runs, nothing is eligible and no retry is due
    #[arg(long)]
    until_idle: bool,
    /// Model of Canon's own agent for the whole run, as [PROVIDER/]MODEL
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Print progress as plain lines (the only display so far)
    #[arg(long)]
    no_tui: bool,
    /// Show the structured log on standard error too
    #[arg(long, short)]
    verbose: bool,
    /// How long sessions go on when this daemon is gone, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    orphan_grace: u64,
}

/// Runs the daemon until it is idle (if asked) or told to end.
pub fn run(args: Args) -> Result<ExitCode, Error> {
    // Whoever reads what it says, or does not, decides nothing about the work.
    print::in_background()
        .map_err(|error| Error::environment(format!("the output cannot be prepared: {error}")))?;
    let cwd = std::env::current_dir()
        .map_err(|error| Error::environment(format!("no current directory: {error}")))?;
    let path = workflow::resolve_path(args.workflow.as_deref(), &cwd);
    let environment = Environment::process();
    // Everything that can be wrong with the input is said before anything is made.
    let settings = Settings::load(&path, &environment).map_err(settings_error)?;
    let path = settings.workflow.path.canonicalize().unwrap_or(path);
    let model = args.model.as_deref().map(|model| absolute_transcript(model, &cwd));
    let state = StateDir::of(&home::state()?, &path);
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        preflight::check(&settings, model.as_deref(), state.path()).await?;
        let outcome = orchestrate(&args, path, state, model, &settings).await;
        // Here a second signal still ends it.
        print::flush();
        outcome
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn orchestrate(
    args: &Args,
    workflow: PathBuf,
    state: StateDir,
    model: Option<String>,
    settings: &Settings,
) -> Result<ExitCode, Error> {
    let bound = listen(args, settings)?;
    let _log = logs::of_daemon(state.path(), args.verbose)?;
    for warning in &settings.warnings {
        print::note(format_args!("warning: {warning}"));
    }
    let program = std::env::current_exe()
        .map_err(|error| Error::environment(format!("cannot find this program: {error}")))?;
    let options = Options {
        workflow,
        state: state.clone(),
        launch: Launch::with(&program, &["supervise"]),
        canon_agent: canon_agent(&program),
        model,
        sandbox_helper: HelperCommand::own(SANDBOX_HELPER).ok(),
        until_idle: args.until_idle,
        environment: Environment::process(),
        orphan_grace: Duration::from_secs(args.orphan_grace),
        observer: Box::new(progress::Progress::new()),
    };
    // Before anything runs or answers: a signal that comes early must not end it without order.
    let (shutdown, requests) = mpsc::channel(4);
    task::spawn(TaskSpec::new("signals"), Signals::catch()?.pass_on(shutdown));
    let (driver, handle) = Driver::start(options).await.map_err(driver_error)?;
    let ended = CancellationToken::new();
    let serving = serve(bound, &handle, &state, &ended)?;
    let machine = driver.run(requests).await;
    ended.cancel();
    if let Some(serving) = serving {
        let _ = serving.await;
    }
    let machine = machine.map_err(driver_error)?;
    summary::print(&machine, &handle.view().settings).await;
    Ok(ExitCode::SUCCESS)
}

/// Canon's own agent as a shell command. It keeps this process's PATH: a login shell may begin with
/// another, which does not find the tools that the user has here.
fn canon_agent(program: &Path) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("PATH={} exec {} app-server", quoted(&path), quoted(&program.to_string_lossy()))
}

/// Opens the port, if one is asked for, before anything else happens.
fn listen(args: &Args, settings: &Settings) -> Result<Option<Bound>, Error> {
    let server = &settings.config.server;
    args.port.or(server.port).map(|port| server::bind(&server.host, port)).transpose()
}

fn serve(
    bound: Option<Bound>,
    handle: &Handle,
    state: &StateDir,
    ended: &CancellationToken,
) -> Result<Option<tokio::task::JoinHandle<()>>, Error> {
    let Some(bound) = bound else { return Ok(None) };
    let url = bound.url();
    let guard = address::write(&state.address(), &url)?;
    print::note(format_args!("listening on {url}"));
    let surface = Surface::new(handle.clone(), state.sessions(), ended.clone());
    let until = ended.clone();
    Ok(Some(task::spawn(TaskSpec::new("http server").signalled(), async move {
        let _guard = guard;
        if let Err(error) = bound.serve(Arc::new(surface), until).await {
            tracing::error!(reason = %error, outcome = "failed", "http server");
        }
    })))
}

/// The signals that end a daemon, caught.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Error> {
        let catch = |kind| {
            signal(kind)
                .map_err(|error| Error::environment(format!("signals cannot be caught: {error}")))
        };
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
        })
    }

    /// Ctrl-C ends sessions and all; a service manager's TERM leaves them to their supervisors, so
    /// that an upgrade costs no turn. A second one ends the process at once.
    async fn pass_on(mut self, shutdown: mpsc::Sender<ShutdownMode>) {
        let mut asked = false;
        loop {
            let mode = tokio::select! {
                _ = self.interrupt.recv() => ShutdownMode::Stop,
                _ = self.terminate.recv() => ShutdownMode::Detach,
            };
            if std::mem::replace(&mut asked, true) {
                std::process::exit(130);
            }
            // Nobody takes it when the driver is at its end; the second one still counts.
            let _ = shutdown.send(mode).await;
            print::note(match mode {
                ShutdownMode::Detach => {
                    "ending; live sessions go on and are taken up at the next start"
                }
                _ => "ending the sessions; once more to leave at once",
            });
        }
    }
}

/// A transcript named on the command line lies relative to where that was typed.
fn absolute_transcript(model: &str, cwd: &Path) -> String {
    match model.strip_prefix("scripted/") {
        Some(path) => format!("scripted/{}", cwd.join(path).display()),
        None => model.to_owned(),
    }
}

fn settings_error(error: canon_orchestrator::settings::SettingsError) -> Error {
    use canon_orchestrator::settings::SettingsError;
    let message = error.to_string();
    match error {
        SettingsError::Workflow(workflow::WorkflowError::Missing { .. }) => {
            Error::input(message).hint("pass the path of a workflow file: canon up PATH")
        }
        _ => Error::input(message),
    }
}

fn driver_error(error: DriverError) -> Error {
    let message = error.to_string();
    match error {
        DriverError::Settings(error) => settings_error(error),
        DriverError::WorkspaceRoot(_) => Error::environment(message)
            .hint("set workspace.root in the workflow file to a directory that can be written"),
        DriverError::Append(_) => Error::environment(message).hint(
            "free space on the disk of the state directory; live sessions go on and are taken up at the next start",
        ),
        DriverError::Restore(_) => Error::new(Kind::Environment, message),
        _ => Error::environment(message),
    }
}
