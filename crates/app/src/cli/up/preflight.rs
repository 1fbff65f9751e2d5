//! What can be known to fail before the first poll.

use std::path::Path;
use std::time::Duration;

use canon_exec::process::{Script, Shell, run};
use canon_exec::sandbox::SandboxPolicy;
use canon_orchestrator::config::AgentKind;
use canon_orchestrator::settings::Settings;

use crate::bridge::agent::{Model, Sandbox, model_name, policy_of_wire};
use crate::cli::print;
use crate::error::Error;

/// Checks that the agent can be started as the workflow wants it, and says what was found.
pub(super) async fn check(
    settings: &Settings,
    model: Option<&str>,
    state: &Path,
) -> Result<(), Error> {
    match settings.config.agent.kind {
        AgentKind::Codex => check_command(&settings.config.codex.command).await,
        AgentKind::Canon => {
            check_model(settings, model)?;
            check_sandbox(settings, state).await
        }
    }
}

/// A command that does not exist would fail every attempt (Symphony §6.3).
async fn check_command(command: &str) -> Result<(), Error> {
    let Some(program) = program(command) else { return Ok(()) };
    let mut script = Script::new(format!("command -v -- {program}"), "/");
    script.shell = Shell::BashLogin;
    script.timeout = Some(Duration::from_secs(20));
    let found = run(script).await.map_err(|error| Error::environment(error.to_string()))?;
    if found.success() {
        return Ok(());
    }
    Err(Error::environment(format!("codex.command: the program `{program}` is not found"))
        .hint("install it, or name another command in the workflow file")
        .hint("`agent: {kind: canon}` uses Canon's own agent, which needs no installation"))
}

/// The program that a shell command starts with, where that can be told.
fn program(command: &str) -> Option<&str> {
    let word = command.split_whitespace().find(|word| *word != "exec")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/+".contains(c);
    (word.chars().all(plain) && !word.starts_with('-')).then_some(word)
}

fn check_model(settings: &Settings, model: Option<&str>) -> Result<(), Error> {
    let agent = &settings.config.agent;
    let wanted = match model {
        Some(model) => Some(model.to_owned()),
        None => match (agent.provider.as_deref(), agent.model.as_deref()) {
            (Some("scripted"), Some(path)) => {
                Some(format!("scripted/{}", settings.workflow.dir().join(path).display()))
            }
            (provider, model) => model_name(provider, model)?,
        },
    };
    let model = Model::connect(wanted.as_deref())?;
    if model.provider() == "scripted" {
        let transcript = Path::new(model.id()).file_name().unwrap_or_default().display();
        print::note(format_args!("agent: canon, model {transcript} (scripted: no model is asked)"));
    } else {
        print::note(format_args!("agent: canon, model {}/{}", model.provider(), model.id()));
    }
    Ok(())
}

async fn check_sandbox(settings: &Settings, state: &Path) -> Result<(), Error> {
    let codex = &settings.config.codex;
    if codex.approval_policy.as_str() == Some("untrusted") {
        return Err(Error::input(
            "codex.approval_policy: `untrusted` asks about every command, and there is nobody here who answers",
        )
        .hint("set codex.approval_policy to never"));
    }
    let root = &settings.config.workspace.root;
    let turn = codex.turn_sandbox_policy_for(root);
    let policy = match codex.thread_sandbox.as_str() {
        Some("danger-full-access") => SandboxPolicy::DangerFullAccess,
        Some("read-only") => SandboxPolicy::read_only(),
        Some("workspace-write") => SandboxPolicy::workspace_write(),
        _ => {
            return Err(Error::input(format!(
                "codex.thread_sandbox: found {}, expected read-only, workspace-write or danger-full-access",
                codex.thread_sandbox
            )));
        }
    };
    policy_of_wire(&turn, root)
        .map_err(|error| Error::input(format!("codex.turn_sandbox_policy: {error}")))?;
    let scratch = std::env::temp_dir();
    let sandbox = Sandbox { policy, masked: vec![state.to_owned()] };
    let report = sandbox.probe(&scratch).await?;
    print::note(format_args!(
        "sandbox: {} {} ({}, {})",
        report.backend,
        report.version,
        report.mode,
        if report.network { "with network" } else { "no network" },
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn the_program_of_a_command_is_its_first_plain_word() {
        assert_eq!(program("codex app-server"), Some("codex"));
        assert_eq!(program("exec /opt/bin/codex --config 'a=\"b\"'"), Some("/opt/bin/codex"));
        assert_eq!(program("A=1 codex"), None);
        assert_eq!(program("$CODEX app-server"), None);
        assert_eq!(program("(cd x; codex)"), None);
    }
}
