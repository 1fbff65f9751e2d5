//! The tool calls of one reply, each a task of its own, as far as they do not depend on each
//! other.

use std::sync::Arc;

use canon_exec::ExecutionEnvironment;
use canon_llm::ToolCall;
use canon_runtime::task::{TaskSpec, spawn};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::approval::{Approver, PendingCall, Verdict, refusal};
use crate::session::event::{Event, ToolNews};
use crate::subagents::AgentPath;
use crate::tools::{
    Access, CallError, CommandTimeouts, OutputDeltas, Pending, Prepared, ToolContext, ToolOutput,
    ToolRegistry, waits_for,
};

/// What tools work with.
pub(super) struct Workshop {
    pub(super) env: Arc<dyn ExecutionEnvironment>,
    pub(super) approver: Option<Arc<dyn Approver>>,
    pub(super) timeouts: CommandTimeouts,
    pub(super) parallel: bool,
    /// Whose calls they are.
    pub(super) agent: AgentPath,
    /// Whether the model takes images.
    pub(super) images: bool,
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
        let waits = waits_for(&access, workshop.parallel);
        let orders = calls.iter().zip(prepared).zip(access).zip(waits);
        for (index, (((call, prepared), access), waits)) in orders.enumerate() {
            let job = Job {
                round: id,
                index,
                tool_name: call.name.clone(),
                agent: workshop.agent.clone(),
                shown: registry.arguments(call),
                prepared,
                access,
                approver: workshop.approver.clone(),
                images: workshop.images,
                before: waits.into_iter().map(|at| done[at].clone()).collect(),
                _done: done[index].clone().drop_guard(),
                context: ToolContext {
                    env: Arc::clone(&workshop.env),
                    cancel: cancel.clone(),
                    call_id: workshop.agent.call_id(&call.id),
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

fn cancelled() -> ToolNews {
    ToolNews::Finished(ToolOutput::error("[ERROR: The call was cancelled before it ran.]"))
}

/// One call on its way.
struct Job {
    round: u64,
    index: usize,
    tool_name: String,
    agent: AgentPath,
    /// What the host sees of the arguments.
    shown: Value,
    prepared: Result<Prepared, CallError>,
    access: Access,
    approver: Option<Arc<dyn Approver>>,
    images: bool,
    /// The calls that must be done before.
    before: Vec<CancellationToken>,
    /// Tells those that wait for this one, even when it panics.
    _done: DropGuard,
    context: ToolContext,
    inbox: mpsc::Sender<Event>,
}

impl Job {
    async fn run(mut self) {
        for token in &self.before {
            tokio::select! {
                () = token.cancelled() => {}
                () = self.context.cancel.cancelled() => break,
            }
        }
        let dropped = self.context.cancel.is_cancelled();
        let arguments = self.shown.take();
        self.send(ToolNews::Started { arguments }).await;
        let news = if dropped {
            cancelled()
        } else {
            match &self.prepared {
                Ok(prepared) => match self.refused(prepared).await {
                    Some(refused) => refused,
                    None => ToolNews::Finished(self.run_tool(prepared.clone()).await),
                },
                Err(refused) => ToolNews::Finished(ToolOutput::error(refused.to_string())),
            }
        };
        if let Some(why) = self.context.env.defect() {
            // A driver that is gone needs no news.
            let _ = self.inbox.send(Event::EnvironmentLost { why }).await;
        }
        self.send(news).await;
    }

    /// Asks the host; `None` when the call may run.
    async fn refused(&self, prepared: &Prepared) -> Option<ToolNews> {
        let approver = self.approver.as_ref()?;
        let Prepared { tool, arguments } = prepared;
        let call = PendingCall {
            tool_name: self.tool_name.clone(),
            call_id: self.context.call_id.clone(),
            agent_id: self.agent.id().map(str::to_owned),
            access: self.access.clone(),
            working_directory: tool.working_directory(arguments, self.context.env.as_ref()),
            arguments: arguments.clone(),
        };
        let verdict = tokio::select! {
            biased;
            () = self.context.cancel.cancelled() => None,
            verdict = approver.review(&call) => Some(verdict),
        };
        self.send(ToolNews::Reviewed).await;
        match verdict {
            Some(Verdict::Allow) => None,
            Some(Verdict::Deny { reason }) => {
                Some(ToolNews::Finished(ToolOutput::error(refusal(&reason))))
            }
            Some(Verdict::Abort) => Some(ToolNews::Abort),
            None => Some(cancelled()),
        }
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
        if self.images { output } else { output.without_images() }
    }

    async fn send(&self, news: ToolNews) {
        // A driver that is gone needs no news.
        let _ = self.inbox.send(self.event(news)).await;
    }

    fn event(&self, news: ToolNews) -> Event {
        Event::Tool { round: self.round, index: self.index, news }
    }
}
