//! Requests of the agent (rulings 4, 7, 13).

use super::*;
use crate::jsonrpc::METHOD_NOT_FOUND;

fn command() -> Value {
    json!({"itemId": "i", "startedAtMs": 1, "command": "rm -r x", "reason": "why not"})
}

fn answers_sent(session: &Session) -> Vec<&Value> {
    session.sent.iter().filter(|message| message.get("method").is_none()).collect()
}

const ASKS: [&str; 5] = [
    "item/commandExecution/requestApproval",
    "item/fileChange/requestApproval",
    "item/permissions/requestApproval",
    "execCommandApproval",
    "applyPatchApproval",
];

#[test]
fn ruling_04_every_request_is_answered_or_handed_over() {
    let all = [
        "item/tool/requestUserInput",
        "mcpServer/elicitation/request",
        "item/tool/call",
        "account/chatgptAuthTokens/refresh",
        "attestation/generate",
        "currentTime/read",
        "made/up",
    ];
    for method in ASKS.iter().chain(&all) {
        for (policy, auto_approve) in [("never", false), ("on-request", true), ("untrusted", false)]
        {
            for on_input_required in [OnInputRequired::Fail, OnInputRequired::Block] {
                let policy = json!(policy);
                let changed = Options {
                    approval_policy: policy,
                    auto_approve,
                    on_input_required,
                    ..options()
                };
                let mut session = Session::in_turn(changed);
                session.ask(7, method, json!({"tool": "issue_update", "callId": "c"}));
                let answered = answers_sent(&session).iter().filter(|m| m["id"] == 7).count();
                let handed = session.client.asked.len();
                assert_eq!(answered + handed, 1, "{method} {:?}", session.events);
                assert!(!session.events.is_empty());
            }
        }
    }
}

#[test]
fn ruling_04_an_unknown_request_gets_an_error() {
    let mut session = Session::in_turn(options());
    session.hear(json!({"id": "s", "method": "made/up", "params": {"x": 1}}));
    assert_eq!(session.sent[0]["id"], "s");
    assert_eq!(session.sent[0]["error"]["code"], METHOD_NOT_FOUND);
    assert_eq!(session.names(), ["unsupported_request"]);
    assert_eq!(session.client.running_turn(), Some(1));
}

#[test]
fn ruling_13_policy_never_declines_approvals() {
    for method in ASKS {
        let mut session = Session::in_turn(options());
        session.ask(3, method, command());
        let result = &session.sent[0]["result"];
        let declined = result["decision"] == "decline"
            || result["decision"]["denied"].is_object()
            || result["permissions"] == json!({});
        assert!(declined, "{method}: {result}");
        assert_eq!(session.names(), ["approval_declined"]);
    }
}

#[test]
fn auto_approval_is_said() {
    for method in ASKS {
        let mut session = Session::in_turn(Options { auto_approve: true, ..options() });
        let mut params = command();
        params["permissions"] = json!({"network": {"enabled": true}, "fileSystem": null});
        session.ask(3, method, params);
        let result = &session.sent[0]["result"];
        let granted = result["decision"] == "acceptForSession"
            || result["decision"] == "approved_for_session"
            || (result["scope"] == "session"
                && result["permissions"] == json!({"network": {"enabled": true}}));
        assert!(granted, "{method}: {result}");
        assert_eq!(session.names(), ["approval_auto_approved"]);
    }
    let mut session = Session::in_turn(Options { auto_approve: true, ..options() });
    let mut params = command();
    params["availableDecisions"] = json!(["accept", "decline"]);
    session.ask(3, ASKS[0], params);
    assert_eq!(session.sent[0]["result"]["decision"], "accept");
}

