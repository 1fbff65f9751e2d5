//! The boxes of loop spec §9.1, §9.6, §9.7 and §9.11, through the public API.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use canon_agent::{
    Budget, EventData, FlatPrice, Limit, Outcome, Price, Rates, Session, SessionConfig,
    SessionError, SessionHandle, SessionState, Status, ToolOutput, Turn, WarningCode,
};
use canon_llm::{RetryPolicy, Role};
use serde_json::json;

use crate::support::{Does, Place, calls, drain, ends, is_alive, kinds, run, says, shell};

fn quick_retries() -> RetryPolicy {
    RetryPolicy { base_delay: Duration::from_millis(1), ..RetryPolicy::default() }
}

#[tokio::test]
async fn loop_9_1_a_session_works_until_natural_completion() {
    let place = Place::new();
    let (outcome, events) = place
        .play(&[
            calls(&[("write_file", json!({"file_path": "a/hello.sh", "content": "echo Hello\n"}))]),
            json!({
                "when": {"tool_results": [{"name": "write_file", "contains": "created"}]},
                "reply": {"tool_calls": [{"name": "shell", "arguments": {"command": "bash a/hello.sh"}}]},
            }),
            json!({
                "when": {"tool_results": [{"name": "shell", "contains": ["Exit code: 0", "Hello"]}]},
                "reply": {"text": "It says Hello."},
            }),
        ])
        .await;
    assert_eq!(outcome.status, Status::Completed);
    assert_eq!(outcome.text, "It says Hello.");
    assert_eq!((outcome.turns, outcome.tool_calls), (3, 2));
    assert!(outcome.usage.total_tokens > 0);
    assert_eq!(outcome.cost_usd, Some(0.0));
    assert_eq!(place.read("a/hello.sh"), "echo Hello\n");
    assert_eq!(ends(&events).len(), 2);
}

#[tokio::test]
async fn loop_9_1_round_limit_stops() {
    let place = Place::new();
    let mut options = place.options(&[json!({
        "reply": {"tool_calls": [{"name": "shell", "arguments": {"command": "echo x >> log"}}]},
        "repeat": true,
    })]);
    options.config.max_tool_rounds_per_input = 3;
    let mut session = Session::new(options).unwrap();
    let (outcome, events) = run(&mut session, "go").await;
    assert_eq!(outcome.status, Status::Limit { limit: Limit::ToolRounds });
    assert_eq!(place.read("log"), "x\nx\nx\n");
    assert!(kinds(&events).contains(&"turn_limit"));
    assert_eq!(session.state(), SessionState::Idle);
}

#[tokio::test]
async fn loop_9_1_turn_limit_stops_across_inputs() {
    let place = Place::new();
    let mut options = place.options(&[json!({"reply": {"text": "ok"}, "repeat": true})]);
    options.config.max_turns = 2;
    let mut session = Session::new(options).unwrap();
    for wanted in [Status::Completed, Status::Completed, Status::Limit { limit: Limit::Turns }] {
        assert_eq!(run(&mut session, "go").await.0.status, wanted);
    }
    assert_eq!(place.requests.all().len(), 2);
}

/// A session whose shell runs a process that would not end, and that process.
async fn with_endless_process(place: &Place) -> (Session, u32) {
    let mut session = place.session(&[calls(&[(
        "shell",
        json!({"command": "sleep 1000 & echo $!; wait", "timeout_ms": 600_000}),
    )])]);
    session.submit("go").unwrap();
    loop {
        let event = session.next_event().await.expect("the tool writes before the session ends");
        if let EventData::ToolCallOutputDelta { delta, .. } = event.data {
            return (session, delta.trim().parse().unwrap());
        }
    }
}

#[tokio::test]
async fn loop_9_1_abort_kills_running_processes_and_closes() {
    let place = Place::new();
    let (mut session, pid) = with_endless_process(&place).await;
    assert!(is_alive(pid));
    session.abort().unwrap();
    let events: Vec<EventData> = drain(&mut session).await.into_iter().map(|e| e.data).collect();
    assert_eq!(kinds(&events), ["tool_call_end", "session_end"]);
    assert!(!is_alive(pid));
    assert!(ends(&events)[0].1.contains("[ERROR: Command was cancelled."));
    assert!(
        matches!(&events[1], EventData::SessionEnd { outcome, .. } if outcome.status == Status::Aborted)
    );
    assert_eq!(session.state(), SessionState::Closed);
    assert!(session.submit("more").is_err());
    // The conversation stays, sound and to be had.
    let history = session.history().await.unwrap();
    assert!(
        matches!(history.last(), Some(Turn::ToolResults { results, .. }) if results.len() == 1)
    );
}

