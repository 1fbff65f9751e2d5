//! Subagents as their parent's machine sees them: what they use up, and that they end before it.

use std::time::Duration;

use canon_llm::Usage;

use super::{Machine, Phase};
use crate::events::{EventData, SessionEvent, SessionState, Status, WarningCode};
use crate::session::effect::Effect;
use crate::subagents::CLOSE_GRACE;

/// One that was spawned.
#[derive(Debug, Clone, Default)]
pub(super) struct ChildView {
    usage: Usage,
    /// `None` once a part of its cost is not known.
    cost_usd: Option<f64>,
    at_work: bool,
    /// Its session is not over.
    open: bool,
}

impl Machine {
    pub(super) fn on_subagent(&mut self, agent_id: String, event: Box<SessionEvent>) {
        let child = self.children.entry(agent_id.clone()).or_insert_with(|| ChildView {
            cost_usd: Some(0.0),
            open: true,
            ..ChildView::default()
        });
        match &event.data {
            EventData::UserInput { .. } => child.at_work = true,
            EventData::TokenUsage { total, cost_usd, .. } => {
                child.usage = total.clone();
                child.cost_usd = *cost_usd;
            }
            EventData::ProcessingEnd { outcome, .. } | EventData::SessionEnd { outcome, .. } => {
                child.at_work = false;
                child.usage = outcome.usage.clone();
                child.cost_usd = outcome.cost_usd;
            }
            _ => {}
        }
        self.emit(EventData::Subagent { agent_id, event });
    }

    pub(super) fn on_subagent_gone(&mut self, agent_id: &str) {
        if let Some(child) = self.children.get_mut(agent_id) {
            child.at_work = false;
            child.open = false;
        }
    }

    fn at_work(&self) -> Vec<&str> {
        self.children.iter().filter(|(_, child)| child.at_work).map(|(id, _)| id.as_str()).collect()
    }

    /// An input is dealt with while subagents go on.
    pub(super) fn warn_of_running_subagents(&mut self) {
        let at_work = self.at_work().join(", ");
        if !at_work.is_empty() {
            self.warn(
                WarningCode::SubagentsRunning,
                format!("still at work, until the session closes: {at_work}"),
            );
        }
    }

    /// What the host stops, stops as a whole: nothing goes on spending unseen.
    pub(super) fn interrupt_subagents(&mut self) {
        if !self.at_work().is_empty() {
            self.fx.push(Effect::InterruptSubagents);
        }
    }

    /// Ends the subagents before the session itself (loop spec, appendix B); says whether there is
    /// something to wait for.
    pub(super) fn close_subagents(&mut self, status: &Status) -> bool {
        if !self.children.values().any(|child| child.open) {
            return false;
        }
        self.fx.push(Effect::CloseSubagents);
        let timer = self.fresh_id();
        let after: Duration = CLOSE_GRACE;
        self.fx.push(Effect::SetTimer { timer, after });
        self.state = SessionState::Processing;
        self.phase = Phase::Closing { status: status.clone(), timer };
        true
    }

    /// All have ended, or are not waited for any longer.
    pub(super) fn subagents_closed(&mut self, in_time: bool) {
        let Phase::Closing { status, .. } = &self.phase else { return };
        let status = status.clone();
        if !in_time {
            let left: Vec<&str> = self
                .children
                .iter()
                .filter(|(_, child)| child.open)
                .map(|(id, _)| id.as_str())
                .collect();
            let message = format!(
                "did not end within {} s of being closed: {}",
                CLOSE_GRACE.as_secs(),
                left.join(", ")
            );
            self.warn(WarningCode::SubagentDidNotEnd, message);
        }
        self.finish_close(status);
    }

    /// Tokens of the session and its subagents.
    pub(super) fn total_usage(&self) -> Usage {
        self.children.values().fold(self.usage.clone(), |sum, child| sum + child.usage.clone())
    }

    /// US dollars of the session and its subagents, where all of them are known.
    pub(super) fn total_cost(&self) -> Option<f64> {
        self.model.price?;
        self.children.values().try_fold(self.cost_usd, |sum, child| Some(sum + child.cost_usd?))
    }
}
