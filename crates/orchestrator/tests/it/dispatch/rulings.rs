//! The rulings that the machine carries out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use canon_orchestrator::config::OnInputRequired;
use canon_orchestrator::dispatch::{
    AttemptOutcome, Effect, Event, IdleStatus, RefreshPurpose, StopReason, TimerKey, TurnOutcome,
};
use canon_orchestrator::issue::Issue;

use super::rig::{Rig, attempt_number, config, delay, failure, in_state, issue, kinds, started};

#[test]
fn ruling_03_only_a_completed_turn_is_a_success() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    let outcome = TurnOutcome::Failed { failure: failure("turn_cancelled") };
    assert_eq!(kinds(&rig.turn_ends("1", 1, outcome)), ["end_session"]);
    assert_eq!(delay(&rig.ends("1", AttemptOutcome::Normal), "1"), Some(10_000));
}

#[test]
fn ruling_05_stall_keeps_claim() {
    let mut rig = Rig::with(config(2), vec![issue("1")]);
    let effects = rig.silent("1", 400_000);
    assert_eq!(kinds(&effects), ["stop_attempt"], "the same tick dispatches nothing");
    // A poll before and after the end of the attempt does not dispatch the issue either.
    assert!(started(&rig.poll(vec![issue("1")])).is_empty());
    rig.ends("1", AttemptOutcome::Stopped);
    assert!(started(&rig.poll(vec![issue("1")])).is_empty());
    assert_eq!(attempt_number(&rig.retry("1", vec![issue("1")])), Some(1));
}

#[test]
fn ruling_05_what_waits_for_others_does_not_stall() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2")]);
    rig.turn_starts("1", 1);
    rig.asks("1", "q");
    rig.turn_starts("2", 1);
    rig.turn_ends("2", 1, TurnOutcome::Completed);
    assert!(rig.silent("1", u64::MAX).is_empty());
    assert!(rig.silent("2", u64::MAX).is_empty());
}

#[test]
fn ruling_06_a_clean_exit_forgets_failures() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.fails("1");
    rig.retry("1", vec![issue("1")]);
    rig.fails("1");
    assert_eq!(attempt_number(&rig.retry("1", vec![issue("1")])), Some(2));
    rig.ends("1", AttemptOutcome::Normal);
    rig.retry("1", vec![issue("1")]);
    assert_eq!(delay(&rig.fails("1"), "1"), Some(10_000));
}

#[test]
fn ruling_06_waiting_for_slot_or_tracker_does_not_count() {
    let mut rig = Rig::with(config(1), vec![issue("1"), issue("2")]);
    rig.fails("1");
    rig.read(RefreshPurpose::Slot, vec![issue("2")]);
    for _ in 0..5 {
        assert_eq!(delay(&rig.retry("1", vec![issue("1")]), "1"), Some(10_000));
        let timer_id = rig.retry_timer("1");
        rig.apply(Event::TimerFired { timer_id });
        assert_eq!(delay(&rig.read_fails(RefreshPurpose::Retry), "1"), Some(10_000));
    }
    let row = rig.machine.snapshot(rig.now).retrying.remove(0);
    assert_eq!(row.attempt, Some(1));
    assert_eq!(row.error.as_deref(), Some("retry refresh failed: HTTP 502"));
}

#[test]
fn ruling_07_a_question_blocks_gives_the_slot_back_and_is_shown() {
    let mut rig = Rig::with(config(1), vec![issue("1"), issue("2")]);
    rig.turn_starts("1", 1);
    rig.asks("1", "q");
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["2"], "the slot is refilled");
    rig.read(RefreshPurpose::Slot, vec![issue("2")]);
    assert!(rig.runs("1") && rig.runs("2"));
    let snapshot = rig.machine.snapshot(rig.now);
    assert_eq!(snapshot.blocked[0].questions["q"].question.text, "push to main?");
    assert_eq!(rig.machine.why("1", rig.now).unwrap().reason, "blocked");
    assert!(started(&rig.poll(vec![issue("1"), issue("2")])).is_empty(), "it stays claimed");
    // Answered, it waits for the slot, and then takes it before anything else.
    assert!(rig.answer("1", "q").is_empty());
    assert!(rig.answer("1", "q").is_empty(), "the first answer counts");
    assert!(rig.machine.snapshot(rig.now).blocked[0].waiting_for_slot);
    let effects = rig.fails("2");
    assert!(effects.iter().any(|e| matches!(e, Effect::Answer { request, .. } if request == "q")));
    assert_eq!(rig.machine.snapshot(rig.now).slots_used, 1);
}

