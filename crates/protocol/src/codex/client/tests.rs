use serde_json::{Value, json};

use super::*;

mod replaying;
mod requests;
mod timing;

/// A client with everything that it put out, and the journal of both directions.
struct Session {
    client: Client,
    journal: Vec<(Direction, Line)>,
    events: Vec<Event>,
    timers: BTreeMap<TimerId, u64>,
    sent: Vec<Value>,
    /// The timer that ran out last.
    expired: Option<TimerId>,
}

impl Session {
    fn new(options: Options) -> Self {
        let mut session = Self {
            client: Client::new(options),
            journal: Vec::new(),
            events: Vec::new(),
            timers: BTreeMap::new(),
            sent: Vec::new(),
            expired: None,
        };
        let out = session.client.start();
        session.perform(out);
        session
    }

    /// A session that is ready for a turn, with its events so far forgotten.
    fn ready(options: Options) -> Self {
        let mut session = Self::new(options);
        session.hear(json!({"id": 0, "result": {"userAgent": "agent/1"}}));
        let thread = json!({"thread": {"id": "th"}, "model": "m1", "modelProvider": "p"});
        session.hear(json!({"id": 1, "result": thread}));
        if session.client.options().thread_name.is_some() {
            session.hear(json!({"id": 2, "result": {}}));
        }
        session.events.clear();
        session.sent.clear();
        session
    }

    /// A session in its first turn, named `t1`.
    fn in_turn(options: Options) -> Self {
        let mut session = Self::ready(options);
        session.turn("go");
        session.hear(json!({"id": 1 << 20, "result": {"turn": {"id": "t1"}}}));
        session.started("t1");
        session.events.clear();
        session.sent.clear();
        session
    }

    fn perform(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(line) => {
                    self.sent.push(serde_json::from_slice(&line).unwrap());
                    self.journal.push((Direction::ToAgent, Line::data(line)));
                }
                Output::Event(event) => self.events.push(event),
                Output::SetTimer { id, after_ms } => {
                    self.timers.insert(id, after_ms);
                }
                Output::ClearTimer { id } => {
                    let ran = self.timers.remove(&id).is_some();
                    assert!(ran || self.expired.as_ref() == Some(&id), "{id:?} does not run");
                }
            }
        }
    }

    fn hear(&mut self, message: Value) {
        self.hear_line(Line::data(message.to_string()));
    }

    fn hear_line(&mut self, line: Line) {
        self.journal.push((Direction::FromAgent, line.clone()));
        let out = self.client.received(&line);
        self.perform(out);
    }

    fn turn(&mut self, prompt: &str) {
        let out = self.client.turn(prompt).unwrap();
        self.perform(out);
    }

    fn answer(&mut self, id: u64, answer: Answer) -> Result<(), AnswerError> {
        let out = self.client.answer(&RequestKey::of(&id.into()), answer)?;
        self.perform(out);
        Ok(())
    }

    fn expire(&mut self, id: TimerId) {
        assert!(self.timers.remove(&id).is_some(), "{id:?} does not run: {:?}", self.timers);
        self.expired = Some(id.clone());
        let out = self.client.timer(&id);
        self.perform(out);
    }

    fn ask(&mut self, id: u64, method: &str, params: Value) {
        let mut params = params;
        params["threadId"] = json!("th");
        params["turnId"] = json!("t1");
        self.hear(json!({"id": id, "method": method, "params": params}));
    }

    fn started(&mut self, turn: &str) {
        let params = json!({"threadId": "th", "turn": {"id": turn}});
        self.hear(json!({"method": "turn/started", "params": params}));
    }

    fn finish(&mut self, turn: &str, status: &str) {
        let turn = json!({"id": turn, "items": [], "status": status});
        let params = json!({"threadId": "th", "turn": turn});
        self.hear(json!({"method": "turn/completed", "params": params}));
    }

    fn names(&self) -> Vec<&'static str> {
        self.events.iter().map(Event::name).collect()
    }

    fn end(&self) -> &TurnEnd {
        let ends: Vec<&TurnEnd> = self.events.iter().filter_map(turn_end).collect();
        assert_eq!(ends.len(), 1, "one end in {:?}", self.events);
        ends[0]
    }
}

