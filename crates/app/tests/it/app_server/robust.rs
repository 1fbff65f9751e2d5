//! Clients that do what they should not, and many things at a time.

use serde_json::{Value, json};

use super::raw::Raw;
use super::{place, shell, text, until, work};

#[test]
fn wrong_parameters_are_refused_with_the_member_that_is_wrong() {
    let env = place(&[text(0, "hello")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    let input = json!([{ "type": "text", "text": "x" }]);
    for (method, params, names) in [
        ("turn/start", json!({ "threadId": 5, "input": [] }), "threadId"),
        ("turn/start", json!({ "threadId": thread }), "input"),
        (
            "turn/start",
            json!({ "threadId": thread, "input": [{ "type": "audio", "url": "x" }] }),
            "audio",
        ),
        (
            "turn/start",
            json!({ "threadId": thread, "input": input, "outputSchema": { "type": 3 } }),
            "outputSchema",
        ),
        (
            "turn/start",
            json!({ "threadId": thread, "input": input, "additionalContext": { "a": {} } }),
            "additionalContext",
        ),
        (
            "turn/start",
            json!({ "threadId": thread, "input": input, "collaborationMode": { "mode": "plan",
                "settings": { "model": "m" } } }),
            "collaborationMode",
        ),
        (
            "turn/start",
            json!({ "threadId": thread, "input": input, "runtimeWorkspaceRoots": ["/"] }),
            "runtimeWorkspaceRoots",
        ),
        (
            "turn/start",
            json!({ "threadId": thread, "input": input, "sandboxPolicy": { "type": "readOnly",
                "access": { "type": "restricted" } } }),
            "access",
        ),
        (
            "thread/start",
            json!({ "cwd": work(&env), "config": { "mcp_servers": { "a": { "command": 1 } } } }),
            "command",
        ),
        (
            "turn/start",
            json!({ "threadId": thread, "input": input, "permissions": "x" }),
            "permissions",
        ),
        (
            "turn/start",
            json!({ "threadId": thread, "input": input, "approvalPolicy": "maybe" }),
            "approvalPolicy",
        ),
        (
            "turn/start",
            json!({ "threadId": thread, "input": input, "cwd": "/no/such" }),
            "/no/such",
        ),
        (
            "turn/start",
            json!({ "threadId": thread, "input": input, "sandboxPolicy": { "type": "externalSandbox" } }),
            "externalSandbox",
        ),
        ("turn/start", json!({ "threadId": thread, "input": [] }), "neither text"),
        ("thread/start", json!({ "cwd": work(&env), "sandbox": "none" }), "sandbox"),
        (
            "thread/start",
            json!({ "cwd": work(&env), "dynamicTools": [] , "environments": [{}] }),
            "environments",
        ),
        ("thread/start", json!({ "approvalsReviewer": "auto_review" }), "approvalsReviewer"),
        ("thread/resume", json!({ "threadId": thread, "history": [] }), "history"),
        ("thread/resume", json!({ "threadId": "../../etc/passwd" }), "no rollout"),
        ("thread/fork", json!({ "threadId": "none" }), "no rollout"),
        ("thread/turns/list", json!({ "threadId": thread, "cursor": "x" }), "cursor"),
        ("thread/list", json!({ "cursor": "x" }), "cursor"),
        ("thread/list", json!({ "sortDirection": "asc" }), "sortDirection"),
        ("thread/revert", json!({ "threadId": thread, "beforeTurnId": "x" }), "no thread"),
        (
            "turn/steer",
            json!({ "threadId": thread, "expectedTurnId": "x", "input": input }),
            "no active turn",
        ),
        ("no/such", json!({}), "no/such"),
    ] {
        let message = raw.refused(method, params.clone());
        assert!(message.contains(names), "{method} {params}: {message}");
    }
    raw.turn(&thread, "go");
    assert_eq!(raw.end()["status"], "completed");
    raw.finish();
}

#[test]
fn ten_threads_at_once_each_hear_of_their_own() {
    let entries: Vec<Value> = (0..10)
        .flat_map(|n| {
            let user = format!("thread {n}");
            let calls = json!([{ "name": "shell", "arguments": { "command": format!("echo {n} > f{n}") } }]);
            [
                json!({ "when": { "turn": 0, "last_user": user }, "reply": { "tool_calls": calls } }),
                json!({ "when": { "turn": 1, "last_user": user }, "reply": { "text": format!("done {n}") } }),
            ]
        })
        .collect();
    let env = place(&entries);
    let mut raw = Raw::canon(&env, &json!({}));
    let threads: Vec<String> = (0..10).map(|_| raw.thread(json!({ "cwd": work(&env) }))).collect();
    for (n, thread) in threads.iter().enumerate() {
        let input = json!([{ "type": "text", "text": format!("thread {n}") }]);
        raw.request("turn/start", json!({ "threadId": thread, "input": input }));
    }
    for _ in 0..10 {
        assert_eq!(raw.end()["status"], "completed");
    }
    for (n, thread) in threads.iter().enumerate() {
        assert_eq!(env.read(&format!("work/f{n}")), format!("{n}\n"));
        let message = raw.said.iter().find(|said| {
            said["method"] == "item/completed"
                && said["params"]["threadId"] == json!(thread)
                && said["params"]["item"]["type"] == "agentMessage"
        });
        assert_eq!(message.unwrap()["params"]["item"]["text"], format!("done {n}"));
    }
    raw.finish();
    env.assert_nothing_left();
}

#[test]
fn a_flood_of_requests_is_answered_one_by_one() {
    let env =
        place(&[shell(0, "touch started; until [ -e go ]; do sleep 0.02; done"), text(1, "done")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    raw.turn(&thread, "go");
    until("the command runs", || env.path("work/started").exists().then_some(()));
    let ids: Vec<u64> = (0..2000)
        .map(|n| match n % 3 {
            0 => raw.request("thread/loaded/list", json!({})),
            1 => raw.request("turn/interrupt", json!({ "threadId": thread, "turnId": "other" })),
            _ => raw.request("no/such", json!({ "n": n })),
        })
        .collect();
    for (n, id) in ids.into_iter().enumerate() {
        assert_eq!(raw.answer_to(id).get("error").is_some(), n % 3 != 0);
    }
    env.write("work/go", "");
    assert_eq!(raw.end()["status"], "completed");
    raw.finish();
}

#[test]
fn huge_inputs_are_taken_and_pictures_reach_the_model() {
    let env = place(&[text(0, "much"), text(1, "a picture")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    raw.turn(&thread, &"many words ".repeat(300_000));
    assert_eq!(raw.end()["status"], "completed");
    std::fs::write(env.path("work/a.png"), [0x89, b'P', b'N', b'G']).unwrap();
    let input = json!([
        { "type": "text", "text": "look" },
        { "type": "localImage", "path": "a.png" },
        { "type": "image", "url": "data:image/png;base64,iVBORw==" },
    ]);
    raw.ok("turn/start", json!({ "threadId": thread, "input": input }));
    assert_eq!(raw.end()["status"], "completed");
    let read = raw.ok("thread/read", json!({ "threadId": thread, "includeTurns": true }));
    let parts = read["thread"]["turns"][1]["items"][0]["content"].as_array().unwrap().clone();
    assert_eq!(parts.len(), 3, "{parts:?}");
    assert_eq!(parts[1]["url"], "data:image/png;base64,iVBORw==");
    raw.finish();
}

#[test]
fn a_killed_server_leaves_a_thread_that_goes_on() {
    let env = place(&[
        json!({ "when": { "last_user": "what happened" }, "reply": { "text": "I was cut off" } }),
        shell(0, "touch started; sleep 1000"),
    ]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    raw.turn(&thread, "go");
    until("the command runs", || env.path("work/started").exists().then_some(()));
    drop(raw);
    let mut raw = Raw::canon(&env, &json!({}));
    let resumed = raw.ok("thread/resume", json!({ "threadId": thread }));
    assert_eq!(resumed["thread"]["turns"][0]["status"], "interrupted", "{resumed}");
    raw.turn(&thread, "what happened");
    assert_eq!(raw.end()["status"], "completed");
    raw.finish();
}

#[test]
fn a_request_that_is_too_long_is_refused_where_its_id_can_be_read() {
    let env = place(&[text(0, "hello")]);
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env) }));
    let much = "x".repeat(11 * 1024 * 1024);
    for (head, id) in
        [("{\"id\":7001,", json!(7001)), ("{\"method\":\"turn/start\",\"id\":\"a\",", json!("a"))]
    {
        raw.line(&format!("{head}\"params\":{{\"threadId\":\"{much}\"}}}}"));
        let answer = raw.until(|said| said["id"] == id);
        assert!(answer["error"]["message"].as_str().unwrap().contains("bytes"), "{answer}");
    }
    // Nobody can be told of this one.
    raw.line(&much);
    raw.turn(&thread, "go");
    assert_eq!(raw.end()["status"], "completed");
    raw.finish();
}

#[test]
fn mcp_servers_of_the_configuration_live_as_long_as_the_thread() {
    let env = place(&[
        super::tool(0, "my_place__where", json!({})),
        super::after(1, "my_place__where", "mine given, in ", "found"),
    ]);
    let ended = env.path("ended");
    let script = format!("trap 'echo > {}' EXIT\n{}", ended.display(), crate::exec_cmd::MCP_SERVER);
    let server = env.write("server.sh", &script);
    let servers = json!({
        "my-place": { "command": "bash", "args": [server], "env": { "MINE": "given" } },
        "broken": { "command": "bash", "args": ["-c", "exit 7"] },
    });
    let mut raw = Raw::canon(&env, &json!({}));
    let thread = raw.thread(json!({ "cwd": work(&env), "config": { "mcp_servers": servers } }));
    let warning = raw.hears("warning");
    assert!(warning["params"]["message"].as_str().unwrap().contains("broken"), "{warning}");
    raw.turn(&thread, "go");
    assert_eq!(raw.end()["status"], "completed");
    assert_eq!(raw.item("agentMessage")["text"], "found");
    let item = raw.item("mcpToolCall");
    assert_eq!((&item["server"], &item["tool"]), (&json!("my-place"), &json!("where")));
    assert!(item["result"]["content"][0]["text"].as_str().unwrap().contains("mine given"));
    assert!(!ended.exists());
    raw.ok("thread/unsubscribe", json!({ "threadId": thread }));
    assert!(ended.exists());
    // Secrets may be in there: what goes on in another process is given them anew.
    let stored = env.read(&format!("canon/threads/{thread}.jsonl"));
    assert!(!stored.contains("MINE"), "{stored}");
    raw.finish();
    env.assert_nothing_left();
}

#[test]
fn all_threads_end_at_once_when_the_client_goes() {
    let entries: Vec<Value> = (0..6)
        .map(|n| {
            let command = format!("trap '' TERM INT; touch s{n}; sleep 1000 & wait; sleep 1000");
            json!({ "when": { "last_user": format!("thread {n}") },
                "reply": { "tool_calls": [{ "name": "shell", "arguments": { "command": command } }] } })
        })
        .collect();
    let env = place(&entries);
    let mut raw = Raw::canon(&env, &json!({}));
    for n in 0..6 {
        let thread = raw.thread(json!({ "cwd": work(&env) }));
        raw.turn(&thread, &format!("thread {n}"));
    }
    for n in 0..6 {
        let started = format!("work/s{n}");
        until("the command runs", || env.path(&started).exists().then_some(()));
    }
    let begun = std::time::Instant::now();
    raw.finish();
    let took = begun.elapsed();
    assert!(took < std::time::Duration::from_secs(15), "{took:?}");
    env.assert_nothing_left();
}

#[test]
fn a_client_that_reads_nothing_holds_up_no_end() {
    let env = place(&[shell(
        0,
        "touch started; yes | head -c 900000; yes no | head -c 900000; \
        touch full; sleep 1000",
    )]);
    let transcript = env.path("transcript.jsonl");
    let args = ["app-server", "--provider", "scripted", "--model", transcript.to_str().unwrap()];
    let mut command = env.canon(&args);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut tell = |message: Value| {
        use std::io::Write as _;
        writeln!(stdin, "{message}").unwrap();
    };
    let client = json!({ "clientInfo": { "name": "t", "version": "1" } });
    tell(json!({ "id": 1, "method": "initialize", "params": client }));
    tell(json!({ "id": 2, "method": "thread/start", "params": { "cwd": work(&env) } }));
    let thread = loop {
        use std::io::BufRead as _;
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"] == 2 {
            break message["result"]["thread"]["id"].clone();
        }
    };
    let input = json!([{ "type": "text", "text": "go" }]);
    tell(
        json!({ "id": 3, "method": "turn/start", "params": { "threadId": thread, "input": input } }),
    );
    // Far more than fits into the pipe, so that requests and notifications queue up behind it.
    for id in 4..3000 {
        tell(json!({ "id": id, "method": "thread/loaded/list" }));
    }
    until("the command runs", || env.path("work/started").exists().then_some(()));
    drop(stdin);
    let ended = until("the server ends", || child.try_wait().unwrap());
    assert!(ended.success(), "{ended:?}");
    drop(said);
    env.assert_nothing_left();
}