#[test]
fn ruling_07_a_withdrawn_question_lets_the_agent_work_on() {
    let mut rig = Rig::with(config(1), vec![issue("1"), issue("2"), issue("3")]);
    rig.turn_starts("1", 1);
    rig.asks("1", "q");
    rig.read(RefreshPurpose::Slot, vec![issue("2")]);
    let attempt_id = rig.attempt("1");
    rig.apply(Event::InputAnswered { attempt_id, request: "q".into() });
    assert_eq!(rig.machine.snapshot(rig.now).slots_used, 2);
    // Above the limit, nothing new starts.
    assert!(rig.fails("2").iter().all(|e| !matches!(e, Effect::Refresh { .. })));
}

#[test]
fn ruling_07_every_question_needs_its_answer() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    rig.asks("1", "a");
    rig.asks("1", "b");
    assert!(rig.answer("1", "a").is_empty());
    assert_eq!(kinds(&rig.answer("1", "b")), ["answer", "answer"]);
}

#[test]
fn ruling_07_a_question_under_policy_fail_fails_the_attempt() {
    let mut settings = config(1);
    settings.on_input_required = OnInputRequired::Fail;
    let mut rig = Rig::with(settings, vec![issue("1")]);
    rig.turn_starts("1", 1);
    let effects = rig.asks("1", "q");
    let [Effect::StopAttempt { reason: StopReason::InputRequired, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(delay(&rig.ends("1", AttemptOutcome::Stopped), "1"), Some(10_000));
    let row = rig.machine.snapshot(rig.now).retrying.remove(0);
    assert!(row.error.unwrap().starts_with("turn_input_required: "));
}

#[test]
fn ruling_07_a_blocked_issue_that_is_done_is_stopped() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    rig.asks("1", "q");
    assert_eq!(kinds(&rig.reconcile(vec![in_state("1", "Done")])), ["stop_attempt"]);
}

#[test]
fn ruling_07_a_turn_that_ends_while_blocked_goes_on_only_with_a_slot() {
    let mut rig = Rig::with(config(1), vec![issue("1"), issue("2")]);
    rig.turn_starts("1", 1);
    rig.asks("1", "q");
    rig.read(RefreshPurpose::Slot, vec![issue("2")]);
    rig.turn_ends("1", 1, TurnOutcome::Completed);
    let effects = rig.read(RefreshPurpose::TurnBoundary, vec![issue("1")]);
    assert!(matches!(&effects[..], [Effect::EndSession { failure: None, .. }]), "{effects:?}");
    assert!(rig.answer("1", "q").is_empty(), "the question went with its turn");
    assert_eq!(delay(&rig.ends("1", AttemptOutcome::Normal), "1"), Some(1_000));
    assert_eq!(rig.machine.snapshot(rig.now).slots_used, 1);
}

#[test]
fn ruling_07_a_question_between_turns_blocks_before_the_next_one() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    rig.turn_ends("1", 1, TurnOutcome::Completed);
    rig.asks("1", "q");
    assert!(rig.read(RefreshPurpose::TurnBoundary, vec![issue("1")]).is_empty());
    assert_eq!(rig.machine.snapshot(rig.now).blocked.len(), 1);
    assert_eq!(kinds(&rig.answer("1", "q")), ["answer", "next_turn"]);
}

