//! Finding and ending what a command started, where a group alone is not enough.

use crate::group::{Pid, Signal, group_exists, kill_group, kill_process, related_processes};

/// Every process that one command started. Each carries the command's marker in its environment,
/// so that `setsid` and double forks do not hide it.
#[derive(Debug)]
pub(crate) struct Tree {
    leader: Pid,
    marker: String,
    /// the leader is a sandbox that would take its command down before that had its grace
    leader_is_wrapper: bool,
    finished: bool,
}

impl Tree {
    /// Name of the variable that marks a command's processes.
    pub(crate) const MARKER: &'static str = "CANON_EXEC_ID";

    pub(crate) fn new(leader: Pid, marker: String, leader_is_wrapper: bool) -> Self {
        Self { leader, marker, leader_is_wrapper, finished: false }
    }

    /// TERM to all, except to a wrapper.
    pub(crate) fn terminate(&self) {
        if !self.leader_is_wrapper {
            let _gone = kill_group(self.leader, Signal::Term);
        }
        for pid in self.living() {
            if pid != self.leader {
                let _gone = kill_process(pid, Signal::Term);
            }
        }
    }

    /// KILL to all, again until none is left or it seems hopeless (uninterruptible sleep).
    pub(crate) fn kill(&self) {
        for _ in 0..20 {
            let _gone = kill_group(self.leader, Signal::Kill);
            let living = self.living();
            if living.is_empty() {
                return;
            }
            for pid in living {
                let _gone = kill_process(pid, Signal::Kill);
            }
        }
    }

    /// A cheap look: false says that the group has no member, not even a zombie.
    pub(crate) fn group_has_members(&self) -> bool {
        group_exists(self.leader)
    }

    /// A thorough look at the process table.
    pub(crate) fn living(&self) -> Vec<Pid> {
        related_processes(self.leader, Self::MARKER, &self.marker)
    }

    /// Nothing is left: dropping must not signal a number that may soon be another's.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for Tree {
    /// The task that looked after the command was dropped (the runtime ends): no time for grace.
    fn drop(&mut self) {
        if !self.finished {
            self.kill();
        }
    }
}
