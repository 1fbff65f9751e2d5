use serde_json::json;

use super::*;
use crate::error::ErrorKind;
use crate::types::{
    AudioData, ContentPart, DocumentData, ImageData, Message, ProviderRaw, ResponseFormat,
    ResponseFormatKind, Role, ToolCallData, ToolResultData,
};

fn request(messages: Vec<Message>) -> Request {
    Request {
        provider_options: json!({ "anthropic": { "auto_cache": false } })
            .as_object()
            .unwrap()
            .clone(),
        ..Request::new("claude-sonnet-4-5", messages)
    }
}

fn hi() -> Request {
    request(vec![Message::user("hi")])
}

fn with_options(mut request: Request, options: Value) -> Request {
    let all = request.provider_options.entry("anthropic").or_insert_with(|| json!({}));
    let all = all.as_object_mut().unwrap();
    all.extend(options.as_object().unwrap().clone());
    request
}

fn call(request: &Request) -> Call {
    translate(request, Mode::Whole, &[]).unwrap()
}

fn body(request: &Request) -> Value {
    call(request).body
}

fn warned(request: &Request) -> Vec<String> {
    call(request).warnings.into_iter().map(|warning| warning.message).collect()
}

fn refused(request: &Request) -> String {
    let error = translate(request, Mode::Whole, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    assert_eq!(error.provider(), Some("anthropic"));
    error.message().to_owned()
}

fn shell() -> ToolDefinition {
    let parameters = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
    ToolDefinition::new("shell", "runs a command", parameters).unwrap()
}

fn tool_call(id: &str, arguments: Value) -> ContentPart {
    ContentPart::tool_call(ToolCallData::new(id, "shell", arguments))
}

#[test]
fn llm_8_2_all_five_roles_are_translated_and_instructions_go_to_system() {
    let mut made = body(&request(vec![
        Message::system("be brief"),
        Message::user("list"),
        Message::new(
            Role::Assistant,
            vec![ContentPart::text("looking"), tool_call("c1", json!({ "command": "ls" }))],
        ),
        Message::tool_result("c1", "a.txt", false),
        Message::developer("in English"),
        Message::user("and now?"),
    ]));
    // See `tools_of_earlier_calls_are_defined_when_the_request_has_none`.
    made.as_object_mut().unwrap().retain(|name, _| !name.starts_with("tool"));
    assert_eq!(
        made,
        json!({
            "model": "claude-sonnet-4-5",
            "max_tokens": 64_000,
            "system": [
                { "type": "text", "text": "be brief" },
                { "type": "text", "text": "in English" },
            ],
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "list" }] },
                { "role": "assistant", "content": [
                    { "type": "text", "text": "looking" },
                    { "type": "tool_use", "id": "c1", "name": "shell", "input": { "command": "ls" } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "c1", "content": "a.txt" },
                    { "type": "text", "text": "and now?" },
                ] },
            ],
        })
    );
}

#[test]
fn llm_8_2_the_native_api_is_called() {
    let stream = translate(&hi(), Mode::Stream, &[]).unwrap();
    assert_eq!((stream.path.as_str(), &stream.body["stream"]), ("/v1/messages", &json!(true)));
    let whole = call(&hi());
    assert_eq!(whole.body.get("stream"), None);
    assert_eq!(whole.headers, []);
}

#[test]
fn llm_8_2_beta_headers_are_joined_once_each_and_not_sent_in_the_body() {
    let asked = with_options(hi(), json!({ "beta_headers": ["b-1", "a-0"], "auto_cache": true }));
    let made = translate(&asked, Mode::Whole, &["a-0".to_owned()]).unwrap();
    let value = "a-0,b-1,prompt-caching-2024-07-31".to_owned();
    assert_eq!(made.headers, [("anthropic-beta".to_owned(), value)]);
    assert_eq!(made.body.get("beta_headers"), None);
    assert_eq!(made.body.get("auto_cache"), None);
    for bad in [json!({ "beta_headers": 3 }), json!({ "beta_headers": [3] })] {
        assert!(refused(&with_options(hi(), bad)).contains("beta_headers"));
    }
    assert!(refused(&with_options(hi(), json!({ "auto_cache": "no" }))).contains("auto_cache"));
}

