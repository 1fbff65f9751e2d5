//! Any order of events: no panic, no attempt twice, and the same state from a replay.

use std::collections::{BTreeMap, BTreeSet};

use canon_orchestrator::dispatch::{
    AttemptOutcome, Effect, Event, Machine, ShutdownMode, TurnOutcome,
};
use proptest::prelude::*;
use serde_json::Value;

use super::rig::{config, failure, in_state, tokens};

/// A step: what to do, to which issue, how.
type Step = (u8, u8, u8);

/// Everything that effects have named so far; answers are made from it, old ones too.
#[derive(Default)]
struct Seen {
    attempts: Vec<String>,
    polls: Vec<u64>,
    reads: Vec<(u64, Vec<String>)>,
    timers: Vec<u64>,
    cleanups: Vec<u64>,
}

fn nth<T: Clone>(items: &[T], n: u8) -> Option<T> {
    (!items.is_empty()).then(|| items[items.len() - 1 - (n as usize % items.len().min(4))].clone())
}

fn event(machine: &Machine, seen: &Seen, (what, which, how): Step) -> Option<Event> {
    let states = ["Todo", "In Progress", "Done", "Backlog"];
    let issue = in_state(&(which % 6).to_string(), states[how as usize % 4]);
    let attempt_id = nth(&seen.attempts, which);
    let issue_id = issue.id.clone();
    let error = || "x".to_owned();
    Some(match what % 22 {
        0 => Event::TimerFired { timer_id: nth(&seen.timers, which)? },
        1 => Event::Polled {
            poll_id: nth(&seen.polls, which)?,
            delta: machine
                .poll_delta((0..=which % 6).map(|n| in_state(&n.to_string(), "Todo")).collect()),
        },
        2 => Event::PollFailed { poll_id: nth(&seen.polls, which)?, error: error() },
        3 => {
            let poll_id = nth(&seen.polls, which)?;
            let ids: Vec<String> = machine.live_attempts().map(|(_, i)| i.id.clone()).collect();
            Event::Reconciled { poll_id, reread: machine.reread(&ids, vec![issue]) }
        }
        4 => Event::Refreshed {
            refresh_id: nth(&seen.reads, which)?.0,
            reread: machine.reread(&nth(&seen.reads, which)?.1, vec![issue]),
        },
        5 => Event::RefreshFailed { refresh_id: nth(&seen.reads, which)?.0, error: error() },
        6 => Event::SessionStarted { attempt_id: attempt_id?, session: Default::default() },
        7 => Event::TurnStarted {
            attempt_id: attempt_id?,
            turn_no: u32::from(how % 4),
            session_id: "s".to_owned(),
        },
        8 => Event::TurnEnded {
            attempt_id: attempt_id?,
            turn_no: u32::from(how % 4),
            outcome: match how % 3 {
                0 => TurnOutcome::Failed { failure: failure("turn_failed") },
                _ => TurnOutcome::Completed,
            },
            usage: tokens(u64::from(how)),
        },
        9 | 10 => Event::AttemptEnded {
            attempt_id: attempt_id?,
            outcome: match how % 3 {
                0 => AttemptOutcome::Normal,
                1 => AttemptOutcome::Stopped,
                _ => AttemptOutcome::Failed { failure: failure("port_exit") },
            },
            usage: tokens(u64::from(how)),
            ran_ms: 5,
            evidence: Value::Null,
        },
        11 => Event::InputRequired {
            attempt_id: attempt_id?,
            request: (how % 3).to_string(),
            question: canon_orchestrator::dispatch::Question {
                kind: "user_input".to_owned(),
                text: "?".to_owned(),
                payload: Value::Null,
            },
        },
        12 => Event::InputAnswered { attempt_id: attempt_id?, request: (how % 3).to_string() },
        13 => Event::OperatorAnswered {
            issue_id,
            request: (how % 3).to_string(),
            answer: Value::Null,
        },
        14 => Event::RetryNow { issue_id },
        15 => Event::StopRequested { issue_id },
        16 => Event::RefreshRequested,
        17 if how % 2 == 0 => Event::Paused,
        17 => Event::Resumed,
        18 if how % 3 == 0 => Event::WorkflowBroken { error: error() },
        18 => Event::ConfigChanged { config: config(u32::from(how % 4)) },
        19 => Event::Restarted {
            config: config(2),
            alive: machine
                .live_attempts()
                .filter(|(_, i)| i.id != issue_id)
                .map(|(id, _)| id.to_owned())
                .collect(),
        },
        20 => Event::WorkspaceCleaned { cleanup_id: nth(&seen.cleanups, which)?, error: None },
        _ if how < 8 => Event::ShutdownRequested { mode: ShutdownMode::Drain },
        _ => {
            let silence = machine.live_attempts().map(|(id, _)| (id.to_owned(), 400_000)).collect();
            Event::Tick { silence }
        }
    })
}

