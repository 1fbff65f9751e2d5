use axum::http::HeaderMap;

use super::*;

const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");
const CACHING: (&str, &str) = ("anthropic-beta", "other, prompt-caching-2024-07-31");

fn problems_with(headers: &[(&'static str, &'static str)], body: &Value) -> Vec<String> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let mut issued = Issued::default();
    note(
        &json!({ "content": [
            { "type": "thinking", "thinking": "Hm.", "signature": "sig" },
            { "type": "redacted_thinking", "data": "red" },
            { "type": "tool_use", "id": "c1", "name": "t", "input": { "a": 1 } },
        ] }),
        &mut issued,
    );
    let call = Call { headers: &headers, path: "/v1/messages", query: "", body };
    request(&call, &issued)
}

fn problems(body: &Value) -> Vec<String> {
    problems_with(&[VERSION, CACHING], body)
}

/// A conversation in which thinking and calls of tools go round.
fn sound() -> Value {
    json!({
        "model": "claude-opus-4-6",
        "max_tokens": 9000,
        "stream": true,
        "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }],
        "thinking": { "type": "enabled", "budget_tokens": 8192 },
        "tools": [
            { "name": "t", "description": "d", "input_schema": { "type": "object" } },
            { "type": "web_search_20250305", "name": "web_search" },
        ],
        "tool_choice": { "type": "auto" },
        "messages": [
            { "role": "user", "content": "hi" },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "Hm.", "signature": "sig" },
                { "type": "redacted_thinking", "data": "red" },
                { "type": "tool_use", "id": "c1", "name": "t", "input": { "a": 1 } },
                { "type": "tool_use", "id": "c2", "name": "t", "input": {} },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "c2", "content": "2" },
                { "type": "tool_result", "tool_use_id": "c1", "is_error": false, "content": [
                    { "type": "text", "text": "1" },
                    { "type": "image", "source":
                        { "type": "base64", "media_type": "image/png", "data": "aGk=" } },
                ], "cache_control": { "type": "ephemeral", "ttl": "1h" } },
            ] },
        ],
    })
}

#[test]
fn a_models_version_stands_before_or_after_its_family() {
    for (model, expected) in [
        ("claude-3-5-haiku-20241022", Some(Version(3, 5))),
        ("claude-3-opus-20240229", Some(Version(3, 0))),
        ("claude-opus-4-20250514", Some(Version(4, 0))),
        ("claude-opus-4-6", Some(Version(4, 6))),
        ("claude-sonnet-5", Some(Version(5, 0))),
        ("claude-mythos-preview", None),
        ("kimi-k2", None),
    ] {
        assert_eq!(Version::of(&json!({ "model": model })), expected, "{model}");
    }
}

#[test]
fn a_sound_conversation_has_no_problems() {
    assert_eq!(problems(&sound()), Vec::<String>::new());
    let more = json!({
        "model": "claude-haiku-4-5-20251001",
        "max_tokens": 1,
        "temperature": 0.3,
        "metadata": { "user_id": "u" },
        "output_config": { "format": { "type": "json_schema", "schema":
            { "type": "object", "additionalProperties": false } } },
        "messages": [
            { "role": "user", "content": [
                { "type": "document", "title": "t", "source":
                    { "type": "base64", "media_type": "application/pdf", "data": "aGk=" } },
                { "type": "image", "source": { "type": "url", "url": "https://example.com/x.png" } },
            ] },
            { "role": "assistant", "content": "{" },
        ],
    });
    assert_eq!(problems(&more), Vec::<String>::new());
}

