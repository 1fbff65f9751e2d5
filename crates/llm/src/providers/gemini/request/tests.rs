use serde_json::json;

use super::*;
use crate::error::ErrorKind;
use crate::types::{
    AudioData, ContentPart, DocumentData, ImageData, Message, ProviderRaw, Role, ThinkingData,
    ToolCallData, ToolDefinition, ToolResultData,
};

const NEW: &str = "gemini-3-flash-preview";
const OLD: &str = "gemini-2.0-flash";

fn call(request: &Request) -> Call {
    translate(request, Mode::Whole).unwrap()
}

fn body(request: &Request) -> Value {
    call(request).body
}

fn refusal(request: &Request) -> String {
    let error = translate(request, Mode::Whole).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    error.message().to_owned()
}

fn asked(model: &str) -> Request {
    Request::new(model, vec![Message::user("hi")])
}

fn conversation(model: &str, messages: Vec<Message>) -> Value {
    body(&Request::new(model, messages))["contents"].take()
}

fn assistant(parts: Vec<ContentPart>) -> Message {
    Message::new(Role::Assistant, parts)
}

fn made(id: &str, name: &str) -> ContentPart {
    ContentPart::tool_call(ToolCallData::new(id, name, json!({ "a": 1 })))
}

fn received(id: &str, block: Value) -> ContentPart {
    let name = block["functionCall"]["name"].as_str().unwrap().to_owned();
    ContentPart::tool_call(ToolCallData::new(id, name, json!({})))
        .with_provider_raw(ProviderRaw::new(NAME, block))
}

fn shell() -> ToolDefinition {
    ToolDefinition::new(
        "shell",
        "runs a command",
        json!({
            "type": "object",
            "properties": { "command": { "$ref": "#/$defs/c" } },
            "$defs": { "c": { "type": ["string", "null"], "pattern": "^l" } },
            "additionalProperties": false,
        }),
    )
    .unwrap()
}

#[test]
fn llm_8_2_all_five_roles_are_translated() {
    let request = Request::new(
        OLD,
        vec![
            Message::system("be brief"),
            Message::user("hi"),
            Message::developer("in English"),
            assistant(vec![ContentPart::text("calling"), made("c1", "shell")]),
            Message::tool_result("c1", "a.txt", false),
            Message::assistant("done"),
            Message::user("thanks"),
        ],
    );
    let sent = body(&request);
    assert_eq!(
        sent["systemInstruction"],
        json!({ "parts": [{ "text": "be brief" }, { "text": "in English" }] })
    );
    assert_eq!(
        sent["contents"],
        json!([
            { "role": "user", "parts": [{ "text": "hi" }] },
            { "role": "model", "parts": [
                { "text": "calling" },
                { "functionCall": { "name": "shell", "args": { "a": 1 } } },
            ] },
            { "role": "user", "parts": [
                { "functionResponse": { "name": "shell", "response": { "result": "a.txt" } } },
            ] },
            { "role": "model", "parts": [{ "text": "done" }] },
            { "role": "user", "parts": [{ "text": "thanks" }] },
        ])
    );
}

#[test]
fn the_model_and_the_mode_are_the_path() {
    let cases = [
        ("gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro"),
        ("models/gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro"),
        ("tunedModels/my-own", "/v1beta/tunedModels/my-own"),
        ("a/../b?x#y z:é", "/v1beta/models/a%2F..%2Fb%3Fx%23y%20z%3A%C3%A9"),
    ];
    for (model, path) in cases {
        let request = asked(model);
        assert_eq!(call(&request).path, format!("{path}:generateContent"));
        let streamed = translate(&request, Mode::Stream).unwrap();
        assert_eq!(streamed.path, format!("{path}:streamGenerateContent?alt=sse"));
        assert_eq!(streamed.body, body(&request));
    }
    for model in ["", "models/"] {
        assert!(refusal(&asked(model)).contains("no model"));
    }
}

