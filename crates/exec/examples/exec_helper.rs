//! The smallest program that offers the sandbox helper and a contained supervisor; the integration
//! tests run it.
//!
//! `sandbox …` is the sandbox helper. `launch CMD…` enters a PID namespace and starts
//! `supervise CMD…` as its first process, which mounts `/proc`, runs the command, and waits.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};

use canon_exec::{group, namespace, sandbox};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let done = match args.next().as_ref().and_then(|verb| verb.to_str()) {
        Some("sandbox") => {
            return u8::try_from(sandbox::helper_main(args))
                .map_or(ExitCode::FAILURE, ExitCode::from);
        }
        Some("launch") => launch(args),
        Some("supervise") => supervise(args),
        Some("subreaper") => subreaper(args),
        _ => Err(io::Error::other("usage: exec_helper sandbox|launch|supervise|subreaper …")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_listens = writeln!(io::stderr(), "exec_helper: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the containment and the supervisor's pid, then waits for it.
fn launch(args: impl Iterator<Item = OsString>) -> io::Result<()> {
    let report = namespace::unshare_pid()?;
    let mut supervisor =
        Command::new(std::env::current_exe()?).arg("supervise").args(args).spawn()?;
    writeln!(io::stdout(), "{:?} {}", report.containment, supervisor.id())?;
    supervisor.wait()?;
    Ok(())
}

fn supervise(args: impl Iterator<Item = OsString>) -> io::Result<()> {
    let mounted = namespace::mount_proc();
    writeln!(io::stdout(), "pid {} mounted {}", std::process::id(), mounted.is_ok())?;
    run(args)
}

fn subreaper(args: impl Iterator<Item = OsString>) -> io::Result<()> {
    group::become_subreaper()?;
    run(args)?;
    // The command has left orphans behind; none may survive.
    let report = group::kill_descendants(group::Signal::Kill)?;
    let reaped = group::reap_all().len();
    writeln!(io::stdout(), "survivors {} reaped {}", report.survivors, reaped > 0)
}

fn run(mut args: impl Iterator<Item = OsString>) -> io::Result<()> {
    let program = args.next().ok_or_else(|| io::Error::other("no command"))?;
    group::spawn_in_group(Command::new(program).args(args))?.wait()?;
    Ok(())
}
