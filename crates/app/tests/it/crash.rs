//! The daemon, its supervisors, or both, killed at any moment: nothing runs twice, nothing is lost,
//! nothing is left.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use canon_orchestrator::dispatch::{Effect, Event};
use canon_orchestrator::supervisor::{Direction, Records, SessionDir};
use canon_testkit::app_server::Step;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::up::env::{PATIENCE, TestEnv, kill, look, until};
use super::up::fake::{self, Noted, calm_place, gate, noted, place, run, turn, update, usage};

/// Sets the seed of the random rounds, to play a failure again.
const SEED: &str = "CANON_TEST_SEED";
const ROUNDS: u64 = 15;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }
}

fn seed() -> u64 {
    let given = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = given.unwrap_or(now.as_nanos() as u64).max(1);
    // Shown when the test fails.
    println!("{SEED}={seed}");
    seed
}

fn two_turns() -> Vec<canon_testkit::app_server::Turn> {
    let work = |number: u32, arguments: Value| {
        turn(vec![
            noted(number),
            Step::Message { text: "at work".to_owned(), deltas: 3 },
            Step::Delay { ms: 120 },
            run("echo x >> work"),
            usage(),
            update(arguments),
            Step::Delay { ms: 60 },
        ])
    };
    vec![work(1, json!({ "comment": "half way" })), work(2, json!({ "state": "Review" }))]
}

#[test]
fn killed_at_random_points_nothing_runs_twice_and_nothing_is_lost() {
    random_rounds(&[Victim::Daemon, Victim::Supervisor, Victim::Both]);
}

