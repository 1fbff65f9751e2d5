//! The tool calls of one reply, each a task of its own, as far as they do not depend on each
//! other.

use std::sync::Arc;

use canon_exec::ExecutionEnvironment;
use canon_llm::ToolCall;
use canon_runtime::task::{TaskSpec, spawn};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::session::event::{Event, ToolNews};
use crate::tools::{
    Access, CallError, CommandTimeouts, OutputDeltas, Pending, Prepared, ToolContext, ToolOutput,
    ToolRegistry, waits_for,
};

/// What tools work with.
pub(super) struct Workshop {
    pub(super) env: Arc<dyn ExecutionEnvironment>,
    pub(super) timeouts: CommandTimeouts,
    pub(super) parallel: bool,
    pub(super) inbox: mpsc::Sender<Event>,
}

/// A round under way; dropping it drops what still runs.
pub(super) struct ToolRound {
    cancel: CancellationToken,
    tasks: Vec<AbortHandle>,
}

impl ToolRound {
    /// Starts the calls; each sends exactly one `Finished`, unless it panics or is dropped.
    pub(super) fn start(
        id: u64,
        calls: &[ToolCall],
        registry: &ToolRegistry,
        workshop: &Workshop,
    ) -> (Self, Vec<JoinHandle<()>>) {
        let cancel = CancellationToken::new();
        let prepared: Vec<_> = calls.iter().map(|call| registry.prepare(call)).collect();
        let access: Vec<Access> = prepared
            .iter()
            .map(|prepared| match prepared {
                Ok(Prepared { tool, arguments }) => tool.access(arguments, workshop.env.as_ref()),
                Err(_) => Access::Independent,
            })
            .collect();
        let done: Vec<CancellationToken> = calls.iter().map(|_| CancellationToken::new()).collect();
        let mut handles = Vec::with_capacity(calls.len());
        let orders = calls.iter().zip(prepared).zip(waits_for(&access, workshop.parallel));
        for (index, ((call, prepared), waits)) in orders.enumerate() {
            let job = Job {
                round: id,
                index,
                prepared,
                before: waits.into_iter().map(|at| done[at].clone()).collect(),
                _done: done[index].clone().drop_guard(),
                context: ToolContext {
                    env: Arc::clone(&workshop.env),
                    cancel: cancel.clone(),
                    call_id: call.id.clone(),
                    output: OutputDeltas::default(),
                    timeouts: workshop.timeouts,
                },
                inbox: workshop.inbox.clone(),
            };
            handles.push(spawn(TaskSpec::new("agent tool call"), job.run()));
        }
        let tasks = handles.iter().map(JoinHandle::abort_handle).collect();
        (Self { cancel, tasks }, handles)
    }

    /// Tells all calls to end.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl Drop for ToolRound {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// One call on its way.
struct Job {
    round: u64,
    index: usize,
    prepared: Result<Prepared, CallError>,
    /// The calls that must be done before.
    before: Vec<CancellationToken>,
    /// Tells those that wait for this one, even when it panics.
    _done: DropGuard,
    context: ToolContext,
    inbox: mpsc::Sender<Event>,
}

impl Job {
    async fn run(self) {
        for token in &self.before {
            tokio::select! {
                () = token.cancelled() => {}
                () = self.context.cancel.cancelled() => break,
            }
        }
        let output = if self.context.cancel.is_cancelled() {
            ToolOutput::error("[ERROR: The call was cancelled before it ran.]")
        } else {
            self.send(ToolNews::Started).await;
            match &self.prepared {
                Ok(prepared) => self.run_tool(prepared.clone()).await,
                Err(refused) => ToolOutput::error(refused.to_string()),
            }
        };
        if let Some(why) = self.context.env.defect() {
            // A driver that is gone needs no news.
            let _ = self.inbox.send(Event::EnvironmentLost { why }).await;
        }
        self.send(ToolNews::Finished(output)).await;
    }

    /// Runs the tool and forwards its live output. A full inbox holds the output up, never the
    /// tool: it must go on to be polled, since its process would not be killed otherwise.
    async fn run_tool(&self, prepared: Prepared) -> ToolOutput {
        let deltas = self.context.output.clone();
        let pending = Pending::new(deltas.clone());
        let mut work = prepared.tool.run(prepared.arguments, self.context.clone());
        let mut next: Option<String> = None;
        let output = loop {
            tokio::select! {
                biased;
                output = &mut work => break output,
                text = pending.next(), if next.is_none() => next = Some(text),
                Ok(permit) = self.inbox.reserve(), if next.is_some() => {
                    if let Some(text) = next.take() {
                        permit.send(self.event(ToolNews::Output(text)));
                    }
                }
            }
        };
        let rest = next.unwrap_or_default() + &deltas.take().unwrap_or_default();
        if !rest.is_empty() {
            self.send(ToolNews::Output(rest)).await;
        }
        output
    }

    async fn send(&self, news: ToolNews) {
        // A driver that is gone needs no news.
        let _ = self.inbox.send(self.event(news)).await;
    }

    fn event(&self, news: ToolNews) -> Event {
        Event::Tool { round: self.round, index: self.index, news }
    }
}
