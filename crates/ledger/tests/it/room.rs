//! No room left.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use canon_ledger::{AppendError, Ledger, Writer, WriterOptions};

use crate::support::{Place, record};

/// Appends until it fails; returns how many were acknowledged.
fn fill(writer: &Writer) -> (u64, AppendError) {
    let mut acknowledged = 0;
    loop {
        match writer.append_blocking("s", vec![record("k", vec![7; 3000])]) {
            Ok(stored) => acknowledged = stored.last_seq,
            Err(error) => return (acknowledged, error),
        }
        assert!(acknowledged < 10_000, "there is no end to it");
    }
}

fn assert_holds(path: &Path, records: u64) {
    let reader = Ledger::open(path).unwrap();
    assert_eq!(reader.verify().unwrap().records, records);
    assert_eq!(reader.read("s", 1).filter(Result::is_ok).count() as u64, records);
}

#[test]
fn a_limit_keeps_what_is_there_and_can_be_raised() {
    let place = Place::new();
    let mut options = WriterOptions::default();
    options.max_bytes = Some(128 << 10);
    let writer = Writer::open(&place.path(), options).unwrap();
    let (acknowledged, error) = fill(&writer);
    assert!(
        matches!(&error, AppendError::Full { path } if path.ends_with("ledger.db")),
        "{error:?}"
    );
    assert!(acknowledged > 10, "{acknowledged}");
    assert_holds(&place.path(), acknowledged);
    drop(writer);
    let stored = place.writer().append_blocking("s", vec![record("k", vec![7; 3000])]).unwrap();
    assert_eq!(stored.last_seq, acknowledged + 1);
    assert_holds(&place.path(), acknowledged + 1);
}

/// A file system of a megabyte, for as long as the value lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn skip(name: &str, why: &str) {
    println!("skipped: {name}: {why}");
    if let Some(path) = std::env::var_os("CANON_SKIP_LOG") {
        let mut log = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(log, "skipped: {name}: {why}").unwrap();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_freeing_space_is_enough() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(place.dir().join("disk")) else {
        return skip("ledger-full-disk", "cannot mount a small file system here");
    };
    let filler = disk.0.join("filler");
    fs::write(&filler, vec![0; 500 << 10]).unwrap();
    let path = disk.0.join("ledger.db");
    let writer = Ledger::open_writer(&path).unwrap();
    let (acknowledged, error) = fill(&writer);
    assert!(matches!(error, AppendError::Full { .. }), "{error:?}");
    assert!(acknowledged > 10, "{acknowledged}");
    assert_holds(&path, acknowledged);
    fs::remove_file(filler).unwrap();
    assert_eq!(
        writer.append_blocking("s", vec![record("k", "on")]).unwrap().last_seq,
        acknowledged + 1
    );
    assert_holds(&path, acknowledged + 1);
}

#[test]
fn no_room_for_a_ledger_at_all_is_an_error_too() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(place.dir().join("disk")) else {
        return skip("ledger-full-disk", "cannot mount a small file system here");
    };
    // Writes what fits and stops at the end of the disk.
    let mut filler = fs::File::create(disk.0.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    let error = Ledger::open_writer(disk.0.join("ledger.db")).unwrap_err();
    assert!(matches!(error, canon_ledger::OpenError::Io { .. }), "{error:?}");
}
