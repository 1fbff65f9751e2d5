//! The client against the fake agent, which checks every message that it gets.

use std::path::Path;
use std::process::{Command, Stdio};

use canon_protocol::codex::client::{
    Answer, ErrorCategory, Event, InputKind, ItemKind, OnInputRequired, Options, RequestKey,
    ToolSpec, TurnOutcome,
};
use canon_testkit::app_server::{self, Scenario, Status, Step, Turn, env};
use serde_json::json;
use tempfile::TempDir;

use crate::drive::Host;

pub(crate) fn options(cwd: &Path) -> Options {
    Options {
        thread_name: Some("A-1: a title".to_owned()),
        tools: vec![ToolSpec {
            name: "issue_update".to_owned(),
            description: "changes the issue".to_owned(),
            input_schema: json!({"type": "object", "properties": {"state": {"type": "string"}}}),
        }],
        read_timeout_ms: 20_000,
        tool_timeout_ms: 20_000,
        turn_sandbox_policy: Some(json!({"type": "workspaceWrite", "networkAccess": false})),
        ..Options::new(cwd.to_str().unwrap())
    }
}

pub(crate) fn command(dir: &TempDir, scenario: &Scenario) -> Command {
    let mut command = Command::new(app_server::binary());
    command.current_dir(dir.path()).arg(scenario.to_json()).stderr(Stdio::null());
    command.env(env::VIOLATIONS, dir.path().join("violations"));
    command.env(env::TRANSCRIPT, dir.path().join("transcript"));
    command
}

pub(crate) fn one_turn(steps: Vec<Step>, status: Status) -> Scenario {
    let turns = vec![Turn { steps, status, error: None }];
    Scenario { turns, ..Scenario::default() }
}

fn start(dir: &TempDir, scenario: &Scenario, change: impl FnOnce(&mut Options)) -> Host {
    let mut options = options(dir.path());
    change(&mut options);
    let mut host = Host::start(command(dir, scenario), options);
    host.until_started();
    host
}

