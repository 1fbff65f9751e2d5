//! `canon exec`: one agent session, from the command line.

mod input;
mod kills;
mod scripts;
mod threads;
mod wires;

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::up::env::{Ended, PATIENCE, TestEnv, assert_refused, until};

/// A place with a transcript of these entries.
fn place(entries: &[Value]) -> TestEnv {
    let env = TestEnv::new();
    let text: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    env.write("transcript.jsonl", &text);
    env
}

fn exec(env: &TestEnv, args: &[&str]) -> Ended {
    let transcript = env.path("transcript.jsonl");
    let model = ["exec", "--provider", "scripted", "--model", transcript.to_str().unwrap()];
    env.run(&[&model, args].concat())
}

fn shell(turn: u32, command: &str) -> Value {
    json!({
        "when": { "turn": turn },
        "reply": { "tool_calls": [{ "name": "shell", "arguments": { "command": command } }],
                   "usage": { "input_tokens": 100, "output_tokens": 20 } },
    })
}

fn says(turn: u32, needs: &str, text: &str) -> Value {
    let results = json!([{ "name": "shell", "contains": needs }]);
    json!({
        "when": { "turn": turn, "tool_results": results },
        "reply": { "text": text, "usage": { "input_tokens": 150, "output_tokens": 10 } },
    })
}

fn work() -> [Value; 2] {
    [shell(0, "echo made > made; cat made | tr a-z A-Z"), says(1, "MADE", "It is made.")]
}

#[test]
fn the_last_text_is_the_data_and_the_work_is_done() {
    let env = place(&work());
    let ended = exec(&env, &["make it"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "It is made.\n"), "{}", ended.stderr);
    assert_eq!(env.read("project/made"), "made\n");
    let progress = "· ran echo made > made; cat made | tr a-z A-Z (";
    let totals = "2 replies, 1 tool call, 280 tokens";
    for text in ["scripted", "workspace-write", "no network", progress, totals, "--resume thread_"]
    {
        assert!(ended.stderr.contains(text), "{text:?} is missing: {}", ended.stderr);
    }
    env.assert_nothing_left();
}

#[test]
fn the_task_may_come_from_standard_input_and_the_directory_from_a_flag() {
    let entry = json!({
        "when": { "turn": 0, "first_user": "from a pipe" },
        "reply": { "tool_calls": [{ "name": "shell", "arguments": { "command": "pwd" } }] },
    });
    let env = place(&[entry, says(1, "/elsewhere", "there")]);
    std::fs::create_dir(env.path("elsewhere")).unwrap();
    let transcript = env.path("transcript.jsonl");
    let model = format!("scripted/{}", transcript.display());
    let elsewhere = env.path("elsewhere");
    let args = ["exec", "-", "--model", &model, "--cd", elsewhere.to_str().unwrap()];
    env.write("task", "do it, from a pipe\n");
    let mut command = env.canon(&args);
    command.stdin(std::fs::File::open(env.path("task")).unwrap());
    let ended = env.start(command).wait(PATIENCE);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "there\n"), "{}", ended.stderr);
}

#[test]
fn json_is_one_event_a_line_and_then_the_result() {
    let env = place(&work());
    let ended = exec(&env, &["make it", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[1]), ("sandbox", "session_start"), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"result"));
    for kind in ["user_input", "tool_call_start", "tool_call_end", "token_usage", "session_end"] {
        assert_eq!(kinds.iter().filter(|found| **found == kind).count().min(1), 1, "{kinds:?}");
    }
    let result = lines.last().unwrap();
    assert_eq!((&result["v"], &result["scripted"]), (&json!(1), &json!(true)), "{result:#}");
    assert_eq!(result["outcome"]["text"], "It is made.", "{result:#}");
    assert_eq!(result["outcome"]["usage"]["total_tokens"], 280, "{result:#}");
    let started = lines.iter().find(|line| line["kind"] == "session_start").unwrap();
    assert_eq!(result["thread_id"], started["session_id"], "{result:#}");
    assert!(!ended.stderr.contains("error"), "{}", ended.stderr);
}

