//! Stages that are shell commands, and a fan-in that takes the first branch that did not fail.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use canon_exec::{ExecCommand, ExecutionEnvironment, LocalExecutionEnvironment};
use canon_pipeline::outcome::FailureClass;
use canon_pipeline::run::RunDirectory;
use canon_pipeline::run::git::{GitWorkspaces, Repository};
use canon_pipeline::{Handler, Outcome, Registry, Stage};

/// Exit code of a command that wants to be run again.
const AGAIN: i32 = 75;

struct Shell;

#[async_trait]
impl Handler for Shell {
    async fn execute(&self, stage: &Stage) -> Outcome {
        let mut command = ExecCommand::new(stage.node().attrs().text("tool_command"));
        command.env.extend(stage.variables());
        command.env.insert("ATTEMPT".to_owned(), stage.attempt.attempt.to_string());
        command.env.insert("VISIT".to_owned(), stage.attempt.visit.to_string());
        command.cancel = stage.cancel.clone();
        match stage.environment.exec_command(command).await {
            Ok(done) if done.success() => Outcome::success(done.stdout.trim()),
            Ok(done) if done.exit_code == Some(AGAIN) => {
                Outcome::retry("again", FailureClass::Transient)
            }
            Ok(done) => Outcome::fail(done.combined),
            Err(error) => Outcome::fail(error.to_string()),
        }
    }
}

struct First;

#[async_trait]
impl Handler for First {
    async fn execute(&self, stage: &Stage) -> Outcome {
        let results = stage.context.get("parallel.results").and_then(|value| value.as_array());
        let best = results.into_iter().flatten().find(|result| result["status"] != "fail");
        let Some(best) = best else { return Outcome::fail("no branch succeeded") };
        let commit = best["commit"].as_str().unwrap_or_default();
        match stage.workspaces.adopt(&stage.attempt.frame, commit).await {
            Ok(()) => Outcome::success(best["id"].as_str().unwrap_or_default()),
            Err(error) => Outcome::fail(error.to_string()),
        }
    }
}

/// Handlers of both.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register("codergen", Arc::new(Shell));
    registry.register("tool", Arc::new(Shell));
    registry.register("parallel.fan_in", Arc::new(First));
    registry
}

/// Worktrees of a run in which commands run as they are.
pub(crate) async fn workspaces(repository: &Path, logs: &Path, run: &str) -> GitWorkspaces {
    let repository = Repository::open(repository).await.unwrap();
    let make = |files: std::path::PathBuf| {
        let made = LocalExecutionEnvironment::new(&files)
            .map(|local| Arc::new(local) as Arc<dyn ExecutionEnvironment>)
            .map_err(|error| error.to_string());
        Box::pin(std::future::ready(made)) as _
    };
    GitWorkspaces::new(repository, &RunDirectory::new(logs), run, Box::new(make)).unwrap()
}