pub(crate) fn assert_no_violations(dir: &TempDir) {
    let said = std::fs::read_to_string(dir.path().join("violations")).unwrap_or_default();
    assert_eq!(said, "");
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn asked(event: &Event) -> Option<(RequestKey, InputKind)> {
    match event {
        Event::InputRequired(input) => Some((input.key.clone(), input.kind)),
        _ => None,
    }
}

#[test]
fn turns_run_on_one_thread_and_usage_adds_up() {
    let dir = dir();
    let mut host = start(&dir, &Scenario::default(), |_| {});
    let first = host.run_turn("do it");
    let second = host.run_turn("go on");
    assert_eq!((first.outcome, second.outcome), (TurnOutcome::Completed, TurnOutcome::Completed));
    assert_eq!(first.last_message.as_deref(), Some("done"));
    assert_eq!((first.usage.total_tokens, second.usage.total_tokens), (15, 15));
    assert_eq!(host.client.usage().total_tokens, 30);
    assert_eq!(host.close().code, Some(0));
    assert_no_violations(&dir);
}

#[test]
fn a_turn_of_everything() {
    let dir = dir();
    let steps = vec![
        Step::Message { text: "I will look".to_owned(), deltas: 3 },
        Step::Garbage { text: "panic: not json".to_owned() },
        Step::LongLine { bytes: 11 << 20 },
        Step::Stderr { text: "noise".to_owned() },
        Step::Error { message: "stream lost".to_owned() },
        Step::RateLimits { limits: json!({"limitId": "x", "primary": {"usedPercent": 7}}) },
        Step::WriteFile { path: "a.txt".to_owned(), text: "x".to_owned() },
        Step::Run { command: "cat a.txt; exit 3".to_owned(), may_fail: true },
        Step::UnknownRequest { method: "made/up".to_owned() },
        Step::ApproveCommand { command: "rm x".to_owned(), decision: Some("decline".to_owned()) },
        Step::ApproveChange { path: "y".to_owned(), decision: Some("decline".to_owned()) },
        Step::Permissions {},
        Step::Tool { tool: "no_such".to_owned(), arguments: json!({}), success: Some(false) },
        Step::Tool {
            tool: "issue_update".to_owned(),
            arguments: json!({"state": "done"}),
            success: Some(true),
        },
        Step::Usage { input: 100, output: 20, cached: 50 },
    ];
    let mut host = start(&dir, &one_turn(steps, Status::Completed), |_| {});
    host.turn("do it");
    let call = host.until(|event| match event {
        Event::ToolCall(call) => Some(call.clone()),
        Event::TurnEnded(end) => panic!("{end:?}"),
        _ => None,
    });
    assert_eq!((call.tool.as_str(), &call.arguments["state"]), ("issue_update", &json!("done")));
    host.answer(&call.key, Answer::Tool { success: true, text: "{}".to_owned() }).unwrap();
    let end = host.until_end();
    assert_eq!(end.outcome, TurnOutcome::Completed, "{end:?}");
    let count = |name: &str| host.events.iter().filter(|event| event.name() == name).count();
    assert_eq!((count("malformed"), count("unsupported_tool_call")), (2, 1));
    assert_eq!((count("approval_declined"), count("unsupported_request")), (3, 1));
    let long = |event: &Event| matches!(event, Event::Malformed { len, .. } if *len == 11 << 20);
    assert!(host.events.iter().any(long));
    let ran = |event: &Event| {
        matches!(event, Event::Item { item, .. } if matches!(&item.kind,
            ItemKind::CommandExecution { exit_code: Some(3), output: Some(text), .. } if text == "x"))
    };
    assert!(host.events.iter().any(ran));
    assert_eq!(host.client.rate_limits().unwrap()["primary"]["usedPercent"], 7);
    assert_eq!(host.client.usage().cached_input_tokens, 50);
    assert_eq!(host.close().code, Some(0));
    assert_no_violations(&dir);
}

#[test]
fn ruling_03_each_status_ends_the_turn_as_it_says() {
    for (status, outcome) in [
        (Status::Completed, TurnOutcome::Completed),
        (Status::Failed, TurnOutcome::Failed),
        (Status::Interrupted, TurnOutcome::Cancelled),
    ] {
        let dir = dir();
        let mut host = start(&dir, &one_turn(vec![], status), |_| {});
        assert_eq!(host.run_turn("go").outcome, outcome);
        assert_no_violations(&dir);
    }
}

#[test]
fn ruling_07_questions_wait_for_a_person() {
    let dir = dir();
    let questions = [("q".to_owned(), "which colour?".to_owned())].into();
    let steps = vec![
        Step::UserInput { questions },
        Step::Elicitation { message: "name it".to_owned() },
        Step::ApproveCommand { command: "rm x".to_owned(), decision: Some("accept".to_owned()) },
    ];
    let mut host = start(&dir, &one_turn(steps, Status::Completed), |options| {
        options.approval_policy = json!("on-request");
    });
    host.turn("go");
    for (kind, text) in [
        (InputKind::UserInput, "blue"),
        (InputKind::Elicitation, "bob"),
        (InputKind::Approval, "yes"),
    ] {
        let (key, asked) = host.until(asked);
        assert_eq!(asked, kind);
        host.answer(&key, Answer::Text { text: text.to_owned() }).unwrap();
    }
    assert_eq!(host.until_end().outcome, TurnOutcome::Completed);
    assert_no_violations(&dir);
}

#[test]
fn ruling_07_or_fail_the_turn() {
    let dir = dir();
    let steps = vec![Step::Elicitation { message: "name it".to_owned() }];
    let mut host = start(&dir, &one_turn(steps, Status::Completed), |options| {
        options.on_input_required = OnInputRequired::Fail;
    });
    let end = host.run_turn("go");
    assert_eq!(end.category, Some(ErrorCategory::TurnInputRequired));
    assert!(!end.session_open);
    host.close();
    assert_no_violations(&dir);
}

#[test]
fn an_interrupted_turn_is_cancelled_and_the_next_one_runs() {
    let dir = dir();
    let hang = Turn { steps: vec![Step::Hang {}], ..Turn::default() };
    let turns = vec![hang, Turn::default()];
    let mut host = start(&dir, &Scenario { turns, ..Scenario::default() }, |_| {});
    host.turn("go");
    host.until(|event| matches!(event, Event::TurnStarted { .. }).then_some(()));
    host.interrupt();
    assert_eq!(host.until_end().outcome, TurnOutcome::Cancelled);
    assert_eq!(host.run_turn("again").outcome, TurnOutcome::Completed);
    assert_no_violations(&dir);
}

#[test]
fn silence_and_exit_end_a_turn() {
    let dir = dir();
    let mut host = start(&dir, &one_turn(vec![Step::Hang {}], Status::Completed), |options| {
        options.turn_timeout_ms = 200;
    });
    assert_eq!(host.run_turn("go").category, Some(ErrorCategory::TurnTimeout));
    let mut host = start(&dir, &one_turn(vec![Step::Exit { code: 3 }], Status::Completed), |_| {});
    let end = host.run_turn("go");
    assert_eq!(end.category, Some(ErrorCategory::PortExit));
    assert!(end.message.unwrap().contains("exit status 3"));
    assert_eq!(host.close().code, Some(3));
    assert_no_violations(&dir);
}

#[test]
fn startup_fails_with_its_category() {
    let mute = |method: &str| Scenario { mute: vec![method.to_owned()], ..Scenario::default() };
    let refuse = [("thread/start".to_owned(), "no".to_owned())].into();
    for (scenario, wanted) in [
        (mute("initialize"), ErrorCategory::ResponseTimeout),
        (mute("thread/start"), ErrorCategory::ResponseTimeout),
        (Scenario { refuse, ..Scenario::default() }, ErrorCategory::ResponseError),
        (Scenario { exit_at_start: Some(1), ..Scenario::default() }, ErrorCategory::PortExit),
        (
            Scenario { exit_at_start: Some(127), ..Scenario::default() },
            ErrorCategory::CodexNotFound,
        ),
    ] {
        let dir = dir();
        let limit = if scenario.mute.is_empty() { 20_000 } else { 300 };
        let options = Options { read_timeout_ms: limit, ..options(dir.path()) };
        let mut host = Host::start(command(&dir, &scenario), options);
        let category = host.until(|event| match event {
            Event::StartupFailed { category, .. } => Some(*category),
            _ => None,
        });
        assert_eq!(category, wanted, "{scenario:?}");
    }
}

#[test]
fn a_deaf_agent_stays_until_it_is_killed() {
    let dir = dir();
    let child = dir.path().join("child");
    let leave = Step::LeaveChild { secs: 600, pid_file: Some(child.to_str().unwrap().to_owned()) };
    let scenario = Scenario {
        ignore_eof: true,
        ignore_sigterm: true,
        ..one_turn(
            vec![leave, Step::Run { command: wait_for(&child), may_fail: false }],
            Status::Completed,
        )
    };
    let mut host = start(&dir, &scenario, |_| {});
    assert_eq!(host.run_turn("go").outcome, TurnOutcome::Completed);
    let kill = |signal: &str, pid: &str| {
        Command::new("kill").args([signal, pid]).status().unwrap().success()
    };
    let agent = host.pid().to_string();
    assert!(kill("-TERM", &agent));
    // It is still there to take another turn.
    assert_eq!(host.run_turn("again").outcome, TurnOutcome::Completed);
    let left = std::fs::read_to_string(&child).unwrap();
    assert!(kill("-KILL", &agent));
    host.until(|event| matches!(event, Event::Exited(_)).then_some(()));
    assert!(kill("-KILL", left.trim()), "the child that was left lives in a session of its own");
    assert_no_violations(&dir);
}

/// A command that ends once the file has a line.
fn wait_for(file: &Path) -> String {
    format!("until [ -s {} ]; do read -t 0.02 <> <(:) || :; done", file.display())
}

#[test]
fn runs_of_one_workspace_differ() {
    let dir = dir();
    let failing = one_turn(vec![], Status::Failed);
    let scenario = Scenario { runs: vec![failing, Scenario::default()], ..Scenario::default() };
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        let mut command = command(&dir, &scenario);
        command.env(env::STATE, dir.path());
        let mut host = Host::start(command, options(dir.path()));
        host.until_started();
        outcomes.push(host.run_turn("go").outcome);
    }
    use TurnOutcome::{Completed, Failed};
    assert_eq!(outcomes, [Failed, Completed, Completed]);
}