#[test]
fn a_model_that_fails_is_failed_work() {
    let refused = |status: u16| json!({ "error": { "status": status, "message": "no, thanks" } });
    let ended = exec(&place(&[refused(400)]), &["make it"]);
    assert_refused_after_work(&ended, 1, &["no, thanks"]);
    // As with `canon ask`, a key that is refused is a matter of the environment.
    let ended = exec(&place(&[refused(401)]), &["make it"]);
    assert_refused_after_work(&ended, 3, &["no, thanks"]);
    // The words of the file demand a result that the tool did not give.
    let env = place(&[shell(0, "echo other"), says(1, "MADE", "It is made.")]);
    let ended = exec(&env, &["make it"]);
    assert_refused_after_work(&ended, 1, &["no entry of the transcript fits", "MADE"]);
}

/// A session has begun, so that what its model is stands before the one error.
#[track_caller]
fn assert_refused_after_work(ended: &Ended, code: i32, says: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "{}", ended.stderr);
    for text in says {
        assert!(ended.stderr.contains(text), "{text:?} is missing: {}", ended.stderr);
    }
}

#[test]
fn a_limit_that_is_reached_is_failed_work_and_says_which() {
    let budget = exec(&place(&work()), &["make it", "--budget-tokens", "121"]);
    assert_refused_after_work(&budget, 1, &["limit", "token"]);
    let turns = exec(&place(&work()), &["make it", "--max-turns", "1"]);
    assert_refused_after_work(&turns, 1, &["limit", "--max-turns 1"]);
}

#[test]
fn what_is_wrong_with_the_command_line_is_said_before_any_work() {
    let env = place(&work());
    assert_refused(&exec(&env, &["  "]), 2, &["the task is empty"]);
    let missing = env.path("nowhere");
    let ended = exec(&env, &["make it", "--cd", missing.to_str().unwrap()]);
    assert_refused(&ended, 2, &["--cd", "/nowhere", "No such file"]);
    let file = env.write("file", "");
    let ended = exec(&env, &["make it", "--cd", file.to_str().unwrap()]);
    assert_refused(&ended, 2, &["/file", "is not a directory"]);
    for budget in ["0", "-1", "NaN"] {
        let ended = exec(&env, &["make it", &format!("--budget-usd={budget}")]);
        assert_refused(&ended, 2, &["--budget-usd"]);
    }
    assert_refused(&exec(&env, &["make it", "--budget-tokens", "0"]), 2, &["--budget-tokens"]);
    let ended = exec(&env, &["make it", "--profile", "llama"]);
    assert_refused(&ended, 2, &["--profile", "openai, anthropic, gemini and generic"]);
    for args in [&["--provider", "nobody"][..], &["--provider", "nobody", "--model", "x1"]] {
        let ended = env.run(&[&["exec", "make it"], args].concat());
        assert_refused(&ended, 2, &["no provider `nobody`", "openai", "scripted"]);
    }
    let ended = env.run(&["exec", "make it", "--provider", "scripted"]);
    assert_refused(&ended, 2, &["`scripted` needs a model", "transcript"]);
    let ended = env.run(&["exec", "make it", "--provider", "openai"]);
    assert_refused(&ended, 3, &["openai/", "OPENAI_API_KEY"]);
    let ended = env.run(&["exec", "make it", "--model", "openai/gpt-5.2"]);
    assert_refused(&ended, 3, &["OPENAI_API_KEY"]);
    let ended = env.run(&["exec", "make it"]);
    assert_refused(&ended, 3, &["OPENAI_API_KEY"]);
    let ended = env.run(&["exec", "make it", "--model", "scripted/none.jsonl"]);
    assert_refused(&ended, 2, &["none.jsonl", "No such file"]);
    env.write("transcript.jsonl", "{\"reply\": {\"text\": \"x\"}}\n{\"replay\": 1}\n");
    assert_refused(&exec(&env, &["make it"]), 2, &["transcript.jsonl:2:", "replay"]);
    assert!(!env.path("project/made").exists());
    assert!(!env.path("canon").exists(), "nothing is made for what is refused");
}

