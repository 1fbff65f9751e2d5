//! Opening what is there, what is not, and what is something else.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use canon_ledger::{Ledger, OpenError, Writer};

use crate::support::{Place, record};

fn both(path: &Path) -> [OpenError; 2] {
    [Ledger::open(path).unwrap_err(), Ledger::open_writer(path).unwrap_err()]
}

#[test]
fn a_reader_needs_a_ledger_and_makes_nothing() {
    let place = Place::new();
    assert!(
        matches!(Ledger::open(place.path()), Err(OpenError::Absent { path }) if path == place.path())
    );
    assert_eq!(fs::read_dir(place.dir()).unwrap().count(), 0);
    // As a writer leaves it that was killed before it had made its tables.
    fs::write(place.path(), "").unwrap();
    assert!(matches!(Ledger::open(place.path()), Err(OpenError::Absent { .. })));
    assert_eq!(place.writer().append_blocking("s", vec![record("k", "")]).unwrap().last_seq, 1);
}

#[test]
fn what_is_no_ledger_is_named_and_left_alone() {
    let place = Place::new();
    let text = "# Notes\n".repeat(1000);
    fs::write(place.path(), &text).unwrap();
    for error in both(&place.path()) {
        assert!(
            matches!(&error, OpenError::NotALedger { path } if *path == place.path()),
            "{error:?}"
        );
    }
    assert_eq!(fs::read_to_string(place.path()).unwrap(), text);

    let other = Place::new();
    other.raw().execute_batch("CREATE TABLE mine (a); INSERT INTO mine VALUES (1)").unwrap();
    for error in both(&other.path()) {
        assert!(matches!(error, OpenError::NotALedger { .. }), "{error:?}");
    }
    assert_eq!(other.raw().query_row("SELECT a FROM mine", [], |row| row.get::<_, i64>(0)), Ok(1));
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    let place = Place::new();
    place.writer().append_blocking("s", vec![record("k", "")]).unwrap();
    place.raw().pragma_update(None, "user_version", 2).unwrap();
    for error in both(&place.path()) {
        assert!(matches!(error, OpenError::NewerFormat { found: 2, known: 1, .. }), "{error:?}");
    }
}

#[test]
fn impossible_places_end_in_an_error_that_names_them() {
    let place = Place::new();
    fs::write(place.dir().join("file"), "").unwrap();
    let absent = place.dir().join("no/such/directory/ledger.db");
    let below_a_file = place.dir().join("file/ledger.db");
    // Nobody can make files there, root included.
    let read_only = Path::new("/proc/self/ledger.db");
    for path in [absent.as_path(), &below_a_file, read_only] {
        let error = Ledger::open_writer(path).unwrap_err();
        assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    let directory = place.dir().join("directory");
    fs::create_dir(&directory).unwrap();
    assert!(matches!(Ledger::open_writer(&directory), Err(OpenError::Io { .. })));
    assert!(Ledger::open(&directory).is_err());
}

#[test]
fn a_second_writer_is_told_who_the_first_one_is() {
    let place = Place::new();
    let first = place.writer();
    let linked = place.dir().join("another name");
    std::os::unix::fs::symlink(place.path(), &linked).unwrap();
    for path in [place.path(), linked] {
        match Ledger::open_writer(&path).unwrap_err() {
            OpenError::Locked { path, pid } => {
                assert_eq!(
                    (path.file_name().unwrap().to_str(), pid),
                    (Some("ledger.db"), Some(std::process::id()))
                );
            }
            other => panic!("{other:?}"),
        }
    }
    // Readers are welcome.
    assert_eq!(place.reader().verify().unwrap().records, 0);
    drop(first);
    place.writer();
}

const CHILD: &str = "CANON_LEDGER_TEST_HOLD";

/// Runs as two processes: the test, and a child that holds the ledger until its standard input ends.
#[test]
fn a_writer_in_another_process_holds_the_ledger_until_it_is_killed() {
    if let Some(path) = std::env::var_os(CHILD) {
        let _writer: Writer = Ledger::open_writer(path).unwrap();
        println!("held");
        let _ = std::io::stdin().lines().count();
        return;
    }
    let place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "open::a_writer_in_another_process_holds_the_ledger_until_it_is_killed",
            "--nocapture",
        ])
        .env(CHILD, place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap().contains("held")));
    match Ledger::open_writer(place.path()).unwrap_err() {
        OpenError::Locked { pid, .. } => assert_eq!(pid, Some(child.id())),
        other => panic!("{other:?}"),
    }
    child.kill().unwrap();
    child.wait().unwrap();
    place.writer();
}

/// A process that was being started when its parent was killed has a copy of the lock for a moment.
#[test]
fn a_lock_left_over_by_the_dead_is_waited_for() {
    let place = Place::new();
    // The inner shell keeps the descriptor until its input ends, while the outer one, whose id is in the file, is gone.
    let script = "exec 9>>\"$1\"; flock 9; echo $$ >&9; (echo ready; read -r _) <&0 & kill -9 $$";
    let mut shell = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(place.dir().join("ledger.db.lock"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert_eq!(ready, "ready\n");
    let input = shell.stdin.take();
    shell.wait().unwrap();
    // Not for ever.
    match Ledger::open_writer(place.path()).unwrap_err() {
        OpenError::Locked { pid, .. } => assert_eq!(pid, Some(shell.id())),
        other => panic!("{other:?}"),
    }
    drop(input);
    place.writer();
}