#[test]
fn parameters_stand_in_the_generation_config() {
    let request = Request {
        temperature: Some(0.5),
        top_p: Some(0.9),
        max_tokens: Some(100),
        stop_sequences: vec!["END".into()],
        ..asked(OLD)
    };
    assert_eq!(
        body(&request)["generationConfig"],
        json!({ "temperature": 0.5, "topP": 0.9, "maxOutputTokens": 100, "stopSequences": ["END"] })
    );
    assert_eq!(body(&asked(OLD)).get("generationConfig"), None);
}

#[test]
fn llm_8_9_structured_output_sends_the_whole_schema() {
    let schema = json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/x" } }, "$defs": { "x": { "type": "string" } } });
    let with = |kind, json_schema| Request {
        response_format: Some(ResponseFormat { kind, json_schema, strict: true }),
        ..asked(OLD)
    };
    assert_eq!(
        body(&with(ResponseFormatKind::JsonSchema, Some(schema.clone())))["generationConfig"],
        json!({ "responseMimeType": "application/json", "responseJsonSchema": schema })
    );
    assert_eq!(
        body(&with(ResponseFormatKind::Json, None))["generationConfig"],
        json!({ "responseMimeType": "application/json" })
    );
    assert_eq!(body(&with(ResponseFormatKind::Text, None)).get("generationConfig"), None);
    assert!(refusal(&with(ResponseFormatKind::JsonSchema, None)).contains("json_schema"));
}

#[test]
fn llm_8_7_tool_choice_modes_are_translated() {
    let with = |choice| Request { tools: vec![shell()], tool_choice: choice, ..asked(OLD) };
    let sent = body(&with(None));
    assert_eq!(
        sent["tools"],
        json!([{ "functionDeclarations": [{
            "name": "shell",
            "description": "runs a command",
            "parametersJsonSchema": shell().parameters,
        }] }])
    );
    assert_eq!(sent.get("toolConfig"), None);
    let named = ToolChoice::Named { tool_name: "shell".into() };
    for (choice, wanted) in [
        (ToolChoice::Auto, json!({ "mode": "AUTO" })),
        (ToolChoice::None, json!({ "mode": "NONE" })),
        (ToolChoice::Required, json!({ "mode": "ANY" })),
        (named, json!({ "mode": "ANY", "allowedFunctionNames": ["shell"] })),
    ] {
        let sent = body(&with(Some(choice)));
        assert_eq!(sent["toolConfig"], json!({ "functionCallingConfig": wanted }));
    }
    let nothing = Request { tool_choice: Some(ToolChoice::None), ..asked(OLD) };
    assert_eq!(body(&nothing).get("toolConfig"), None);
}

#[test]
fn llm_8_7_parallel_results_go_back_together_in_the_order_of_the_calls() {
    let contents = conversation(
        OLD,
        vec![
            Message::user("go"),
            assistant(vec![made("c1", "read"), made("c2", "read"), made("c3", "list")]),
            Message::tool_result("c3", json!({ "files": [] }), false),
            Message::tool_result("c2", "two", true),
            Message::new(
                Role::User,
                vec![
                    ContentPart::tool_result(ToolResultData::new("c1", "one", false)),
                    ContentPart::text("go on"),
                ],
            ),
        ],
    );
    assert_eq!(
        contents[2]["parts"],
        json!([
            { "functionResponse": { "name": "read", "response": { "result": "one" } } },
            { "functionResponse": { "name": "read", "response": { "error": "two" } } },
            { "functionResponse": { "name": "list", "response": { "files": [] } } },
        ])
    );
    assert_eq!(contents[3], json!({ "role": "user", "parts": [{ "text": "go on" }] }));
    assert_eq!(contents.as_array().unwrap().len(), 4);
}

