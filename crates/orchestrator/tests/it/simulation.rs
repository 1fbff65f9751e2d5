//! The dispatch machine against a simulated tracker, clock and agents, for thousands of virtual hours.
//!
//! A failure prints its seed: `CANON_SIM_SEED=<seed>` runs that world alone, `CANON_SIM_HOURS` sets the hours in all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod agent;
mod chaos;
mod checks;
mod rng;
mod tracker;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use world::World;

/// Virtual hours of one world, its calm end not counted.
const WORLD_HOURS: u64 = 100;

fn run(seed: u64) -> world::Tally {
    match catch_unwind(AssertUnwindSafe(|| World::new(seed).live(WORLD_HOURS))) {
        Ok(tally) => tally,
        Err(panic) => {
            eprintln!("simulation failed; repeat with CANON_SIM_SEED={seed}");
            resume_unwind(panic)
        }
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a whole number"))
}

#[test]
fn simulation_holds_its_invariants_for_ten_thousand_virtual_hours() {
    if let Some(seed) = from_environment("CANON_SIM_SEED") {
        println!("{:?}", run(seed));
        return;
    }
    let hours = from_environment("CANON_SIM_HOURS").unwrap_or(10_000);
    let worlds = hours.div_ceil(WORLD_HOURS);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut all = world::Tally::default();
    std::thread::scope(|scope| {
        let share = |first: u64| {
            let mut sum = world::Tally::default();
            (first..worlds).step_by(threads as usize).for_each(|seed| sum.add(&run(seed)));
            sum
        };
        let shares: Vec<_> = (0..threads).map(|first| scope.spawn(move || share(first))).collect();
        for share in shares {
            match share.join() {
                Ok(sum) => all.add(&sum),
                Err(panic) => resume_unwind(panic),
            }
        }
    });
    println!("{all:?}");
    // Worlds in which nothing goes wrong prove nothing.
    for (name, count) in all.named() {
        assert!(count > 0, "no world had {name}");
    }
}

#[test]
fn simulation_of_one_seed_is_repeatable() {
    assert_eq!(run(7), run(7));
}
