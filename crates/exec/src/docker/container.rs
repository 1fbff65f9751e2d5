//! The container as a place to work in: found, or started and held.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Child;
use tokio::sync::Mutex;

use super::arguments::{self, Mount};
use super::engine::{Client, Engine};
use super::{ContainerOptions, DockerError, DockerOptions, Pull, Watch};
use crate::remote::{Carrier, hold};
use crate::sandbox::{Guard, Protection};

/// How long a container may take to start; with fetching its image.
const START: Duration = Duration::from_secs(60);
const FETCH: Duration = Duration::from_secs(15 * 60);

/// What a container is started with.
#[derive(Debug)]
pub(super) struct Plan {
    name: String,
    argv: Vec<OsString>,
    guard: Guard,
    limit: Duration,
}

impl Plan {
    /// # Errors
    /// Something cannot be mounted safely.
    pub(super) fn new(
        workspace: &Path,
        container: &ContainerOptions,
        options: &DockerOptions,
        engine: &Engine,
    ) -> Result<Self, DockerError> {
        let Protection { zones, guard, repositories } =
            Protection::of(&container.policy, workspace, &container.masked_paths)?;
        let mut mounts = arguments::mounts(&zones, &sockets())?;
        // A worktree's repository lies elsewhere; git has to read it.
        let apart = |path: &PathBuf| zones.deciding(path).path == Path::new("/");
        let read = repositories.into_iter().filter(apart);
        mounts.extend(read.map(|path| Mount::Shown { path, writable: false }));
        let name = canon_runtime::id::new("canon");
        let user = match &options.user {
            Some(user) => user.clone(),
            // Root there is the user here.
            None if engine.rootless => "0:0".to_owned(),
            None => {
                let owner = std::fs::metadata(workspace)
                    .map_err(|error| crate::FileError::from_io(workspace, error))?;
                format!("{}:{}", owner.uid(), owner.gid())
            }
        };
        let argv = arguments::run(&name, workspace, &mounts, &user, container);
        let limit = if container.pull == Pull::Never { START } else { FETCH };
        Ok(Self { name, argv, guard, limit })
    }

    /// For the report.
    pub(super) fn limits(&self, container: &ContainerOptions, engine: &Engine) -> Vec<String> {
        let mut limits = vec![
            "the container shares this machine's kernel".to_owned(),
            "a process that detaches and clears its environment runs until the container ends"
                .to_owned(),
            "git repositories inside the workspace that neither lie at its root nor are named by \
             the index there are not protected: do not run git in them outside"
                .to_owned(),
            "sockets of this machine that lie in the workspace can be reached".to_owned(),
        ];
        if container.limits.memory.is_none() {
            limits.push("memory is not limited".to_owned());
        }
        if engine.remapped {
            limits.push("the engine maps users to others: new files belong to those".to_owned());
        }
        limits
    }
}

/// Where engines listen: whoever can write there can do anything on the machine.
fn sockets() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = [
        "/run/docker.sock",
        "/run/containerd/containerd.sock",
        "/run/podman/podman.sock",
        "/run/crio/crio.sock",
    ]
    .map(PathBuf::from)
    .into();
    if let Ok(host) = std::env::var("DOCKER_HOST") {
        places.extend(host.strip_prefix("unix://").map(PathBuf::from));
    }
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR") {
        places.push(Path::new(&runtime).join("docker.sock"));
        places.push(Path::new(&runtime).join("podman/podman.sock"));
    }
    let real: Vec<PathBuf> = places.iter().filter_map(|place| place.canonicalize().ok()).collect();
    places.into_iter().chain(real).collect()
}

/// A container, and what keeps it.
#[derive(Debug)]
pub(super) struct Container {
    client: Client,
    name: String,
    user: Option<String>,
    own: Option<Own>,
}

/// What only a container of ours has.
#[derive(Debug)]
struct Own {
    /// the client that started it; the container ends with its input
    holder: Mutex<Option<Child>>,
    guard: Watch,
}

impl Container {
    pub(super) fn attached(client: Client, name: String, user: Option<String>) -> Self {
        Self { client, name, user, own: None }
    }

    pub(super) async fn started(
        client: Client,
        plan: Plan,
        image: &str,
    ) -> Result<Self, DockerError> {
        let argv = client.argv(plan.argv);
        let holder = match tokio::time::timeout(plan.limit, hold(&argv)).await {
            Ok(Ok(holder)) => holder,
            Ok(Err(said)) => return Err(DockerError::from_words(&said, image)),
            Err(_) => {
                // The client is gone by now; a container that came after all must not stay.
                let _reported_below = client.remove(&plan.name).await;
                let said = format!("it did not start within {} s", plan.limit.as_secs());
                return Err(DockerError::Other { said });
            }
        };
        let own = Own { holder: Mutex::new(Some(holder)), guard: Arc::new(plan.guard) };
        Ok(Self { client, name: plan.name, user: None, own: Some(own) })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

#[async_trait]
impl Carrier for Container {
    async fn argv(&self, command: &str) -> Result<Vec<OsString>, String> {
        match self.defect() {
            Some(why) => Err(why),
            None => {
                Ok(self.client.argv(arguments::exec(&self.name, self.user.as_deref(), command)))
            }
        }
    }

    fn place(&self) -> String {
        format!("container {}", self.name)
    }

    /// The client says little when a container ends under it; the engine knows more.
    async fn explain(&self, said: String) -> String {
        match DockerError::from_words(&said, &self.name) {
            DockerError::Other { .. } => match self.client.must_run(&self.name).await {
                Ok(()) => said,
                Err(error) => error.to_string(),
            },
            known => known.to_string(),
        }
    }

    /// One of ours is not started again: what was in it besides the workspace is gone.
    fn defect(&self) -> Option<String> {
        let mut holder = self.own.as_ref()?.holder.try_lock().ok()?;
        match holder.as_mut().map(Child::try_wait) {
            Some(Ok(None)) => None,
            _ => Some(format!("the container {} has ended", self.name)),
        }
    }

    fn guard(&self) -> Option<Arc<Guard>> {
        self.own.as_ref().map(|own| Arc::clone(&own.guard))
    }

    async fn close(&self) -> Result<(), String> {
        let Some(own) = &self.own else { return Ok(()) };
        let Some(mut holder) = own.holder.lock().await.take() else { return Ok(()) };
        let removed = self.client.remove(&self.name).await;
        let _already_gone = holder.start_kill();
        let _reaped = holder.wait().await;
        // What detached may have written until now.
        let guard = Arc::clone(&own.guard);
        let restored = tokio::task::spawn_blocking(move || guard.restore()).await;
        removed.map_err(|error| error.to_string())?;
        match restored {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failed)) => Err(crate::ExecError::from(failed).to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}