#[test]
fn llm_8_2_provider_options_win_and_tools_are_added() {
    let mut asked = hi();
    asked.tools.push(shell());
    asked.tool_choice = Some(ToolChoice::Named { tool_name: "shell".into() });
    asked.metadata.insert("user_id".into(), "u".into());
    asked.max_tokens = Some(5);
    let made = body(&with_options(
        asked.clone(),
        json!({
            "top_k": 5,
            "max_tokens": 7,
            "metadata": { "user_id": "v" },
            "tools": [{ "type": "web_search_20250305", "name": "web_search" }],
            "tool_choice": { "type": "auto", "disable_parallel_tool_use": true },
        }),
    ));
    assert_eq!((&made["top_k"], &made["max_tokens"]), (&json!(5), &json!(7)));
    assert_eq!(made["metadata"], json!({ "user_id": "v" }));
    assert_eq!(made["tools"][0]["name"], "shell");
    assert_eq!(made["tools"][1]["name"], "web_search");
    assert_eq!(made["tool_choice"], json!({ "type": "auto", "disable_parallel_tool_use": true }));
    let option = json!({ "tool_choice": { "disable_parallel_tool_use": true } });
    assert_eq!(
        body(&with_options(asked, option))["tool_choice"],
        json!({ "type": "tool", "name": "shell", "disable_parallel_tool_use": true })
    );
}

#[test]
fn llm_8_6_automatic_caching_can_be_switched_off() {
    let mut asked = hi();
    asked.tools.push(shell());
    asked.messages.insert(0, Message::system("be brief"));
    let off = call(&asked);
    assert!(!off.body.to_string().contains("cache_control"), "{}", off.body);
    assert_eq!(off.headers, []);
    asked.provider_options.clear();
    let on = call(&asked);
    assert_eq!(on.body.to_string().matches("cache_control").count(), 3);
}

#[test]
fn llm_8_6_the_beta_header_of_caching_comes_with_any_cache_control() {
    let expected = [("anthropic-beta".to_owned(), "prompt-caching-2024-07-31".to_owned())];
    let mut asked = hi();
    asked.provider_options.clear();
    assert_eq!(call(&asked).headers, expected);
    let own = with_options(hi(), json!({ "cache_control": { "type": "ephemeral" } }));
    assert_eq!(call(&own).headers, expected, "the caller's own too");
    assert_eq!(call(&hi()).headers, []);
}

#[test]
fn llm_8_7_tool_choices_are_translated() {
    let mut asked = hi();
    asked.tools.push(shell());
    for (choice, expected) in [
        (ToolChoice::Auto, json!({ "type": "auto" })),
        (ToolChoice::Required, json!({ "type": "any" })),
        (
            ToolChoice::Named { tool_name: "shell".into() },
            json!({ "type": "tool", "name": "shell" }),
        ),
    ] {
        asked.tool_choice = Some(choice);
        let made = body(&asked);
        assert_eq!(made["tool_choice"], expected);
        assert_eq!(
            made["tools"],
            json!([{ "name": "shell", "description": "runs a command", "input_schema": shell().parameters }])
        );
    }
    asked.tools.clear();
    assert!(refused(&asked).contains("no tools"));
    asked.tool_choice = Some(ToolChoice::Auto);
    assert_eq!(body(&asked).get("tool_choice"), None);
}

#[test]
fn ruling_llm_tool_choice_none_leaves_tools_out_only_without_tool_blocks() {
    let mut asked = hi();
    asked.tools.push(shell());
    asked.tool_choice = Some(ToolChoice::None);
    let made = body(&asked);
    assert_eq!((made.get("tools"), made.get("tool_choice")), (None, None));
    asked.messages.push(Message::new(Role::Assistant, vec![tool_call("c", json!({}))]));
    asked.messages.push(Message::tool_result("c", "x", false));
    let made = body(&asked);
    assert_eq!(made["tools"][0]["name"], "shell");
    assert_eq!(made["tool_choice"], json!({ "type": "none" }));
}

