//! What operators ask for.

use super::claims::Wait;
use super::{Fill, Step};
use crate::dispatch::effect::{RefreshPurpose, StopReason};
use crate::dispatch::event::IssueRef;
use crate::dispatch::state::{Held, RetryKind};
use crate::issue::Issue;

impl Step<'_> {
    pub(super) fn stop_requested(&mut self, id: &str) {
        if self.s.running.contains_key(id) {
            return self.stop(id, StopReason::Operator);
        }
        if let Some(retry) = self.s.retries.remove(id) {
            self.cancel_timer(retry.timer);
            self.forget_reads(id);
            self.hold(&retry.issue);
        } else if !self.s.is_claimed(id)
            && let Some(issue) = self.s.candidates.get(id).cloned()
        {
            self.forget_reads(id);
            self.hold(&issue);
        }
    }

    /// Parks an issue until an operator wants it again or the tracker moves it out of the active states.
    pub(super) fn hold(&mut self, issue: &Issue) {
        let held = Held {
            issue: issue.clone(),
            since_ms: self.now(),
            reason: "stopped by an operator; retry it, or move it out of the active states"
                .to_owned(),
        };
        self.s.held.insert(issue.id.clone(), held);
        self.changed();
        self.reindex(&issue.id);
        self.may_fill(Fill::Reread);
    }

    pub(super) fn release_held_that_moved(&mut self) {
        let moved: Vec<IssueRef> = self
            .s
            .held
            .iter()
            .filter(|(id, _)| !self.s.candidates.contains_key(*id))
            .map(|(_, held)| IssueRef::of(&held.issue))
            .collect();
        for issue in moved {
            self.s.held.remove(&issue.id);
            self.released(issue, "operator");
        }
    }

    pub(super) fn retry_now(&mut self, id: &str) {
        if let Some(held) = self.s.held.remove(id) {
            let kind = RetryKind::Operator;
            self.wait(Wait {
                issue: held.issue,
                attempt: None,
                failures: 0,
                kind,
                error: None,
                delay_ms: 0,
            });
        }
        let Some(retry) = self.s.retries.get_mut(id) else { return };
        let timer = retry.timer.take();
        self.cancel_timer(timer);
        self.want_read(RefreshPurpose::Retry, id);
    }
}
