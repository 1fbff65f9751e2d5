//! The smallest program that offers the sandbox helper and a contained supervisor; the integration
//! tests run it.
//!
//! `limited …` runs commands that may not have many processes. `sandbox …` is the sandbox helper. `launch CMD…` enters a PID namespace and starts
//! `supervise CMD…` as its first process, which mounts `/proc`, runs the command, and waits.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};
use std::time::Duration;

use canon_exec::{
    ExecCommand, ExecutionEnvironment as _, Limits, SandboxOptions, SandboxPolicy,
    SandboxedEnvironment, group, namespace, sandbox,
};

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
        Some("limited") => limited(args),
        _ => {
            Err(io::Error::other("usage: exec_helper sandbox|launch|supervise|subreaper|limited …"))
        }
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

/// Runs commands one after the other in a sandbox that may have so many processes (0: any number): `N DIR CMD…`.
fn limited(mut args: impl Iterator<Item = OsString>) -> io::Result<()> {
    let mut next = || args.next().and_then(|word| word.into_string().ok()).unwrap_or_default();
    let (processes, directory): (u64, _) = (next().parse().map_err(io::Error::other)?, next());
    let options = SandboxOptions {
        limits: Limits { processes: Some(processes).filter(|most| *most > 0), ..Limits::default() },
        ..SandboxOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let policy = SandboxPolicy::workspace_write();
        let env = SandboxedEnvironment::new(policy, directory, options);
        let env = env.await.map_err(io::Error::other)?;
        for command in args {
            let mut command = ExecCommand::new(command.to_string_lossy());
            command.timeout = (processes > 0).then_some(Duration::from_secs(4));
            let result = env.exec_command(command).await.map_err(io::Error::other)?;
            write!(io::stdout(), "{}", result.stdout)?;
            write!(io::stderr(), "{}", result.stderr)?;
        }
        env.cleanup().await.map_err(io::Error::other)
    })
}

fn run(mut args: impl Iterator<Item = OsString>) -> io::Result<()> {
    let program = args.next().ok_or_else(|| io::Error::other("no command"))?;
    group::spawn_in_group(Command::new(program).args(args))?.wait()?;
    Ok(())
}
