//! Takes a run to its end, and shows what happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use canon_digest::sha256;
use canon_exec::{ExecutionEnvironment, LocalExecutionEnvironment};
use canon_pipeline::engine::Budget;
use canon_pipeline::handlers::Standard;
use canon_pipeline::run::git::{GitWorkspaces, Repository};
use canon_pipeline::run::journal::JournalError;
use canon_pipeline::run::{
    self, End, Environment, Event, NewRun, RunError, Shared, WorkspaceError, Workspaces,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::backend::Which;
use super::job::Job;
use super::kept::{Kept, Way};
use super::progress::{Line, Progress, Tone};
use super::result::{self, Ended, SCRIPTED, SIMULATED};
use super::{Args, answers};
use crate::bridge::agent::{self, Sandbox};
use crate::bridge::pipeline::Confined;
use crate::cli::exec::told_to_end;
use crate::cli::print;
use crate::cli::words::plural;
use crate::error::{Error, Kind};

pub(super) async fn run(args: &Args, job: Job) -> Result<ExitCode, Error> {
    let cancel = CancellationToken::new();
    let (events, seen) = mpsc::unbounded_channel();
    let environment = environment(args, &job, events, cancel.clone()).await?;
    let mut out = Out::new(args);
    let begun = Instant::now();
    let Job { id, graph, source, inputs, directory, kept, way, .. } = job;
    let running = async {
        match way {
            Way::Begin => {
                let seed = args.seed.unwrap_or_else(|| seed_of(&id));
                let repository = kept.repo.clone();
                let (context, base) = (BTreeMap::new(), Some(kept.base.clone()));
                let new =
                    NewRun { id: id.clone(), seed, inputs, context, repository, base, depth: 0 };
                run::start(graph, &source, directory.clone(), new, environment).await
            }
            Way::Resume(from) => run::resume(graph, directory.clone(), from, environment).await,
        }
    };
    let (end, interrupted) = watch(running, seen, &cancel, &mut out).await;
    let end = end.map_err(of_run)?;
    let ended = Ended {
        run: id,
        interrupted,
        time: begun.elapsed(),
        retries: out.progress.retries(),
        made_up: made_up(&kept),
        end,
    };
    if args.json {
        print::data(result::json(&ended));
    } else if let Some(text) = result::last_response(&directory, &ended.end.path) {
        print::text(&text);
    }
    if !args.quiet && !args.json {
        print::note(result::summary(&ended));
    }
    result::code(&ended)
}

/// Waits for the end while events are shown. The first signal stops the run in order, the second
/// ends this process.
async fn watch(
    running: impl Future<Output = Result<End, RunError>>,
    mut seen: mpsc::UnboundedReceiver<Event>,
    cancel: &CancellationToken,
    out: &mut Out,
) -> (Result<End, RunError>, bool) {
    let mut interrupted = false;
    tokio::pin!(running);
    let end = {
        let told = told_to_end();
        tokio::pin!(told);
        loop {
            tokio::select! {
                biased;
                () = &mut told => {
                    if interrupted {
                        print::note("ended at once; what its stages started may still run");
                        std::process::exit(130);
                    }
                    interrupted = true;
                    told.set(told_to_end());
                    print::note("stopping; a second signal ends it at once");
                    cancel.cancel();
                }
                Some(event) = seen.recv() => out.event(&event),
                end = &mut running => break end,
            }
        }
    };
    while let Ok(event) = seen.try_recv() {
        out.event(&event);
    }
    (end, interrupted)
}

async fn environment(
    args: &Args,
    job: &Job,
    events: mpsc::UnboundedSender<Event>,
    cancel: CancellationToken,
) -> Result<Environment, Error> {
    let interviewer = answers::interviewer(args)?;
    let registry = Standard::new(Arc::clone(&job.backend)).interviewer(interviewer).registry();
    Ok(Environment {
        registry,
        workspaces: workspaces(args, job).await?,
        events: Some(events),
        cancel,
        budget: Budget { tokens: args.budget_tokens, usd: args.budget_usd },
        wall: args.budget_time,
        redactor: Arc::new(agent::redactor()),
    })
}

async fn workspaces(args: &Args, job: &Job) -> Result<Arc<dyn Workspaces>, Error> {
    let kept = &job.kept;
    let sandbox = Sandbox {
        policy: kept.sandbox.policy().with_network(kept.network),
        masked: vec![crate::home::state()?],
    };
    let inner: Arc<dyn Workspaces> = match &kept.repo {
        Some(repo) => in_repository(args, job, repo).await?,
        None => {
            let here = LocalExecutionEnvironment::new(&kept.cwd).map_err(|error| {
                Error::environment(format!("the directory of the run's work: {error}"))
            })?;
            Arc::new(Shared(Arc::new(here)))
        }
    };
    Ok(Arc::new(Confined::new(inner, sandbox, job.directory.root())))
}

/// Git worktrees of the run's own. What is not committed is no part of it, and that is said.
async fn in_repository(args: &Args, job: &Job, repo: &Path) -> Result<Arc<dyn Workspaces>, Error> {
    let wrong = |error: WorkspaceError| Error::input(format!("--repo {}: {error}", repo.display()));
    let repository = Repository::open(repo).await.map_err(wrong)?;
    let uncommitted = repository.uncommitted().await.map_err(wrong)?;
    if uncommitted > 0 && job.way == Way::Begin && !args.quiet {
        let files = plural(uncommitted as u64, "uncommitted file", "uncommitted files");
        print::note(format_args!("the run begins from the last commit, without {files} there"));
    }
    let make = |root: PathBuf| -> Pin<Box<dyn Future<Output = _> + Send>> {
        Box::pin(async move {
            let here = LocalExecutionEnvironment::new(root).map_err(|error| error.to_string())?;
            Ok(Arc::new(here) as Arc<dyn ExecutionEnvironment>)
        })
    };
    let made = GitWorkspaces::new(repository, &job.directory, job.id.as_str(), Box::new(make));
    Ok(Arc::new(made.map_err(|error| Error::environment(error.to_string()))?))
}

/// Whose words the stages of models get, if not a model's.
fn made_up(kept: &Kept) -> Option<&'static str> {
    match kept.backend {
        Which::Simulation => Some(SIMULATED),
        _ => kept.is_scripted().then_some(SCRIPTED),
    }
}

