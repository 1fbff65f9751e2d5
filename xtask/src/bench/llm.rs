//! The model client: how fast streams are decoded, and 200 of them at a time beside LiteLLM and the AI SDK.
//!
//! All clients run on one thread against the same server, which sends the same canned stream as fast as it is read,
//! so what is measured is the client alone. The server is another process, on another core.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::Bench;
use super::peers::PEERS;
use crate::failure::Failure;
use crate::workspace::{cannot_run, capture, cargo, run as run_command};

pub(crate) const BENCH: Bench = Bench {
    name: "llm",
    what: "the model client: decoding, 200 streams at a time beside other clients [decode|streams]",
    run,
};

const CONCURRENCY: &str = "200";
const REQUESTS: &str = "2000";

fn run(args: &[String]) -> Result<(), Failure> {
    let (decode, streams) = match args {
        [] => (true, true),
        [only] if only == "decode" => (true, false),
        [only] if only == "streams" => (false, true),
        _ => return Err(Failure::usage("llm takes no argument but decode or streams")),
    };
    let program = build()?;
    if decode {
        run_command(Command::new(&program).arg("decode"))?;
    }
    if streams {
        let server = Server::start(&program)?;
        for wire in ["chat", "responses"] {
            compare(&program, &server.base_url, wire)?;
        }
    }
    Ok(())
}

/// The bench of `canon-llm`: it sees the client, which tasks do not.
fn build() -> Result<PathBuf, Failure> {
    let target = ["--package", "canon-llm", "--bench", "llm"];
    run_command(cargo(["bench", "--no-run"]).args(target))?;
    let json = ["bench", "--no-run", "--quiet", "--message-format", "json"];
    let said = capture(cargo(json).args(target))?;
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages
        .filter(|message| message["target"]["name"] == "llm")
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)));
    program.ok_or_else(|| Failure::work("cargo named no program for the bench"))
}

/// Killed when it is dropped.
struct Server {
    process: Child,
    base_url: String,
}

impl Server {
    fn start(program: &PathBuf) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.arg("serve").stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| cannot_run(&command, &error))?;
        let mut line = String::new();
        let read = process.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let server = Self { process, base_url: line.trim().to_owned() };
        match read {
            Some(Ok(1..)) => Ok(server),
            _ => Err(Failure::work("the server of the bench did not start")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn compare(program: &PathBuf, base_url: &str, wire: &str) -> Result<(), Failure> {
    println!("\n{REQUESTS} streams of 60 KB over `{wire}`, {CONCURRENCY} at a time");
    println!("{HEAD}");
    let ours = report(Command::new(program).args(["load", base_url, wire, REQUESTS, CONCURRENCY]))?;
    println!("{}", row(&ours, &ours));
    for peer in PEERS {
        let mut command = match (peer.command)() {
            Ok(command) => command,
            Err(failure) => {
                let why = failure.message().unwrap_or("it cannot be installed");
                println!("{:<10} skipped: {why}", peer.name);
                continue;
            }
        };
        command.args([base_url, "--requests", REQUESTS, "--concurrency", CONCURRENCY]);
        match report(command.args(["--wire", wire])) {
            Ok(theirs) => println!("{}", row(&theirs, &ours)),
            Err(failure) => println!("{:<10} {}", peer.name, failure.message().unwrap_or("failed")),
        }
    }
    Ok(())
}

fn report(command: &mut Command) -> Result<Value, Failure> {
    let said = capture(command)?;
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|_| Failure::work(format!("a client reported {last:?}")))
}

const HEAD: &str =
    "client     requests/s  wall s   cpu s  peak MiB  failed   × wall   × cpu  × memory";

/// A client's report, and what it is a multiple of ours.
fn row(theirs: &Value, ours: &Value) -> String {
    let number = |report: &Value, name: &str| report[name].as_f64().unwrap_or(f64::NAN);
    let times = |name: &str| number(theirs, name) / number(ours, name);
    format!(
        "{:<10} {:>10.0} {:>7.2} {:>7.2} {:>9.0} {:>7} {:>8.1} {:>7.1} {:>9.1}",
        theirs["peer"].as_str().unwrap_or("?"),
        number(theirs, "requests") / number(theirs, "wall_s"),
        number(theirs, "wall_s"),
        number(theirs, "cpu_s"),
        number(theirs, "peak_rss_bytes") / 1024.0 / 1024.0,
        theirs["failed"].as_u64().unwrap_or(0),
        times("wall_s"),
        times("cpu_s"),
        times("peak_rss_bytes"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_peer_is_shown_as_a_multiple_of_ours() {
        let report = |peer: &str, seconds: f64| json!({ "peer": peer, "requests": 100, "failed": 0, "wall_s": seconds, "cpu_s": seconds, "peak_rss_bytes": 1_048_576 });
        let row = row(&report("slow", 20.0), &report("canon", 2.0));
        let words: Vec<_> = row.split_whitespace().collect();
        assert_eq!(words, ["slow", "5", "20.00", "20.00", "1", "0", "10.0", "10.0", "1.0"]);
    }
}
