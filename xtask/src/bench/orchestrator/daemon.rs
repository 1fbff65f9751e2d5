//! One run of `canon up` from its start to its end, watched from outside.

use std::fs::File;
use std::process::{Child, ChildStderr, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, wait, waitid,
};

use super::super::proc;
use super::site::{Site, cannot};
use crate::failure::Failure;
use crate::workspace::cannot_run;

/// Between two looks at the process.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long supervisors have to end after their daemon.
const LEFTOVERS: Duration = Duration::from_secs(10);

/// What a run took.
pub(super) struct Taken {
    pub(super) wall: Duration,
    /// Of the daemon's own process.
    pub(super) cpu: Duration,
    /// Of supervisors, shells and agents.
    pub(super) others_cpu: Duration,
    /// Resident memory of the daemon at its highest.
    pub(super) peak_kib: u64,
    /// Memory that one supervisor has for itself: the most that was seen.
    pub(super) supervisor_kib: u64,
    pub(super) status: ExitStatus,
}

/// A daemon that runs; it is ended with all its sessions when this is dropped.
pub(super) struct Daemon {
    child: Child,
    started: Instant,
    waited_before: Duration,
}

impl Daemon {
    pub(super) fn start(mut command: Command) -> Result<Self, Failure> {
        let waited_before = proc::waited_time();
        let started = Instant::now();
        let child = command.spawn().map_err(|error| cannot_run(&command, &error))?;
        Ok(Self { child, started, waited_before })
    }

    /// With its output in files of the site.
    pub(super) fn start_quietly(site: &Site, mut command: Command) -> Result<Self, Failure> {
        let file = |name: &str| {
            File::create(site.path().join(name)).map_err(|error| cannot("make a file", &error))
        };
        command.stdout(file("stdout")?).stderr(file("stderr")?);
        Self::start(command)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    fn is_over(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        pid(&self.child).is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
    }

    /// Watches it to its end, or ends it after `limit`.
    pub(super) fn watch(mut self, limit: Duration) -> Result<Taken, Failure> {
        let mut peak_kib = 0;
        let mut supervisor_kib = 0;
        let mut look = 0_u32;
        while !self.is_over() {
            if self.started.elapsed() > limit {
                let seconds = limit.as_secs();
                return Err(Failure::work(format!("`canon up` was not done after {seconds} s")));
            }
            peak_kib = proc::kib(self.pid(), "status", "VmHWM").unwrap_or(0).max(peak_kib);
            if look.is_multiple_of(20)
                && let Some(supervisor) = proc::a_child(self.pid())
            {
                let own = |member| proc::kib(supervisor, "smaps_rollup", member).unwrap_or(0);
                supervisor_kib = (own("Private_Dirty") + own("Private_Clean")).max(supervisor_kib);
            }
            look += 1;
            std::thread::sleep(LOOK_EVERY);
        }
        let wall = self.started.elapsed();
        let cpu = proc::own_time(self.pid()).unwrap_or_default();
        let status = self.child.wait().map_err(|error| cannot("wait for canon", &error))?;
        reap();
        let all = proc::waited_time().saturating_sub(self.waited_before);
        let others_cpu = all.saturating_sub(cpu);
        Ok(Taken { wall, cpu, others_cpu, peak_kib, supervisor_kib, status })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Some(pid) = pid(&self.child) {
            // As Ctrl-C does: the sessions end too.
            let _ = kill_process(pid, Signal::INT);
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.is_over() && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        reap();
    }
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// Waits for the supervisors that the daemon has left to us; their grace is shorter than this.
fn reap() {
    let deadline = Instant::now() + LEFTOVERS;
    while Instant::now() < deadline {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(LOOK_EVERY),
            Err(_) => return,
        }
    }
}
