//! One script against the real Codex and against `canon app-server`: both say the same, in the same
//! order, but for what is listed here.

use std::process::Command;

use serde_json::{Value, json};

use super::raw::Raw;
use super::{place, shell, text, tool, work};
use crate::codex::model::{Model, Reply};
use crate::codex::real_codex;
use crate::up::env::TestEnv;

/// What only one of the two says, and why.
const APART: [(&str, &str); 10] = [
    ("deprecationNotice", "a resumed thread's turns are to be asked for page by page some day"),
    ("thread/goal/cleared", "there are no goals here"),
    ("remoteControl/status/changed", "there is no remote control here"),
    ("thread/readState/changed", "what people have read is the client's to know"),
    (
        "account/rateLimits/updated",
        "Codex tells empty limits; only what a provider stated is told here",
    ),
    ("warning", "Codex knows no model of the test's name"),
    ("item/agentMessage/delta", "the test's model gives Codex no deltas"),
    ("item/commandExecution/outputDelta", "how output is cut into pieces is chance"),
    ("thread/tokenUsage/updated", "Codex tells it before or after the item of a call, by chance"),
    // Its own order is compared beside the rest: Codex says that it waits before it tells the item.
    ("thread/status/changed", "compared by itself"),
];

const COMMAND: &str = "item/commandExecution/requestApproval";

/// What a server said in a script, without ids and times.
#[derive(Debug, PartialEq)]
struct Told {
    methods: Vec<String>,
    usages: usize,
    statuses: Vec<Value>,
    answers: Vec<Value>,
}

fn script(mut raw: Raw, work: &Value) -> Told {
    let lookup = json!({ "type": "function", "name": "lookup", "description": "looks it up",
        "inputSchema": { "type": "object", "properties": { "q": { "type": "string" } } } });
    let wish = json!({ "cwd": work, "approvalPolicy": "untrusted",
        "sandbox": "danger-full-access", "dynamicTools": [lookup] });
    raw.initialize(&json!({ "experimentalApi": true }));
    let mut answers = Vec::new();
    let thread = raw.thread(wish);
    for decision in ["accept", "decline", "cancel"] {
        raw.turn(&thread, decision);
        let asked = raw.hears(COMMAND);
        raw.reply(&asked, json!({ "decision": decision }));
        let end = raw.end();
        let item = raw.item("commandExecution");
        answers.push(json!([end["status"], item["status"], item["exitCode"], item["cwd"]]));
    }
    raw.turn(&thread, "look it up");
    let asked = raw.hears("item/tool/call");
    let params = &asked["params"];
    answers.push(json!([params["tool"], params["namespace"], params["arguments"]]));
    let said = json!([{ "type": "inputText", "text": "found" }]);
    raw.reply(&asked, json!({ "success": true, "contentItems": said }));
    answers.push(raw.end()["status"].clone());
    let item = raw.item("dynamicToolCall");
    answers.push(json!([item["tool"], item["status"], item["success"], item["contentItems"]]));
    // Once more, while it is loaded.
    let resumed = raw.ok("thread/resume", json!({ "threadId": thread }));
    let turns = resumed["thread"]["turns"].as_array().unwrap().iter();
    answers.push(turns.map(|turn| turn["status"].clone()).collect());
    raw.turn(&thread, "fail");
    let end = raw.end();
    answers.push(json!([end["status"], end["error"].is_object()]));
    for (method, params) in [
        (
            "turn/steer",
            json!({ "threadId": thread, "expectedTurnId": "x",
            "input": [{ "type": "text", "text": "x" }] }),
        ),
        ("turn/interrupt", json!({ "threadId": thread, "turnId": "x" })),
        (
            "turn/interrupt",
            json!({ "threadId": "00000000-0000-7000-8000-000000000000", "turnId": "x" }),
        ),
        ("thread/resume", json!({ "threadId": "00000000-0000-7000-8000-000000000000" })),
    ] {
        answers.push(json!(raw.refused(method, params)));
    }
    let loaded = raw.ok("thread/loaded/list", json!({}));
    answers.push(json!(loaded["data"] == json!([thread])));
    let read = raw.ok("thread/read", json!({ "threadId": thread }));
    answers.push(json!([
        read["thread"]["preview"],
        read["thread"]["status"],
        read["thread"]["turns"]
    ]));
    raw.ok("thread/name/set", json!({ "threadId": thread, "name": "a name" }));
    raw.hears("thread/name/updated");
    raw.ok("thread/archive", json!({ "threadId": thread }));
    raw.hears("thread/archived");
    raw.ok("thread/unarchive", json!({ "threadId": thread }));
    raw.hears("thread/unarchived");
    let said = raw.finish_unchecked();
    let method = |said: &Value| said["method"].as_str().map(str::to_owned);
    let methods = said.iter().filter_map(method);
    let methods = methods.filter(|method| APART.iter().all(|(apart, _)| apart != method)).collect();
    let statuses = said.iter().filter(|said| said["method"] == "thread/status/changed");
    let mut statuses: Vec<_> = statuses.map(|said| said["params"]["status"].clone()).collect();
    // Whether Codex says once more at its end that an archived thread is not loaded is chance.
    statuses.dedup();
    let usage = |said: &&Value| said["method"] == "thread/tokenUsage/updated";
    Told { methods, usages: said.iter().filter(usage).count(), statuses, answers }
}

fn codex(env: &mut TestEnv, binary: &std::path::Path, model: &Model) -> Command {
    let config = format!(
        "model = \"canon-test-model\"\nmodel_provider = \"local\"\n\n\
         [model_providers.local]\nname = \"local\"\nbase_url = \"{}\"\n\
         wire_api = \"responses\"\nenv_key = \"CANON_TEST_KEY\"\n\
         request_max_retries = 0\nstream_max_retries = 0\n",
        model.base_url()
    );
    env.write("codex/config.toml", &config);
    let mut command = Command::new(binary);
    command
        .arg("app-server")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", env.path("home"))
        .env("CODEX_HOME", env.path("codex"))
        .env("CANON_TEST_KEY", "dummy");
    command
}

#[test]
fn codex_and_canon_say_the_same() {
    let Some(binary) = real_codex() else { return };
    let model = Model::start();
    for command in ["touch one", "touch two"] {
        model.push(Reply::Tool("exec_command", json!({ "cmd": command })));
        model.push(Reply::Text("done"));
    }
    model.push(Reply::Tool("exec_command", json!({ "cmd": "touch three" })));
    model.push(Reply::Tool("lookup", json!({ "q": "x" })));
    model.push(Reply::Text("done"));
    model.push(Reply::Refuse("not like this"));
    let refused = json!({ "when": { "last_user": "fail" },
        "error": { "status": 400, "message": "not like this" } });
    let mut env = place(&[
        refused,
        shell(0, "touch one"),
        text(1, "done"),
        shell(2, "touch two"),
        text(3, "done"),
        shell(4, "touch three"),
        tool(5, "lookup", json!({ "q": "x" })),
        text(6, "done"),
    ]);
    let cwd = json!(work(&env));
    let theirs = script(Raw::start(codex(&mut env, &binary, &model)), &cwd);
    let transcript = env.path("transcript.jsonl");
    let args = ["app-server", "--provider", "scripted", "--model", transcript.to_str().unwrap()];
    let ours = script(Raw::start(env.canon(&args)), &cwd);
    assert_eq!(ours.methods, theirs.methods);
    assert_eq!(ours.usages, theirs.usages);
    assert_eq!(ours.statuses, theirs.statuses);
    assert_eq!(ours.answers, theirs.answers);
}
