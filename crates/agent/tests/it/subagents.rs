//! The boxes of loop spec §9.9: parents and children on one transcript, told apart by the first
//! thing that each was told.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canon_agent::{
    Budget, EventData, FlatPrice, Limit, Outcome, Price, Pricing, Rates, Session, SessionEvent,
    SessionOptions, SessionState, Status, ToolOutput, WarningCode,
};
use canon_llm::{EventStream, LlmError, Middleware, Next, Request};
use serde_json::{Value, json};

use crate::support::{Does, Place, drain, ends, is_alive, kinds, run};

/// Reply number `turn` of the session that was first told something with `who` in it.
fn by(who: &str, turn: usize, reply: Value) -> Value {
    json!({"when": {"first_user": who, "turn": turn}, "reply": reply})
}

fn text(text: &str) -> Value {
    json!({"text": text})
}

fn call(name: &str, arguments: Value) -> Value {
    calls(&[(name, arguments)])
}

fn calls(calls: &[(&str, Value)]) -> Value {
    let calls: Vec<Value> = calls
        .iter()
        .map(|(name, arguments)| json!({"name": name, "arguments": arguments}))
        .collect();
    json!({"tool_calls": calls})
}

fn sh(command: &str) -> Value {
    call("shell", json!({"command": command}))
}

fn spawn(task: &str) -> Value {
    call("spawn_agent", json!({"task": task}))
}

fn wait(agent_id: &str) -> Value {
    call("wait", json!({"agent_id": agent_id}))
}

async fn lead(options: SessionOptions) -> (Outcome, Vec<EventData>, Session) {
    let mut session = Session::new(options).unwrap();
    let (outcome, events) = run(&mut session, "lead").await;
    (outcome, events, session)
}

