//! The forms of an answer.

use canon_llm::{Response, StreamAccumulator, StreamEvent};
use serde_json::{Value, json};

use super::{TestEnv, ask, assert_done, assert_failed, lines, place, saying};

#[test]
fn the_text_is_the_data_and_the_rest_is_for_people() {
    let env = saying("Paris.");
    let ended = ask(&env, &["capital?"]);
    assert_done(&ended, "Paris.\n");
    assert_eq!(ended.stderr, "scripted/t.jsonl: 10 in, 5 out\n");
    let quiet = ask(&env, &["capital?", "--quiet"]);
    assert_done(&quiet, "Paris.\n");
    assert_eq!(quiet.stderr, "");
    assert_done(&ask(&env, &["capital?", "--stream"]), "Paris.\n");
    // Its own newline is enough, and a pipe gets what was said.
    let hostile = "a\u{1b}[2J\u{9b}b\r\n";
    assert_done(&ask(&saying(hostile), &["x"]), hostile);
    assert_done(&ask(&saying(hostile), &["x", "--stream"]), hostile);
}

#[test]
fn json_is_the_unified_response_on_one_line() {
    let ended = ask(&saying("Paris."), &["capital?", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 1);
    let response: Response = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((response.text().as_str(), response.provider.as_str()), ("Paris.", "scripted"));
    assert_eq!(response.usage.total_tokens, 15);
    let value: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(value["message"]["content"][0]["kind"], "text");
    assert_eq!(value["finish_reason"]["reason"], "stop");
}

#[test]
fn json_of_a_stream_is_one_event_a_line_and_adds_up_to_the_response() {
    let ended = ask(&saying("Paris, of course."), &["capital?", "--stream", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let events = lines(&ended.stdout);
    assert_eq!(events[0]["type"], "stream_start");
    assert_eq!(events.last().unwrap()["type"], "finish");
    let mut whole = StreamAccumulator::new();
    let mut text = String::new();
    for event in events {
        let event: StreamEvent = serde_json::from_value(event).unwrap();
        if let StreamEvent::TextDelta { delta, .. } = &event {
            text.push_str(delta);
        }
        whole.process(&event);
    }
    assert_eq!(text, "Paris, of course.");
    assert_eq!(whole.response().unwrap().text(), text);
}

#[test]
fn a_stream_that_fails_ends_in_an_error_event() {
    let error = json!({ "type": "error", "error": {
        "kind": "content_filter", "message": "not that", "retryable": false } });
    let begun = json!([
        { "type": "stream_start" }, { "type": "text_start", "text_id": "t" },
        { "type": "text_delta", "text_id": "t", "delta": "Once" }, error,
    ]);
    let env = place(&[json!({ "repeat": true, "stream": begun })]);
    let ended = ask(&env, &["x", "--stream", "--json"]);
    assert_failed(&ended, 1, &["not that"]);
    let events = lines(&ended.stdout);
    assert_eq!(events[events.len() - 2]["delta"], "Once");
    let last: StreamEvent = serde_json::from_value(events.last().unwrap().clone()).unwrap();
    assert!(matches!(last, StreamEvent::Error { error } if error.message() == "not that"));
    // As text, what has come stays on a line of its own.
    let ended = ask(&env, &["x", "--stream"]);
    assert_failed(&ended, 1, &["not that"]);
    assert_eq!(ended.stdout, "Once\n");
    // Also when it fails before anything has come, and before there is anybody to ask.
    let refused = place(&[json!({ "error": { "status": 400, "message": "bad words" } })]);
    let ended = ask(&refused, &["x", "--stream", "--json"]);
    assert_failed(&ended, 1, &["bad words"]);
    assert_eq!(lines(&ended.stdout).last().unwrap()["error"]["kind"], "invalid_request");
    let ended = TestEnv::new().run(&["ask", "x", "--stream", "--json"]);
    assert_failed(&ended, 3, &["OPENAI_API_KEY"]);
    assert_eq!(lines(&ended.stdout)[0]["error"]["kind"], "configuration");
}

const SCHEMA: &str = r#"{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"], "additionalProperties": false}"#;

#[test]
fn with_a_schema_standard_output_is_the_object() {
    let env = saying("Here it is:\n```json\n{\n  \"name\": \"Alice\",\n  \"age\": 30\n}\n```");
    env.write("project/person.json", SCHEMA);
    let ended = ask(&env, &["who?", "--schema", "person.json"]);
    assert_done(&ended, "{\"name\":\"Alice\",\"age\":30}\n");

    let ended = ask(&env, &["who?", "--schema", "person.json", "--json"]);
    let value: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(value["output"], json!({ "name": "Alice", "age": 30 }));
    assert_eq!(value["usage"]["total_tokens"], 15);

    let ended = ask(&env, &["who?", "--schema", "person.json", "--stream"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let partial = lines(&ended.stdout);
    assert!(partial.len() > 1, "{partial:?}");
    assert_eq!(*partial.last().unwrap(), json!({ "name": "Alice", "age": 30 }));
    assert!(partial.iter().all(Value::is_object), "{partial:?}");
}

#[test]
fn what_does_not_fit_the_schema_is_failed_work_and_says_why() {
    for (text, why) in [
        (r#"{"name": "Alice", "age": "thirty"}"#, "/age"),
        (r#"{"name": "Alice"}"#, "age"),
        ("I would rather not.", "no object generated"),
    ] {
        let env = saying(text);
        env.write("project/person.json", SCHEMA);
        let ended = ask(&env, &["who?", "--schema", "person.json"]);
        assert_failed(&ended, 1, &["no object generated", why, "scripted/t.jsonl: "]);
        assert_eq!(ended.stdout, "", "nothing that a script could take for it");
        let ended = ask(&env, &["who?", "--schema", "person.json", "--stream"]);
        assert_failed(&ended, 1, &["no object generated", why, "scripted/t.jsonl: "]);
    }
}

#[test]
fn how_it_ended_is_said() {
    let ending = |reason: &str| {
        place(&[json!({ "reply": { "text": "so far", "finish_reason": { "reason": reason } } })])
    };
    let cut = ask(&ending("length"), &["x"]);
    assert_done(&cut, "so far\n");
    assert!(cut.stderr.contains("warning: the answer is cut off"), "{}", cut.stderr);
    let blocked = ask(&ending("content_filter"), &["x"]);
    assert_failed(&blocked, 1, &["content filter"]);
    assert_eq!(blocked.stdout, "so far\n");
    let calls = json!({ "reply": { "tool_calls": [{ "name": "look", "arguments": {} }] } });
    let ended = ask(&place(&[calls]), &["x"]);
    assert_done(&ended, "");
    assert!(ended.stderr.contains("calls tools: look"), "{}", ended.stderr);
}

#[test]
fn the_example_runs_as_it_is() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/ask");
    let person = json!({ "name": "Alice Martin", "age": 30, "city": "Lyon" });
    let env = place(&[json!({
        "when": { "first_user": "turned thirty", "system": "Guess nothing" },
        "reply": { "text": person.to_string() },
    })]);
    let request = format!("{examples}/request.json");
    let schema = format!("{examples}/person.schema.json");
    let ended = ask(&env, &["--request", &request, "--schema", &schema]);
    assert_done(&ended, &format!("{person}\n"));
}
