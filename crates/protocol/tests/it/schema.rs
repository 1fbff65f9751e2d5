//! Everything that either side can say, held against the schema that the real Codex prints.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use canon_protocol::codex::client::{
    Answer, Client, OnInputRequired, Options, Output, RequestKey, Resume, SandboxMode, Usage,
};
use canon_protocol::codex::server::outgoing::{
    self, FileChange, FileChangeKind, ItemStatus, Outgoing, Settings, Thread, ThreadItem,
    ThreadStatus, Turn, TurnError, TurnScope, TurnStatus,
};
use canon_protocol::lines::Line;
use canon_runtime::schema::Schema;
use canon_testkit::app_server::{Status, Step};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::drive::{Host, real_codex};
use crate::fake;

/// File of the schema for each result.
const RESULTS: [(&str, &str); 16] = [
    ("initialize", "v1/InitializeResponse"),
    ("thread/start", "v2/ThreadStartResponse"),
    ("thread/resume", "v2/ThreadResumeResponse"),
    ("thread/name/set", "v2/ThreadSetNameResponse"),
    ("turn/start", "v2/TurnStartResponse"),
    ("turn/steer", "v2/TurnSteerResponse"),
    ("turn/interrupt", "v2/TurnInterruptResponse"),
    ("item/tool/call", "DynamicToolCallResponse"),
    ("item/commandExecution/requestApproval", "CommandExecutionRequestApprovalResponse"),
    ("item/fileChange/requestApproval", "FileChangeRequestApprovalResponse"),
    ("item/permissions/requestApproval", "PermissionsRequestApprovalResponse"),
    ("item/tool/requestUserInput", "ToolRequestUserInputResponse"),
    ("mcpServer/elicitation/request", "McpServerElicitationRequestResponse"),
    ("execCommandApproval", "ExecCommandApprovalResponse"),
    ("applyPatchApproval", "ApplyPatchApprovalResponse"),
    ("error", "JSONRPCError"),
];

struct Schemas {
    _dir: TempDir,
    by_name: HashMap<&'static str, Schema>,
}