fn note(effects: &[Effect], seen: &mut Seen, ever: &mut BTreeSet<String>) {
    for effect in effects {
        match effect {
            Effect::StartAttempt { attempt_id, .. } => {
                assert!(ever.insert(attempt_id.clone()), "{attempt_id} starts twice");
                seen.attempts.push(attempt_id.clone());
            }
            Effect::Poll { poll_id, .. } => seen.polls.push(*poll_id),
            Effect::Refresh { refresh_id, ids, .. } => {
                assert!(!ids.is_empty());
                seen.reads.push((*refresh_id, ids.clone()));
            }
            Effect::SetTimer { timer_id, .. } => seen.timers.push(*timer_id),
            Effect::CleanupWorkspace { cleanup_id, .. } => seen.cleanups.push(*cleanup_id),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]
    #[test]
    fn any_order_of_events_keeps_the_invariants(
        steps in prop::collection::vec(any::<Step>(), 1..150),
        clock in prop::collection::vec(-100_000_i64..200_000, 150),
    ) {
        let mut machine = Machine::new();
        let (mut seen, mut ever, mut log) = (Seen::default(), BTreeSet::new(), Vec::new());
        let mut now = 1_700_000_000_000_u64;
        let start = Event::Started { instance: "p".to_owned(), config: config(2) };
        log.push((start.clone(), now));
        note(&machine.apply(start, now), &mut seen, &mut ever);
        for (step, jump) in steps.iter().zip(clock) {
            now = now.saturating_add_signed(jump);
            let Some(event) = event(&machine, &seen, *step) else { continue };
            let before = machine.snapshot(now).slots_used;
            log.push((event.clone(), now));
            let effects = machine.apply(event, now);
            note(&effects, &mut seen, &mut ever);
            let snapshot = machine.snapshot(now);
            let starts = effects.iter().filter(|e| matches!(e, Effect::StartAttempt { .. })).count();
            if starts > 0 {
                prop_assert!(snapshot.slots_used <= snapshot.slots, "{before} before");
                prop_assert!(!snapshot.paused && snapshot.workflow_error.is_none());
            }
            let mut claims: BTreeMap<String, u32> = BTreeMap::new();
            let live = machine.live_attempts().map(|(_, i)| i.id.clone());
            let rest = snapshot.retrying.iter().map(|r| r.issue_id.clone());
            for id in live.chain(rest).chain(snapshot.held.iter().map(|h| h.issue_id.clone())) {
                *claims.entry(id).or_default() += 1;
            }
            prop_assert!(claims.values().all(|n| *n == 1), "claimed twice: {claims:?}");
        }
        let mut replayed = Machine::new();
        for (event, at) in log {
            let stored = serde_json::to_string(&event).unwrap();
            replayed.apply(serde_json::from_str(&stored).unwrap(), at);
        }
        prop_assert_eq!(
            serde_json::to_string(replayed.state()).unwrap(),
            serde_json::to_string(machine.state()).unwrap()
        );
    }
}
