//! Commands shown as terminals, in a client that says `terminal_output` in the `_meta` of its
//! capabilities, as Zed does: the command runs here, in the sandbox, and the client is given what it
//! wrote. The client's own terminals (`terminal/create`) would run it outside of any sandbox.

use std::path::Path;

use canon_protocol::acp::tool::{ToolCall, ToolContent};
use canon_protocol::acp::update::SessionUpdate;
use serde_json::{Value, json};

/// Begins a call's terminal, which has the id of the call.
pub(super) fn open(call: &mut ToolCall, cwd: &Path) {
    let id = &call.tool_call_id;
    call.meta = Some(json!({ "terminal_info": { "terminal_id": id, "cwd": cwd } }));
    call.content = Some(vec![ToolContent::Terminal { terminal_id: id.clone() }]);
}

/// More of what it wrote.
pub(super) fn output(id: &str, data: &str) -> SessionUpdate {
    let meta = Some(json!({ "terminal_output": { "terminal_id": id, "data": data } }));
    SessionUpdate::ToolCallUpdate(ToolCall { meta, ..ToolCall::new(id) })
}

/// Ends it; what it shows stays.
pub(super) fn close(call: &mut ToolCall, details: &Value) {
    let (id, code) = (&call.tool_call_id, &details["exit_code"]);
    call.meta = Some(json!({
        "terminal_exit": { "terminal_id": id, "exit_code": code, "signal": null },
    }));
    call.content = None;
}
