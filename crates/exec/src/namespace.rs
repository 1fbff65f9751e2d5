//! A PID namespace for everything that a process starts: when its first process ends, however it
//! ends, the kernel ends all others.
//!
//! A launcher calls [`unshare_pid`] while it has one thread, then starts the supervisor, which is
//! pid 1 of the new namespace and calls [`mount_proc`] first of all.

use std::fs;
use std::io;

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::{CapabilitySet, UnshareFlags};
use serde::{Deserialize, Serialize};

use crate::group;

/// How far a supervisor owns what it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Containment {
    /// The kernel ends everything with the first child (entered with privilege).
    PidNamespace,
    /// The same, inside a user namespace that maps this user to itself.
    UserPidNamespace,
    /// Orphans come back to this process, which has to end them itself; a `kill -9` of it leaves
    /// them behind ([`group::processes_with_env`] finds them).
    Subreaper,
}

/// What [`unshare_pid`] achieved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainmentReport {
    /// what is in force for children from now on
    pub containment: Containment,
    /// why stronger kinds are not, strongest first
    pub why_not: Vec<String>,
}

/// Puts the children of this process into a new PID namespace with private mounts; the first child
/// is its pid 1. Falls back to a user namespace, then to a subreaper.
///
/// Afterwards the kernel lets this process start no more threads: start the supervisor with
/// `Command::spawn` or [`group::spawn_detached`], not with [`group::spawn_in_group`].
///
/// # Errors
/// Not even the last resort works, or the process is left half way (identity maps not writable).
pub fn unshare_pid() -> io::Result<ContainmentReport> {
    let mut why_not = Vec::new();
    match unshare(UnshareFlags::NEWPID | UnshareFlags::NEWNS) {
        Ok(()) => {
            make_mounts_private()?;
            return Ok(ContainmentReport { containment: Containment::PidNamespace, why_not });
        }
        Err(error) => why_not.push(format!("pid namespace: {error}")),
    }
    match enter_user_namespace()? {
        Ok(()) => {
            return Ok(ContainmentReport { containment: Containment::UserPidNamespace, why_not });
        }
        Err(error) => why_not.push(format!("user namespace: {error}")),
    }
    group::become_subreaper()?;
    Ok(ContainmentReport { containment: Containment::Subreaper, why_not })
}

/// Replaces `/proc` by one that shows this PID namespace, then gives up the privilege that this
/// took. To be called by pid 1 of the namespace, before it starts threads or children.
///
/// # Errors
/// The kernel refuses to mount (some containers do): the namespace still ends everything with its
/// pid 1, but `/proc` shows strangers' numbers.
pub fn mount_proc() -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mounted = rustix::mount::mount(c"proc", c"/proc", c"proc", flags, None);
    if !rustix::process::geteuid().is_root() {
        drop_lent_privilege()?;
    }
    mounted?;
    Ok(())
}

#[allow(unsafe_code)]
fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: the one hazard is unsharing the descriptor table under threads that share
    // descriptors; no caller passes that flag.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// The outer result is fatal, the inner one says that nothing has changed.
fn enter_user_namespace() -> io::Result<Result<(), io::Error>> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let flags = UnshareFlags::NEWUSER | UnshareFlags::NEWPID | UnshareFlags::NEWNS;
    if let Err(error) = unshare(flags) {
        return Ok(Err(error.into()));
    }
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    make_mounts_private()?;
    lend_privilege()?;
    Ok(Ok(()))
}

/// Without this, what is mounted in the namespace would appear outside.
fn make_mounts_private() -> io::Result<()> {
    rustix::mount::mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    Ok(())
}

/// An exec as a user other than root drops capabilities unless they are ambient; pid 1 needs one
/// to mount `/proc`.
fn lend_privilege() -> io::Result<()> {
    let mut sets = rustix::thread::capabilities(None)?;
    sets.inheritable |= CapabilitySet::SYS_ADMIN;
    rustix::thread::set_capabilities(None, sets)?;
    rustix::thread::configure_capability_in_ambient_set(CapabilitySet::SYS_ADMIN, true)?;
    Ok(())
}

fn drop_lent_privilege() -> io::Result<()> {
    rustix::thread::clear_ambient_capability_set()?;
    let none = rustix::thread::CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none)?;
    Ok(())
}
