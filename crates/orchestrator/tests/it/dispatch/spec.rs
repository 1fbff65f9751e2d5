//! Symphony §17.4, bullet by bullet, and the sections behind it.

use canon_orchestrator::dispatch::{
    AttemptOutcome, Effect, Event, RefreshPurpose, StopReason, TimerKey, TurnOutcome,
};
use canon_orchestrator::issue::Issue;
use serde_json::json;

use super::rig::{Rig, attempt_number, config, delay, failure, in_state, issue, kinds, started};

#[test]
fn spec_8_1_a_start_cleans_up_and_polls_at_once() {
    let mut rig = Rig::start(config(1));
    let again = rig.apply(Event::Started { instance: "twice".into(), config: config(1) });
    assert!(again.is_empty(), "a second start changes nothing");
    let effects = Rig::start(config(1)).log.len();
    assert_eq!(effects, 1);
    let first = canon_orchestrator::dispatch::Machine::new()
        .apply(Event::Started { instance: "x".into(), config: config(1) }, 5);
    assert_eq!(kinds(&first), ["fetch_terminal", "set_timer", "poll"]);
    assert!(first.contains(&Effect::SetTimer {
        key: TimerKey::Poll,
        timer_id: 2,
        delay_ms: 30_000,
        due_at_ms: 30_005
    }));
}

#[test]
fn spec_17_4_dispatch_order_is_priority_then_oldest_then_identifier() {
    let dated = |id: &str, priority: Option<i64>, second: Option<i64>| Issue {
        priority,
        created_at: second.map(|s| jiff::Timestamp::from_second(s).unwrap()),
        ..issue(id)
    };
    let rig = Rig::start(config(20));
    let mut rig = rig;
    let effects = rig.polled(vec![
        dated("zero", Some(0), Some(1)),
        dated("none", None, Some(2)),
        dated("undated-b", Some(2), None),
        dated("undated-a", Some(2), None),
        dated("young", Some(2), Some(90)),
        dated("old", Some(2), Some(10)),
        dated("five", Some(5), Some(3)),
        dated("urgent", Some(1), None),
        dated("four", Some(4), Some(1)),
    ]);
    let expected =
        ["urgent", "old", "young", "undated-a", "undated-b", "four", "zero", "none", "five"];
    assert_eq!(started(&effects), expected);
}

#[test]
fn spec_17_4_what_is_not_dispatchable_is_not_eligible() {
    let blocked = Issue { dispatchable: false, ..issue("1") };
    let blank = Issue { title: "  ".into(), ..issue("2") };
    let mut rig = Rig::start(config(9));
    let effects = rig.polled(vec![blocked, blank, in_state("3", "Done"), issue("4")]);
    assert_eq!(started(&effects), ["4"]);
    assert_eq!(rig.machine.why("CAN-1", rig.now).unwrap().reason, "not_dispatchable");
    assert_eq!(rig.machine.why("2", rig.now).unwrap().reason, "incomplete");
    assert_eq!(rig.machine.snapshot(rig.now).waiting["not_dispatchable"], 1);
}

#[test]
fn spec_17_4_required_labels_ignore_case_and_a_blank_one_matches_nothing() {
    let mut settings = config(9);
    settings.required_labels = vec![" CANON ".into()];
    let bare = Issue { labels: Vec::new(), ..issue("2") };
    let mut rig = Rig::start(settings.clone());
    assert_eq!(started(&rig.polled(vec![issue("1"), bare])), ["1"]);
    assert_eq!(rig.machine.why("2", rig.now).unwrap().reason, "missing_label");
    settings.required_labels = vec![" ".into()];
    assert!(started(&Rig::start(settings).polled(vec![issue("1")])).is_empty());
}

#[test]
fn spec_8_2_terminal_wins_over_active_and_states_compare_trimmed() {
    let mut settings = config(9);
    settings.active_states = vec![" TODO".into(), "done".into()];
    let mut rig = Rig::start(settings);
    let effects = rig.polled(vec![in_state("1", "todo "), in_state("2", "DONE")]);
    assert_eq!(started(&effects), ["1"]);
}

