//! What is to be run: the pipeline made ready, and the run's place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use canon_pipeline::run::journal::{self, Header};
use canon_pipeline::run::{From, RunDirectory};
use canon_pipeline::{Backend, Diagnostic, Dialect, Graph, Lines, Prepare, Refused};

use super::Args;
use super::backend::{Which, backend};
use super::kept::{Kept, Way, find, fresh};
use crate::cli::words::plural;
use crate::cli::{check, print};
use crate::error::Error;

/// A run that can begin, or go on.
pub(super) struct Job {
    pub(super) id: String,
    pub(super) graph: Graph,
    pub(super) source: String,
    pub(super) inputs: BTreeMap<String, String>,
    pub(super) directory: RunDirectory,
    pub(super) kept: Kept,
    pub(super) way: Way,
    pub(super) backend: Arc<dyn Backend>,
}

impl Job {
    pub(super) fn of(args: &Args) -> Result<Self, Error> {
        match &args.resume {
            Some(run) => Self::resumed(args, run),
            None => Self::begun(args),
        }
    }

    fn begun(args: &Args) -> Result<Self, Error> {
        let Some(file) = &args.file else {
            return Err(Error::input("there is no pipeline to run; name its file"));
        };
        let cwd = current_directory()?;
        let source = check::read(file)?;
        let base = base_of(file, &cwd)?;
        let inputs = args.inputs()?;
        let graph = prepare(args, file, &source, &base, &inputs, args.dialect)?;
        let mut kept = options(args, Kept::new(file.clone(), base, cwd));
        if let Some(repo) = &mut kept.repo {
            *repo = repo
                .canonicalize()
                .map_err(|error| Error::input(format!("--repo {}: {error}", repo.display())))?;
        }
        let id = canon_runtime::id::new("run");
        let backend = backend(&kept, &graph)?;
        let directory = fresh(args.logs.as_deref(), &id)?;
        kept.write(&directory)?;
        Ok(Self { id, graph, source, inputs, directory, kept, way: Way::Begin, backend })
    }

    fn resumed(args: &Args, run: &Path) -> Result<Self, Error> {
        let directory = find(run)?;
        let header = header(&directory)?;
        let mut kept = Kept::read(&directory)?;
        let file = match &args.file {
            Some(file) => {
                kept.base = base_of(file, &current_directory()?)?;
                file.clone()
            }
            None => directory.graph(),
        };
        let source = check::read(&file)?;
        let dialect = args.dialect.or_else(|| header.dialect.as_deref().and_then(Dialect::parse));
        let graph = prepare(args, &file, &source, &kept.base, &header.inputs, dialect)?;
        let kept = options(args, kept);
        let backend = backend(&kept, &graph)?;
        let from = args.from.clone().map_or(From::Here, From::Stage);
        Ok(Self {
            id: header.run,
            graph,
            source,
            inputs: header.inputs,
            directory,
            kept,
            way: Way::Resume(from),
            backend,
        })
    }
}

/// What a run is, as its journal says.
pub(in crate::cli) fn header(directory: &RunDirectory) -> Result<Header, Error> {
    let contents = journal::read(&directory.journal());
    contents.map(|contents| contents.header).map_err(|error| Error::input(error.to_string()))
}

/// What the flags change of how the run was begun.
fn options(args: &Args, kept: Kept) -> Kept {
    let backend = if args.simulate { Some(Which::Simulation) } else { args.backend };
    // A model that was named belongs to the provider beside it.
    let (provider, model) = match (&args.provider, &args.model) {
        (None, None) => (kept.provider, kept.model),
        (provider, model) => (provider.clone(), model.clone()),
    };
    let scripted = provider.as_deref() == Some("scripted");
    let model = model.map(|model| absolute_transcript(model, scripted));
    Kept {
        repo: args.repo.clone().or(kept.repo),
        backend: backend.unwrap_or(kept.backend),
        model,
        provider,
        agent_command: args.agent_command.clone().or(kept.agent_command),
        sandbox: args.sandbox.unwrap_or(kept.sandbox),
        network: args.network || kept.network,
        ..kept
    }
}

/// The path of a transcript, for processes that begin elsewhere and for later.
fn absolute_transcript(model: String, scripted: bool) -> String {
    let whole = |path: &str| std::path::absolute(path).map(|path| path.display().to_string());
    match model.strip_prefix("scripted/") {
        Some(path) if !scripted => {
            whole(path).map_or(model.clone(), |path| format!("scripted/{path}"))
        }
        _ if scripted => whole(&model).unwrap_or(model),
        _ => model,
    }
}

/// Parse, transforms, checks; what is found is shown as `canon check` does.
fn prepare(
    args: &Args,
    file: &Path,
    source: &str,
    base: &Path,
    inputs: &BTreeMap<String, String>,
    dialect: Option<Dialect>,
) -> Result<Graph, Error> {
    let mut prepare = Prepare::new().base(base).inputs(inputs.clone());
    if let Some(dialect) = dialect {
        prepare = prepare.dialect(dialect);
    }
    match prepare.prepare(source) {
        Ok(prepared) => {
            if !args.quiet && !args.json {
                mention(file, &prepared.diagnostics);
            }
            let unused = inputs.keys().find(|name| !prepared.inputs.contains(*name));
            match unused {
                Some(name) if args.resume.is_none() => Err(Error::input(format!(
                    "--input {name}: the pipeline has no `$inputs.{name}`"
                ))),
                _ => Ok(prepared.graph),
            }
        }
        Err(Refused { diagnostics }) => {
            check::show_findings(file, &diagnostics, &Lines::new(source));
            let errors = diagnostics.iter().filter(|found| found.is_error()).count();
            let errors = plural(errors as u64, "error", "errors");
            Err(Error::input(format!("{}: {errors}; nothing was run", file.display())))
        }
    }
}

/// Findings that keep nothing from running, in one line.
fn mention(file: &Path, found: &[Diagnostic]) {
    if !found.is_empty() {
        let found = plural(found.len() as u64, "finding", "findings");
        let file = file.display();
        print::note(format_args!("{found} about {file}; `canon check {file}` shows what"));
    }
}

fn current_directory() -> Result<PathBuf, Error> {
    std::env::current_dir()
        .and_then(|cwd| cwd.canonicalize())
        .map_err(|error| Error::environment(format!("the current directory: {error}")))
}

/// The directory of a pipeline's file; of standard input, the current one.
fn base_of(file: &Path, cwd: &Path) -> Result<PathBuf, Error> {
    if file.as_os_str() == "-" {
        return Ok(cwd.to_owned());
    }
    let wrong = |error| Error::input(format!("{}: {error}", file.display()));
    let whole = std::path::absolute(file).map_err(wrong)?;
    whole.parent().unwrap_or(cwd).canonicalize().map_err(wrong)
}
