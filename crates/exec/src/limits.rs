//! What commands may use up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of commands; `None` is no limit. What they mean depends on who keeps them: the kernel
/// for each process of a sandboxed command ([`SandboxOptions`](crate::SandboxOptions)), the engine
/// for a container as a whole ([`ContainerOptions`](crate::docker::ContainerOptions)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// bytes of memory: of each process in a sandbox (data that it alone has, `RLIMIT_DATA`), of
    /// all together in a container
    pub memory: Option<u64>,
    /// processes and threads at a time
    pub processes: Option<u64>,
    /// processor time of each process, in whole seconds
    pub cpu_time: Option<Duration>,
    /// bytes of each file that is written
    pub file_size: Option<u64>,
    /// descriptors of each process
    pub open_files: Option<u64>,
    /// bytes in `/dev/shm` and, in bubblewrap, in `/dev` as a whole
    pub shared_memory: Option<u64>,
}
