//! What `canon up` prints: a reader that does not read stops nothing, and what others wrote has no
//! power over a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use canon_orchestrator::dispatch::Event;
use canon_testkit::app_server::{Status, Turn};
use rustix::pipe::{fcntl_setpipe_size, pipe};
use rustix::process::Signal;
use serde_json::json;

use super::up::env::{PATIENCE, TestEnv, kill, look, until};
use super::up::fake::{self, finishes, gate, noted, place, run, turn, update, usage};

/// The end may wait for a reader twice for two seconds, and the machine may be busy.
const BOUNDED: Duration = Duration::from_secs(20);

/// A pipe that takes nothing more until its reader reads.
fn full_pipe() -> (File, OwnedFd) {
    let (reader, writer) = pipe().unwrap();
    let size = fcntl_setpipe_size(&writer, 4096).unwrap();
    let mut filling = File::from(writer.try_clone().unwrap());
    filling.write_all(&vec![b'.'; size]).unwrap();
    (File::from(reader), writer)
}

/// A `canon up` that ends with its test.
struct Up(Child);

impl Up {
    fn start(env: &TestEnv, args: &[&str], stdout: Stdio, stderr: Stdio) -> Self {
        let mut command = env.canon(&["up", "--verbose"]);
        Self(command.args(args).stdout(stdout).stderr(stderr).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(self.0.id(), signal);
    }

    /// Its exit code, none if it still runs after `limit`.
    fn ended(&mut self, limit: Duration) -> Option<i32> {
        look(limit, || self.0.try_wait().unwrap()).and_then(|status| status.code())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn done(env: &TestEnv, issue: &str) {
    until(issue, || (env.state_of(issue) == "Review").then_some(()));
}

#[test]
fn a_reader_that_does_not_read_stops_no_work_and_gets_everything_when_it_does() {
    let env = place(finishes("Review"));
    env.issue("A-1");
    let (mut reader, writer) = full_pipe();
    let (mut table, data) = pipe().map(|(table, data)| (File::from(table), data)).unwrap();
    let mut up = Up::start(&env, &[], data.into(), writer.into());
    done(&env, "A-1");
    // The daemon goes on: it sees what comes later as well.
    env.issue("A-2");
    done(&env, "A-2");
    let reading = std::thread::spawn(move || {
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        said
    });
    up.signal(Signal::INT);
    assert_eq!(up.ended(PATIENCE), Some(0));
    let said = reading.join().unwrap();
    for line in ["A-1      started: the issue A-1", "A-2      started: the issue A-2"] {
        assert!(said.contains(line), "{line:?} is missing: {said}");
    }
    let mut printed = String::new();
    table.read_to_string(&mut printed).unwrap();
    // The second may have been at its last words when it was stopped.
    for line in ["A-1    Review", "A-2    Review", "2 attempts (", "workspaces: "] {
        assert!(printed.contains(line), "{line:?} is missing: {printed}");
    }
    let polled =
        env.events().iter().filter(|(_, event)| matches!(event, Event::Polled { .. })).count();
    assert!(polled > 1, "the ledger moves on");
    fake::assert_no_wrong(&env);
    env.assert_nothing_left();
}

#[test]
fn with_nobody_reading_anything_the_end_comes_in_bounded_time() {
    let env = place(finishes("Review"));
    env.issue("A-1");
    let (_reader, writer) = full_pipe();
    let both = writer.try_clone().unwrap();
    let mut up = Up::start(&env, &["--until-idle"], both.into(), writer.into());
    done(&env, "A-1");
    assert_eq!(up.ended(BOUNDED), Some(0));
    env.assert_nothing_left();
}

#[test]
fn with_nobody_reading_a_second_interrupt_still_ends_it_at_once() {
    let env = place(vec![turn(vec![noted(1), gate("never")])]);
    env.issue("A-1");
    let (_reader, writer) = full_pipe();
    let mut up = Up::start(&env, &[], Stdio::null(), writer.into());
    until("the turn runs", || env.read("fake/log").contains("turn A-1").then_some(()));
    up.signal(Signal::INT);
    // It ends its sessions, and waits for the reader longer than this.
    assert_eq!(up.ended(Duration::from_millis(500)), None);
    up.signal(Signal::INT);
    let asked = Instant::now();
    assert_eq!(up.ended(BOUNDED), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}

#[test]
fn an_error_that_nobody_reads_still_is_an_exit_code() {
    let env = TestEnv::new();
    env.workflow("tracker: [", "");
    let (_reader, writer) = full_pipe();
    let mut up = Up::start(&env, &[], Stdio::null(), writer.into());
    assert_eq!(up.ended(BOUNDED), Some(2));
}

#[test]
fn a_log_that_is_too_long_is_moved_aside_while_it_runs() {
    let env = place(finishes("Review"));
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let log = env.state_dir().join("log");
    // Under the limit at the start, over it soon after.
    let earlier = "x".repeat(16 * 1024 * 1024 - 16);
    std::fs::write(&log, &earlier).unwrap();
    env.issue("A-1");
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let aside = std::fs::read_to_string(log.with_extension("1")).unwrap();
    assert!(aside == earlier, "{} bytes", aside.len());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("issue_identifier=") && !log.contains("xx"), "{log}");
}

#[test]
fn escape_sequences_of_others_do_not_reach_the_terminal() {
    const HOSTILE: &str = "\u{1b}[2J\u{1b}]52;c;aGk=\u{7}\u{9b}31m\u{202e}\r";
    let failed = Turn {
        steps: vec![noted(1), usage()],
        status: Status::Failed,
        error: Some(format!("failed{HOSTILE}so")),
    };
    let again = Turn {
        steps: vec![noted(2), run("true"), update(json!({ "state": "Review" }))],
        ..Turn::default()
    };
    let mut env = place(vec![]);
    let state = env.path("fake/runs");
    std::fs::create_dir_all(&state).unwrap();
    env.set(canon_testkit::app_server::env::STATE, state.to_str().unwrap());
    let runs = json!({ "runs": [{ "turns": [failed] }, { "turns": [again] }] });
    env.write("fake/scenario.json", &runs.to_string());
    // A title of files may turn its line around, but has no control characters: those are refused,
    // and what is said about it repeats none.
    let issue = |id: &str, title: &str| {
        let text = format!("---\nid: {id}\ntitle: \"{title}\"\nstate: Todo\n---\nDo it.\n");
        env.write(&format!("project/issues/{id}.md"), &text);
    };
    issue("A-1", r"title\u202e end");
    issue("A-2", r"title\e[2J\e]52;c;aGk=\a\x9b31m");

    let ended = env.run(&["up", "--until-idle", "--verbose"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("started: title  end"), "{}", ended.stderr);
    assert!(ended.stderr.contains("failed [2J ]52;c;aGk="), "{}", ended.stderr);
    let log = std::fs::read_to_string(env.state_dir().join("log")).unwrap();
    for text in [&ended.stdout, &ended.stderr, &log] {
        let acts = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
        let line = text.lines().find(|line| line.contains(acts));
        assert_eq!(line, None);
    }
}
