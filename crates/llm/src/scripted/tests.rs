use std::time::Duration;

use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::accumulator::StreamAccumulator;
use crate::types::{
    ContentPart, FinishReasonKind, Message, Role, StreamEvent, ToolCallData, ToolDefinition,
};

fn script(lines: &[Value]) -> Scripted {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Scripted::parse(Path::new("s.jsonl"), &text).unwrap()
}

fn ask(text: &str) -> Request {
    Request::new("m", vec![Message::system("you are terse"), Message::user(text)])
}

/// A conversation whose last tool call, of `shell`, was answered with `output`.
fn after_shell(output: &str, is_error: bool) -> Request {
    let call = ContentPart::tool_call(ToolCallData::new("c1", "shell", json!({})));
    let mut request = ask("fix it");
    request.messages.push(Message::new(Role::Assistant, vec![call]));
    request.messages.push(Message::tool_result("c1", output, is_error));
    request
}

async fn error_of(scripted: &Scripted, request: &Request) -> String {
    let error = scripted.complete(request).await.unwrap_err();
    assert!(!error.retryable());
    assert_eq!(error.error_code(), Some("no_matching_entry"));
    error.to_string()
}

#[tokio::test]
async fn the_first_entry_that_fits_answers_and_is_used_up() {
    let scripted = script(&[
        json!({ "when": { "first_user": "two" }, "reply": { "text": "for two" } }),
        json!({ "reply": { "text": "once" } }),
        json!({ "reply": { "text": "always" }, "repeat": true }),
    ]);
    let mut said = Vec::new();
    for prompt in ["one", "one", "two", "two"] {
        said.push(scripted.complete(&ask(prompt)).await.unwrap().text());
    }
    assert_eq!(said, ["once", "always", "for two", "always"]);
    assert_eq!(scripted.unused_lines(), Vec::<usize>::new());
}

#[tokio::test]
async fn a_tool_result_that_is_not_the_wanted_one_is_explained() {
    let scripted = script(&[
        json!({ "when": { "turn": 0 }, "reply": { "text": "start" } }),
        json!({
            "when": { "turn": 1, "tool_results": [{ "name": "shell", "contains": ["5 passed", "ok"], "not_contains": "FAILED", "is_error": false }] },
            "reply": { "text": "done" },
        }),
    ]);
    let message = error_of(&scripted, &after_shell("5 passed\n1 FAILED ok", false)).await;
    assert!(message.contains("s.jsonl:2"), "{message}");
    assert!(message.contains("wanted it not to contain \"FAILED\""), "{message}");
    assert!(message.contains("5 passed\\n1 FAILED"), "{message}");
    let message = error_of(&scripted, &after_shell("boom", true)).await;
    assert!(message.contains("wanted is_error false"), "{message}");
    let mut extra = after_shell("5 passed ok", false);
    extra.messages.push(Message::tool_result("c9", "more", false));
    let message = error_of(&scripted, &extra).await;
    assert!(message.contains("wanted 1, there are 2"), "{message}");
    assert_eq!(scripted.unused_lines(), [1, 2], "a request that fits nothing uses nothing up");
    let fits = after_shell("5 passed, all ok", false);
    assert_eq!(scripted.complete(&fits).await.unwrap().text(), "done");
    let message = error_of(&scripted, &fits).await;
    assert!(message.contains("has answered already"), "{message}");
}

#[tokio::test]
async fn every_matcher_must_hold() {
    let when = json!({
        "model": { "regex": "^m$" },
        "system": { "contains": "terse" },
        "first_user": { "equals": "hello" },
        "last_user": "hello",
        "turn": 0,
        "tool_results": [],
        "tools": ["shell"],
    });
    let scripted = script(&[json!({ "when": when, "reply": { "text": "yes" }, "repeat": true })]);
    let tool = ToolDefinition::new("shell", "", json!({ "type": "object" })).unwrap();
    let mut good = ask("hello");
    good.tools.push(tool);
    assert_eq!(scripted.complete(&good).await.unwrap().text(), "yes");
    let broken = [
        ("model", Request { model: "n".into(), ..good.clone() }),
        ("tools", Request { tools: Vec::new(), ..good.clone() }),
        ("system", Request { messages: good.messages[1..].to_vec(), ..good.clone() }),
        ("first_user", Request { messages: good.messages[..1].to_vec(), ..good.clone() }),
        ("turn", Request { messages: after_shell("", false).messages, ..good.clone() }),
    ];
    for (matcher, request) in broken {
        let message = error_of(&scripted, &request).await;
        assert!(message.contains(&format!("{matcher}: ")), "{matcher}: {message}");
    }
    let mut later = good.clone();
    later.messages.push(Message::user("bye"));
    assert!(error_of(&scripted, &later).await.contains("last_user: "));
}

#[tokio::test]
async fn a_short_reply_has_calls_with_steady_ids_a_reason_and_an_estimate() {
    let line = json!({
        "reply": {
            "text": "I look.",
            "tool_calls": [
                { "name": "shell", "arguments": { "command": "ls" } },
                { "name": "shell", "arguments": "{broken", "id": "mine" },
                { "name": "list" },
            ],
        },
        "repeat": true,
    });
    let scripted = script(&[line]);
    let response = scripted.complete(&ask("go")).await.unwrap();
    let ids: Vec<String> = response.tool_calls().into_iter().map(|call| call.id).collect();
    assert_eq!(ids, ["call_0_1_1", "mine", "call_0_1_3"]);
    assert_eq!(response.finish_reason.reason, FinishReasonKind::ToolCalls);
    assert_eq!(response.provider, NAME);
    // A quarter of 15 bytes asked, and of 46 bytes of text, names and arguments answered.
    assert_eq!(response.usage.input_tokens, 4);
    assert_eq!(response.usage.output_tokens, 12);
    assert_eq!(scripted.complete(&ask("go")).await.unwrap(), response);
    let later = scripted.complete(&after_shell("x", false)).await.unwrap();
    assert_eq!(later.tool_calls()[0].id, "call_1_1_1", "unique within a conversation");
}

