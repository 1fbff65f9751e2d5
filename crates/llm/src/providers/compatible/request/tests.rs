use serde_json::json;

use super::*;
use crate::types::{
    AudioData, ContentPart, DocumentData, ImageData, Message, ProviderRaw, Role, ToolCallData,
    ToolResultData,
};

fn call_of(request: &Request) -> Call {
    translate(request, Mode::Whole).unwrap()
}

fn sent(messages: Vec<Message>) -> Value {
    call_of(&Request::new("m", messages)).body["messages"].clone()
}

fn refused(parts: Vec<ContentPart>, role: Role) -> String {
    let request = Request::new("m", vec![Message::new(role, parts)]);
    let error = translate(&request, Mode::Whole).unwrap_err();
    assert_eq!((error.kind(), error.provider()), (ErrorKind::InvalidRequest, Some(NAME)));
    error.message().to_owned()
}

fn with_options(options: Value) -> Request {
    let mut request = Request::new("m", vec![Message::developer("d"), Message::user("u")]);
    request.provider_options.insert(NAME.into(), options);
    request
}

fn own(part: ContentPart, block: Value) -> ContentPart {
    part.with_provider_raw(ProviderRaw::new(NAME, block))
}

#[test]
fn llm_8_2_compatible_all_five_roles_are_translated_and_instructions_in_a_row_are_one_message() {
    let mut named = Message::user("third");
    named.name = Some("ann".into());
    let messages = vec![
        Message::system("be brief"),
        Message::developer("use metric units"),
        Message::user("hi"),
        Message::assistant("hello"),
        Message::new(
            Role::Assistant,
            vec![ContentPart::tool_call(ToolCallData::new("c1", "t", json!({ "a": 1 })))],
        ),
        Message::tool_result("c1", json!({ "k": 2 }), false),
        named,
    ];
    assert_eq!(
        sent(messages),
        json!([
            { "role": "system", "content": "be brief\n\nuse metric units" },
            { "role": "user", "content": "hi" },
            { "role": "assistant", "content": "hello" },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "t", "arguments": "{\"a\":1}" } },
            ] },
            { "role": "tool", "tool_call_id": "c1", "content": "{\"k\":2}" },
            { "role": "user", "name": "ann", "content": "third" },
        ])
    );
}

#[test]
fn llm_8_3_compatible_media_go_inline_and_what_has_no_place_is_refused() {
    let parts = vec![
        ContentPart::text("see"),
        ContentPart::image(ImageData {
            url: Some("https://x/y.png".into()),
            detail: Some("low".into()),
            ..ImageData::default()
        }),
        ContentPart::image(ImageData { data: Some(vec![1, 2, 3]), ..ImageData::default() }),
        ContentPart::Audio {
            audio: AudioData {
                data: Some(vec![4]),
                media_type: Some("audio/mpeg".into()),
                ..AudioData::default()
            },
            provider_raw: None,
        },
        ContentPart::Document {
            document: DocumentData {
                data: Some(vec![4]),
                file_name: Some("a.pdf".into()),
                ..DocumentData::default()
            },
            provider_raw: None,
        },
    ];
    assert_eq!(
        sent(vec![Message::new(Role::User, parts)])[0]["content"],
        json!([
            { "type": "text", "text": "see" },
            { "type": "image_url", "image_url": { "url": "https://x/y.png", "detail": "low" } },
            { "type": "image_url", "image_url": { "url": "data:image/png;base64,AQID" } },
            { "type": "input_audio", "input_audio": { "data": "BA==", "format": "mp3" } },
            { "type": "file", "file": { "filename": "a.pdf", "file_data": "data:application/pdf;base64,BA==" } },
        ])
    );
    let audio = |audio| ContentPart::Audio { audio, provider_raw: None };
    let flac = AudioData {
        data: Some(vec![1]),
        media_type: Some("audio/flac".into()),
        ..AudioData::default()
    };
    assert!(refused(vec![audio(flac)], Role::User).contains("audio/flac"));
    let by_url = AudioData { url: Some("https://x/y.wav".into()), ..AudioData::default() };
    assert!(refused(vec![audio(by_url)], Role::User).contains("not by URL"));
    let document = DocumentData { url: Some("https://x/y.pdf".into()), ..DocumentData::default() };
    let document = ContentPart::Document { document, provider_raw: None };
    assert!(refused(vec![document.clone()], Role::User).contains("not by URL"));
    assert!(refused(vec![document.clone()], Role::System).contains("`document`"));
    assert!(refused(vec![document], Role::Tool).contains("`document`"));
    assert!(refused(vec![ContentPart::image(ImageData::default())], Role::User).contains("one of"));
}

