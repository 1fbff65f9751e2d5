//! Any sequence of calls, against a model in memory.

use std::collections::BTreeMap;

use canon_ledger::AppendError;
use proptest::prelude::*;

use crate::support::{Place, record};

#[derive(Clone, Debug)]
enum Step {
    Append(usize, Vec<Vec<u8>>),
    Snapshot(usize, u64, Vec<u8>),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..50);
    prop_oneof![
        6 => (0..3_usize, prop::collection::vec(bytes(), 0..4)).prop_map(|(stream, records)| Step::Append(stream, records)),
        2 => (0..3_usize, 0..12_u64, bytes()).prop_map(|(stream, upto, bytes)| Step::Snapshot(stream, upto, bytes)),
        1 => Just(Step::Reopen),
    ]
}

const STREAMS: [&str; 3] = ["dispatch", "ä stream", "session/1"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_ledger_holds_what_the_model_holds(steps in prop::collection::vec(step(), 1..30)) {
        let place = Place::new();
        let mut writer = Some(place.writer());
        let mut streams: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
        let mut snapshots: BTreeMap<&str, BTreeMap<u64, Vec<u8>>> = BTreeMap::new();
        for step in steps {
            let open = writer.as_ref().unwrap();
            match step {
                Step::Append(stream, bodies) => {
                    let records = bodies.iter().map(|body| record("k", body.clone())).collect();
                    let stored = open.append_blocking(STREAMS[stream], records).unwrap();
                    let model = streams.entry(STREAMS[stream]).or_default();
                    model.extend(bodies);
                    prop_assert_eq!(stored.last_seq, model.len() as u64);
                }
                Step::Snapshot(stream, upto, bytes) => {
                    let stream = STREAMS[stream];
                    let last = streams.get(stream).map_or(0, Vec::len) as u64;
                    match open.put_snapshot_blocking(stream, upto, 1, bytes.clone()) {
                        Ok(()) => {
                            prop_assert!(upto <= last);
                            let kept = snapshots.entry(stream).or_default();
                            kept.insert(upto, bytes);
                            if kept.len() > 2 {
                                kept.pop_first();
                            }
                        }
                        Err(AppendError::SnapshotAhead { last_seq, .. }) => {
                            prop_assert!(upto > last);
                            prop_assert_eq!(last_seq, last);
                        }
                        Err(other) => return Err(TestCaseError::fail(other.to_string())),
                    }
                }
                Step::Reopen => {
                    drop(writer.take());
                    writer = Some(place.writer());
                }
            }
        }
        let reader = place.reader();
        for stream in STREAMS {
            let stored: Vec<_> = reader.read(stream, 1).map(|record| record.unwrap().bytes).collect();
            prop_assert_eq!(stored, streams.get(stream).cloned().unwrap_or_default());
            let latest = reader.latest_snapshot(stream).unwrap().map(|snapshot| (snapshot.upto_seq, snapshot.bytes));
            let expected = snapshots.get(stream).and_then(|kept| kept.clone().pop_last());
            prop_assert_eq!(latest, expected);
        }
        let report = reader.verify().unwrap();
        prop_assert_eq!(report.records as usize, streams.values().map(Vec::len).sum::<usize>());
        prop_assert_eq!(report.streams, streams.values().filter(|records| !records.is_empty()).count());
        prop_assert_eq!((report.records, report.head), reader.head().unwrap());
    }
}
