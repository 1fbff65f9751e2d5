//! `canon up` as a process, with the fake agent.

pub(crate) mod env;
pub(crate) mod fake;

use std::time::Duration;

use canon_orchestrator::dispatch::{Effect, Event};
use canon_testkit::app_server::Step;
use rustix::process::Signal;
use serde_json::json;

use env::{PATIENCE, until};
use fake::{calm_place, finishes, gate, noted, place, turn, update, usage};

#[test]
fn it_works_until_nothing_is_left_to_do_and_says_what_became_of_it() {
    let env = calm_place(finishes("Review"));
    env.issue("A-1");
    env.issue("A-2");
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for issue in ["A-1", "A-2"] {
        assert_eq!(env.state_of(issue), "Review");
        let row = ended.stdout.lines().find(|line| line.starts_with(issue)).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[..5], [issue, "Review", "1", "1", "15"], "{}", ended.stdout);
    }
    let totals = "2 attempts (2 completed, 0 failed, 0 stopped), 30 tokens";
    assert!(ended.stdout.contains(totals), "{}", ended.stdout);
    fake::assert_no_wrong(&env);
    env.assert_nothing_left();

    let again = env.run(&["up", "--until-idle"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stdout.contains(totals), "the totals are remembered: {}", again.stdout);
    assert_eq!(fake::Noted::read(&env).agents.len(), 2);
}

#[test]
fn every_decision_stands_in_the_ledger_with_its_inputs() {
    let env = calm_place(finishes("Done"));
    env.issue("A-1");
    assert_eq!(env.run(&["up", "--until-idle"]).code, Some(0));
    let (machine, effects) = env.replay();
    let started =
        effects.iter().filter(|effect| matches!(effect, Effect::StartAttempt { .. })).count();
    assert_eq!(started, 1, "{effects:#?}");
    let evidence = env.events().into_iter().find_map(|(_, event)| match event {
        Event::AttemptEnded { evidence, .. } => Some(evidence),
        _ => None,
    });
    let evidence = evidence.unwrap();
    for digest in ["issue_digest", "workflow_digest", "prompt_digest"] {
        assert!(evidence[digest].as_str().is_some_and(|digest| digest.len() == 64), "{evidence:#}");
    }
    assert_eq!(evidence["tools"], json!({ "shell": 1, "issue_update": 1 }), "{evidence:#}");
    assert_eq!(machine.snapshot(0).totals.usage.total_tokens, 15);
    assert!(!env.path("project/workspaces/A-1").exists(), "what is done is cleaned up");
}

#[test]
fn an_interrupt_ends_the_sessions_and_the_next_start_begins_them_anew() {
    let turns =
        vec![turn(vec![noted(1), gate("go"), usage(), update(json!({ "state": "Review" }))])];
    let env = calm_place(turns);
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0"]);
    up.state(|state| state["running"][0]["turn_count"] == 1);
    up.signal(Signal::INT);
    let ended = up.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    env.assert_nothing_left();
    assert_eq!(env.state_of("A-1"), "Todo");
    env.write("fake/go", "");
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
    assert_eq!(fake::Noted::read(&env).worked_on("A-1").len(), 2);
    fake::assert_no_wrong(&env);
}

#[test]
fn a_terminate_leaves_the_sessions_and_the_next_start_takes_them_up() {
    let turns =
        vec![turn(vec![noted(1), gate("go"), usage(), update(json!({ "state": "Review" }))])];
    let env = calm_place(turns);
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0"]);
    up.state(|state| state["running"][0]["turn_count"] == 1);
    up.signal(Signal::TERM);
    let ended = up.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.supervisors().len(), 1);
    let up = env.spawn(&["up", "--until-idle"]);
    env.write("fake/go", "");
    let ended = up.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
    let noted = fake::Noted::read(&env);
    assert_eq!((noted.worked_on("A-1").len(), noted.turns.len()), (1, 1), "{noted:?}");
    fake::assert_no_wrong(&env);
    env.assert_nothing_left();
}

#[test]
fn work_that_is_handed_over_is_verified_even_if_the_agent_had_more_to_say() {
    let steps = vec![noted(1), fake::run("touch made"), usage()];
    let steps = [steps, vec![update(json!({ "state": "Review" })), Step::Delay { ms: 60_000 }]];
    let env = place(vec![turn(steps.concat())]);
    let verified = fake::FRONT_MATTER
        .replace("kind: codex,", "kind: codex, verify: { command: 'test -e made' },");
    env.workflow(&verified, "Work.");
    env.issue("A-1");
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // The tracker shows the new state at the next poll, and the session is ended (Symphony §8.5).
    let totals = "1 attempts (0 completed, 0 failed, 1 stopped), 15 tokens";
    assert!(ended.stdout.contains(totals), "{}", ended.stdout);
    assert!(ended.stdout.contains("red → green"), "{}", ended.stdout);
    fake::assert_no_wrong(&env);
    env.assert_nothing_left();
}

#[test]
fn a_second_interrupt_ends_the_daemon_at_once_and_the_sessions_end_without_it() {
    let hook = "hooks: { after_run: 'touch \"$TEST_DIR/after\"; sleep 1000' }\n";
    let env = calm_place(vec![turn(vec![noted(1), gate("never")])]);
    env.workflow(&format!("{}{hook}", fake::calm()), "Work.");
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0", "--orphan-grace", "1"]);
    up.state(|state| state["running"][0]["turn_count"] == 1);
    up.signal(Signal::INT);
    until("the hook holds it up", || env.path("fake/after").exists().then_some(()));
    up.signal(Signal::INT);
    let ended = up.wait(PATIENCE);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(env.supervisors().is_empty());
}

#[test]
fn an_edit_of_the_workflow_holds_from_then_on() {
    let env = place(finishes("Review"));
    let mut up = env.spawn(&["up", "--port", "0"]);
    up.state(|state| state["slots"]["total"] == 3);
    let more = fake::FRONT_MATTER.replace("max_concurrent_agents: 3", "max_concurrent_agents: 7");
    env.workflow(&more, "Work on {{ issue.identifier }}.");
    up.state(|state| state["slots"]["total"] == 7);
    env.workflow("tracker: [", "");
    up.state(|state| state["health"]["config_error"].is_string());
    env.issue("A-1");
    assert!(up.runs_for(Duration::from_millis(700)), "{}", up.stderr());
    assert_eq!(env.state_of("A-1"), "Todo", "nothing starts while the workflow is broken");
    env.workflow(&more, "Work on {{ issue.identifier }}.");
    until("A-1 is worked on", || (env.state_of("A-1") == "Review").then_some(()));
    up.signal(Signal::INT);
    assert_eq!(up.wait(PATIENCE).code, Some(0));
}
