//! Bytes to typed events on one core, nothing else around them.

use std::time::{Duration, Instant};

use canon_llm::StreamEvent;

use crate::shapes::{SHAPES, Shape};
use crate::subjects::{SUBJECTS, Subject};

/// What one read of a socket gives at most, as a rule.
const CHUNK: usize = 16 * 1024;

/// Time on a core of this thread alone: what else the machine does is not counted.
fn on_core() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

struct Run {
    /// From the last bytes, of 4 KiB at most, to all of their events.
    last: Duration,
    events: usize,
}

/// Prints a line for each provider whose name is in `only`, or for all. A run decodes `answers` answers of `size`
/// bytes: many, since the clock ticks in milliseconds, and none longer than models are.
pub(crate) fn measure(only: &[String], size: usize, answers: usize, runs: usize) {
    println!(
        "decode: {answers} answers of {} KB in chunks of 16 KiB to typed events, time on one core, the best of {runs}",
        size / 1000
    );
    println!("{:<18} {:>8} {:>8} {:>12}  shape", "", "MB/s", "median", "events/s");
    for subject in SUBJECTS.iter().filter(|subject| wanted(only, subject.name)) {
        let Some(shape) = SHAPES.iter().find(|shape| shape.provider == subject.name) else {
            continue;
        };
        one(subject, shape, size, answers, runs);
    }
}

fn wanted(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|wanted| wanted == name)
}

fn one(subject: &Subject, shape: &Shape, size: usize, answers: usize, runs: usize) {
    let bytes = (shape.make)(size);
    let events = run(subject, &bytes, CHUNK).events;
    let timed = || {
        let start = on_core();
        (0..answers).for_each(|_| {
            std::hint::black_box(run(subject, &bytes, CHUNK));
        });
        on_core() - start
    };
    let mut all: Vec<Duration> = (0..runs.max(1)).map(|_| timed()).collect();
    all.sort_unstable();
    let rate = |took: Duration| (bytes.len() * answers) as f64 / 1e6 / took.as_secs_f64();
    let (best, middle) = (all[0], all[all.len() / 2]);
    println!(
        "{:<18} {:>8.0} {:>8.0} {:>12.0}  {}, {} bytes an event",
        subject.name,
        rate(best),
        rate(middle),
        (events * answers) as f64 / best.as_secs_f64(),
        shape.what,
        bytes.len() / events,
    );
}

/// How long after its last bytes an answer of `size` bytes is complete; the best of `runs`.
pub(crate) fn last_event(only: &[String], size: usize, runs: usize) {
    println!(
        "\nlast bytes to last event: an answer of {} KB, in memory, {runs} runs, the best",
        size / 1000
    );
    for subject in SUBJECTS.iter().filter(|subject| wanted(only, subject.name)) {
        let Some(shape) = SHAPES.iter().find(|shape| shape.provider == subject.name) else {
            continue;
        };
        let bytes = (shape.make)(size);
        let best = (0..runs.max(1)).map(|_| run(subject, &bytes, 4096).last).min();
        println!("{:<18} {:>8.1} µs", subject.name, best.unwrap_or_default().as_secs_f64() * 1e6);
    }
}

fn run(subject: &Subject, bytes: &[u8], chunk: usize) -> Run {
    let mut decoder = (subject.decoder)();
    let mut out: Vec<StreamEvent> = Vec::new();
    let mut events = 0;
    let (last, before) = split_last(bytes, chunk);
    for chunk in before.chunks(chunk) {
        decoder.push(chunk, &mut out).unwrap();
        events += out.len();
        out.clear();
    }
    let before_last = Instant::now();
    decoder.push(last, &mut out).unwrap();
    decoder.end(&mut out).unwrap();
    let finished = matches!(out.last(), Some(StreamEvent::Finish { .. }));
    let end = Instant::now();
    events += out.len();
    drop(out);
    assert!(finished, "{} does not finish", subject.name);
    Run { last: end - before_last, events }
}

fn split_last(bytes: &[u8], chunk: usize) -> (&[u8], &[u8]) {
    let (before, last) = bytes.split_at(bytes.len().saturating_sub(chunk));
    (last, before)
}