#[test]
fn ruling_llm_max_tokens_is_the_callers_else_the_catalogues_else_4096() {
    let mut asked = hi();
    assert_eq!(body(&asked)["max_tokens"], 64_000);
    asked.model = "claude-nobody-knows-4-5".into();
    assert_eq!(body(&asked)["max_tokens"], 4096);
    asked.max_tokens = Some(10);
    assert_eq!(body(&asked)["max_tokens"], 10);
}

#[test]
fn ruling_llm_reasoning_effort_is_a_thinking_budget_below_max_tokens() {
    let mut asked = hi();
    for (effort, budget) in [("low", 1024), ("medium", 8192), ("high", 24_576)] {
        asked.reasoning_effort = Some(effort.into());
        asked.max_tokens = None;
        let made = body(&asked);
        assert_eq!(made["thinking"], json!({ "type": "enabled", "budget_tokens": budget }));
        assert_eq!(made["max_tokens"], 64_000);
        asked.max_tokens = Some(500);
        let made = call(&asked);
        assert_eq!(made.body["max_tokens"], budget + 500);
        assert!(made.warnings[0].message.contains("max_tokens was raised from 500"));
        asked.max_tokens = Some(budget + 1);
        assert_eq!(body(&asked)["max_tokens"], budget + 1);
    }
    asked.max_tokens = Some(64_000 - 24_576 + 1);
    assert_eq!(body(&asked)["max_tokens"], 64_000 - 24_576 + 1);
    asked.model = "claude-nobody-knows-4-5".into();
    asked.max_tokens = None;
    assert_eq!(call(&asked).body["max_tokens"], 24_576 + 4096);
    assert_eq!(warned(&asked), Vec::<String>::new(), "nobody asked for less");
    asked.reasoning_effort = Some("ultra".into());
    assert!(refused(&asked).contains("ultra"));
    asked.reasoning_effort = Some("none".into());
    assert_eq!(body(&asked)["thinking"], json!({ "type": "disabled" }));
    asked.reasoning_effort = Some("max".into());
    assert_eq!(body(&asked)["thinking"]["budget_tokens"], 24_576);
    assert_eq!(warned(&asked).len(), 1);
}

#[test]
fn models_that_refuse_budgets_think_adaptively() {
    let mut asked = hi();
    asked.model = "claude-opus-5".into();
    asked.reasoning_effort = Some("high".into());
    asked.temperature = Some(0.0);
    let made = call(&asked);
    assert_eq!(made.body["thinking"], json!({ "type": "adaptive", "display": "summarized" }));
    assert_eq!(made.body["output_config"], json!({ "effort": "high" }));
    assert_eq!(made.body.get("temperature"), None);
    assert!(made.warnings[0].message.contains("temperature was left out"));
    let schema = json!({ "type": "object", "properties": {} });
    asked.response_format = Some(ResponseFormat {
        kind: ResponseFormatKind::JsonSchema,
        json_schema: Some(schema),
        strict: true,
    });
    let config = &body(&asked)["output_config"];
    assert_eq!(
        (&config["effort"], &config["format"]["type"]),
        (&json!("high"), &json!("json_schema"))
    );
    let own = with_options(asked.clone(), json!({ "thinking": { "type": "disabled" } }));
    assert_eq!(body(&own)["thinking"], json!({ "type": "disabled" }));
    asked.tools.push(shell());
    asked.tool_choice = Some(ToolChoice::Required);
    assert_eq!(body(&asked).get("thinking"), None);
}

