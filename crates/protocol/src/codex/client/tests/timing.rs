//! Time limits (Symphony §10.6).

use super::*;

#[test]
fn an_answer_clears_its_timer() {
    let mut session = Session::new(options());
    assert_eq!(session.timers, BTreeMap::from([(TimerId::Response(0), 5_000)]));
    session.hear(json!({"id": 0, "result": {}}));
    assert_eq!(session.timers, BTreeMap::from([(TimerId::Response(1), 5_000)]));
}

#[test]
fn a_nameless_thread_is_good_enough() {
    let mut session = Session::new(options());
    session.hear(json!({"id": 0, "result": {}}));
    session.hear(json!({"id": 1, "result": {"thread": {"id": "th"}}}));
    session.expire(TimerId::Response(2));
    assert_eq!(session.names(), ["session_started", "notification"]);
    session.turn("go");
}

#[test]
fn an_unanswered_turn_ends_the_session() {
    let mut session = Session::ready(options());
    session.turn("go");
    session.expire(TimerId::Response(1 << 20));
    assert_eq!(session.end().category, Some(ErrorCategory::ResponseTimeout));
    assert!(session.client.is_over() && session.timers.is_empty());
}

#[test]
fn a_refused_turn_leaves_the_session_open() {
    let mut session = Session::ready(options());
    session.turn("go");
    session.hear(json!({"id": 1 << 20, "error": {"code": -32600, "message": "not now"}}));
    assert_eq!(session.end().category, Some(ErrorCategory::ResponseError));
    assert!(session.end().session_open && session.timers.is_empty());
    session.turn("again");
}

#[test]
fn an_unanswered_interrupt_ends_the_session() {
    let mut session = Session::in_turn(options());
    let out = session.client.interrupt();
    session.perform(out);
    session.expire(TimerId::Response((1 << 20) + 1));
    assert_eq!(session.end().category, Some(ErrorCategory::ResponseTimeout));
}

#[test]
fn silence_ends_the_turn_and_any_line_counts_anew() {
    let mut session = Session::in_turn(options());
    for line in [Line::data("{}"), Line::data("garbage"), Line::TooLong { len: 9, head: "".into() }]
    {
        let set = session.client.received(&line);
        let wanted = Output::SetTimer { id: TimerId::Silence(1), after_ms: 3_600_000 };
        assert!(set.contains(&wanted), "{line:?}");
    }
    session.expire(TimerId::Silence(1));
    assert_eq!(session.end().category, Some(ErrorCategory::TurnTimeout));
    assert!(session.client.is_over() && session.timers.is_empty());
    assert_eq!(session.client.timer(&TimerId::Silence(1)), []);
}

#[test]
fn no_silence_limit_when_it_is_zero_or_no_turn_runs() {
    let mut session = Session::in_turn(Options { turn_timeout_ms: 0, ..options() });
    assert!(session.timers.is_empty());
    session.finish("t1", "completed");
    let mut session = Session::ready(options());
    session.hear(json!({"method": "news"}));
    assert!(session.timers.is_empty());
}

#[test]
fn ruling_04_a_slow_tool_is_answered_for() {
    let mut session = Session::in_turn(options());
    session.ask(8, "item/tool/call", json!({"tool": "issue_update", "callId": "c"}));
    let key = RequestKey::of(&8.into());
    session.expire(TimerId::Tool(key.clone()));
    assert_eq!(session.sent[0]["result"]["success"], false);
    let closed = Event::RequestClosed { key, reason: RequestEnd::TimedOut };
    assert_eq!(session.events.last(), Some(&closed));
    session.answer(8, Answer::Tool { success: true, text: String::new() }).unwrap_err();
    assert_eq!(session.sent.len(), 1);
    assert!(session.timers.contains_key(&TimerId::Silence(1)));
}