#[tokio::test]
async fn an_interrupt_kills_processes_and_the_session_goes_on() {
    let place = Place::new();
    let (mut session, pid) = with_endless_process(&place).await;
    session.interrupt().unwrap();
    loop {
        if let EventData::ProcessingEnd { outcome, state } =
            session.next_event().await.unwrap().data
        {
            assert_eq!((outcome.status, state), (Status::Aborted, SessionState::Idle));
            break;
        }
    }
    assert!(!is_alive(pid));
    assert!(session.submit("more").is_ok());
}

#[tokio::test]
async fn a_session_that_nobody_holds_ends_its_processes() {
    let place = Place::new();
    let (session, pid) = with_endless_process(&place).await;
    let (handle, mut events) = session.split();
    drop(handle);
    while events.recv().await.is_some() {}
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn loop_9_1_loop_detection_warns_the_model() {
    let place = Place::new();
    let mut entries: Vec<_> = (0..4).map(|_| shell("true")).collect();
    entries.push(json!({
        "when": {"last_user": {"contains": "Loop detected: the last 4 tool calls follow a repeating pattern."}},
        "reply": {"text": "I will stop."},
    }));
    let mut options = place.options(&entries);
    options.config.loop_detection_window = 4;
    let (outcome, events) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.text, "I will stop.");
    assert!(kinds(&events).contains(&"loop_detection"));
}

#[tokio::test]
async fn loop_9_1_multiple_sequential_inputs() {
    let place = Place::new();
    let mut session = place.session(&[
        shell("echo one > f"),
        says("first"),
        json!({"when": {"last_user": "again", "turn": 2}, "reply": {"text": "second"}}),
    ]);
    assert_eq!(run(&mut session, "go").await.0.text, "first");
    assert_eq!(run(&mut session, "again").await.0.text, "second");
    let users: Vec<String> =
        place.requests.last(Role::User).iter().map(canon_llm::Message::text).collect();
    assert_eq!(users, ["go", "again"]);
}

/// A tool that talks to its own session, which it learns of later.
fn nudge(
    act: impl Fn(&SessionHandle) + Send + Sync + 'static,
) -> (Arc<OnceLock<SessionHandle>>, Arc<dyn canon_agent::Tool>) {
    let handle = Arc::new(OnceLock::new());
    let known = Arc::clone(&handle);
    let tool = Does("nudge", move || {
        act(known.get().unwrap());
        ToolOutput::ok("nudged")
    });
    (handle, Arc::new(tool))
}

async fn nudged(
    place: &Place,
    entries: &[serde_json::Value],
    config: SessionConfig,
    act: impl Fn(&SessionHandle) + Send + Sync + 'static,
) -> (Outcome, Vec<EventData>) {
    let (slot, tool) = nudge(act);
    let mut options = place.options(entries);
    options.extra_tools = vec![tool];
    options.config = config;
    let mut session = Session::new(options).unwrap();
    slot.set(session.handle()).unwrap();
    run(&mut session, "go").await
}

#[tokio::test]
async fn loop_9_6_steering_is_injected_after_the_round() {
    let place = Place::new();
    let entries = [
        calls(&[("nudge", json!({}))]),
        json!({"when": {"last_user": "turn left"}, "reply": {"text": "left it is"}}),
    ];
    let (outcome, events) = nudged(&place, &entries, SessionConfig::default(), |session| {
        session.steer("turn left").unwrap();
    })
    .await;
    assert_eq!(outcome.text, "left it is");
    let kinds = kinds(&events);
    let at = |kind| kinds.iter().position(|known| *known == kind).unwrap();
    assert!(at("tool_call_end") < at("steering_injected"));
}

#[tokio::test]
async fn loop_9_6_follow_up_runs_after_the_current_input() {
    let place = Place::new();
    let entries = [
        calls(&[("nudge", json!({}))]),
        says("first done"),
        json!({"when": {"last_user": "and then"}, "reply": {"text": "second done"}}),
    ];
    let (outcome, events) = nudged(&place, &entries, SessionConfig::default(), |session| {
        session.follow_up("and then").unwrap();
    })
    .await;
    assert_eq!(outcome.text, "second done");
    assert_eq!(kinds(&events).iter().filter(|kind| **kind == "user_input").count(), 2);
}

