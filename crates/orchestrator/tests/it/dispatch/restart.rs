//! Replay and restart: nothing lost, nothing twice.

use std::collections::BTreeSet;

use canon_orchestrator::dispatch::{
    AttemptOutcome, Effect, Event, Machine, RefreshPurpose, ShutdownMode, State, StopReason,
    TimerKey, TurnOutcome,
};

use super::rig::{Rig, config, delay, in_state, issue, kinds, started};

impl Rig {
    /// Replays everything from stored records, then restarts with these issues' sessions alive.
    fn restart(&mut self, alive: &[&str]) -> Vec<Effect> {
        let mut machine = Machine::new();
        for (event, now) in &self.log {
            let stored = serde_json::to_string(event).unwrap();
            machine.apply(serde_json::from_str(&stored).unwrap(), *now);
        }
        assert!(machine.state() == self.machine.state());
        self.machine = machine;
        let alive: BTreeSet<String> = alive.iter().map(|id| self.attempt(id)).collect();
        self.apply(Event::Restarted { config: self.machine.config().clone(), alive })
    }
}

#[test]
fn a_stored_state_is_the_same_state() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2"), issue("3")]);
    rig.turn_starts("1", 1);
    rig.asks("1", "q");
    rig.fails("2");
    let text = serde_json::to_string(rig.machine.state()).unwrap();
    let state: State = serde_json::from_str(&text).unwrap();
    assert!(state == *rig.machine.state());
    let mut restored = Machine::restore(state);
    let poll = Event::RefreshRequested;
    assert_eq!(restored.apply(poll.clone(), rig.now), rig.machine.apply(poll, rig.now));
}

#[test]
fn events_carry_their_kind() {
    let rig = Rig::with(config(1), vec![issue("1")]);
    for (event, _) in &rig.log {
        assert_eq!(serde_json::to_value(event).unwrap()["kind"], event.kind());
    }
}

#[test]
fn a_restart_keeps_live_sessions_and_retries_lost_ones() {
    let mut rig = Rig::with(config(3), vec![issue("1"), issue("2"), issue("3")]);
    rig.fails("3");
    rig.now += 4_000;
    let effects = rig.restart(&["1"]);
    assert!(started(&effects).is_empty());
    assert!(rig.runs("1"));
    assert_eq!(delay(&effects, "2"), Some(10_000), "lost, and counted as a failure");
    assert_eq!(delay(&effects, "3"), Some(6_000), "the rest of its delay");
    let kinds = kinds(&effects);
    assert!(kinds.contains(&"poll".to_owned()) && kinds.contains(&"fetch_terminal".to_owned()));
    let row = &rig.machine.snapshot(rig.now).retrying[1];
    assert_eq!(row.error.as_deref(), Some("lost: the session did not survive the restart"));
    assert!(started(&rig.polled(vec![issue("1"), issue("2"), issue("3")])).is_empty());
}

#[test]
fn what_was_demanded_and_has_no_answer_is_demanded_again() {
    let ids = ["ending", "stopping", "continuing", "boundary", "answered"];
    let mut rig = Rig::with(config(9), ids.map(issue).to_vec());
    for id in ids {
        rig.turn_starts(id, 1);
    }
    rig.asks("answered", "q");
    rig.answer("answered", "q");
    for id in ["ending", "continuing"] {
        rig.turn_ends(id, 1, TurnOutcome::Completed);
        let state = if id == "ending" { "Backlog" } else { "Todo" };
        rig.read(RefreshPurpose::TurnBoundary, vec![in_state(id, state)]);
    }
    rig.apply(Event::StopRequested { issue_id: "stopping".into() });
    rig.turn_ends("boundary", 1, TurnOutcome::Completed);
    let boundary_read = rig.asked(RefreshPurpose::TurnBoundary);
    assert_eq!(boundary_read, ["boundary"]);

    let effects = rig.restart(&ids);
    let demanded = |test: &dyn Fn(&Effect) -> bool| effects.iter().filter(|e| test(e)).count();
    assert_eq!(demanded(&|e| matches!(e, Effect::EndSession { failure: None, .. })), 1);
    assert_eq!(
        demanded(&|e| matches!(e, Effect::StopAttempt { reason: StopReason::Operator, .. })),
        1
    );
    assert_eq!(demanded(&|e| matches!(e, Effect::NextTurn { turn_no: 2, .. })), 1);
    assert_eq!(demanded(&|e| matches!(e, Effect::Answer { .. })), 1);
    assert_eq!(rig.asked(RefreshPurpose::TurnBoundary), ["boundary"]);
    assert!(started(&effects).is_empty());
}

#[test]
fn an_interrupted_stop_is_completed() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.reconcile(vec![in_state("1", "Done")]);
    let effects = rig.restart(&[]);
    assert_eq!(kinds(&effects)[..2], ["released", "cleanup_workspace"]);
    assert_eq!(delay(&effects, "1"), None);
    let again = rig.restart(&[]);
    assert!(kinds(&again).contains(&"cleanup_workspace".to_owned()), "until it is reported");
}

