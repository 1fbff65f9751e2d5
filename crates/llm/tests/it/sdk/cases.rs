//! Requests with everything that a unified request can say.

use canon_llm::{
    AudioData, ContentPart, DocumentData, ImageData, Message, ProviderRaw, Request, ResponseFormat,
    ResponseFormatKind, Role, ThinkingData, ToolCallData, ToolChoice, ToolDefinition,
    ToolResultData,
};
use serde_json::{Value, json};

/// One transparent pixel.
const PNG: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 6, 0,
    0, 0, 31, 21, 196, 137, 0, 0, 0, 13, 73, 68, 65, 84, 120, 218, 99, 100, 96, 248, 95, 15, 0, 2,
    135, 1, 128, 235, 71, 186, 146, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
];

type Case = (&'static str, Request);

/// All cases, by name.
pub(super) fn all(model: &str) -> Vec<Case> {
    let mut cases = conversations(model);
    cases.extend(media(model));
    cases.extend(tools(model));
    cases.extend(formats(model));
    cases.extend(parameters(model));
    cases
}

/// A question, and a tool that could help with it.
pub(super) fn with_tools(model: &str) -> Request {
    let parameters = json!({
        "type": "object",
        "properties": {
            "city": { "type": "string", "description": "where", "enum": ["Oslo", "Bergen"] },
            "days": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
            "unit": { "type": "object", "properties": { "name": { "type": "string" } } },
        },
        "required": ["city"],
        "additionalProperties": false,
    });
    let simple = json!({ "type": "object", "properties": {} });
    Request {
        tools: vec![
            ToolDefinition::new("get_weather", "the weather", parameters).unwrap(),
            ToolDefinition::new("get_time", "the time", simple).unwrap(),
        ],
        ..Request::new(model, vec![Message::system("be brief"), Message::user("cold?")])
    }
}

fn plain(model: &str) -> Request {
    Request::new(model, vec![Message::user("hi")])
}

fn user(model: &str, parts: Vec<ContentPart>) -> Request {
    Request::new(model, vec![Message::new(Role::User, parts)])
}

fn conversations(model: &str) -> Vec<Case> {
    let foreign = |part: ContentPart| {
        part.with_provider_raw(ProviderRaw::new("another", json!({ "type": "theirs", "x": 1 })))
    };
    let thinking = |signature: Option<&str>| {
        let signature = signature.map(str::to_owned);
        let thinking = ThinkingData { text: "hm".into(), signature, redacted: false };
        ContentPart::Thinking { thinking, provider_raw: None }
    };
    let redacted = ContentPart::RedactedThinking {
        thinking: ThinkingData { text: "b3BhcXVl".into(), signature: None, redacted: true },
        provider_raw: None,
    };
    let answered = |parts: Vec<ContentPart>| {
        let said = Message::new(Role::Assistant, parts);
        Request::new(model, vec![Message::user("one"), said, Message::user("two")])
    };
    vec![
        ("a text", plain(model)),
        (
            "all roles",
            Request::new(
                model,
                vec![
                    Message::system("be brief"),
                    Message::developer("be polite"),
                    Message::user("one"),
                    Message::assistant("two"),
                    Message::user("three"),
                    Message::user("four"),
                    Message::system("be quick"),
                ],
            ),
        ),
        ("several texts", user(model, vec![ContentPart::text("a"), ContentPart::text("b")])),
        (
            "a text of the model in parts",
            answered(vec![ContentPart::text("a"), ContentPart::text("b")]),
        ),
        (
            "another provider's thinking",
            answered(vec![foreign(thinking(Some("c2ln"))), foreign(ContentPart::text("so"))]),
        ),
        (
            "another provider's block",
            answered(vec![
                ContentPart::provider_block("another", "theirs", json!({ "type": "theirs" })),
                ContentPart::text("so"),
            ]),
        ),
        ("thinking without a signature", answered(vec![thinking(None), ContentPart::text("so")])),
        (
            "another provider's redacted thinking",
            answered(vec![foreign(redacted), ContentPart::text("so")]),
        ),
    ]
}

fn media(model: &str) -> Vec<Case> {
    let look = |part: ContentPart| user(model, vec![ContentPart::text("look"), part]);
    let image = |image: ImageData| look(ContentPart::image(image));
    let pixel = || ImageData { data: Some(PNG.to_vec()), ..ImageData::default() };
    let png = Some("image/png".to_owned());
    let url = Some("https://example.com/cat.png".to_owned());
    let document =
        |document: DocumentData| look(ContentPart::Document { document, provider_raw: None });
    let pdf = Some("application/pdf".to_owned());
    vec![
        ("an image inline", image(ImageData { media_type: png.clone(), ..pixel() })),
        ("an image of no type", image(pixel())),
        ("an image in detail", image(ImageData { detail: Some("high".into()), ..pixel() })),
        ("an image by url", image(ImageData { url, media_type: png, ..ImageData::default() })),
        (
            "a document inline",
            document(DocumentData {
                data: Some(b"%PDF-1.4".to_vec()),
                media_type: pdf.clone(),
                file_name: Some("a.pdf".into()),
                ..DocumentData::default()
            }),
        ),
        (
            "a document by url",
            document(DocumentData {
                url: Some("https://example.com/a.pdf".into()),
                media_type: pdf,
                ..DocumentData::default()
            }),
        ),
        (
            "audio inline",
            look(ContentPart::Audio {
                audio: AudioData {
                    data: Some(b"RIFF".to_vec()),
                    media_type: Some("audio/wav".into()),
                    ..AudioData::default()
                },
                provider_raw: None,
            }),
        ),
    ]
}

fn tools(model: &str) -> Vec<Case> {
    let choose = |choice: ToolChoice| Request { tool_choice: Some(choice), ..with_tools(model) };
    let call = |id: &str, arguments: Value| {
        ContentPart::tool_call(ToolCallData::new(id, "get_weather", arguments))
    };
    let results = |results: Vec<ToolResultData>| {
        let ids: Vec<String> = results.iter().map(|result| result.tool_call_id.clone()).collect();
        let mut request = with_tools(model);
        let calls = ids.iter().map(|id| call(id, json!({ "city": "Oslo" }))).collect();
        request.messages.push(Message::new(Role::Assistant, calls));
        for result in results {
            let id = result.tool_call_id.clone();
            let part = ContentPart::tool_result(result);
            let message = Message::new(Role::Tool, vec![part]);
            request.messages.push(Message { tool_call_id: Some(id), ..message });
        }
        request
    };
    let picture = ToolResultData {
        image_data: Some(PNG.to_vec()),
        image_media_type: Some("image/png".into()),
        ..ToolResultData::new("call_1", "see", false)
    };
    let mut malformed = with_tools(model);
    malformed.messages.extend([
        Message::new(Role::Assistant, vec![call("call_1", json!("{\"city\": "))]),
        Message::tool_result("call_1", "those arguments are no JSON", true),
    ]);
    let mut without = results(vec![ToolResultData::new("call_1", "cold", false)]);
    without.tools.clear();
    let mut none = results(vec![ToolResultData::new("call_1", "cold", false)]);
    none.tool_choice = Some(ToolChoice::None);
    vec![
        ("tools", with_tools(model)),
        ("tool choice auto", choose(ToolChoice::Auto)),
        ("tool choice none", choose(ToolChoice::None)),
        ("tool choice required", choose(ToolChoice::Required)),
        ("tool choice named", choose(ToolChoice::Named { tool_name: "get_time".into() })),
        ("tool choice none after a call", none),
        ("a result", results(vec![ToolResultData::new("call_1", "cold", false)])),
        ("a result that failed", results(vec![ToolResultData::new("call_1", "no net", true)])),
        (
            "results in JSON",
            results(vec![
                ToolResultData::new("call_1", json!({ "degrees": -3.5, "sky": null }), false),
                ToolResultData::new("call_2", json!([1, "two"]), false),
                ToolResultData::new("call_3", "", false),
            ]),
        ),
        ("a result with an image", results(vec![picture])),
        ("a call with arguments that are no JSON", malformed),
        ("a call in the history of a request without tools", without),
    ]
}

fn formats(model: &str) -> Vec<Case> {
    let schema = json!({
        "type": "object",
        "title": "An answer",
        "properties": { "ok": { "type": "boolean" } },
        "required": ["ok"],
        "additionalProperties": false,
    });
    let format = |kind, json_schema, strict| Request {
        response_format: Some(ResponseFormat { kind, json_schema, strict }),
        ..Request::new(model, vec![Message::user("answer in JSON")])
    };
    let mut with = format(ResponseFormatKind::JsonSchema, Some(schema.clone()), true);
    with.tools = with_tools(model).tools;
    vec![
        ("text", format(ResponseFormatKind::Text, None, false)),
        ("any JSON", format(ResponseFormatKind::Json, None, false)),
        ("a schema", format(ResponseFormatKind::JsonSchema, Some(schema.clone()), false)),
        ("a strict schema", format(ResponseFormatKind::JsonSchema, Some(schema), true)),
        ("a strict schema beside tools", with),
    ]
}

fn parameters(model: &str) -> Vec<Case> {
    let effort =
        |effort: &str| Request { reasoning_effort: Some(effort.to_owned()), ..plain(model) };
    vec![
        ("temperature", Request { temperature: Some(0.5), ..plain(model) }),
        ("top_p", Request { top_p: Some(0.9), ..plain(model) }),
        ("max_tokens", Request { max_tokens: Some(2000), ..plain(model) }),
        ("stop sequences", Request { stop_sequences: vec!["END".into()], ..plain(model) }),
        (
            "metadata",
            Request { metadata: [("user_id".into(), "u-1".into())].into(), ..plain(model) },
        ),
        ("low effort", effort("low")),
        ("medium effort", effort("medium")),
        ("high effort", effort("high")),
        (
            "high effort and tools",
            Request { reasoning_effort: Some("high".into()), ..with_tools(model) },
        ),
        ("high effort and few tokens", Request { max_tokens: Some(500), ..effort("high") }),
    ]
}
