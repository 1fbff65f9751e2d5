use serde_json::json;

use super::*;
use crate::types::{ProviderRaw, ToolChoice};

fn body(request: &Request) -> Value {
    translate(request, Mode::Whole).unwrap().body
}

fn tool_named(name: &str) -> ToolDefinition {
    ToolDefinition::new(name, "does it", json!({ "type": "object", "properties": {} })).unwrap()
}

#[test]
fn llm_8_2_openai_system_is_instructions_and_all_five_roles_are_translated() {
    let mut request = Request::new(
        "gpt-5.2",
        vec![
            Message::system("be brief"),
            Message::system("be kind"),
            Message::developer("use metric units"),
            Message::user("hi"),
            Message::assistant("hello"),
            Message::new(
                Role::Assistant,
                vec![ContentPart::tool_call(ToolCallData::new("c1", "t", json!({ "a": 1 })))],
            ),
            Message::tool_result("c1", "out", false),
        ],
    );
    request.tools.push(tool_named("t"));
    assert_eq!(
        body(&request),
        json!({
            "model": "gpt-5.2",
            "instructions": "be brief\n\nbe kind",
            "store": false,
            "stream": false,
            "tools": [{ "type": "function", "name": "t", "description": "does it", "parameters": { "type": "object", "properties": {} }, "strict": false }],
            "include": ["reasoning.encrypted_content"],
            "input": [
                { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "use metric units" }] },
                { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
                { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "hello" }] },
                { "type": "function_call", "call_id": "c1", "name": "t", "arguments": "{\"a\":1}" },
                { "type": "function_call_output", "call_id": "c1", "output": "out" },
            ],
        })
    );
}

#[test]
fn llm_8_3_openai_images_and_documents_go_by_url_or_inline_and_audio_is_refused() {
    let image = |image| ContentPart::image(image);
    let parts = vec![
        ContentPart::text("see"),
        image(ImageData {
            url: Some("https://x/y.png".into()),
            detail: Some("low".into()),
            ..Default::default()
        }),
        image(ImageData { data: Some(vec![1, 2, 3]), ..Default::default() }),
        ContentPart::Document {
            document: DocumentData {
                data: Some(vec![4]),
                file_name: Some("a.pdf".into()),
                ..Default::default()
            },
            provider_raw: None,
        },
    ];
    let request = Request::new("gpt-5.2", vec![Message::new(Role::User, parts)]);
    assert_eq!(
        body(&request)["input"][0]["content"],
        json!([
            { "type": "input_text", "text": "see" },
            { "type": "input_image", "image_url": "https://x/y.png", "detail": "low" },
            { "type": "input_image", "image_url": "data:image/png;base64,AQID", "detail": "auto" },
            { "type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BA==" },
        ])
    );
    let audio = ContentPart::Audio { audio: Default::default(), provider_raw: None };
    let request = Request::new("gpt-5.2", vec![Message::new(Role::User, vec![audio])]);
    let error = translate(&request, Mode::Whole).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("`audio`"), "{error}");
    let neither =
        Request::new("m", vec![Message::new(Role::User, vec![image(ImageData::default())])]);
    assert_eq!(translate(&neither, Mode::Whole).unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[test]
fn a_tool_result_may_carry_a_picture_or_json() {
    let mut result = ToolResultData::new("c", json!({ "k": [1] }), false);
    let plain = Message::new(Role::Tool, vec![ContentPart::tool_result(result.clone())]);
    result.image_data = Some(vec![9]);
    let picture = Message::new(Role::Tool, vec![ContentPart::tool_result(result)]);
    let request = Request::new("m", vec![plain, picture]);
    let input = &body(&request)["input"];
    assert_eq!(input[0]["output"], "{\"k\":[1]}");
    assert_eq!(input[1]["output"][0]["text"], "{\"k\":[1]}");
    assert_eq!(input[1]["output"][1]["image_url"], "data:image/png;base64,CQ==");
}

#[test]
fn ruling_llm_openai_own_blocks_go_back_verbatim_and_foreign_ones_are_translated_or_left_out() {
    let item = json!({ "type": "message", "id": "msg_1", "role": "assistant", "phase": "commentary", "content": [] });
    let reasoning =
        json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x" });
    let unsaved = json!({ "type": "reasoning", "id": "rs_2", "summary": [] });
    let search = json!({ "type": "web_search_call", "id": "ws_1", "status": "completed" });
    let own = |part: ContentPart, block: &Value| {
        part.with_provider_raw(ProviderRaw::new(NAME, block.clone()))
    };
    let message = Message::new(
        Role::Assistant,
        vec![
            own(ContentPart::thinking(""), &reasoning),
            own(ContentPart::thinking(""), &unsaved),
            ContentPart::provider_block(NAME, "web_search_call", search.clone()),
            ContentPart::provider_block("anthropic", "server_tool_use", json!({ "type": "x" })),
            own(ContentPart::text("shown"), &item),
            ContentPart::text("foreign")
                .with_provider_raw(ProviderRaw::new("anthropic", json!({}))),
            ContentPart::thinking("foreign"),
        ],
    );
    let mut request = Request::new("gpt-5.2", vec![message]);
    let foreign = json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "foreign" }] });
    assert_eq!(body(&request)["input"], json!([reasoning, search, item, foreign]));
    request.provider_options.insert(NAME.into(), json!({ "store": true }));
    assert_eq!(body(&request)["input"], json!([reasoning, unsaved, search, item, foreign]));
}

