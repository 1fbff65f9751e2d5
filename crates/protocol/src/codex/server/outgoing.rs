//! Results, notifications and requests of a server, in the shapes of the Codex schema.

mod item;
mod thread;

use serde_json::{Value, json};

use crate::codex::client::Usage;
use crate::jsonrpc::Id;

pub use item::{
    CollabAgent, CollabStatus, CollabTool, FileChange, FileChangeKind, ItemStatus, ThreadItem,
    text_part,
};
pub use thread::{Settings, Thread, ThreadStatus, Turn, TurnError, TurnStatus};

/// A notification, or a request to the client: a method and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// The method.
    pub method: &'static str,
    /// Its parameters.
    pub params: Value,
}

/// Result of `initialize`. `home` is the absolute path of the agent's state.
pub fn initialize_result(user_agent: &str, home: &str) -> Value {
    json!({
        "userAgent": user_agent,
        "codexHome": home,
        "platformFamily": std::env::consts::FAMILY,
        "platformOs": std::env::consts::OS,
    })
}

/// Result of `thread/start`, `thread/resume` and `thread/fork`.
pub fn thread_result(thread: &Thread, settings: &Settings) -> Value {
    json!({
        "thread": thread.json(),
        "model": thread.model,
        "modelProvider": thread.model_provider,
        "cwd": thread.cwd,
        "approvalPolicy": settings.approval_policy,
        "approvalsReviewer": "user",
        "sandbox": settings.sandbox_policy,
        "reasoningEffort": settings.effort,
    })
}

/// Result of `thread/read` and `thread/unarchive`.
pub fn thread_alone(thread: &Thread) -> Value {
    json!({ "thread": thread.json() })
}

/// Result of `thread/list`.
pub fn thread_list(threads: &[Thread], next: Option<&str>) -> Value {
    page(threads.iter().map(Thread::json).collect(), next)
}

/// Result of `thread/turns/list`.
pub fn turn_list(turns: &[Turn], next: Option<&str>) -> Value {
    page(turns.iter().map(Turn::json).collect(), next)
}

/// Result of a list.
pub fn page(data: Vec<Value>, next: Option<&str>) -> Value {
    json!({ "data": data, "nextCursor": next })
}

/// Result of `turn/start`.
pub fn turn_result(turn: &Turn) -> Value {
    json!({ "turn": turn.json() })
}

/// Result of `turn/steer`.
pub fn steer_result(turn_id: &str) -> Value {
    json!({ "turnId": turn_id })
}

/// Result of `thread/name/set` and `turn/interrupt`.
pub fn empty_result() -> Value {
    json!({})
}

/// `thread/started`; comes after the result of `thread/start`.
pub fn thread_started(thread: &Thread) -> Outgoing {
    Outgoing { method: "thread/started", params: thread_alone(thread) }
}

/// `thread/name/updated`; comes after the result of `thread/name/set`.
pub fn thread_name_updated(thread_id: &str, name: &str) -> Outgoing {
    let params = json!({ "threadId": thread_id, "threadName": name });
    Outgoing { method: "thread/name/updated", params }
}

/// `thread/status/changed`.
pub fn thread_status(thread_id: &str, status: &ThreadStatus) -> Outgoing {
    let params = json!({ "threadId": thread_id, "status": status.json() });
    Outgoing { method: "thread/status/changed", params }
}

/// `thread/archived`, `thread/unarchived`, `thread/deleted`, `thread/reverted`.
pub fn thread_event(method: &'static str, thread_id: &str) -> Outgoing {
    Outgoing { method, params: json!({ "threadId": thread_id }) }
}

/// `warning`.
pub fn warning(thread_id: &str, message: &str) -> Outgoing {
    let params = json!({ "threadId": thread_id, "message": message });
    Outgoing { method: "warning", params }
}

/// `serverRequest/resolved`: a request of the server is answered or given up.
pub fn request_resolved(thread_id: &str, request: &Id) -> Outgoing {
    let params = json!({ "threadId": thread_id, "requestId": request });
    Outgoing { method: "serverRequest/resolved", params }
}

/// How much of an allowance is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Of 100.
    pub used_percent: u8,
    /// When it is whole again, Unix seconds.
    pub resets_at: Option<i64>,
}

/// The allowances of an account, as parameters of `account/rateLimits/updated` and as the result
/// of `account/rateLimits/read`.
pub fn rate_limits(primary: Option<&Window>, secondary: Option<&Window>) -> Value {
    let window = |window: &Window| {
        json!({ "usedPercent": window.used_percent, "resetsAt": window.resets_at,
            "windowDurationMins": null })
    };
    json!({ "rateLimits": {
        "limitId": null, "primary": primary.map(window), "secondary": secondary.map(window),
    } })
}

/// Notifications of one turn of one thread.
#[derive(Clone, Copy, Debug)]
pub struct TurnScope<'a> {
    /// The thread.
    pub thread_id: &'a str,
    /// The turn.
    pub turn_id: &'a str,
}

