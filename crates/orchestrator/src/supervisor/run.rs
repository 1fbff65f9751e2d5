//! The supervisor's own process: one loop over its descriptors, no threads, no runtime, so that
//! hundreds of them cost little.

mod agent;
mod connection;

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use canon_exec::group::{self, Signal};
use canon_exec::namespace;
use canon_runtime::clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::agent::Agent;
use self::connection::Connection;
use super::dir::{DirError, SessionDir, Spec};
use super::frame::{ExitStatus, Frame, Hello, Welcome};
use super::journal::{Direction, JournalError, Writer};

/// How long an agent may take to end by itself once its input has ended.
const AFTER_INPUT: Duration = Duration::from_millis(400);
/// After the agent's end, how long leftovers may hold its output open.
const DRAIN: Duration = Duration::from_millis(500);
/// After everything was sent, how long an attached daemon has to read it.
const LINGER: Duration = Duration::from_secs(5);
/// A journal of more bytes ends its session: it could fill the disk, and could not be replayed.
const MAX_JOURNAL: u64 = 256 * 1024 * 1024;
/// At least this often children that were left to us are reaped.
const REAP_EVERY: Duration = Duration::from_secs(30);

/// Why a supervisor could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The session's directory is not usable.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// The journal is not writable.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Another supervisor holds the session, or a daemon has declared it dead.
    #[error("session {0} has a supervisor already, or was declared dead")]
    Taken(String),
    /// Anything that the system refused.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

fn system(what: &'static str) -> impl Fn(io::Error) -> RunError {
    move |source| RunError::System { what, source }
}

/// What the launcher reports on its standard output, one JSON object a line.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// By the launcher: the supervisor runs under this process id.
    Launched { pid: u32, containment: String },
    /// By the supervisor: the agent runs and the socket listens.
    Ready,
    /// By either: it could not be done.
    Failed(String),
}

fn report(report: &Report) {
    let mut line = serde_json::to_vec(report).unwrap_or_default();
    line.push(b'\n');
    // Nobody may be listening any more: a daemon that died meanwhile learns it from the lock.
    let _ = io::stdout().write_all(&line).and_then(|()| io::stdout().flush());
}

/// The launcher: a short-lived process that leaves the daemon's session and process group, makes
/// the PID namespace where it can, and starts the supervisor `program inner…` in it.
pub fn launcher_main(program: &Path, inner: &[&std::ffi::OsStr]) -> Result<(), RunError> {
    let result = launch_inner(program, inner);
    if let Err(error) = &result {
        report(&Report::Failed(error.to_string()));
    }
    result
}

fn launch_inner(program: &Path, inner: &[&std::ffi::OsStr]) -> Result<(), RunError> {
    // Fails only for a leader of a session or group, which is as good.
    let _ = rustix::process::setsid();
    let report_on = namespace::unshare_pid().map_err(system("the session cannot be contained"))?;
    let containment = serde_json::to_value(report_on.containment).unwrap_or_default();
    let child = std::process::Command::new(program)
        .args(inner)
        .stdin(std::process::Stdio::null())
        .spawn()
        .map_err(system("the supervisor cannot be started"))?;
    report(&Report::Launched {
        pid: child.id(),
        containment: containment.as_str().unwrap_or("unknown").to_owned(),
    });
    Ok(())
}

/// The supervisor of the session in `dir`; returns when the session is over.
pub fn supervisor_main(dir: &Path) -> Result<(), RunError> {
    let mut supervisor = match Supervisor::start(SessionDir::at(dir)) {
        Ok(supervisor) => supervisor,
        Err(error) => {
            report(&Report::Failed(error.to_string()));
            return Err(error);
        }
    };
    report(&Report::Ready);
    leave_stdout().map_err(system("standard output cannot be left"))?;
    supervisor.run()
}

/// Nobody reads it from here on; holding it would keep the daemon's pipe open.
fn leave_stdout() -> io::Result<()> {
    let null = std::fs::File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(&null)?)
}

struct Supervisor {
    dir: SessionDir,
    spec: Spec,
    _lock: std::fs::File,
    journal: Writer,
    listener: UnixListener,
    agent: Agent,
    /// A peer that has not said hello yet.
    newcomer: Option<Connection>,
    daemon: Option<Connection>,
    epoch: u64,
    inputs: u64,
    alone_since: Option<Instant>,
    stop: Option<Stop>,
    ended: Option<Ended>,
}

/// The agent is being ended.
struct Stop {
    term_at: Instant,
    termed: bool,
    kill_at: Instant,
    reason: &'static str,
    killed: bool,
}

/// The agent has ended.
struct Ended {
    exit: ExitStatus,
    drain_until: Instant,
    settled: bool,
    linger_until: Instant,
}

