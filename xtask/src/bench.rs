//! `cargo xtask bench`: numbers beside a named peer, printed and never asserted.

mod agent;
mod llm;
mod orchestrator;
pub(crate) mod peers;
mod pipeline;
mod proc;
mod startup;
mod watch;

use crate::failure::Failure;
use crate::workspace::{cargo, run as run_command};

/// Something that can be measured.
pub(crate) struct Bench {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Gets the arguments after the name.
    pub(crate) run: fn(&[String]) -> Result<(), Failure>,
}

/// Add a bench here. A module that needs `canon-testkit` goes behind `#[cfg(feature = "bench")]`, its line as well.
const BENCHES: &[Bench] =
    &[startup::BENCH, orchestrator::BENCH, agent::BENCH, pipeline::BENCH, llm::BENCH, peers::BENCH];

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = args.split_first() else {
        return relaunch(&[], || {
            for Bench { name, what, .. } in BENCHES {
                println!("{name:<14} {what}");
            }
            Ok(())
        });
    };
    relaunch(args, || {
        let bench = BENCHES.iter().find(|bench| bench.name == name).ok_or_else(|| {
            let names: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
            Failure::usage(format!("there is no bench {name:?}: there are {}", names.join(", ")))
        })?;
        (bench.run)(rest)
    })
}

/// Benches run in an optimised build with everything that they need, which a build for tests is not.
fn relaunch(args: &[String], here: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    if cfg!(feature = "bench") {
        return here();
    }
    let again =
        ["run", "--quiet", "--release", "--package", "xtask", "--features", "bench", "--", "bench"];
    let mut command = cargo(again);
    run_command(command.args(args)).map_err(|_| Failure::Reported)
}

/// The release binary of canon, built if need be.
pub(crate) fn canon() -> Result<std::path::PathBuf, Failure> {
    run_command(&mut cargo(["build", "--release", "--package", "canon", "--bin", "canon"]))?;
    Ok(crate::workspace::target().join("release/canon"))
}
