use serde_json::json;

use super::*;

fn placed(body: Value) -> Value {
    let Value::Object(mut body) = body else { panic!("no object") };
    place(&mut body);
    Value::Object(body)
}

/// Pointers to all marks, in the order of the prompt.
fn marks(body: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, out: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if fields.get(MARK).is_some_and(Value::is_object) {
                    out.push(path.to_owned());
                }
                for (name, value) in fields {
                    walk(value, &format!("{path}/{name}"), out);
                }
            }
            Value::Array(list) => {
                for (at, value) in list.iter().enumerate() {
                    walk(value, &format!("{path}/{at}"), out);
                }
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(body, "", &mut out);
    out
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn marked(text: &str, ttl: &str) -> Value {
    json!({ "type": "text", "text": text, "cache_control": { "type": "ephemeral", "ttl": ttl } })
}

fn conversation() -> Value {
    json!({
        "tools": [{ "name": "a" }, { "name": "b" }],
        "system": [text("one"), text("two")],
        "messages": [
            { "role": "user", "content": [text("first")] },
            { "role": "assistant", "content": [text("x")] },
            { "role": "user", "content": [text("second"), text("more")] },
            { "role": "assistant", "content": [{ "type": "tool_use", "id": "c", "name": "a", "input": {} }] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "c" }] },
        ],
    })
}

#[test]
fn llm_8_6_breakpoints_stand_on_tools_system_and_the_stable_prefix() {
    let made = placed(conversation());
    let expected = ["/tools/1", "/system/1", "/messages/2/content/1", "/messages/4/content/0"];
    assert_eq!(marks(&made), expected);
    assert_eq!(made["tools"][1][MARK], json!({ "type": "ephemeral" }));
    let Value::Object(body) = made else { panic!() };
    assert!(is_used(&body));
}

#[test]
fn llm_8_6_a_turn_later_the_marks_have_slid_and_the_prefix_is_marked_where_it_was() {
    let before = placed(conversation());
    let mut after = conversation();
    let messages = after["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": [text("y")] }));
    messages.push(json!({ "role": "user", "content": [text("third")] }));
    let after = marks(&placed(after));
    assert!(after.contains(&"/messages/4/content/0".to_owned()));
    assert!(after.contains(&"/messages/6/content/0".to_owned()));
    assert_eq!(marks(&before)[..2], after[..2], "tools and system stay");
}

#[test]
fn thinking_blank_text_unknown_blocks_and_deferred_tools_take_no_mark() {
    let made = placed(json!({
        "tools": [{ "name": "a" }, { "name": "b", "defer_loading": true }],
        "system": [text("one"), text(" ")],
        "messages": [
            { "role": "user", "content": [{ "type": "image" }, { "type": "container_upload" }] },
            { "role": "assistant", "content": [{ "type": "thinking", "thinking": "t" }] },
            { "role": "user", "content": [{ "type": "container_upload" }] },
        ],
    }));
    assert_eq!(marks(&made), ["/tools/0", "/system/0", "/messages/0/content/0"]);
}

#[test]
fn a_callers_marks_stay_and_count() {
    let mut body = conversation();
    body["messages"][0]["content"][0] = marked("first", "5m");
    body["messages"][4]["content"][0]["content"] = json!([marked("inner", "5m")]);
    let made = placed(body);
    assert_eq!(
        marks(&made),
        [
            "/messages/0/content/0",
            "/messages/2/content/1",
            "/messages/4/content/0",
            "/messages/4/content/0/content/0",
        ]
    );
    let mut full = conversation();
    full["system"] =
        json!([marked("a", "5m"), marked("b", "5m"), marked("c", "5m"), marked("d", "5m")]);
    assert_eq!(marks(&placed(full)).len(), 4);
    // A property of a tool's input that is called like a mark is none.
    let mut named = conversation();
    named["tools"][0]["input_schema"] =
        json!({ "properties": { "cache_control": { "type": "string" } } });
    assert_eq!(marks(&placed(named)).iter().filter(|at| !at.contains("schema")).count(), 4);
}

#[test]
fn nothing_short_lived_stands_before_a_mark_of_an_hour() {
    let mut body = conversation();
    body["messages"][0]["content"][0] = marked("first", "1h");
    assert_eq!(
        marks(&placed(body)),
        ["/messages/0/content/0", "/messages/2/content/1", "/messages/4/content/0"]
    );
}

#[test]
fn a_mark_on_the_whole_request_is_the_one_on_its_last_block() {
    let mut body = conversation();
    body[MARK] = json!({ "type": "ephemeral" });
    assert_eq!(marks(&placed(body)), ["", "/tools/1", "/system/1", "/messages/2/content/1"]);
}

#[test]
fn before_a_mark_of_an_hour_on_the_whole_request_all_marks_are_of_an_hour() {
    let mut body = conversation();
    body[MARK] = json!({ "type": "ephemeral", "ttl": "1h" });
    let placed = placed(body);
    for at in marks(&placed) {
        let mark = placed.pointer(&format!("{at}/{MARK}")).unwrap();
        assert_eq!(mark, &json!({ "type": "ephemeral", "ttl": "1h" }), "{at}");
    }
    let mut none = conversation();
    none[MARK] = json!(null);
    let placed = super::tests::placed(none);
    assert!(marks(&placed).contains(&"/messages/4/content/0".to_owned()), "{placed}");
}

#[test]
fn odd_bodies_are_left_alone() {
    for body in [
        json!({}),
        json!({ "messages": "x", "tools": {}, "system": "plain" }),
        json!({ "messages": [{ "role": "user", "content": "plain" }, 3] }),
    ] {
        assert_eq!(placed(body.clone()), body);
    }
}