impl Supervisor {
    fn start(dir: SessionDir) -> Result<Self, RunError> {
        let spec = dir.spec()?;
        let taken = || RunError::Taken(spec.attempt_id.clone());
        let lock = dir.lock()?.ok_or_else(taken)?;
        if dir.is_declared_dead() {
            return Err(taken());
        }
        if std::process::id() == 1 {
            // Without it the namespace still ends everything with us; only numbers in /proc differ.
            if let Err(error) = namespace::mount_proc() {
                log(&format!("/proc of the session's namespace cannot be mounted: {error}"));
            }
        }
        group::become_subreaper().map_err(system("orphans cannot be adopted"))?;
        let journal = Writer::create(&dir.journal())?;
        let (_handle, socket) = dir.socket()?;
        let listener = UnixListener::bind(&socket).map_err(system("the socket cannot be bound"))?;
        listener.set_nonblocking(true).map_err(system("the socket cannot be set up"))?;
        let agent = Agent::spawn(&spec, &dir.stderr()).map_err(system("bash cannot be started"))?;
        Ok(Self {
            dir,
            spec,
            _lock: lock,
            journal,
            listener,
            agent,
            newcomer: None,
            daemon: None,
            epoch: 0,
            inputs: 0,
            alone_since: Some(Instant::now()),
            stop: None,
            ended: None,
        })
    }

    fn run(&mut self) -> Result<(), RunError> {
        while !self.is_over() {
            self.wait().map_err(system("waiting failed"))?;
            self.accept();
            self.serve_connections();
            if let Err(error) = self.serve_agent() {
                // An unrecorded session must not go on: it could not be taken up again.
                log(&error);
                self.end_agent("journal");
            }
            if self.journal.length() > MAX_JOURNAL {
                self.end_agent("journal_full");
            }
            self.reap();
            self.check_deadlines();
            self.settle()?;
        }
        Ok(())
    }

