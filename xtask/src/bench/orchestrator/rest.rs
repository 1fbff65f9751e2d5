//! What `canon up` costs before there is work and while there is none.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::super::proc;
use super::daemon::Daemon;
use super::site::{Plan, Site, cannot};
use super::{Bench, median};
use crate::failure::Failure;

const AIM_FIRST_POLL_MS: f64 = 30.0;
const AIM_TICK_MS: f64 = 10.0;

/// Idle polls this often; the aim is for one, whatever the period.
const INTERVAL: Duration = Duration::from_millis(400);
/// The first poll of many files is done by then.
const FIRST_POLL: Duration = Duration::from_secs(30);

/// From the start of the process to the line that says what the first poll led to.
pub(super) fn cold_start(bench: &Bench, quick: bool) -> Result<(), Failure> {
    let runs = if quick { 5 } else { 15 };
    let times: Result<Vec<f64>, Failure> = (0..runs).map(|_| first_dispatch(bench)).collect();
    let Some(middle) = median(times?, |time| *time) else { return Ok(()) };
    println!(
        "\ncanon up to the end of its first poll  {middle:>7.1} ms (median of {runs}), {:.2}x of the aim ({AIM_FIRST_POLL_MS} ms)",
        middle / AIM_FIRST_POLL_MS
    );
    Ok(())
}

fn first_dispatch(bench: &Bench) -> Result<f64, Failure> {
    let plan = Plan { issues: 1, at_a_time: 1, interval_ms: 1000, idle: false };
    let site = Site::make(bench, &plan)?;
    let (daemon, lines) = start(&site, &["--until-idle"])?;
    find_line(&lines, "started: Issue 1")?;
    let time = daemon.started().elapsed();
    daemon.watch(Duration::from_secs(20))?;
    Ok(time.as_secs_f64() * 1000.0)
}

/// CPU of one poll that finds nothing to do, by how many candidates there are.
pub(super) fn idle(bench: &Bench, quick: bool) -> Result<(), Failure> {
    let polls = if quick { 5 } else { 10 };
    println!(
        "\npolls with nothing to do, over {polls}\n{:>10} {:>12} {:>9}",
        "candidates", "CPU a poll", "memory"
    );
    for candidates in [0, 1_000, 10_000] {
        let plan = Plan {
            issues: candidates,
            at_a_time: 10,
            interval_ms: u64::try_from(INTERVAL.as_millis()).unwrap_or(u64::MAX),
            idle: true,
        };
        let site = Site::make(bench, &plan)?;
        let (daemon, lines) = start(&site, &["--port", "0"])?;
        let line = find_line(&lines, "listening on ")?;
        wait_for_poll(line.rsplit(' ').next().unwrap_or_default())?;
        // Files as young as these are read once more.
        std::thread::sleep(INTERVAL * 2);
        let before = proc::threads_time(daemon.pid());
        std::thread::sleep(INTERVAL * polls);
        let each = (proc::threads_time(daemon.pid()).saturating_sub(before)) / polls;
        let kib = proc::kib(daemon.pid(), "status", "VmRSS").unwrap_or(0);
        let ms = each.as_secs_f64() * 1000.0;
        print!("{candidates:>10} {ms:>9.2} ms {:>6} MB", kib * 1024 / 1_000_000);
        if candidates == 10_000 {
            print!("   {:.2}x of the aim ({AIM_TICK_MS} ms)", ms / AIM_TICK_MS);
        }
        println!();
    }
    Ok(())
}

fn start(site: &Site, args: &[&str]) -> Result<(Daemon, Receiver<String>), Failure> {
    let mut command = site.up(args);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut daemon = Daemon::start(command)?;
    let stderr = daemon.take_stderr().ok_or_else(|| Failure::work("canon has no output"))?;
    let (sender, lines) = std::sync::mpsc::channel();
    // Reads to the end: a pipe that nobody empties, or that is closed, would be in the daemon's way.
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    Ok((daemon, lines))
}

/// Waits for a line that holds `text`.
fn find_line(lines: &Receiver<String>, text: &str) -> Result<String, Failure> {
    let deadline = Instant::now() + FIRST_POLL;
    let mut said = String::new();
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if line.contains(text) {
            return Ok(line);
        }
        said.push_str(&line);
        said.push('\n');
    }
    Err(Failure::work(format!("canon did not say {text:?}; it said: {said}")))
}

/// Asks the daemon at `url` until it has read its tracker once.
fn wait_for_poll(url: &str) -> Result<(), Failure> {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let deadline = Instant::now() + FIRST_POLL;
    while Instant::now() < deadline {
        let state = get(address).map_err(|error| cannot("ask the daemon", &error))?;
        if state.contains("\"last_poll_at\":\"") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(Failure::work("the daemon has not polled in time"))
}

fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET /api/v1/state HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