#[test]
fn a_blocked_session_survives_with_its_question() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    rig.asks("1", "q");
    rig.restart(&["1"]);
    let snapshot = rig.machine.snapshot(rig.now);
    assert_eq!(snapshot.blocked[0].questions["q"].question.kind, "approval");
    assert_eq!(kinds(&rig.answer("1", "q")), ["answer"]);
}

#[test]
fn an_unknown_supervisor_is_stopped() {
    let mut rig = Rig::with(config(1), vec![]);
    let alive = BTreeSet::from(["test-a999".to_owned()]);
    let effects = rig.apply(Event::Restarted { config: config(1), alive });
    let Effect::StopAttempt { attempt_id, reason: StopReason::Orphan, .. } = &effects[0] else {
        panic!("{effects:?}")
    };
    assert_eq!(attempt_id, "test-a999");
}

#[test]
fn reports_that_come_twice_count_once() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    rig.turn_starts("1", 1);
    rig.turn_ends("1", 1, TurnOutcome::Completed);
    assert!(rig.turn_ends("1", 1, TurnOutcome::Completed).is_empty());
    let attempt_id = rig.attempt("1");
    rig.ends("1", AttemptOutcome::Normal);
    let before = rig.machine.state().clone();
    let effects = rig.apply(Event::AttemptEnded {
        attempt_id,
        outcome: AttemptOutcome::Normal,
        usage: Default::default(),
        ran_ms: 7,
        evidence: serde_json::Value::Null,
    });
    assert!(effects.is_empty() && before == *rig.machine.state());
}

#[test]
fn a_question_that_was_settled_does_not_block_again() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    rig.asks("1", "q");
    rig.answer("1", "q");
    let attempt_id = rig.attempt("1");
    rig.apply(Event::InputAnswered { attempt_id, request: "q".into() });
    rig.restart(&["1"]);
    rig.asks("1", "q");
    assert!(rig.machine.snapshot(rig.now).blocked.is_empty());
    rig.asks("1", "another");
    assert_eq!(rig.machine.snapshot(rig.now).blocked.len(), 1);
}

#[test]
fn attempt_ids_are_never_used_twice() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    let mut seen = BTreeSet::from([rig.attempt("1")]);
    for _ in 0..20 {
        rig.fails("1");
        rig.restart(&[]);
        rig.retry("1", vec![issue("1")]);
        assert!(seen.insert(rig.attempt("1")));
    }
}

#[test]
fn a_clock_that_jumps_back_and_forth_moves_no_timer() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.now += 48 * 3_600_000;
    assert_eq!(delay(&rig.fails("1"), "1"), Some(10_000));
    rig.now -= 47 * 3_600_000;
    let row = rig.machine.snapshot(rig.now).retrying.remove(0);
    assert_eq!(row.due_at_ms, rig.now + 10_000, "shown by the clock of now");
    let effects = rig.restart(&[]);
    assert_eq!(delay(&effects, "1"), Some(10_000), "no time has passed, as far as is known");
    let poll = effects.iter().find_map(|e| match e {
        Effect::SetTimer { key: TimerKey::Poll, delay_ms, .. } => Some(*delay_ms),
        _ => None,
    });
    assert_eq!(poll, Some(30_000));
}

#[test]
fn a_shutdown_stops_and_the_next_start_runs_again() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2")]);
    rig.fails("2");
    rig.retry("2", vec![issue("2")]);
    let effects = rig.apply(Event::ShutdownRequested { mode: ShutdownMode::Stop });
    assert_eq!(kinds(&effects), ["stop_attempt", "stop_attempt"]);
    rig.ends("1", AttemptOutcome::Stopped);
    let last = rig.ends("2", AttemptOutcome::Stopped);
    assert_eq!(kinds(&last).last().map(String::as_str), Some("shutdown_ready"));
    assert!(started(&rig.poll(vec![issue("1"), issue("2")])).is_empty());
    let effects = rig.restart(&[]);
    assert_eq!(delay(&effects, "2"), Some(0));
    let effects = rig.retry("2", vec![issue("2")]);
    let Some(Effect::StartAttempt { attempt, .. }) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(*attempt, Some(1), "an interruption is no failure and forgets none");
}

#[test]
fn a_detaching_shutdown_leaves_sessions_alone() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    let effects = rig.apply(Event::ShutdownRequested { mode: ShutdownMode::Detach });
    assert_eq!(kinds(&effects), ["shutdown_ready"]);
    rig.restart(&["1"]);
    assert!(rig.runs("1"));
}

#[test]
fn a_draining_shutdown_lets_turns_end() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2")]);
    rig.turn_starts("1", 1);
    rig.turn_starts("2", 1);
    rig.asks("2", "q");
    let effects = rig.apply(Event::ShutdownRequested { mode: ShutdownMode::Drain });
    assert_eq!(kinds(&effects), ["stop_attempt"], "what waits for people is not waited for");
    rig.ends("2", AttemptOutcome::Stopped);
    rig.turn_ends("1", 1, TurnOutcome::Completed);
    assert_eq!(kinds(&rig.read(RefreshPurpose::TurnBoundary, vec![issue("1")])), ["end_session"]);
    assert!(kinds(&rig.ends("1", AttemptOutcome::Normal)).contains(&"shutdown_ready".to_owned()));
}
