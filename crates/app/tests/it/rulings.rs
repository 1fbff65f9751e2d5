//! Rulings that show only in the whole: one test each, through the binary.

use rustix::process::Signal;
use serde_json::json;

use crate::up::env::{PATIENCE, TestEnv, until};
use crate::up::fake::{
    self, FRONT_MATTER, assert_no_wrong, finishes, noted, place, run, turn, update, usage,
};
use canon_testkit::app_server::Step;

/// Moves an issue by hand, as a person would.
fn move_to(env: &TestEnv, id: &str, state: &str) {
    let text = env.read(&format!("project/issues/{id}.md"));
    put(env, id, &text.replace("state: Todo", &format!("state: {state}")));
}

/// Gives an issue's file another content, in one step.
fn put(env: &TestEnv, id: &str, text: &str) {
    let half = env.write(&format!("project/{id}.tmp"), text);
    std::fs::rename(half, env.path(&format!("project/issues/{id}.md"))).unwrap();
}

#[test]
fn ruling_05_a_silent_session_is_ended_and_tried_again() {
    let front = fake::calm().replace("read_timeout_ms: 20000", "stall_timeout_ms: 1500");
    let once = "if [ -e \"$TEST_DIR/second\" ]; then true; else touch \"$TEST_DIR/second\"; sleep 1000; fi";
    let env = place(vec![turn(vec![noted(1), run(once), update(json!({ "state": "Review" }))])]);
    env.workflow(&front, "Work on {{ issue.identifier }}.");
    env.issue("A-1");
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
    assert!(ended.stdout.contains("2 attempts (1 completed, 1 failed"), "{}", ended.stdout);
    assert_eq!(fake::Noted::read(&env).worked_on("A-1").len(), 2);
    assert_no_wrong(&env);
    env.assert_nothing_left();
}

#[test]
fn ruling_07_a_question_survives_a_restart_and_an_operator_answers_it() {
    let ask = Step::UserInput { questions: [("colour".into(), "which colour?".into())].into() };
    let env = place(vec![turn(vec![noted(1), ask, usage(), update(json!({ "state": "Review" }))])]);
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0"]);
    let asked = |state: &serde_json::Value| state["blocked"][0]["issue_identifier"] == "A-1";
    up.state(asked);
    up.kill();
    let mut up = env.spawn(&["up", "--port", "0"]);
    let state = up.state(asked);
    assert!(state.to_string().contains("which colour?"), "{state:#}");
    let answered = env.run(&["answer", "A-1", "green"]);
    assert_eq!(answered.code, Some(0), "{}", answered.stderr);
    until("A-1 is done", || (env.state_of("A-1") == "Review").then_some(()));
    up.signal(Signal::INT);
    assert_eq!(up.wait(PATIENCE).code, Some(0));
    assert_eq!(fake::Noted::read(&env).worked_on("A-1").len(), 1, "it was one attempt");
    assert_no_wrong(&env);
    env.assert_nothing_left();
}

#[test]
fn ruling_08_settings_that_cannot_be_leave_the_last_good_ones_in_force() {
    let env = place(finishes("Review"));
    let mut up = env.spawn(&["up", "--port", "0"]);
    up.state(|state| state["slots"]["total"] == 3);
    let bad = FRONT_MATTER.replace("max_concurrent_agents: 3", "max_concurrent_agents: many");
    env.workflow(&bad, "Work on {{ issue.identifier }}.");
    let state = up.state(|state| state["health"]["config_error"].is_string());
    let error = state["health"]["config_error"].as_str().unwrap();
    assert!(error.contains("agent.max_concurrent_agents"), "{error}");
    env.issue("A-1");
    until("A-1 is worked on all the same", || (env.state_of("A-1") == "Review").then_some(()));
    up.signal(Signal::INT);
    assert_eq!(up.wait(PATIENCE).code, Some(0));
}

#[test]
fn ruling_09_after_run_runs_and_the_group_is_gone_when_reconciliation_ends_an_attempt() {
    let hooks = "hooks: { after_run: 'touch \"$TEST_DIR/after\"' }\n";
    // The agent ignores TERM, and what it started has left its group.
    let stubborn = "trap '' TERM; setsid sleep 1000 & sleep 1000";
    let env = place(vec![turn(vec![noted(1), run(stubborn)])]);
    env.workflow(&format!("{FRONT_MATTER}{hooks}"), "Work on {{ issue.identifier }}.");
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0"]);
    up.state(|state| state["running"][0]["turn_count"] == 1);
    move_to(&env, "A-1", "Backlog");
    until("after_run has run", || env.path("fake/after").exists().then_some(()));
    up.state(|state| state["counts"]["running"] == 0);
    let agents = env.processes().into_iter().filter(|(pid, _)| *pid != up.pid());
    assert_eq!(agents.collect::<Vec<_>>(), [], "the agent, its group and what fled are gone");
    assert!(env.path("project/workspaces/A-1").exists(), "a paused issue keeps its workspace");
    up.signal(Signal::INT);
    assert_eq!(up.wait(PATIENCE).code, Some(0));
}