#[test]
fn results_are_objects_that_cannot_be_mistaken() {
    let output = |content: Value, is_error| {
        let contents = conversation(
            OLD,
            vec![assistant(vec![made("c", "t")]), Message::tool_result("c", content, is_error)],
        );
        contents[1]["parts"][0]["functionResponse"]["response"].clone()
    };
    assert_eq!(output(json!("x"), false), json!({ "result": "x" }));
    assert_eq!(output(json!([1]), false), json!({ "result": [1] }));
    assert_eq!(output(json!({ "a": 1 }), false), json!({ "a": 1 }));
    let speaking = json!({ "output": "x", "exit_code": 1 });
    assert_eq!(output(speaking.clone(), false), json!({ "result": speaking }));
    assert_eq!(output(speaking.clone(), true), json!({ "error": speaking }));
}

#[test]
fn an_id_goes_back_only_if_the_api_gave_it() {
    let theirs = json!({ "functionCall": { "name": "a", "args": {}, "id": "api-1" }, "thoughtSignature": "s" });
    let ours = json!({ "functionCall": { "name": "b", "args": {} } });
    let contents = conversation(
        NEW,
        vec![
            Message::user("go"),
            assistant(vec![received("api-1", theirs.clone()), received("call_2", ours.clone())]),
            Message::tool_result("call_2", "two", false),
            Message::tool_result("api-1", "one", false),
        ],
    );
    assert_eq!(contents[1]["parts"], json!([theirs, ours]));
    assert_eq!(
        contents[2]["parts"],
        json!([
            { "functionResponse": { "id": "api-1", "name": "a", "response": { "result": "one" } } },
            { "functionResponse": { "name": "b", "response": { "result": "two" } } },
        ])
    );
    assert!(!contents.to_string().contains("call_2"));
}

#[test]
fn a_result_without_a_call_is_refused_with_the_reason() {
    let orphan =
        Request::new(OLD, vec![Message::user("x"), Message::tool_result("c9", "x", false)]);
    assert!(refusal(&orphan).contains("`c9`"));
    let nameless = Request::new(OLD, vec![Message::new(Role::Tool, vec![ContentPart::text("x")])]);
    assert!(refusal(&nameless).contains("tool_call_id"));
    let mut named = Message::new(Role::Tool, vec![ContentPart::text("text")]);
    named.tool_call_id = Some("c".into());
    let contents = conversation(OLD, vec![assistant(vec![made("c", "t")]), named]);
    let response = &contents[1]["parts"][0]["functionResponse"]["response"];
    assert_eq!(*response, json!({ "result": "text" }));
}

#[test]
fn ruling_llm_thought_signatures_go_back_in_the_very_part() {
    let blocks = [
        json!({ "text": "hm", "thought": true }),
        json!({ "text": "Hello", "thoughtSignature": "sig-1" }),
        json!({ "text": "", "thoughtSignature": "sig-2" }),
        json!({ "functionCall": { "name": "t", "args": {} }, "thoughtSignature": "sig-3" }),
        json!({ "executableCode": { "language": "PYTHON", "code": "1" } }),
    ];
    let raw = |block: &Value| ProviderRaw::new(NAME, block.clone());
    let message = assistant(vec![
        ContentPart::thinking("hm").with_provider_raw(raw(&blocks[0])),
        ContentPart::text("Hello").with_provider_raw(raw(&blocks[1])),
        ContentPart::RedactedThinking {
            thinking: ThinkingData::default(),
            provider_raw: Some(raw(&blocks[2])),
        },
        received("c", blocks[3].clone()),
        ContentPart::provider_block(NAME, "executableCode", blocks[4].clone()),
    ]);
    assert_eq!(conversation(NEW, vec![message])[0]["parts"], json!(blocks));
}

