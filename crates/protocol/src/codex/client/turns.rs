//! The life of a turn (Symphony §10.3): asked for, taken up, ended exactly once.

use serde_json::Value;

use super::{
    Call, Client, ErrorCategory, Event, Output, Phase, Refused, TurnEnd, TurnOutcome, Usage, wire,
};

/// How many ended turns are remembered; more than one can still have messages under way.
const REMEMBERED: usize = 64;

/// The running turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Turn {
    pub(super) number: u32,
    /// The agent's id of it, once known.
    pub(super) id: Option<String>,
    pub(super) last_message: Option<String>,
    /// The last error that the agent reported, for an end that does not say why.
    pub(super) last_error: Option<(String, Option<Value>)>,
    usage_before: Usage,
    /// The agent said that it runs. Codex refuses to stop or steer a turn between its answer to
    /// `turn/start` and that moment.
    pub(super) active: bool,
    /// An interrupt is under way or was granted.
    interrupted: bool,
    /// An interrupt is wanted as soon as the turn is active.
    interrupt_wanted: bool,
    interrupts: u32,
    steers: u32,
}

impl Client {
    /// Starts a turn. Its end is told by one [`Event::TurnEnded`].
    pub fn turn(&mut self, prompt: &str) -> Result<Vec<Output>, Refused> {
        self.check_open()?;
        if self.turn.is_some() {
            return Err(Refused::TurnRuns);
        }
        let mut out = Vec::new();
        let params = wire::turn(&self.options, self.thread_id().unwrap_or_default(), prompt);
        self.call(Call::Turn(self.turns + 1), &params, &mut out);
        self.watch_silence(false, &mut out);
        Ok(out)
    }

    /// Adds input to the running turn.
    pub fn steer(&mut self, text: &str) -> Result<Vec<Output>, Refused> {
        self.check_open()?;
        let turn = self.turn.as_ref().filter(|turn| turn.active).ok_or(Refused::NoTurn)?;
        let turn_id = turn.id.as_deref().ok_or(Refused::NoTurn)?;
        let params = wire::steer(self.thread_id().unwrap_or_default(), turn_id, text);
        let mut out = Vec::new();
        self.call(Call::Steer(turn.number, turn.steers), &params, &mut out);
        Ok(out)
    }

    /// Asks the agent to stop the running turn; nothing when none runs or it was asked before
    /// and did not refuse. The turn ends by [`Event::TurnEnded`] as usual. A wish that comes
    /// before the agent said that the turn runs is kept until then, but not over a restart.
    pub fn interrupt(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        self.interrupt_turn(&mut out);
        out
    }

    pub(super) fn interrupt_turn(&mut self, out: &mut Vec<Output>) {
        let thread_id = self.thread.as_ref().map(|thread| thread.id.as_str()).unwrap_or_default();
        let Some(turn) = self.turn.as_mut().filter(|turn| !turn.interrupted) else { return };
        let Some(turn_id) = turn.id.as_ref().filter(|_| turn.active) else {
            turn.interrupt_wanted = true;
            return;
        };
        if turn.interrupts == wire::INTERRUPTS {
            return;
        }
        let params = wire::interrupt(thread_id, turn_id);
        let call = Call::Interrupt(turn.number, turn.interrupts);
        self.call(call, &params, out);
    }