#[test]
fn spec_8_3_slots_are_limited_in_all_and_by_state() {
    let mut settings = config(3);
    settings.max_concurrent_agents_by_state.insert("todo".into(), 1);
    let mut rig = Rig::start(settings);
    let issues =
        vec![issue("1"), issue("2"), in_state("3", "In Progress"), in_state("4", "in progress")];
    assert_eq!(started(&rig.polled(issues.clone())), ["1", "3", "4"]);
    assert_eq!(rig.machine.why("2", rig.now).unwrap().reason, "no_slot");
    rig.fails("3");
    assert_eq!(rig.machine.why("2", rig.now).unwrap().reason, "no_slot_in_state");
    // The state of a running issue counts as it is tracked now.
    let moved = vec![in_state("1", "In Progress"), in_state("4", "In Progress")];
    rig.reconcile(moved);
    let effects = rig.polled(vec![issue("2"), in_state("1", "In Progress")]);
    assert_eq!(started(&effects), ["2"]);
}

#[test]
fn spec_17_4_a_refresh_of_an_active_issue_updates_the_running_entry() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    let effects = rig.reconcile(vec![in_state("1", "In Progress")]);
    assert!(effects.is_empty());
    assert_eq!(rig.machine.snapshot(rig.now).running[0].state, "In Progress");
}

fn stops(effects: &[Effect]) -> Vec<(StopReason, bool)> {
    let stop = |e: &Effect| match e {
        Effect::StopAttempt { reason, cleanup, .. } => Some((*reason, *cleanup)),
        _ => None,
    };
    effects.iter().filter_map(stop).collect()
}

#[test]
fn spec_17_4_a_non_active_state_stops_without_cleanup() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    let effects = rig.reconcile(vec![in_state("1", "Backlog")]);
    assert_eq!(stops(&effects), [(StopReason::NotActive, false)]);
    assert!(rig.runs("1"), "the claim is kept until the attempt has ended");
    assert_eq!(kinds(&rig.ends("1", AttemptOutcome::Stopped)), ["released"]);
}

#[test]
fn spec_8_5_an_unroutable_issue_stops_without_cleanup() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    let effects = rig.reconcile(vec![Issue { dispatchable: false, ..issue("1") }]);
    assert_eq!(stops(&effects), [(StopReason::NotRoutable, false)]);
    assert_eq!(delay(&rig.ends("1", AttemptOutcome::Stopped), "1"), None);
}

#[test]
fn spec_16_3_a_missing_issue_stops_without_cleanup() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    assert_eq!(stops(&rig.reconcile(vec![])), [(StopReason::Missing, false)]);
    assert_eq!(kinds(&rig.ends("1", AttemptOutcome::Stopped)), ["released"]);
}

#[test]
fn spec_17_4_a_terminal_state_stops_and_cleans_the_workspace() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    let effects = rig.reconcile(vec![in_state("1", "done")]);
    assert_eq!(stops(&effects), [(StopReason::Terminal, true)]);
    // Nothing is removed under a live agent, and nothing starts under the removal.
    let effects = rig.ends("1", AttemptOutcome::Stopped);
    assert_eq!(kinds(&effects), ["released", "cleanup_workspace"]);
    let Some(Effect::CleanupWorkspace { cleanup_id, .. }) = effects.last().cloned() else {
        panic!("{effects:?}")
    };
    rig.polled(vec![]);
    assert!(started(&rig.poll(vec![issue("1")])).is_empty());
    rig.apply(Event::WorkspaceCleaned { cleanup_id, error: None });
    assert_eq!(started(&rig.read(RefreshPurpose::Slot, vec![issue("1")])), ["1"]);
}

#[test]
fn spec_17_4_reconciliation_without_running_issues_does_nothing() {
    let mut rig = Rig::with(config(1), vec![]);
    assert!(rig.reconcile(vec![]).is_empty());
}

#[test]
fn spec_17_4_a_normal_exit_schedules_a_continuation() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    let effects = rig.ends("1", AttemptOutcome::Normal);
    assert_eq!(delay(&effects, "1"), Some(1_000));
    let row = rig.machine.snapshot(rig.now).retrying.remove(0);
    assert_eq!((row.attempt, row.error, row.due_at_ms), (Some(1), None, rig.now + 1_000));
    assert_eq!(attempt_number(&rig.retry("1", vec![issue("1")])), Some(1));
}

#[test]
fn spec_17_4_failures_back_off_from_ten_seconds_up_to_the_cap() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    for (count, expected) in
        [(1, 10_000), (2, 20_000), (3, 40_000), (4, 80_000), (5, 160_000), (6, 300_000)]
    {
        assert_eq!(delay(&rig.fails("1"), "1"), Some(expected));
        let effects = rig.retry("1", vec![issue("1")]);
        assert_eq!(attempt_number(&effects), Some(count));
    }
    let settings = config(1);
    assert_eq!(settings.backoff_ms(u32::MAX), 300_000);
    assert_eq!(settings.backoff_ms(65), 300_000);
    assert_eq!(settings.backoff_ms(0), 10_000);
}

