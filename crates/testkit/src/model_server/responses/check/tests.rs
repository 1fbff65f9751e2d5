use serde_json::json;

use super::*;

fn problems(body: Value) -> Vec<String> {
    let mut issued = Issued::default();
    let sent = json!({
        "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret",
    });
    note(&json!({ "output": [sent] }), &mut issued);
    request(&body, &issued)
}

fn with_input(input: Value) -> Vec<String> {
    problems(json!({ "model": "gpt-5.2", "store": false, "input": input }))
}

#[test]
fn a_sound_conversation_has_no_problems() {
    let found = with_input(json!([
        { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
        { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret" },
        { "type": "function_call", "call_id": "c1", "name": "t", "arguments": "{}" },
        { "type": "function_call", "call_id": "c2", "name": "t", "arguments": "{}" },
        { "type": "function_call_output", "call_id": "c2", "output": "2" },
        { "type": "function_call_output", "call_id": "c1", "output": "1" },
    ]));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn each_mistake_is_found() {
    let call = json!({ "type": "function_call", "call_id": "c", "name": "t", "arguments": "{}" });
    let output = json!({ "type": "function_call_output", "call_id": "c", "output": "x" });
    let user = json!({ "role": "user", "content": "hi" });
    let reasoning =
        json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret" });
    let cases = [
        (json!([output]), "No tool call found"),
        (json!([call]), "No tool output found"),
        (json!([call, user, output]), "stands before the output"),
        (json!([call, output, output]), "second output"),
        (json!([call, call, output]), "twice"),
        (json!([reasoning]), "required following item"),
        (json!([reasoning, user]), "not followed"),
        (
            json!([{ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "other" }, call, output]),
            "was changed",
        ),
        (
            json!([{ "type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "other" }, call, output]),
            "could not be verified",
        ),
        (json!([{ "type": "reasoning", "id": "rs_2", "summary": [] }, call, output]), "not found"),
        (json!([{ "type": "surprise" }]), "no type of an input item"),
        (json!([{ "role": "tool", "content": "x" }]), "'role'"),
        (
            json!([{ "role": "user", "content": [{ "type": "output_text", "text": "x" }] }]),
            "Supported values",
        ),
        (
            json!([{ "role": "user", "content": [{ "type": "input_image", "image_url": "/tmp/x.png" }] }]),
            "incomplete",
        ),
        (json!([]), "empty"),
    ];
    for (input, expected) in cases {
        let found = with_input(input.clone());
        assert!(found.iter().any(|problem| problem.contains(expected)), "{input}: {found:?}");
    }
    let bodies = [
        (json!({ "input": "x" }), "'model'"),
        (json!({ "model": "m" }), "'input'"),
        (json!({ "model": "m", "input": "x", "messages": [] }), "Unknown parameter"),
        (json!({ "model": "m", "input": "x", "tool_choice": "required" }), "tool_choice"),
        (
            json!({ "model": "gpt-4o", "input": "x", "include": ["reasoning.encrypted_content"] }),
            "Encrypted content",
        ),
        (
            json!({ "model": "m", "input": "x", "tools": [{ "type": "function", "name": "a b", "strict": false, "parameters": { "type": "object" } }] }),
            "name",
        ),
        (
            json!({ "model": "m", "input": "x", "tools": [{ "type": "function", "name": "a", "parameters": { "type": "object" } }] }),
            "strict",
        ),
        (
            json!({ "model": "m", "input": "x", "tools": [{ "type": "function", "name": "a", "strict": true, "parameters": { "type": "object" } }] }),
            "'additionalProperties' is required",
        ),
        (
            json!({ "model": "m", "input": "x", "text": { "format": { "type": "json_schema", "name": "a", "strict": true, "schema": { "type": "object", "additionalProperties": false, "properties": { "b": {} } } } } }),
            "every key in properties",
        ),
        (
            json!({ "model": "m", "input": "x", "tools": [{ "type": "function", "name": "a", "strict": false, "parameters": { "type": "object", "properties": 3 } }] }),
            "schema",
        ),
    ];
    for (body, expected) in bodies {
        let found = problems(body.clone());
        assert!(found.iter().any(|problem| problem.contains(expected)), "{body}: {found:?}");
    }
}
