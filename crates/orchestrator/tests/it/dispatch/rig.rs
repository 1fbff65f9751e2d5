//! A machine with a clock, and short ways to feed it.

use std::collections::BTreeMap;

use canon_orchestrator::dispatch::{
    AttemptOutcome, DispatchConfig, Effect, Event, Failure, Machine, Question, RefreshPurpose,
    Reread, SessionInfo, TimerKey, TurnOutcome, Usage,
};
use canon_orchestrator::issue::Issue;
use serde_json::Value;

pub(crate) const T0: u64 = 1_700_000_000_000;

pub(crate) fn issue(id: &str) -> Issue {
    Issue {
        id: id.to_owned(),
        native_ref: None,
        identifier: format!("CAN-{id}"),
        title: "work".to_owned(),
        description: None,
        priority: None,
        state: "Todo".to_owned(),
        branch_name: None,
        url: Some(format!("https://tracker.test/{id}")),
        assignee_id: None,
        labels: vec!["canon".to_owned()],
        blocked_by: Vec::new(),
        dispatchable: true,
        created_at: None,
        updated_at: None,
    }
}

pub(crate) fn in_state(id: &str, state: &str) -> Issue {
    Issue { state: state.to_owned(), ..issue(id) }
}

pub(crate) fn config(slots: u32) -> DispatchConfig {
    DispatchConfig {
        max_concurrent_agents: slots,
        active_states: vec!["Todo".to_owned(), "In Progress".to_owned()],
        terminal_states: vec!["Done".to_owned(), "Cancelled".to_owned()],
        ..DispatchConfig::default()
    }
}

pub(crate) fn failure(category: &str) -> Failure {
    Failure { category: category.to_owned(), error: "it broke".to_owned() }
}

pub(crate) fn tokens(total: u64) -> Usage {
    Usage { input_tokens: total, total_tokens: total, ..Usage::default() }
}

pub(crate) struct Rig {
    pub(crate) machine: Machine,
    pub(crate) now: u64,
    pub(crate) log: Vec<(Event, u64)>,
    polls: Vec<u64>,
    reads: BTreeMap<RefreshPurpose, (u64, Vec<String>)>,
}

impl Rig {
    /// Started; the first poll is in flight.
    pub(crate) fn start(config: DispatchConfig) -> Self {
        let mut rig = Self {
            machine: Machine::new(),
            now: T0,
            log: Vec::new(),
            polls: Vec::new(),
            reads: BTreeMap::new(),
        };
        rig.apply(Event::Started { instance: "test".to_owned(), config });
        rig
    }

    /// Started and polled once.
    pub(crate) fn with(config: DispatchConfig, issues: Vec<Issue>) -> Self {
        let mut rig = Self::start(config);
        rig.polled(issues);
        rig
    }

    pub(crate) fn apply(&mut self, event: Event) -> Vec<Effect> {
        self.log.push((event.clone(), self.now));
        let effects = self.machine.apply(event, self.now);
        for effect in &effects {
            match effect {
                Effect::Poll { poll_id, .. } => self.polls.push(*poll_id),
                Effect::Refresh { refresh_id, purpose, ids, .. } => {
                    self.reads.insert(*purpose, (*refresh_id, ids.clone()));
                }
                _ => {}
            }
        }
        effects
    }

    pub(crate) fn poll_id(&self) -> u64 {
        *self.polls.last().unwrap()
    }

    /// The whole answer to the poll in flight.
    pub(crate) fn polled(&mut self, issues: Vec<Issue>) -> Vec<Effect> {
        let (poll_id, delta) = (self.poll_id(), self.machine.poll_delta(issues));
        self.apply(Event::Polled { poll_id, delta })
    }

    /// The next period's poll with its whole answer.
    pub(crate) fn poll(&mut self, issues: Vec<Issue>) -> Vec<Effect> {
        self.apply(Event::RefreshRequested);
        self.polled(issues)
    }

    /// The running issues as a new poll finds them.
    pub(crate) fn reconcile(&mut self, issues: Vec<Issue>) -> Vec<Effect> {
        let effects = self.apply(Event::RefreshRequested);
        let running = effects
            .iter()
            .find_map(|e| match e {
                Effect::Poll { running, .. } => Some(running.clone()),
                _ => None,
            })
            .unwrap();
        let reread = self.machine.reread(&running, issues);
        let poll_id = self.poll_id();
        self.apply(Event::Reconciled { poll_id, reread })
    }

    /// The running issues as a new poll finds them, but for `unread`.
    pub(crate) fn reconcile_but(&mut self, issues: Vec<Issue>, unread: &[&str]) -> Vec<Effect> {
        let effects = self.apply(Event::RefreshRequested);
        let [Effect::Poll { poll_id, running, .. }] = &effects[..] else { panic!("{effects:?}") };
        let reread = self.reread_but(running, issues, unread);
        self.apply(Event::Reconciled { poll_id: *poll_id, reread })
    }

    /// Answers a read, but for `unread`.
    pub(crate) fn read_but(
        &mut self,
        purpose: RefreshPurpose,
        issues: Vec<Issue>,
        unread: &[&str],
    ) -> Vec<Effect> {
        let (refresh_id, ids) = self.reads.remove(&purpose).unwrap();
        let reread = self.reread_but(&ids, issues, unread);
        self.apply(Event::Refreshed { refresh_id, reread })
    }

    fn reread_but(&self, ids: &[String], issues: Vec<Issue>, unread: &[&str]) -> Reread {
        let broken = |id: &String| unread.contains(&id.as_str());
        let read: Vec<String> = ids.iter().filter(|id| !broken(id)).cloned().collect();
        let unread = ids.iter().filter(|id| broken(id));
        Reread {
            unread: unread.map(|id| (id.clone(), "not YAML".to_owned())).collect(),
            ..self.machine.reread(&read, issues)
        }
    }

