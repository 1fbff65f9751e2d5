//! What commands may use up.

use std::time::Duration;

use rustix::process::Resource;
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
    /// bytes in `/dev/shm`; a sandbox of Landlock has none at all
    pub shared_memory: Option<u64>,
}

impl Limits {
    /// What the kernel keeps for each process that a command starts: soft and hard limits. The
    /// number of processes is not among them, because it is counted for the whole user.
    pub(crate) fn of_each_process(&self) -> Vec<(Resource, u64, u64)> {
        let same = |resource, value: Option<u64>| value.map(|value| (resource, value, value));
        let seconds = self.cpu_time.map(|time| time.as_secs().max(1));
        [
            same(Resource::Data, self.memory),
            same(Resource::Fsize, self.file_size),
            same(Resource::Nofile, self.open_files),
            // A signal that can be handled, and a second later one that cannot.
            seconds.map(|seconds| (Resource::Cpu, seconds, seconds.saturating_add(1))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