/// A seed that is another for each run, and stands in its journal.
fn seed_of(id: &str) -> u64 {
    let digest = sha256(id.as_bytes()).to_string();
    let hex: String = digest.chars().filter(char::is_ascii_hexdigit).rev().take(16).collect();
    u64::from_str_radix(&hex, 16).unwrap_or_default()
}

/// Whose fault it is that a run could not be begun, resumed or carried on.
pub(in crate::cli) fn of_run(error: RunError) -> Error {
    let kind = match &error {
        RunError::OtherGraph { .. }
        | RunError::NoSuchStage { .. }
        | RunError::NoRepository { .. }
        | RunError::Unrunnable(_)
        | RunError::Replay(_)
        | RunError::Journal(JournalError::Damaged { .. } | JournalError::Version { .. }) => {
            Kind::Input
        }
        RunError::Journal(JournalError::Io { .. } | JournalError::Busy { .. })
        | RunError::Io { .. }
        | RunError::Artifact(_)
        | RunError::Workspace(_) => Kind::Environment,
    };
    Error::new(kind, error.to_string())
}

/// Where events go: to standard output as JSON, or to people.
struct Out {
    json: bool,
    quiet: bool,
    colours: bool,
    progress: Progress,
}

impl Out {
    fn new(args: &Args) -> Self {
        Self {
            json: args.json,
            quiet: args.quiet,
            colours: print::colours(),
            progress: Progress::new(print::width()),
        }
    }

    fn event(&mut self, event: &Event) {
        let lines = self.progress.event(event);
        if self.json {
            if let Ok(line) = serde_json::to_string(event) {
                print::data(line);
            }
        } else if !self.quiet {
            lines.into_iter().for_each(|line| self.show(line));
        }
    }

    fn show(&self, Line { tone, text }: Line) {
        let code = match tone {
            Tone::Plain => "",
            Tone::Dim => "\u{1b}[2m",
            Tone::Good => "\u{1b}[32m",
            Tone::Bad => "\u{1b}[31m",
            Tone::Warning => "\u{1b}[33m",
        };
        let text = print::plain(&text);
        if self.colours && !code.is_empty() {
            print::painted(format!("{code}{text}\u{1b}[0m"));
        } else {
            print::painted(text);
        }
    }
}