fn turn_end(event: &Event) -> Option<&TurnEnd> {
    if let Event::TurnEnded(end) = event { Some(end) } else { None }
}

fn options() -> Options {
    let schema = json!({"type": "object"});
    Options {
        thread_name: Some("A-1: title".to_owned()),
        tools: vec![ToolSpec {
            name: "issue_update".to_owned(),
            description: "changes the issue".to_owned(),
            input_schema: schema,
        }],
        ..Options::new("/srv/a")
    }
}

#[test]
fn the_handshake_goes_step_by_step() {
    let mut session = Session::new(options());
    assert_eq!(session.sent.len(), 1);
    assert_eq!(session.sent[0]["method"], "initialize");
    assert_eq!(session.sent[0]["params"]["capabilities"]["experimentalApi"], true);
    assert_eq!(session.client.turn("too early"), Err(Refused::NotReady));
    session.hear(json!({"id": 0, "result": {"userAgent": "agent/1"}}));
    assert_eq!(session.sent[1], json!({"method": "initialized"}));
    let start = &session.sent[2];
    assert_eq!(start["method"], "thread/start");
    assert_eq!(start["params"]["cwd"], "/srv/a");
    assert_eq!(start["params"]["approvalPolicy"], "never");
    assert_eq!(start["params"]["sandbox"], "workspace-write");
    assert_eq!(start["params"]["dynamicTools"][0]["name"], "issue_update");
    session.hear(json!({"id": 1, "result": {"thread": {"id": "th"}, "model": "m1"}}));
    assert_eq!(session.sent[3]["params"], json!({"threadId": "th", "name": "A-1: title"}));
    assert_eq!(session.names(), ["session_started"]);
    assert_eq!((session.client.thread_id(), session.client.model()), (Some("th"), Some("m1")));
}

#[test]
fn a_resumed_thread_takes_no_tools() {
    let resume = Some(Resume { thread_id: "old".to_owned(), usage: None });
    let mut session = Session::new(Options { resume, ..options() });
    session.hear(json!({"id": 0, "result": {}}));
    let params = &session.sent[2]["params"];
    assert_eq!(
        (&session.sent[2]["method"], &params["threadId"]),
        (&json!("thread/resume"), &json!("old"))
    );
    assert!(params.get("dynamicTools").is_none());
}

#[test]
fn startup_fails_in_each_way_once() {
    let fail = |prepare: &dyn Fn(&mut Session)| {
        let mut session = Session::new(options());
        prepare(&mut session);
        let failures: Vec<ErrorCategory> = session
            .events
            .iter()
            .filter_map(|event| match event {
                Event::StartupFailed { category, .. } => Some(*category),
                _ => None,
            })
            .collect();
        assert!(session.client.is_over() && session.timers.is_empty());
        assert_eq!(session.client.turn("late"), Err(Refused::Over));
        assert_eq!(failures.len(), 1);
        failures[0]
    };
    let refuse = |s: &mut Session| s.hear(json!({"id": 0, "error": {"code": -1, "message": "x"}}));
    assert_eq!(fail(&refuse), ErrorCategory::ResponseError);
    let no_thread = |s: &mut Session| {
        s.hear(json!({"id": 0, "result": {}}));
        s.hear(json!({"id": 1, "result": {}}));
    };
    assert_eq!(fail(&no_thread), ErrorCategory::ResponseError);
    let silent = |s: &mut Session| s.expire(TimerId::Response(0));
    assert_eq!(fail(&silent), ErrorCategory::ResponseTimeout);
    let exit = |code| {
        move |s: &mut Session| {
            let out = s.client.exited(Exit { code: Some(code), signal: None });
            s.perform(out);
        }
    };
    assert_eq!(fail(&exit(1)), ErrorCategory::PortExit);
    assert_eq!(fail(&exit(127)), ErrorCategory::CodexNotFound);
    let mut relative = Client::new(Options::new("work/a"));
    let out = relative.start();
    let Output::Event(Event::StartupFailed { category, .. }) = &out[0] else { panic!("{out:?}") };
    assert_eq!((*category, out.len()), (ErrorCategory::InvalidWorkspaceCwd, 1));
}

