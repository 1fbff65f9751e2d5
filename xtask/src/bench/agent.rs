//! The agent at work: twenty shell calls against a model that answers at once, beside `codex exec`
//! with the same calls, the same model and the same prompt.
//!
//! What is measured is the agent: its start, its requests, its handling of tools, its sandbox.
//! `CANON_CODEX_BIN`, or a Codex that `cargo xtask test --with-codex` has installed, is the peer.

mod model;
mod run;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use self::model::Model;
use self::run::{Taken, measure};
use super::canon;
use crate::codex;
use crate::failure::Failure;
use crate::workspace::target;

pub(crate) const BENCH: super::Bench = super::Bench {
    name: "agent",
    what: "twenty shell calls of the agent against an instant model, beside `codex exec` [--quick]",
    run,
};

/// Shell calls of one run.
const CALLS: usize = 20;

/// The aims: CPU seconds, memory in MB, milliseconds to the first result.
const AIM_CPU_S: f64 = 0.12;
const AIM_CPU_SANDBOXED_S: f64 = 0.3;
const AIM_PEAK_MB: f64 = 18.0;
const AIM_FIRST_MS: f64 = 20.0;

/// A program that does the work.
struct Agent {
    name: &'static str,
    program: PathBuf,
    command: fn(&Path, &Place, sandboxed: bool) -> Command,
}

/// Where runs happen; each gets a fresh one.
struct Place {
    dir: TempDir,
    model: Model,
}

fn run(args: &[String]) -> Result<(), Failure> {
    let times = match args {
        [] => 9,
        [only] if only == "--quick" => 3,
        _ => return Err(Failure::usage("agent takes no argument but --quick")),
    };
    let mut agents = vec![Agent { name: "canon exec", program: canon()?, command: canon_exec }];
    match codex::installed() {
        Some(program) => agents.push(Agent { name: "codex exec", program, command: codex_exec }),
        None => println!(
            "no Codex here: `cargo xtask test --with-codex --only codex` installs it; measured without a peer"
        ),
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    println!(
        "\n{CALLS} shell calls, median of {times}; {cores} cores, load {load} before the start"
    );
    println!(
        "{:<12} {:<10} {:>9} {:>10} {:>9} {:>14}",
        "", "sandbox", "wall", "CPU", "peak", "first result"
    );
    for sandboxed in [false, true] {
        let rows: Result<Vec<_>, Failure> =
            agents.iter().map(|agent| Ok((agent.name, middle(agent, sandboxed, times)?))).collect();
        let rows = rows?;
        for (name, taken) in &rows {
            print_row(name, sandboxed, taken);
        }
        print_ratios(&rows, sandboxed);
    }
    println!(
        "(CPU of the whole tree of processes; peak: resident memory of the agent's own process; first result: from\n\
         the start of the process until the model is told what the first command printed)"
    );
    Ok(())
}

fn print_row(name: &str, sandboxed: bool, taken: &Taken) {
    println!(
        "{name:<12} {:<10} {:>6.0} ms {:>7.0} ms {:>6.1} MB {:>11.1} ms",
        if sandboxed { "workspace" } else { "none" },
        taken.wall_s * 1000.0,
        taken.cpu_s * 1000.0,
        taken.peak_mb,
        taken.first_s * 1000.0,
    );
}

fn print_ratios(rows: &[(&str, Taken)], sandboxed: bool) {
    let Some((_, own)) = rows.first() else { return };
    let cpu_aim = if sandboxed { AIM_CPU_SANDBOXED_S } else { AIM_CPU_S };
    println!(
        "  to the aim: CPU {:.2}, peak {:.2}, first result {:.2}",
        own.cpu_s / cpu_aim,
        own.peak_mb / AIM_PEAK_MB,
        own.first_s * 1000.0 / AIM_FIRST_MS
    );
    if let Some((peer, other)) = rows.get(1) {
        println!(
            "  to {peer}: wall {:.2}, CPU {:.2}, peak {:.2}, first result {:.2}",
            own.wall_s / other.wall_s,
            own.cpu_s / other.cpu_s,
            own.peak_mb / other.peak_mb,
            own.first_s / other.first_s
        );
    }
}

/// The middle of each figure.
fn middle(agent: &Agent, sandboxed: bool, times: usize) -> Result<Taken, Failure> {
    let runs: Result<Vec<Taken>, Failure> = (0..times)
        .map(|_| {
            let place = Place::make()?;
            let command = (agent.command)(&agent.program, &place, sandboxed);
            measure(command, &place.model)
        })
        .collect();
    let runs = runs?;
    let of = |figure: fn(&Taken) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    Ok(Taken {
        wall_s: of(|run| run.wall_s),
        // Each is told in hundredths of a second: the mean of all says more than the middle one.
        cpu_s: runs.iter().map(|run| run.cpu_s).sum::<f64>() / runs.len() as f64,
        peak_mb: of(|run| run.peak_mb),
        first_s: of(|run| run.first_s),
    })
}

impl Place {
    fn make() -> Result<Self, Failure> {
        let cannot = |error| Failure::environment(format!("cannot make a directory: {error}"));
        // Not below /tmp: sandboxes put something of their own there, and Codex keeps its helper in its home.
        let dir = tempfile::tempdir_in(target()).map_err(cannot)?;
        for name in ["work", "home", "codex"] {
            std::fs::create_dir(dir.path().join(name)).map_err(cannot)?;
        }
        let model = Model::start(CALLS)
            .map_err(|error| Failure::environment(format!("cannot serve a model: {error}")))?;
        Ok(Self { dir, model })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

const TASK: &str = "Print the numbers.";

fn canon_exec(program: &Path, place: &Place, sandboxed: bool) -> Command {
    let mut command = Command::new(program);
    let mode = if sandboxed { "workspace-write" } else { "danger-full-access" };
    command
        .args(["exec", TASK, "--json", "--model", "openai/bench-model", "--sandbox", mode, "--cd"])
        .arg(place.path("work"))
        .env("OPENAI_API_KEY", "dummy")
        .env("OPENAI_BASE_URL", place.model.base_url())
        .env("CANON_HOME", place.path("home"));
    command
}

fn codex_exec(program: &Path, place: &Place, sandboxed: bool) -> Command {
    let config = format!(
        "model = \"bench-model\"\nmodel_provider = \"local\"\n[model_providers.local]\nname = \"local\"\n\
         base_url = \"{}\"\nwire_api = \"responses\"\nenv_key = \"BENCH_KEY\"\n",
        place.model.base_url()
    );
    // Without its configuration the run fails, and says so.
    let _ = std::fs::write(place.path("codex/config.toml"), config);
    let mut command = Command::new(program);
    command.args(["exec", TASK, "--json", "--skip-git-repo-check", "--cd"]).arg(place.path("work"));
    match sandboxed {
        true => command.args(["--sandbox", "workspace-write"]),
        false => command.arg("--dangerously-bypass-approvals-and-sandbox"),
    };
    command.env("BENCH_KEY", "dummy").env("CODEX_HOME", place.path("codex"));
    command
}
