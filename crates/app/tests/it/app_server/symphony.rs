//! The frames of the reference orchestrator, as its client writes them: fixed ids, a policy form of
//! its own, tools without a type, a title on the turn.

use serde_json::json;

use super::raw::Raw;
use super::{after, place, shell, text, tool, work};

#[test]
fn the_reference_client_drives_a_session() {
    let env = place(&[
        tool(0, "linear_graphql", json!({ "query": "{ viewer { id } }" })),
        after(1, "linear_graphql", "viewer", "asked"),
        shell(2, "echo out > file"),
        text(3, "all done"),
    ]);
    let transcript = env.path("transcript.jsonl");
    let model = transcript.to_str().unwrap();
    let mut raw =
        Raw::start(env.canon(&["app-server", "--provider", "scripted", "--model", model]));
    raw.send(json!({ "method": "initialize", "id": 1, "params": {
        "capabilities": { "experimentalApi": true },
        "clientInfo": { "name": "symphony-orchestrator", "title": "Symphony Orchestrator", "version": "0.1.0" },
    } }));
    raw.answer_to(1);
    raw.send(json!({ "method": "initialized", "params": {} }));
    let reject =
        json!({ "reject": { "sandbox_approval": true, "rules": true, "mcp_elicitations": true } });
    raw.send(json!({ "method": "thread/start", "id": 2, "params": {
        "approvalPolicy": reject, "sandbox": "workspace-write", "cwd": work(&env),
        "dynamicTools": [{ "name": "linear_graphql", "description": "asks Linear",
            "inputSchema": { "type": "object", "additionalProperties": false, "required": ["query"],
                "properties": { "query": { "type": "string" } } } }],
    } }));
    let thread = raw.answer_to(2)["result"]["thread"]["id"].clone();
    for prompt in ["first", "second"] {
        raw.send(json!({ "method": "turn/start", "id": 3, "params": {
            "threadId": thread, "input": [{ "type": "text", "text": prompt }], "cwd": work(&env),
            "title": "A-1: a title", "approvalPolicy": reject,
            "sandboxPolicy": { "type": "workspaceWrite", "writableRoots": [work(&env)],
                "readOnlyAccess": { "type": "fullAccess" }, "networkAccess": false,
                "excludeTmpdirEnvVar": false, "excludeSlashTmp": false },
        } }));
        let started = raw.until(|said| said["id"] == 3 && said.get("method").is_none());
        assert!(started["result"]["turn"]["id"].is_string(), "{started}");
        if prompt == "first" {
            let call = raw.hears("item/tool/call");
            assert_eq!(call["params"]["arguments"]["query"], "{ viewer { id } }");
            raw.reply(
                &call,
                json!({ "success": true, "output": "{\"data\":{\"viewer\":{}}}",
                "contentItems": [{ "type": "inputText", "text": "{\"data\":{\"viewer\":{}}}" }] }),
            );
        }
        assert_eq!(raw.end()["status"], "completed");
    }
    assert_eq!(env.read("work/file"), "out\n");
    raw.finish();
    env.assert_nothing_left();
}
