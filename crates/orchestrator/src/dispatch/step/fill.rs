//! Filling free slots (Symphony §8.2, §8.3; ruling 16).

use super::{Fill, Step};
use crate::dispatch::effect::RefreshPurpose;
use crate::dispatch::slots::Slots;

impl Step<'_> {
    /// Gives free slots to blocked sessions with answers, then in turn to claims that wait and to candidates.
    pub(super) fn fill_slots(&mut self) {
        let how = std::mem::replace(&mut self.fill, Fill::No);
        if how == Fill::No || self.s.shutdown.is_some() {
            return;
        }
        self.resume_answered();
        if !self.s.may_dispatch() || (self.s.slots_await_poll && how != Fill::Fresh) {
            return;
        }
        let mut slots = Slots::with_promised(self.s);
        if !slots.any_free(self.s) {
            return;
        }
        let mut claims = self.waiting_claims();
        while slots.any_free(self.s) {
            let claim = claims.iter().position(|(_, _, state)| slots.room_for(self.s, state));
            let candidate = self.index.first(|state| slots.room_for(self.s, state));
            match (claim, candidate) {
                (None, None) => break,
                (Some(at), other) if other.is_none() || !self.s.claim_went_last => {
                    let (_, id, state) = claims.remove(at);
                    self.s.claim_went_last = true;
                    slots.take(&state);
                    self.want_read(RefreshPurpose::Slot, &id);
                }
                (_, Some(id)) => {
                    self.s.claim_went_last = false;
                    self.fill_with_candidate(&id, how, &mut slots);
                }
                // Unreachable: a claim without a candidate is taken above.
                (Some(_), None) => break,
            }
        }
    }

    fn fill_with_candidate(&mut self, id: &str, how: Fill, slots: &mut Slots) {
        let Some(issue) = self.s.candidates.get(id).cloned() else { return };
        slots.take(&issue.state);
        if how == Fill::Fresh && !self.s.poll.newer.contains(id) {
            self.dispatch(issue, "Symphony §8.2");
        } else {
            self.want_read(RefreshPurpose::Slot, id);
            self.reindex(id);
        }
    }

    /// Claims that wait for a slot and are not being read for one, longest wait first.
    fn waiting_claims(&self) -> Vec<(u64, String, String)> {
        let mut claims: Vec<(u64, String, String)> = self
            .s
            .retries
            .iter()
            .filter(|(id, _)| !self.s.awaits_slot_read(id))
            .filter_map(|(id, r)| Some((r.waiting_since?, id.clone(), r.issue.state.clone())))
            .collect();
        claims.sort();
        claims
    }

    fn resume_answered(&mut self) {
        let mut answered: Vec<(u64, String)> = self
            .s
            .running
            .iter()
            .filter_map(|(id, running)| Some((running.resume_since?, id.clone())))
            .collect();
        if answered.is_empty() {
            return;
        }
        answered.sort();
        for (_, id) in answered {
            let Some(running) = self.s.running.get(&id) else { continue };
            // Reads in flight hold no slot against a session that is live already.
            if Slots::in_use(self.s).room_for(self.s, &running.issue.state) {
                self.resume(&id);
            }
        }
    }
}
