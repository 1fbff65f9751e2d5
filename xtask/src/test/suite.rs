//! Cargo's tests, watched while they run.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::skips::{self, Skip};
use super::tally::Tally;
use crate::failure::Failure;
use crate::workspace::{cannot_run, run as run_command, shown};

/// A test binary that says nothing for this long hangs: the slowest test takes a fraction of it.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// Runs `cargo test …`; returns the totals and the skips. An error means that they are not the whole truth, failed
/// tests are in the totals.
pub(crate) fn run(command: &mut Command) -> Result<(Tally, Vec<Skip>), Failure> {
    // Building apart from running keeps compilation out of the silence that is watched.
    let mut build = Command::new(command.get_program());
    build.args(command.get_args()).arg("--no-run");
    if let Some(dir) = command.get_current_dir() {
        build.current_dir(dir);
    }
    run_command(&mut build)?;

    let log = tempfile::NamedTempFile::new()
        .map_err(|error| Failure::environment(format!("cannot make a temporary file: {error}")))?;
    command
        .args(["--", "--show-output"])
        .env(skips::VARIABLE, log.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    println!("$ {}", shown(command));
    let mut child = command.spawn().map_err(|error| cannot_run(command, &error))?;
    let (mut tally, mut skips) = watch(&mut child)?;
    let status = child.wait().map_err(|error| cannot_run(command, &error))?;
    let logged = fs::read_to_string(log.path()).unwrap_or_default();
    skips.extend(logged.lines().filter_map(Skip::parse));
    if !status.success() && tally.failed == 0 {
        // A binary that crashed has no result line.
        println!("a test binary ended without a result: {status}");
        tally.failed = 1;
    }
    Ok((tally, skips))
}

/// A line of the child's, from its standard output or not.
struct Line {
    output: bool,
    text: String,
}

fn watch(child: &mut Child) -> Result<(Tally, Vec<Skip>), Failure> {
    let (lines, received) = mpsc::channel();
    // Cargo names on standard error what it runs; through one channel, lines stay whole and nearly in order.
    if let Some(output) = child.stdout.take() {
        forward(output, true, lines.clone());
    }
    if let Some(errors) = child.stderr.take() {
        forward(errors, false, lines);
    }
    let mut tally = Tally::default();
    let mut found = Vec::new();
    let mut last = String::new();
    loop {
        match received.recv_timeout(SILENCE) {
            Ok(Line { output: false, text }) => println!("{text}"),
            Ok(Line { output: true, text }) => {
                let seen = tally.feed(&text);
                found.extend(seen.skip);
                if seen.show {
                    println!("{text}");
                }
                last = text;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok((tally, found)),
            Err(RecvTimeoutError::Timeout) => {
                kill_tree(child.id());
                let minutes = SILENCE.as_secs() / 60;
                return Err(Failure::work(format!(
                    "tests hang: nothing was heard for {minutes} minutes after {last:?}"
                )));
            }
        }
    }
}

fn forward(stream: impl Read + Send + 'static, output: bool, lines: Sender<Line>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if lines.send(Line { output, text }).is_err() {
                break;
            }
        }
    });
}

/// Ends a process and all that it started, the youngest last, so that none is left to start more.
fn kill_tree(id: u32) {
    let children = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let children: Vec<u32> = children
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|ids| ids.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect();
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // It may have ended by itself in the meantime.
        let _ = kill_process(pid, Signal::KILL);
    }
    children.into_iter().for_each(kill_tree);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_and_its_children_are_ended() {
        let script = "sleep 1000 & echo $!; wait";
        let mut child =
            Command::new("bash").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        kill_tree(child.id());
        child.wait().unwrap();
        // The pipe is at its end only when the grandchild, which holds it as well, is gone.
        assert_eq!(output.read_line(&mut line).unwrap(), 0);
    }
}
