//! Simulated attempts: a supervisor with an agent, which outlive the daemon and report in order.

use std::collections::VecDeque;

use canon_orchestrator::dispatch::{
    AttemptOutcome, Event, Failure, Question, SessionInfo, TurnOutcome, Usage,
};
use serde_json::{Value, json};

use super::rng::Rng;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doing {
    Starting,
    Turn,
    Between,
    Asking(String),
    Hanging,
    Ending,
    Dead,
}

pub(crate) struct Agent {
    pub(crate) attempt_id: String,
    pub(crate) issue_id: String,
    pub(crate) doing: Doing,
    /// Raised with each change, so that steps planned before it are void.
    pub(crate) generation: u64,
    pub(crate) turn: u32,
    pub(crate) questions: u32,
    pub(crate) started_at: u64,
    pub(crate) active_at: u64,
    pub(crate) usage: Usage,
    /// Reports that the daemon has not taken yet.
    pub(crate) outbox: VecDeque<Event>,
    /// The machine has demanded the end; what the agent asks meanwhile frees no slot.
    pub(crate) doomed: bool,
}

impl Agent {
    pub(crate) fn new(attempt_id: String, issue_id: String, now: u64) -> Self {
        Self {
            attempt_id,
            issue_id,
            doing: Doing::Starting,
            generation: 0,
            turn: 0,
            questions: 0,
            started_at: now,
            active_at: now,
            usage: Usage::default(),
            outbox: VecDeque::new(),
            doomed: false,
        }
    }

    pub(crate) fn alive(&self) -> bool {
        self.doing != Doing::Dead
    }

    fn report(&mut self, event: Event, rng: &mut Rng) {
        if rng.percent(3) {
            self.outbox.push_back(event.clone());
        }
        self.outbox.push_back(event);
    }

    fn work(&mut self, rng: &mut Rng) {
        self.usage.input_tokens += rng.range(1, 1000);
        self.usage.output_tokens += rng.range(1, 100);
        self.usage.total_tokens = self.usage.input_tokens + self.usage.output_tokens;
    }

    pub(crate) fn begin_turn(&mut self, now: u64, rng: &mut Rng) -> u64 {
        self.turn += 1;
        self.generation += 1;
        self.active_at = now;
        self.doing = Doing::Turn;
        let (attempt_id, turn_no) = (self.attempt_id.clone(), self.turn);
        let session_id = format!("t-{turn_no}");
        self.report(Event::TurnStarted { attempt_id, turn_no, session_id }, rng);
        rng.range(1_000, 290_000)
    }

    pub(crate) fn session_up(&mut self, rng: &mut Rng) {
        let session = SessionInfo { thread_id: "t".to_owned(), ..SessionInfo::default() };
        let attempt_id = self.attempt_id.clone();
        self.report(Event::SessionStarted { attempt_id, session }, rng);
    }

    pub(crate) fn end_turn(&mut self, failure: Option<&str>, now: u64, rng: &mut Rng) {
        self.work(rng);
        self.generation += 1;
        self.active_at = now;
        self.doing = Doing::Between;
        let outcome = failure.map_or(TurnOutcome::Completed, |category| TurnOutcome::Failed {
            failure: Failure { category: category.to_owned(), error: "as simulated".to_owned() },
        });
        let (attempt_id, turn_no, usage) = (self.attempt_id.clone(), self.turn, self.usage);
        self.report(Event::TurnEnded { attempt_id, turn_no, outcome, usage }, rng);
    }

    pub(crate) fn ask(&mut self, now: u64, rng: &mut Rng) {
        self.questions += 1;
        self.generation += 1;
        self.active_at = now;
        let request = format!("q{}", self.questions);
        self.doing = Doing::Asking(request.clone());
        let question = Question {
            kind: "user_input".to_owned(),
            text: "which one?".to_owned(),
            payload: Value::Null,
        };
        let attempt_id = self.attempt_id.clone();
        self.report(Event::InputRequired { attempt_id, request, question }, rng);
    }

    /// The question is settled; says how long the rest of the turn takes.
    pub(crate) fn answered(&mut self, request: &str, now: u64, rng: &mut Rng) -> Option<u64> {
        if self.doing != Doing::Asking(request.to_owned()) {
            return None;
        }
        self.generation += 1;
        self.active_at = now;
        self.doing = Doing::Turn;
        let (attempt_id, request) = (self.attempt_id.clone(), request.to_owned());
        self.report(Event::InputAnswered { attempt_id, request }, rng);
        Some(rng.range(1_000, 60_000))
    }

    pub(crate) fn end(&mut self, outcome: AttemptOutcome, now: u64, rng: &mut Rng) {
        self.generation += 1;
        self.doing = Doing::Dead;
        let attempt_id = self.attempt_id.clone();
        let (usage, ran_ms) = (self.usage, now - self.started_at);
        let evidence = json!({ "commits": 1 });
        self.report(Event::AttemptEnded { attempt_id, outcome, usage, ran_ms, evidence }, rng);
    }
}
