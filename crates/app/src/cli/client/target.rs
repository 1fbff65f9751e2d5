//! Which running `canon up` is meant.

use std::path::{Path, PathBuf};

use canon_orchestrator::driver::StateDir;
use canon_orchestrator::workflow;

use crate::error::Error;
use crate::home;
use crate::server::address;

/// Names a running `canon up`.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// Workflow file of the `canon up` that is meant; default WORKFLOW.md
    #[arg(value_name = "WORKFLOW.md")]
    workflow: Option<PathBuf>,
    /// Address of the `canon up` that is meant, in place of its workflow file
    #[arg(long, value_name = "URL", conflicts_with = "workflow")]
    url: Option<String>,
}

/// Where a daemon is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Without a final slash.
    pub(super) url: String,
    /// The workflow file that it was found by.
    pub(super) workflow: Option<PathBuf>,
}

impl Target {
    /// Where the daemon is said to be; it may still be gone.
    pub(super) fn find(&self) -> Result<Found, Error> {
        match &self.url {
            Some(url) => Ok(Found { url: url.trim_end_matches('/').to_owned(), workflow: None }),
            None => self.find_by_workflow(&home::state()?),
        }
    }

    fn find_by_workflow(&self, home: &Path) -> Result<Found, Error> {
        let given = workflow::resolve_path(self.workflow.as_deref(), Path::new(""));
        let workflow = given.canonicalize().map_err(|error| {
            Error::input(format!("workflow file {}: {error}", given.display()))
                .hint("name the workflow file that `canon up` runs, or its address with --url")
        })?;
        match address::read(&StateDir::of(home, &workflow).address())? {
            Some(address) if address.is_alive() => {
                Ok(Found { url: address.url, workflow: Some(workflow) })
            }
            _ => Err(not_running(&workflow)),
        }
    }
}

/// Nobody runs this workflow, or whoever does has no API.
pub(super) fn not_running(workflow: &Path) -> Error {
    let workflow = workflow.display();
    Error::environment(format!("no canon up is running for {workflow}"))
        .hint(format!("start it with: canon up {workflow} --port 0"))
        .hint("one with another CANON_HOME, or on another machine, is reached with --url")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(workflow: &Path) -> Target {
        Target { workflow: Some(workflow.to_owned()), url: None }
    }

    #[test]
    fn a_daemon_is_found_while_it_lives_and_only_for_its_own_workflow() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (one, other) = (root.join("WORKFLOW.md"), root.join("OTHER.md"));
        std::fs::write(&one, "").unwrap();
        std::fs::write(&other, "").unwrap();
        let file = StateDir::of(&root, &one).address();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();

        let guard = address::write(&file, "http://127.0.0.1:4").unwrap();
        let found = target(&one).find_by_workflow(&root).unwrap();
        assert_eq!(found.url, "http://127.0.0.1:4");
        let error = target(&other).find_by_workflow(&root).unwrap_err().to_string();
        assert!(
            error.contains("no canon up is running for") && error.contains("OTHER.md"),
            "{error}"
        );

        drop(guard);
        let error = target(&one).find_by_workflow(&root).unwrap_err().to_string();
        assert!(error.contains("no canon up is running for"), "{error}");
    }

    #[test]
    fn what_a_dead_daemon_left_counts_as_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let workflow = root.join("WORKFLOW.md");
        std::fs::write(&workflow, "").unwrap();
        let file = StateDir::of(&root, &workflow).address();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let left = format!(r#"{{"url":"http://127.0.0.1:4","pid":{}}}"#, child.id());
        std::fs::write(&file, left).unwrap();
        let error = target(&workflow).find_by_workflow(&root).unwrap_err().to_string();
        assert!(error.contains("no canon up is running for"), "{error}");
    }

    #[test]
    fn a_workflow_file_that_is_not_there_is_wrong_input() {
        let error =
            target(Path::new("/nowhere/WORKFLOW.md")).find_by_workflow(Path::new("/")).unwrap_err();
        assert_eq!(
            format!("{:?}", error.exit_code()),
            format!("{:?}", std::process::ExitCode::from(2))
        );
    }

    #[test]
    fn an_address_needs_no_workflow_file() {
        let target = Target { workflow: Some("x".into()), url: Some("http://h:1/".to_owned()) };
        assert_eq!(target.find().unwrap(), Found { url: "http://h:1".to_owned(), workflow: None });
    }
}