#[test]
fn a_sandbox_holds_what_it_says() {
    let refusals = [shell(0, "echo made > made"), says(1, "Read-only", "I may not.")];
    let env = place(&refusals);
    let ended = exec(&env, &["make it", "--sandbox", "read-only"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "I may not.\n"), "{}", ended.stderr);
    assert!(!env.path("project/made").exists());
    // The same command may, where it is let.
    let env = place(&[shell(0, "echo made > made; cat made"), says(1, "made", "I may.")]);
    let ended = exec(&env, &["make it", "--sandbox", "danger-full-access"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "I may.\n"), "{}", ended.stderr);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let reach = format!(
        "echo > /dev/tcp/127.0.0.1/{} && echo reached || echo cut off",
        listener.local_addr().unwrap().port()
    );
    let env = place(&[shell(0, &reach), says(1, "cut off", "No way out.")]);
    let ended = exec(&env, &["make it"]);
    assert_eq!(ended.stdout, "No way out.\n", "{}", ended.stderr);
    let env = place(&[shell(0, &reach), says(1, "reached", "A way out.")]);
    let ended = exec(&env, &["make it", "--network"]);
    assert_eq!(ended.stdout, "A way out.\n", "{}", ended.stderr);
}

#[test]
fn an_interrupt_ends_it_with_its_processes() {
    let arguments = json!({ "command": "touch started; sleep 1000", "timeout_ms": 600_000 });
    let call = json!({ "name": "shell", "arguments": arguments });
    let env = place(&[json!({ "reply": { "tool_calls": [call] } })]);
    let model = format!("scripted/{}", env.path("transcript.jsonl").display());
    let run = env.spawn(&["exec", "wait", "--model", &model]);
    until("the command runs", || env.path("project/started").exists().then_some(()));
    run.signal(Signal::INT);
    let ended = run.wait(Duration::from_secs(30));
    assert_refused_after_work(&ended, 130, &["interrupted"]);
    env.assert_nothing_left();
}

/// A server of the Model Context Protocol with one tool, which tells of a variable and of its place.
pub(super) const MCP_SERVER: &str = r#"
while read -r line; do
    id=$(sed -n 's/.*"id":\([0-9]*\).*/\1/p' <<<"$line")
    case $line in
    *'"method":"initialize"'*)
        result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"b","version":"1"}}' ;;
    *'"method":"tools/list"'*)
        result='{"tools":[{"name":"where","inputSchema":{"type":"object"}}]}' ;;
    *'"method":"tools/call"'*)
        result='{"content":[{"type":"text","text":"key '${OPENAI_API_KEY:-hidden}', mine '$MINE', in '$PWD'"}]}' ;;
    *) continue ;;
    esac
    echo '{"jsonrpc":"2.0","id":'$id',"result":'$result'}'
done
"#;