#[test]
fn ruling_08_a_broken_workflow_blocks_only_new_dispatches() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2")]);
    rig.turn_starts("1", 1);
    rig.fails("2");
    rig.apply(Event::WorkflowBroken { error: "line 3: not YAML".into() });
    assert!(started(&rig.poll(vec![issue("1"), issue("3")])).is_empty());
    assert!(started(&rig.retry("2", vec![issue("2")])).is_empty());
    assert_eq!(rig.machine.why("3", rig.now).unwrap().reason, "workflow_broken");
    assert_eq!(rig.machine.snapshot(rig.now).workflow_error.as_deref(), Some("line 3: not YAML"));
    // Turns, reconciliation and retries go on with the last good settings.
    rig.turn_ends("1", 1, TurnOutcome::Completed);
    assert_eq!(kinds(&rig.read(RefreshPurpose::TurnBoundary, vec![issue("1")])), ["next_turn"]);
    assert_eq!(kinds(&rig.reconcile(vec![in_state("1", "Done")])), ["stop_attempt"]);
    rig.apply(Event::ConfigChanged { config: config(2) });
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["2"]);
    assert_eq!(started(&rig.read(RefreshPurpose::Slot, vec![issue("2")])), ["2"]);
}

#[test]
fn ruling_10_an_unanswered_tracker_holds_up_nothing_else() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2")]);
    rig.apply(Event::RefreshRequested);
    let hanging = rig.poll_id();
    assert_eq!(rig.machine.snapshot(rig.now).running.len(), 2);
    assert_eq!(kinds(&rig.silent("1", 400_000)), ["stop_attempt"], "stalls are seen meanwhile");
    rig.fails("2");
    assert_eq!(rig.machine.snapshot(rig.now).retrying.len(), 1);
    // In the end the request counts as failed, and a late answer is ignored.
    assert!(rig.machine.tick(&BTreeMap::new(), rig.now + 149_999).is_none());
    rig.now += 150_001;
    let event = rig.machine.tick(&BTreeMap::new(), rig.now).unwrap();
    rig.apply(event);
    let before = rig.machine.state().clone();
    let delta = rig.machine.poll_delta(vec![issue("9")]);
    assert!(rig.apply(Event::Polled { poll_id: hanging, delta }).is_empty());
    assert!(before == *rig.machine.state());
    assert_eq!(kinds(&rig.apply(Event::RefreshRequested)), ["poll"]);
}

#[test]
fn ruling_10_a_session_does_not_wait_for_a_silent_tracker_for_ever() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    rig.turn_ends("1", 1, TurnOutcome::Completed);
    rig.now += 150_001;
    let event = rig.machine.tick(&BTreeMap::new(), rig.now).unwrap();
    let effects = rig.apply(event);
    assert!(matches!(&effects[..], [Effect::EndSession { failure: Some(_), .. }]), "{effects:?}");
}

#[test]
fn ruling_11_an_error_is_never_read_as_gone() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2")]);
    rig.fails("2");
    rig.apply(Event::RefreshRequested);
    let poll_id = rig.poll_id();
    assert!(rig.apply(Event::ReconcileFailed { poll_id, error: "x".into() }).is_empty());
    assert!(rig.apply(Event::PollFailed { poll_id, error: "x".into() }).is_empty());
    let timer_id = rig.retry_timer("2");
    rig.apply(Event::TimerFired { timer_id });
    let effects = rig.read_fails(RefreshPurpose::Retry);
    assert_eq!(kinds(&effects), ["set_timer"]);
    assert!(rig.runs("1"));
}

#[test]
fn ruling_11_a_broken_record_holds_up_no_other_at_reconciliation() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2")]);
    let effects = rig.reconcile_but(vec![in_state("1", "Done")], &["2"]);
    let [Effect::StopAttempt { attempt_id, cleanup: true, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*attempt_id, rig.attempt("1"));
    assert!(rig.runs("2"));
    rig.polled(vec![]);
    let error = rig.machine.snapshot(rig.now).tracker_error().unwrap();
    assert!(error.contains("2: not YAML"), "a poll that works does not hide it: {error}");
    rig.reconcile_but(vec![], &["2"]);
    assert!(rig.runs("2"), "what cannot be read is not gone");
    rig.polled(vec![]);
    rig.reconcile(vec![issue("2")]);
    assert_eq!(rig.machine.snapshot(rig.now).tracker_error(), None);
}