    /// Ids of the read in flight.
    pub(crate) fn asked(&self, purpose: RefreshPurpose) -> Vec<String> {
        self.reads.get(&purpose).map(|(_, ids)| ids.clone()).unwrap_or_default()
    }

    pub(crate) fn read(&mut self, purpose: RefreshPurpose, issues: Vec<Issue>) -> Vec<Effect> {
        let (refresh_id, ids) = self.reads.remove(&purpose).unwrap();
        let reread = self.machine.reread(&ids, issues);
        self.apply(Event::Refreshed { refresh_id, reread })
    }

    pub(crate) fn read_fails(&mut self, purpose: RefreshPurpose) -> Vec<Effect> {
        let (refresh_id, _) = self.reads.remove(&purpose).unwrap();
        self.apply(Event::RefreshFailed { refresh_id, error: "HTTP 502".to_owned() })
    }

    /// Attempt that runs for an issue.
    pub(crate) fn attempt(&self, id: &str) -> String {
        let found = self.machine.live_attempts().find(|(_, issue)| issue.id == id);
        found.unwrap_or_else(|| panic!("{id} does not run")).0.to_owned()
    }

    pub(crate) fn runs(&self, id: &str) -> bool {
        self.machine.live_attempts().any(|(_, issue)| issue.id == id)
    }

    pub(crate) fn turn_starts(&mut self, id: &str, turn_no: u32) {
        let attempt_id = self.attempt(id);
        if turn_no == 1 {
            let session = SessionInfo { thread_id: "t".to_owned(), ..Default::default() };
            self.apply(Event::SessionStarted { attempt_id: attempt_id.clone(), session });
        }
        let session_id = format!("t-{turn_no}");
        self.apply(Event::TurnStarted { attempt_id, turn_no, session_id });
    }

    pub(crate) fn turn_ends(
        &mut self,
        id: &str,
        turn_no: u32,
        outcome: TurnOutcome,
    ) -> Vec<Effect> {
        let attempt_id = self.attempt(id);
        let usage = tokens(100 * u64::from(turn_no));
        self.apply(Event::TurnEnded { attempt_id, turn_no, outcome, usage })
    }

    pub(crate) fn asks(&mut self, id: &str, request: &str) -> Vec<Effect> {
        let (attempt_id, request) = (self.attempt(id), request.to_owned());
        let question = Question {
            kind: "approval".to_owned(),
            text: "push to main?".to_owned(),
            payload: Value::Null,
        };
        self.apply(Event::InputRequired { attempt_id, request, question })
    }

    pub(crate) fn answer(&mut self, id: &str, request: &str) -> Vec<Effect> {
        let (issue_id, request) = (id.to_owned(), request.to_owned());
        self.apply(Event::OperatorAnswered { issue_id, request, answer: Value::Bool(true) })
    }

    pub(crate) fn ends(&mut self, id: &str, outcome: AttemptOutcome) -> Vec<Effect> {
        let attempt_id = self.attempt(id);
        self.apply(Event::AttemptEnded {
            attempt_id,
            outcome,
            usage: tokens(100),
            ran_ms: 2_500,
            evidence: Value::Null,
        })
    }

    pub(crate) fn fails(&mut self, id: &str) -> Vec<Effect> {
        self.ends(id, AttemptOutcome::Failed { failure: failure("port_exit") })
    }

    /// Lets the retry of an issue come due and answers the read.
    pub(crate) fn retry(&mut self, id: &str, issues: Vec<Issue>) -> Vec<Effect> {
        let timer_id = self.retry_timer(id);
        self.apply(Event::TimerFired { timer_id });
        self.read(RefreshPurpose::Retry, issues)
    }

    pub(crate) fn retry_timer(&self, id: &str) -> u64 {
        let state = serde_json::to_value(self.machine.state()).unwrap();
        state["retries"][id]["timer"]["id"].as_u64().unwrap()
    }

    pub(crate) fn silent(&mut self, id: &str, ms: u64) -> Vec<Effect> {
        let silence = BTreeMap::from([(self.attempt(id), ms)]);
        match self.machine.tick(&silence, self.now) {
            Some(event) => self.apply(event),
            None => Vec::new(),
        }
    }
}

/// Issues that are started, in order.
pub(crate) fn started(effects: &[Effect]) -> Vec<String> {
    let id = |e: &Effect| match e {
        Effect::StartAttempt { issue, .. } => Some(issue.id.clone()),
        _ => None,
    };
    effects.iter().filter_map(id).collect()
}

/// Number of the attempt that is started.
pub(crate) fn attempt_number(effects: &[Effect]) -> Option<u32> {
    let number = |e: &Effect| match e {
        Effect::StartAttempt { attempt, .. } => Some(*attempt),
        _ => None,
    };
    effects.iter().find_map(number).expect("an attempt starts")
}

/// Delay of the retry that is armed for an issue.
pub(crate) fn delay(effects: &[Effect], id: &str) -> Option<u64> {
    effects.iter().find_map(|e| match e {
        Effect::SetTimer { key: TimerKey::Retry { issue_id }, delay_ms, .. } => {
            (issue_id == id).then_some(*delay_ms)
        }
        _ => None,
    })
}

/// Names of the effects, for comparisons.
pub(crate) fn kinds(effects: &[Effect]) -> Vec<String> {
    let kind = |e| serde_json::to_value(e).unwrap()["kind"].as_str().unwrap().to_owned();
    effects.iter().map(kind).collect()
}
