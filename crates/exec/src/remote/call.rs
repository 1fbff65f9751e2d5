//! One script, run elsewhere.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::frames::Frame;
use super::{Carrier, Remote, encode};
use crate::environment::FileError;
use crate::process::{
    Capture, EnvPolicy, ExecError, ExecResult, Invocation, OutputChunk, OutputSink, OutputStream,
    Stdin, run_invocation_then,
};

const COMMON: &[u8] = include_bytes!("common.sh");
const FILES: &[u8] = include_bytes!("files.sh");
/// Bytes of standard error that an operation keeps, for its message.
const COMPLAINT_LIMIT: usize = 4096;

/// What to run there and how long.
pub(super) struct Call {
    pub(super) script: Vec<u8>,
    pub(super) input: Vec<u8>,
    /// input stays open until the end: its closing tells the other side to end the command
    pub(super) holds_input: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) output_limit: usize,
    /// bytes of standard output that are kept as they are
    pub(super) raw_limit: u64,
    pub(super) cancel: CancellationToken,
    pub(super) on_output: Option<OutputSink>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    /// how the script ended, in its own words; `None`: the connection broke
    pub(super) ended: Option<String>,
    /// the script had begun
    pub(super) begun: bool,
    pub(super) result: ExecResult,
    /// standard output as it is
    pub(super) stdout: Vec<u8>,
    /// more of it than was wanted
    pub(super) too_much: bool,
    /// what the connection said
    pub(super) diagnosis: String,
    /// the word in this call's marks
    pub(super) nonce: String,
}

/// Sorts what arrives.
struct Receiver {
    stdout: (Frame, Capture),
    stderr: (Frame, Capture),
    combined: Capture,
    raw: Vec<u8>,
    raw_limit: u64,
    too_much: bool,
    stop: CancellationToken,
    on_output: Option<OutputSink>,
}

impl Receiver {
    fn take(&mut self, chunk: &OutputChunk) {
        let (frame, capture) = match chunk.stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        let own = frame.push(&chunk.bytes);
        if own.is_empty() {
            return;
        }
        capture.push(&own);
        self.combined.push(&own);
        if chunk.stream == OutputStream::Stdout && self.raw_limit > 0 {
            if (self.raw.len() + own.len()) as u64 > self.raw_limit {
                self.too_much = true;
                self.stop.cancel();
            } else {
                self.raw.extend_from_slice(&own);
            }
        }
        if let Some(sink) = &self.on_output {
            sink.send(OutputChunk { stream: chunk.stream, bytes: own });
        }
    }
}

impl<C: Carrier> Remote<C> {
    /// Runs a script there. That the connection broke is part of the reply.
    pub(super) async fn call(&self, call: Call) -> Result<Reply, ExecError> {
        let unreachable =
            |why| ExecError::Unreachable { place: self.carrier.place(), why, output: None };
        // The semaphore is never closed.
        let _place = self.at_once.acquire().await;
        let guard = self.carrier.guard();
        if let Some(guard) = &guard {
            guard.check()?;
        }
        let argv = self.carrier.argv(encode::BOOTSTRAP).await.map_err(unreachable)?;
        let nonce = canon_runtime::id::new("say");
        let mut script = format!("n='{nonce}'\n").into_bytes();
        script.extend_from_slice(COMMON);
        script.extend(call.script);
        let mut input = encode::line(&script);
        input.extend(call.input);

        let stop = call.cancel.child_token();
        let receiver = Arc::new(Mutex::new(Receiver {
            stdout: (Frame::new(&nonce), Capture::new(call.output_limit)),
            stderr: (Frame::new(&nonce), Capture::new(call.output_limit)),
            combined: Capture::new(call.output_limit),
            raw: Vec::new(),
            raw_limit: call.raw_limit,
            too_much: false,
            stop: stop.clone(),
            on_output: call.on_output,
        }));
        let sink = Arc::clone(&receiver);
        let invocation = Invocation {
            argv,
            cwd: "/".into(),
            env: carrier_environment().resolve_current(),
            timeout: call.timeout,
            grace: self.options.grace,
            output_limit: 0,
            stdin: Stdin::Bytes(input),
            cancel: stop,
            on_output: Some(OutputSink::new(move |chunk| {
                sink.lock().unwrap_or_else(PoisonError::into_inner).take(&chunk);
            })),
            inherited: Vec::new(),
            is_wrapper: false,
            holds_input: call.holds_input,
            limits: crate::Limits::default(),
        };
        let done = run_invocation_then(invocation, move || match guard {
            Some(guard) => Ok(guard.restore().map(|_| ())?),
            None => Ok(()),
        });
        let result = done.await?;
        let mut reply = sorted(&receiver, result, nonce);
        if reply.ended.is_none() {
            reply.diagnosis = self.carrier.explain(reply.diagnosis).await;
        }
        Ok(reply)
    }

