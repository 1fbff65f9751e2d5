//! `canon graph`: a pipeline is drawn.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use canon_pipeline::{Diagnostic, Graph, Lines, draw};

use super::{check, print};
use crate::error::Error;

/// Mistakes of the source that are shown.
const MOST_SHOWN: usize = 10;

/// What to draw.
///
/// The picture is SVG. A pipeline that `canon check` finds wrong is drawn too, as long as it can
/// be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline, a DOT file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the picture into this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Draws it.
pub fn run(args: &Args) -> Result<ExitCode, Error> {
    let shown = args.file.display();
    let source = check::read(&args.file)?;
    let parsed = Graph::parse(&source)
        .map_err(|refused| unreadable(&args.file, &source, &refused.diagnostics))?;
    let picture = draw::svg(&parsed.graph, &draw::Options::default()).map_err(|error| {
        Error::input(format!("{shown}: {error}")).hint("draw parts of it, in files of their own")
    })?;
    match &args.output {
        None => print::text(picture.trim_end()),
        Some(path) => std::fs::write(path, picture).map_err(|error| {
            Error::environment(format!("cannot write {}: {error}", path.display()))
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn unreadable(path: &Path, source: &str, found: &[Diagnostic]) -> Error {
    let lines = Lines::new(source);
    let mut message = format!("{} cannot be read", path.display());
    for diagnostic in found.iter().filter(|found| found.is_error()).take(MOST_SHOWN) {
        message.push_str("\n  ");
        if let Some(span) = diagnostic.span {
            let at = lines.locate(span.start);
            message.push_str(&format!("{}:{}: ", at.line, at.column));
        }
        message.push_str(&diagnostic.message);
    }
    Error::input(message).hint("`canon check` shows the lines")
}