/// The API refuses such settings from models that do not bind their thinking, and beside thinking that is off.
#[test]
fn what_becomes_of_thinking_out_of_place_is_said_where_the_model_binds_it() {
    let drop = json!({ "prefix_mismatch_behavior": "drop_block" });
    let asked = |model: &str, effort: Option<&str>| Request {
        model: model.into(),
        reasoning_effort: effort.map(str::to_owned),
        ..with_options(hi(), json!({ "block_binding": drop }))
    };
    let beta = [("anthropic-beta".to_owned(), "thinking-binding-controls-2026-08-01".to_owned())];
    let plain = call(&asked("claude-opus-5-5", None));
    assert_eq!(plain.body["thinking"], json!({ "type": "adaptive", "block_binding": drop }));
    assert_eq!((plain.body.get("block_binding"), plain.headers.as_slice()), (None, &beta[..]));
    let high = call(&asked("anthropic/claude-fable-5.1", Some("high")));
    assert_eq!(
        high.body["thinking"],
        json!({ "type": "adaptive", "display": "summarized", "block_binding": drop })
    );
    for (model, effort, thinking) in [
        ("claude-opus-5", None, None),
        (
            "claude-opus-5",
            Some("high"),
            Some(json!({ "type": "adaptive", "display": "summarized" })),
        ),
        ("claude-sonnet-4-5", None, None),
        ("claude-mythos-preview", None, None),
        ("kimi-k2", None, None),
        ("claude-sonnet-5-5", Some("none"), Some(json!({ "type": "between_tools" }))),
        ("claude-haiku-5-5", Some("none"), Some(json!({ "type": "disabled" }))),
    ] {
        let made = call(&asked(model, effort));
        assert_eq!(made.body.get("thinking"), thinking.as_ref(), "{model}");
        assert_eq!(made.headers, [], "{model}");
    }
    let own = with_options(
        asked("claude-opus-5-5", None),
        json!({ "thinking": { "type": "adaptive", "display": "omitted" } }),
    );
    assert_eq!(body(&own)["thinking"], json!({ "type": "adaptive", "display": "omitted" }));
    let mut forced = asked("claude-opus-5-5", None);
    forced.tools.push(shell());
    forced.tool_choice = Some(ToolChoice::Required);
    assert_eq!(body(&forced).get("thinking"), None);
    assert!(refused(&with_options(hi(), json!({ "block_binding": 3 }))).contains("block_binding"));
}

#[test]
fn what_rules_thinking_out_is_left_out_with_a_warning() {
    let mut asked = hi();
    asked.reasoning_effort = Some("low".into());
    asked.temperature = Some(0.2);
    asked.top_p = Some(0.5);
    let made = call(&asked);
    assert_eq!((made.body.get("temperature"), made.body.get("top_p")), (None, None));
    assert_eq!(made.warnings.len(), 2);
    // The default and what is close to it pass.
    (asked.temperature, asked.top_p) = (Some(1.0), Some(0.97));
    let made = call(&asked);
    assert_eq!((made.body.get("temperature"), &made.body["top_p"]), (None, &json!(0.97)));
    assert_eq!(made.warnings, []);
    asked.tools.push(shell());
    asked.tool_choice = Some(ToolChoice::Required);
    let made = call(&asked);
    assert_eq!((made.body.get("thinking"), made.warnings.len()), (None, 1));
    let mut old = hi();
    (old.model, old.reasoning_effort) = ("claude-3-5-haiku-20241022".into(), Some("high".into()));
    assert_eq!((body(&old).get("thinking"), warned(&old).len()), (None, 1));
}