#[tokio::test]
async fn loop_9_7_reasoning_effort_takes_effect_on_the_next_call() {
    let place = Place::new();
    let config =
        SessionConfig { reasoning_effort: Some("low".to_owned()), ..SessionConfig::default() };
    let entries = [calls(&[("nudge", json!({}))]), says("done")];
    nudged(&place, &entries, config, |session| {
        session.set_reasoning_effort(Some("high".to_owned())).unwrap();
        session.set_model("scripted", "other-model").unwrap();
    })
    .await;
    let seen: Vec<_> = place
        .requests
        .all()
        .into_iter()
        .map(|request| (request.reasoning_effort.unwrap(), request.model))
        .collect();
    let pair = |effort: &str, model: &str| (effort.to_owned(), model.to_owned());
    assert_eq!(seen, [pair("low", "test-model"), pair("high", "other-model")]);
}

#[tokio::test]
async fn loop_3_7_a_tool_can_be_added_to_a_running_session() {
    let place = Place::new();
    let entries = [
        calls(&[("nudge", json!({}))]),
        json!({
            "when": {"tools": ["late"]},
            "reply": {"tool_calls": [{"name": "late", "arguments": {}}]},
        }),
        json!({"when": {"tool_results": [{"name": "late", "equals": "came late"}]}, "reply": {"text": "done"}}),
    ];
    let (outcome, _) = nudged(&place, &entries, SessionConfig::default(), |session| {
        let late = Does("late", || ToolOutput::ok("came late"));
        session.add_tool(Arc::new(late)).unwrap();
    })
    .await;
    assert_eq!(outcome.text, "done");
}

#[tokio::test]
async fn loop_9_11_transient_errors_are_retried() {
    let place = Place::new();
    let mut options = place.options(&[
        json!({"error": {"status": 500, "message": "oops"}}),
        json!({"error": {"status": 429, "message": "slow down"}}),
        says("here"),
    ]);
    options.config.retry = quick_retries();
    let (outcome, events) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.text, "here");
    let retries = events
        .iter()
        .filter(|event| matches!(event, EventData::Warning { code: WarningCode::ModelRetry, .. }))
        .count();
    assert_eq!(retries, 2);
}

#[tokio::test]
async fn loop_9_11_authentication_errors_close_the_session() {
    let place = Place::new();
    let mut session = place.session(&[json!({"error": {"status": 401, "message": "bad key"}})]);
    let (outcome, events) = run(&mut session, "go").await;
    assert!(
        matches!(&outcome.status, Status::Failed { code, message } if code == "authentication" && message.contains("bad key"))
    );
    assert_eq!(kinds(&events), ["session_start", "user_input", "error", "session_end"]);
    assert_eq!(session.state(), SessionState::Closed);
    assert_eq!(place.requests.all().len(), 1);
}

#[tokio::test]
async fn ruling_context_overflow_is_trimmed_once_then_fails() {
    let place = Place::new();
    let overflow = || json!({"error": {"kind": "context_length", "message": "too long"}});
    let big = || shell("seq 1 2000");
    let mut session = place.session(&[
        big(),
        big(),
        overflow(),
        json!({
            "when": {"turn": 2, "tool_results": ["2000"]},
            "reply": {"text": "fits"},
        }),
        overflow(),
        overflow(),
    ]);
    let (outcome, events) = run(&mut session, "go").await;
    assert_eq!(outcome.text, "fits");
    let trimmed = |event: &EventData| {
        matches!(event, EventData::Warning { code: WarningCode::ContextTrimmed, .. })
    };
    assert_eq!(events.iter().filter(|event| trimmed(event)).count(), 1);
    let first = place.requests.last(Role::Tool)[0].content[0].clone();
    assert!(serde_json::to_string(&first).unwrap().contains("removed to fit the context window"));
    // What still overflows after that fails.
    let (outcome, _) = run(&mut session, "again").await;
    assert!(matches!(outcome.status, Status::Failed { code, .. } if code == "context_length"));
}

#[tokio::test]
async fn a_money_budget_needs_a_price() {
    let place = Place::new();
    let mut options = place.options(&[says("x")]);
    options.profile.provider = "openai".to_owned();
    options.config.budget = Budget { max_tokens: None, max_cost_usd: Some(1.0) };
    assert!(matches!(Session::new(options.clone()), Err(SessionError::NoPrice { .. })));
    options.profile.provider = "scripted".to_owned();
    let session = Session::new(options).unwrap();
    assert!(matches!(session.set_model("openai", "x"), Err(SessionError::NoPrice { .. })));
}