#[test]
fn turns_follow_each_other_on_one_thread() {
    let mut session = Session::ready(options());
    for (number, id) in [(1u64, "t1"), (2, "t2")] {
        session.events.clear();
        session.turn("go");
        let sent = session.sent.last().unwrap();
        assert_eq!(
            (&sent["method"], sent["id"].as_u64()),
            (&json!("turn/start"), Some(number << 20))
        );
        assert_eq!(sent["params"]["input"][0]["text"], "go");
        assert_eq!(session.client.turn("again"), Err(Refused::TurnRuns));
        session.hear(json!({"id": number << 20, "result": {"turn": {"id": id}}}));
        session.started(id);
        assert_eq!(session.client.session_id(), Some(format!("th-{id}")));
        session.finish(id, "completed");
        assert_eq!(session.names(), ["turn_requested", "turn_started", "turn_completed"]);
        assert_eq!((session.end().turn, session.client.running_turn()), (number as u32, None));
    }
}

#[test]
fn ruling_03_the_status_of_the_turn_decides() {
    for (status, name, category) in [
        ("completed", "turn_completed", None),
        ("failed", "turn_failed", Some(ErrorCategory::TurnFailed)),
        ("interrupted", "turn_cancelled", Some(ErrorCategory::TurnCancelled)),
        ("novel", "turn_failed", Some(ErrorCategory::TurnFailed)),
    ] {
        let mut session = Session::in_turn(options());
        session.finish("t1", status);
        assert_eq!(session.names(), [name], "{status}");
        assert_eq!((session.end().category, session.end().session_open), (category, true));
        assert_eq!(session.end().message.is_none(), category.is_none());
        assert!(session.timers.is_empty(), "{:?}", session.timers);
    }
}

#[test]
fn ends_of_other_turns_and_threads_end_nothing() {
    let mut session = Session::in_turn(options());
    session.finish("other", "completed");
    let other = json!({"threadId": "sub", "turn": {"id": "t1", "status": "completed"}});
    session.hear(json!({"method": "turn/completed", "params": other}));
    assert_eq!(session.names(), ["notification", "notification"]);
    session.finish("t1", "completed");
    session.turn("next");
    session.finish("t1", "completed");
    assert_eq!(session.client.running_turn(), Some(2));
}

#[test]
fn the_end_carries_the_last_message_and_the_reported_error() {
    let mut session = Session::in_turn(options());
    for text in ["first", "second"] {
        let item = json!({"type": "agentMessage", "id": "i", "text": text});
        let params = json!({"threadId": "th", "turnId": "t1", "item": item});
        session.hear(json!({"method": "item/completed", "params": params}));
    }
    let error = json!({"message": "no credit", "codexErrorInfo": "usageLimitExceeded"});
    let params = json!({"threadId": "th", "turnId": "t1", "error": error, "willRetry": false});
    session.hear(json!({"method": "error", "params": params}));
    session.finish("t1", "failed");
    let end = session.end();
    assert_eq!(end.last_message.as_deref(), Some("second"));
    assert_eq!(end.message.as_deref(), Some("no credit"));
    assert_eq!(end.error_info, Some(json!("usageLimitExceeded")));
}