#[test]
fn thinking_is_not_switched_on_inside_a_turn_that_began_without() {
    let mut asked = request(vec![
        Message::user("go"),
        Message::new(Role::Assistant, vec![tool_call("a", json!({}))]),
        Message::tool_result("a", "1", false),
    ]);
    asked.reasoning_effort = Some("low".into());
    assert_eq!((body(&asked).get("thinking"), warned(&asked).len()), (None, 1));
    let thought = ContentPart::Thinking {
        thinking: crate::types::ThinkingData {
            text: "hm".into(),
            signature: Some("s".into()),
            redacted: false,
        },
        provider_raw: None,
    };
    // The first message of the turn counts: after results the model may call on without thinking.
    asked.messages[1].content.insert(0, thought);
    asked.messages.push(Message::new(Role::Assistant, vec![tool_call("b", json!({}))]));
    asked.messages.push(Message::tool_result("b", "2", false));
    assert_eq!(body(&asked)["thinking"]["type"], "enabled");
    asked.messages.remove(1);
    asked.messages.remove(1);
    assert_eq!(body(&asked).get("thinking"), None);
    asked.messages.extend([Message::assistant("done"), Message::user("again")]);
    assert_eq!(body(&asked)["thinking"]["type"], "enabled");
}

#[test]
fn sampling_stops_and_metadata_are_passed_on_where_the_api_takes_them() {
    let mut asked = hi();
    (asked.temperature, asked.top_p) = (Some(0.3), Some(0.9));
    asked.stop_sequences = vec!["END".into()];
    asked.metadata.insert("user_id".into(), "u1".into());
    asked.metadata.insert("team".into(), "t".into());
    let made = call(&asked);
    assert_eq!(made.body["temperature"], 0.3);
    assert_eq!(made.body.get("top_p"), None, "this model takes one of the two");
    assert_eq!(made.body["stop_sequences"], json!(["END"]));
    assert_eq!(made.body["metadata"], json!({ "user_id": "u1" }));
    let codes: Vec<_> = made.warnings.iter().map(|w| w.code.as_deref().unwrap()).collect();
    assert_eq!(codes, ["unsupported_parameter"; 2]);
    assert!(made.warnings[1].message.contains("team"));
    asked.model = "claude-opus-4-20250514".into();
    assert_eq!(body(&asked)["top_p"], 0.9);
}

#[test]
fn llm_8_3_images_go_by_url_and_as_base64() {
    let image = |image| {
        let parts = vec![ContentPart::text("?"), ContentPart::image(image)];
        request(vec![Message::new(Role::User, parts)])
    };
    let data = |media_type: Option<&str>| ImageData {
        data: Some(vec![1, 2, 3]),
        media_type: media_type.map(str::to_owned),
        detail: Some("high".into()),
        ..ImageData::default()
    };
    let url = |url: &str| ImageData { url: Some(url.into()), ..ImageData::default() };
    for (given, source) in [
        (data(None), json!({ "type": "base64", "media_type": "image/png", "data": "AQID" })),
        (
            data(Some("image/jpg")),
            json!({ "type": "base64", "media_type": "image/jpeg", "data": "AQID" }),
        ),
        (url("https://x/y.png"), json!({ "type": "url", "url": "https://x/y.png" })),
        (
            url("data:image/gif;base64,AQID"),
            json!({ "type": "base64", "media_type": "image/gif", "data": "AQID" }),
        ),
    ] {
        let made = call(&image(given));
        let content = &made.body["messages"][0]["content"];
        assert_eq!(content[0], json!({ "type": "text", "text": "?" }));
        assert_eq!(content[1], json!({ "type": "image", "source": source }));
        assert_eq!(made.warnings, []);
    }
    assert!(refused(&image(data(Some("image/heic")))).contains("image/heic"));
    assert!(refused(&image(ImageData::default())).contains("exactly one"));
}