#[test]
fn spec_17_4_the_cap_of_the_backoff_is_configured() {
    let mut settings = config(1);
    settings.max_retry_backoff_ms = 7_000;
    let mut rig = Rig::with(settings, vec![issue("1")]);
    assert_eq!(delay(&rig.fails("1"), "1"), Some(7_000));
}

#[test]
fn spec_17_4_a_retry_row_has_attempt_due_time_identifier_and_error() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.fails("1");
    let row = rig.machine.snapshot(rig.now).retrying.remove(0);
    assert_eq!(row.attempt, Some(1));
    assert_eq!(row.due_at_ms, rig.now + 10_000);
    assert_eq!(row.identifier, "CAN-1");
    assert_eq!(row.url.as_deref(), Some("https://tracker.test/1"));
    assert_eq!(row.error.as_deref(), Some("port_exit: it broke"));
}

#[test]
fn spec_17_4_a_stalled_session_is_stopped_and_retried() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    assert!(rig.silent("1", 300_000).is_empty(), "not longer than the limit");
    assert_eq!(stops(&rig.silent("1", 300_001)), [(StopReason::Stalled, false)]);
    assert_eq!(delay(&rig.ends("1", AttemptOutcome::Stopped), "1"), Some(10_000));
    let row = rig.machine.snapshot(rig.now).retrying.remove(0);
    assert!(row.error.unwrap().starts_with("stalled: "));
}

#[test]
fn spec_17_4_without_slots_a_retry_is_requeued_with_its_reason() {
    let mut rig = Rig::with(config(1), vec![issue("1"), issue("2")]);
    rig.fails("1");
    rig.read(RefreshPurpose::Slot, vec![issue("2")]);
    assert!(rig.runs("2"));
    let effects = rig.retry("1", vec![issue("1")]);
    assert_eq!(delay(&effects, "1"), Some(10_000));
    let row = rig.machine.snapshot(rig.now).retrying.remove(0);
    assert_eq!(row.error.as_deref(), Some("no available orchestrator slots"));
    assert_eq!(row.attempt, Some(1));
    assert!(row.waiting_for_slot);
}

#[test]
fn spec_17_4_the_snapshot_has_running_and_retry_rows_totals_and_rate_limits() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2")]);
    rig.turn_starts("1", 1);
    rig.turn_ends("1", 1, TurnOutcome::Completed);
    rig.fails("2");
    rig.apply(Event::RateLimits { limits: json!({ "primary": 12 }) });
    let snapshot = rig.machine.snapshot(rig.now + 1_500);
    assert_eq!(snapshot.running[0].turn_count, 1);
    assert_eq!(snapshot.running[0].session_id.as_deref(), Some("t-1"));
    assert_eq!(snapshot.running[0].usage.total_tokens, 100);
    assert_eq!(snapshot.retrying.len(), 1);
    assert_eq!(snapshot.totals.usage.total_tokens, 200);
    assert_eq!(snapshot.rate_limits, Some(json!({ "primary": 12 })));
    assert_eq!((snapshot.slots_used, snapshot.slots), (1, 2));
}

#[test]
fn spec_13_5_absolute_totals_are_counted_once() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    rig.turn_ends("1", 1, TurnOutcome::Completed);
    rig.turn_ends("1", 1, TurnOutcome::Completed);
    rig.read(RefreshPurpose::TurnBoundary, vec![issue("1")]);
    rig.turn_starts("1", 2);
    rig.turn_ends("1", 2, TurnOutcome::Completed);
    // The end reports less than the second turn did: no growth, and never a loss.
    rig.ends("1", AttemptOutcome::Normal);
    assert_eq!(rig.machine.snapshot(rig.now).totals.usage.total_tokens, 200);
}

