//! Pipelines at work: lines of command stages with and without a repository, fan-outs, simulated
//! stages, going on with a long run; and the engine alone.
//!
//! Fabro, the strongest engine in this style, was measured elsewhere at 19.6 s for 100 command
//! stages with a commit each, growing with the square of their number; it cannot be had here, so
//! the peer beside each line is a shell script that runs the same commands, and commits likewise.

mod graphs;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use self::graphs::{fan, line, simulated};
use super::watch::{Watched, watch};
use super::{Bench, canon};
use crate::failure::Failure;
use crate::workspace::{cargo, run as run_command, target};

pub(crate) const BENCH: Bench = Bench {
    name: "pipeline",
    what: "command stages in lines and fan-outs, with a commit each and without [--quick]",
    run,
};

/// No run takes longer, however slow the machine.
const LIMIT: Duration = Duration::from_secs(900);

/// CPU seconds that a line of so many stages with a commit each may take.
const AIMS_CPU_S: [(usize, f64); 2] = [(100, 0.8), (1_000, 8.0)];
const AIM_PEAK_MB: f64 = 30.0;

struct Place {
    dir: tempfile::TempDir,
    canon: std::path::PathBuf,
}

fn run(args: &[String]) -> Result<(), Failure> {
    let lengths: &[usize] = match args {
        [] => &[10, 100, 1_000, 10_000],
        [only] if only == "--quick" => &[10, 100],
        _ => return Err(Failure::usage("pipeline takes no argument but --quick")),
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {} before the start", load.split(' ').next().unwrap_or("?"));
    engine()?;
    let canon = canon()?;
    let place = || Place::make(&canon);
    println!(
        "\n{:<34} {:>10} {:>10} {:>9} {:>12} {:>8}",
        "", "wall", "CPU", "peak", "bytes/stage", "fsyncs"
    );
    for commits in [false, true] {
        for stages in lengths {
            // A commit each is measured up to where the aim is.
            if !(commits && *stages > 1_000) {
                lines(&place()?, *stages, commits)?;
            }
        }
    }
    for branches in [4, 32] {
        let name = format!("fan-out of {branches} commands");
        single(&place()?, &name, &fan(branches), branches + 4)?;
    }
    single(&place()?, "1,000 simulated stages", &simulated(1_000), 1_002)?;
    let longest = lengths.last().copied().unwrap_or(10);
    resume(&place()?, longest)
}

/// The machine alone, by the crate's own program.
fn engine() -> Result<(), Failure> {
    let args = ["bench", "--quiet", "--package", "canon-pipeline", "--bench", "engine"];
    run_command(&mut cargo(args))
}

impl Place {
    fn make(canon: &Path) -> Result<Self, Failure> {
        // Not below /tmp, which may be memory: what is measured is a disk.
        let dir =
            tempfile::tempdir_in(target()).map_err(|e| Failure::environment(e.to_string()))?;
        Ok(Self { dir, canon: canon.to_owned() })
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.path(name);
        fs::write(&path, text)
            .map_err(|error| Failure::environment(format!("{}: {error}", path.display())))
    }

    /// A repository with one commit.
    fn repository(&self) -> Result<std::path::PathBuf, Failure> {
        let repo = self.path("repo");
        fs::create_dir(&repo).map_err(|error| Failure::environment(error.to_string()))?;
        self.write("repo/README", "a file\n")?;
        let who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
        for args in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "first"]] {
            run_command(Command::new("git").current_dir(&repo).args(who).args(args))?;
        }
        Ok(repo)
    }

    fn canon(&self) -> Command {
        let mut command = Command::new(&self.canon);
        command
            .current_dir(self.dir.path())
            .args(["run", "graph.dot", "--simulate", "--logs", "logs"])
            .env("CANON_HOME", self.path("home"));
        command
    }
}

