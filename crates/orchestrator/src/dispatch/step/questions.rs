//! Questions to the operator (ruling 7).

use std::borrow::Cow;

use serde_json::Value;

use super::{Fill, Step};
use crate::config::OnInputRequired;
use crate::dispatch::effect::{Effect, StopReason};
use crate::dispatch::event::{Question, ShutdownMode};
use crate::dispatch::state::{Asked, Phase};

impl Step<'_> {
    pub(super) fn input_required(&mut self, attempt_id: &str, request: String, question: Question) {
        let since_ms = self.now();
        let Some((id, running)) = self.live(attempt_id, "input_required") else { return };
        if running.questions.contains_key(&request) || running.settled.contains(&request) {
            return;
        }
        let phase = running.phase.clone();
        if matches!(phase, Phase::Ending { .. } | Phase::Stopping { .. }) {
            return;
        }
        let asked = Asked { question, since_ms, answer: None, sent: false };
        running.questions.insert(request, asked);
        if self.s.config.on_input_required == OnInputRequired::Fail {
            self.stop(&id, StopReason::InputRequired);
        } else if matches!(self.s.shutdown, Some(ShutdownMode::Drain | ShutdownMode::Stop)) {
            self.stop(&id, StopReason::Shutdown);
        } else if phase != Phase::Boundary {
            self.block(&id);
        }
    }

    /// Gives the slot back until every question has its answer.
    pub(super) fn block(&mut self, id: &str) {
        let now = self.now();
        let Some(running) = self.s.running.get_mut(id) else { return };
        running.phase = Phase::Blocked;
        running.slot = false;
        running.resume_since = running.all_answered().then_some(now);
        // What the agent did before it asked may have made other issues eligible.
        self.changed();
        self.may_fill(Fill::Reread);
    }

    pub(super) fn operator_answered(&mut self, issue_id: &str, request: &str, answer: Value) {
        let now = self.now();
        let Some(running) = self.s.running.get_mut(issue_id) else { return };
        let Some(asked) = running.questions.get_mut(request) else { return };
        if asked.answer.is_some() {
            return;
        }
        asked.answer = Some(answer);
        if running.phase == Phase::Blocked && running.all_answered() {
            running.resume_since = Some(now);
            self.may_fill(Fill::Reread);
        }
    }

    /// A blocked session that has its answers and now a slot goes on.
    pub(super) fn resume(&mut self, id: &str) {
        let Some(running) = self.s.running.get_mut(id) else { return };
        running.slot = true;
        running.resume_since = None;
        running.phase = Phase::Working;
        let attempt_id = running.attempt_id.clone();
        let between_turns = running.turns > 0 && running.turns_ended >= running.turns;
        for (request, asked) in &mut running.questions {
            let Some(answer) = asked.answer.clone().filter(|_| !asked.sent) else { continue };
            asked.sent = true;
            self.effects.push(Effect::Answer {
                attempt_id: attempt_id.clone(),
                request: request.clone(),
                answer,
                rule: Cow::Borrowed("ruling 7"),
            });
        }
        if between_turns {
            self.next_turn(id);
        }
    }

    pub(super) fn input_answered(&mut self, attempt_id: &str, request: &str) {
        let now = self.now();
        let Some((_, running)) = self.live(attempt_id, "input_answered") else { return };
        running.settled.insert(request.to_owned());
        let known = running.questions.remove(request).is_some();
        if !known || running.phase != Phase::Blocked {
            return;
        }
        if running.questions.is_empty() {
            // The agent withdrew its question and works already.
            running.slot = true;
            running.resume_since = None;
            running.phase = Phase::Working;
        } else if running.all_answered() {
            running.resume_since.get_or_insert(now);
            self.may_fill(Fill::Reread);
        }
    }
}
