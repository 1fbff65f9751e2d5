//! Requests to the client: approvals, and questions of the model.

use std::collections::HashSet;

use canon_agent::EventData;
use canon_protocol::codex::server::outgoing::{self, ThreadStatus};
use canon_protocol::jsonrpc::Id;

use super::Turns;
use crate::bridge::app_server::gate::{Ask, Open, Wait};

/// The calls that were announced and have not ended, and the requests about others.
#[derive(Default)]
pub(super) struct Asking {
    announced: HashSet<String>,
    /// Requests about calls whose announcement is still on its way.
    held: Vec<Ask>,
    /// How many requests wait for an approval, and for an input.
    waiting: (usize, usize),
}

impl Asking {
    /// Takes note of the calls of the session and its subagents.
    pub(super) fn observe(&mut self, data: &EventData) {
        match data {
            EventData::ToolCallStart { call_id, .. } => {
                self.announced.insert(call_id.clone());
            }
            EventData::ToolCallEnd { call_id, .. } => {
                self.announced.remove(call_id);
            }
            EventData::Subagent { event, .. } => self.observe(&event.data),
            // No call outlives its session.
            EventData::SessionEnd { .. } => self.forget(),
            _ => {}
        }
    }

    /// The session is gone.
    pub(super) fn forget(&mut self) {
        self.announced.clear();
        self.held.clear();
    }

    /// Where requests are counted that wait for a person.
    fn count(&mut self, wait: Wait) -> Option<&mut usize> {
        match wait {
            Wait::Approval => Some(&mut self.waiting.0),
            Wait::Input => Some(&mut self.waiting.1),
            Wait::Tool => None,
        }
    }

    pub(super) fn status(&self) -> ThreadStatus {
        let (approvals, inputs) = self.waiting;
        ThreadStatus::Active { approval: approvals > 0, input: inputs > 0 }
    }
}

impl Turns {
    /// Asks the client, once it can know the item that the request is about.
    pub(super) async fn ask(&mut self, ask: Ask) {
        self.asking.held.push(ask);
        self.release().await;
    }

    /// Asks what was held and is about a call that is known by now.
    pub(super) async fn release(&mut self) {
        let Asking { announced, held, .. } = &mut self.asking;
        held.retain(|ask| !ask.open.is_closed());
        let (ready, held): (Vec<_>, Vec<_>) =
            std::mem::take(held).into_iter().partition(|ask| announced.contains(&ask.call_id));
        self.asking.held = held;
        for ask in ready {
            self.put(ask).await;
        }
    }

    async fn put(&mut self, ask: Ask) {
        let Ask { wait, request, open, .. } = ask;
        if let Some(count) = self.asking.count(wait) {
            *count += 1;
            self.show_status().await;
        }
        match self.thread.host.out.ask(&request).await {
            Ok(question) => {
                let news = self.thread.gate.news.clone();
                // If the call was given up meanwhile, its end is news of its own.
                let _ = open.send(Open { question, wait, news });
            }
            Err(error) => {
                tracing::debug!(%error, "the client is gone with a request open");
                if let Some(count) = self.asking.count(wait) {
                    *count -= 1;
                }
            }
        }
    }

    pub(super) async fn resolved(&mut self, request: &Id, wait: Wait) {
        let Some(count) = self.asking.count(wait) else { return };
        *count = count.saturating_sub(1);
        self.notify(outgoing::request_resolved(self.thread.id(), request)).await;
        if self.running.is_some() {
            self.show_status().await;
        }
    }

    /// Tells what the thread is doing, where that changed.
    pub(super) async fn show_status(&self) {
        let status = self.asking.status();
        {
            let mut facts = self.thread.facts.lock();
            if facts.thread.status == status {
                return;
            }
            facts.thread.status = status.clone();
        }
        self.notify(outgoing::thread_status(self.thread.id(), &status)).await;
    }
}