fn lines(place: &Place, stages: usize, commits: bool) -> Result<(), Failure> {
    place.write("graph.dot", &line(stages))?;
    let mut command = place.canon();
    let mut script = String::from("set -e\n");
    for stage in 0..stages {
        script.push_str(&format!("sh -c 'echo {stage} > out.txt'\n"));
        if commits {
            script.push_str("git add -A\ngit commit -qm stage --allow-empty\n");
        }
    }
    place.write("peer.sh", &script)?;
    let mut peer = Command::new("sh");
    peer.arg("../peer.sh").env("GIT_AUTHOR_NAME", "b").env("GIT_AUTHOR_EMAIL", "b@localhost");
    peer.env("GIT_COMMITTER_NAME", "b").env("GIT_COMMITTER_EMAIL", "b@localhost");
    if commits {
        command.arg("--repo").arg(place.repository()?);
        peer.current_dir(place.path("repo"));
    } else {
        fs::create_dir(place.path("plain")).map_err(|e| Failure::environment(e.to_string()))?;
        peer.current_dir(place.path("plain"));
    }
    let own = done(watch(command, LIMIT)?, "canon run")?;
    let name = format!("{stages} commands{}", if commits { ", a commit each" } else { "" });
    print_row(place, &name, &own, stages);
    let peer = done(watch(peer, LIMIT)?, "the script")?;
    println!(
        "  to a script that does the same: wall {:.2}, CPU {:.2}",
        own.wall.as_secs_f64() / peer.wall.as_secs_f64(),
        own.cpu.as_secs_f64() / peer.cpu.as_secs_f64().max(0.001),
    );
    let aim = AIMS_CPU_S.iter().find(|(length, _)| commits && *length == stages);
    if let Some((_, aim)) = aim {
        println!(
            "  to the aim: CPU {:.2}, peak {:.2}",
            own.cpu.as_secs_f64() / aim,
            own.peak_mb / AIM_PEAK_MB
        );
    }
    Ok(())
}

fn single(place: &Place, name: &str, graph: &str, stages: usize) -> Result<(), Failure> {
    place.write("graph.dot", graph)?;
    let own = done(watch(place.canon(), LIMIT)?, "canon run")?;
    print_row(place, name, &own, stages);
    Ok(())
}

/// How long a run of so many stages takes to go on where it was killed: its journal without the
/// last records.
fn resume(place: &Place, stages: usize) -> Result<(), Failure> {
    place.write("graph.dot", &line(stages))?;
    done(watch(place.canon(), LIMIT)?, "canon run")?;
    let path = place.path("logs/journal.jsonl");
    let journal = fs::read_to_string(&path)
        .map_err(|error| Failure::environment(format!("{}: {error}", path.display())))?;
    let keep: Vec<&str> = journal.split_inclusive('\n').take(stages).collect();
    place.write("logs/journal.jsonl", &keep.concat())?;
    let mut command = Command::new(&place.canon);
    command.current_dir(place.dir.path()).args(["run", "--resume", "logs"]);
    command.env("CANON_HOME", place.path("home"));
    let own = done(watch(command, LIMIT)?, "canon run --resume")?;
    print_row(place, &format!("going on after {stages} commands"), &own, stages);
    Ok(())
}

fn done(run: Watched, what: &str) -> Result<Watched, Failure> {
    if run.status.success() {
        return Ok(run);
    }
    Err(Failure::work(format!("{what} ended with {}", run.status)))
}

fn print_row(place: &Place, name: &str, run: &Watched, stages: usize) {
    println!(
        "{name:<34} {:>7.0} ms {:>7.0} ms {:>6.1} MB {:>12.0} {:>8}",
        run.wall.as_secs_f64() * 1000.0,
        run.cpu.as_secs_f64() * 1000.0,
        run.peak_mb,
        bytes(&place.path("logs")) as f64 / stages as f64,
        syncs(place)
            .map_or_else(|| "?".to_owned(), |syncs| format!("{:.2}", syncs as f64 / stages as f64)),
    );
}

/// Bytes of all files of a run's logs, without its workspaces.
fn bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            let own = entry.file_name();
            if own == "workspace" || own == "worktrees" { 0 } else { bytes(&entry.path()) }
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// Waits for the disk in a second run under `strace`, where there is one.
fn syncs(place: &Place) -> Option<u64> {
    let trace = place.path("trace");
    let mut command = Command::new("strace");
    command
        .current_dir(place.dir.path())
        .args(["-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,syncfs", "-o"])
        .arg(&trace)
        .arg(&place.canon)
        .args(["run", "graph.dot", "--simulate", "--logs", "again"])
        .env("CANON_HOME", place.path("home"));
    watch(command, LIMIT).ok().filter(|run| run.status.success())?;
    let text = fs::read_to_string(&trace).ok()?;
    let _ = fs::remove_dir_all(place.path("again"));
    Some(text.lines().filter(|line| line.contains("sync")).count() as u64)
}
