//! `canon runs`: the runs that were kept; and `canon explain`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use canon_pipeline::run::journal::{self, Contents};
use canon_pipeline::run::{self, Part, RunSummary, diff, files_touched, remove};
use canon_pipeline::{Dialect, Prepare};
use canon_runtime::clock::rfc3339;
use serde_json::json;

use super::run::{Kept, find, fresh, home, of_run};
use super::words::{duration, grouped, plural};
use super::{check, logs, print, runtime};
use crate::error::Error;

/// The runs of `canon run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the runs, the newest first
    List(ListArgs),
    /// Print what a run came to: time, cost, retries, files touched, where it was stuck
    Show(ShowArgs),
    /// Print what a run that works in a repository changed, as `git diff` does
    Diff(DiffArgs),
    /// Make a new run of all that a run had done before a stage; `canon run --resume` goes on with it
    Fork(ForkArgs),
    /// Remove runs for good, with their worktrees and branches
    Rm(RmArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Those kept in this directory
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
    /// Most of them
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Print `{"v": 1, "runs": […]}`
    #[arg(long)]
    json: bool,
}

/// Which run.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The run: its directory, its id, or the beginning of it
    #[arg(value_name = "DIR|RUN")]
    run: PathBuf,
    /// Print it as one JSON object with `"v": 1`
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct DiffArgs {
    /// The run: its directory, its id, or the beginning of it
    #[arg(value_name = "DIR|RUN")]
    run: PathBuf,
    /// What the latest visit of this stage changed, not the whole run
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
}