/// Each case: a path, what to put there (`Null` removes it), what the first problem says.
#[test]
fn each_mistake_is_found() {
    let mark = json!({ "type": "ephemeral" });
    let call = json!({ "type": "tool_use", "id": "c9", "name": "t", "input": {} });
    let result = json!({ "type": "tool_result", "tool_use_id": "c1", "content": "x" });
    let text = json!({ "type": "text", "text": "x" });
    let cases: Vec<(&str, Value, &str)> = vec![
        ("/model", Value::Null, "model: Field required"),
        ("/max_tokens", Value::Null, "max_tokens: Field required"),
        ("/max_tokens", json!(0), "greater than or equal to 1"),
        ("/max_tokens", json!("9"), "whole number"),
        ("/messages", Value::Null, "messages: Field required"),
        ("/messages", json!([]), "at least one message"),
        ("/input", json!("x"), "input: Extra inputs"),
        ("/stream", json!("yes"), "a boolean"),
        ("/metadata", json!({ "team": "x" }), "metadata.team: Extra inputs"),
        ("/stop_sequences", json!([" "]), "non-whitespace"),
        ("/system", json!(""), "non-empty"),
        ("/system/0/text", json!(""), "non-empty"),
        ("/system/0/type", json!("image"), "Input should be 'text'"),
        ("/temperature", json!(0.5), "may only be set to 1"),
        ("/temperature", json!(1.5), "range: 0..1"),
        ("/top_p", json!(0.5), "top_p"),
        ("/top_k", json!(5), "top_k"),
        ("/thinking/budget_tokens", json!(1000), "1024"),
        ("/thinking/budget_tokens", json!(9000), "must be greater than"),
        ("/thinking/budget_tokens", Value::Null, "Field required"),
        ("/thinking/type", json!("adaptive"), "budget_tokens: Extra inputs"),
        ("/thinking/type", json!("much"), "does not match"),
        ("/model", json!("claude-opus-4-8"), "thinking.type.adaptive"),
        ("/tool_choice", json!({ "type": "any" }), "forces tool use"),
        ("/tool_choice", json!({ "type": "tool", "name": "u" }), "not found"),
        ("/tool_choice", json!({ "type": "tool" }), "name: Field required"),
        ("/tool_choice", json!("auto"), "an object"),
        ("/tool_choice", json!({ "type": "required" }), "does not match"),
        ("/tools", Value::Null, "must define tools"),
        ("/tools/0/name", json!("a b"), "pattern"),
        ("/tools/0/name", json!("web_search"), "unique"),
        ("/tools/0/input_schema", json!({ "type": "string" }), "not 'object'"),
        ("/tools/0/input_schema/properties", json!(3), "no valid JSON Schema"),
        ("/tools/0/input_schema/anyOf", json!([{}]), "top level"),
        ("/tools/0/parameters", json!({}), "tools.0.parameters: Extra"),
        ("/messages/0/role", json!("system"), "should be 'user' or 'assistant'"),
        ("/messages/0/role", json!("assistant"), "first message must"),
        ("/messages/1/role", json!("user"), "roles must alternate"),
        ("/messages/0/content", json!(""), "non-empty content"),
        ("/messages/0/content", json!([]), "non-empty content"),
        ("/messages/0/content", json!([{ "type": "text", "text": "" }]), "must be non-empty"),
        ("/messages/0/content", json!([{ "type": "input_text", "text": "x" }]), "Input tag"),
        ("/messages/0/content", json!([call]), "can not be in"),
        ("/messages/0/content", json!([result]), "unexpected `tool_use_id`"),
        ("/messages/0/name", json!("x"), "messages.0.name: Extra"),
        ("/messages/1/content/0", text.clone(), "must start with a thinking block"),
        ("/messages/1/content/1", text.clone(), "its thinking is gone"),
        ("/messages/1/content/0/signature", json!("other"), "Invalid `signature`"),
        ("/messages/1/content/0/thinking", json!("Aha."), "cannot be modified"),
        ("/messages/1/content/1/data", json!("other"), "Invalid `signature`"),
        ("/messages/1/content/0/cache_control", mark.clone(), "Extra inputs"),
        ("/messages/1/content/2/input", json!({ "a": 2 }), "the call was"),
        ("/messages/1/content/2/input", json!("{}"), "an object"),
        ("/messages/1/content/3/id", json!("c1"), "unique"),
        ("/messages/1/content/3/id", json!("c 1"), "pattern"),
        ("/messages/1/content/3/id", json!("c3"), "without `tool_result`"),
        ("/messages/2/content/0", text.clone(), "without `tool_result`"),
        ("/messages/2/content/0", result, "single result"),
        ("/messages/2/content/1/is_error", json!(true), "must be type text"),
        ("/messages/2/content/1/content/0/text", json!(""), "non-empty"),
        ("/messages/2/content/1/content/1/source/media_type", json!("image/bmp"), "media_type"),
        ("/messages/2/content/1/content/1/source/data", json!("?"), "base64"),
        ("/messages/2/content/1/content/1/source", json!({ "type": "url", "url": "/x" }), "HTTPS"),
        ("/messages/2/content/1/cache_control/ttl", json!("2h"), "ttl"),
        ("/cache_control", json!({ "type": "permanent" }), "'ephemeral'"),
        ("/output_config", json!({ "effort": "huge" }), "effort"),
        (
            "/output_config",
            json!({ "format": { "type": "json_schema", "schema": { "type": "object" } } }),
            "additionalProperties",
        ),
    ];
    for (path, value, expected) in cases {
        let mut body = sound();
        put(&mut body, path, value.clone());
        let found = problems(&body);
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{path} = {value}: {found:#?} has no {expected:?}"
        );
    }
}

