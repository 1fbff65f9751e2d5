//! `canon up` at work and at rest: issues through the fake agent, cold start, polls with nothing to do.
//!
//! Nothing here is asserted. The machine may be shared, so the run that names a peer is repeated and the middle one
//! is printed. Requests to the tracker and records of the ledger are not counted: nothing tells them from outside;
//! the size of the ledger is printed instead.

mod daemon;

mod rest;
mod site;
mod work;

use std::path::PathBuf;

use tempfile::TempDir;

use super::canon;
use crate::failure::Failure;
use crate::workspace::{cargo, run as run_command, target};

pub(crate) const BENCH: super::Bench = super::Bench {
    name: "orchestrator",
    what: "issues through `canon up` and a fake agent, its cold start, its idle polls [--quick]",
    run,
};

/// What all runs share.
struct Bench {
    canon: PathBuf,
    agent: PathBuf,
    /// Goes at the end, with all that was made in it: a file system is slow for a while after many deletions.
    dir: TempDir,
}

fn run(args: &[String]) -> Result<(), Failure> {
    let quick = match args {
        [] => false,
        [only] if only == "--quick" => true,
        _ => return Err(Failure::usage("orchestrator takes no argument but --quick")),
    };
    let bench = build()?;
    // What the daemon leaves behind on purpose, its supervisors, becomes a child of ours: that is how their time is
    // known.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| Failure::environment(format!("cannot become a subreaper: {error}")))?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "\n{cores} cores, load {load} before the start: with a load of its own the machine is slower than this"
    );
    work::measure(&bench, quick)?;
    rest::cold_start(&bench, quick)?;
    rest::idle(&bench, quick)
}

fn build() -> Result<Bench, Failure> {
    let canon = canon()?;
    let agent = ["build", "--release", "--package", "canon-testkit", "--bin", "fake-agent"];
    run_command(&mut cargo(agent))?;
    let dir = tempfile::tempdir().map_err(|error| site::cannot("make a directory", &error))?;
    Ok(Bench { canon, agent: target().join("release/fake-agent"), dir })
}

/// The middle one by `key`.
fn median<T>(mut runs: Vec<T>, key: impl Fn(&T) -> f64) -> Option<T> {
    runs.sort_by(|a, b| key(a).total_cmp(&key(b)));
    let middle = runs.len() / 2;
    (!runs.is_empty()).then(|| runs.swap_remove(middle))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_one_of_an_odd_number() {
        assert_eq!(median(vec![5.0, 1.0, 3.0], |n| *n), Some(3.0));
        assert_eq!(median(Vec::<f64>::new(), |n| *n), None);
    }
}
