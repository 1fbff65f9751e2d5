//! Issues through the fake agent, by how many there are and how many run at a time.

use std::time::Duration;

use super::daemon::{Daemon, Taken};
use super::site::{Plan, Site};
use super::{Bench, median};
use crate::failure::Failure;

/// A figure of somebody, for 500 issues at 50 at a time with turns of 200 ms.
struct Figures {
    cpu_s: f64,
    peak_mb: f64,
    wall_s: f64,
}

/// The Elixir reference in `elixir/` of `openai/symphony`, measured once on two cores with the same work when the
/// aims were set; it is not run here.
const PEER: Figures = Figures { cpu_s: 14.7, peak_mb: 111.0, wall_s: 17.9 };
const AIM: Figures = Figures { cpu_s: 1.5, peak_mb: 25.0, wall_s: 3.0 };
/// Memory that one more live session may cost the daemon.
const AIM_SESSION_KIB: f64 = 64.0;

/// Issues, how many at a time, and how often. More at a time than there are issues would be the same again.
const WORK: [(usize, usize, usize); 6] =
    [(10, 10, 1), (100, 10, 1), (100, 50, 1), (500, 10, 1), (500, 50, 3), (500, 200, 1)];
const QUICK: [(usize, usize, usize); 3] = [(10, 10, 1), (100, 10, 1), (100, 50, 1)];

/// No run takes longer, however slow the machine.
const LIMIT: Duration = Duration::from_secs(60);

struct Run {
    taken: Taken,
    done: usize,
    ledger_bytes: u64,
}

pub(super) fn measure(bench: &Bench, quick: bool) -> Result<(), Failure> {
    println!(
        "\nissues, turns of 200 ms\n{:>6} {:>9} {:>8} {:>8} {:>10} {:>9} {:>11} {:>10}",
        "issues", "at a time", "wall", "CPU", "others' CPU", "peak", "supervisor", "ledger"
    );
    let mut runs = Vec::new();
    for (issues, at_a_time, times) in if quick { &QUICK[..] } else { &WORK[..] } {
        let repeated: Result<Vec<Run>, Failure> =
            (0..*times).map(|_| once(bench, *issues, *at_a_time)).collect();
        let Some(run) = median(repeated?, |run| run.taken.wall.as_secs_f64()) else { continue };
        print(*issues, *at_a_time, &run);
        runs.push((*issues, *at_a_time, run.taken));
    }
    println!("(CPU and peak memory of the daemon's process; supervisor: what one has for itself)");
    compare(&runs);
    Ok(())
}

fn once(bench: &Bench, issues: usize, at_a_time: usize) -> Result<Run, Failure> {
    let plan = Plan { issues, at_a_time, interval_ms: 1000, idle: false };
    let site = Site::make(bench, &plan)?;
    let taken = Daemon::start_quietly(&site, site.up(&["--until-idle"]))?.watch(LIMIT)?;
    Ok(Run { taken, done: site.done(), ledger_bytes: site.ledger_bytes() })
}

fn print(issues: usize, at_a_time: usize, run: &Run) {
    let Run { taken, done, ledger_bytes } = run;
    println!(
        "{issues:>6} {at_a_time:>9} {:>6.2} s {:>6.2} s {:>9.2} s {:>6.1} MB {:>8} KiB {:>7} KiB",
        taken.wall.as_secs_f64(),
        taken.cpu.as_secs_f64(),
        taken.others_cpu.as_secs_f64(),
        megabytes(taken.peak_kib),
        taken.supervisor_kib,
        ledger_bytes / 1024,
    );
    if *done != issues || !taken.status.success() {
        println!("       NOT a valid run: {done} of {issues} issues are done, {}", taken.status);
    }
}

fn compare(runs: &[(usize, usize, Taken)]) {
    let of = |issues, at| runs.iter().find(|run| (run.0, run.1) == (issues, at)).map(|run| &run.2);
    if let Some(ours) = of(500, 50) {
        println!("\n500 issues, 50 at a time     ours      aim    of aim     peer   of peer");
        let row = |what: &str, ours: f64, aim: f64, peer: f64| {
            let (of_aim, of_peer) = (ours / aim, ours / peer);
            println!(
                "{what:<22} {ours:>10.2} {aim:>8.1} {of_aim:>8.2}x {peer:>8.1} {of_peer:>8.2}x"
            );
        };
        row("wall, s", ours.wall.as_secs_f64(), AIM.wall_s, PEER.wall_s);
        row("CPU, s", ours.cpu.as_secs_f64(), AIM.cpu_s, PEER.cpu_s);
        row("peak memory, MB", megabytes(ours.peak_kib), AIM.peak_mb, PEER.peak_mb);
        println!("(peer: Symphony's Elixir reference, measured once on two cores, not run here)");
    }
    if let (Some(few), Some(many)) = (of(500, 10), of(500, 200)) {
        let more = many.peak_kib.saturating_sub(few.peak_kib);
        let each = f64::from(u32::try_from(more).unwrap_or(u32::MAX)) / 190.0;
        println!(
            "one more live session  {each:>10.0} KiB of the daemon's memory, {:.2}x of the aim ({AIM_SESSION_KIB} KiB)",
            each / AIM_SESSION_KIB
        );
    }
}

fn megabytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) * 1024.0 / 1e6
}