#[test]
fn tools_of_mcp_servers_are_the_agents() {
    let call = json!({
        "when": { "turn": 0 },
        "reply": { "tool_calls": [{ "name": "there__where", "arguments": {} }] },
    });
    let needs =
        json!([{ "name": "there__where", "contains": ["key hidden, mine given, in ", "/conf"] }]);
    let done =
        json!({ "when": { "turn": 1, "tool_results": needs }, "reply": { "text": "found" } });
    let mut env = place(&[call, done]);
    env.write("conf/server.sh", MCP_SERVER);
    let there = json!({ "command": "bash", "args": ["server.sh"], "env": { "MINE": "${GIVEN}" }, "odd": 1 });
    let config =
        env.write("conf/mcp.json", &json!({ "mcpServers": { "there": there } }).to_string());
    env.set("GIVEN", "given");
    env.set("OPENAI_API_KEY", "sk-of-the-test");
    let ended = exec(&env, &["look", "--mcp-config", config.to_str().unwrap()]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "found\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("unknown key `mcpServers.there.odd`"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("is in the workspace"), "{}", ended.stderr);
    env.assert_nothing_left();
}

#[test]
fn what_is_wrong_with_mcp_servers_is_said_before_any_work() {
    let env = place(&work());
    let with = |env: &TestEnv, text: &str| {
        let file = env.write("project/mcp.json", text);
        exec(env, &["make it", "--mcp-config", file.to_str().unwrap()])
    };
    let ended = with(&env, "{\"mcpServers\": {\"a\": {}}}");
    assert_refused_after_work(&ended, 2, &["mcp.json: mcpServers.a: expected either `command`"]);
    let crashing = json!({ "command": "bash", "args": ["-c", "echo not today >&2; exit 7"] });
    let ended = with(&env, &json!({ "mcpServers": { "a": crashing } }).to_string());
    assert_refused_after_work(&ended, 3, &["MCP server `a`", "exit status: 7", "not today"]);
    // The file lies where the agent may write.
    let none = with(&env, "{\"mcpServers\": {}}");
    assert_eq!(none.code, Some(0), "{}", none.stderr);
    assert!(none.stderr.contains("is in the workspace"), "{}", none.stderr);
}

#[test]
fn pages_are_fetched_from_the_hosts_that_are_named_and_from_no_other() {
    let call = |tools: Value| {
        let fetch =
            json!({ "name": "web_fetch", "arguments": { "url": "https://other.example/" } });
        json!({ "when": { "turn": 0, "tools": tools }, "reply": { "tool_calls": [fetch] } })
    };
    let result = |needs: &str, text: &str| {
        let results = json!([{ "name": "web_fetch", "is_error": true, "contains": needs }]);
        json!({ "when": { "turn": 1, "tool_results": results }, "reply": { "text": text } })
    };
    let refused = "`other.example` is not allowed; allowed: docs.rs, *.example.org";
    let entries = [
        call(json!(["web_fetch"])),
        call(json!([])),
        result(refused, "offered"),
        result("web_fetch", "not offered"),
    ];
    let hosts = ["--allow-fetch", "docs.rs", "--allow-fetch", "*.example.org"];
    let ended = exec(&place(&entries), &[&["look"][..], &hosts].concat());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "offered\n"), "{}", ended.stderr);
    // Who fetches without the tool is told so; the first entry does not even fit.
    let ended = exec(&place(&entries[1..]), &["look"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "not offered\n"), "{}", ended.stderr);
    let ended = exec(&place(&entries[..1]), &["look"]);
    assert_refused_after_work(&ended, 1, &["no entry of the transcript fits", "web_fetch"]);
    let ended = exec(&place(&entries), &["look", "--allow-fetch", "https://docs.rs"]);
    assert_refused(&ended, 2, &["--allow-fetch", "`https://docs.rs` is no host"]);
}

#[test]
fn what_subagents_do_is_shown_below_their_names() {
    let reply = |first: &str, turn: u32, name: &str, arguments: Value| {
        let call = json!({ "name": name, "arguments": arguments });
        json!({ "when": { "first_user": first, "turn": turn }, "reply": { "tool_calls": [call] } })
    };
    let done = |first: &str, turn: u32, text: &str| json!({ "when": { "first_user": first, "turn": turn }, "reply": { "text": text } });
    let env = place(&[
        reply("the whole", 0, "spawn_agent", json!({ "task": "a part" })),
        reply("the whole", 1, "wait", json!({})),
        done("the whole", 2, "All of it."),
        reply("a part", 0, "shell", json!({ "command": "echo made > made" })),
        done("a part", 1, "My part."),
    ]);
    let ended = exec(&env, &["the whole"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "All of it.\n"), "{}", ended.stderr);
    for line in [
        "\n· started agent-1: a part",
        "\n  agent-1 · ran echo made > made (",
        "\n  agent-1 » My part.\n",
        "\n· waited for subagents",
    ] {
        assert!(ended.stderr.contains(line), "{line:?} is missing: {}", ended.stderr);
    }
    assert_eq!(env.read("project/made"), "made\n");
}

