//! One agent's process, and the conversation with it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use canon_exec::EnvPolicy;
use canon_exec::process::{Companion, CompanionCommand, CompanionPipes};
use canon_pipeline::backend::{BackendErrorKind, LlmCall};
use canon_pipeline::engine::EventKind;
use canon_protocol::codex::client::{Client, Event, Exit, ItemPhase, Options, Output, TimerId};
use canon_protocol::lines::LineReader;
use canon_runtime::task::{TaskSpec, spawn};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::Failure;

/// How long an agent may take to end, and to say that its turn is over, once it was told to.
const GRACE: Duration = Duration::from_secs(3);
/// Bytes of what an agent says on standard error that are kept for its failure.
const SAID: usize = 2048;

/// An agent that runs. Dropping it kills it.
pub(super) struct Process {
    pub(super) client: Client,
    companion: Option<Companion>,
    input: Option<ChildStdin>,
    lines: LineReader<ChildStdout>,
    said: Option<JoinHandle<String>>,
    timers: HashMap<TimerId, Instant>,
}

impl Process {
    /// Starts it; it has the variables of this process, keys of providers included.
    pub(super) async fn start(
        argv: Vec<OsString>,
        cwd: &Path,
        variables: Vec<(String, String)>,
        options: Options,
    ) -> Result<Self, Failure> {
        let mut env = EnvPolicy::default();
        let own = std::env::vars_os();
        env.set.extend(own.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        env.set.extend(variables);
        let command = CompanionCommand { argv, cwd: cwd.to_owned(), env };
        let (companion, pipes) = Companion::start(command).await.map_err(|error| {
            let message = format!("the agent cannot be started: {error}");
            Failure::new(BackendErrorKind::Permanent, message)
        })?;
        let CompanionPipes { stdin, stdout, stderr } = pipes;
        Ok(Self {
            client: Client::new(options),
            companion: Some(companion),
            input: Some(stdin),
            lines: LineReader::new(stdout),
            said: Some(spawn(TaskSpec::new("an agent's standard error"), last_words(stderr))),
            timers: HashMap::new(),
        })
    }

    /// Performs what the client orders, and feeds it, until `seen` has what it waits for. When the
    /// stage is to end the turn is interrupted.
    pub(super) async fn until<T>(
        &mut self,
        call: &LlmCall<'_>,
        outputs: Vec<Output>,
        mut seen: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, Failure> {
        let mut outputs = outputs;
        let mut give_up: Option<Instant> = None;
        loop {
            let mut result = None;
            for output in outputs {
                if let Some(event) = self.perform(output).await {
                    tell(call, &event);
                    result = result.or_else(|| seen(&event));
                }
            }
            if let Some(result) = result {
                return Ok(result);
            }
            if self.companion.is_none() {
                let message = format!("the agent ended{}", self.said().await);
                return Err(Failure::new(BackendErrorKind::Permanent, message));
            }
            let due = self.timers.iter().min_by_key(|(_, at)| **at);
            let due = due.map(|(id, at)| (id.clone(), *at));
            outputs = tokio::select! {
                line = self.lines.next() => match line {
                    Ok(Some(line)) => self.client.received(&line),
                    Ok(None) | Err(_) => self.ended().await,
                },
                () = at(due.as_ref().map(|(_, at)| *at)) => match due {
                    Some((id, _)) => {
                        self.timers.remove(&id);
                        self.client.timer(&id)
                    }
                    None => Vec::new(),
                },
                () = call.stage.cancel.cancelled(), if give_up.is_none() => {
                    give_up = Some(Instant::now() + GRACE);
                    self.client.interrupt()
                }
                () = at(give_up) => {
                    let message = "the agent was stopped";
                    return Err(Failure::new(BackendErrorKind::Canceled, message));
                }
            };
        }
    }

    async fn perform(&mut self, output: Output) -> Option<Event> {
        match output {
            Output::Send(mut line) => {
                line.push(b'\n');
                if let Some(input) = &mut self.input {
                    // An agent that is gone is noticed by the end of its output.
                    let _ = input.write_all(&line).await;
                    let _ = input.flush().await;
                }
                None
            }
            Output::SetTimer { id, after_ms } => {
                self.timers.insert(id, Instant::now() + Duration::from_millis(after_ms));
                None
            }
            Output::ClearTimer { id } => {
                self.timers.remove(&id);
                None
            }
            Output::Event(event) => Some(event),
        }
    }

    /// Its output ended: so does it.
    async fn ended(&mut self) -> Vec<Output> {
        self.input = None;
        let status = match self.companion.take() {
            Some(companion) => companion.stop(GRACE).await,
            None => None,
        };
        let code = status.and_then(|status| status.code());
        let signal =
            status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status));
        self.client.exited(Exit { code, signal })
    }

    /// Ends it; what it last said on standard error, to follow a message.
    pub(super) async fn stop(mut self) -> String {
        self.input = None;
        if let Some(companion) = self.companion.take() {
            companion.stop(GRACE).await;
        }
        self.said().await
    }

    async fn said(&mut self) -> String {
        let Some(said) = self.said.take() else { return String::new() };
        match tokio::time::timeout(GRACE, said).await {
            Ok(Ok(said)) if !said.trim().is_empty() => format!("; it said: {}", said.trim()),
            _ => String::new(),
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// The end of what a process says.
async fn last_words(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..read]);
        if kept.len() > 2 * SAID {
            kept.drain(..kept.len() - SAID);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Those who watch see what the agent does, but not every word as it comes.
fn tell(call: &LlmCall<'_>, event: &Event) {
    let text = match event {
        Event::Delta { .. } | Event::RateLimits { .. } | Event::Notification { .. } => return,
        Event::Item { phase: ItemPhase::Completed, item } => Some(item.summary()),
        Event::AgentError { message, .. } => Some(message.clone()),
        _ => None,
    };
    let mut detail = json!({ "kind": "app_server", "frame": call.stage.attempt.frame });
    detail["event"] = json!(event);
    if let Some(text) = text {
        detail["text"] = json!(format!("· {text}"));
    }
    let stage = call.stage.node().id().to_owned();
    call.stage.events.emit(EventKind::StageProgress { stage, detail });
}