#[tokio::test]
async fn a_stream_says_the_same_as_the_whole_in_a_few_pieces() {
    let message = json!({ "role": "assistant", "content": [
        { "kind": "thinking", "thinking": { "text": "hm, tricky" } },
        { "kind": "text", "text": "Grüße, Welt 😀" },
        { "kind": "tool_call", "tool_call": { "id": "x", "name": "t", "arguments": { "a": "ü" } } },
    ]});
    let scripted = script(&[json!({
        "reply": { "message": message, "usage": { "input_tokens": 7, "output_tokens": 3 } }, "repeat": true,
    })]);
    let whole = scripted.complete(&ask("go")).await.unwrap();
    assert_eq!(whole.usage.total_tokens, 10);
    let events: Vec<StreamEvent> =
        scripted.stream(&ask("go")).await.unwrap().try_collect().await.unwrap();
    let deltas = events.iter().filter(|event| matches!(event, StreamEvent::TextDelta { .. }));
    assert!(deltas.count() > 1);
    let mut all = StreamAccumulator::new();
    events[..events.len() - 1].iter().for_each(|event| all.process(event));
    assert_eq!(all.partial_message(), whole.message);
    all.process(events.last().unwrap());
    assert_eq!(all.response(), Some(&whole));
}

#[tokio::test]
async fn a_scripted_stream_is_replayed_and_may_break_off() {
    let start = json!({ "type": "text_delta", "text_id": "a", "delta": "Hal" });
    let finish = json!({ "type": "finish", "finish_reason": "stop" });
    let fail = json!({ "type": "error", "error": { "kind": "server", "message": "down", "retryable": true } });
    let scripted = script(&[
        json!({ "stream": [start, finish] }),
        json!({ "stream": [start] }),
        json!({ "stream": [start, fail] }),
    ]);
    let response = scripted.complete(&ask("a")).await.unwrap();
    assert_eq!((response.text().as_str(), response.model.as_str()), ("Hal", "m"));
    for kind in [ErrorKind::Stream, ErrorKind::Server] {
        let mut stream = scripted.stream(&ask("a")).await.unwrap();
        assert!(matches!(stream.next().await, Some(Ok(StreamEvent::TextDelta { .. }))));
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (kind, true));
        assert_eq!(error.provider(), Some(NAME));
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn errors_and_delays_are_scripted_too() {
    let scripted = script(&[
        json!({ "error": { "status": 429, "message": "slow down", "retry_after": 7 }, "delay_ms": 1500 }),
        json!({ "error": { "kind": "authentication", "message": "who?" } }),
    ]);
    let begun = Instant::now();
    let error = scripted.complete(&ask("a")).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::from_millis(1500));
    assert_eq!(error.kind(), ErrorKind::RateLimit);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(error.retryable());
    let error = scripted.stream(&ask("a")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(!error.retryable());
}

#[test]
fn mistakes_in_a_transcript_are_found_at_load_with_file_and_line() {
    let good = r#"{"reply": {"text": "x"}}"#;
    let cases = [
        ("not json", "expected"),
        ("{}", "exactly one of"),
        (r#"{"reply": {"text": "x"}, "error": {"status": 500, "message": "m"}}"#, "exactly one of"),
        (r#"{"reply": {}}"#, "is needed"),
        (r#"{"reply": {"text": "x", "message": {"role": "assistant", "content": "y"}}}"#, "alone"),
        (r#"{"reply": {"message": {"role": "user", "content": "y"}}}"#, "assistant"),
        (r#"{"reply": {"text": "x"}, "repeats": true}"#, "repeats"),
        (r#"{"when": {"first_usr": "x"}, "reply": {"text": "x"}}"#, "first_usr"),
        (r#"{"when": {"first_user": {"regexp": "x"}}, "reply": {"text": "x"}}"#, "regexp"),
        (r#"{"when": {"first_user": {"name": "x"}}, "reply": {"text": "x"}}"#, "tool_results only"),
        (r#"{"when": {"first_user": {"regex": "("}}, "reply": {"text": "x"}}"#, "regex"),
        (r#"{"reply": {"tool_calls": [{"name": "t", "arguments": 3}]}}"#, "neither"),
        (r#"{"error": {"message": "m"}}"#, "`kind` and `status`"),
        (r#"{"error": {"status": 500, "message": "m", "retry_after": -1}}"#, "retry_after"),
        (r#"{"stream": [{"type": "sing"}]}"#, "stream[0]"),
    ];
    for (line, expected) in cases {
        let text = format!("{good}\n\n{line}\n");
        let message = Scripted::parse(Path::new("dir/s.jsonl"), &text).unwrap_err().to_string();
        assert!(message.starts_with("dir/s.jsonl:3: "), "{message}");
        assert!(message.contains(expected), "{line}: {message}");
    }
    let empty = Scripted::parse(Path::new("s.jsonl"), "\n").unwrap_err().to_string();
    assert!(empty.contains("no entries"), "{empty}");
    let missing = Scripted::load(Path::new("/nowhere/s.jsonl")).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/s.jsonl"), "{missing}");
}