#[test]
fn ruling_11_an_error_of_reconciliation_ends_with_what_it_was_about() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.reconcile_but(vec![], &["1"]);
    rig.polled(vec![]);
    rig.fails("1");
    assert!(rig.machine.snapshot(rig.now).reconcile_error.is_some());
    rig.poll(vec![]);
    assert_eq!(rig.machine.snapshot(rig.now).reconcile_error, None, "nothing runs");
}

#[test]
fn ruling_11_a_broken_record_fails_only_its_own_attempt_at_a_turn_boundary() {
    let mut rig = Rig::with(config(3), vec![issue("1"), issue("2"), issue("3")]);
    for id in ["1", "2", "3"] {
        rig.turn_starts(id, 1);
        rig.turn_ends(id, 1, TurnOutcome::Completed);
    }
    // The first is read alone, the others in one batch after it.
    rig.read(RefreshPurpose::TurnBoundary, vec![issue("1")]);
    assert_eq!(rig.asked(RefreshPurpose::TurnBoundary), ["2", "3"]);
    let effects = rig.read_but(RefreshPurpose::TurnBoundary, vec![issue("3")], &["2"]);
    let [
        Effect::EndSession { attempt_id: ended, failure: Some(failure), .. },
        Effect::NextTurn { attempt_id: next, .. },
    ] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(*ended, rig.attempt("2"));
    assert_eq!(failure.error, "issue state refresh error: not YAML");
    assert_eq!(*next, rig.attempt("3"));
}

#[test]
fn ruling_11_a_broken_record_delays_only_its_own_retry() {
    let mut rig = Rig::with(config(3), vec![issue("1"), issue("2"), issue("3")]);
    for id in ["1", "2", "3"] {
        rig.fails(id);
    }
    for id in ["1", "2", "3"] {
        let timer_id = rig.retry_timer(id);
        rig.apply(Event::TimerFired { timer_id });
    }
    rig.read(RefreshPurpose::Retry, vec![issue("1")]);
    rig.read_but(RefreshPurpose::Retry, vec![issue("3")], &["2"]);
    assert!(rig.runs("1") && rig.runs("3") && !rig.runs("2"));
    let row = rig.machine.snapshot(rig.now).retrying.remove(0);
    assert_eq!(row.error.as_deref(), Some("retry refresh failed: not YAML"));
    assert_eq!(row.attempt, Some(1), "the count does not rise");
    let timer_id = rig.retry_timer("2");
    rig.apply(Event::TimerFired { timer_id });
    rig.read(RefreshPurpose::Retry, vec![issue("2")]);
    assert!(rig.runs("2"));
}

#[test]
fn ruling_11_a_broken_record_leaves_a_free_slot_to_others() {
    let issues = || ["1", "2", "3", "4", "5"].map(issue).to_vec();
    let mut rig = Rig::with(config(2), issues());
    rig.apply(Event::Paused);
    rig.fails("1");
    rig.fails("2");
    rig.apply(Event::Resumed);
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["3", "4"]);
    rig.read_but(RefreshPurpose::Slot, vec![issue("4")], &["3"]);
    assert!(rig.runs("4") && !rig.runs("3"));
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["5"], "not the broken one again");
    let effects = rig.read_but(RefreshPurpose::Slot, vec![], &["5"]);
    assert!(effects.is_empty(), "where nothing can be read, the next poll decides: {effects:?}");
    rig.poll(issues());
    assert!(rig.runs("3"), "it is a candidate again once it can be read");
}

#[test]
fn ruling_11_a_claim_with_a_broken_record_does_not_wait_in_the_line_for_slots() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.fails("1");
    rig.poll(vec![issue("1"), issue("2"), issue("3")]);
    assert!(rig.runs("2"));
    let timer_id = rig.retry_timer("1");
    rig.apply(Event::TimerFired { timer_id });
    rig.read(RefreshPurpose::Retry, vec![issue("1")]);
    assert!(rig.machine.snapshot(rig.now).retrying[0].waiting_for_slot);
    rig.fails("2");
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["1"]);
    rig.read_but(RefreshPurpose::Slot, vec![], &["1"]);
    let effects = rig.poll(vec![issue("2"), issue("3")]);
    assert_eq!(kinds(&effects), ["start_attempt"], "the slot goes to another at once");
    assert!(rig.runs("3"));
    let snapshot = rig.machine.snapshot(rig.now);
    let row = snapshot.retrying.iter().find(|row| row.issue_id == "1").unwrap();
    assert!(!row.waiting_for_slot);
    assert_eq!(row.error.as_deref(), Some("retry refresh failed: not YAML"));
    rig.retry_timer("1");
}