#[test]
fn spec_7_1_turns_go_on_while_the_issue_is_active_and_turns_are_left() {
    let mut settings = config(1);
    settings.max_turns = 2;
    let mut rig = Rig::with(settings, vec![issue("1")]);
    rig.turn_starts("1", 1);
    assert_eq!(kinds(&rig.turn_ends("1", 1, TurnOutcome::Completed)), ["refresh"]);
    let effects = rig.read(RefreshPurpose::TurnBoundary, vec![in_state("1", "In Progress")]);
    let [Effect::NextTurn { turn_no: 2, issue, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(issue.state, "In Progress");
    rig.turn_starts("1", 2);
    rig.turn_ends("1", 2, TurnOutcome::Completed);
    let effects = rig.read(RefreshPurpose::TurnBoundary, vec![in_state("1", "In Progress")]);
    assert!(matches!(&effects[..], [Effect::EndSession { failure: None, .. }]), "{effects:?}");
}

#[test]
fn spec_16_5_a_turn_ends_the_session_when_the_issue_left() {
    for answer in [vec![], vec![in_state("1", "Human Review")], vec![in_state("1", "Done")]] {
        let mut rig = Rig::with(config(1), vec![issue("1")]);
        rig.turn_starts("1", 1);
        rig.turn_ends("1", 1, TurnOutcome::Completed);
        let effects = rig.read(RefreshPurpose::TurnBoundary, answer);
        assert!(matches!(&effects[..], [Effect::EndSession { failure: None, .. }]));
    }
}

#[test]
fn spec_16_5_a_failed_read_between_turns_fails_the_attempt() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    rig.turn_ends("1", 1, TurnOutcome::Completed);
    let effects = rig.read_fails(RefreshPurpose::TurnBoundary);
    let [Effect::EndSession { failure: Some(failure), .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(failure.error, "issue state refresh error: HTTP 502");
    assert_eq!(delay(&rig.ends("1", AttemptOutcome::Normal), "1"), Some(10_000));
}

#[test]
fn spec_8_4_a_retry_releases_what_is_gone_inactive_or_unroutable() {
    for answer in
        [vec![], vec![in_state("1", "Backlog")], vec![Issue { dispatchable: false, ..issue("1") }]]
    {
        let mut rig = Rig::with(config(1), vec![issue("1")]);
        rig.fails("1");
        assert_eq!(kinds(&rig.retry("1", answer)), ["released"]);
    }
}

#[test]
fn spec_8_4_a_retry_cleans_up_what_is_terminal() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.fails("1");
    let effects = rig.retry("1", vec![in_state("1", "Cancelled")]);
    assert_eq!(kinds(&effects), ["released", "cleanup_workspace"]);
}

#[test]
fn spec_8_6_startup_removes_workspaces_of_terminal_issues_that_nothing_uses() {
    use canon_orchestrator::dispatch::IssueRef;
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    let issues = ["1", "9"].map(|id| IssueRef::of(&issue(id))).to_vec();
    let effects = rig.apply(Event::TerminalFetched { fetch_id: 1, issues: issues.clone() });
    let [Effect::CleanupWorkspace { issue, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(issue.identifier, "CAN-9");
    let again = rig.apply(Event::TerminalFetched { fetch_id: 1, issues });
    assert!(again.is_empty(), "answered already");
}

#[test]
fn spec_14_2_a_failed_poll_keeps_everything() {
    let mut rig = Rig::with(config(2), vec![issue("1"), issue("2")]);
    rig.apply(Event::RefreshRequested);
    let poll_id = rig.poll_id();
    rig.apply(Event::ReconcileFailed { poll_id, error: "HTTP 502".into() });
    assert!(rig.apply(Event::PollFailed { poll_id, error: "HTTP 502".into() }).is_empty());
    let snapshot = rig.machine.snapshot(rig.now);
    assert_eq!(snapshot.running.len(), 2);
    assert_eq!(snapshot.poll_error.as_deref(), Some("HTTP 502"));
    assert_eq!(snapshot.tracker_error().as_deref(), Some("HTTP 502"), "the same is said once");
    rig.poll(vec![issue("1")]);
    let snapshot = rig.machine.snapshot(rig.now);
    assert_eq!(snapshot.poll_error, None);
    assert_eq!(snapshot.reconcile_error.as_deref(), Some("HTTP 502"), "that was another read");
    rig.reconcile(vec![issue("1"), issue("2")]);
    assert_eq!(rig.machine.snapshot(rig.now).tracker_error(), None);
}

#[test]
fn spec_16_5_a_failed_turn_fails_the_attempt() {
    let mut rig = Rig::with(config(1), vec![issue("1")]);
    rig.turn_starts("1", 1);
    let outcome = TurnOutcome::Failed { failure: failure("turn_failed") };
    let effects = rig.turn_ends("1", 1, outcome);
    assert!(matches!(&effects[..], [Effect::EndSession { failure: Some(_), .. }]));
    rig.ends("1", AttemptOutcome::Normal);
    let history = rig.machine.issue_view("CAN-1", rig.now).unwrap().history.unwrap();
    assert_eq!(history.last_error.as_deref(), Some("turn_failed: it broke"));
    assert_eq!(history.attempts[0].result, "failed");
}
