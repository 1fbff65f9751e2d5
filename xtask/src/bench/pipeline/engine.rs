//! The machine without a disk, without handlers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use canon_pipeline::engine::{Budget, Effect, Input, Machine, Plan, Setup};
use canon_pipeline::{Graph, Outcome, Status};

use super::graphs::simulated;
use crate::failure::Failure;

const STAGES: usize = 10_000;
const TIMES: usize = 7;
/// Microseconds that the engine may take for a stage without disk.
const AIM_US: f64 = 5.0;

/// Prints what the machine takes for a stage: an input, a decision, its records and events.
pub(super) fn print() -> Result<(), Failure> {
    let wrong = |what: String| Failure::work(format!("the graph of the bench: {what}"));
    let graph = Graph::parse(&simulated(STAGES)).map_err(|error| wrong(error.to_string()))?.graph;
    let plan = Arc::new(Plan::of(&graph).map_err(wrong)?);
    let mut times: Vec<Duration> = (0..TIMES).map(|_| through(&plan)).collect();
    times.sort_unstable();
    let us = times[TIMES / 2].as_secs_f64() * 1e6 / STAGES as f64;
    println!(
        "the machine alone: {us:.2} us a stage in a line of {STAGES} (median of {TIMES}); to the aim {:.2}",
        us / AIM_US
    );
    Ok(())
}

fn through(plan: &Arc<Plan>) -> Duration {
    let setup = Setup {
        run: "bench".to_owned(),
        seed: 1,
        budget: Budget::default(),
        snapshot: None,
        context: BTreeMap::new(),
    };
    let start = Instant::now();
    let mut machine = Machine::new(Arc::clone(plan), setup);
    let mut effects = machine.apply(Input::Begin, 0);
    while machine.finish().is_none() {
        let execute = effects.into_iter().find_map(|effect| match effect {
            Effect::Execute(execute) => Some(execute),
            _ => None,
        });
        let Some(execute) = execute else { break };
        let outcome = Box::new(Outcome::of(Status::Success));
        effects =
            machine.apply(Input::Ended { attempt: execute.attempt, outcome, snapshot: None }, 0);
    }
    start.elapsed()
}