#[test]
fn llm_8_7_openai_tool_choice_modes_are_translated() {
    let choice = |choice| {
        let mut request = Request::new("m", vec![Message::user("x")]);
        request.tools.push(tool_named("t"));
        request.tool_choice = Some(choice);
        body(&request)["tool_choice"].clone()
    };
    assert_eq!(choice(ToolChoice::Auto), "auto");
    assert_eq!(choice(ToolChoice::None), "none");
    assert_eq!(choice(ToolChoice::Required), "required");
    let named = ToolChoice::Named { tool_name: "t".into() };
    assert_eq!(choice(named), json!({ "type": "function", "name": "t" }));
}

#[test]
fn llm_8_2_openai_parameters_formats_and_provider_options_are_set_and_what_cannot_be_said_is_warned_of()
 {
    let mut request = Request::new("gpt-4.1", vec![Message::user("x")]);
    request.temperature = Some(0.5);
    request.top_p = Some(0.9);
    request.max_tokens = Some(100);
    request.reasoning_effort = Some("low".into());
    request.metadata.insert("k".into(), "v".into());
    request.stop_sequences.push("END".into());
    request.response_format = Some(ResponseFormat {
        kind: ResponseFormatKind::JsonSchema,
        json_schema: Some(
            json!({ "title": "A thing!", "type": "object", "additionalProperties": false }),
        ),
        strict: true,
    });
    request.provider_options.insert(
        NAME.into(),
        json!({ "reasoning": { "summary": "auto" }, "tools": [{ "type": "web_search" }], "text": { "verbosity": "low" }, "service_tier": "flex" }),
    );
    request.provider_options.insert("gemini".into(), json!({ "ignored": true }));
    let Call { body, warnings, .. } = translate(&request, Mode::Stream).unwrap();
    assert_eq!(
        body,
        json!({
            "model": "gpt-4.1",
            "store": false,
            "stream": true,
            "temperature": 0.5,
            "top_p": 0.9,
            "max_output_tokens": 100,
            "metadata": { "k": "v" },
            "reasoning": { "effort": "low", "summary": "auto" },
            "text": {
                "format": { "type": "json_schema", "name": "A_thing_", "schema": { "title": "A thing!", "type": "object", "additionalProperties": false }, "strict": true },
                "verbosity": "low",
            },
            "tools": [{ "type": "web_search" }],
            "service_tier": "flex",
            "input": [{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "x" }] }],
        })
    );
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].message.contains("stop sequences"), "{warnings:?}");
}

#[test]
fn free_text_tools_keep_their_own_item_types() {
    let call = ToolCallData {
        call_type: "custom".into(),
        ..ToolCallData::new("c", "patch", json!("*** Begin"))
    };
    let request = Request::new(
        "gpt-5.2",
        vec![
            Message::new(Role::Assistant, vec![ContentPart::tool_call(call)]),
            Message::tool_result("c", "done", false),
        ],
    );
    assert_eq!(
        body(&request)["input"],
        json!([
            { "type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** Begin" },
            { "type": "custom_tool_call_output", "call_id": "c", "output": "done" },
        ])
    );
}

#[test]
fn strict_is_said_only_of_schemas_that_qualify() {
    let mut request = Request::new("m", vec![Message::user("x")]);
    let strict = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"], "additionalProperties": false });
    request.tools.push(ToolDefinition::new("strict", "d", strict).unwrap());
    request.tools.push(tool_named("loose"));
    let loose = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "additionalProperties": false });
    let format = |strict| ResponseFormat {
        kind: ResponseFormatKind::JsonSchema,
        json_schema: Some(loose.clone()),
        strict,
    };
    request.response_format = Some(format(true));
    let Call { body, warnings, .. } = translate(&request, Mode::Whole).unwrap();
    assert_eq!(
        (&body["tools"][0]["strict"], &body["tools"][1]["strict"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(body["text"]["format"]["strict"], false);
    assert_eq!(warnings[0].code.as_deref(), Some("schema_not_strict"));
    assert!(warnings[0].message.contains("`a` of the root is optional"), "{warnings:?}");
    request.response_format = Some(format(false));
    assert_eq!(translate(&request, Mode::Whole).unwrap().warnings, []);
}