#[test]
fn a_killed_daemon_costs_no_turn() {
    let (env, killed) = random_rounds(&[Victim::Daemon]);
    assert!(killed.is_empty());
    let noted = Noted::read(&env);
    for ((attempt, number), times) in &noted.turns {
        assert_eq!(*times, 1, "turn {number} of {attempt} began more than once");
    }
    for issue in noted.agents.values() {
        assert_eq!(noted.worked_on(issue).len(), 1, "{issue} was worked on again: {noted:#?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    Daemon,
    Supervisor,
    Both,
}

/// Kills in each round, restarts, and lets the last daemon finish; the attempts whose supervisors
/// were killed.
fn random_rounds(victims: &[Victim]) -> (TestEnv, Vec<String>) {
    let mut random = Random(seed());
    let env = place(two_turns());
    let mut issues = Vec::new();
    let mut killed = Vec::new();
    let mut up = None;
    for round in 1..=ROUNDS {
        for _ in 0..2 {
            let issue = format!("C-{}", issues.len() + 1);
            env.issue(&issue);
            issues.push(issue);
        }
        let mut daemon = up.take().unwrap_or_else(|| env.spawn(&["up", "--orphan-grace", "60"]));
        // Sometimes before it has done anything at all.
        let most = if round % 4 == 0 { 150 } else { 1_200 };
        let time = Duration::from_millis(random.below(most));
        assert!(daemon.runs_for(time), "round {round}: {}", daemon.stderr());
        let victim = victims[random.below(victims.len() as u64) as usize];
        if !matches!(victim, Victim::Daemon) {
            let supervisors = env.supervisors();
            if !supervisors.is_empty() {
                let which = random.below(supervisors.len() as u64) as usize;
                let (pid, attempt) = &supervisors[which];
                kill(*pid, Signal::KILL);
                killed.push(attempt.clone());
            }
        }
        if matches!(victim, Victim::Supervisor) {
            up = Some(daemon);
        } else {
            daemon.kill();
        }
        fake::assert_no_wrong(&env);
    }
    drop(up);
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for issue in &issues {
        assert_eq!(env.state_of(issue), "Review", "{issue}");
    }
    check(&env, &issues, &killed, &ended.stdout);
    (env, killed)
}

fn check(env: &TestEnv, issues: &[String], killed: &[String], table: &str) {
    fake::assert_no_wrong(env);
    env.assert_nothing_left();
    let noted = Noted::read(env);
    for ((attempt, number), times) in &noted.turns {
        assert_eq!(*times, 1, "turn {number} of {attempt} began {times} times");
    }
    for issue in issues {
        let worked = noted.worked_on(issue);
        let lost = worked.iter().filter(|attempt| killed.iter().any(|k| k == *attempt)).count();
        assert!(worked.len() <= 1 + lost, "{issue}: {worked:?}, killed {killed:?}");
        assert!(worked.len() > lost || lost > 0, "{issue} was never worked on");
    }
    // The record: each attempt was ordered once and ended at most once, and adds up.
    let (machine, effects) = env.replay();
    let mut ordered = BTreeMap::new();
    for effect in &effects {
        if let Effect::StartAttempt { attempt_id, issue, .. } = effect {
            let before = ordered.insert(attempt_id.clone(), issue.identifier.clone());
            assert_eq!(before, None, "{attempt_id} was ordered twice");
        }
    }
    for (attempt, issue) in &noted.agents {
        assert_eq!(ordered.get(attempt), Some(issue), "{attempt} was never ordered");
    }
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    for (_, event) in env.events() {
        if let Event::AttemptEnded { attempt_id, .. } = event {
            *ends.entry(attempt_id).or_default() += 1;
        }
    }
    assert!(ends.values().all(|times| *times == 1), "{ends:#?}");
    let totals = machine.snapshot(0).totals;
    assert_eq!(totals.attempts, ordered.len() as u64, "{totals:?}");
    let line = format!(
        "{} attempts ({} completed, {} failed, {} stopped), {} tokens",
        totals.attempts, totals.completed, totals.failed, totals.stopped, totals.usage.total_tokens
    );
    assert!(table.contains(&line), "{line} is not in {table}");
    for issue in issues {
        let view = machine.issue_view(issue, 0).unwrap();
        let history = view.history.unwrap();
        let of_issue = ordered.values().filter(|of| *of == issue).count();
        assert_eq!(history.attempts_started as usize, of_issue, "{issue}");
        for attempt in &history.attempts {
            // Fifteen for each turn whose usage was reported: never counted twice.
            let tokens = attempt.usage.total_tokens;
            assert!(tokens <= u64::from(attempt.turns) * 15, "{attempt:#?}");
            if attempt.result == "completed" {
                assert_eq!(tokens, u64::from(attempt.turns) * 15, "{attempt:#?}");
            }
        }
    }
}

/// The requests of `method` that a session's journal has.
fn sent(env: &TestEnv, attempt: &str, method: &str) -> usize {
    let dir = SessionDir::new(&env.state_dir().join("sessions"), attempt);
    let mut records = Records::open(&dir.journal()).unwrap();
    let mut count = 0;
    while let Some(record) = records.next_record().unwrap() {
        let message: Value = serde_json::from_slice(&record.line).unwrap_or_default();
        count += usize::from(record.direction == Direction::ToAgent && message["method"] == method);
    }
    count
}

#[test]
fn a_turn_goes_on_without_its_daemon_and_is_taken_up_by_the_next() {
    let steps = vec![noted(1), gate("one"), usage(), run("echo late > late"), gate("two")];
    let second = vec![noted(2), usage(), update(json!({ "state": "Review" }))];
    let env = calm_place(vec![turn(steps), turn(second)]);
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0"]);
    up.state(|state| state["running"][0]["turn_count"] == 1);
    let before = env.supervisors();
    assert_eq!(before.len(), 1);
    up.kill();
    // Nobody is there, and the turn works on.
    env.write("fake/one", "");
    until("the turn works on", || env.path("project/workspaces/A-1/late").exists().then_some(()));
    assert_eq!(env.supervisors(), before);

    let mut up = env.spawn(&["up", "--until-idle", "--port", "0"]);
    let state = up.state(|state| state["running"][0]["tokens"]["total_tokens"] == 15);
    assert_eq!(state["running"][0]["attempt_id"], before[0].1.as_str(), "{state:#}");
    env.write("fake/two", "");
    let ended = up.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
    assert_eq!(sent(&env, &before[0].1, "turn/start"), 2);
    assert_eq!(sent(&env, &before[0].1, "thread/start"), 1);
    let totals = "1 attempts (1 completed, 0 failed, 0 stopped), 30 tokens";
    assert!(ended.stdout.contains(totals), "{}", ended.stdout);
    check(&env, &["A-1".to_owned()], &[], &ended.stdout);
}

#[test]
fn a_turn_that_ends_while_nobody_is_there_counts() {
    let steps = vec![noted(1), gate("one"), usage(), update(json!({ "state": "Review" }))];
    let env = calm_place(vec![turn(steps)]);
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0"]);
    up.state(|state| state["running"][0]["turn_count"] == 1);
    let attempt = env.supervisors()[0].1.clone();
    up.kill();
    // It asks for the tool, which only a daemon can run, and waits.
    env.write("fake/one", "");
    let journal = env.state_dir().join("sessions").join(&attempt).join("journal");
    until("the call is on record", || {
        let bytes = std::fs::read(&journal).unwrap();
        String::from_utf8_lossy(&bytes).contains("item/tool/call").then_some(())
    });
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
    assert_eq!(sent(&env, &attempt, "turn/start"), 1);
    check(&env, &["A-1".to_owned()], &[], &ended.stdout);
}

#[test]
fn without_a_daemon_for_longer_than_the_grace_the_agent_ends() {
    let env = calm_place(vec![turn(vec![noted(1), gate("never")])]);
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0", "--orphan-grace", "1"]);
    up.state(|state| state["running"][0]["turn_count"] == 1);
    up.kill();
    assert_eq!(env.supervisors().len(), 1, "the grace begins with the daemon's end");
    env.assert_nothing_left();
    let exit = env.state_dir().join("sessions");
    let attempt = Noted::read(&env).agents.keys().next().unwrap().clone();
    let exit = SessionDir::new(&exit, &attempt).exit().unwrap();
    assert_eq!(exit.ended_by.as_deref(), Some("orphaned"), "{exit:?}");
}

#[test]
fn a_killed_supervisor_takes_its_agent_along_and_the_issue_is_tried_again() {
    let first = vec![noted(1), run("[ -e \"$TEST_DIR/second\" ] || sleep 1000"), usage()];
    let first = [first, vec![update(json!({ "state": "Review" }))]].concat();
    let env = calm_place(vec![turn(first)]);
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--until-idle", "--port", "0"]);
    let slept = until("the agent's command runs", || {
        env.processes().into_iter().find(|(_, command)| command.starts_with("sleep 1000"))
    });
    env.write("fake/second", "");
    let (pid, attempt) = env.supervisors().remove(0);
    kill(pid, Signal::KILL);
    let gone = look(Duration::from_secs(10), || {
        (!env.processes().iter().any(|(pid, _)| *pid == slept.0)).then_some(())
    });
    assert!(gone.is_some(), "the agent's command outlived its supervisor");
    assert!(up.is_running(), "{}", up.stderr());
    let ended = up.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let totals = "2 attempts (1 completed, 1 failed, 0 stopped), 15 tokens";
    assert!(ended.stdout.contains(totals), "{}", ended.stdout);
    check(&env, &["A-1".to_owned()], &[attempt], &ended.stdout);
}

#[test]
fn a_session_whose_record_is_gone_is_ended_before_its_issue_is_tried_again() {
    let steps = vec![noted(1), gate("go"), usage(), update(json!({ "state": "Review" }))];
    let env = calm_place(vec![turn(steps)]);
    let slower = fake::calm().replace("retry_backoff_ms: 150", "retry_backoff_ms: 4000");
    env.workflow(&slower, "Work.");
    env.issue("A-1");
    let mut up = env.spawn(&["up", "--port", "0"]);
    up.state(|state| state["running"][0]["turn_count"] == 1);
    let (pid, attempt) = env.supervisors().remove(0);
    up.kill();
    let record = env.state_dir().join("sessions").join(&attempt).join("attempt.json");
    std::fs::write(record, "{}").unwrap();
    let up = env.spawn(&["up", "--until-idle"]);
    until("the old session ends", || {
        (!env.supervisors().iter().any(|(of, _)| *of == pid)).then_some(())
    });
    env.write("fake/go", "");
    let ended = up.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
    check(&env, &["A-1".to_owned()], &[attempt], &ended.stdout);
}

#[test]
fn what_a_hook_left_of_a_killed_daemon_is_ended_by_the_next() {
    let env = calm_place(fake::finishes("Review"));
    let hook =
        "hooks: { before_run: 'touch started; [ -e \"$TEST_DIR/second\" ] || sleep 1000' }\n";
    env.workflow(&format!("{}{hook}", fake::calm()), "Work.");
    env.issue("A-1");
    let up = env.spawn(&["up"]);
    until("the hook runs", || env.path("project/workspaces/A-1/started").exists().then_some(()));
    env.write("fake/second", "");
    up.kill();
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
    check(&env, &["A-1".to_owned()], &[], &ended.stdout);
}
