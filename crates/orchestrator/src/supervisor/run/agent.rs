//! The agent's process and its three streams, none of which may block.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use canon_exec::group::{self, Signal};
use canon_protocol::lines::{Line, LineDecoder};
use rustix::event::PollFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::supervisor::dir::Spec;

/// Bytes of standard error that are kept; what comes after is read and dropped.
const STDERR_CAP: u64 = 4 * 1024 * 1024;
/// Bytes read from one stream before the others get their turn.
const READ_AT_ONCE: usize = 1024 * 1024;

/// The agent: `bash -lc COMMAND` in the workspace, in a process group of its own.
pub(super) struct Agent {
    child: Child,
    exit: OwnedFd,
    stdin: Option<ChildStdin>,
    input: VecDeque<u8>,
    close_when_written: bool,
    stdout: Option<ChildStdout>,
    decoder: LineDecoder,
    stderr: Option<ChildStderr>,
    stderr_log: File,
    stderr_room: u64,
}

impl Agent {
    pub(super) fn spawn(spec: &Spec, stderr_log: &Path) -> io::Result<Self> {
        let stderr_log = File::options().create(true).append(true).open(stderr_log)?;
        let mut command = Command::new("bash");
        command
            .args(["-lc", &spec.command])
            .current_dir(&spec.cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = group::spawn_in_group(&mut command)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("a process id out of range"))?;
        let exit = pidfd_open(pid, PidfdFlags::empty())?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        for fd in [
            stdin.as_ref().map(AsFd::as_fd),
            stdout.as_ref().map(AsFd::as_fd),
            stderr.as_ref().map(AsFd::as_fd),
        ]
        .into_iter()
        .flatten()
        {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        Ok(Self {
            child,
            exit,
            stdin,
            input: VecDeque::new(),
            close_when_written: false,
            stdout,
            decoder: LineDecoder::default(),
            stderr,
            stderr_log,
            stderr_room: STDERR_CAP,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Readable once the agent has exited.
    pub(super) fn exit_fd(&self) -> BorrowedFd<'_> {
        self.exit.as_fd()
    }

    pub(super) fn poll_fds(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let stdin = self.stdin.as_ref().filter(|_| !self.input.is_empty());
        let stdin = stdin.map(|stdin| (stdin.as_fd(), PollFlags::OUT));
        let stdout = self.stdout.as_ref().map(|stdout| (stdout.as_fd(), PollFlags::IN));
        let stderr = self.stderr.as_ref().map(|stderr| (stderr.as_fd(), PollFlags::IN));
        [stdin, stdout, stderr].into_iter().flatten()
    }

    pub(super) fn write_line(&mut self, line: &[u8]) {
        if self.stdin.is_some() {
            self.input.extend(line);
            self.input.push_back(b'\n');
            self.flush_input();
        }
    }

    pub(super) fn flush_input(&mut self) {
        while let Some(stdin) = &mut self.stdin
            && !self.input.is_empty()
        {
            match stdin.write(self.input.as_slices().0) {
                Ok(n) => drop(self.input.drain(..n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It reads no more; its exit, if that is what it is, comes by the pidfd.
                Err(_) => self.stdin = None,
            }
        }
        if self.close_when_written {
            self.stdin = None;
        }
    }

    pub(super) fn close_input(&mut self) {
        self.close_when_written = true;
        self.flush_input();
    }

    pub(super) fn read_lines(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        let decoder = &mut self.decoder;
        read_some(&mut self.stdout, |chunk| decoder.push(chunk, &mut lines));
        lines
    }

    /// An unfinished last line.
    pub(super) fn last_line(&mut self) -> Option<Line> {
        self.decoder.finish()
    }

    pub(super) fn copy_stderr(&mut self) {
        let (log, room) = (&mut self.stderr_log, &mut self.stderr_room);
        read_some(&mut self.stderr, |chunk| {
            let kept = usize::try_from(*room).unwrap_or(usize::MAX).min(chunk.len());
            // A full disk costs the agent's diagnostics, never the agent.
            let _ = log.write_all(&chunk[..kept]);
            *room -= kept as u64;
            if *room == 0 && kept > 0 {
                let _ = log.write_all(b"\n[the rest is not kept]\n");
            }
        });
    }

    pub(super) fn is_drained(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// Signals the agent's process group.
    pub(super) fn signal(&self, signal: Signal) {
        // Gone already is as good.
        let _ = group::kill_group(self.pid(), signal);
    }
}

/// Reads what is there, up to a bound; at its end or on an error the stream is dropped.
fn read_some<R: Read>(stream: &mut Option<R>, mut take: impl FnMut(&[u8])) {
    let mut chunk = [0; 64 * 1024];
    let mut total = 0;
    while let Some(reader) = stream
        && total < READ_AT_ONCE
    {
        match reader.read(&mut chunk) {
            Ok(0) => *stream = None,
            Ok(n) => {
                take(&chunk[..n]);
                total += n;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => *stream = None,
        }
    }
}