#[test]
fn calls_that_no_gemini_model_signed_get_the_documented_stand_in() {
    let history = || {
        vec![
            Message::user("go"),
            assistant(vec![made("c1", "a"), made("c2", "b")]),
            Message::tool_result("c1", "1", false),
            Message::tool_result("c2", "2", false),
        ]
    };
    let contents = conversation(NEW, history());
    let parts = &contents[1]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(parts[1].get("thoughtSignature"), None);
    assert!(!conversation("gemini-2.5-pro", history()).to_string().contains("thoughtSignature"));
}

#[test]
fn another_providers_reasoning_and_blocks_are_left_out() {
    let message = assistant(vec![
        ContentPart::thinking("secret").with_provider_raw(ProviderRaw::new("anthropic", json!({}))),
        ContentPart::RedactedThinking { thinking: ThinkingData::default(), provider_raw: None },
        ContentPart::provider_block("openai", "web_search_call", json!({ "type": "x" })),
        ContentPart::text(""),
        ContentPart::text("said"),
    ]);
    let only_thoughts = assistant(vec![ContentPart::thinking("secret")]);
    let contents = conversation(NEW, vec![Message::user("x"), only_thoughts, message]);
    assert_eq!(contents[1], json!({ "role": "model", "parts": [{ "text": "said" }] }));
}

#[test]
fn llm_8_3_images_audio_and_documents_are_translated() {
    let image = ImageData {
        data: Some(b"ab".to_vec()),
        media_type: Some("image/webp".into()),
        detail: Some("high".into()),
        ..ImageData::default()
    };
    let linked = ImageData { url: Some("https://x.org/a.png".into()), ..ImageData::default() };
    let audio = AudioData { data: Some(b"ab".to_vec()), ..AudioData::default() };
    let document = DocumentData {
        url: Some("https://x.org/film.mp4".into()),
        file_name: Some("film".into()),
        ..DocumentData::default()
    };
    let message = Message::new(
        Role::User,
        vec![
            ContentPart::text("look"),
            ContentPart::image(image.clone()),
            ContentPart::image(ImageData { detail: Some("low".into()), ..linked }),
            ContentPart::Audio { audio, provider_raw: None },
            ContentPart::Document { document, provider_raw: None },
        ],
    );
    let call = call(&Request::new(OLD, vec![message]));
    assert_eq!(
        call.body["contents"][0]["parts"],
        json!([
            { "text": "look" },
            { "inlineData": { "mimeType": "image/webp", "data": "YWI=" } },
            { "fileData": { "mimeType": "image/png", "fileUri": "https://x.org/a.png" } },
            { "inlineData": { "mimeType": "audio/wav", "data": "YWI=" } },
            { "fileData": { "mimeType": "video/mp4", "fileUri": "https://x.org/film.mp4" } },
        ])
    );
    let said: Vec<&str> = call.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("detail") && said[1].contains("file_name"), "{said:?}");
}

#[test]
fn pictures_of_results_stand_inside_or_beside_them() {
    let history = || {
        let mut result = ToolResultData::new("c", "seen", false);
        result.image_data = Some(b"ab".to_vec());
        vec![
            assistant(vec![made("c", "look")]),
            Message::new(Role::Tool, vec![ContentPart::tool_result(result)]),
        ]
    };
    let picture = json!({ "inlineData": { "mimeType": "image/png", "data": "YWI=" } });
    assert_eq!(
        conversation(NEW, history())[1]["parts"],
        json!([{ "functionResponse": { "name": "look", "response": { "result": "seen" }, "parts": [picture] } }])
    );
    assert_eq!(
        conversation(OLD, history())[1]["parts"],
        json!([{ "functionResponse": { "name": "look", "response": { "result": "seen" } } }, picture])
    );
}