/// The events of the children, as their parent's host saw them.
fn of_children(events: &[EventData]) -> Vec<(&str, &SessionEvent)> {
    events
        .iter()
        .filter_map(|event| match event {
            EventData::Subagent { agent_id, event } => Some((agent_id.as_str(), &**event)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn loop_9_9_a_subagent_is_spawned_with_a_task_and_its_result_comes_back() {
    let place = Place::new();
    let entries = [
        by("lead", 0, spawn("scout: leave a note")),
        by("lead", 1, wait("agent-1")),
        by("lead", 2, text("I have it.")),
        by("scout", 0, sh("echo found > note")),
        by("scout", 1, text("The note is there.")),
    ];
    let (outcome, events, mut session) = lead(place.options(&entries)).await;
    assert_eq!((outcome.status, outcome.text.as_str()), (Status::Completed, "I have it."));
    // The same files, and a conversation of its own.
    assert_eq!(place.read("note"), "found\n");
    let of_child = place.requests.all().into_iter().find(|request| {
        request.messages.iter().any(|message| message.text() == "scout: leave a note")
    });
    let of_child = of_child.unwrap();
    assert_eq!(of_child.messages.len(), 2, "the prompt and the task, nothing of the parent's");
    assert!(of_child.messages[0].text().contains("You are a subagent"));
    let results = ends(&events);
    assert_eq!(results[0], ("spawn_agent", r#"{"agent_id":"agent-1","status":"running"}"#, false));
    let wanted = "agent-1: completed; success: true; turns used: 2\nThe note is there.";
    assert_eq!(results[1], ("wait", wanted, false));
    // The host saw all of the child, in order, before the end of the wait.
    let seen: Vec<EventData> =
        of_children(&events).into_iter().map(|(_, event)| event.data.clone()).collect();
    let mut seen = kinds(&seen);
    seen.dedup();
    assert_eq!(seen[..2], ["session_start", "user_input"]);
    assert_eq!(seen.last(), Some(&"processing_end"));
    assert!(seen.contains(&"tool_call_end"));
    let at = |wanted: fn(&EventData) -> bool| events.iter().position(wanted).unwrap();
    let child_done = at(
        |event| matches!(event, EventData::Subagent { event, .. } if event.data.kind() == "processing_end"),
    );
    let waited = at(
        |event| matches!(event, EventData::ToolCallEnd { tool_name, .. } if tool_name == "wait"),
    );
    assert!(child_done < waited);
    for event in &events {
        let json = serde_json::to_string(event).unwrap();
        assert_eq!(&serde_json::from_str::<EventData>(&json).unwrap(), event);
    }
    // Closing the parent closes the child, which is idle by then, first.
    session.close().unwrap();
    let last: Vec<EventData> = drain(&mut session).await.into_iter().map(|e| e.data).collect();
    assert_eq!(of_children(&last).last().unwrap().1.data.kind(), "session_end");
    assert_eq!(last.last().unwrap().kind(), "session_end");
}

#[tokio::test]
async fn loop_9_9_depth_is_limited() {
    let offered = |place: &Place, who: &str| {
        let request = place
            .requests
            .all()
            .into_iter()
            .find(|request| request.messages.iter().any(|message| message.text() == who));
        request.unwrap().tools.iter().any(|tool| tool.name == "spawn_agent")
    };
    let entries = [
        by("lead", 0, spawn("middle")),
        by("lead", 1, wait("agent-1")),
        by("lead", 2, text("done")),
        by("middle", 0, spawn("bottom")),
        by("middle", 1, wait("agent-1")),
        by("middle", 2, text("in between")),
        by("bottom", 0, text("all the way down")),
    ];
    let place = Place::new();
    let (_, events, _) = lead(place.options(&entries)).await;
    assert!(offered(&place, "lead") && !offered(&place, "middle"));
    let refused = of_children(&events).into_iter().any(|(_, event)| {
        matches!(&event.data, EventData::ToolCallEnd { output, is_error: true, .. }
            if output.starts_with("Unknown tool: spawn_agent."))
    });
    assert!(refused);

    let place = Place::new();
    let mut options = place.options(&entries);
    options.config.max_subagent_depth = 2;
    let (outcome, events, _) = lead(options).await;
    assert!(offered(&place, "middle") && !offered(&place, "bottom"));
    // Its words are nested twice, and its tokens count in the totals of the top.
    let nested = of_children(&events).into_iter().any(|(_, event)| {
        matches!(&event.data, EventData::Subagent { event, .. }
            if matches!(&event.data, EventData::AssistantTextEnd { text, .. } if text == "all the way down"))
    });
    assert!(nested);
    assert_eq!(outcome.turns, 3);
    assert_eq!(place.requests.all().len(), 7);

    let place = Place::new();
    let mut options = place.options(&[by("lead", 0, text("alone"))]);
    options.config.max_subagent_depth = 0;
    lead(options).await;
    assert!(!offered(&place, "lead"));
}

#[tokio::test]
async fn loop_9_9_subagents_work_at_the_same_time() {
    let place = Place::new();
    let entries = [
        by("lead", 0, sh("mkfifo there back")),
        by(
            "lead",
            1,
            calls(&[
                ("spawn_agent", json!({"task": "first"})),
                ("spawn_agent", json!({"task": "second"})),
            ]),
        ),
        // The parent goes on meanwhile, and then waits for all.
        by("lead", 2, sh("echo meanwhile")),
        by("lead", 3, call("wait", json!({}))),
        by("lead", 4, text("both")),
        by("first", 0, sh("echo ping > there; cat back")),
        by("first", 1, text("first met")),
        by("second", 0, sh("cat there; echo pong > back")),
        by("second", 1, text("second met")),
    ];
    let (outcome, events, _) = lead(place.options(&entries)).await;
    assert_eq!(outcome.text, "both");
    let output = ends(&events).into_iter().find(|(name, ..)| *name == "wait").unwrap().1.to_owned();
    assert!(output.contains("agent-1: completed") && output.contains("second met"), "{output}");
    let failed = of_children(&events).into_iter().any(|(_, event)| {
        matches!(&event.data, EventData::ToolCallEnd { output, .. } if output.contains("timed out"))
    });
    assert!(!failed);
}

#[tokio::test]
async fn loop_9_9_send_input_reaches_a_subagent_at_work_and_one_that_is_done() {
    let place = Place::new();
    let send =
        |message: &str| call("send_input", json!({"agent_id": "agent-1", "message": message}));
    let entries = [
        by("lead", 0, sh("mkfifo gate")),
        by("lead", 1, spawn("scout")),
        by("lead", 2, send("count them too")),
        by("lead", 3, sh("echo open > gate")),
        by("lead", 4, wait("agent-1")),
        by("lead", 5, send("and sort them")),
        by("lead", 6, wait("agent-1")),
        by("lead", 7, text("done")),
        by("scout", 0, sh("cat gate")),
        json!({
            "when": {"first_user": "scout", "turn": 1, "last_user": "count them too"},
            "reply": {"text": "counted"},
        }),
        json!({
            "when": {"first_user": "scout", "turn": 2, "last_user": "and sort them"},
            "reply": {"text": "sorted"},
        }),
    ];
    let (outcome, events, _) = lead(place.options(&entries)).await;
    assert_eq!(outcome.text, "done");
    let waits: Vec<&str> = ends(&events)
        .into_iter()
        .filter(|(name, ..)| *name == "wait")
        .map(|(_, output, _)| output)
        .collect();
    assert!(waits[0].ends_with("counted") && waits[1].ends_with("sorted"), "{waits:?}");
}

#[tokio::test]
async fn loop_9_9_wait_knows_limits_any_strangers_and_old_results() {
    let place = Place::new();
    let entries = [
        by("lead", 0, sh("mkfifo gate")),
        by(
            "lead",
            1,
            calls(&[
                ("spawn_agent", json!({"task": "slow"})),
                ("spawn_agent", json!({"task": "quick"})),
            ]),
        ),
        by("lead", 2, call("wait", json!({"agent_ids": ["agent-1", "agent-2"], "any": true}))),
        by(
            "lead",
            3,
            calls(&[("wait", json!({"agent_id": "agent-9"})), ("wait", json!({"timeout_ms": 1}))]),
        ),
        by("lead", 4, sh("echo open > gate")),
        by(
            "lead",
            5,
            calls(&[
                ("wait", json!({"agent_ids": ["agent-1", "agent-2"]})),
                ("wait", json!({"agent_id": "agent-2"})),
            ]),
        ),
        by("lead", 6, call("wait", json!({}))),
        by("lead", 7, text("done")),
        by("slow", 0, sh("cat gate")),
        by("slow", 1, text("at last")),
        by("quick", 0, text("at once")),
    ];
    let (outcome, events, _) = lead(place.options(&entries)).await;
    assert_eq!(outcome.text, "done", "{outcome:?}");
    let waits: Vec<(&str, bool)> = ends(&events)
        .into_iter()
        .filter(|(name, ..)| *name == "wait")
        .map(|(_, output, is_error)| (output, is_error))
        .collect();
    let has = |part: &str, failed: bool| {
        waits.iter().any(|(output, is_error)| output.contains(part) && *is_error == failed)
    };
    // Which of the two is the first agent is for the tasks' order to say; the slow one was.
    assert!(has("agent-1: running\n\nagent-2: completed", false), "{waits:?}");
    assert!(has("There is no subagent agent-9. There are: agent-1, agent-2.", true), "{waits:?}");
    assert!(has("The time is over; not all are done.\n\nagent-1: running", false), "{waits:?}");
    assert!(has("at last\n\nagent-2: completed", false), "{waits:?}");
    assert!(has("No subagent is at work; there is nothing to wait for.", true), "{waits:?}");
    assert_eq!(waits.iter().filter(|(output, _)| output.ends_with("at once")).count(), 3);
}

/// A child that runs a process which would not end; when this returns, it runs.
fn endless(rest: &[Value]) -> Vec<Value> {
    let until = "until [ -s pid ]; do read -t 0.05 < <(:); done; echo it runs";
    let mut entries = vec![
        by("lead", 0, spawn("endless")),
        by("lead", 1, sh(until)),
        by(
            "endless",
            0,
            call(
                "shell",
                json!({
                    "command": "sleep 1000 & echo $! > pid; wait", "timeout_ms": 600_000,
                }),
            ),
        ),
    ];
    entries.extend_from_slice(rest);
    entries
}

fn pid(place: &Place) -> u32 {
    place.read("pid").trim().parse().unwrap()
}

#[tokio::test]
async fn loop_9_9_close_agent_ends_a_subagent_and_its_processes() {
    let place = Place::new();
    let close = || call("close_agent", json!({"agent_id": "agent-1"}));
    let entries = endless(&[
        by("lead", 2, close()),
        by("lead", 3, close()),
        by(
            "lead",
            4,
            call("send_input", json!({"agent_id": "agent-1", "message": "still there?"})),
        ),
        by("lead", 5, wait("agent-1")),
        by("lead", 6, text("closed")),
    ]);
    let (outcome, events, _) = lead(place.options(&entries)).await;
    assert_eq!(outcome.text, "closed");
    assert!(!is_alive(pid(&place)));
    let line =
        "agent-1: failed, closed; success: false; turns used: 1; it was closed before it was done";
    let results = ends(&events);
    assert_eq!((results[2].1, results[3].1, results[5].1), (line, line, line));
    assert!(results[4].2 && results[4].1.contains("is closed and takes no messages"));
    assert!(!kinds(&events).contains(&"warning"), "nothing was at work at the end");
}

/// Runs until the child's process is there.
async fn until_it_runs(session: &mut Session) {
    session.submit("lead").unwrap();
    while let Some(event) = session.next_event().await {
        if matches!(&event.data, EventData::ToolCallEnd { output, .. } if output.contains("it runs"))
        {
            return;
        }
    }
    panic!("the child never ran");
}

#[tokio::test]
async fn loop_9_11_an_abort_ends_subagents_and_their_processes_first() {
    let place = Place::new();
    let mut session = place.session(&endless(&[by("lead", 2, wait("agent-1"))]));
    until_it_runs(&mut session).await;
    let pid = pid(&place);
    assert!(is_alive(pid));
    session.abort().unwrap();
    let events: Vec<EventData> = drain(&mut session).await.into_iter().map(|e| e.data).collect();
    assert!(!is_alive(pid));
    let of_child = of_children(&events);
    assert_eq!(of_child.last().unwrap().1.data.kind(), "session_end");
    assert!(
        matches!(events.last(), Some(EventData::SessionEnd { state: SessionState::Closed, outcome })
            if outcome.status == Status::Aborted)
    );
}

#[tokio::test]
async fn an_interrupt_stops_what_subagents_do_and_they_can_go_on() {
    let place = Place::new();
    let again = json!({"agent_id": "agent-1", "message": "go on"});
    let mut session = place.session(&endless(&[
        by("lead", 2, wait("agent-1")),
        json!({"when": {"last_user": "and now"}, "reply": call("send_input", again)}),
        json!({
            "when": {"first_user": "lead", "tool_results": ["gets the message"]},
            "reply": wait("agent-1"),
        }),
        json!({
            "when": {"first_user": "lead", "tool_results": ["gone on"]},
            "reply": {"text": "well"},
        }),
        json!({"when": {"first_user": "endless", "last_user": "go on"}, "reply": {"text": "gone on"}}),
    ]));
    until_it_runs(&mut session).await;
    let pid = pid(&place);
    session.interrupt().unwrap();
    while let Some(event) = session.next_event().await {
        if let EventData::ProcessingEnd { outcome, .. } = event.data {
            assert_eq!(outcome.status, Status::Aborted);
            break;
        }
    }
    let outcome = session.run_to_idle("and now", |_| {}).await.unwrap();
    assert_eq!((outcome.status, outcome.text.as_str()), (Status::Completed, "well"));
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn subagents_that_nobody_holds_end_with_their_parent() {
    let place = Place::new();
    let mut session = place.session(&endless(&[by("lead", 2, text("done"))]));
    until_it_runs(&mut session).await;
    let pid = pid(&place);
    let (handle, mut events) = session.split();
    drop(handle);
    while events.recv().await.is_some() {}
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn an_input_that_ends_while_subagents_work_is_warned_of() {
    let place = Place::new();
    let (outcome, events, session) =
        lead(place.options(&endless(&[by("lead", 2, text("done"))]))).await;
    assert_eq!(outcome.status, Status::Completed);
    assert!(events.iter().any(|event| {
        matches!(event, EventData::Warning { code: WarningCode::SubagentsRunning, message }
            if message.contains("agent-1"))
    }));
    assert!(is_alive(pid(&place)), "it goes on");
    session.abort().unwrap();
    let mut session = session;
    drain(&mut session).await;
    assert!(!is_alive(pid(&place)));
}

#[tokio::test]
async fn a_working_directory_lies_below_the_parents() {
    let place = Place::new();
    place.write("part/f", "in the part\n");
    let in_dir = |dir: &str| call("spawn_agent", json!({"task": "scout", "working_dir": dir}));
    let entries = [
        by("lead", 0, in_dir("../elsewhere")),
        by("lead", 1, in_dir("part/f")),
        by("lead", 2, in_dir("nowhere")),
        by("lead", 3, in_dir("part")),
        by("lead", 4, wait("agent-1")),
        by("lead", 5, text("done")),
        by("scout", 0, sh("cat f")),
        json!({
            "when": {"first_user": "scout", "tool_results": ["in the part"]},
            "reply": {"text": "read it"},
        }),
    ];
    let (outcome, events, _) = lead(place.options(&entries)).await;
    assert_eq!(outcome.text, "done", "{outcome:?}");
    let results = ends(&events);
    assert!(results[0].2 && results[0].1.contains("is not below the working directory"));
    assert!(results[1].2 && results[1].1.contains("is not a directory"));
    assert!(results[2].2 && results[2].1.contains("nowhere"));
    assert!(!results[3].2 && results[4].1.ends_with("read it"));
}

#[tokio::test]
async fn only_so_many_subagents_work_at_a_time() {
    let place = Place::new();
    let entries = endless(&[by("lead", 2, spawn("one too many")), by("lead", 3, text("done"))]);
    let mut options = place.options(&entries);
    options.config.max_subagents = 1;
    let (_, events, _) = lead(options).await;
    let refused = ends(&events)[2];
    assert!(refused.2 && refused.1.contains("1 subagents are at work, which is the limit"));
}

#[tokio::test]
async fn a_subagents_turns_are_limited_when_its_parent_says_so() {
    let place = Place::new();
    let entries = [
        by("lead", 0, call("spawn_agent", json!({"task": "scout", "max_turns": 1}))),
        by("lead", 1, wait("agent-1")),
        by("lead", 2, text("done")),
        by("scout", 0, sh("true")),
    ];
    let (_, events, _) = lead(place.options(&entries)).await;
    let line = "agent-1: failed; success: false; turns used: 1; it used up its turns";
    assert_eq!(ends(&events)[1].1, line);
}

const USED: u64 = 10_000;

fn expensive(who: &str, turn: usize, reply: Value) -> Value {
    let mut entry = by(who, turn, reply);
    entry["reply"]["usage"] = json!({"input_tokens": USED, "output_tokens": 0});
    entry
}

#[tokio::test]
async fn spawning_is_no_way_round_a_budget() {
    let entries = [
        expensive(
            "lead",
            0,
            calls(&[
                ("spawn_agent", json!({"task": "scout"})),
                ("wait", json!({"agent_id": "agent-1"})),
            ]),
        ),
        by("lead", 1, text("never said")),
        expensive("scout", 0, sh("true")),
        expensive("scout", 1, sh("true")),
        expensive("scout", 2, sh("true")),
        expensive("scout", 3, sh("true")),
    ];
    let place = Place::new();
    let mut options = place.options(&entries);
    options.profile.capabilities.parallel_tool_calls = false;
    options.config.budget = Budget { max_tokens: Some(4 * USED), max_cost_usd: None };
    let (outcome, events, _) = lead(options).await;
    // The child used up what the parent had left, and its parent could not even answer.
    assert_eq!(outcome.status, Status::Limit { limit: Limit::Tokens });
    let line = ends(&events)[1].1;
    assert!(line.ends_with("the budget that it shares with you is used up"), "{line}");
    assert_eq!(outcome.usage.total_tokens, 3 * USED);

    let place = Place::new();
    let mut options = place.options(&entries);
    options.profile.capabilities.parallel_tool_calls = false;
    let rates = Rates { input: 1.0, output: 1.0, cache_read: 1.0, cache_write: 1.0 };
    options.pricing = Arc::new(FlatPrice(Price::flat(rates)));
    options.config.budget = Budget { max_tokens: None, max_cost_usd: Some(0.04) };
    let (outcome, ..) = lead(options).await;
    assert_eq!(outcome.status, Status::Limit { limit: Limit::Cost });
    let cost = outcome.cost_usd.unwrap();
    assert!((cost - 0.03).abs() < 1e-9, "{cost}");
}

/// Knows one model's price.
struct OnlyOne;

impl Pricing for OnlyOne {
    fn price(&self, _: &str, model: &str) -> Option<Price> {
        (model == "test-model").then_some(Price::FREE)
    }
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_under_a_money_budget() {
    let other = || call("spawn_agent", json!({"task": "scout", "model": "other-model"}));
    let entries = [
        by("lead", 0, other()),
        by("lead", 1, text("refused")),
        by("lead", 2, other()),
        by("lead", 3, wait("agent-1")),
        by("lead", 4, text("done")),
        json!({"when": {"first_user": "scout", "model": "other-model"}, "reply": {"text": "here"}}),
    ];
    let place = Place::new();
    let mut options = place.options(&entries);
    options.pricing = Arc::new(OnlyOne);
    options.config.budget = Budget { max_tokens: None, max_cost_usd: Some(1.0) };
    let (_, events, mut session) = lead(options).await;
    let refused = ends(&events)[0];
    assert!(refused.2 && refused.1.contains("no price is known for model `other-model`"));
    session.configure(|config| config.budget = Budget::default()).unwrap();
    let outcome = session.run_to_idle("once more", |_| {}).await.unwrap();
    assert_eq!((outcome.status, outcome.text.as_str()), (Status::Completed, "done"));
    assert_eq!(outcome.cost_usd, None, "a part of the cost is not known");
}

#[tokio::test]
async fn a_subagent_has_the_model_that_its_parent_has_by_then() {
    let place = Place::new();
    let entries = [
        by("lead", 0, text("ready")),
        by("lead", 1, spawn("scout")),
        by("lead", 2, wait("agent-1")),
        by("lead", 3, text("done")),
        by("scout", 0, text("here")),
    ];
    let (_, _, mut session) = lead(place.options(&entries)).await;
    session.set_model("scripted", "cheap-model").unwrap();
    assert_eq!(run(&mut session, "on").await.0.text, "done");
    let models: Vec<String> = place.requests.all().into_iter().map(|one| one.model).collect();
    assert_eq!(models[0], "test-model");
    assert!(
        models.len() == 5 && models[1..].iter().all(|model| model == "cheap-model"),
        "{models:?}"
    );
}

#[tokio::test]
async fn a_subagent_whose_cost_nobody_knows_ends_when_money_is_limited() {
    let place = Place::new();
    let mut entries = endless(&[by("lead", 2, wait("agent-1")), by("lead", 3, text("so be it"))]);
    entries[0] =
        by("lead", 0, call("spawn_agent", json!({"task": "endless", "model": "other-model"})));
    let mut options = place.options(&entries);
    options.pricing = Arc::new(OnlyOne);
    let mut session = Session::new(options).unwrap();
    until_it_runs(&mut session).await;
    let pid = pid(&place);
    let budget = Budget { max_tokens: None, max_cost_usd: Some(1.0) };
    session.configure(|config| config.budget = budget).unwrap();
    let outcome = async {
        loop {
            let event = session.next_event().await.unwrap();
            if let EventData::ProcessingEnd { outcome, .. } = event.data {
                return outcome;
            }
        }
    };
    // Else it would go on for as long as the child's process.
    let outcome = tokio::time::timeout(Duration::from_secs(60), outcome).await.unwrap();
    assert_eq!(outcome.text, "so be it");
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_subagent_has_the_hosts_tools_and_none_that_it_took_away() {
    let place = Place::new();
    let entries = [
        by("lead", 0, spawn("scout")),
        by("lead", 1, wait("agent-1")),
        by("lead", 2, text("done")),
        by("scout", 0, call("own", json!({}))),
        by("scout", 1, text("used it")),
    ];
    let mut options = place.options(&entries);
    options.extra_tools = vec![Arc::new(Does("own", || ToolOutput::ok("the host's")))];
    options.removed_tools = ["shell".to_owned()].into();
    options.user_instructions = Some("Be brief.".to_owned());
    let (outcome, ..) = lead(options).await;
    assert_eq!(outcome.text, "done");
    for request in place.requests.all() {
        assert!(request.tools.iter().all(|tool| tool.name != "shell"));
        assert!(request.messages[0].text().contains("Be brief."));
    }
}

/// A client that has a bug for one session.
struct Buggy;

#[async_trait]
impl Middleware for Buggy {
    async fn stream(&self, request: Request, next: Next<'_>) -> Result<EventStream, LlmError> {
        let doomed = request.messages.iter().any(|message| message.text() == "doomed");
        assert!(!doomed, "a bug");
        next.stream(request).await
    }
}

#[tokio::test]
async fn a_subagent_that_panics_is_a_failed_result() {
    let place = Place::new();
    let entries = [
        by("lead", 0, spawn("doomed")),
        by("lead", 1, wait("agent-1")),
        by("lead", 2, text("so be it")),
    ];
    let mut options = place.options(&entries);
    options.client = options.client.with_middleware(Arc::new(Buggy));
    let (outcome, events, _) = lead(options).await;
    assert_eq!(outcome.text, "so be it");
    let result = ends(&events)[1];
    assert!(result.1.starts_with("agent-1: failed, closed; success: false"), "{result:?}");
    assert!(result.1.contains("panicked"), "{result:?}");
}
