//! What the machine takes for a stage without a disk and without handlers: an input, a decision, its
//! records and events. Run by `cargo xtask bench pipeline`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use canon_pipeline::engine::{Budget, Effect, Input, Machine, Plan, Setup};
use canon_pipeline::{Graph, Outcome, Status};

const STAGES: usize = 10_000;
const TIMES: usize = 7;
/// Microseconds that the engine may take for a stage without disk.
const AIM_US: f64 = 5.0;

#[allow(clippy::print_stdout)] // a program that prints is its purpose
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph = Graph::parse(&line())?.graph;
    let plan = Arc::new(Plan::of(&graph)?);
    let mut times: Vec<Duration> = (0..TIMES).map(|_| through(&plan)).collect();
    times.sort_unstable();
    let us = times[TIMES / 2].as_secs_f64() * 1e6 / STAGES as f64;
    println!(
        "the machine alone: {us:.2} us a stage in a line of {STAGES} (median of {TIMES}); to the \
         aim {:.2}",
        us / AIM_US
    );
    Ok(())
}

fn line() -> String {
    let mut graph = String::from(
        "digraph line { max_stages=20000; start [shape=Mdiamond] exit [shape=Msquare]\n",
    );
    let mut chain = String::from("start");
    for stage in 0..STAGES {
        let _ = writeln!(graph, "s{stage} [prompt=\"Do part {stage}\"]");
        let _ = write!(chain, " -> s{stage}");
    }
    graph + &chain + " -> exit }\n"
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
