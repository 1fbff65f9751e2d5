//! Running commands and touching files under a policy.
//!
//! A policy is turned into zones (longest prefix wins); both backends and the in-process file
//! operations are derived from the same zones, so that a tool and a shell command see one truth.

mod bubblewrap;
mod environment;
mod git;
mod helper;
mod landlock;
mod launcher;
mod plan;
mod policy;
mod probe;
mod protection;
mod report;
mod scratch;
mod seccomp;
mod sockets;

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::MemfdFlags;

pub use environment::{SandboxedEnvironment, probe_policy};
pub(crate) use git::Guard;
pub use helper::helper_main;
pub(crate) use launcher::Launcher;
pub use policy::{HelperCommand, SandboxOptions, SandboxPolicy, well_known_secrets};
pub(crate) use protection::Protection;
pub use report::{Backend, SandboxError, SandboxReport, WhyNot};
pub(crate) use scratch::Scratch;

/// A file without a name, to hand to a child; a pipe could fill up before the child reads.
fn memory_file(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file.into())
}
