//! What operators can do.

use canon_orchestrator::dispatch::{AttemptOutcome, Event, RefreshPurpose};

use super::rig::{Rig, attempt_number, config, delay, issue, kinds, started};

fn stop(rig: &mut Rig, id: &str) -> Vec<canon_orchestrator::dispatch::Effect> {
    rig.apply(Event::StopRequested { issue_id: id.to_owned() })
}

#[test]
fn a_pause_stops_new_dispatches_only() {
    let mut rig = Rig::with(config(2), vec![issue("1")]);
    rig.apply(Event::Paused);
    assert!(started(&rig.poll(vec![issue("1"), issue("2")])).is_empty());
    assert_eq!(rig.machine.why("2", rig.now).unwrap().reason, "paused");
    rig.apply(Event::Resumed);
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["2"], "at once, not at the next poll");
    assert_eq!(started(&rig.read(RefreshPurpose::Slot, vec![issue("2")])), ["2"]);
}

#[test]
fn a_stopped_issue_is_held_until_it_is_wanted_again() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    assert_eq!(kinds(&stop(&mut rig, "1")), ["stop_attempt"]);
    assert_eq!(delay(&rig.ends("1", AttemptOutcome::Stopped), "1"), None);
    assert!(started(&rig.poll(vec![issue("1")])).is_empty());
    assert_eq!(rig.machine.snapshot(rig.now).held[0].identifier, "CAN-1");
    assert_eq!(rig.machine.issue_view("CAN-1", rig.now).unwrap().status, "held");
    rig.apply(Event::RetryNow { issue_id: "1".to_owned() });
    let effects = rig.read(RefreshPurpose::Retry, vec![issue("1")]);
    assert_eq!(attempt_number(&effects), None, "it starts afresh");
}

#[test]
fn a_held_issue_that_leaves_the_active_states_is_released() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.fails("1");
    stop(&mut rig, "1");
    assert_eq!(rig.machine.snapshot(rig.now).held.len(), 1, "a retry can be stopped too");
    assert_eq!(kinds(&rig.poll(vec![])).first().map(String::as_str), Some("released"));
    assert_eq!(started(&rig.poll(vec![issue("1")])), ["1"]);
}

#[test]
fn a_waiting_candidate_can_be_held() {
    let mut rig = Rig::with(config(1), vec![issue("1"), issue("2"), issue("3")]);
    stop(&mut rig, "2");
    rig.fails("1");
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["3"]);
    assert!(stop(&mut rig, "unknown").is_empty());
}

#[test]
fn a_retry_can_be_brought_forward() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.fails("1");
    let effects = rig.apply(Event::RetryNow { issue_id: "1".to_owned() });
    assert_eq!(kinds(&effects), ["cancel_timer", "refresh"]);
    assert!(rig.apply(Event::RetryNow { issue_id: "1".to_owned() }).is_empty());
    assert_eq!(attempt_number(&rig.read(RefreshPurpose::Retry, vec![issue("1")])), Some(1));
}

#[test]
fn refresh_requests_are_coalesced() {
    let mut rig = Rig::start(config(1));
    assert!(rig.apply(Event::RefreshRequested).is_empty());
    assert!(rig.apply(Event::RefreshRequested).is_empty());
    assert_eq!(kinds(&rig.polled(vec![])), ["poll"], "one more, begun after the request");
    assert!(rig.polled(vec![]).is_empty());
}

#[test]
fn a_lowered_limit_stops_nobody_and_starts_nobody() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2"), issue("3")]);
    assert!(rig.apply(Event::ConfigChanged { config: config(1) }).is_empty());
    assert!(
        rig.fails("1").iter().all(|e| !kinds(std::slice::from_ref(e)).contains(&"refresh".into()))
    );
    rig.apply(Event::ConfigChanged { config: config(3) });
    assert_eq!(rig.asked(RefreshPurpose::Slot), ["3"]);
}

#[test]
fn other_states_or_labels_are_polled_for_at_once() {
    let mut rig = Rig::with(config(1), vec![]);
    let mut settings = config(1);
    settings.active_states.push("Rework".to_owned());
    assert_eq!(kinds(&rig.apply(Event::ConfigChanged { config: settings })), ["poll"]);
}

#[test]
fn a_shorter_interval_counts_at_once() {
    let mut rig = Rig::with(config(1), vec![]);
    let mut settings = config(1);
    settings.poll_interval_ms = 1_000;
    let effects = rig.apply(Event::ConfigChanged { config: settings });
    assert_eq!(kinds(&effects), ["cancel_timer", "set_timer"]);
}