#[test]
fn llm_8_3_documents_are_sent_and_audio_is_refused() {
    let document = |document| {
        let part = ContentPart::Document { document, provider_raw: None };
        request(vec![Message::new(Role::User, vec![part])])
    };
    let data = |media_type: &str, data: &[u8]| DocumentData {
        data: Some(data.to_vec()),
        media_type: Some(media_type.into()),
        file_name: Some("plan".into()),
        ..DocumentData::default()
    };
    let by_url = DocumentData { url: Some("https://x/y.pdf".into()), ..DocumentData::default() };
    for (given, expected) in [
        (
            data("application/pdf", &[1, 2, 3]),
            json!({ "type": "document", "title": "plan",
                "source": { "type": "base64", "media_type": "application/pdf", "data": "AQID" } }),
        ),
        (
            data("text/markdown; charset=utf-8", "# Grüße".as_bytes()),
            json!({ "type": "document", "title": "plan",
                "source": { "type": "text", "media_type": "text/plain", "data": "# Grüße" } }),
        ),
        (
            by_url,
            json!({ "type": "document", "source": { "type": "url", "url": "https://x/y.pdf" } }),
        ),
    ] {
        assert_eq!(body(&document(given))["messages"][0]["content"], json!([expected]));
    }
    assert!(refused(&document(data("application/msword", b"x"))).contains("application/msword"));
    assert!(refused(&document(data("text/plain", &[0xff]))).contains("utf-8"));
    let audio = AudioData { data: Some(vec![1]), ..AudioData::default() };
    let part = ContentPart::Audio { audio, provider_raw: None };
    assert!(refused(&request(vec![Message::new(Role::User, vec![part])])).contains("audio"));
}

#[test]
fn llm_8_3_tool_calls_and_results_go_round_with_errors_and_images() {
    let failed = Message::tool_result("b", "", true);
    let mut picture = ToolResultData::new("c", json!({ "w": 1 }), false);
    picture.image_data = Some(vec![1, 2, 3]);
    let bare = Message {
        tool_call_id: Some("d".into()),
        ..Message::new(Role::Tool, vec![ContentPart::text("bare")])
    };
    let made = body(&request(vec![
        Message::user("go"),
        Message::new(
            Role::Assistant,
            vec![
                tool_call("a", json!({ "b": 1, "a": 2 })),
                tool_call("b", json!("{broken")),
                tool_call("c", json!([1])),
                ContentPart::tool_call(ToolCallData {
                    call_type: "custom".into(),
                    ..ToolCallData::new("d", "patch", json!("*** free text"))
                }),
            ],
        ),
        Message::tool_result("a", "", false),
        failed,
        Message::user("meanwhile"),
        Message::new(Role::Tool, vec![ContentPart::tool_result(picture)]),
        bare,
    ]));
    let inputs: Vec<&Value> =
        made["messages"][1]["content"].as_array().unwrap().iter().map(|b| &b["input"]).collect();
    assert_eq!(inputs[0].to_string(), r#"{"b":1,"a":2}"#, "fields keep their order");
    assert_eq!(
        inputs[1..],
        [
            &json!({ "INVALID_JSON": "{broken" }),
            &json!({ "INVALID_JSON": "[1]" }),
            &json!({ "input": "*** free text" }),
        ]
    );
    assert_eq!(
        made["messages"][2],
        json!({ "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": "a" },
            { "type": "tool_result", "tool_use_id": "b",
              "content": "the tool failed and said nothing", "is_error": true },
            { "type": "tool_result", "tool_use_id": "c", "content": [
                { "type": "text", "text": "{\"w\":1}" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AQID" } },
            ] },
            { "type": "tool_result", "tool_use_id": "d", "content": "bare" },
            { "type": "text", "text": "meanwhile" },
        ] })
    );
}

#[test]
fn ids_that_the_api_refuses_are_spelled_alike_in_call_and_result() {
    let made = body(&request(vec![
        Message::user("go"),
        Message::new(
            Role::Assistant,
            vec![
                tool_call("functions.shell:0", json!({})),
                tool_call("functions_shell_0", json!({})),
            ],
        ),
        Message::tool_result("functions.shell:0", "1", false),
        Message::tool_result("functions_shell_0", "2", false),
    ]));
    let calls = &made["messages"][1]["content"];
    let results = &made["messages"][2]["content"];
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    for at in 0..2 {
        assert_eq!(calls[at]["id"], results[at]["tool_use_id"]);
        let id = calls[at]["id"].as_str().unwrap();
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)), "{id}");
    }
}