#[tokio::test]
async fn budgets_stop_the_work() {
    let place = Place::new();
    let entry = json!({
        "reply": {
            "tool_calls": [{"name": "shell", "arguments": {"command": "true"}}],
            "usage": {"input_tokens": 10_000, "output_tokens": 1_000},
        },
        "repeat": true,
    });
    let mut options = place.options(std::slice::from_ref(&entry));
    options.config.budget = Budget { max_tokens: Some(50_000), max_cost_usd: None };
    let (outcome, _) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.status, Status::Limit { limit: Limit::Tokens });
    // Four replies of 11,000; the input of a fifth would pass the budget.
    assert_eq!(outcome.usage.total_tokens, 44_000);

    let mut options = place.options(&[entry]);
    options.config.budget = Budget { max_tokens: None, max_cost_usd: Some(0.1) };
    options.pricing = Arc::new(FlatPrice(Price::flat(Rates {
        input: 1.0,
        output: 10.0,
        cache_read: 1.0,
        cache_write: 1.0,
    })));
    let (outcome, _) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.status, Status::Limit { limit: Limit::Cost });
    assert!(outcome.cost_usd.unwrap() <= 0.1 + 1e-9, "{outcome:?}");
}

/// The prompt and the tools are a part of what a call costs, of the first one too.
#[tokio::test]
async fn a_budget_that_the_prompt_alone_passes_makes_no_call() {
    let place = Place::new();
    let mut options = place.options(&[says("never asked")]);
    options.config.budget = Budget { max_tokens: Some(500), max_cost_usd: None };
    let (outcome, _) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.status, Status::Limit { limit: Limit::Tokens });
    assert_eq!(place.requests.all().len(), 0);
}

#[tokio::test]
async fn loop_9_7_every_effort_goes_to_the_model_as_it_is() {
    let place = Place::new();
    let mut session = place.session(&[json!({"reply": {"text": "ok"}, "repeat": true})]);
    let efforts = [Some("low"), Some("medium"), Some("high"), Some("xhigh"), None, Some("low")];
    for effort in efforts {
        session.set_reasoning_effort(effort.map(str::to_owned)).unwrap();
        run(&mut session, "go").await;
    }
    let seen = place.requests.all();
    let seen: Vec<_> = seen.iter().map(|request| request.reasoning_effort.as_deref()).collect();
    assert_eq!(seen, efforts);
}

#[tokio::test]
async fn loop_9_11_a_window_that_fills_up_is_a_warning_and_the_session_goes_on() {
    let place = Place::new();
    place.write("big", "0123456789\n".repeat(4_000));
    let read = calls(&[("read_file", json!({"file_path": "big"}))]);
    let mut options = place.options(&[read, says("still here"), says("and here")]);
    // The prompt and the tools fill less than 80 % of it, with the file it is more.
    options.profile.context_window = Some(12_000);
    let mut session = Session::new(options).unwrap();
    let (outcome, mut events) = run(&mut session, "go").await;
    assert_eq!((outcome.status, outcome.text.as_str()), (Status::Completed, "still here"));
    let (outcome, more) = run(&mut session, "on").await;
    assert_eq!(outcome.text, "and here");
    events.extend(more);
    let at = |wanted: fn(&EventData) -> bool| events.iter().position(wanted).unwrap();
    let warned =
        at(|event| matches!(event, EventData::Warning { code: WarningCode::ContextUsage, .. }));
    assert!(warned > at(|event| matches!(event, EventData::ToolCallEnd { .. })));
    assert_eq!(kinds(&events).iter().filter(|kind| **kind == "warning").count(), 1);
    // No compaction: all of it goes to the model again.
    let results = |at: usize| place.requests.all()[at].messages[3].clone();
    assert_eq!((results(1).role, results(1)), (Role::Tool, results(2)));
}

#[tokio::test]
async fn a_history_can_be_gone_on_with() {
    let place = Place::new();
    let mut session = place.session(&[shell("echo remembered"), says("noted")]);
    run(&mut session, "remember").await;
    let history = session.history().await.unwrap();
    let json = serde_json::to_string(&history).unwrap();
    let mut options = place.options(&[json!({
        "when": {"turn": 2, "first_user": "remember", "last_user": "and now?"},
        "reply": {"text": "I remember"},
    })]);
    options.history = serde_json::from_str(&json).unwrap();
    let (outcome, _) = run(&mut Session::new(options).unwrap(), "and now?").await;
    assert_eq!(outcome.text, "I remember");
}
