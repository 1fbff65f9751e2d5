//! Facts about files, as `stat` says them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use crate::environment::{FileKind, FileMetadata};

/// One file, by the name under which `stat` was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) name: PathBuf,
    pub(super) metadata: FileMetadata,
    /// seconds and nanoseconds
    pub(super) modified: (u64, u32),
}

/// Records begin with `R`, a nonce and a space at the start of a line; names may hold line ends.
pub(super) fn parse(output: &[u8], nonce: &str) -> Vec<Facts> {
    let mark = format!("R{nonce} ").into_bytes();
    let mut records: Vec<Vec<u8>> = Vec::new();
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        match (line.strip_prefix(mark.as_slice()), records.last_mut()) {
            (Some(rest), _) => records.push(rest.to_vec()),
            (None, Some(record)) => record.extend_from_slice(line),
            (None, None) => {}
        }
    }
    records.iter().filter_map(|record| one(record.strip_suffix(b"\n").unwrap_or(record))).collect()
}

/// `MODE-IN-HEX SIZE SECONDS TIME-WITH-FRACTION|NAME`
fn one(record: &[u8]) -> Option<Facts> {
    let bar = record.iter().position(|byte| *byte == b'|')?;
    let text = std::str::from_utf8(&record[..bar]).ok()?;
    let mut words = text.split(' ');
    let mode = u32::from_str_radix(words.next()?, 16).ok()?;
    let size = words.next()?.parse().ok()?;
    let seconds: i64 = words.next()?.parse().ok()?;
    let fraction = text.rsplit_once('.').map_or("", |(_, fraction)| fraction);
    let digits: String = fraction.chars().take_while(char::is_ascii_digit).take(9).collect();
    let nanos: u32 = format!("{digits:0<9}").parse().unwrap_or(0);
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let modified_ms = seconds.saturating_mul(1000).saturating_add(u64::from(nanos / 1_000_000));
    let kind = match mode & 0o170_000 {
        0o100_000 => FileKind::File,
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Symlink,
        _ => FileKind::Other,
    };
    let name = PathBuf::from(OsString::from_vec(record[bar + 1..].to_vec()));
    let metadata = FileMetadata { kind, size, modified_ms, mode: mode & 0o7777 };
    Some(Facts { name, metadata, modified: (seconds, nanos) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_kinds_of_stat_are_understood_and_names_may_hold_anything() {
        let said = b"noise\nRx 81a4 12 1700000000 2023-11-14 22:13:20.123456789 +0000|./a|b\nc\nRx 41ed 0 5 5.000000000|./d\n";
        let facts = parse(said, "x");
        assert_eq!(facts.len(), 2);
        assert_eq!(facts[0].name, PathBuf::from("./a|b\nc"));
        assert_eq!(facts[0].metadata.modified_ms, 1_700_000_000_123);
        assert_eq!((facts[0].metadata.mode, facts[0].metadata.size), (0o644, 12));
        assert_eq!(facts[1].metadata.kind, FileKind::Directory);
        assert_eq!(facts[1].metadata.modified_ms, 5000);
    }

    proptest! {
        #[test]
        fn nonsense_is_no_file(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _any = parse(&bytes, "");
        }
    }
}
