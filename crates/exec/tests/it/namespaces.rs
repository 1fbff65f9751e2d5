//! Whole trees: PID namespaces, subreapers, process identity.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use canon_exec::group::{self, Signal};

use crate::support::{all_gone, helper_program, unique};

/// Killed when dropped, so that a failed test leaves nothing behind.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ended = (self.0.kill(), self.0.wait());
    }
}

fn start(verb: &str, marker: &str, command: &str) -> (Helper, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(helper_program())
        .args([verb, "bash", "-c", command])
        .env("TEST_MARKER", marker)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (Helper(child), lines)
}

const TREE: &str =
    "setsid sleep 600 & (setsid sleep 600 &) ; echo pids /proc/[0-9]*; echo ready; sleep 600";

#[tokio::test]
async fn kill_9_of_a_namespaces_first_process_ends_everything() {
    let marker = unique("namespace");
    let (mut launcher, mut lines) = start("launch", &marker, TREE);
    // The launcher and the supervisor print at the same time.
    let mut said = [lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()];
    said.sort();
    let (containment, pid) = said[0].split_once(' ').unwrap();
    if containment == "Subreaper" {
        println!(
            "skipped: kill_9_of_a_namespaces_first_process_ends_everything: no PID namespace here"
        );
        return;
    }
    assert_eq!(said[1], "pid 1 mounted true");
    let pids = lines.next().unwrap().unwrap();
    assert!(pids.split(' ').count() < 10, "/proc shows strangers: {pids}");
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    assert!(group::processes_with_env("TEST_MARKER", &marker).len() >= 4);

    group::kill_process(pid.parse().unwrap(), Signal::Kill).unwrap();
    launcher.0.wait().unwrap();
    assert!(all_gone("TEST_MARKER", &marker).await);
}

#[tokio::test]
async fn a_subreaper_gets_what_setsid_and_double_forks_hid() {
    let marker = unique("subreaper");
    let hide = "setsid bash -c 'trap \"\" TERM; sleep 600' >/dev/null & (setsid sleep 600 >/dev/null &); echo left";
    let (mut helper, mut lines) = start("subreaper", &marker, hide);
    assert_eq!(lines.next().unwrap().unwrap(), "left");
    assert_eq!(lines.next().unwrap().unwrap(), "survivors 0 reaped true");
    assert!(helper.0.wait().unwrap().success());
    assert!(all_gone("TEST_MARKER", &marker).await);
}

#[test]
fn a_group_started_for_a_supervisor_is_its_own_session_and_can_be_killed() {
    let mut command = Command::new("bash");
    command.args(["-c", "sleep 600 & echo $$ $(ps -o sid= $$); wait"]).stdout(Stdio::piped());
    let mut child = group::spawn_in_group(&mut command).unwrap();
    let start = group::process_start_time(child.id()).unwrap();
    assert!(group::is_alive(child.id(), start));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let (pid, session) = line.split_once(' ').unwrap();
    assert_eq!(pid, session.trim());
    assert_eq!(group::parent_of(child.id()), Some(std::process::id()));

    assert!(group::kill_group(child.id(), Signal::Kill).unwrap());
    child.wait().unwrap();
    assert!(!group::is_alive(child.id(), start));
}

#[test]
fn a_child_of_a_killed_process_dies_with_it_when_asked() {
    let marker = unique("pdeath");
    // The helper starts `sleep` in a group that shall end with it.
    let (mut helper, mut lines) = start("subreaper", &marker, "echo up; exec sleep 600");
    assert_eq!(lines.next().unwrap().unwrap(), "up");
    helper.0.kill().unwrap();
    helper.0.wait().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(all_gone("TEST_MARKER", &marker)));
}

#[test]
fn a_detached_child_outlives_whoever_started_it() {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child =
        std::thread::spawn(move || group::spawn_detached(&mut command).unwrap()).join().unwrap();
    drop(child.stdin.take());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn nobody_signals_everything_by_mistake() {
    for pid in [0, 1, u32::MAX] {
        assert!(group::kill_group(pid, Signal::Term).is_err());
        assert!(group::kill_process(pid, Signal::Term).is_err());
    }
    assert!(!group::kill_process(i32::MAX as u32, Signal::Term).unwrap());
}
