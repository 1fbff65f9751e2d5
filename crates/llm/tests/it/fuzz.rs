//! Everything that reads what others wrote, against inputs that nobody would write.
//!
//! As a test: every file of `tests/fuzz/TARGET`, every recorded stream, and some mutations of each from a fixed
//! seed. `cargo xtask fuzz` runs the same for longer (`CANON_FUZZ_SECONDS`, `CANON_FUZZ_TARGET`,
//! `CANON_FUZZ_SEED`) and adds the input that failed, made small, to the corpus.

mod hunt;
mod mutate;
mod targets;

use std::time::Duration;

use self::hunt::{Effort, hunt};
use self::targets::targets;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}")))
}

#[test]
fn corpora_and_their_mutations_neither_panic_nor_break_what_must_hold() {
    let only: Option<String> = variable("CANON_FUZZ_TARGET");
    let seconds = variable("CANON_FUZZ_SECONDS").map(Duration::from_secs);
    let seed = variable("CANON_FUZZ_SEED").unwrap_or(SEED);
    let effort = seconds.map_or(Effort::Inputs(400), Effort::Time);
    let all = targets();
    let mut done = 0;
    for target in all.iter().filter(|target| only.as_ref().is_none_or(|only| *only == target.name))
    {
        let report = hunt(target, effort, seed);
        println!(
            "{:<28} {:>9} inputs, {} ways to behave, seed {seed}",
            target.name, report.inputs, report.behaviours
        );
        assert!(report.behaviours > 1, "{} always does the same", target.name);
        done += 1;
    }
    let names: Vec<_> = all.iter().map(|target| target.name.as_str()).collect();
    assert!(done > 0, "there is no target {only:?}: there are {}", names.join(", "));
}