#[test]
fn an_interrupt_is_sent_once_and_not_before_the_turn_runs() {
    let mut session = Session::ready(options());
    assert_eq!(session.client.interrupt(), []);
    session.turn("go");
    assert_eq!(session.client.interrupt(), []);
    session.hear(json!({"id": 1 << 20, "result": {"turn": {"id": "t1"}}}));
    assert_eq!(session.sent.len(), 1, "Codex would refuse it now");
    session.started("t1");
    let sent = session.sent.last().unwrap().clone();
    assert_eq!(sent["method"], "turn/interrupt");
    assert_eq!(sent["params"], json!({"threadId": "th", "turnId": "t1"}));
    assert_eq!(session.client.interrupt(), []);
    session.finish("t1", "interrupted");
    assert_eq!(session.end().outcome, TurnOutcome::Cancelled);
    session.hear(json!({"id": sent["id"], "result": {}}));
    assert!(session.timers.is_empty());
}

#[test]
fn a_refused_interrupt_may_be_sent_again() {
    let mut session = Session::in_turn(options());
    let mut ids = Vec::new();
    for _ in 0..2 {
        let out = session.client.interrupt();
        session.perform(out);
        let id = session.sent.last().unwrap()["id"].clone();
        session.hear(json!({"id": id, "error": {"code": -32600, "message": "no active turn"}}));
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(session.client.running_turn(), Some(1));
}

#[test]
fn steering_names_the_turn() {
    let mut session = Session::in_turn(options());
    for nth in 0..2u64 {
        let out = session.client.steer("also this").unwrap();
        session.perform(out);
        let sent = session.sent.last().unwrap();
        assert_eq!(sent["params"]["expectedTurnId"], "t1");
        assert_eq!(sent["id"], (1 << 20) + 32 + nth);
    }
    session.hear(json!({"id": (1 << 20) + 32, "error": {"code": -32600, "message": "no"}}));
    assert!(
        matches!(&session.events[0], Event::RequestFailed { method, .. } if method == "turn/steer")
    );
}

#[test]
fn usage_counts_absolute_totals_once() {
    let mut session = Session::in_turn(options());
    let mut report = |thread: &str, input: u64, output: u64| {
        let total = json!({"inputTokens": input, "outputTokens": output, "cachedInputTokens": 0,
            "reasoningOutputTokens": 0, "totalTokens": input + output});
        let usage = json!({"total": total, "last": total, "modelContextWindow": 1000});
        let params = json!({"threadId": thread, "turnId": "t1", "tokenUsage": usage});
        session.hear(json!({"method": "thread/tokenUsage/updated", "params": params}));
        let Some(Event::Usage { total, delta, context_window }) = session.events.last() else {
            panic!()
        };
        assert_eq!(*context_window, Some(1000));
        (total.total_tokens, delta.total_tokens)
    };
    assert_eq!(report("th", 10, 5), (15, 15));
    assert_eq!(report("th", 10, 5), (15, 0));
    assert_eq!(report("sub", 3, 1), (19, 4));
    assert_eq!(report("th", 30, 6), (40, 21));
    // A thread that starts anew, after a compaction say, takes nothing back.
    assert_eq!(report("th", 1, 1), (40, 0));
    assert_eq!(report("th", 2, 2), (42, 2));
    session.finish("t1", "completed");
    assert_eq!(session.end().usage.total_tokens, 42);
    assert_eq!(session.client.usage().total_tokens, 42);
}

#[test]
fn a_resumed_thread_counts_only_what_is_new() {
    let total = |n: u64| json!({"inputTokens": n, "outputTokens": 0, "totalTokens": n});
    let report = |session: &mut Session, turn: &str, all: u64, last: u64| {
        let usage = json!({"total": total(all), "last": total(last)});
        let params = json!({"threadId": "th", "turnId": turn, "tokenUsage": usage});
        session.hear(json!({"method": "thread/tokenUsage/updated", "params": params}));
        session.client.usage().total_tokens
    };
    let resume = |usage| Some(Resume { thread_id: "th".to_owned(), usage });
    let mut before = Session::ready(Options { resume: resume(None), ..options() });
    assert_eq!(report(&mut before, "t0", 100, 40), 0);
    before.turn("go");
    assert_eq!(report(&mut before, "t1", 150, 50), 50);
    let mut late = Session::ready(Options { resume: resume(None), ..options() });
    late.turn("go");
    assert_eq!(report(&mut late, "t0", 100, 40), 0);
    assert_eq!(report(&mut late, "t1", 150, 50), 50);
    let mut unsaid = Session::in_turn(Options { resume: resume(None), ..options() });
    assert_eq!(report(&mut unsaid, "t1", 150, 50), 50);
    let base = Usage { input_tokens: 90, total_tokens: 90, ..Usage::default() };
    let mut known = Session::in_turn(Options { resume: resume(Some(base)), ..options() });
    assert_eq!(report(&mut known, "t1", 150, 50), 60);
}

#[test]
fn deltas_are_no_totals() {
    let mut session = Session::in_turn(options());
    let params = json!({"usage": {"input_tokens": 5}, "last_token_usage": {"total_tokens": 5}});
    session.hear(json!({"method": "some/usage", "params": params}));
    assert_eq!((session.names(), session.client.usage()), (vec!["notification"], Usage::default()));
    let params = json!({"msg": {"info": {"total_token_usage": {"input_tokens": 5}}}});
    session.hear(json!({"method": "codex/event/token_count", "params": params}));
    assert_eq!(session.client.usage().total_tokens, 5);
}

#[test]
fn bad_lines_are_events_and_the_turn_goes_on() {
    let mut session = Session::in_turn(options());
    session.hear_line(Line::data("not json"));
    session.hear_line(Line::TooLong { len: 11_000_000, head: "xx".into() });
    session.hear_line(Line::data("[1]"));
    session.hear_line(Line::data(""));
    session.hear(json!({"id": 99, "result": 1}));
    session.hear(json!({"method": "news", "params": {"a": 1}}));
    assert_eq!(
        session.names(),
        ["malformed", "malformed", "other_message", "other_message", "notification"]
    );
    assert!(matches!(&session.events[1], Event::Malformed { len: 11_000_000, .. }));
    assert_eq!(session.client.running_turn(), Some(1));
}

#[test]
fn every_event_has_a_short_summary() {
    let mut session = Session::in_turn(options());
    let item = json!({"type": "commandExecution", "id": "i", "command": "cargo test\nrest",
        "status": "failed", "exitCode": 101});
    let params = json!({"threadId": "th", "turnId": "t1", "item": item});
    session.hear(json!({"method": "item/completed", "params": params}));
    session.hear_line(Line::data("x".repeat(500)));
    session.finish("t1", "failed");
    let said: Vec<String> = session.events.iter().map(Event::summary).collect();
    assert_eq!(said[0], "command failed with 101: cargo test…");
    assert!(said[1].chars().count() < 200);
    assert_eq!(said[2], "turn 1 ended (turn_failed): the agent reports the turn as \"failed\"");
}

#[test]
fn model_and_limits_are_kept() {
    let mut session = Session::in_turn(options());
    let params = json!({"threadId": "th", "turnId": "t1", "fromModel": "m1", "toModel": "m2"});
    session.hear(json!({"method": "model/rerouted", "params": params}));
    let limits = json!({"limitId": "codex", "primary": {"usedPercent": 12}});
    session.hear(json!({"method": "account/rateLimits/updated", "params": {"rateLimits": limits}}));
    assert_eq!(session.client.model(), Some("m2"));
    assert_eq!(session.client.rate_limits().unwrap()["primary"]["usedPercent"], 12);
}

#[test]
fn an_exit_ends_turn_and_session() {
    let mut session = Session::in_turn(options());
    session.ask(0, "item/tool/call", json!({"tool": "issue_update", "callId": "c"}));
    let out = session.client.exited(Exit { code: None, signal: Some(9) });
    session.perform(out);
    assert_eq!(
        session.names(),
        ["tool_call", "request_closed", "turn_ended_with_error", "session_ended"]
    );
    assert_eq!(session.end().category, Some(ErrorCategory::PortExit));
    assert!(!session.end().session_open && session.timers.is_empty());
}
