//! Starting children in groups of their own.

use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use rustix::process::{Resource, Rlimit};

use crate::process::spawner;

mod descriptors;

/// What a child does to itself between fork and exec.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChildSetup {
    /// new session (and with it a new group), else only a new group
    pub(crate) session: bool,
    /// KILL when the starting thread ends; only for threads that live as long as the process
    pub(crate) die_with_parent: bool,
    /// descriptors above 2 that stay open across exec
    pub(crate) inherited: Vec<RawFd>,
    /// soft and hard limits of what it may use
    pub(crate) limits: Vec<(Resource, u64, u64)>,
}

/// Starts a command as leader of a new session and group, killed when this process ends. Every
/// descriptor above 2 is closed in it. The start happens on a thread that lives as long as this
/// process does, because the kernel ties "parent" to a thread.
///
/// # Errors
/// The program cannot be started.
pub fn spawn_in_group(command: &mut Command) -> io::Result<Child> {
    prepare_child(
        command,
        ChildSetup { session: true, die_with_parent: true, ..ChildSetup::default() },
    );
    spawner::spawn_blocking_std(command)
}

/// [`spawn_in_group`] for a child that must outlive this process: a supervisor.
///
/// # Errors
/// The program cannot be started.
pub fn spawn_detached(command: &mut Command) -> io::Result<Child> {
    prepare_child(command, ChildSetup { session: true, ..ChildSetup::default() });
    command.spawn()
}

/// Keeps every descriptor above 2 from the program that this process becomes. For a process with
/// one thread.
pub(crate) fn close_on_exec_above_streams() -> io::Result<()> {
    descriptors::close_on_exec_above(2)
}

/// Registers the set-up; it runs in the child after the standard streams were put in place.
#[allow(unsafe_code)]
pub(crate) fn prepare_child(command: &mut Command, setup: ChildSetup) {
    let parent = rustix::process::getpid();
    let child_side = move || set_up_child(&setup, parent);
    // SAFETY: the closure runs between fork and exec, where only async-signal-safe work is allowed.
    // It makes direct system calls through rustix (linux_raw backend: no libc, no locks) and uses
    // a buffer on the stack; it neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(child_side);
    }
}

/// Runs in the child. See [`prepare_child`] for what it may do.
fn set_up_child(setup: &ChildSetup, parent: rustix::process::Pid) -> io::Result<()> {
    if setup.session {
        rustix::process::setsid()?;
    }
    if setup.die_with_parent {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // The parent may have ended before the line above: then nobody would send the signal. A
        // parent outside this PID namespace shows as none, and cannot be checked.
        if rustix::process::getppid().is_some_and(|now| now != parent) {
            return Err(rustix::io::Errno::SRCH.into());
        }
    }
    for (resource, soft, hard) in &setup.limits {
        limit(*resource, *soft, *hard)?;
    }
    descriptors::close_on_exec_above(2)?;
    setup.inherited.iter().try_for_each(|fd| descriptors::keep_across_exec(*fd))
}

/// A limit that is lower already stays: who is not root could not raise it.
fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let held = rustix::process::getrlimit(resource);
    let lower = |held: Option<u64>, wanted: u64| Some(held.map_or(wanted, |held| held.min(wanted)));
    let (current, maximum) = (lower(held.current, soft), lower(held.maximum, hard));
    Ok(rustix::process::setrlimit(resource, Rlimit { current, maximum })?)
}
