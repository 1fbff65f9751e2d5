use serde_json::json;

use super::*;

fn sound() -> Value {
    json!({
        "model": "m",
        "stream": true,
        "stream_options": { "include_usage": true },
        "temperature": 0.5,
        "tools": [{ "type": "function", "function":
            { "name": "t", "description": "d", "parameters": { "type": "object" } } }],
        "tool_choice": { "type": "function", "function": { "name": "t" } },
        "response_format": { "type": "json_schema", "json_schema":
            { "name": "answer", "strict": true, "schema":
                { "type": "object", "additionalProperties": false, "required": ["a"],
                    "properties": { "a": { "type": "array", "items": { "type": "string" } } } } } },
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": [
                { "type": "text", "text": "hi" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,aGk=" } },
                { "type": "input_audio", "input_audio": { "data": "aGk=", "format": "wav" } },
            ] },
            { "role": "assistant", "content": null, "reasoning_content": "Hm.", "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "t", "arguments": "{}" } },
                { "id": "c2", "type": "function", "function": { "name": "t", "arguments": "{" } },
            ] },
            { "role": "tool", "tool_call_id": "c2", "content": "2" },
            { "role": "tool", "tool_call_id": "c1", "content": [{ "type": "text", "text": "1" }] },
            { "role": "user", "content": "go on" },
        ],
    })
}

#[test]
fn a_sound_conversation_has_no_problems() {
    assert_eq!(request(&sound()), Vec::<String>::new());
}

#[test]
fn each_mistake_is_found() {
    let cases: Vec<(&str, Value, &str)> = vec![
        ("/model", Value::Null, "'model'"),
        ("/model", json!(""), "model parameter"),
        ("/messages", Value::Null, "'messages'"),
        ("/messages", json!([]), "empty array"),
        ("/input", json!("x"), "Unknown parameter: 'input'"),
        ("/stream", json!(false), "only allowed when 'stream'"),
        ("/stream", json!("yes"), "a boolean"),
        ("/stream_options", json!({ "usage": true }), "'stream_options.usage'"),
        ("/max_tokens", json!(0), "below minimum"),
        ("/temperature", json!(3), "temperature"),
        ("/stop", json!(["a", "b", "c", "d", "e"]), "'stop'"),
        ("/metadata", json!({ "n": 1 }), "'metadata'"),
        ("/tools", Value::Null, "'tool_choice' is only allowed"),
        ("/tools", json!([]), "empty array"),
        ("/tools/0/name", json!("t"), "'tools[0].name'"),
        ("/tools/0/function/name", json!("a b"), "function.name"),
        ("/tools/0/function/parameters", json!({ "type": "array" }), "not 'object'"),
        ("/tools/0/function/parameters/properties", json!(1), "no valid JSON Schema"),
        ("/tool_choice/function/name", json!("u"), "not found"),
        ("/tool_choice", json!("any"), "tool_choice"),
        ("/response_format", json!({ "type": "yaml" }), "response_format"),
        ("/tools/0/function/strict", json!(true), "'additionalProperties' is required"),
        ("/response_format/json_schema/schema/required", json!([]), "every key in properties"),
        (
            "/response_format/json_schema/schema/properties/a/items",
            json!({ "type": "object" }),
            "'additionalProperties' is required",
        ),
        ("/response_format/json_schema/name", Value::Null, "json_schema.name"),
        ("/messages/0/role", json!("narrator"), "role"),
        ("/messages/0/content", Value::Null, "'messages[0].content'"),
        ("/messages/1/content", json!([]), "empty array"),
        ("/messages/1/content/0/type", json!("input_text"), "Supported values"),
        ("/messages/1/content/1/image_url/url", json!("/tmp/x.png"), "incomplete"),
        ("/messages/1/content/2/input_audio/format", json!("ogg"), "incomplete"),
        ("/messages/2/tool_calls", Value::Null, "got null"),
        ("/messages/2/tool_calls/1/id", json!("c1"), "there twice"),
        ("/messages/2/tool_calls/1/id", json!("c3"), "did not have response messages"),
        ("/messages/2/tool_calls/0/function/arguments", json!({}), "a string"),
        ("/messages/2/tool_calls/0/type", Value::Null, "tool_calls[0].type"),
        ("/messages/3/tool_call_id", json!("c9"), "must be a response"),
        ("/messages/3/tool_call_id", json!("c1"), "must be a response"),
        ("/messages/3/role", json!("user"), "did not have response messages"),
        ("/messages/5/role", json!("tool"), "must be a response"),
    ];
    for (path, value, expected) in cases {
        let mut body = sound();
        let (parent, name) = path.rsplit_once('/').unwrap();
        match body.pointer_mut(parent).unwrap() {
            Value::Object(fields) if value.is_null() => {
                fields.remove(name).unwrap();
            }
            Value::Object(fields) => {
                fields.insert(name.to_owned(), value.clone());
            }
            other => panic!("{path}: {other}"),
        }
        let found = request(&body);
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{path} = {value}: {found:#?} has no {expected:?}"
        );
    }
}

#[test]
fn names_of_tools_are_unique_and_limits_stand_alone() {
    let mut body = sound();
    let tool = body["tools"][0].clone();
    body["tools"].as_array_mut().unwrap().push(tool);
    body["max_tokens"] = json!(5);
    body["max_completion_tokens"] = json!(5);
    let found = request(&body);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("at the same time") && found[1].contains("twice"), "{found:?}");
}