#[test]
fn ruling_11_records_without_unread_ids_are_still_read() {
    let old = serde_json::json!({
        "kind": "refreshed", "refresh_id": 1, "reread": { "changed": [], "missing": ["1"] }
    });
    let event: Event = serde_json::from_value(old.clone()).unwrap();
    let Event::Refreshed { reread, .. } = &event else { panic!("{event:?}") };
    assert!(reread.unread.is_empty());
    assert_eq!(serde_json::to_value(&event).unwrap(), old);
}

#[test]
fn ruling_12_no_stall_timeout_disables_the_check() {
    for disabled in [None, Some(0)] {
        let mut settings = config(1);
        settings.stall_timeout_ms = disabled;
        let mut rig = Rig::with(settings, vec![issue("1")]);
        assert!(rig.silent("1", u64::MAX).is_empty());
    }
}

#[test]
fn ruling_15_seconds_running_include_live_sessions() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2")]);
    rig.now += 10_000;
    rig.fails("2");
    let totals = rig.machine.snapshot(rig.now).totals;
    assert!((totals.seconds_running - 12.5).abs() < 1e-9, "{}", totals.seconds_running);
}

#[test]
fn ruling_16_freed_slots_are_refilled_at_once_in_one_read() {
    let issues: Vec<Issue> = (1..=9).map(|n| issue(&n.to_string())).collect();
    let mut rig = Rig::with(config(3), issues.clone());
    let first = rig.fails("1");
    assert!(
        first.iter().any(|e| matches!(e, Effect::Refresh { purpose: RefreshPurpose::Slot, .. }))
    );
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["4"]);
    // While it is in flight, further slots wait for the next batch.
    assert!(rig.fails("2").iter().all(|e| !matches!(e, Effect::Refresh { .. })));
    assert!(rig.fails("3").iter().all(|e| !matches!(e, Effect::Refresh { .. })));
    let effects = rig.read(RefreshPurpose::Slot, vec![in_state("4", "Backlog")]);
    assert!(started(&effects).is_empty(), "it is no longer active");
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["5", "6", "7"]);
    assert_eq!(started(&rig.read(RefreshPurpose::Slot, issues)), ["5", "6", "7"]);
}

#[test]
fn ruling_16_a_failed_read_waits_for_the_next_poll() {
    let mut rig = Rig::with(config(1), vec![issue("1"), issue("2")]);
    rig.fails("1");
    let effects = rig.read_fails(RefreshPurpose::Slot);
    assert!(effects.is_empty(), "no request after request to a tracker that fails");
    assert_eq!(started(&rig.poll(vec![issue("1"), issue("2")])), ["2"]);
}

#[test]
fn ruling_16_a_waiting_retry_takes_the_next_slot() {
    let mut rig = Rig::with(config(1), vec![issue("1"), issue("2")]);
    rig.fails("1");
    rig.read(RefreshPurpose::Slot, vec![issue("2")]);
    rig.retry("1", vec![issue("1")]);
    rig.fails("2");
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["1"]);
    let effects = rig.read(RefreshPurpose::Slot, vec![issue("1")]);
    assert_eq!(started(&effects), ["1"]);
    assert!(kinds(&effects).contains(&"cancel_timer".to_owned()));
}

#[test]
fn ruling_16_polls_keep_their_period() {
    let mut rig = Rig::start(config(1));
    let mut timer = 2;
    let mut due = rig.now + 30_000;
    for late in [0, 400, 29_999, 0, 100_000, 0] {
        rig.now = due + late;
        let effects = rig.apply(Event::TimerFired { timer_id: timer });
        let (id, delay_ms) = effects
            .iter()
            .find_map(|e| match e {
                Effect::SetTimer { key: TimerKey::Poll, timer_id, delay_ms, .. } => {
                    Some((*timer_id, *delay_ms))
                }
                _ => None,
            })
            .unwrap();
        (timer, due) = (id, rig.now + delay_ms);
        let expected = if late < 30_000 { 30_000 - late } else { 30_000 };
        assert_eq!(delay_ms, expected);
    }
}