    /// A verb of `files.sh`. What it could not do is an error that names `asked`.
    pub(super) async fn operation_until(
        &self,
        verb: &str,
        asked: &Path,
        words: &[&[u8]],
        input: Option<Vec<u8>>,
        max_bytes: u64,
        cancel: &CancellationToken,
    ) -> Result<Reply, FileError> {
        if words.iter().any(|word| word.contains(&0)) {
            let source = std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "a path cannot hold a NUL byte",
            );
            return Err(FileError::Io { path: asked.to_owned(), source });
        }
        let mut script = FILES.to_vec();
        script.extend(encode::arguments(words.iter().copied()));
        script.extend_from_slice(format!("do_{verb} \"$@\"").as_bytes());
        let call = Call {
            script,
            input: input.unwrap_or_default(),
            holds_input: false,
            timeout: Some(self.options.operation_limit),
            output_limit: COMPLAINT_LIMIT,
            raw_limit: max_bytes.max(1),
            cancel: cancel.clone(),
            on_output: None,
        };
        let reply = self.call(call).await.map_err(|error| match error {
            ExecError::Unreachable { place, why, .. } => FileError::Unreachable { place, why },
            other => FileError::Io { path: asked.to_owned(), source: std::io::Error::other(other) },
        })?;
        if reply.too_much {
            return Err(FileError::TooLarge {
                path: asked.to_owned(),
                size: max_bytes.saturating_add(1),
                limit: max_bytes,
            });
        }
        let path = || asked.to_owned();
        match reply.ended.as_deref() {
            Some("is-directory") => Err(FileError::IsDirectory { path: path() }),
            Some("not-a-directory") => Err(FileError::NotADirectory { path: path() }),
            Some("not-a-file") => Err(FileError::NotAFile { path: path() }),
            Some("fail") => Err(complaint(asked, &reply.result.stderr)),
            Some(said) => match said.strip_prefix("large ") {
                Some(size) => Err(FileError::TooLarge {
                    path: path(),
                    size: size.parse().unwrap_or(u64::MAX),
                    limit: max_bytes,
                }),
                None => Ok(reply),
            },
            None if reply.result.timed_out => Err(self.unreachable_file(format!(
                "no answer within {} s",
                self.options.operation_limit.as_secs()
            ))),
            None => Err(self.unreachable_file(reply.diagnosis)),
        }
    }
}

/// What arrived, each stream by itself.
fn sorted(receiver: &Mutex<Receiver>, mut result: ExecResult, nonce: String) -> Reply {
    let mut receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
    let receiver = &mut *receiver;
    let take = |capture: &mut Capture| std::mem::replace(capture, Capture::new(0));
    let (stdout, stderr) = (take(&mut receiver.stdout.1), take(&mut receiver.stderr.1));
    result.truncated_bytes = stdout.dropped() + stderr.dropped();
    result.stdout = stdout.into_text();
    result.stderr = stderr.into_text();
    result.combined = take(&mut receiver.combined).into_text();
    // Both: nothing is missing of either stream.
    let ended = receiver.stdout.0.ended().and_then(|_| receiver.stderr.0.ended());
    Reply {
        ended: ended.map(str::to_owned),
        begun: receiver.stderr.0.has_begun(),
        stdout: std::mem::take(&mut receiver.raw),
        too_much: receiver.too_much,
        diagnosis: if ended.is_some() { String::new() } else { diagnosis(receiver, &result) },
        result,
        nonce,
    }
}

/// What the carrying program itself gets: no secrets but the way to the user's keys.
pub(crate) fn carrier_environment() -> EnvPolicy {
    let policy = EnvPolicy::default();
    match std::env::var("SSH_AUTH_SOCK") {
        Ok(socket) => policy.with("SSH_AUTH_SOCK", socket),
        Err(_) => policy,
    }
}

fn diagnosis(receiver: &Receiver, result: &ExecResult) -> String {
    let said = [&receiver.stderr.0, &receiver.stdout.0].map(Frame::preamble);
    // After the beginning, the connection's last words come where the command's come.
    let last = result.stderr.lines().last().unwrap_or_default().trim();
    match said.iter().find(|said| !said.is_empty()) {
        _ if receiver.stderr.0.has_begun() && !last.is_empty() => last.to_owned(),
        Some(said) => said.clone(),
        None => match (result.exit_code, result.signal) {
            (Some(status), _) => format!("the connection ended with status {status}"),
            (None, signal) => format!("the connection was ended by signal {}", signal.unwrap_or(0)),
        },
    }
}

/// The tools there say in English what the operating system said.
fn complaint(path: &Path, said: &str) -> FileError {
    use std::io::{Error, ErrorKind};
    let kinds = [
        ("No such file", ErrorKind::NotFound),
        ("Permission denied", ErrorKind::PermissionDenied),
        ("Operation not permitted", ErrorKind::PermissionDenied),
        ("Read-only file system", ErrorKind::ReadOnlyFilesystem),
        ("Is a directory", ErrorKind::IsADirectory),
        ("Not a directory", ErrorKind::NotADirectory),
        ("File exists", ErrorKind::NotADirectory),
        ("Directory not empty", ErrorKind::DirectoryNotEmpty),
    ];
    let said = said.trim();
    let kind = kinds.iter().find(|(words, _)| said.contains(words)).map(|(_, kind)| *kind);
    FileError::from_io(path, Error::new(kind.unwrap_or(ErrorKind::Other), said.to_owned()))
}