#[test]
fn the_fake_agent_reports_bad_clients() {
    use std::io::Write;
    let dir = dir();
    let mut command = command(&dir, &Scenario::default());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let cwd = dir.path().to_str().unwrap();
    let initialize = json!({"clientInfo": {"name": "x", "version": "1"}});
    let bad = [
        json!({"id": 1, "method": "thread/start", "params": {"cwd": cwd}}).to_string(),
        "no json".to_owned(),
        json!({"id": 2, "method": "initialize", "params": {"clientInfo": {}}}).to_string(),
        json!({"id": 2, "method": "initialize", "params": initialize}).to_string(),
        json!({"method": "initialized"}).to_string(),
        json!({"id": 3, "method": "turn/start", "params": {"threadId": "?", "input": []}})
            .to_string(),
        json!({"id": 4, "method": "thread/start", "params": {"cwd": cwd, "approvalPolicy": "never",
            "sandbox": "workspace-write", "dynamicTools": []}})
        .to_string(),
        json!({"id": 77, "result": {}}).to_string(),
        json!({"id": 5, "method": "made/up", "params": {}}).to_string(),
    ];
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all((bad.join("\n") + "\n").as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    let said = std::fs::read_to_string(dir.path().join("violations")).unwrap();
    let said: Vec<&str> = said.lines().collect();
    for (line, wanted) in said.iter().zip([
        "thread/start before initialize",
        "not JSON",
        "name is missing",
        "used before",
        "thread not found",
        "experimentalApi",
        "does not wait",
        "unknown method",
    ]) {
        assert!(line.contains(wanted), "{line:?} should say {wanted:?}");
    }
    assert_eq!(said.len(), 8, "{said:#?}");
}