#[test]
fn ruling_07_a_question_blocks_and_an_operator_answers() {
    let mut session =
        Session::in_turn(Options { approval_policy: json!("on-request"), ..options() });
    let item = json!({"type": "fileChange", "id": "i", "status": "inProgress",
        "changes": [{"path": "a.rs", "kind": {"type": "add"}, "diff": ""}]});
    let params = json!({"threadId": "th", "turnId": "t1", "item": item});
    session.hear(json!({"method": "item/started", "params": params}));
    session.ask(3, "item/fileChange/requestApproval", json!({"itemId": "i"}));
    session.ask(4, ASKS[0], command());
    let waiting: Vec<&str> = session.client.waiting().map(|i| i.question.as_str()).collect();
    assert_eq!(waiting, ["change a.rs?", "run `rm -r x` (why not)?"]);
    assert!(!session.timers.contains_key(&TimerId::Silence(1)));
    let error = session.answer(3, Answer::Text { text: "hm".to_owned() }).unwrap_err();
    assert!(matches!(error, AnswerError::Unreadable { .. }), "{error}");
    session.answer(3, Answer::Text { text: "Always".to_owned() }).unwrap();
    session.answer(4, Answer::Decline).unwrap();
    assert_eq!(session.sent[0], json!({"id": 3, "result": {"decision": "acceptForSession"}}));
    assert_eq!(session.sent[1], json!({"id": 4, "result": {"decision": "decline"}}));
    assert!(session.timers.contains_key(&TimerId::Silence(1)));
    let error = session.answer(3, Answer::Decline).unwrap_err();
    assert!(matches!(error, AnswerError::Unknown(_)));
}

#[test]
fn ruling_07_policy_fail_ends_the_turn() {
    for method in ["item/tool/requestUserInput", "mcpServer/elicitation/request", ASKS[0], ASKS[2]]
    {
        let mut session = Session::in_turn(Options {
            approval_policy: json!("on-request"),
            on_input_required: OnInputRequired::Fail,
            ..options()
        });
        session.ask(3, method, json!({"message": "which?"}));
        assert_eq!(session.names(), ["turn_input_required", "turn_ended_with_error"]);
        assert_eq!(session.end().category, Some(ErrorCategory::TurnInputRequired));
        assert_eq!(
            (&session.sent[0]["id"], &session.sent[1]["method"]),
            (&json!(3), &json!("turn/interrupt"))
        );
        assert!(session.client.is_over() && session.timers.is_empty());
        session.finish("t1", "interrupted");
        session.ask(4, method, json!({}));
        assert!(session.sent[2]["error"].is_object());
    }
}

#[test]
fn user_input_is_answered_by_id_or_by_text() {
    let questions = |ids: &[&str]| {
        let all: Vec<Value> = ids
            .iter()
            .map(|id| json!({"id": id, "header": "h", "question": "Q?", "options": [{"label": "A", "description": ""}]}))
            .collect();
        json!({"itemId": "i", "isBlocking": true, "questions": all})
    };
    let method = "item/tool/requestUserInput";
    let mut session = Session::in_turn(options());
    session.ask(1, method, questions(&["q"]));
    assert_eq!(session.client.waiting().next().unwrap().question, "Q? [A]");
    session.answer(1, Answer::Text { text: "blue".to_owned() }).unwrap();
    assert_eq!(session.sent[0]["result"], json!({"answers": {"q": {"answers": ["blue"]}}}));
    session.ask(2, method, questions(&["q", "r"]));
    session.answer(2, Answer::Text { text: "blue".to_owned() }).unwrap_err();
    session.answer(2, Answer::Accept { for_session: false }).unwrap_err();
    session.answer(2, Answer::Tool { success: true, text: String::new() }).unwrap_err();
    let text = r#"{"q": "x", "r": ["y", "z"]}"#.to_owned();
    session.answer(2, Answer::Text { text }).unwrap();
    let answers = json!({"q": {"answers": ["x"]}, "r": {"answers": ["y", "z"]}});
    assert_eq!(session.sent[1]["result"]["answers"], answers);
    session.ask(3, method, questions(&["q"]));
    session.answer(3, Answer::Cancel).unwrap();
    assert_eq!(session.sent[2]["result"], json!({"answers": {}}));
    assert_eq!(session.sent[3]["method"], "turn/interrupt");
}

