//! What goes wrong, and what people do.

use std::collections::BTreeMap;

use canon_orchestrator::config::OnInputRequired;
use canon_orchestrator::dispatch::{DispatchConfig, Event, ShutdownMode};
use serde_json::json;

use super::rng::Rng;
use super::tracker::{ACTIVE, TERMINAL};
use super::world::World;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

pub(crate) fn config(rng: &mut Rng) -> DispatchConfig {
    let mut by_state = BTreeMap::new();
    if rng.percent(50) {
        by_state.insert("todo".to_owned(), rng.range(1, 3) as u32);
    }
    if rng.percent(30) {
        by_state.insert("in progress".to_owned(), rng.range(1, 3) as u32);
    }
    DispatchConfig {
        digest: format!("d{}", rng.range(0, 1000)),
        poll_interval_ms: *rng.pick(&[120_000, 300_000, 600_000, 900_000]),
        max_concurrent_agents: rng.range(1, 6) as u32,
        max_concurrent_agents_by_state: by_state,
        max_retry_backoff_ms: *rng.pick(&[60_000, 300_000, 300_000, 3_600_000]),
        max_turns: *rng.pick(&[1, 2, 3, 20]),
        stall_timeout_ms: *rng.pick(&[Some(300_000), Some(1_800_000), Some(300_000), None]),
        active_states: match rng.percent(90) {
            true => ACTIVE.map(str::to_owned).to_vec(),
            false => vec!["IN PROGRESS ".to_owned()],
        },
        terminal_states: TERMINAL.map(str::to_owned).to_vec(),
        required_labels: if rng.percent(30) { vec!["Canon".to_owned()] } else { Vec::new() },
        on_input_required: match rng.percent(75) {
            true => OnInputRequired::Block,
            false => OnInputRequired::Fail,
        },
    }
}

pub(crate) fn disturb(world: &mut World) {
    let now = world.now;
    match world.rng.range(0, 99) {
        82..=85 => {
            let id = some_issue(world);
            let until = now + world.rng.range(MINUTE, HOUR);
            world.tracker.broken_until.insert(id, until);
        }
        0..=49 => {
            for _ in 0..world.rng.range(1, 3) {
                world.tracker.disturb(&mut world.rng);
            }
        }
        50..=55 => world.tracker.fails_until = now + world.rng.range(MINUTE, 40 * MINUTE),
        56..=59 => world.tracker.hangs_until = now + world.rng.range(MINUTE, HOUR),
        60..=65 => {
            let jump = world.rng.range(0, 48 * HOUR) as i64;
            world.wall += if world.rng.percent(50) { jump } else { -jump };
            world.tally.clock_jumps += 1;
        }
        66..=71 => {
            let events = world.rng.range(0, 40);
            world.light_fuse(events);
        }
        72..=76 => reload(world),
        77..=79 => world.apply(Event::WorkflowBroken { error: "line 3: not YAML".to_owned() }),
        80..=81 => world.apply(Event::Paused),
        86..=88 => {
            let issue_id = some_issue(world);
            world.apply(Event::StopRequested { issue_id });
        }
        89..=93 => {
            let issue_id = some_issue(world);
            world.apply(Event::RetryNow { issue_id });
        }
        94..=96 => world.apply(Event::RefreshRequested),
        97 => {
            let modes = [ShutdownMode::Detach, ShutdownMode::Drain, ShutdownMode::Stop];
            let mode = *world.rng.pick(&modes);
            world.apply(Event::ShutdownRequested { mode });
        }
        98 => world.apply(Event::RateLimits { limits: json!({ "used": now }) }),
        _ => garbage(world),
    }
}

fn reload(world: &mut World) {
    world.config = config(&mut world.rng);
    world.tally.reloads += 1;
    world.checks.forgive();
    let config = world.config.clone();
    world.apply(Event::ConfigChanged { config });
}

fn some_issue(world: &mut World) -> String {
    let ids: Vec<String> = world.tracker.issues.keys().cloned().collect();
    match ids.is_empty() {
        true => "i0".to_owned(),
        false => world.rng.pick(&ids).clone(),
    }
}

/// Answers to nothing: ids that never were.
fn garbage(world: &mut World) {
    let id = world.rng.range(1_000_000_000, 2_000_000_000);
    world.apply(Event::TimerFired { timer_id: id });
    world.apply(Event::Polled { poll_id: id, delta: Default::default() });
    world.apply(Event::Refreshed { refresh_id: id, reread: Default::default() });
    world.apply(Event::WorkspaceCleaned { cleanup_id: id, error: None });
    world.apply(Event::InputAnswered { attempt_id: "x".to_owned(), request: "q".to_owned() });
}

/// People come by now and then: they answer what is asked and mend what is broken.
pub(crate) fn people(world: &mut World) {
    let snapshot = world.machine.snapshot(world.clock());
    for row in &snapshot.blocked {
        for (request, question) in &row.questions {
            if !question.answered && world.rng.percent(80) {
                world.apply(Event::OperatorAnswered {
                    issue_id: row.attempt.issue_id.clone(),
                    request: request.clone(),
                    answer: json!("the first"),
                });
            }
        }
    }
    if snapshot.paused {
        world.apply(Event::Resumed);
    }
    if snapshot.workflow_error.is_some() {
        let config = world.config.clone();
        world.checks.forgive();
        world.apply(Event::ConfigChanged { config });
    }
    if snapshot.shutdown.is_some() && world.rng.percent(50) && world.up && !world.calm {
        world.crash();
    }
}