    /// The agent refused to stop the turn: it may be asked again.
    pub(super) fn interrupt_refused(&mut self, number: u32) {
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.number == number) {
            turn.interrupted = false;
        }
    }

    fn check_open(&self) -> Result<(), Refused> {
        match self.phase {
            Phase::Starting => Err(Refused::NotReady),
            Phase::Open => Ok(()),
            Phase::Over => Err(Refused::Over),
        }
    }

    /// What a request about a turn changes here.
    pub(super) fn note_turn_call(&mut self, call: Call, out: &mut Vec<Output>) {
        match (call, &mut self.turn) {
            (Call::Turn(number), _) => {
                self.turns = self.turns.max(number);
                self.turn = Some(Turn {
                    number,
                    id: None,
                    last_message: None,
                    last_error: None,
                    usage_before: self.meter.sum(),
                    active: false,
                    interrupted: false,
                    interrupt_wanted: false,
                    interrupts: 0,
                    steers: 0,
                });
                out.push(Output::Event(Event::TurnRequested { turn: number }));
            }
            (Call::Interrupt(number, nth), Some(turn)) if turn.number == number => {
                turn.interrupted = true;
                turn.interrupt_wanted = false;
                turn.interrupts = turn.interrupts.max(nth + 1);
            }
            (Call::Steer(number, nth), Some(turn)) if turn.number == number => {
                turn.steers = turn.steers.max(nth + 1);
            }
            _ => {}
        }
    }

    /// The agent named the running turn.
    pub(super) fn turn_named(&mut self, id: &str, out: &mut Vec<Output>) {
        let thread_id = self.thread.as_ref().map(|thread| thread.id.clone()).unwrap_or_default();
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.id.is_none()) else { return };
        turn.id = Some(id.to_owned());
        let event = Event::TurnStarted {
            turn: turn.number,
            turn_id: id.to_owned(),
            session_id: format!("{thread_id}-{id}"),
        };
        self.last_turn_id = Some(id.to_owned());
        out.push(Output::Event(event));
    }

    /// The agent said that the running turn, by this name, runs.
    pub(super) fn turn_active(&mut self, id: &str, out: &mut Vec<Output>) {
        self.turn_named(id, out);
        let Some(turn) = self.turn.as_mut().filter(|turn| !turn.active) else { return };
        turn.active = true;
        if turn.interrupt_wanted {
            self.interrupt_turn(out);
        }
    }

    /// True when a message about this turn is about the running one. Until that has a name,
    /// any turn that is not over may be it.
    pub(super) fn is_running(&self, turn_id: &str) -> bool {
        match self.turn.as_ref().map(|turn| turn.id.as_deref()) {
            Some(Some(id)) => id == turn_id,
            Some(None) => !self.ended.iter().any(|ended| ended == turn_id),
            None => false,
        }
    }

    /// `turn/completed` of the running turn: its status decides (ruling 3).
    pub(super) fn turn_completed(&mut self, turn: &Value, out: &mut Vec<Output>) {
        let running = self.turn.as_ref();
        let reported = running.and_then(|turn| turn.last_error.clone());
        let (mut message, mut info) = match turn["error"]["message"].as_str() {
            Some(message) => {
                let info = turn["error"].get("codexErrorInfo").filter(|info| !info.is_null());
                (Some(message.to_owned()), info.cloned())
            }
            None => reported.map_or((None, None), |(message, info)| (Some(message), info)),
        };
        let status = turn["status"].as_str().unwrap_or_default();
        let (outcome, category) = match status {
            "completed" => (TurnOutcome::Completed, None),
            "interrupted" => (TurnOutcome::Cancelled, Some(ErrorCategory::TurnCancelled)),
            "failed" => (TurnOutcome::Failed, Some(ErrorCategory::TurnFailed)),
            _ => (TurnOutcome::Failed, Some(ErrorCategory::TurnFailed)),
        };
        if category.is_none() {
            (message, info) = (None, None);
        } else if message.is_none() {
            message = Some(format!("the agent reports the turn as {status:?}"));
        }
        self.end_turn(outcome, category, message, info, out);
    }

    /// Ends the running turn, if one runs; the session stays open.
    pub(super) fn end_turn(
        &mut self,
        outcome: TurnOutcome,
        category: Option<ErrorCategory>,
        message: Option<String>,
        error_info: Option<Value>,
        out: &mut Vec<Output>,
    ) {
        let Some(turn) = self.turn.take() else { return };
        self.drop_asked(out);
        self.changes.clear();
        if let Some(id) = &turn.id {
            self.ended.push_back(id.clone());
            if self.ended.len() > REMEMBERED {
                self.ended.pop_front();
            }
        }
        self.watch_silence(false, out);
        out.push(Output::Event(Event::TurnEnded(TurnEnd {
            turn: turn.number,
            turn_id: turn.id,
            outcome,
            category,
            message,
            error_info,
            last_message: turn.last_message,
            usage: self.meter.sum().minus(turn.usage_before),
            session_open: self.phase == Phase::Open,
        })));
    }

    /// Ends the running turn and the session with it: the agent can no longer be relied on.
    pub(super) fn turn_broken(
        &mut self,
        category: ErrorCategory,
        message: String,
        out: &mut Vec<Output>,
    ) {
        self.phase = Phase::Over;
        self.end_turn(TurnOutcome::Error, Some(category), Some(message), None, out);
        self.close(out);
    }
}