#[test]
fn elicitations_take_forms_and_typed_text() {
    let ask = |session: &mut Session, id: u64, kind: &str| {
        let schema = json!({"type": "object", "properties": {"n": {"type": kind}}});
        let params = json!({"serverName": "s", "mode": "form", "message": "how many?",
            "requestedSchema": schema});
        session.ask(id, "mcpServer/elicitation/request", params);
    };
    let mut session = Session::in_turn(options());
    ask(&mut session, 1, "integer");
    assert_eq!(session.client.waiting().next().unwrap().question, "s: how many?");
    session.answer(1, Answer::Text { text: "many".to_owned() }).unwrap_err();
    session.answer(1, Answer::Accept { for_session: false }).unwrap_err();
    session.answer(1, Answer::Text { text: "3".to_owned() }).unwrap();
    assert_eq!(session.sent[0]["result"], json!({"action": "accept", "content": {"n": 3}}));
    ask(&mut session, 2, "boolean");
    session.answer(2, Answer::Text { text: "no".to_owned() }).unwrap();
    assert_eq!(session.sent[1]["result"]["content"], json!({"n": false}));
    ask(&mut session, 3, "string");
    session.answer(3, Answer::Decline).unwrap();
    assert_eq!(session.sent[2]["result"], json!({"action": "decline"}));
    let url = json!({"serverName": "s", "mode": "url", "message": "visit", "url": "http://x", "elicitationId": "e"});
    session.ask(4, "mcpServer/elicitation/request", url);
    assert_eq!(session.client.waiting().next().unwrap().question, "s: visit <http://x>");
    session.answer(4, Answer::Text { text: "yes".to_owned() }).unwrap();
    assert_eq!(session.sent[3]["result"], json!({"action": "accept", "content": null}));
}

#[test]
fn tools_are_called_and_unsupported_ones_refused() {
    let mut session = Session::in_turn(options());
    let call = json!({"tool": "issue_update", "callId": "c", "arguments": {"state": "done"}});
    session.ask(0, "item/tool/call", call);
    let Event::ToolCall(call) = &session.events[0] else { panic!() };
    assert_eq!((call.call_id.as_str(), &call.arguments["state"]), ("c", &json!("done")));
    session.answer(0, Answer::Decline).unwrap_err();
    session.answer(0, Answer::Tool { success: true, text: "ok".to_owned() }).unwrap();
    let content = json!([{"type": "inputText", "text": "ok"}]);
    assert_eq!(
        session.sent[0],
        json!({"id": 0, "result": {"contentItems": content, "success": true}})
    );
    for params in [json!({"tool": "rm"}), json!({"tool": "issue_update", "namespace": "n"})] {
        session.sent.clear();
        session.ask(1, "item/tool/call", params);
        assert_eq!(session.sent[0]["result"]["success"], false);
        let text = session.sent[0]["result"]["contentItems"][0]["text"].as_str().unwrap();
        let text: Value = serde_json::from_str(text).unwrap();
        assert_eq!(text["error"]["code"], "unsupported_tool_call");
        assert!(text["error"]["message"].as_str().unwrap().contains("issue_update"));
        assert_eq!(session.names().last(), Some(&"unsupported_tool_call"));
    }
}

#[test]
fn what_the_agent_resolves_itself_no_longer_waits() {
    let mut session = Session::in_turn(options());
    session.ask(5, "item/tool/requestUserInput", json!({"questions": []}));
    let resolved = json!({"threadId": "th", "requestId": 5});
    session.hear(json!({"method": "serverRequest/resolved", "params": resolved}));
    assert_eq!(session.names(), ["turn_input_required", "request_closed"]);
    session.answer(5, Answer::Decline).unwrap_err();
    session.ask(6, "item/tool/requestUserInput", json!({"questions": []}));
    session.finish("t1", "interrupted");
    assert_eq!(session.client.waiting().count(), 0);
    session.answer(6, Answer::Decline).unwrap_err();
}
