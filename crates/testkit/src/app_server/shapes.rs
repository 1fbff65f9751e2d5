//! Messages of the agent, in the shapes of the Codex schema.

use serde_json::{Value, json};

/// Unix time in seconds and in milliseconds.
pub(super) fn now() -> (u64, u64) {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    (since.as_secs(), since.as_millis() as u64)
}

pub(super) fn initialized() -> Value {
    json!({
        "userAgent": "fake-agent/1", "codexHome": "/nonexistent",
        "platformFamily": std::env::consts::FAMILY, "platformOs": std::env::consts::OS,
    })
}

pub(super) fn thread(id: &str, cwd: &str) -> Value {
    let (secs, _) = now();
    json!({
        "id": id, "sessionId": id, "cliVersion": "1", "createdAt": secs, "updatedAt": secs,
        "cwd": cwd, "ephemeral": false, "modelProvider": "fake", "preview": "",
        "projectId": null, "source": "appServer", "status": { "type": "idle" }, "turns": [],
    })
}

pub(super) fn thread_result(thread: &Value, model: &str, params: &Value) -> Value {
    let policy = params.get("approvalPolicy").filter(|policy| !policy.is_null());
    let sandbox = match params["sandbox"].as_str() {
        Some("danger-full-access") => json!({ "type": "dangerFullAccess" }),
        Some("workspace-write") => json!({ "type": "workspaceWrite" }),
        _ => json!({ "type": "readOnly" }),
    };
    json!({
        "thread": thread, "model": model, "modelProvider": "fake", "cwd": thread["cwd"],
        "approvalPolicy": policy.cloned().unwrap_or(json!("never")),
        "approvalsReviewer": "user", "sandbox": sandbox,
    })
}

pub(super) fn turn(id: &str, status: &str, error: Option<&str>) -> Value {
    let (secs, _) = now();
    json!({
        "id": id, "items": [], "itemsView": "notLoaded", "status": status,
        "error": error.map(|message| json!({ "message": message, "codexErrorInfo": "other" })),
        "startedAt": secs, "completedAt": (status != "inProgress").then_some(secs),
        "durationMs": null,
    })
}

pub(super) fn message(id: &str, text: &str) -> Value {
    json!({ "type": "agentMessage", "id": id, "text": text })
}

pub(super) fn command(id: &str, command: &str, cwd: &str, status: &str) -> Value {
    json!({
        "type": "commandExecution", "id": id, "command": command, "cwd": cwd,
        "status": status, "commandActions": [{ "type": "unknown", "command": command }],
    })
}

pub(super) fn change(id: &str, path: &str, status: &str) -> Value {
    json!({
        "type": "fileChange", "id": id, "status": status,
        "changes": [{ "path": path, "kind": { "type": "add" }, "diff": "+x\n" }],
    })
}

pub(super) fn tool(id: &str, tool: &str, arguments: &Value, status: &str) -> Value {
    json!({
        "type": "dynamicToolCall", "id": id, "tool": tool, "arguments": arguments,
        "status": status,
    })
}

pub(super) fn usage(input: u64, output: u64, cached: u64) -> Value {
    json!({
        "inputTokens": input, "cachedInputTokens": cached, "outputTokens": output,
        "reasoningOutputTokens": 0, "totalTokens": input + output,
    })
}
