//! `canon supervise`: the process that holds a session (hidden).

use std::path::PathBuf;
use std::process::ExitCode;

use canon_orchestrator::supervisor;

use crate::error::Error;

/// What a supervisor is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Be the supervisor itself, not its launcher
    #[arg(long)]
    inner: bool,
    /// The session's directory
    dir: PathBuf,
}

/// Launches the supervisor, or is it.
pub fn run(args: Args) -> Result<ExitCode, Error> {
    let result = if args.inner {
        supervisor::supervisor_main(&args.dir)
    } else {
        let program = std::env::current_exe()
            .map_err(|error| Error::environment(format!("cannot find this program: {error}")))?;
        let inner = ["supervise".as_ref(), "--inner".as_ref(), args.dir.as_os_str()];
        supervisor::launcher_main(&program, &inner)
    };
    result.map(|()| ExitCode::SUCCESS).map_err(|error| Error::environment(error.to_string()))
}
