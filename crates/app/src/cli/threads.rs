//! `canon threads`: the conversations that were kept.

mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use canon_runtime::clock::{now_ms, rfc3339};
use serde_json::json;

use super::{logs, print};
use crate::error::Error;
use crate::threads::{Meta, Query, Store, ThreadError};

/// Milliseconds of a day.
const DAY: u64 = 24 * 60 * 60 * 1000;

/// The conversations of `canon exec`, `canon app-server` and `canon acp`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the threads of this directory, the last used first
    List(ListArgs),
    /// Print a thread
    Show(ShowArgs),
    /// Delete threads for good
    Rm(RmArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Those of every directory
    #[arg(long)]
    all: bool,
    /// Those of this directory
    #[arg(long, value_name = "DIR", conflicts_with = "all")]
    cd: Option<PathBuf>,
    /// Also those that a client has archived
    #[arg(long)]
    archived: bool,
    /// Most of them
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Print `{"v": 1, "threads": […]}`
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The thread
    id: String,
    /// Print `{"v": 1, "thread": {…}, "entries": […]}`
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RmArgs {
    /// The threads
    #[arg(required_unless_present = "older_than")]
    ids: Vec<String>,
    /// All, of every directory, that were not used for this many days
    #[arg(long, value_name = "DAYS", conflicts_with = "ids")]
    older_than: Option<u64>,
}

/// Does what is asked.
pub fn run(args: &Args) -> Result<ExitCode, Error> {
    logs::to_stderr(tracing::Level::WARN);
    let store = Store::home()?;
    match &args.verb {
        Verb::List(args) => list(&store, args),
        Verb::Show(args) => show::show(&store, &args.id, args.json),
        Verb::Rm(args) => rm(&store, args),
    }
}

fn list(store: &Store, args: &ListArgs) -> Result<ExitCode, Error> {
    let cwd = match &args.cd {
        _ if args.all => None,
        cd => {
            let cd = cd.clone().unwrap_or_else(|| PathBuf::from("."));
            let found = cd.canonicalize();
            Some(found.map_err(|error| Error::input(format!("--cd {}: {error}", cd.display())))?)
        }
    };
    let archived = (!args.archived).then_some(false);
    let page = store.list(&Query { cwd, archived, limit: args.limit, cursor: None })?;
    for problem in &page.problems {
        print::note(format_args!("warning: {problem}"));
    }
    if args.json {
        print::data(json!({ "v": 1, "threads": page.threads }));
        return Ok(ExitCode::SUCCESS);
    }
    for meta in &page.threads {
        print::text(&line(meta, args.all));
    }
    if page.next.is_some() {
        print::note(format_args!("there may be more; --limit says how many are shown"));
    } else if page.threads.is_empty() && !args.all {
        print::note("no threads of this directory; --all shows those of every directory");
    }
    Ok(ExitCode::SUCCESS)
}

/// One thread, for a person: id, last use, surface, model, what it is about.
fn line(meta: &Meta, with_directory: bool) -> String {
    let used = rfc3339(meta.updated_at);
    let used = used.get(..16).unwrap_or(&used).replace('T', " ");
    let about = meta.name.as_deref().unwrap_or(&meta.preview);
    let about = print::one_line(about, 60);
    let place = if with_directory { format!("  {}", meta.cwd.display()) } else { String::new() };
    let model = format!("{}/{}", meta.provider, meta.model);
    let model = print::one_line(&model, 32);
    let away = if meta.archived { " (archived)" } else { "" };
    print::plain(&format!(
        "{}  {used}  {:<10}  {model}{place}  {about}{away}",
        meta.id, meta.source
    ))
}

fn rm(store: &Store, args: &RmArgs) -> Result<ExitCode, Error> {
    let ids = match args.older_than {
        None => args.ids.clone(),
        Some(days) => {
            let before = now_ms().saturating_sub(days.saturating_mul(DAY));
            let query = Query { archived: None, limit: usize::MAX, ..Query::default() };
            let page = store.list(&query)?;
            for problem in &page.problems {
                print::note(format_args!("warning: not deleted: {problem}"));
            }
            let old = page.threads.into_iter().filter(|meta| meta.updated_at < before);
            old.map(|meta| meta.id).collect()
        }
    };
    let mut refused: Vec<ThreadError> = Vec::new();
    for id in ids {
        match store.delete(&id) {
            Ok(()) => print::note(format_args!("deleted {id}")),
            Err(error) => refused.push(error),
        }
    }
    match refused.pop() {
        None => Ok(ExitCode::SUCCESS),
        Some(last) => {
            for error in refused {
                print::note(format_args!("warning: {error}"));
            }
            Err(last.into())
        }
    }
}