impl TurnScope<'_> {
    fn outgoing(&self, method: &'static str, rest: Value) -> Outgoing {
        let mut params = json!({ "threadId": self.thread_id, "turnId": self.turn_id });
        if let (Some(all), Value::Object(rest)) = (params.as_object_mut(), rest) {
            all.extend(rest);
        }
        Outgoing { method, params }
    }

    /// `turn/started`.
    pub fn started(&self, turn: &Turn) -> Outgoing {
        let params = json!({ "threadId": self.thread_id, "turn": turn.json() });
        Outgoing { method: "turn/started", params }
    }

    /// `turn/completed`: the end, whatever the status.
    pub fn completed(&self, turn: &Turn) -> Outgoing {
        let params = json!({ "threadId": self.thread_id, "turn": turn.json() });
        Outgoing { method: "turn/completed", params }
    }

    /// `item/started`; `at_ms` is Unix time in milliseconds.
    pub fn item_started(&self, item: &ThreadItem, at_ms: u64) -> Outgoing {
        self.outgoing("item/started", json!({ "item": item.json(), "startedAtMs": at_ms }))
    }

    /// `item/completed`; `at_ms` is Unix time in milliseconds.
    pub fn item_completed(&self, item: &ThreadItem, at_ms: u64) -> Outgoing {
        self.outgoing("item/completed", json!({ "item": item.json(), "completedAtMs": at_ms }))
    }

    /// `item/agentMessage/delta`.
    pub fn message_delta(&self, item_id: &str, delta: &str) -> Outgoing {
        self.outgoing("item/agentMessage/delta", json!({ "itemId": item_id, "delta": delta }))
    }

    /// `item/reasoning/summaryTextDelta`.
    pub fn reasoning_delta(&self, item_id: &str, delta: &str, summary_index: u32) -> Outgoing {
        self.outgoing(
            "item/reasoning/summaryTextDelta",
            json!({ "itemId": item_id, "delta": delta, "summaryIndex": summary_index }),
        )
    }

    /// `item/commandExecution/outputDelta`.
    pub fn output_delta(&self, item_id: &str, delta: &str) -> Outgoing {
        let rest = json!({ "itemId": item_id, "delta": delta });
        self.outgoing("item/commandExecution/outputDelta", rest)
    }

    /// `turn/diff/updated`: all changes of files in the turn so far, as a unified diff.
    pub fn diff(&self, diff: &str) -> Outgoing {
        self.outgoing("turn/diff/updated", json!({ "diff": diff }))
    }

    /// The request `item/commandExecution/requestApproval`; `item_id` is that of the command's item,
    /// `reason` what the agent says of it.
    pub fn ask_command(
        &self,
        item_id: &str,
        command: &str,
        cwd: &str,
        reason: Option<&str>,
        at_ms: u64,
    ) -> Outgoing {
        self.outgoing(
            "item/commandExecution/requestApproval",
            json!({
                "itemId": item_id, "kind": "command", "command": command, "cwd": cwd,
                "reason": reason, "startedAtMs": at_ms,
                "commandActions": [{ "type": "unknown", "command": command }],
                "availableDecisions": ["accept", "acceptForSession", "decline", "cancel"],
            }),
        )
    }

    /// The request `item/fileChange/requestApproval`; the changes are in the item.
    pub fn ask_file_change(&self, item_id: &str, reason: Option<&str>, at_ms: u64) -> Outgoing {
        self.outgoing(
            "item/fileChange/requestApproval",
            json!({ "itemId": item_id, "reason": reason, "startedAtMs": at_ms }),
        )
    }

    /// The request `item/tool/requestUserInput`; `questions` as on the wire.
    pub fn ask_user(&self, item_id: &str, questions: &Value) -> Outgoing {
        self.outgoing(
            "item/tool/requestUserInput",
            json!({ "itemId": item_id, "questions": questions, "isBlocking": true }),
        )
    }

    /// `thread/tokenUsage/updated`: the thread's total, and the last reply's own.
    pub fn token_usage(&self, total: Usage, last: Usage, window: Option<u64>) -> Outgoing {
        let usage = json!({
            "total": usage_json(total), "last": usage_json(last), "modelContextWindow": window,
        });
        self.outgoing("thread/tokenUsage/updated", json!({ "tokenUsage": usage }))
    }

    /// `error`; the end of the turn is said apart from it.
    pub fn error(&self, error: &TurnError, will_retry: bool) -> Outgoing {
        self.outgoing("error", json!({ "error": error.json(), "willRetry": will_retry }))
    }

    /// The request `item/tool/call`.
    pub fn tool_call(
        &self,
        call_id: &str,
        tool: &str,
        namespace: Option<&str>,
        arguments: &Value,
    ) -> Outgoing {
        self.outgoing(
            "item/tool/call",
            json!({
                "callId": call_id, "tool": tool, "namespace": namespace, "arguments": arguments,
            }),
        )
    }
}

fn usage_json(usage: Usage) -> Value {
    json!({
        "inputTokens": usage.input_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "outputTokens": usage.output_tokens,
        "reasoningOutputTokens": usage.reasoning_output_tokens,
        "totalTokens": usage.total_tokens,
    })
}