#[test]
fn ruling_16_what_was_read_after_a_poll_began_is_not_overwritten_by_it() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.ends("1", AttemptOutcome::Normal);
    rig.apply(Event::RefreshRequested);
    let stale = rig.machine.poll_delta(vec![Issue { title: "older".into(), ..issue("1") }]);
    rig.retry("1", vec![in_state("1", "Human Review")]);
    let poll_id = rig.poll_id();
    let effects = rig.apply(Event::Polled { poll_id, delta: stale });
    assert!(started(&effects).is_empty());
}

#[test]
fn idle_needs_a_poll_that_began_after_the_last_change() {
    let mut rig = Rig::start(config(1));
    assert_eq!(rig.machine.idle(), IdleStatus::Busy, "nothing is known yet");
    rig.polled(vec![issue("1")]);
    rig.apply(Event::TerminalFetched { fetch_id: 1, issues: vec![] });
    assert_eq!(rig.machine.idle(), IdleStatus::Busy);
    rig.ends("1", AttemptOutcome::Normal);
    assert_eq!(rig.machine.idle(), IdleStatus::Busy, "a retry is due");
    rig.retry("1", vec![in_state("1", "Human Review")]);
    assert_eq!(rig.machine.idle(), IdleStatus::Unconfirmed);
    // What it unblocked is found by the poll.
    rig.poll(vec![issue("2")]);
    assert_eq!(rig.machine.idle(), IdleStatus::Busy);
    rig.turn_starts("2", 1);
    rig.asks("2", "q");
    assert_eq!(rig.machine.idle(), IdleStatus::Unconfirmed);
    rig.poll(vec![issue("2")]);
    assert_eq!(rig.machine.idle(), IdleStatus::Idle, "blocked issues do not count");
    rig.answer("2", "q");
    assert_eq!(rig.machine.idle(), IdleStatus::Busy);
}

#[test]
fn neither_retries_nor_candidates_starve_each_other() {
    let mut rig = Rig::with(config(1), (1..=4).map(|n| issue(&n.to_string())).collect());
    let mut order = vec!["1".to_owned()];
    let all: Vec<Issue> = (1..=4).map(|n| issue(&n.to_string())).collect();
    let mut running = "1".to_owned();
    for _ in 0..12 {
        rig.now += 1_000;
        let earlier: Vec<String> = order.clone();
        rig.ends(&running, AttemptOutcome::Normal);
        // Everything that ran before is due again and waits for the slot.
        for id in &earlier {
            if rig.machine.snapshot(rig.now).retrying.iter().any(|r| r.issue_id == **id) {
                rig.apply(Event::RetryNow { issue_id: id.clone() });
                if !rig.asked(RefreshPurpose::Retry).is_empty() {
                    rig.read(RefreshPurpose::Retry, all.clone());
                }
            }
        }
        while !rig.asked(RefreshPurpose::Slot).is_empty() {
            rig.read(RefreshPurpose::Slot, all.clone());
        }
        running = rig.machine.live_attempts().next().unwrap().1.id.clone();
        order.push(running.clone());
    }
    for id in ["1", "2", "3", "4"] {
        assert!(order.iter().filter(|o| *o == id).count() >= 2, "{order:?}");
    }
}

/// 10,000 candidates: a poll without changes and the choice for a free slot do not touch them all.
#[test]
fn a_quiet_tick_with_ten_thousand_candidates_costs_little() {
    let issues: Vec<Issue> = (0..10_000).map(|n| issue(&n.to_string())).collect();
    let mut rig = Rig::with(config(1), issues);
    let began = Instant::now();
    for _ in 0..1_000 {
        rig.apply(Event::RefreshRequested);
        let poll_id = rig.poll_id();
        rig.apply(Event::Polled { poll_id, delta: Default::default() });
        rig.machine.snapshot(rig.now);
    }
    // Each touching them all would take minutes.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
