use axum::http::HeaderMap;
use serde_json::json;

use super::*;

const STREAM: &str = "/v1beta/models/gemini-3-pro-preview:streamGenerateContent";

fn problems_at(path: &str, query: &str, body: &Value) -> Vec<String> {
    let mut issued = Issued::default();
    note(
        &json!({ "candidates": [{ "content": { "parts": [
            { "text": "I'll look.", "thoughtSignature": "c2lnMA==" },
            { "functionCall": { "name": "t", "args": { "a": 1 } }, "thoughtSignature": "c2lnMQ==" },
            { "functionCall": { "name": "t", "args": { "a": 2 } } },
        ] } }] }),
        &mut issued,
    );
    let headers = HeaderMap::new();
    request(&Call { headers: &headers, path, query, body }, &issued)
}

fn problems(body: &Value) -> Vec<String> {
    problems_at(STREAM, "alt=sse", body)
}

fn sound() -> Value {
    json!({
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "generationConfig": {
            "temperature": 0.5,
            "maxOutputTokens": 100,
            "responseMimeType": "application/json",
            "responseSchema": { "type": "OBJECT", "properties": { "n": { "type": "INTEGER" } },
                "required": ["n"] },
            "thinkingConfig": { "includeThoughts": true, "thinkingLevel": "low" },
        },
        "safetySettings": [{ "category": "c", "threshold": "t" }],
        "tools": [
            { "functionDeclarations": [
                { "name": "t", "description": "d", "parametersJsonSchema": { "type": "object" } },
                { "name": "u", "parameters": { "type": "object" } },
            ] },
            { "googleSearch": {} },
        ],
        "toolConfig": { "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["t"] } },
        "contents": [
            { "role": "user", "parts": [
                { "text": "hi" },
                { "inlineData": { "mimeType": "image/png", "data": "aGk=" } },
            ] },
            { "role": "model", "parts": [
                { "text": "I'll look.", "thoughtSignature": "c2lnMA==" },
                { "functionCall": { "name": "t", "args": { "a": 1 } }, "thoughtSignature": "c2lnMQ==" },
                { "functionCall": { "name": "t", "args": { "a": 2 } } },
            ] },
            { "role": "user", "parts": [
                { "functionResponse": { "name": "t", "response": { "result": 1 } } },
                { "functionResponse": { "name": "t", "response": { "result": 2 }, "parts": [
                    { "inlineData": { "mimeType": "image/png", "data": "aGk=" } },
                ] } },
            ] },
        ],
    })
}

#[test]
fn a_sound_conversation_has_no_problems() {
    assert_eq!(problems(&sound()), Vec::<String>::new());
    let plain = "/v1beta/models/gemini-3-pro-preview:generateContent";
    assert_eq!(problems_at(plain, "", &sound()), Vec::<String>::new());
}

#[test]
fn paths_are_checked() {
    let cases = [
        (STREAM, "", "alt=sse"),
        ("/v1beta/models/x:countTokens", "", "is not found"),
        ("/v1beta/x:generateContent", "", "model name format"),
        ("/v1beta/models/:generateContent", "", "model name format"),
        ("/v1beta/models/models/x:generateContent", "", "model name format"),
    ];
    for (path, query, expected) in cases {
        let found = problems_at(path, query, &sound());
        assert!(found.iter().any(|problem| problem.contains(expected)), "{path}: {found:?}");
    }
    let old = "/v1beta/models/gemini-2.5-pro:generateContent";
    let found = problems_at(old, "", &sound());
    assert_eq!(found, ["Thinking level is not supported for this model."]);
}

#[test]
fn each_mistake_is_found() {
    let parts = "/contents/1/parts";
    let cases: Vec<(String, Value, &str)> = [
        ("/contents", Value::Null, "contents: required"),
        ("/contents", json!([]), "not specified"),
        ("/messages", json!([]), "Unknown name \"messages\""),
        ("/systemInstruction", json!("x"), "expected an object"),
        ("/systemInstruction/parts", json!([]), "must not be empty"),
        ("/systemInstruction/parts/0", json!({ "inlineData": {} }), "only text"),
        ("/generationConfig/max_tokens", json!(1), "Unknown name \"maxTokens\""),
        ("/generationConfig/max_output_tokens", json!(0), "positive"),
        ("/generationConfig/temperature", json!(3), "range"),
        ("/generationConfig/maxOutputTokens", json!(0), "positive"),
        ("/generationConfig/stopSequences", json!(["1", "2", "3", "4", "5", "6"]), "at most 5"),
        ("/generationConfig/responseMimeType", Value::Null, "only works with"),
        ("/generationConfig/responseMimeType", json!("text/yaml"), "not allowed"),
        ("/generationConfig/responseJsonSchema", json!({}), "exclude each other"),
        ("/generationConfig/responseSchema/const", json!(1), "Unknown name \"const\""),
        ("/generationConfig/responseSchema/type", json!(["object"]), "type"),
        ("/generationConfig/responseSchema/required", json!(["m"]), "not defined"),
        ("/generationConfig/responseSchema/properties/n", json!({ "type": "array" }), "items"),
        ("/generationConfig/responseSchema/properties/n", json!({ "enum": [1] }), "enum"),
        ("/generationConfig/thinkingConfig/thinkingBudget", json!(5), "only one of"),
        ("/generationConfig/thinkingConfig/thinkingLevel", json!("huge"), "thinkingLevel"),
        ("/generationConfig/thinkingConfig/effort", json!("low"), "Unknown name"),
        ("/safetySettings/0/threshold", Value::Null, "threshold: required"),
        ("/tools", json!({}), "expected a list"),
        ("/tools/1", json!({}), "one_of"),
        ("/tools/1", json!({ "web_search": {} }), "Unknown name"),
        ("/tools/0/functionDeclarations/0/name", json!("1st"), "Invalid function name"),
        ("/tools/0/functionDeclarations/0/name", json!("u"), "Duplicate"),
        ("/tools/0/functionDeclarations/0/parameters", json!({ "type": "object" }), "exclude"),
        ("/tools/0/functionDeclarations/0/parametersJsonSchema", json!({}), "not 'object'"),
        ("/tools/0/functionDeclarations/1/parameters/$schema", json!("x"), "Unknown name"),
        ("/tools/0/functionDeclarations/1/strict", json!(true), "Unknown name"),
        ("/toolConfig/functionCallingConfig/mode", json!("any"), "mode"),
        ("/toolConfig/functionCallingConfig/mode", json!("AUTO"), "only supported with"),
        ("/toolConfig/functionCallingConfig/allowedFunctionNames", json!(["x"]), "not declared"),
        ("/tools", Value::Null, "without function_declarations"),
        ("/contents/0/role", json!("assistant"), "valid role"),
        ("/contents/0/role", json!("model"), "not the user's"),
        ("/contents/0/parts", json!([]), "must not be empty"),
        ("/contents/0/parts/0", json!({}), "must have one"),
        ("/contents/0/parts/0", json!({ "text": "x", "inlineData": {} }), "already set"),
        ("/contents/0/parts/0", json!({ "input_text": "x" }), "Unknown name"),
        ("/contents/0/parts/1/inlineData/data", json!("?"), "Base64"),
        ("/contents/0/parts/1/inlineData/mimeType", json!("png"), "MIME"),
        ("/contents/0/id", json!("x"), "Unknown name"),
        ("/contents/2/role", json!("model"), "no place"),
        ("/contents/2/parts/0", json!({ "text": "x" }), "number of function response parts"),
        ("/contents/2/parts/0/functionResponse/name", json!("u"), "no function response has"),
        ("/contents/2/parts/0/functionResponse/id", json!("x"), "no function response has"),
        ("/contents/2/parts/0/functionResponse/response", json!("x"), "an object"),
        (
            "/contents/1",
            json!({ "role": "model", "parts": [{ "text": "x" }] }),
            "after a function call",
        ),
    ]
    .into_iter()
    .map(|(path, value, expected)| (path.to_owned(), value, expected))
    .chain([
        (format!("{parts}/0/thoughtSignature"), json!("b3RoZXI="), "not valid"),
        (format!("{parts}/0/text"), json!("Other."), "belongs to"),
        (format!("{parts}/0/thoughtSignature"), json!("c2lnMQ=="), "belongs to"),
        (format!("{parts}/1/thoughtSignature"), Value::Null, "missing a thought_signature"),
        (format!("{parts}/1/thoughtSignature"), Value::Null, "lost its thought signature"),
        (format!("{parts}/1/functionCall/args"), json!({ "a": 9 }), "belongs to"),
        (format!("{parts}/2/functionCall/id"), json!("call_1"), "had no id"),
    ])
    .collect();
    for (path, value, expected) in cases {
        let mut body = sound();
        put(&mut body, &path, value.clone());
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

#[test]
fn a_piece_of_a_stream_may_come_back_and_so_may_the_dummy() {
    let mut body = sound();
    body["contents"][1]["parts"][0]["text"] = json!("look.");
    assert_eq!(problems(&body), Vec::<String>::new());
    body["contents"][1]["parts"][1] =
        json!({ "functionCall": { "name": "t", "args": { "z": 1 } } });
    assert_eq!(problems(&body).len(), 1, "a foreign call needs one too");
    body["contents"][1]["parts"][1]["thoughtSignature"] = json!("skip_thought_signature_validator");
    assert_eq!(problems(&body), Vec::<String>::new());
}

#[test]
fn earlier_turns_may_have_lost_theirs() {
    let mut body = sound();
    body["contents"][1]["parts"][1].as_object_mut().unwrap().remove("thoughtSignature");
    body["contents"].as_array_mut().unwrap().extend([
        json!({ "role": "model", "parts": [{ "text": "Done." }] }),
        json!({ "role": "user", "parts": [{ "text": "Thanks." }] }),
    ]);
    assert_eq!(problems(&body), Vec::<String>::new());
}

#[test]
fn snake_case_is_the_same() {
    let mut body = sound();
    let mut config = body["generationConfig"].take();
    config["response_schema"] = config["responseSchema"].take();
    config.as_object_mut().unwrap().remove("responseSchema");
    config["response_schema"]["property_ordering"] = json!(["n"]);
    config["response_schema"]["properties"]["snake_name"] = json!({ "type": "STRING" });
    config["response_schema"]["required"] = json!(["snake_name"]);
    body["generation_config"] = config;
    body.as_object_mut().unwrap().remove("generationConfig");
    let call = &mut body["contents"][1]["parts"][1];
    *call = json!({
        "function_call": { "name": "t", "args": { "a": 1 } }, "thought_signature": "c2lnMQ==",
    });
    assert_eq!(problems(&body), Vec::<String>::new());
}