#[test]
fn ids_that_come_again_are_told_apart() {
    let round = || {
        vec![
            Message::new(Role::Assistant, vec![tool_call("call_0", json!({}))]),
            Message::tool_result("call_0", "x", false),
        ]
    };
    let made = body(&request([vec![Message::user("go")], round(), round()].concat()));
    for (turn, id) in [(1, "call_0"), (3, "call_0-2")] {
        assert_eq!(made["messages"][turn]["content"][0]["id"], id);
        assert_eq!(made["messages"][turn + 1]["content"][0]["tool_use_id"], id);
    }
}

#[test]
fn tools_of_earlier_calls_are_defined_when_the_request_has_none() {
    let mut asked = request(vec![
        Message::user("go"),
        Message::new(Role::Assistant, vec![tool_call("a", json!({})), tool_call("b", json!({}))]),
        Message::tool_result("a", "x", false),
        Message::tool_result("b", "y", false),
    ]);
    for choice in [None, Some(ToolChoice::Auto), Some(ToolChoice::None)] {
        asked.tool_choice = choice;
        let made = body(&asked);
        assert_eq!(made["tools"].as_array().unwrap().len(), 1);
        assert_eq!(made["tools"][0]["name"], "shell");
        assert_eq!(made["tool_choice"], json!({ "type": "none" }));
    }
    asked.tool_choice = None;
    let own = json!({ "tools": [{ "type": "web_search_20250305", "name": "web_search" }] });
    let made = body(&with_options(asked.clone(), own.clone()));
    assert_eq!((&made["tools"], made.get("tool_choice")), (&own["tools"], None));
    asked.tool_choice = Some(ToolChoice::Required);
    assert!(refused(&asked).contains("no tools"));
}

#[test]
fn a_failure_s_picture_stands_beside_it_and_a_last_answer_is_trimmed() {
    let mut failed = ToolResultData::new("a", "no", true);
    failed.image_data = Some(vec![1, 2, 3]);
    let made = body(&request(vec![
        Message::user("go"),
        Message::new(Role::Assistant, vec![tool_call("a", json!({}))]),
        Message::new(Role::Tool, vec![ContentPart::tool_result(failed)]),
        Message::assistant("So: \n"),
    ]));
    let content = &made["messages"][2]["content"];
    assert_eq!(content[0]["content"], "no");
    assert_eq!(content[1]["type"], "image");
    assert_eq!(made["messages"][3]["content"][0]["text"], "So:");
}

#[test]
fn callers_place_blocks_of_their_own() {
    let block = json!({ "type": "text", "text": "long", "cache_control": { "type": "ephemeral" } });
    let own = |provider: &str| {
        let raw = ProviderRaw::new(provider, block.clone());
        ContentPart::text("long").with_provider_raw(raw)
    };
    let made = call(&request(vec![
        Message::new(Role::System, vec![own("anthropic")]),
        Message::new(Role::User, vec![own("openai")]),
    ]));
    assert_eq!(made.body["system"], json!([block]));
    assert_eq!(made.body["messages"][0]["content"], json!([{ "type": "text", "text": "long" }]));
    assert_eq!(made.headers[0].1, CACHING, "whoever marked it");
}

#[test]
fn misplaced_content_is_refused() {
    let image =
        || ContentPart::image(ImageData { url: Some("https://x".into()), ..ImageData::default() });
    for (role, part) in [
        (Role::System, image()),
        (Role::Developer, tool_call("x", json!({}))),
        (Role::Assistant, image()),
        (Role::User, tool_call("x", json!({}))),
        (Role::User, ContentPart::thinking("hm")),
    ] {
        let kind = part.kind().to_owned();
        let message = refused(&request(vec![Message::user("a"), Message::new(role, vec![part])]));
        assert!(message.contains(&kind) && message.contains("role"), "{message}");
    }
    let bare = Message::new(Role::Tool, vec![ContentPart::text("x")]);
    assert!(refused(&request(vec![bare])).contains("tool_call_id"));
    assert!(refused(&request(vec![Message::system("alone")])).contains("no message"));
}
