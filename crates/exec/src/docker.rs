//! A container, through the `docker` program (coding agent loop §4.3): one that runs already, or
//! one started from an image for this environment, with the workspace mounted, and removed with it.

mod arguments;
mod container;
mod engine;
mod error;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::environment::FileError;
use crate::environment::delegate::delegate_to_host;
use crate::limits::Limits;
use crate::remote::{Remote, RemoteOptions};
use crate::sandbox::{Backend, SandboxPolicy, SandboxReport};
use container::{Container, Plan};
use engine::Client;

pub use error::DockerError;

/// How to reach the engine, and what holds for commands in the container.
#[derive(Debug, Clone)]
pub struct DockerOptions {
    /// `docker`, as found on `PATH`, or a path
    pub program: PathBuf,
    /// arguments before the subcommand, such as `--context NAME` or `--host URL`
    pub arguments: Vec<String>,
    /// `UID[:GID]` or `NAME[:GROUP]` that commands run as. `None`: in a container that runs
    /// already, whom it says; in one that is started, the owner of the working directory
    pub user: Option<String>,
    /// what holds for commands and operations there
    pub remote: RemoteOptions,
}

impl Default for DockerOptions {
    fn default() -> Self {
        Self {
            program: "docker".into(),
            arguments: Vec::new(),
            user: None,
            remote: RemoteOptions::default(),
        }
    }
}

/// When the engine may fetch an image from a registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pull {
    /// the image must be there
    #[default]
    Never,
    /// when it is not there
    Missing,
}

/// The container that is started.
#[derive(Debug, Clone)]
pub struct ContainerOptions {
    /// name or id of the image; it needs what every environment elsewhere needs (`bash`, `stat` …)
    pub image: String,
    /// whether the image may be fetched
    pub pull: Pull,
    /// what is mounted, and how; `DangerFullAccess` is refused
    pub policy: SandboxPolicy,
    /// files and directories that become unreadable, whatever is mounted
    pub masked_paths: Vec<PathBuf>,
    /// of the container as a whole
    pub limits: Limits,
    /// processors that it may use, such as 1.5; `None` is no limit
    pub cpus: Option<f64>,
}

impl ContainerOptions {
    /// An image with the workspace writable, no network, and at most 4,096 processes.
    pub fn new(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            pull: Pull::default(),
            policy: SandboxPolicy::workspace_write(),
            masked_paths: Vec::new(),
            limits: Limits { processes: Some(4096), ..Limits::default() },
            cpus: None,
        }
    }
}

/// Runs everything in a container.
#[derive(Debug)]
pub struct DockerEnvironment {
    host: Remote<Container>,
}

impl DockerEnvironment {
    /// Works in a container that runs already. `cwd` is absolute, or relative to the container's
    /// own working directory. The container is left as it is at the end.
    ///
    /// # Errors
    /// The client or the engine is missing, or there is no such running container or directory.
    pub async fn attach(
        container: &str,
        cwd: &Path,
        options: DockerOptions,
    ) -> Result<Self, DockerError> {
        arguments::check_name("container", container)?;
        let remote = options.remote.clone();
        let client = Client::new(&options);
        let version = client.engine().await?.version;
        client.must_run(container).await?;
        let limits = vec![
            "what confines the container is not known here: its mounts, rights, network and \
             limits are those that it was started with"
                .to_owned(),
            "git hooks and configuration in directories that it shares with a machine are not \
             protected"
                .to_owned(),
        ];
        let report = SandboxReport { version, limits, ..SandboxReport::unconfined() };
        let container = Container::attached(client, container.to_owned(), options.user);
        Self::connect(container, cwd, remote, report).await
    }

    /// Starts a container with `workspace` mounted under its own name, and works there. It ends
    /// with [`cleanup`](crate::ExecutionEnvironment::cleanup), when this is dropped, and with this
    /// process. Git's hooks and configuration are read-only in it, as in the sandbox.
    ///
    /// # Errors
    /// The client, the engine or the image is missing, the workspace cannot be mounted safely, or
    /// the engine refused.
    pub async fn start(
        workspace: &Path,
        container: &ContainerOptions,
        options: DockerOptions,
    ) -> Result<Self, DockerError> {
        arguments::check_name("image", &container.image)?;
        if container.policy == SandboxPolicy::DangerFullAccess {
            return Err(DockerError::FullAccess);
        }
        let workspace = crate::local::canonical_directory(workspace)?;
        let remote = options.remote.clone();
        let client = Client::new(&options);
        let engine = client.engine().await?;
        if container.pull == Pull::Never {
            client.must_have(&container.image).await?;
        }
        let plan = Plan::new(&workspace, container, &options, &engine)?;
        let report = SandboxReport {
            mode: container.policy.mode().into(),
            backend: Backend::Docker,
            pid_namespace: true,
            network: container.policy.network(),
            resources: container.limits.clone(),
            limits: plan.limits(container, &engine),
            why_not: Vec::new(),
            version: engine.version,
        };
        let started = Container::started(client, plan, &container.image).await?;
        Self::connect(started, &workspace, remote, report).await
    }

    async fn connect(
        container: Container,
        cwd: &Path,
        remote: RemoteOptions,
        report: SandboxReport,
    ) -> Result<Self, DockerError> {
        let host = Remote::connect(container, cwd, remote, report).await;
        host.map(|host| Self { host }).map_err(|error| match error {
            FileError::Unreachable { why, .. } => DockerError::Other { said: why },
            other => DockerError::Directory(other),
        })
    }

    /// Name of the container.
    pub fn container(&self) -> &str {
        self.host.carrier().name()
    }
}

delegate_to_host!(DockerEnvironment);

/// Shared by the environment and by what runs in it.
type Watch = Arc<crate::sandbox::Guard>;