#[test]
fn pictures_of_tool_results_follow_all_results_as_the_users_with_a_warning() {
    let result = |id: &str, image: Option<Vec<u8>>| {
        let result = ToolResultData { image_data: image, ..ToolResultData::new(id, "out", false) };
        Message::new(Role::Tool, vec![ContentPart::tool_result(result)])
    };
    let request = Request::new(
        "m",
        vec![result("a", Some(vec![9])), result("b", None), Message::assistant("seen")],
    );
    let call = call_of(&request);
    assert_eq!(
        call.body["messages"],
        json!([
            { "role": "tool", "tool_call_id": "a", "content": "out" },
            { "role": "tool", "tool_call_id": "b", "content": "out" },
            { "role": "user", "content": [
                { "type": "text", "text": "Image in the result of tool call a:" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,CQ==" } },
            ] },
            { "role": "assistant", "content": "seen" },
        ])
    );
    let codes: Vec<_> = call.warnings.iter().map(|warning| warning.code.as_deref()).collect();
    assert_eq!(codes, [Some("tool_result_image_moved")]);
}

#[test]
fn reasoning_goes_back_under_its_own_field_where_tools_are_in_play() {
    let thought = own(
        ContentPart::thinking("hm"),
        json!({ "reasoning_content": "hm", "reasoning_details": [{ "type": "reasoning.encrypted", "data": "x" }] }),
    );
    let foreign = ContentPart::thinking("foreign");
    let with_call = Message::new(
        Role::Assistant,
        vec![
            thought.clone(),
            foreign,
            ContentPart::tool_call(ToolCallData::new("c", "t", json!({}))),
        ],
    );
    let messages = sent(vec![with_call, Message::tool_result("c", "x", false)]);
    assert_eq!(messages[0]["reasoning_content"], "hm");
    assert_eq!(messages[0]["reasoning_details"][0]["data"], "x");
    assert_eq!(messages[0]["content"], Value::Null);

    let plain = Message::new(Role::Assistant, vec![thought.clone(), ContentPart::text("a")]);
    assert_eq!(sent(vec![plain.clone()]), json!([{ "role": "assistant", "content": "a" }]));
    let mut always = Request::new("m", vec![plain.clone()]);
    always.provider_options.insert(NAME.into(), json!({ "return_reasoning": true }));
    assert_eq!(call_of(&always).body["messages"][0]["reasoning_content"], "hm");
    let mut never = Request::new("m", vec![plain]);
    never.tools.push(tool_named("t"));
    assert_eq!(call_of(&never).body["messages"][0]["reasoning_content"], "hm");
    never.provider_options.insert(NAME.into(), json!({ "return_reasoning": false }));
    let call = call_of(&never);
    assert_eq!(call.body["messages"][0], json!({ "role": "assistant", "content": "a" }));
    assert_eq!(call.body.get("return_reasoning"), None);

    // A reply that was cut off while thinking says nothing.
    assert_eq!(sent(vec![Message::new(Role::Assistant, vec![thought])]), json!([]));
}

fn tool_named(name: &str) -> ToolDefinition {
    ToolDefinition::new(name, "does it", json!({ "type": "object", "properties": {} })).unwrap()
}

#[test]
fn a_call_goes_back_with_what_the_server_put_beside_it() {
    let block = json!({
        "index": 0, "id": "c", "type": "function",
        "function": { "name": "t", "arguments": "{ \"a\" : 1 }" },
        "extra_content": { "google": { "thought_signature": "s" } },
    });
    let signed =
        own(ContentPart::tool_call(ToolCallData::new("c", "t", json!({ "a": 1 }))), block.clone());
    let object = own(
        ContentPart::tool_call(ToolCallData::new("call_canon_1", "t", json!({ "a": 1 }))),
        json!({ "function": { "name": "t", "arguments": { "a": 1 } } }),
    );
    let custom = ContentPart::tool_call(ToolCallData {
        call_type: "custom".into(),
        ..ToolCallData::new("d", "patch", json!("*** Begin"))
    });
    let mut expected = block;
    expected.as_object_mut().unwrap().remove("index");
    assert_eq!(
        sent(vec![Message::new(Role::Assistant, vec![signed, object, custom])])[0]["tool_calls"],
        json!([
            expected,
            { "id": "call_canon_1", "type": "function", "function": { "name": "t", "arguments": "{\"a\":1}" } },
            { "id": "d", "type": "custom", "custom": { "name": "patch", "input": "*** Begin" } },
        ])
    );
}

#[test]
fn ruling_llm_compatible_own_blocks_go_back_and_foreign_or_unknown_ones_do_not() {
    let thinking = json!({ "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] });
    let parts = vec![
        own(ContentPart::thinking("hm"), thinking.clone()),
        ContentPart::text("a"),
        own(ContentPart::text("no"), json!({ "refusal": "no" })),
        ContentPart::provider_block(NAME, "message.annotations", json!({ "annotations": [1] })),
        ContentPart::provider_block(
            NAME,
            "message.audio",
            json!({ "audio": { "id": "au", "data": "AAAA" } }),
        ),
        ContentPart::provider_block("anthropic", "server_tool_use", json!({ "type": "x" })),
        ContentPart::image(ImageData { data: Some(vec![1]), ..ImageData::default() }),
        own(ContentPart::image(ImageData::default()), json!({ "images": [1] })),
        own(ContentPart::image(ImageData::default()), json!({ "images": [2] })),
    ];
    let mut request = Request::new("m", vec![Message::new(Role::Assistant, parts)]);
    request.tools.push(tool_named("t"));
    let call = call_of(&request);
    assert_eq!(
        call.body["messages"][0],
        json!({
            "role": "assistant",
            "content": [thinking, { "type": "text", "text": "a" }],
            "refusal": "no",
            "audio": { "id": "au" },
            "images": [1, 2],
        })
    );
    assert_eq!(call.warnings[0].code.as_deref(), Some("content_left_out"));
}

#[test]
fn llm_8_7_compatible_tool_choice_modes_are_translated() {
    for (choice, expected) in [
        (ToolChoice::Auto, json!("auto")),
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (
            ToolChoice::Named { tool_name: "t".into() },
            json!({ "type": "function", "function": { "name": "t" } }),
        ),
    ] {
        let mut request = Request::new("m", vec![Message::user("x")]);
        request.tools.push(tool_named("t"));
        request.tool_choice = Some(choice);
        let body = call_of(&request).body;
        assert_eq!(body["tool_choice"], expected);
        assert_eq!(
            body["tools"],
            json!([{ "type": "function", "function": { "name": "t", "description": "does it", "parameters": { "type": "object", "properties": {} } } }])
        );
    }
}

#[test]
fn a_tool_choice_that_says_nothing_without_tools_is_left_out() {
    let mut request = Request::new("m", vec![Message::user("x")]);
    for (choice, kept) in
        [(ToolChoice::Auto, false), (ToolChoice::None, false), (ToolChoice::Required, true)]
    {
        request.tool_choice = Some(choice);
        assert_eq!(call_of(&request).body.get("tool_choice").is_some(), kept);
    }
}

#[test]
fn parameters_and_formats_are_set() {
    let mut request = Request::new("m", vec![Message::user("x")]);
    request.temperature = Some(0.5);
    request.top_p = Some(0.9);
    request.max_tokens = Some(100);
    request.reasoning_effort = Some("low".into());
    request.metadata.insert("k".into(), "v".into());
    request.stop_sequences.push("END".into());
    let mut schema = json!({ "title": "A thing", "type": "object", "properties": {}, "required": [], "additionalProperties": false });
    request.response_format = Some(ResponseFormat {
        kind: ResponseFormatKind::JsonSchema,
        json_schema: Some(schema.clone()),
        strict: true,
    });
    let call = translate(&request, Mode::Stream).unwrap();
    assert_eq!(
        call.body,
        json!({
            "model": "m",
            "messages": [{ "role": "user", "content": "x" }],
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 100,
            "stop": ["END"],
            "reasoning_effort": "low",
            "metadata": { "k": "v" },
            "response_format": { "type": "json_schema", "json_schema": { "name": "A_thing", "schema": schema, "strict": true } },
            "stream": true,
            "stream_options": { "include_usage": true },
        })
    );
    assert_eq!((call.path.as_str(), call.warnings.len()), ("/chat/completions", 0));
    schema["additionalProperties"] = json!(true);
    request.response_format = Some(ResponseFormat {
        kind: ResponseFormatKind::JsonSchema,
        json_schema: Some(schema),
        strict: true,
    });
    let open = call_of(&request);
    assert_eq!(open.body["response_format"]["json_schema"]["strict"], false, "it would be refused");
    assert_eq!(open.warnings[0].code.as_deref(), Some("schema_not_strict"));
    request.response_format =
        Some(ResponseFormat { kind: ResponseFormatKind::Json, json_schema: None, strict: false });
    let body = call_of(&request).body;
    assert_eq!(body["response_format"], json!({ "type": "json_object" }));
    assert_eq!((&body["stream"], body.get("stream_options")), (&json!(false), None));
}

#[test]
fn llm_8_2_compatible_provider_options_are_merged_and_a_null_takes_a_field_out() {
    let mut request = with_options(json!({
        "max_tokens": null, "max_completion_tokens": 5, "chat_template_kwargs": { "enable_thinking": false },
        "stream_options": { "include_usage": null }, "tools": [{ "type": "web_search" }],
        "developer_role": true,
    }));
    request.max_tokens = Some(100);
    request.tools.push(tool_named("t"));
    let body = translate(&request, Mode::Stream).unwrap().body;
    assert_eq!(body.get("max_tokens"), None);
    assert_eq!(body["max_completion_tokens"], 5);
    assert_eq!(body["chat_template_kwargs"]["enable_thinking"], false);
    assert_eq!(body["stream_options"], json!({}));
    assert_eq!(body["tools"].as_array().unwrap().len(), 2);
    assert_eq!(body["messages"][0], json!({ "role": "developer", "content": "d" }));
    assert_eq!(body.get("developer_role"), None);
    let odd = with_options(json!({ "developer_role": "yes" }));
    assert!(translate(&odd, Mode::Whole).unwrap_err().message().contains("developer_role"));
}
