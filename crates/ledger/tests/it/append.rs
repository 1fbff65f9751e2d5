//! Appending and reading back.

use std::convert::Infallible;

use canon_ledger::{
    AppendError, Ledger, MAX_RECORD_BYTES, NewRecord, Record, ReplayError, StreamInfo,
};
use serde::{Deserialize, Serialize};

use crate::support::{Place, record};

fn bodies(records: impl Iterator<Item = Result<Record, canon_ledger::ReadError>>) -> Vec<Vec<u8>> {
    records.map(|record| record.unwrap().bytes).collect()
}

#[tokio::test]
async fn what_is_appended_is_read_back_as_it_was() {
    let place = Place::new();
    let writer = place.writer();
    let first =
        NewRecord { kind: "tick".to_owned(), version: 7, at_ms: 42, bytes: vec![0, 255, 1] };
    let one = writer.append("dispatch", vec![first.clone()]).await.unwrap();
    assert_eq!((one.last_seq, one.position), (1, 1));
    let two = writer.append("other", vec![record("a", "x"), record("b", "")]).await.unwrap();
    assert_eq!((two.last_seq, two.position), (2, 3));

    let reader = place.reader();
    let records: Vec<_> = reader.read("dispatch", 0).map(Result::unwrap).collect();
    let [read] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((read.position, read.stream.as_str(), read.seq), (1, "dispatch", 1));
    let back = NewRecord {
        kind: read.kind.clone(),
        version: read.version,
        at_ms: read.at_ms,
        bytes: read.bytes.clone(),
    };
    assert_eq!(back, first);
    assert_eq!(read.head, one.head);
    assert_eq!(bodies(reader.read("other", 2)), [b""]);
    assert_eq!(bodies(reader.read("other", 3)), Vec::<Vec<u8>>::new());
    assert_eq!(reader.read("nobody", 1).count(), 0);
    assert_eq!(reader.last_seq("other").unwrap(), 2);
    assert_eq!(reader.last_seq("nobody").unwrap(), 0);
    assert_eq!(reader.head().unwrap(), (3, two.head));
    let info = |stream: &str, last_seq, last_at_ms| StreamInfo {
        stream: stream.to_owned(),
        last_seq,
        last_at_ms,
    };
    assert_eq!(
        reader.streams().unwrap(),
        [info("dispatch", 1, 42), info("other", 2, 1_700_000_000_000)]
    );
    let positions =
        |records: Vec<Record>| records.iter().map(|record| record.position).collect::<Vec<_>>();
    assert_eq!(positions(reader.tail(2).unwrap()), [2, 3]);
    assert_eq!(positions(reader.tail(usize::MAX).unwrap()), [1, 2, 3]);
    assert_eq!(positions(reader.after(1, 1).unwrap()), [2]);
    assert!(reader.after(u64::MAX, 5).unwrap().is_empty());
}

#[test]
fn records_stay_when_the_writer_goes_and_another_comes() {
    let place = Place::new();
    let writer = place.writer();
    writer.append_blocking("s", vec![record("k", "1")]).unwrap();
    let clone = writer.clone();
    writer.close();
    assert!(matches!(clone.append_blocking("s", vec![]), Err(AppendError::Closed)));
    let next = place.writer();
    assert_eq!(next.append_blocking("s", vec![record("k", "2")]).unwrap().last_seq, 2);
    assert_eq!(bodies(place.reader().read("s", 1)), [b"1", b"2"]);
    assert_eq!(place.reader().verify().unwrap().records, 2);
}

#[tokio::test]
async fn calls_are_stored_in_their_order_even_if_nobody_waits() {
    let place = Place::new();
    let writer = place.writer();
    let waiting: Vec<_> = (0..1000_u32)
        .map(|number| writer.append("s", vec![NewRecord::json("n", 1, 0, &number).unwrap()]))
        .collect();
    for (at, append) in waiting.into_iter().enumerate() {
        // Half of the callers lose interest.
        if at % 2 == 0 {
            assert_eq!(append.await.unwrap().last_seq, at as u64 + 1);
        }
    }
    writer.close();
    let numbers: Vec<u32> =
        place.reader().read("s", 1).map(|record| record.unwrap().json().unwrap()).collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[test]
fn an_answered_record_is_there_for_every_reader_while_others_write() {
    let place = Place::new();
    let writer = place.writer();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (writer, place) = (writer.clone(), &place);
            scope.spawn(move || {
                let stream = format!("s{thread}");
                let reader = place.reader();
                for number in 1..=50_u64 {
                    let stored = writer
                        .append_blocking(&stream, vec![record("k", number.to_string())])
                        .unwrap();
                    assert_eq!(stored.last_seq, number);
                    assert_eq!(reader.last_seq(&stream).unwrap(), number);
                    assert!(reader.head().unwrap().0 >= stored.position);
                }
            });
        }
        scope.spawn(|| {
            let reader = place.reader();
            for _ in 0..20 {
                reader.verify().unwrap();
            }
        });
    });
    assert_eq!(place.reader().verify().unwrap().records, 200);
}

#[test]
fn an_open_iteration_sees_what_comes_and_keeps_nobody_waiting() {
    let place = Place::new();
    let writer = place.writer();
    writer.append_blocking("s", vec![record("k", "1")]).unwrap();
    let reader = place.reader();
    let mut records = reader.read("s", 1);
    assert_eq!(records.next().unwrap().unwrap().seq, 1);
    writer.append_blocking("s", vec![record("k", "2")]).unwrap();
    assert_eq!(records.next().unwrap().unwrap().seq, 2);
    assert!(records.next().is_none());
    assert!(records.next().is_none());
}

