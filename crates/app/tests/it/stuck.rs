//! Supervisors that are stopped or stuck: never two agents in one workspace, never a wait without
//! an end.

use rustix::process::Signal;
use serde_json::json;

use crate::up::env::{PATIENCE, kill, until};
use crate::up::fake::{
    FRONT_MATTER, Noted, assert_no_wrong, finishes, noted, place, run, turn, update,
};

/// The first attempt's turn waits for ever, later ones finish.
fn stubborn_once() -> Vec<canon_testkit::app_server::Turn> {
    let once = "[ -e \"$TEST_DIR/second\" ] || { touch \"$TEST_DIR/second\"; sleep 1000; }";
    vec![turn(vec![noted(1), run(once), update(json!({ "state": "Review" }))])]
}

#[test]
fn a_stopped_supervisor_is_killed_before_its_issue_is_tried_again_by_the_next_daemon() {
    let env = place(stubborn_once());
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0"]);
    up.state(|state| state["running"][0]["turn_count"] == 1);
    let supervisors = env.supervisors();
    assert_eq!(supervisors.len(), 1, "{supervisors:?}");
    kill(supervisors[0].0, Signal::STOP);
    up.kill();
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
    assert_eq!(Noted::read(&env).worked_on("A-1").len(), 2);
    assert_no_wrong(&env);
    env.assert_nothing_left();
}

#[test]
fn a_stall_under_a_stopped_supervisor_comes_to_an_end() {
    let env = place(stubborn_once());
    let front = FRONT_MATTER.replace("read_timeout_ms: 20000", "stall_timeout_ms: 2000");
    env.workflow(&front, "Work on {{ issue.identifier }}.");
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0"]);
    up.state(|state| state["running"][0]["turn_count"] == 1);
    kill(env.supervisors()[0].0, Signal::STOP);
    until("A-1 is done by a second attempt", || (env.state_of("A-1") == "Review").then_some(()));
    up.signal(Signal::INT);
    assert_eq!(up.wait(PATIENCE).code, Some(0));
    assert_eq!(Noted::read(&env).worked_on("A-1").len(), 2);
    assert_no_wrong(&env);
    env.assert_nothing_left();
}

#[test]
fn ruling_09_after_run_runs_again_when_the_daemon_died_in_it() {
    // The first time, the hook waits until the daemon is gone.
    let hook = "hooks: { after_run: 'echo ran >> \"$TEST_DIR/after\"; [ -e \"$TEST_DIR/go\" ] || sleep 1000' }\n";
    let env = place(finishes("Review"));
    env.workflow(&format!("{FRONT_MATTER}{hook}"), "Work on {{ issue.identifier }}.");
    env.issue("A-1");
    let up = env.spawn(&["up", "--port", "0"]);
    until("after_run runs", || env.path("fake/after").exists().then_some(()));
    up.kill();
    env.write("fake/go", "");
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.read("fake/after"), "ran\nran\n");
    assert!(ended.stdout.contains("15 tokens"), "they were counted: {}", ended.stdout);
    let (machine, _) = env.replay();
    let view = machine.issue_view("A-1", 0).unwrap();
    let attempts = view.history.unwrap().attempts;
    assert_eq!(attempts.len(), 1, "{attempts:#?}");
    assert_eq!(attempts[0].evidence["tools"]["issue_update"], 1, "{attempts:#?}");
    assert_eq!(Noted::read(&env).worked_on("A-1").len(), 1);
    env.assert_nothing_left();
}

#[test]
fn a_variable_that_is_not_text_breaks_no_hook() {
    use std::os::unix::ffi::OsStrExt as _;
    let env = place(vec![turn(vec![noted(1), update(json!({ "state": "Review" }))])]);
    let hooks = "hooks: { before_run: 'true' }\n";
    env.workflow(&format!("{FRONT_MATTER}{hooks}"), "Work on {{ issue.identifier }}.");
    env.issue("A-1");
    let mut command = env.canon(&["up", "--until-idle"]);
    command.env("ODD", std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    let ended = env.start(command).wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
}
