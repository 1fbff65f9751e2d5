//! `canon graph`: a pipeline is drawn.

use std::path::PathBuf;
use std::process::ExitCode;

use canon_pipeline::{Graph, Lines, draw};

use super::{check, print};
use crate::error::Error;

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
    let parsed = match Graph::parse(&source) {
        Ok(parsed) => parsed,
        Err(refused) => {
            check::show_findings(&args.file, &refused.diagnostics, &Lines::new(&source));
            return Err(Error::input(format!("{shown} cannot be read")));
        }
    };
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
