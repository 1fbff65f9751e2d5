use canon_agent::{Outcome, Status, WarningCode};
use serde_json::json;

use super::*;

struct Shown {
    progress: Progress,
    now: u64,
    lines: Vec<String>,
}

impl Shown {
    fn new(width: usize) -> Self {
        let mut shown =
            Self { progress: Progress::new(Path::new("/w"), width), now: 1_000, lines: Vec::new() };
        shown.say(EventData::UserInput { content: "do it".to_owned(), images: 0 });
        shown
    }

    fn say(&mut self, data: EventData) {
        let event = SessionEvent { timestamp: self.now, session_id: "s".to_owned(), data };
        self.lines.extend(self.progress.event(&event).into_iter().map(|line| line.text));
    }

    fn begin(&mut self, id: &str, tool: &str, arguments: Value) {
        let (tool_name, call_id) = (tool.to_owned(), id.to_owned());
        self.say(EventData::ToolCallStart { tool_name, call_id, arguments });
    }

    fn end(&mut self, id: &str, tool: &str, output: &str, details: Value, ms: u64) {
        self.now += ms;
        self.say(EventData::ToolCallEnd {
            tool_name: tool.to_owned(),
            call_id: id.to_owned(),
            output: output.to_owned(),
            is_error: details["exit_code"].as_i64().is_some_and(|code| code != 0)
                || output.starts_with("error"),
            truncated: false,
            details,
            duration_ms: ms,
        });
    }

    fn call(&mut self, tool: &str, arguments: Value, output: &str, details: Value, ms: u64) {
        self.begin("c", tool, arguments);
        self.end("c", tool, output, details, ms);
    }

    fn text(&mut self, text: &str) {
        self.say(EventData::AssistantTextEnd {
            text: text.to_owned(),
            reasoning: None,
            response_id: None,
        });
    }

    fn tick(&mut self, later: u64) {
        self.now += later;
        self.lines.extend(self.progress.tick(self.now).into_iter().map(|line| line.text));
    }
}

#[test]
fn every_call_is_a_line_in_human_words() {
    let mut shown = Shown::new(80);
    let exit = |code: i64| json!({ "exit_code": code, "signal": null, "timed_out": false });
    shown.call("shell", json!({ "command": "cargo test" }), "", exit(1), 12_340);
    shown.call("shell", json!({ "command": "ls\npwd" }), "", exit(0), 40);
    let timed_out = json!({ "exit_code": null, "signal": 15, "timed_out": true });
    shown.call("shell", json!({ "command": "sleep 99" }), "", timed_out, 10_000);
    let patch = json!({ "changes": [
        { "path": "/w/src/a.rs", "change": "update", "added": 3, "removed": 1 }] });
    shown.call("apply_patch", json!({ "patch": "…" }), "", patch, 2);
    let two = json!({ "changes": [
        { "path": "/w/a", "change": "add", "added": 1, "removed": 0 },
        { "path": "/w/b", "change": "move", "to": "/w/c", "added": 1, "removed": 2 }] });
    shown.call("apply_patch", json!({ "patch": "…" }), "", two, 2_000);
    let written = json!({ "path": "/w/n", "change": "add" });
    shown.call("write_file", json!({ "file_path": "n" }), "", written, 1);
    shown.call("grep", json!({ "pattern": "fn main", "path": "src" }), "", Value::Null, 3);
    shown.call("list_dir", json!({}), "", Value::Null, 3);
    shown.call("edit_file", json!({ "file_path": "/w/x" }), "error: no\nmore", Value::Null, 3);
    shown.call("tracker__update", json!({}), "", Value::Null, 3);
    assert_eq!(
        shown.lines,
        [
            "· ran cargo test (exit 1, 12.3 s)",
            "· ran ls… (0.0 s)",
            "· ran sleep 99 (timed out, 10.0 s)",
            "· edited src/a.rs (+3 −1)",
            "· edited 2 files: a, b (+2 −2, 2.0 s)",
            "· created n",
            "· searched for fn main",
            "· listed .",
            "· edit_file x failed: error: no…",
            "· called tracker__update",
        ]
    );
    let changed = ["/w/a", "/w/b", "/w/c", "/w/n", "/w/src/a.rs"];
    assert_eq!(shown.progress.files_changed(), changed);
}

#[test]
fn reads_in_a_row_are_one_line() {
    let mut shown = Shown::new(80);
    for (id, file) in [("1", "a"), ("2", "b"), ("3", "/w/src/../c")] {
        shown.begin(id, "read_file", json!({ "file_path": file }));
    }
    for id in ["2", "1", "3"] {
        shown.end(id, "read_file", "1 | x", Value::Null, 1);
    }
    assert!(shown.lines.is_empty());
    shown.call("glob", json!({ "pattern": "*.rs" }), "", Value::Null, 1);
    shown.call("read_file", json!({ "file_path": "d" }), "", Value::Null, 1);
    shown.text("done");
    assert_eq!(shown.lines, ["· read 3 files: b, a, src/../c", "· looked for *.rs", "· read d",]);
}

#[test]
fn a_text_is_progress_only_when_it_is_not_the_last() {
    let mut shown = Shown::new(80);
    shown.text("I look at the tests.\nThen I go on.");
    shown.call("list_dir", json!({ "path": "tests" }), "", Value::Null, 1);
    shown.text("All is well.");
    assert_eq!(shown.lines, ["» I look at the tests.…", "· listed tests"]);
}

