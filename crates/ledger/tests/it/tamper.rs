//! Whatever is done to the file behind its back is found and named.

use std::fs;

use canon_ledger::{AppendError, Ledger, OpenError, ReadError, VerifyError};
use proptest::prelude::*;

use crate::support::{Place, record};

const RECORDS: u64 = 12;

/// Twelve records in two streams: the odd positions in `a`, the even ones in `b`.
fn ledger() -> Place {
    let place = Place::new();
    let writer = place.writer();
    for number in 1..=RECORDS {
        let stream = if number % 2 == 1 { "a" } else { "b" };
        // Queued without waiting, so that they share commits.
        drop(writer.append(stream, vec![record("kind", format!("payload {number}"))]));
    }
    writer.put_snapshot_blocking("a", 3, 1, b"state".to_vec()).unwrap();
    drop(writer);
    place
}

fn tampered(sql: &str) -> (Place, VerifyError) {
    let place = ledger();
    place.raw().execute_batch(sql).unwrap();
    let error = place.reader().verify().unwrap_err();
    (place, error)
}

fn position(error: &VerifyError) -> u64 {
    match error {
        VerifyError::Record { position, .. } => *position,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_untouched_ledger_holds() {
    let report = ledger().reader().verify().unwrap();
    assert_eq!((report.records, report.streams, report.snapshots), (RECORDS, 2, 1));
}

#[test]
fn every_field_of_a_record_is_covered() {
    for change in [
        "stream = 'c'",
        "seq = 40",
        "kind = 'Kind'",
        "version = 2",
        "version = -1",
        "version = 4294967297",
        "at_ms = at_ms + 1",
        "at_ms = -5",
        "head = zeroblob(32)",
        "head = zeroblob(31)",
        "bytes = CAST(bytes || x'00' AS BLOB)",
        "bytes = x''",
        "kind = CAST(x'ff' AS TEXT)",
        "stream = CAST(x'ff' AS TEXT)",
    ] {
        let (_, error) = tampered(&format!("UPDATE record SET {change} WHERE position = 5"));
        assert_eq!(position(&error), 5, "{change}: {error}");
    }
    let (_, error) = tampered("UPDATE record SET kind = 'Kind' WHERE position = 5");
    assert_eq!(
        error.to_string(),
        "the ledger is damaged at position 5 (record 3 of \"a\"): it is not the record that was written"
    );
}

#[test]
fn removed_inserted_swapped_and_renumbered_records_are_found() {
    let bad = |sql: &str| position(&tampered(sql).1);
    assert_eq!(bad("DELETE FROM record WHERE position = 7"), 7);
    assert_eq!(bad("DELETE FROM record WHERE position = 1"), 1);
    assert_eq!(bad("UPDATE record SET position = 99 WHERE position = 6"), 6);
    assert_eq!(bad("UPDATE record SET position = -1 WHERE position = 6"), 1);
    assert_eq!(
        bad(
            "INSERT INTO record SELECT 13, 'b', 7, kind, version, at_ms, head, bytes FROM record WHERE position = 12"
        ),
        13
    );
    let swap = "UPDATE record SET position = 100 WHERE position = 3;
                UPDATE record SET position = 3 WHERE position = 4;
                UPDATE record SET position = 4 WHERE position = 100;";
    assert_eq!(bad(swap), 3);
}

#[test]
fn a_cut_off_end_is_found_and_not_written_over() {
    let (place, error) = tampered("DELETE FROM record WHERE position > 10");
    assert!(matches!(error, VerifyError::Head { records: 10, .. }), "{error:?}");
    assert!(matches!(Ledger::open_writer(place.path()), Err(OpenError::Damaged { .. })));
    let (place, error) = tampered("UPDATE head SET head = zeroblob(32)");
    assert!(matches!(error, VerifyError::Head { records: 12, .. }), "{error:?}");
    assert!(matches!(Ledger::open_writer(place.path()), Err(OpenError::Damaged { .. })));
    let (_, error) = tampered("UPDATE head SET position = 3");
    assert!(matches!(error, VerifyError::Head { .. }), "{error:?}");
    let (place, error) = tampered("DELETE FROM head");
    assert!(matches!(error, VerifyError::Head { .. }), "{error:?}");
    assert!(Ledger::open_writer(place.path()).is_err());
}

#[test]
fn snapshots_are_covered_and_not_handed_out_when_spoilt() {
    for change in [
        "bytes = x'00'",
        "version = 2",
        "digest = zeroblob(32)",
        "upto_seq = 2",
        "upto_seq = 60",
        "stream = 'b'",
    ] {
        let (place, error) = tampered(&format!("UPDATE snapshot SET {change}"));
        assert!(matches!(error, VerifyError::Snapshot { .. }), "{change}: {error:?}");
        let read = ["a", "b"].map(|stream| place.reader().latest_snapshot(stream));
        assert!(
            read.iter().all(|read| matches!(read, Ok(None) | Err(ReadError::Damaged { .. }))),
            "{change}: {read:?}"
        );
        assert!(read.iter().any(Result::is_err), "{change}");
    }
}

#[test]
fn reading_stops_at_a_gap() {
    let (place, _) = tampered("DELETE FROM record WHERE position = 5");
    let read: Vec<_> = place.reader().read("a", 1).collect();
    assert_eq!(read.len(), 3);
    assert!(
        matches!(&read[2], Err(ReadError::Damaged { stream, seq: 3, .. }) if stream == "a"),
        "{:?}",
        read[2]
    );
}

#[test]
fn a_record_slipped_in_under_the_writer_stops_it() {
    let place = ledger();
    let writer = place.writer();
    let slip = "INSERT INTO record SELECT 13, 'b', 7, kind, version, at_ms, head, bytes FROM record WHERE position = 12";
    place.raw().execute_batch(slip).unwrap();
    let error = writer.append_blocking("a", vec![record("k", "")]).unwrap_err();
    assert!(matches!(error, AppendError::Damaged { .. }), "{error:?}");
}

proptest! {
    #[test]
    fn any_byte_of_any_record_is_missed(at in 1..=RECORDS, byte in 0_usize..9, bit in 0_u8..8) {
        let place = ledger();
        let raw = place.raw();
        let mut bytes: Vec<u8> =
            raw.query_row("SELECT bytes FROM record WHERE position = ?1", [at as i64], |row| row.get(0)).unwrap();
        bytes[byte] ^= 1 << bit;
        raw.execute("UPDATE record SET bytes = ?1 WHERE position = ?2", (bytes, at as i64)).unwrap();
        prop_assert_eq!(position(&place.reader().verify().unwrap_err()), at);
    }

    /// A damaged disk: the file is what it was, or an error says so. Nothing panics, nothing wrong is passed as right.
    #[test]
    fn any_damage_to_the_file_is_an_error_or_harmless(
        offset in any::<prop::sample::Index>(), length in 1_usize..300, value in any::<u8>(),
    ) {
        let place = ledger();
        let before: Vec<_> = place.reader().tail(100).unwrap();
        let mut file = fs::read(place.path()).unwrap();
        let start = offset.index(file.len());
        let end = (start + length).min(file.len());
        file[start..end].fill(value);
        fs::write(place.path(), file).unwrap();
        let Ok(reader) = Ledger::open(place.path()) else {
            return Ok(());
        };
        if reader.verify().is_ok() {
            prop_assert_eq!(reader.tail(100).unwrap(), before);
        }
        for stream in ["a", "b"] {
            let read = reader.read(stream, 1).take_while(Result::is_ok).count();
            prop_assert!(read <= 7);
            let _ = reader.latest_snapshot(stream);
        }
        if let Ok(writer) = Ledger::open_writer(place.path()) {
            let _ = writer.append_blocking("a", vec![record("k", "")]);
        }
    }
}