#[test]
fn ruling_09_standard_error_never_reaches_the_protocol() {
    let noise = "echo '{\"method\":\"turn/completed\"}' >&2; echo not-json >&2";
    let env = place(vec![turn(vec![noted(1), usage(), update(json!({ "state": "Review" }))])]);
    let agent = env
        .read("fake/agent.sh")
        .replace("exec \"$TEST_AGENT\"", &format!("{noise}\nexec \"$TEST_AGENT\""));
    env.write("fake/agent.sh", &agent);
    env.issue("A-1");
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
    let sessions = std::fs::read_dir(env.state_dir().join("sessions")).unwrap();
    let logs = sessions.map(|dir| std::fs::read_to_string(dir.unwrap().path().join("stderr.log")));
    let kept = logs.into_iter().any(|log| log.unwrap().contains("not-json"));
    assert!(kept, "diagnostics are kept");
    assert_no_wrong(&env);
}

#[test]
fn ruling_10_a_hook_that_hangs_holds_up_nothing_else() {
    let hooks = "hooks: { before_run: '[ \"$CANON_ISSUE_IDENTIFIER\" != A-1 ] || sleep 1000', timeout_ms: 600000 }\n";
    let env = place(vec![turn(vec![noted(1), update(json!({ "state": "Review" }))])]);
    env.workflow(&format!("{FRONT_MATTER}{hooks}"), "Work on {{ issue.identifier }}.");
    for issue in ["A-1", "A-2", "A-3", "A-4", "A-5"] {
        env.issue(issue);
    }
    let mut up = env.spawn(&["up", "--port", "0"]);
    for issue in ["A-2", "A-3", "A-4", "A-5"] {
        until("the others are done", || (env.state_of(issue) == "Review").then_some(()));
    }
    let state = up.state(|state| state["counts"]["running"] == 1);
    assert_eq!(state["running"][0]["issue_identifier"], "A-1", "{state:#}");
    assert_eq!(env.run(&["stop", "A-1"]).code, Some(0));
    up.state(|state| state["counts"]["running"] == 0 && state["counts"]["held"] == 1);
    up.signal(Signal::INT);
    assert_eq!(up.wait(PATIENCE).code, Some(0));
    env.assert_nothing_left();
}

#[test]
fn ruling_11_a_broken_record_holds_up_only_itself() {
    let env = place(vec![turn(vec![
        noted(1),
        fake::gate("open"),
        usage(),
        update(json!({ "state": "Review" })),
    ])]);
    env.issue("A-1");
    env.issue("A-2");
    let mut up = env.spawn(&["up", "--port", "0"]);
    let at_work = |row: &serde_json::Value| row["turn_count"] == 1;
    up.state(|state| {
        state["counts"]["running"] == 2 && state["running"].as_array().unwrap().iter().all(at_work)
    });
    let good = env.read("project/issues/A-2.md");
    put(&env, "A-2", "---\nid: [A-2\ntitle: {\n---\nDo it.\n");
    let broken = |state: &serde_json::Value| {
        let error = state["health"]["poll_error"].as_str().unwrap_or_default();
        error.contains("A-2") && state["health"]["ok"] == false
    };
    up.state(broken);
    move_to(&env, "A-1", "Backlog");
    let moved = std::time::Instant::now();
    let state = up.state(|state| state["counts"]["running"] == 1);
    assert!(moved.elapsed() < std::time::Duration::from_secs(10), "{:?}", moved.elapsed());
    assert_eq!(state["running"][0]["issue_identifier"], "A-2", "it goes on: {state:#}");
    assert_eq!(state["running"][0]["stopping"], json!(null), "{state:#}");
    assert!(broken(&state), "it is still said: {state:#}");
    assert!(up.stderr().contains("tracker read"), "it is logged: {}", up.stderr());
    put(&env, "A-2", &good);
    up.state(|state| state["health"]["ok"] == true);
    env.write("fake/open", "");
    until("A-2 is done", || (env.state_of("A-2") == "Review").then_some(()));
    up.state(|state| state["counts"]["running"] == 0);
    up.signal(Signal::INT);
    assert_eq!(up.wait(PATIENCE).code, Some(0));
    let noted = fake::Noted::read(&env);
    assert_eq!(noted.worked_on("A-2").len(), 1, "it was one attempt");
    assert_no_wrong(&env);
    env.assert_nothing_left();
}