#[test]
fn a_line_fits_the_terminal_and_keeps_its_end() {
    let mut shown = Shown::new(40);
    let command = json!({ "command": "x".repeat(500) });
    shown.call("shell", command, "", json!({ "exit_code": 2 }), 1_000);
    shown.say(EventData::Warning {
        code: WarningCode::ContextUsage,
        message: "a warning that is far longer than the terminal is wide".to_owned(),
    });
    assert!(shown.lines.iter().all(|line| line.chars().count() <= 40), "{:?}", shown.lines);
    assert!(shown.lines[0].ends_with("x… (exit 2, 1.0 s)"), "{:?}", shown.lines);
}

#[test]
fn what_takes_long_is_said_less_and_less_often() {
    let mut shown = Shown::new(80);
    shown.tick(29_000);
    assert!(shown.lines.is_empty());
    shown.tick(1_000);
    shown.say(EventData::AssistantTextStart {});
    shown.tick(60_000);
    assert_eq!(shown.lines, ["… waiting for the model (30.0 s so far)"]);
    shown.lines.clear();
    shown.begin("c", "shell", json!({ "command": "make" }));
    (0..24).for_each(|_| shown.tick(10_000));
    assert_eq!(
        shown.lines,
        [
            "… running make (30.0 s so far)",
            "… running make (1 min 0 s so far)",
            "… running make (2 min 0 s so far)",
            "… running make (4 min 0 s so far)",
        ]
    );
    shown.end("c", "shell", "", json!({ "exit_code": 0 }), 0);
    shown.lines.clear();
    shown.tick(10_000);
    assert!(shown.lines.is_empty());
}

#[test]
fn totals_come_now_and_then() {
    let mut shown = Shown::new(80);
    for _ in 0..7 {
        shown.now += 10_000;
        let total = canon_llm::Usage { total_tokens: 12_345, ..canon_llm::Usage::default() };
        shown.say(EventData::TokenUsage {
            last: total.clone(),
            total,
            cost_usd: Some(0.5),
            context_window: None,
            rate_limit: None,
        });
    }
    assert_eq!(
        shown.lines,
        ["  12,345 tokens, $ 0.5000, 30.0 s", "  12,345 tokens, $ 0.5000, 1 min 0 s",]
    );
}

#[test]
fn what_subagents_do_is_below_their_ids() {
    let mut shown = Shown::new(60);
    let child = |shown: &mut Shown, id: &str, data: EventData| {
        let event = SessionEvent { timestamp: shown.now, session_id: id.to_owned(), data };
        let agent_id = id.to_owned();
        shown.say(EventData::Subagent { agent_id, event: Box::new(event) });
    };
    let input = || EventData::UserInput { content: "part".to_owned(), images: 0 };
    let outcome = |status: Status| Outcome {
        status,
        text: String::new(),
        usage: canon_llm::Usage::default(),
        cost_usd: None,
        turns: 1,
        tool_calls: 0,
        earlier: None,
    };
    let end = |status| EventData::SessionEnd {
        state: canon_agent::SessionState::Closed,
        outcome: outcome(status),
    };
    let start = |tool: &str, arguments| EventData::ToolCallStart {
        tool_name: tool.to_owned(),
        call_id: "c".to_owned(),
        arguments,
    };
    let done = |tool: &str, details| EventData::ToolCallEnd {
        tool_name: tool.to_owned(),
        call_id: "c".to_owned(),
        output: String::new(),
        is_error: false,
        truncated: false,
        details,
        duration_ms: 100,
    };
    let details = json!({ "agent_id": "agent-1", "status": "running" });
    shown.call("spawn_agent", json!({ "task": "look\nwell" }), "", details, 1);
    child(&mut shown, "agent-1", input());
    child(&mut shown, "agent-2", input());
    let command = json!({ "command": "x".repeat(100) });
    child(&mut shown, "agent-1", start("shell", command));
    child(&mut shown, "agent-1", done("shell", json!({ "exit_code": 0 })));
    assert_eq!(shown.lines.pop().unwrap().chars().count(), 60);
    // Both have calls of one id at a time; each knows its own.
    child(&mut shown, "agent-1", start("shell", json!({ "command": "make" })));
    child(&mut shown, "agent-2", start("write_file", json!({ "file_path": "/w/n" })));
    child(&mut shown, "agent-2", done("write_file", json!({ "path": "/w/n", "change": "add" })));
    shown.begin("w", "wait", json!({ "agent_ids": ["agent-1", "agent-2"] }));
    shown.tick(30_000);
    child(&mut shown, "agent-1", done("shell", json!({ "exit_code": 0 })));
    let text = EventData::AssistantTextEnd {
        text: "All of it.".to_owned(),
        reasoning: None,
        response_id: None,
    };
    child(&mut shown, "agent-1", text);
    child(&mut shown, "agent-1", end(Status::Completed));
    // What is over ends once.
    child(&mut shown, "agent-1", end(Status::Aborted));
    let failed = Status::Failed { code: "server".to_owned(), message: "no, thanks".to_owned() };
    child(&mut shown, "agent-2", end(failed));
    shown.end("w", "wait", "", Value::Null, 1);
    shown.call("close_agent", json!({ "agent_id": "agent-1" }), "", Value::Null, 1);
    assert_eq!(
        shown.lines,
        [
            "· started agent-1: look…",
            "  agent-2 · created n",
            "… waiting for agent-1, agent-2 (30.0 s so far)",
            "  agent-1 … running make (30.0 s so far)",
            "  agent-2 … waiting for the model (30.0 s so far)",
            "  agent-1 · ran make (0.1 s)",
            "  agent-1 » All of it.",
            "  agent-2 · failed: no, thanks",
            "· waited for agent-1, agent-2",
            "· ended agent-1",
        ]
    );
    assert_eq!(shown.progress.files_changed(), ["/w/n"]);
}