#[derive(Debug, clap::Args)]
struct ForkArgs {
    /// The run: its directory, its id, or the beginning of it
    #[arg(value_name = "DIR|RUN")]
    run: PathBuf,
    /// The stage whose latest visit the new run begins with
    #[arg(long, value_name = "STAGE")]
    from: String,
    /// Keep the new run in DIR, which is empty or not there yet
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct RmArgs {
    /// The runs: their directories, their ids, or the beginnings of them
    #[arg(value_name = "DIR|RUN", required = true)]
    runs: Vec<PathBuf>,
}

/// Does what the verb says.
pub fn run(args: &Args) -> Result<ExitCode, Error> {
    logs::to_stderr(tracing::Level::WARN);
    match &args.verb {
        Verb::List(args) => list(args)?,
        Verb::Show(args) => show(args)?,
        Verb::Diff(args) => {
            let contents = contents(&args.run)?;
            let part = args.stage.clone().map_or(Part::Run, Part::Stage);
            let text = runtime()?.block_on(diff(&contents, &part)).map_err(of_run)?;
            if !text.is_empty() {
                print::text(text.trim_end_matches('\n'));
            }
        }
        Verb::Fork(args) => fork(args)?,
        Verb::Rm(args) => {
            let runtime = runtime()?;
            for run in &args.runs {
                let directory = find(run)?;
                runtime.block_on(remove(&directory)).map_err(of_run)?;
                print::note(format_args!("removed {}", directory.root().display()));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `canon explain`: every hop of a run with the rule behind it.
pub fn explain(args: &ShowArgs) -> Result<ExitCode, Error> {
    logs::to_stderr(tracing::Level::WARN);
    let contents = contents(&args.run)?;
    let hops = run::explain(&contents);
    let finish = contents.end.as_ref();
    if args.json {
        let run = &contents.header.run;
        print::data(json!({ "v": 1, "run": run, "hops": hops, "finish": finish }));
        return Ok(ExitCode::SUCCESS);
    }
    for hop in &hops {
        print::text(&print::plain(&hop.to_string()));
    }
    if let Some(finish) = finish {
        let why = finish.reason.as_deref().unwrap_or("its exit was reached");
        let text = format!("{}: {why}  [{}]", finish.status, finish.rule.cite());
        print::text(&print::plain(&text));
    }
    Ok(ExitCode::SUCCESS)
}

fn contents(run: &std::path::Path) -> Result<Contents, Error> {
    let directory = find(run)?;
    journal::read(&directory.journal()).map_err(|error| Error::input(error.to_string()))
}

fn list(args: &ListArgs) -> Result<(), Error> {
    let home = args.logs.clone().map_or_else(home, Ok)?;
    let runs = run::list(&home)
        .map_err(|error| Error::environment(format!("{}: {error}", home.display())))?;
    let shown = runs.get(..args.limit.min(runs.len())).unwrap_or(&runs);
    if args.json {
        print::data(json!({ "v": 1, "runs": shown }));
        return Ok(());
    }
    for run in shown {
        print::text(&print::plain(&line(run)));
    }
    if runs.len() > shown.len() {
        let more = runs.len() - shown.len();
        print::note(format_args!("{more} more; --limit shows more of them"));
    }
    Ok(())
}

fn line(run: &RunSummary) -> String {
    let RunSummary { id, name, begun, state, stage, usage, .. } = run;
    let stage = stage.as_deref().unwrap_or("-");
    let mut line = format!("{id}  {}  {:<11}  {name}  {stage}", rfc3339(*begun), state.as_str());
    if usage.cost_usd > 0.0 {
        line.push_str(&format!("  $ {:.4}", usage.cost_usd));
    }
    if let Some(reason) = &run.reason {
        line.push_str(&format!("  {}", print::one_line(reason, 100)));
    }
    line
}

fn show(args: &ShowArgs) -> Result<(), Error> {
    let contents = contents(&args.run)?;
    let files = runtime()?.block_on(files_touched(&contents)).map_err(of_run)?;
    let report = run::report(&contents, &files);
    if args.json {
        print::data(json!({ "v": 1, "report": report }));
        return Ok(());
    }
    for line in report_lines(&report) {
        print::text(&print::plain(&line));
    }
    Ok(())
}

/// The report for people.
pub(super) fn report_lines(report: &run::Report) -> Vec<String> {
    let time = |ms: u64| duration(Duration::from_millis(ms));
    let mut head = format!(
        "run {}: {}, {} ({} at work), {}",
        report.run,
        report.state.as_str(),
        time(report.elapsed_ms),
        time(report.active_ms),
        plural(report.attempts, "attempt", "attempts"),
    );
    if report.retries > 0 {
        head.push_str(&format!(", {}", plural(report.retries, "retry", "retries")));
    }
    if report.usage.total_tokens() > 0 {
        head.push_str(&format!(", {} tokens", grouped(report.usage.total_tokens())));
    }
    if report.usage.cost_usd > 0.0 {
        head.push_str(&format!(", $ {:.4}", report.usage.cost_usd));
    }
    let mut lines = vec![head];
    for stage in &report.stages {
        let mut line = format!(
            "  {:<24} {:<15} {}",
            stage.stage,
            stage.status.as_str(),
            time(stage.duration_ms)
        );
        if stage.visits > 1 {
            line.push_str(&format!(", {} visits", stage.visits));
        }
        if stage.retries > 0 {
            line.push_str(&format!(", {}", plural(stage.retries, "retry", "retries")));
        }
        if stage.usage.total_tokens() > 0 {
            line.push_str(&format!(", {} tokens", grouped(stage.usage.total_tokens())));
        }
        if !stage.files.is_empty() {
            line.push_str(&format!(", {}", plural(stage.files.len() as u64, "file", "files")));
        }
        lines.push(line);
    }
    if let Some(stuck) = &report.stuck {
        lines.push(format!("stuck at {}: {}", stuck.stage, print::one_line(&stuck.why, 200)));
    }
    for file in &report.files {
        let count = |lines: Option<u64>| lines.map_or("-".to_owned(), |lines| lines.to_string());
        lines.push(format!("  +{} -{} {}", count(file.added), count(file.removed), file.path));
    }
    lines
}

fn fork(args: &ForkArgs) -> Result<(), Error> {
    let from = find(&args.run)?;
    let kept = Kept::read(&from)?;
    let header =
        journal::read(&from.journal()).map_err(|error| Error::input(error.to_string()))?.header;
    let source = check::read(&from.graph())?;
    let mut prepare = Prepare::new().base(&kept.base).inputs(header.inputs.clone());
    if let Some(dialect) = header.dialect.as_deref().and_then(Dialect::parse) {
        prepare = prepare.dialect(dialect);
    }
    let prepared = prepare.prepare(&source).map_err(|refused| Error::input(refused.to_string()))?;
    let id = canon_runtime::id::new("run");
    let into = fresh(args.logs.as_deref(), &id)?;
    let forked = run::fork(&prepared.graph, &from, &args.from, &into, &id);
    runtime()?.block_on(forked).map_err(of_run)?;
    kept.write(&into)?;
    print::data(&id);
    let name = if args.logs.is_some() { into.root().display().to_string() } else { id };
    print::note(format_args!("`canon run --resume {name}` goes on with it"));
    Ok(())
}