impl Schemas {
    fn generate() -> Option<Schemas> {
        let codex = real_codex()?;
        let dir = tempfile::tempdir().unwrap();
        let status = Command::new(codex)
            .args(["app-server", "generate-json-schema", "--experimental", "--out"])
            .arg(dir.path().join("schema"))
            .env("CODEX_HOME", dir.path())
            .env("HOME", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let names = ["ClientRequest", "ClientNotification", "ServerRequest", "ServerNotification"];
        let names = names.into_iter().chain(RESULTS.map(|(_, name)| name));
        let by_name = names.map(|name| (name, read(dir.path(), name))).collect();
        Some(Schemas { _dir: dir, by_name })
    }

    fn check(&self, name: &str, message: &Value) {
        if let Err(wrong) = self.by_name[name].check(message) {
            panic!("{name}: {message}: {wrong:#?}");
        }
    }

    fn result(&self, method: &str, result: &Value) {
        let (_, name) = RESULTS.iter().find(|(of, _)| *of == method).unwrap();
        self.check(name, result);
    }
}

fn read(dir: &Path, name: &str) -> Schema {
    let file = dir.join("schema").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
    Schema::compile(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// Checks what a client sends; knows which request each answer belongs to.
fn check_client(schemas: &Schemas, asked: &HashMap<String, String>, message: &Value) {
    match (message.get("method"), message.get("id")) {
        (Some(_), Some(_)) => schemas.check("ClientRequest", message),
        (Some(_), None) => schemas.check("ClientNotification", message),
        (None, Some(_)) if message.get("error").is_some() => schemas.check("JSONRPCError", message),
        (None, Some(id)) => schemas.result(&asked[&id.to_string()], &message["result"]),
        (None, None) => panic!("{message}"),
    }
}

#[test]
fn the_checks_can_fail() {
    let Some(schemas) = Schemas::generate() else { return };
    let refused = |name: &str, message: Value| {
        assert!(schemas.by_name[name].check(&message).is_err(), "{name} takes {message}");
    };
    refused("ClientRequest", json!({"id": 1, "method": "turn/start", "params": {"threadId": "x"}}));
    refused("ClientRequest", json!({"id": 1, "method": "turn/begin", "params": {}}));
    refused("ServerNotification", json!({"method": "turn/failed", "params": {}}));
    refused("v2/ThreadStartResponse", json!({"thread": {"id": "x"}}));
    refused("FileChangeRequestApprovalResponse", json!({"decision": "approved"}));
}

#[test]
fn what_the_client_says_is_valid() {
    let Some(schemas) = Schemas::generate() else { return };
    let resume = Some(Resume { thread_id: "th".to_owned(), usage: None });
    let base = fake::options(Path::new("/work"));
    for options in [
        base.clone(),
        Options { auto_approve: true, model: Some("m".to_owned()), ..base.clone() },
        Options { approval_policy: json!("on-request"), resume, ..base.clone() },
        Options {
            approval_policy: json!({"granular": {"mcp_elicitations": true, "rules": true,
                "sandbox_approval": true}}),
            on_input_required: OnInputRequired::Fail,
            sandbox: SandboxMode::DangerFullAccess,
            tools: vec![],
            ..base
        },
    ] {
        say_everything(&schemas, options);
    }
}

fn say_everything(schemas: &Schemas, options: Options) {
    let mut client = Client::new(options);
    let mut asked = HashMap::new();
    let check = |outputs: Vec<Output>, asked: &HashMap<String, String>| {
        for output in outputs {
            if let Output::Send(line) = output {
                check_client(schemas, asked, &serde_json::from_slice(&line).unwrap());
            }
        }
    };
    let hear = |message: Value| Line::data(message.to_string());
    check(client.start(), &asked);
    check(client.received(&hear(json!({"id": 0, "result": {}}))), &asked);
    let thread = json!({"id": 1, "result": {"thread": {"id": "th"}}});
    check(client.received(&hear(thread)), &asked);
    check(client.turn("go").unwrap(), &asked);
    let turn = json!({"id": 1 << 20, "result": {"turn": {"id": "t"}}});
    check(client.received(&hear(turn)), &asked);
    let started = json!({"threadId": "th", "turn": {"id": "t"}});
    check(client.received(&hear(json!({"method": "turn/started", "params": started}))), &asked);
    check(client.steer("more").unwrap(), &asked);
    let answers = [
        Answer::Tool { success: false, text: "no".to_owned() },
        Answer::Accept { for_session: false },
        Answer::Accept { for_session: true },
        Answer::Decline,
        Answer::Cancel,
        Answer::Form { content: json!({"n": "x"}) },
        Answer::Text { text: "yes".to_owned() },
        Answer::Text { text: "no".to_owned() },
    ];
    let params = json!({
        "threadId": "th", "turnId": "t", "itemId": "i", "tool": "issue_update", "callId": "c",
        "permissions": {"network": {"enabled": true}, "fileSystem": {"write": ["/x"]}},
        "questions": [{"id": "q", "header": "h", "question": "?"}],
        "requestedSchema": {"type": "object", "properties": {"n": {"type": "string"}}},
    });
    let mut id = 0u64;
    for (method, _) in RESULTS
        .iter()
        .filter(|(m, _)| m.contains("item/") || m.contains("pproval") || m.contains("mcp"))
    {
        for answer in &answers {
            id += 1;
            asked.insert(id.to_string(), (*method).to_owned());
            let request = json!({"id": id, "method": method, "params": params});
            check(client.received(&hear(request)), &asked);
            if let Ok(out) = client.answer(&RequestKey::of(&id.into()), answer.clone()) {
                check(out, &asked);
            }
        }
    }
    for request in [
        json!({"id": 1001, "method": "item/tool/call", "params": {"tool": "no_such"}}),
        json!({"id": 1002, "method": "item/tool/call", "params": {}}),
        json!({"id": "x", "method": "attestation/generate", "params": {}}),
    ] {
        asked.insert(request["id"].to_string(), "item/tool/call".to_owned());
        check(client.received(&hear(request)), &asked);
    }
    check(client.interrupt(), &asked);
}

#[test]
fn what_the_server_says_is_valid() {
    let Some(schemas) = Schemas::generate() else { return };
    let thread = Thread {
        id: "th".to_owned(),
        cwd: "/work".to_owned(),
        model: "m".to_owned(),
        model_provider: "p".to_owned(),
        agent_version: "1".to_owned(),
        created_at: 1,
        updated_at: 2,
        ephemeral: true,
        name: Some("A-1".to_owned()),
        preview: "go".to_owned(),
        forked_from: Some("other".to_owned()),
        source: "appServer".to_owned(),
        status: ThreadStatus::Idle,
        turns: vec![Turn { items: Some(items()), ..Turn::started("t", 5) }],
    };
    let settings = Settings {
        approval_policy: json!("never"),
        sandbox_policy: json!({"type": "workspaceWrite", "networkAccess": false}),
        effort: Some("high".to_owned()),
    };
    schemas.result("initialize", &outgoing::initialize_result("canon/1", "/home/x"));
    schemas.result("thread/start", &outgoing::thread_result(&thread, &settings));
    schemas.result("thread/resume", &outgoing::thread_result(&thread, &settings));
    schemas.result("thread/name/set", &outgoing::empty_result());
    schemas.result("turn/interrupt", &outgoing::empty_result());
    schemas.result("turn/steer", &outgoing::steer_result("t"));
    let running = Turn::started("t", 5);
    schemas.result("turn/start", &outgoing::turn_result(&running));
    let error = TurnError {
        message: "no credit".to_owned(),
        info: Some(json!("usageLimitExceeded")),
        details: Some("more".to_owned()),
    };
    let scope = TurnScope { thread_id: "th", turn_id: "t" };
    let usage = Usage { input_tokens: 1, total_tokens: 1, ..Usage::default() };
    let mut said = vec![
        outgoing::thread_started(&thread),
        outgoing::thread_name_updated("th", "name"),
        outgoing::thread_event("thread/archived", "th"),
        outgoing::thread_event("thread/reverted", "th"),
        outgoing::warning("th", "careful"),
        outgoing::request_resolved("th", &7.into()),
        outgoing::request_resolved("th", &"x".into()),
        Outgoing {
            method: "account/rateLimits/updated",
            params: outgoing::rate_limits(
                Some(&outgoing::Window { used_percent: 12, resets_at: Some(9) }),
                None,
            ),
        },
        scope.diff("--- a/x"),
        scope.started(&running),
        scope.message_delta("i", "x"),
        scope.reasoning_delta("i", "x", 0),
        scope.output_delta("i", "x"),
        scope.token_usage(usage, usage, None),
        scope.token_usage(usage, usage, Some(1000)),
        scope.error(&error, true),
        scope.error(&TurnError { message: "x".to_owned(), ..TurnError::default() }, false),
    ];
    for status in [
        ThreadStatus::NotLoaded,
        ThreadStatus::Idle,
        ThreadStatus::SystemError,
        ThreadStatus::Active { approval: true, input: true },
    ] {
        said.push(outgoing::thread_status("th", &status));
    }
    for status in [TurnStatus::Completed, TurnStatus::Interrupted, TurnStatus::Failed] {
        let error = (status == TurnStatus::Failed).then(|| error.clone());
        let ended =
            Turn { status, error, completed_at: Some(9), duration_ms: Some(4), ..running.clone() };
        said.push(scope.completed(&ended));
    }
    for item in items() {
        said.push(scope.item_started(&item, 7));
        said.push(scope.item_completed(&item, 8));
    }
    for Outgoing { method, params } in said {
        schemas.check("ServerNotification", &json!({"method": method, "params": params}));
    }
    let questions = json!([{"id": "q", "header": "H", "question": "?",
        "options": [{"label": "a", "description": "b"}]}]);
    for Outgoing { method, params } in [
        scope.ask_command("i", "ls", "/work", Some("why"), 3),
        scope.ask_file_change("i", Some("why"), 3),
        scope.ask_file_change("i", None, 3),
        scope.ask_user("i", &questions),
    ] {
        schemas.check("ServerRequest", &json!({"id": 0, "method": method, "params": params}));
    }
    for namespace in [None, Some("n")] {
        let Outgoing { method, params } =
            scope.tool_call("c", "issue_update", namespace, &json!({"state": "done"}));
        schemas.check("ServerRequest", &json!({"id": 0, "method": method, "params": params}));
    }
}

fn items() -> Vec<ThreadItem> {
    let id = || "i".to_owned();
    let mut items = vec![
        ThreadItem::UserMessage {
            id: id(),
            client_id: Some("mine".to_owned()),
            content: vec![outgoing::text_part("go")],
        },
        ThreadItem::McpToolCall {
            id: id(),
            server: "s".to_owned(),
            tool: "t".to_owned(),
            arguments: json!({}),
            status: ItemStatus::Completed,
            result: Some(Ok("said".to_owned())),
            duration_ms: Some(1),
        },
        ThreadItem::McpToolCall {
            id: id(),
            server: "s".to_owned(),
            tool: "t".to_owned(),
            arguments: json!({}),
            status: ItemStatus::Failed,
            result: Some(Err("why".to_owned())),
            duration_ms: None,
        },
        ThreadItem::CollabAgentToolCall {
            id: id(),
            tool: outgoing::CollabTool::SpawnAgent,
            status: ItemStatus::Completed,
            sender: "t".to_owned(),
            receivers: vec![outgoing::CollabAgent {
                id: "agent-1".to_owned(),
                status: Some(outgoing::CollabStatus::Shutdown),
                message: Some("done".to_owned()),
            }],
            prompt: Some("go".to_owned()),
            model: None,
        },
        ThreadItem::AgentMessage { id: id(), text: "done".to_owned() },
        ThreadItem::Reasoning { id: id(), summary: vec!["hm".to_owned()] },
    ];
    let kinds = [
        FileChangeKind::Add,
        FileChangeKind::Delete,
        FileChangeKind::Update(None),
        FileChangeKind::Update(Some("b".to_owned())),
    ];
    for status in
        [ItemStatus::InProgress, ItemStatus::Completed, ItemStatus::Failed, ItemStatus::Declined]
    {
        let over = status != ItemStatus::InProgress;
        items.push(ThreadItem::CommandExecution {
            id: id(),
            command: "ls".to_owned(),
            cwd: "/work".to_owned(),
            status,
            exit_code: over.then_some(1),
            duration_ms: over.then_some(5),
            output: over.then(|| "x".to_owned()),
        });
        let change = |kind: &FileChangeKind| FileChange {
            path: "a".to_owned(),
            kind: kind.clone(),
            diff: "+x".to_owned(),
        };
        items.push(ThreadItem::FileChange {
            id: id(),
            changes: kinds.iter().map(change).collect(),
            status,
        });
        if status == ItemStatus::Declined {
            continue;
        }
        items.push(ThreadItem::DynamicToolCall {
            id: id(),
            tool: "issue_update".to_owned(),
            namespace: None,
            arguments: json!({}),
            status,
            result: over.then(|| (true, json!([{"type": "inputText", "text": "ok"}]))),
            duration_ms: over.then_some(5),
        });
    }
    items
}

#[test]
fn what_the_fake_agent_says_is_valid() {
    let Some(schemas) = Schemas::generate() else { return };
    let dir = tempfile::tempdir().unwrap();
    let steps = vec![
        Step::Message { text: "one two".to_owned(), deltas: 2 },
        Step::Flood { deltas: 2 },
        Step::Usage { input: 3, output: 2, cached: 1 },
        Step::RateLimits { limits: json!({"primary": {"usedPercent": 7}}) },
        Step::Error { message: "lost".to_owned() },
        Step::Run { command: "echo x".to_owned(), may_fail: false },
        Step::Tool { tool: "no_such".to_owned(), arguments: json!({}), success: None },
        Step::ApproveCommand { command: "rm x".to_owned(), decision: None },
        Step::ApproveChange { path: "x".to_owned(), decision: None },
        Step::Permissions {},
        Step::UserInput { questions: [("q".to_owned(), "which?".to_owned())].into() },
        Step::Elicitation { message: "name it".to_owned() },
    ];
    let scenario = fake::one_turn(steps, Status::Failed);
    let mut host = Host::start(fake::command(&dir, &scenario), fake::options(dir.path()));
    host.until_started();
    host.turn("go");
    for _ in 0..2 {
        let key = host.until(|event| match event {
            canon_protocol::codex::client::Event::InputRequired(input) => Some(input.key.clone()),
            _ => None,
        });
        host.answer(&key, Answer::Text { text: "x".to_owned() }).unwrap();
    }
    host.until_end();
    host.close();
    let mut asked = HashMap::new();
    let mut checked = 0;
    let transcript = std::fs::read_to_string(dir.path().join("transcript")).unwrap();
    for line in transcript.lines() {
        let (mark, message) = line.split_at(2);
        let message: Value = serde_json::from_str(message).unwrap();
        let (method, id) = (message["method"].as_str(), message["id"].to_string());
        match (mark, method, message.get("id")) {
            ("< ", Some(method), _) => drop(asked.insert(id, method.to_owned())),
            ("> ", Some(_), Some(_)) => schemas.check("ServerRequest", &message),
            ("> ", Some(_), None) => schemas.check("ServerNotification", &message),
            ("> ", None, _) => schemas.result(&asked[&id], &message["result"]),
            _ => continue,
        }
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
    fake::assert_no_violations(&dir);
}
