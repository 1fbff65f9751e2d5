//! `kill -9` at any moment.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use canon_ledger::{Ledger, OpenError};

use crate::support::{Place, record};

const CHILD: &str = "CANON_LEDGER_TEST_APPEND";
const ROUNDS: u64 = 40;
const STREAMS: u64 = 3;

/// What record `seq` of a stream holds, so that the parent can tell the right bytes from any others.
fn body(stream: &str, seq: u64) -> Vec<u8> {
    let length = if seq.is_multiple_of(17) { 150_000 } else { seq * 31 % 700 };
    format!("{stream}/{seq}/").bytes().cycle().take(length as usize).collect()
}

/// Appends without end, and says what was acknowledged.
fn child(path: &Path) {
    let writer = Ledger::open_writer(path).unwrap();
    std::thread::scope(|scope| {
        for stream in 0..STREAMS {
            let writer = writer.clone();
            scope.spawn(move || {
                let stream = format!("s{stream}");
                let mut seq = writer.append_blocking(&stream, vec![]).unwrap().last_seq;
                loop {
                    let count = 1 + seq % 3;
                    let records =
                        (1..=count).map(|more| record("k", body(&stream, seq + more))).collect();
                    let stored = writer.append_blocking(&stream, records).unwrap();
                    assert_eq!(stored.last_seq, seq + count);
                    seq = stored.last_seq;
                    let mut output = std::io::stdout().lock();
                    writeln!(output, "acknowledged {stream} {seq}").unwrap();
                    output.flush().unwrap();
                    drop(output);
                    if seq.is_multiple_of(5) {
                        writer.put_snapshot_blocking(&stream, seq, 1, body(&stream, seq)).unwrap();
                    }
                }
            });
        }
    });
}

/// A small generator with a fixed seed: the points are random, and the same in every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn every_acknowledged_record_survives_kill_9_at_any_point() {
    if let Some(path) = std::env::var_os(CHILD) {
        return child(Path::new(&path));
    }
    let place = Place::new();
    let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
    let mut seed = 20_261_122;
    for round in 0..ROUNDS {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kill::every_acknowledged_record_survives_kill_9_at_any_point",
                "--nocapture",
            ])
            .env(CHILD, place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut note = |line: &str| {
            if let Some(said) = line.split("acknowledged ").nth(1) {
                let (stream, seq) = said.split_once(' ').unwrap();
                acknowledged.insert(stream.to_owned(), seq.parse().unwrap());
            }
        };
        // In some rounds the child dies before it has said anything; in the others, in whatever comes after a line.
        let patience = if round % 8 == 0 { 0 } else { next(&mut seed) % 60 };
        for _ in 0..patience {
            note(&lines.next().expect("the child goes on until it is killed").unwrap());
        }
        process.kill().unwrap();
        process.wait().unwrap();
        // What it had said before it died counts as well; a last line may be cut short, and was not read then.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let whole =
            rest.iter().filter(|line| line.rsplit(' ').next().is_some_and(|end| !end.is_empty()));
        for line in whole.take(rest.len().saturating_sub(1)) {
            note(line);
        }
        if !place.path().exists() {
            continue;
        }
        // Whoever opens the ledger first cleans up after the dead: sometimes a writer, sometimes a reader.
        let _writer = round.is_multiple_of(2).then(|| place.writer());
        let reader = match Ledger::open(place.path()) {
            Ok(reader) => reader,
            Err(OpenError::Absent { .. }) if acknowledged.is_empty() => continue,
            Err(error) => panic!("round {round}: {error}"),
        };
        reader.verify().unwrap();
        for (stream, seq) in &acknowledged {
            assert!(
                reader.last_seq(stream).unwrap() >= *seq,
                "round {round}: {stream} {seq} is gone"
            );
        }
        for stream in acknowledged.keys() {
            for stored in reader.read(stream, 1) {
                let stored = stored.unwrap();
                assert!(stored.bytes == body(stream, stored.seq), "{stream} {}", stored.seq);
            }
            if let Some(snapshot) = reader.latest_snapshot(stream).unwrap() {
                assert!(snapshot.bytes == body(stream, snapshot.upto_seq));
            }
        }
    }
    assert_eq!(acknowledged.len() as u64, STREAMS);
    assert!(acknowledged.values().sum::<u64>() > 200, "{acknowledged:?}");
}