    /// Waits until a descriptor is ready or the next deadline has come.
    fn wait(&self) -> io::Result<()> {
        let mut wanted: Vec<(BorrowedFd<'_>, PollFlags)> =
            vec![(self.listener.as_fd(), PollFlags::IN)];
        if self.ended.is_none() {
            wanted.push((self.agent.exit_fd(), PollFlags::IN));
        }
        wanted.extend(self.agent.poll_fds());
        for connection in self.newcomer.iter().chain(&self.daemon) {
            wanted.push(connection.poll_fd(self.journal.length()));
        }
        let mut fds: Vec<PollFd<'_>> =
            wanted.iter().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let timeout = self.next_deadline();
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn next_deadline(&self) -> Duration {
        let orphaned = self.alone_since.map(|since| since + self.orphan_grace());
        let kill = self
            .stop
            .as_ref()
            .filter(|stop| !stop.killed)
            .map(|stop| if stop.termed { stop.kill_at } else { stop.term_at });
        let ended = self
            .ended
            .as_ref()
            .map(|ended| if ended.settled { ended.linger_until } else { ended.drain_until });
        let now = Instant::now();
        [orphaned.filter(|_| self.stop.is_none() && self.ended.is_none()), kill, ended]
            .into_iter()
            .flatten()
            .map(|at| at.saturating_duration_since(now) + Duration::from_millis(1))
            .fold(REAP_EVERY, Duration::min)
    }

    fn orphan_grace(&self) -> Duration {
        Duration::from_millis(self.spec.orphan_grace_ms)
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            match Connection::new(stream, &self.dir.journal()) {
                Ok(connection) => self.newcomer = Some(connection),
                Err(error) => log(&error),
            }
        }
    }

    fn serve_connections(&mut self) {
        if let Some(mut newcomer) = self.newcomer.take() {
            match newcomer.receive() {
                Ok(frames) if frames.is_empty() => self.newcomer = Some(newcomer),
                Ok(frames) => self.greet(newcomer, frames),
                Err(_) => {}
            }
        }
        if let Some(mut daemon) = self.daemon.take() {
            match daemon.receive() {
                Ok(frames) => {
                    self.daemon = Some(daemon);
                    for frame in frames {
                        self.obey(frame);
                    }
                }
                Err(_) => self.alone_since = Some(Instant::now()),
            }
        }
        if let Some(daemon) = &mut self.daemon
            && daemon.send_records(self.journal.length()).is_err()
        {
            self.daemon = None;
            self.alone_since = Some(Instant::now());
        }
    }

    fn greet(&mut self, mut newcomer: Connection, frames: Vec<Frame>) {
        let mut frames = frames.into_iter();
        let Some(Frame::Hello(Hello { epoch, from })) = frames.next() else { return };
        if epoch < self.epoch {
            newcomer.farewell(&Frame::Fenced);
            return;
        }
        if let Some(mut old) = self.daemon.take() {
            old.farewell(&Frame::Fenced);
        }
        self.epoch = epoch;
        self.alone_since = None;
        newcomer.welcome(
            &Frame::Welcome(Welcome {
                next: self.journal.next(),
                inputs: self.inputs,
                agent_pid: self.agent.pid(),
            }),
            from,
        );
        self.daemon = Some(newcomer);
        for frame in frames {
            self.obey(frame);
        }
    }

    fn obey(&mut self, frame: Frame) {
        match frame {
            // A line that an earlier daemon, or an earlier connection, has sent already.
            Frame::Input { number, .. } if number < self.inputs => {}
            Frame::Input { line, .. } => {
                self.inputs += 1;
                let at = clock::now_ms();
                match self.journal.append(at, Direction::ToAgent, line.clone()) {
                    Ok(()) => self.agent.write_line(&line),
                    Err(error) => {
                        log(&error);
                        self.end_agent("journal");
                    }
                }
            }
            Frame::Stop => self.end_agent("told"),
            _ => {}
        }
    }

    fn serve_agent(&mut self) -> Result<(), JournalError> {
        self.agent.flush_input();
        self.agent.copy_stderr();
        for line in self.agent.read_lines() {
            let (direction, bytes) = match line {
                canon_protocol::lines::Line::Data(bytes) => (Direction::FromAgent, bytes.to_vec()),
                canon_protocol::lines::Line::TooLong { len, head } => {
                    let mut bytes = len.to_le_bytes().to_vec();
                    bytes.extend_from_slice(&head);
                    (Direction::FromAgentTooLong, bytes)
                }
            };
            self.journal.append(clock::now_ms(), direction, bytes)?;
        }
        Ok(())
    }

    /// Takes the status of every child that has ended, adopted ones included.
    fn reap(&mut self) {
        for child in group::reap_all() {
            if child.pid != self.agent.pid() || self.ended.is_some() {
                continue;
            }
            let now = Instant::now();
            self.ended = Some(Ended {
                exit: ExitStatus {
                    code: child.exit_code,
                    signal: child.signal,
                    ended_by: self.stop.as_ref().map(|stop| stop.reason.to_owned()),
                },
                drain_until: now + DRAIN,
                settled: false,
                linger_until: now + DRAIN + LINGER,
            });
        }
    }

    fn check_deadlines(&mut self) {
        let now = Instant::now();
        if self.alone_since.is_some_and(|since| now >= since + self.orphan_grace()) {
            self.end_agent("orphaned");
        }
        if let Some(stop) = &mut self.stop
            && !stop.termed
            && now >= stop.term_at
        {
            stop.termed = true;
            self.agent.signal(Signal::Term);
        }
        if let Some(stop) = &mut self.stop
            && !stop.killed
            && now >= stop.kill_at
        {
            stop.killed = true;
            self.agent.signal(Signal::Kill);
            kill_all();
        }
    }

    /// The end of its input, then TERM to the agent's group, then KILL to all that is left.
    fn end_agent(&mut self, reason: &'static str) {
        if self.stop.is_some() || self.ended.is_some() {
            return;
        }
        self.agent.close_input();
        let term_at = Instant::now() + AFTER_INPUT;
        let kill_at = term_at + Duration::from_millis(self.spec.grace_ms);
        self.stop = Some(Stop { term_at, termed: false, kill_at, reason, killed: false });
    }

    /// Once the agent has ended and its output is drained: leftovers are killed, the end is on
    /// record, and an attached daemon is told after the last line.
    fn settle(&mut self) -> Result<(), RunError> {
        let Some(ended) = &mut self.ended else { return Ok(()) };
        if !ended.settled && (self.agent.is_drained() || Instant::now() >= ended.drain_until) {
            ended.settled = true;
            let exit = ended.exit.clone();
            kill_all();
            if let Some(canon_protocol::lines::Line::Data(bytes)) = self.agent.last_line() {
                self.journal.append(clock::now_ms(), Direction::FromAgent, bytes.to_vec())?;
            }
            self.dir.write_exit(&exit)?;
        }
        let (settled, exit) = (ended.settled, ended.exit.clone());
        if settled
            && let Some(daemon) = &mut self.daemon
            && daemon.finish(self.journal.length(), &Frame::Exited(exit)).is_err()
        {
            self.daemon = None;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| {
            ended.settled && (self.daemon.is_none() || Instant::now() >= ended.linger_until)
        })
    }
}

/// Ends every process that is left, however it tried to get away.
fn kill_all() {
    match group::kill_descendants(Signal::Kill) {
        Ok(report) if report.survivors == 0 => {}
        Ok(report) => log(&format!("{} processes survive", report.survivors)),
        Err(error) => log(&error),
    }
}

/// The supervisor's own complaints; its standard error is a file in the session's directory.
#[allow(clippy::print_stderr)]
fn log(error: &dyn std::fmt::Display) {
    eprintln!("at={} {error}", clock::rfc3339(clock::now_ms()));
}