/// A client of no engine, whose container is this machine.
const DOCKER: &str = r#"#!/bin/sh
echo "$*" >> "$CANON_TEST_STATE/log"
case $1 in
  info) echo '28.2.2 ["name=seccomp"]' ;;
  image) [ "$5" = img:1 ] || { echo "Error response from daemon: No such image: $5" >&2; exit 1; } ;;
  container) [ "$5" = box ] && echo 'true false 0 false' || { echo "Error response from daemon: No such container: $5" >&2; exit 1; } ;;
  run) while [ "$1" != -c ]; do shift; done; exec sh -c "$2" ;;
  exec) shift 2; [ "$2" = sh ] || exit 64; shift; exec env -i PATH="$PATH" HOME=/ "$@" ;;
  rm) ;;
  *) exit 64 ;;
esac
"#;

#[test]
fn containers_and_other_machines_are_places_to_work_in() {
    let mut env = place(&work());
    let client = env.write("bin/docker", DOCKER);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&client, executable).unwrap();
    let path = std::env::var("PATH").unwrap();
    env.set("PATH", format!("{}:{path}", client.parent().unwrap().display()));
    env.set("CANON_TEST_STATE", env.path("").to_str().unwrap());

    let ended = exec(&env, &["make it", "--container-image", "img:1"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "It is made.\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("sandbox docker 28.2.2 (workspace-write, no network)"));
    let log = env.read("log");
    assert!(log.contains("--network none") && log.contains("rm --force"), "{log}");
    assert_eq!(env.read("project/made"), "made\n");
    let ended = exec(&env, &["make it", "--container-image", "other:1"]);
    assert_refused(&ended, 3, &["no image `other:1`", "docker pull other:1"]);

    // Nothing there confines, and that has to be said.
    for flag in [["--container", "box"], ["--ssh", "localhost"]] {
        let ended = exec(&env, &[&["make it"][..], &flag[..]].concat());
        assert_refused(&ended, 2, &["workspace-write", "--sandbox danger-full-access"]);
    }
    std::fs::create_dir(env.path("there")).unwrap();
    let there = env.path("there");
    let full = ["--sandbox", "danger-full-access", "--remote-dir", there.to_str().unwrap()];
    let ended = exec(&env, &[&["make it", "--container", "box"][..], &full].concat());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "It is made.\n"), "{}", ended.stderr);
    assert_eq!(env.read("there/made"), "made\n");
    // Whoever goes on with it here is told; and is not told again.
    let place = format!("--container box --remote-dir {}", there.display());
    for told in [true, false] {
        let ended = exec(&env, &["make it", "--resume", "last"]);
        assert_eq!(ended.stderr.contains(&format!("elsewhere, with {place}")), told, "{ended:?}");
    }
    let ended = exec(&env, &[&["make it", "--container", "gone"][..], &full].concat());
    assert_refused(&ended, 3, &["no container `gone`"]);
    let ended = exec(&env, &[&["make it", "--ssh", "a b"][..], &full].concat());
    assert_refused(&ended, 2, &["--ssh", "a b"]);
    assert_refused(&exec(&env, &["make it", "--remote-dir", "/x"]), 2, &["--remote-dir"]);
    let ended = exec(&env, &["make it", "--container-image", "img:1", "--add-dir", "/tmp"]);
    assert_refused(&ended, 2, &["--add-dir", "cannot be used with", "--container-image"]);
    env.assert_nothing_left();

    // A container that is there is taken away, however early the end is wished for.
    env.write("log", "");
    let slow = json!({ "command": "sh", "args": ["-c", "touch begun; exec sleep 1000"] });
    let servers = json!({ "mcpServers": { "slow": slow } }).to_string();
    let servers = env.write("conf/mcp.json", &servers);
    let transcript = env.path("transcript.jsonl");
    let model = format!("scripted/{}", transcript.display());
    let servers = ["--mcp-config", servers.to_str().unwrap(), "--container-image", "img:1"];
    let run = env.spawn(&[&["exec", "make it", "--model", &model][..], &servers].concat());
    until("the server starts", || env.path("conf/begun").exists().then_some(()));
    run.signal(Signal::TERM);
    let ended = run.wait(PATIENCE);
    assert_refused_after_work(&ended, 130, &["interrupted before the work began"]);
    assert!(env.read("log").contains("rm --force"), "{}", env.read("log"));
    env.assert_nothing_left();
}
