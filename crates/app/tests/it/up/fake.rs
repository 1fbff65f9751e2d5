//! A workflow whose agent is the fake one, held by a lock on its workspace so that two of them at
//! a time show.

use std::collections::BTreeMap;

use canon_testkit::app_server::{Scenario, Step, Turn, binary, env as agent_env};
use serde_json::{Value, json};

use super::env::TestEnv;

/// Writes what it does to `log`, and to `clashes` when it is not alone in its workspace.
const AGENT: &str = r#"
name=$(basename "$PWD")
exec 9>"$TEST_DIR/locks/$name"
flock -n 9 || { echo "$name $CANON_SESSION" >> "$TEST_DIR/clashes"; exit 97; }
echo "agent $name $CANON_SESSION" >> "$TEST_DIR/log"
exec "$TEST_AGENT" "$TEST_DIR/scenario.json"
"#;

/// A daemon that polls all the time.
pub(crate) const FRONT_MATTER: &str = "\
tracker:
  kind: files
  provider: { path: issues, states: [Review] }
  active_states: [Todo, In Progress]
  terminal_states: [Done]
polling: { interval_ms: 200 }
workspace: { root: workspaces }
agent: { kind: codex, max_concurrent_agents: 3, max_retry_backoff_ms: 150 }
codex: { command: 'exec bash \"$TEST_DIR/agent.sh\"', read_timeout_ms: 20000 }
";

/// [`FRONT_MATTER`] with this instead of that.
#[track_caller]
pub(crate) fn front_matter(what: &str, instead: &str) -> String {
    assert!(FRONT_MATTER.contains(what), "{what}");
    FRONT_MATTER.replace(what, instead)
}

/// [`FRONT_MATTER`] of a daemon that polls at its start and when it is asked to. A poll that sees an
/// issue handed over ends its session, often just before the turn says so itself: a test that counts
/// how attempts end does not want one in between.
pub(crate) fn calm() -> String {
    front_matter("interval_ms: 200", "interval_ms: 60000")
}

/// [`place`] with a calm daemon.
pub(crate) fn calm_place(turns: Vec<Turn>) -> TestEnv {
    let env = place(turns);
    env.workflow(&calm(), "Work on {{ issue.identifier }}.");
    env
}

/// A place where `canon up` runs the fake agent with these turns.
pub(crate) fn place(turns: Vec<Turn>) -> TestEnv {
    let mut env = TestEnv::new();
    env.workflow(FRONT_MATTER, "Work on {{ issue.identifier }}.");
    std::fs::create_dir_all(env.path("fake/locks")).unwrap();
    env.write("fake/agent.sh", AGENT);
    env.write("fake/scenario.json", &Scenario { turns, ..Scenario::default() }.to_json());
    let dir = env.path("fake").to_str().unwrap().to_owned();
    env.set(agent_env::VIOLATIONS, format!("{dir}/violations"));
    env.set("TEST_DIR", dir);
    env.set("TEST_AGENT", binary().to_str().unwrap());
    env
}

pub(crate) fn turn(steps: Vec<Step>) -> Turn {
    Turn { steps, ..Turn::default() }
}

/// Notes that turn `number` of this session runs.
pub(crate) fn noted(number: u32) -> Step {
    run(&format!("echo \"turn $(basename \"$PWD\") $CANON_SESSION {number}\" >> \"$TEST_DIR/log\""))
}

pub(crate) fn run(command: &str) -> Step {
    Step::Run { command: command.to_owned(), may_fail: false }
}

/// Waits for the test to make the file `name`.
pub(crate) fn gate(name: &str) -> Step {
    run(&format!("until [ -e \"$TEST_DIR/{name}\" ]; do sleep 0.02; done"))
}

pub(crate) fn usage() -> Step {
    Step::Usage { input: 10, output: 5, cached: 0 }
}

pub(crate) fn update(arguments: Value) -> Step {
    Step::Tool { tool: "issue_update".to_owned(), arguments, success: Some(true) }
}

/// One turn that moves the issue to `state`.
pub(crate) fn finishes(state: &str) -> Vec<Turn> {
    vec![turn(vec![noted(1), usage(), update(json!({ "state": state }))])]
}

/// What the agents noted.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// Issue by attempt, for every agent that started.
    pub(crate) agents: BTreeMap<String, String>,
    /// How often each turn of each attempt began.
    pub(crate) turns: BTreeMap<(String, u32), u32>,
}

impl Noted {
    pub(crate) fn read(env: &TestEnv) -> Self {
        let mut noted = Self::default();
        for line in env.read("fake/log").lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["agent", issue, attempt] => {
                    let before = noted.agents.insert((*attempt).to_owned(), (*issue).to_owned());
                    assert_eq!(before, None, "two agents for attempt {attempt}");
                }
                ["turn", _, attempt, number] => {
                    let turn = ((*attempt).to_owned(), number.parse().unwrap());
                    *noted.turns.entry(turn).or_default() += 1;
                }
                _ => panic!("{line}"),
            }
        }
        noted
    }

    /// The attempts of `issue` in which a turn began.
    pub(crate) fn worked_on(&self, issue: &str) -> Vec<&str> {
        let attempts =
            self.agents.iter().filter(|(_, of)| *of == issue).map(|(attempt, _)| attempt);
        attempts
            .filter(|attempt| self.turns.contains_key(&((*attempt).clone(), 1)))
            .map(String::as_str)
            .collect()
    }
}

/// Nobody did what must not be done.
#[track_caller]
pub(crate) fn assert_no_wrong(env: &TestEnv) {
    assert_eq!(env.read("fake/clashes"), "", "two agents in one workspace");
    assert_eq!(env.read("fake/violations"), "", "the client broke the protocol");
}
