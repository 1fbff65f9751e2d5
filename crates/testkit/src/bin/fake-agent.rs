//! A fake Codex app-server agent on stdio; see `canon_testkit::app_server`.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use canon_testkit::app_server::agent::{Setup, run};
use canon_testkit::app_server::{Scenario, env};

fn main() -> ExitCode {
    match setup() {
        Ok(setup) => {
            if setup.scenario.ignore_sigterm && std::env::var_os(env::DEAF).is_none() {
                return become_deaf(&setup.scenario);
            }
            let code = run(setup, std::io::stdin(), std::io::stdout());
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Err(error) => fail(&error),
    }
}

fn setup() -> Result<Setup, String> {
    let cwd = std::env::current_dir().map_err(|error| format!("working directory: {error}"))?;
    let file = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let from = std::env::args().nth(1).or_else(|| std::env::var(env::SCENARIO).ok());
    let scenario = Scenario::read(from.as_deref().unwrap_or("{}"), &cwd)?;
    let scenario = scenario.of_run(file(env::STATE).as_deref(), &cwd);
    Ok(Setup {
        scenario,
        cwd,
        violations: file(env::VIOLATIONS),
        transcript: file(env::TRANSCRIPT),
    })
}

/// An ignored signal stays ignored over exec, so a shell can do it for us.
fn become_deaf(scenario: &Scenario) -> ExitCode {
    let me = match std::env::current_exe() {
        Ok(me) => me,
        Err(error) => return fail(&error.to_string()),
    };
    let error = Command::new("bash")
        .args(["-c", "trap '' TERM; exec \"$0\" \"$@\""])
        .arg(me)
        .arg(scenario.to_json())
        .env(env::DEAF, "1")
        .exec();
    fail(&error.to_string())
}

fn fail(error: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "fake-agent: {error}");
    ExitCode::from(64)
}
