use serde_json::json;

use super::*;
use crate::types::{ProviderRaw, ThinkingData, ToolCallData, ToolResultData};

fn translate(messages: &[Message]) -> (Value, Vec<Warning>) {
    let mut warnings = Vec::new();
    let conversation = Conversation::of(messages, &mut warnings).unwrap();
    (conversation.into_messages(), warnings)
}

fn refused(messages: &[Message]) -> String {
    Conversation::of(messages, &mut Vec::new()).unwrap_err().message().to_owned()
}

fn call(id: &str) -> ContentPart {
    ContentPart::tool_call(ToolCallData::new(id, "t", json!({})))
}

fn result(id: &str) -> Message {
    Message::tool_result(id, id, false)
}

fn model(parts: Vec<ContentPart>) -> Message {
    Message::new(Role::Assistant, parts)
}

fn own(block: Value) -> ContentPart {
    ContentPart::thinking("").with_provider_raw(ProviderRaw::new("anthropic", block))
}

fn signed(signature: Option<&str>, redacted: bool) -> ContentPart {
    let signature = signature.map(str::to_owned);
    let thinking = ThinkingData { text: "hm".into(), signature, redacted };
    if redacted {
        ContentPart::RedactedThinking { thinking, provider_raw: None }
    } else {
        ContentPart::Thinking { thinking, provider_raw: None }
    }
}

#[test]
fn neighbours_of_one_side_are_merged_and_sides_alternate() {
    let (messages, warnings) = translate(&[
        Message::user("a"),
        Message::user("b"),
        Message::assistant("c"),
        Message::assistant(" "),
        Message::assistant("d"),
        Message::user(""),
        Message::assistant("e"),
        Message::user("f"),
    ]);
    let texts: Vec<(String, Vec<&str>)> = messages
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| {
            let blocks = turn["content"].as_array().unwrap();
            let texts = blocks.iter().map(|block| block["text"].as_str().unwrap()).collect();
            (turn["role"].as_str().unwrap().to_owned(), texts)
        })
        .collect();
    assert_eq!(
        texts,
        [
            ("user".to_owned(), vec!["a", "b"]),
            ("assistant".to_owned(), vec!["c", "d", "e"]),
            ("user".to_owned(), vec!["f"]),
        ]
    );
    assert_eq!(warnings, []);
}

#[test]
fn llm_8_3_thinking_blocks_go_round_with_their_signatures() {
    let thinking = json!({ "type": "thinking", "thinking": "hm", "signature": "sig+/=" });
    let redacted = json!({ "type": "redacted_thinking", "data": "opaque+/=" });
    let parts = vec![own(thinking.clone()), own(redacted.clone()), call("a")];
    // The conversation survives being written down and read again.
    let kept = serde_json::to_string(&model(parts)).unwrap();
    let (messages, _) =
        translate(&[Message::user("x"), serde_json::from_str(&kept).unwrap(), result("a")]);
    assert_eq!(messages[1]["content"][0], thinking);
    assert_eq!(messages[1]["content"][1], redacted);
}

#[test]
fn llm_8_3_redacted_thinking_and_signatures_are_enough_without_the_block() {
    let parts = vec![signed(Some("s1"), false), signed(Some("s2"), true), ContentPart::text("t")];
    let (messages, warnings) = translate(&[Message::user("x"), model(parts)]);
    assert_eq!(
        messages[1]["content"],
        json!([
            { "type": "thinking", "thinking": "hm", "signature": "s1" },
            { "type": "redacted_thinking", "data": "s2" },
            { "type": "text", "text": "t" },
        ])
    );
    assert_eq!(warnings, []);
}

#[test]
fn what_another_provider_thought_is_left_out_with_a_warning() {
    let raw = ProviderRaw::new("gemini", json!({ "thought": true }));
    let other = signed(Some("theirs"), false).with_provider_raw(raw);
    let search = ContentPart::provider_block("openai", "web_search_call", json!({}));
    let parts = vec![signed(None, false), other, search, ContentPart::text("t")];
    let (messages, warnings) = translate(&[Message::user("x"), model(parts)]);
    assert_eq!(messages[1]["content"], json!([{ "type": "text", "text": "t" }]));
    assert_eq!(warnings.len(), 2);
    assert!(warnings[1].message.contains("web_search_call"));
}

#[test]
fn thinking_that_led_to_nothing_and_thinking_that_was_cut_off_are_not_sent() {
    let whole = json!({ "type": "thinking", "thinking": "hm", "signature": "s" });
    let cut = json!({ "type": "thinking", "thinking": "h", "signature": "" });
    let (messages, _) = translate(&[
        Message::user("a"),
        model(vec![own(whole.clone()), own(cut)]),
        Message::user("b"),
        model(vec![own(whole.clone()), ContentPart::text("c"), own(whole.clone())]),
        Message::user("d"),
    ]);
    assert_eq!(messages.as_array().unwrap().len(), 3);
    assert_eq!(messages[0]["content"].as_array().unwrap().len(), 2);
    assert_eq!(messages[1]["content"], json!([whole, { "type": "text", "text": "c" }]));
}

#[test]
fn blocks_without_a_unified_form_go_back_as_they_came() {
    let search =
        json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": { "q": 1 } });
    let found = json!({ "type": "web_search_tool_result", "tool_use_id": "s", "content": [{ "encrypted_content": "x" }] });
    let cited = json!({ "type": "text", "text": "t", "citations": [{ "type": "page_location" }] });
    let parts = [&search, &found, &cited].map(crate::providers::anthropic::response::part);
    let (messages, warnings) = translate(&[Message::user("x"), model(parts.to_vec())]);
    assert_eq!(messages[1]["content"], json!([search, found, cited]));
    assert_eq!(warnings, []);
}

#[test]
fn llm_8_7_results_of_one_turn_come_together_before_anything_else() {
    let (messages, _) = translate(&[
        Message::user("x"),
        model(vec![call("a"), call("b")]),
        Message::user("hurry"),
        result("b"),
        result("a"),
    ]);
    let blocks = messages[2]["content"].as_array().unwrap();
    let ids: Vec<_> = blocks.iter().map(|block| block["tool_use_id"].as_str()).collect();
    assert_eq!(ids, [Some("b"), Some("a"), None]);
}

#[test]
fn results_in_user_messages_and_pictures_beside_them_are_taken() {
    let part = ContentPart::tool_result(ToolResultData::new("a", "1", false));
    let parts = vec![ContentPart::text("see"), part];
    let (messages, _) =
        translate(&[Message::user("x"), model(vec![call("a")]), Message::new(Role::Tool, parts)]);
    assert_eq!(messages[2]["content"][0]["type"], "tool_result");
    assert_eq!(messages[2]["content"][1], json!({ "type": "text", "text": "see" }));
}

#[test]
fn calls_and_results_that_do_not_match_are_refused_by_id() {
    let ask = || Message::user("x");
    for (messages, id) in [
        (vec![ask(), model(vec![call("a"), call("b")]), result("a")], "`b`"),
        (vec![ask(), model(vec![call("a")])], "`a`"),
        (vec![ask(), model(vec![call("a")]), ask(), model(vec![]), ask()], "`a`"),
        (vec![ask(), result("z")], "`z`"),
        (vec![ask(), model(vec![call("a")]), result("a"), result("a")], "`a`"),
        (vec![ask(), model(vec![call("a"), call("a")]), result("a")], "`a`"),
        (
            vec![ask(), model(vec![call("a")]), result("a"), Message::assistant("t"), result("a")],
            "`a`",
        ),
    ] {
        let message = refused(&messages);
        assert!(message.contains(id), "{message}");
    }
}