#[test]
fn payloads_of_megabytes_come_back_whole_and_larger_ones_are_refused() {
    let place = Place::new();
    let writer = place.writer();
    let large: Vec<u8> = (0..9_000_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    let records =
        vec![record("large", large.clone()), record("small", "x"), record("large", large.clone())];
    assert_eq!(writer.append_blocking("s", records).unwrap().last_seq, 3);
    assert_eq!(bodies(place.reader().read("s", 1)), [&large[..], b"x", &large]);
    let error = writer
        .append_blocking(
            "s",
            vec![record("k", "before"), record("k", vec![0; MAX_RECORD_BYTES + 1])],
        )
        .unwrap_err();
    assert!(
        matches!(error, AppendError::TooLarge { bytes } if bytes == MAX_RECORD_BYTES + 1),
        "{error}"
    );
    assert_eq!(writer.append_blocking("s", vec![]).unwrap().last_seq, 3);
}

#[test]
fn impossible_names_and_numbers_are_refused_and_nothing_is_stored() {
    let place = Place::new();
    let writer = place.writer();
    for name in ["", "a\nb", "\u{0}", &"x".repeat(201)] {
        assert!(
            matches!(writer.append_blocking(name, vec![]), Err(AppendError::Name { .. })),
            "{name:?}"
        );
        let named = vec![record("fine", ""), record(name, "")];
        assert!(
            matches!(writer.append_blocking("s", named), Err(AppendError::Name { .. })),
            "{name:?}"
        );
    }
    let late = NewRecord { at_ms: u64::MAX, ..record("k", "") };
    assert!(matches!(writer.append_blocking("s", vec![late]), Err(AppendError::OutOfRange { .. })));
    assert_eq!(place.reader().verify().unwrap().records, 0);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Total(u64);

#[test]
fn a_replay_folds_and_goes_on_from_a_snapshot() {
    let place = Place::new();
    let writer = place.writer();
    let numbers: Vec<_> =
        (1..=10_u64).map(|number| NewRecord::json("n", 1, 0, &number).unwrap()).collect();
    writer.append_blocking("s", numbers).unwrap();
    let reader = place.reader();
    let add = |Total(sum): Total, record: &Record| {
        Ok::<_, serde_json::Error>(Total(sum + record.json::<u64>()?))
    };
    assert_eq!(reader.replay("s", Total(0), add).unwrap(), Total(55));

    assert_eq!(reader.latest_snapshot("s").unwrap(), None);
    writer.put_snapshot_blocking("s", 4, 3, serde_json::to_vec(&Total(10)).unwrap()).unwrap();
    let snapshot = reader.latest_snapshot("s").unwrap().unwrap();
    assert_eq!((snapshot.upto_seq, snapshot.version), (4, 3));
    let seen = reader.replay_after("s", 4, Vec::new(), |mut seen, record| {
        seen.push(record.seq);
        Ok::<_, Infallible>(seen)
    });
    assert_eq!(seen.unwrap(), [5, 6, 7, 8, 9, 10]);
    assert_eq!(reader.replay_after("s", 4, snapshot.json().unwrap(), add).unwrap(), Total(55));

    writer.append_blocking("s", vec![record("strange", "not json")]).unwrap();
    match reader.replay("s", Total(0), add).unwrap_err() {
        ReplayError::Fold { seq, kind, version, .. } => {
            assert_eq!((seq, kind.as_str(), version), (11, "strange", 1))
        }
        ReplayError::Read(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn the_two_newest_snapshots_are_kept_and_none_is_ahead() {
    let place = Place::new();
    let writer = place.writer();
    let ahead = writer.put_snapshot("s", 1, 1, vec![]).await.unwrap_err();
    assert!(
        matches!(ahead, AppendError::SnapshotAhead { upto_seq: 1, last_seq: 0, .. }),
        "{ahead}"
    );
    // The record is queued before the snapshot that needs it.
    let append = writer.append("s", vec![record("k", ""), record("k", ""), record("k", "")]);
    let stored = writer.put_snapshot("s", 3, 1, b"three".to_vec());
    stored.await.unwrap();
    append.await.unwrap();
    for upto in [0, 1, 2] {
        writer.put_snapshot("s", upto, 1, upto.to_string().into_bytes()).await.unwrap();
    }
    let reader = place.reader();
    let upto =
        |snapshot: Option<canon_ledger::Snapshot>| snapshot.map(|snapshot| snapshot.upto_seq);
    assert_eq!(upto(reader.latest_snapshot("s").unwrap()), Some(3));
    assert_eq!(upto(reader.snapshot_before("s", 3).unwrap()), Some(2));
    assert_eq!(upto(reader.snapshot_before("s", 2).unwrap()), None);
    assert_eq!(upto(reader.latest_snapshot("other").unwrap()), None);
    writer.put_snapshot("s", 3, 2, b"again".to_vec()).await.unwrap();
    assert_eq!(reader.latest_snapshot("s").unwrap().unwrap().bytes, b"again");
    assert_eq!(reader.verify().unwrap().snapshots, 2);
}

#[test]
fn one_refusal_in_a_batch_leaves_its_neighbours_alone() {
    let place = Place::new();
    let writer = place.writer();
    let pending =
        [writer.append("s", vec![record("k", "1")]), writer.append("s", vec![record("k", "2")])];
    assert!(writer.put_snapshot_blocking("s", 9, 1, vec![]).is_err());
    drop(pending);
    assert_eq!(writer.append_blocking("s", vec![record("k", "3")]).unwrap().last_seq, 3);
}

#[test]
fn handles_can_be_shared_among_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<canon_ledger::Writer>();
    shared::<Ledger>();
}
