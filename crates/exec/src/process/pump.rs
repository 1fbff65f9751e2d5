//! Moving bytes: the program's input in, its output out, at the same time as something else.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::capture::Capture;
use super::{OutputChunk, OutputSink, OutputStream, Stdin};

const BUFFER: usize = 32 * 1024;

/// The three pipes of a program.
pub(super) struct Pump {
    stdin: Option<ChildStdin>,
    input: Vec<u8>,
    written: usize,
    /// input is not closed after its last byte
    holds: bool,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    buffers: (Vec<u8>, Vec<u8>),
    captures: Captures,
}

struct Captures {
    stdout: Capture,
    stderr: Capture,
    combined: Capture,
    sink: Option<OutputSink>,
}

/// What was kept.
pub(super) struct Output {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) combined: String,
    pub(super) dropped: u64,
}

impl Pump {
    pub(super) fn new(
        child: &mut Child,
        stdin: Stdin,
        limit: usize,
        sink: Option<OutputSink>,
    ) -> Self {
        let input = match stdin {
            Stdin::None => Vec::new(),
            Stdin::Bytes(bytes) => bytes,
        };
        Self {
            stdin: child.stdin.take(),
            input,
            written: 0,
            holds: false,
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            buffers: (vec![0; BUFFER], vec![0; BUFFER]),
            captures: Captures {
                stdout: Capture::new(limit),
                stderr: Capture::new(limit),
                combined: Capture::new(limit),
                sink,
            },
        }
    }

    /// Input stays open until [`close_input`](Self::close_input) or the program's end.
    pub(super) fn hold_input(&mut self) {
        self.holds = true;
    }

    pub(super) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Moves bytes until `other` is done.
    pub(super) async fn during<T>(&mut self, other: impl Future<Output = T>) -> T {
        tokio::pin!(other);
        loop {
            tokio::select! {
                biased;
                done = &mut other => return done,
                () = self.step() => {}
            }
        }
    }

    /// Takes what output is still there: to its end, but no longer than `limit`.
    pub(super) async fn drain(&mut self, limit: Duration) {
        self.stdin = None;
        let to_the_end = async {
            while !self.is_at_end() {
                self.step().await;
            }
        };
        let _open_pipe_is_abandoned = tokio::time::timeout(limit, to_the_end).await;
    }

    /// Nobody holds the output open any more.
    pub(super) fn is_at_end(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    pub(super) fn finish(self) -> Output {
        let Captures { stdout, stderr, combined, .. } = self.captures;
        let dropped = stdout.dropped() + stderr.dropped();
        Output {
            stdout: stdout.into_text(),
            stderr: stderr.into_text(),
            combined: combined.into_text(),
            dropped,
        }
    }

    /// One chunk of something; never completes when all pipes are closed.
    async fn step(&mut self) {
        let Self { stdin, input, written, holds, stdout, stderr, buffers, captures } = self;
        let only_held = *holds && *written == input.len();
        tokio::select! {
            count = read(stdout, &mut buffers.0) => {
                captures.take(OutputStream::Stdout, &buffers.0[..count]);
                if count == 0 { *stdout = None; }
            }
            count = read(stderr, &mut buffers.1) => {
                captures.take(OutputStream::Stderr, &buffers.1[..count]);
                if count == 0 { *stderr = None; }
            }
            count = write(stdin, &input[*written..]), if !only_held => {
                *written += count;
                // Also when nobody reads any more (count 0): closing is all that is left to do.
                if count == 0 || (*written == input.len() && !*holds) { *stdin = None; }
            }
        }
    }
}

impl Captures {
    fn take(&mut self, stream: OutputStream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match stream {
            OutputStream::Stdout => self.stdout.push(bytes),
            OutputStream::Stderr => self.stderr.push(bytes),
        }
        self.combined.push(bytes);
        if let Some(sink) = &self.sink {
            sink.send(OutputChunk { stream, bytes: bytes.to_vec() });
        }
    }
}

/// Bytes read; 0 at the end, which a broken pipe is too.
async fn read(from: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    match from {
        Some(from) => from.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

async fn write(to: &mut Option<ChildStdin>, bytes: &[u8]) -> usize {
    match to {
        Some(to) => to.write(bytes).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}
