//! Flags that say where an agent's files and commands are, if not in the sandbox of this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use canon_exec::sandbox::SandboxPolicy;
use canon_exec::{
    ContainerOptions, Destination, DockerEnvironment, DockerError, DockerOptions,
    ExecutionEnvironment, SshEnvironment, SshOptions,
};

use crate::bridge::agent::Sandbox;
use crate::error::Error;

/// At most one place.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Elsewhere {
    /// Work in a running Docker container; needs `--sandbox danger-full-access`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["container_image", "ssh"])]
    container: Option<String>,
    /// Work in a new Docker container of this image, with the working directory mounted in it
    #[arg(long, value_name = "IMAGE", conflicts_with = "ssh")]
    container_image: Option<String>,
    /// Work on another machine through ssh: [USER@]HOST[:PORT]; needs `--sandbox danger-full-access`
    #[arg(long, value_name = "DEST")]
    ssh: Option<String>,
    /// The directory there, with --container or --ssh; the one of a login unless said
    #[arg(long, value_name = "DIR", conflicts_with = "container_image")]
    remote_dir: Option<PathBuf>,
}

impl Elsewhere {
    /// The flags that lead to other files than those of the directory on this machine, if any do.
    pub(super) fn flags(&self) -> Option<String> {
        let place = match (&self.container, &self.ssh) {
            (Some(name), _) => format!("--container {name}"),
            (_, Some(destination)) => format!("--ssh {destination}"),
            _ => return None,
        };
        let dir = self.remote_dir.as_ref();
        Some(
            dir.map_or_else(
                || place.clone(),
                |dir| format!("{place} --remote-dir {}", dir.display()),
            ),
        )
    }

    /// The environment that was asked for: elsewhere, or `sandbox` in `cwd`.
    ///
    /// # Errors
    /// It cannot be had, or would confine less than the sandbox that was asked for.
    pub(super) async fn environment(
        &self,
        sandbox: &Sandbox,
        cwd: &Path,
    ) -> Result<Arc<dyn ExecutionEnvironment>, Error> {
        let there = self.remote_dir.as_deref().unwrap_or(Path::new(""));
        if let Some(name) = &self.container {
            unconfined("a container that runs already", sandbox)?;
            let found = DockerEnvironment::attach(name, there, DockerOptions::default()).await;
            return Ok(Arc::new(found.map_err(of_docker)?));
        }
        if let Some(destination) = &self.ssh {
            unconfined("another machine", sandbox)?;
            let destination: Destination =
                destination.parse().map_err(|error| Error::input(format!("--ssh: {error}")))?;
            let found = SshEnvironment::connect(destination, there, SshOptions::default()).await;
            return Ok(Arc::new(found.map_err(|error| Error::environment(error.to_string()))?));
        }
        if let Some(image) = &self.container_image {
            let container = ContainerOptions {
                policy: sandbox.policy.clone(),
                masked_paths: sandbox.masked.clone(),
                ..ContainerOptions::new(image)
            };
            let made = DockerEnvironment::start(cwd, &container, DockerOptions::default()).await;
            return Ok(Arc::new(made.map_err(of_docker)?));
        }
        if self.remote_dir.is_some() {
            return Err(Error::input("--remote-dir says nothing without --container or --ssh")
                .hint("`--cd` is the directory on this machine"));
        }
        sandbox.environment(cwd).await
    }
}

/// What confines nothing is not taken for the sandbox that stands among the flags, or by default.
fn unconfined(place: &str, sandbox: &Sandbox) -> Result<(), Error> {
    if sandbox.policy == SandboxPolicy::DangerFullAccess {
        return Ok(());
    }
    let mode = sandbox.policy.mode();
    Err(Error::input(format!(
        "nothing of Canon's confines commands in {place}, so `{mode}` cannot be had there"
    ))
    .hint("say `--sandbox danger-full-access` if that is meant"))
}

fn of_docker(error: DockerError) -> Error {
    match error {
        DockerError::BadName { .. } | DockerError::FullAccess | DockerError::BadMount { .. } => {
            Error::input(error.to_string())
        }
        other => Error::environment(other.to_string()),
    }
}
