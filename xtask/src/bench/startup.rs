//! Cold start: how long it takes until `canon` has said what version it is.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Bench, canon};
use crate::failure::Failure;
use crate::workspace::cannot_run;

pub(crate) const BENCH: Bench =
    Bench { name: "startup", what: "cold start of `canon --version`, beside `git --version`", run };

const RUNS: usize = 200;

fn run(args: &[String]) -> Result<(), Failure> {
    if let Some(arg) = args.first() {
        return Err(Failure::usage(format!("startup takes no argument {arg:?}")));
    }
    let canon = median(Command::new(canon()?).arg("--version"))?;
    let git = median(Command::new("git").arg("--version"))?;
    println!("canon --version  {:>8.2} ms (median of {RUNS})", millis(canon));
    println!("git --version    {:>8.2} ms", millis(git));
    println!("ratio            {:>8.2}", canon.as_secs_f64() / git.as_secs_f64());
    Ok(())
}

fn median(command: &mut Command) -> Result<Duration, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        let status = command.status().map_err(|error| cannot_run(command, &error))?;
        times.push(start.elapsed());
        if !status.success() {
            return Err(Failure::work(format!(
                "`{}` failed ({status})",
                crate::workspace::shown(command)
            )));
        }
    }
    times.sort_unstable();
    Ok(times[RUNS / 2])
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