#[test]
fn what_has_no_place_is_refused() {
    let with = |role, part| Request::new(OLD, vec![Message::new(role, vec![part])]);
    let image = ContentPart::image(ImageData::default());
    let unknown: ContentPart = serde_json::from_value(json!({ "kind": "hologram" })).unwrap();
    assert!(refusal(&with(Role::System, image.clone())).contains("system"));
    assert!(refusal(&with(Role::User, made("c", "t"))).contains("user"));
    assert!(refusal(&with(Role::User, image)).contains("exactly one"));
    assert!(refusal(&with(Role::Tool, made("c", "t"))).contains("tool"));
    assert!(refusal(&with(Role::Assistant, unknown)).contains("hologram"));
    assert!(refusal(&Request::new(OLD, vec![Message::system("x")])).contains("nothing to answer"));
}

#[test]
fn llm_8_2_provider_options_pass_through_and_merge() {
    let mut request = Request { tools: vec![shell()], temperature: Some(0.5), ..asked(OLD) };
    request.provider_options.insert(
        NAME.into(),
        json!({
            "safety_settings": [{ "category": "C", "threshold": "BLOCK_NONE" }],
            "cachedContent": "cachedContents/1",
            "generation_config": { "top_k": 5, "temperature": 0.1 },
            "tools": [{ "google_search": {} }],
            "novel_field": { "inner_name": 1 },
        }),
    );
    request.provider_options.insert("openai".into(), json!({ "store": true }));
    let sent = body(&request);
    assert_eq!(sent["generationConfig"], json!({ "temperature": 0.1, "topK": 5 }));
    assert_eq!(sent["safetySettings"][0]["threshold"], "BLOCK_NONE");
    assert_eq!(sent["cachedContent"], "cachedContents/1");
    assert_eq!(sent["tools"][0]["functionDeclarations"][0]["name"], "shell");
    assert_eq!(sent["tools"][1], json!({ "google_search": {} }));
    assert_eq!(sent["novelField"], json!({ "inner_name": 1 }));
    assert_eq!(sent.get("store"), None);
}

#[test]
fn an_option_for_thinking_takes_the_place_of_the_effort() {
    let with = |model: &str, config: Value| {
        let mut request = Request { reasoning_effort: Some("high".into()), ..asked(model) };
        let options = json!({ "generationConfig": { "thinkingConfig": config } });
        request.provider_options.insert(NAME.into(), options);
        body(&request)["generationConfig"]["thinkingConfig"].clone()
    };
    assert_eq!(
        with(NEW, json!({ "thinkingBudget": 7 })),
        json!({ "includeThoughts": true, "thinkingBudget": 7 })
    );
    assert_eq!(
        with("gemini-2.5-flash", json!({ "thinking_budget": 0 })),
        json!({ "thinkingBudget": 0 })
    );
    assert_eq!(
        with(NEW, json!({ "includeThoughts": false })),
        json!({ "includeThoughts": false, "thinkingLevel": "HIGH" })
    );
}

#[test]
fn metadata_becomes_labels_where_it_can() {
    let mut request = asked(OLD);
    request.metadata.insert("run".into(), "a-1".into());
    request.metadata.insert("User".into(), "x".into());
    let call = call(&request);
    assert_eq!(call.body["labels"], json!({ "run": "a-1" }));
    assert!(call.warnings[0].message.contains("User"), "{:?}", call.warnings);
}

#[test]
fn neighbouring_messages_of_the_model_are_one_turn_signed_once() {
    let signed =
        json!({ "functionCall": { "name": "shell", "args": {} }, "thoughtSignature": "c2ln" });
    let messages = vec![
        Message::user("go"),
        assistant(vec![ContentPart::text("One moment.")]),
        assistant(vec![received("a", signed.clone())]),
        assistant(vec![made("b", "shell")]),
        Message::tool_result("a", "1", false),
        Message::tool_result("b", "2", false),
        assistant(vec![]),
        Message::user("and?"),
    ];
    let contents = conversation(NEW, messages);
    let roles: Vec<&str> =
        contents.as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "model", "user", "user"], "{contents}");
    let call = json!({ "functionCall": { "name": "shell", "args": { "a": 1 } } });
    assert_eq!(contents[1]["parts"], json!([{ "text": "One moment." }, signed, call]));
}