/// Sets or, with `Null`, removes what a JSON pointer points to.
fn put(body: &mut Value, path: &str, value: Value) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    match body.pointer_mut(parent).unwrap() {
        Value::Object(fields) if value.is_null() => {
            fields.remove(name).unwrap();
        }
        Value::Object(fields) => {
            fields.insert(name.to_owned(), value);
        }
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
        other => panic!("{path}: {other}"),
    }
}

fn one_says(found: &[String], expected: &str) {
    assert!(found.iter().any(|problem| problem.contains(expected)), "{found:#?}: {expected:?}");
}

#[test]
fn a_result_stands_first_in_its_message() {
    let mut body = sound();
    let text = json!({ "type": "text", "text": "x" });
    body["messages"][2]["content"].as_array_mut().unwrap().push(text.clone());
    body["thinking"] = json!({ "type": "disabled" });
    assert_eq!(problems(&body), Vec::<String>::new());
    body["messages"][2]["content"].as_array_mut().unwrap().insert(0, text);
    one_says(&problems(&body), "must come first");
}

#[test]
fn headers_are_asked_for() {
    one_says(&problems_with(&[CACHING], &sound()), "anthropic-version");
    one_says(&problems_with(&[VERSION], &sound()), "prompt-caching-2024-07-31");
    let mut body = sound();
    body["messages"][2]["content"][1].as_object_mut().unwrap().remove("cache_control");
    body["system"] = json!("Be brief.");
    assert_eq!(problems_with(&[VERSION], &body), Vec::<String>::new());
    body["thinking"]["budget_tokens"] = json!(20_000);
    let interleaved = ("anthropic-beta", "interleaved-thinking-2025-05-14");
    assert_eq!(problems_with(&[VERSION, interleaved], &body), Vec::<String>::new());
}

#[test]
fn at_most_four_marks() {
    let mut body = sound();
    let block = json!({ "type": "text", "text": "x", "cache_control": { "type": "ephemeral" } });
    body["messages"][0]["content"] = json!([block, block]);
    assert_eq!(problems(&body), Vec::<String>::new());
    body["messages"][0]["content"] = json!([block, block, block]);
    one_says(&problems(&body), "A maximum of 4");
}

#[test]
fn newer_models_take_neither_sampling_nor_prefill() {
    let mut body = json!({
        "model": "claude-opus-4-8", "max_tokens": 5, "temperature": 1, "thinking": { "type": "adaptive" },
        "messages": [{ "role": "user", "content": "hi" }],
    });
    assert_eq!(problems(&body), Vec::<String>::new());
    body["temperature"] = json!(0.2);
    one_says(&problems(&body), "this model does not support it");
    body["messages"] =
        json!([{ "role": "user", "content": "hi" }, { "role": "assistant", "content": "so " }]);
    let found = problems(&body);
    one_says(&found, "prefill");
    one_says(&found, "trailing whitespace");
    body["model"] = json!("claude-sonnet-4-5-20250929");
    assert!(!problems(&body).iter().any(|problem| problem.contains("does not support")));
}

#[test]
fn what_becomes_of_thinking_is_said_with_a_header_to_models_that_bind_it() {
    let mut body = json!({
        "model": "claude-opus-5-5", "max_tokens": 5,
        "thinking": { "type": "adaptive", "block_binding": { "prefix_mismatch_behavior": "drop_block" } },
        "messages": [{ "role": "user", "content": "hi" }],
    });
    let beta = ("anthropic-beta", "thinking-binding-controls-2026-08-01");
    assert_eq!(problems_with(&[VERSION, beta], &body), Vec::<String>::new());
    one_says(&problems(&body), "thinking-binding-controls");
    body["model"] = json!("claude-opus-5");
    one_says(&problems_with(&[VERSION, beta], &body), "block_binding: Extra inputs");
    body["model"] = json!("claude-haiku-5-5");
    body["thinking"]["type"] = json!("disabled");
    one_says(&problems_with(&[VERSION, beta], &body), "block_binding: Extra inputs");
}

#[test]
fn an_adaptive_turn_need_not_begin_with_thinking_but_loses_none() {
    let mut body = sound();
    body["thinking"] = json!({ "type": "adaptive" });
    let message = body["messages"][1]["content"].as_array_mut().unwrap();
    message.remove(0);
    one_says(&problems(&body), "its thinking is gone");
    body["messages"].as_array_mut().unwrap().extend([
        json!({ "role": "assistant", "content": "Done." }),
        json!({ "role": "user", "content": "Thanks." }),
    ]);
    assert_eq!(problems(&body), Vec::<String>::new(), "earlier turns may have lost it");
}
