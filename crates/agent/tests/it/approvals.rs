//! Approval between validation and execution (loop spec §8).

use std::sync::Arc;

use async_trait::async_trait;
use canon_agent::{
    Access, Approver, EventData, PendingCall, Session, SessionOptions, SessionState, Status,
    Verdict,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::support::{Place, calls, ends, run, says, shell};

/// Hands every review to the test, which answers it.
struct Asks(mpsc::UnboundedSender<(PendingCall, oneshot::Sender<Verdict>)>);

type Asked = mpsc::UnboundedReceiver<(PendingCall, oneshot::Sender<Verdict>)>;

#[async_trait]
impl Approver for Asks {
    async fn review(&self, call: &PendingCall) -> Verdict {
        let (answer, verdict) = oneshot::channel();
        self.0.send((call.clone(), answer)).unwrap();
        verdict.await.unwrap()
    }
}

fn asking(place: &Place, entries: &[Value]) -> (SessionOptions, Asked) {
    let (asks, asked) = mpsc::unbounded_channel();
    let mut options = place.options(entries);
    options.approver = Some(Arc::new(Asks(asks)));
    (options, asked)
}

fn write(path: &str) -> (&'static str, Value) {
    ("write_file", json!({"file_path": path, "content": "x"}))
}

#[tokio::test]
async fn ruling_approval_a_denied_call_does_not_run_and_the_model_is_told_why() {
    let place = Place::new();
    let (options, mut asked) = asking(
        &place,
        &[
            calls(&[write("yes"), write("no"), ("write_file", json!({"file_path": "broken"}))]),
            json!({
                "when": {"tool_results": [
                    {"is_error": false},
                    {"is_error": true, "contains": ["[DENIED: ", "did not run. Not that one.]"]},
                    {"is_error": true, "contains": "Invalid arguments"},
                ]},
                "reply": {"text": "understood"},
            }),
        ],
    );
    let mut session = Session::new(options).unwrap();
    let answers = async {
        let mut reviewed = Vec::new();
        while let Some((call, answer)) = asked.recv().await {
            let verdict = match call.arguments["file_path"].as_str() {
                Some("yes") => Verdict::Allow,
                _ => Verdict::Deny { reason: "Not that one.".to_owned() },
            };
            answer.send(verdict).unwrap();
            reviewed.push(call);
            if reviewed.len() == 2 {
                break;
            }
        }
        reviewed
    };
    let ((outcome, events), mut reviewed) = tokio::join!(run(&mut session, "go"), answers);
    assert_eq!(outcome.text, "understood");
    assert!(place.path("yes").exists() && !place.path("no").exists());
    // What cannot run anyway is not asked about.
    assert!(asked.try_recv().is_err());
    reviewed.sort_by_key(|call| call.call_id.clone());
    let root = place.dir.path().canonicalize().unwrap();
    for (call, name) in reviewed.iter().zip(["yes", "no"]) {
        assert_eq!(call.tool_name, "write_file");
        assert_eq!(call.access, Access::Writes(vec![root.join(name)]));
        assert_eq!((&call.working_directory, &call.agent_id), (&root, &None));
        let started = events.iter().any(|event| {
            matches!(event, EventData::ToolCallStart { call_id, .. } if *call_id == call.call_id)
        });
        assert!(started);
    }
}

#[tokio::test]
async fn ruling_approval_calls_that_may_overlap_are_asked_about_at_once_the_others_in_turn() {
    let place = Place::new();
    let (options, mut asked) =
        asking(&place, &[calls(&[write("a"), write("b"), write("a")]), says("done")]);
    let mut session = Session::new(options).unwrap();
    let answers = async {
        let (first, allow_first) = asked.recv().await.unwrap();
        let (second, allow_second) = asked.recv().await.unwrap();
        let mut open = [(first, allow_first), (second, allow_second)];
        open.sort_by_key(|(call, _)| call.arguments["file_path"].as_str().map(str::to_owned));
        let [(a, allow_a), (b, allow_b)] = open;
        assert_eq!(
            (&a.arguments["file_path"], &b.arguments["file_path"]),
            (&json!("a"), &json!("b"))
        );
        allow_b.send(Verdict::Allow).unwrap();
        assert!(asked.try_recv().is_err(), "the second write to a waits for the first");
        allow_a.send(Verdict::Allow).unwrap();
        let (last, allow_last) = asked.recv().await.unwrap();
        assert_eq!(last.arguments["file_path"], "a");
        assert!(place.path("a").exists());
        allow_last.send(Verdict::Allow).unwrap();
    };
    let ((outcome, _), ()) = tokio::join!(run(&mut session, "go"), answers);
    assert_eq!(outcome.text, "done");
}

#[tokio::test]
async fn ruling_approval_an_interrupt_ends_an_open_review_and_nothing_runs() {
    let place = Place::new();
    let (options, mut asked) = asking(&place, &[shell("touch ran"), says("again")]);
    let mut session = Session::new(options).unwrap();
    let handle = session.handle();
    let interrupts = async {
        let (_, mut answer) = asked.recv().await.unwrap();
        handle.interrupt().unwrap();
        // The review is dropped.
        answer.closed().await;
    };
    let ((outcome, events), ()) = tokio::join!(run(&mut session, "go"), interrupts);
    assert_eq!(outcome.status, Status::Aborted);
    assert!(ends(&events)[0].1.contains("cancelled before it ran"), "{events:?}");
    assert!(!place.path("ran").exists());
    assert_eq!(run(&mut session, "and now").await.0.text, "again");
}

#[tokio::test]
async fn ruling_approval_abort_gives_the_input_up_and_the_session_goes_on() {
    let place = Place::new();
    let (options, mut asked) = asking(&place, &[calls(&[write("a"), write("b")]), says("again")]);
    let mut session = Session::new(options).unwrap();
    let aborts = async {
        let (_, first) = asked.recv().await.unwrap();
        let (_, mut other) = asked.recv().await.unwrap();
        first.send(Verdict::Abort).unwrap();
        other.closed().await;
    };
    let ((outcome, events), ()) = tokio::join!(run(&mut session, "go"), aborts);
    assert_eq!(outcome.status, Status::Aborted);
    assert_eq!(session.state(), SessionState::Idle);
    let ends = ends(&events);
    assert_eq!(ends.len(), 2, "{ends:?}");
    assert_eq!(ends.iter().filter(|(_, text, _)| text.contains("gave the task up")).count(), 1);
    assert!(!place.path("a").exists() && !place.path("b").exists());
    assert_eq!(run(&mut session, "and now").await.0.text, "again");
}

/// Two calls that take as long as the test wants, one of the session and one of its subagent, with
/// the same id from the provider; in words that other agents' models use.
#[tokio::test]
async fn ruling_approval_a_call_says_who_wants_it_and_where_by_names_of_its_own() {
    let place = Place::new();
    place.write("part/f", "");
    let same = |command: &str| json!({"tool_calls": [{"id": "same", "name": "shell", "arguments": {"cmd": command, "cwd": "part"}}]});
    let by = |who: &str, turn: usize, reply: Value| json!({"when": {"first_user": who, "turn": turn}, "reply": reply});
    let spawn =
        |task: &str| json!({"tool_calls": [{"name": "spawn_agent", "arguments": {"task": task}}]});
    let wait = json!({"tool_calls": [{"name": "wait", "arguments": {}}]});
    let (mut options, mut asked) = asking(
        &place,
        &[
            by("lead", 0, spawn("middle")),
            by("lead", 1, same("echo lead")),
            by("lead", 2, wait.clone()),
            by("lead", 3, json!({"text": "done"})),
            by("middle", 0, spawn("bottom")),
            by("middle", 1, same("echo middle")),
            by("middle", 2, wait),
            by("middle", 3, json!({"text": "done"})),
            by("bottom", 0, same("echo bottom")),
            by("bottom", 1, json!({"text": "done"})),
        ],
    );
    options.config.max_subagent_depth = 2;
    let mut session = Session::new(options).unwrap();
    let answers = async {
        let mut open = Vec::new();
        while open.len() < 3 {
            let (call, answer) = asked.recv().await.unwrap();
            match call.tool_name.as_str() {
                "shell" => open.push((call, answer)),
                _ => answer.send(Verdict::Allow).unwrap(),
            }
        }
        let mut seen = Vec::new();
        for (call, answer) in open {
            assert_eq!(
                call.working_directory,
                place.dir.path().canonicalize().unwrap().join("part")
            );
            assert_eq!(call.arguments.keys().collect::<Vec<_>>(), ["command", "workdir"]);
            seen.push((call.agent_id, call.call_id, call.arguments["command"].clone()));
            answer.send(Verdict::Allow).unwrap();
        }
        seen.sort_by_key(|(_, call_id, _)| call_id.len());
        // What is still asked about: the waits.
        while let Some((_, answer)) = asked.recv().await {
            answer.send(Verdict::Allow).unwrap();
        }
        seen
    };
    let lead = async {
        let (outcome, events) = run(&mut session, "lead").await;
        drop(session);
        (outcome, events)
    };
    let ((outcome, events), seen) = tokio::join!(lead, answers);
    assert_eq!(outcome.text, "done", "{outcome:?}");
    let mut wanted = Vec::new();
    for (agent, id, command) in [
        (None, "same", "echo lead"),
        (Some("agent-1"), "agent-1/same", "echo middle"),
        (Some("agent-1/agent-1"), "agent-1/agent-1/same", "echo bottom"),
    ] {
        wanted.push((agent.map(str::to_owned), id.to_owned(), json!(command)));
    }
    assert_eq!(seen, wanted);
    // The same in the events, whoever's they are; the model goes on with its own id.
    let mut shown: Vec<(&str, &str, &Value)> = Vec::new();
    let mut ended: Vec<&str> = Vec::new();
    for event in &events {
        match innermost(event) {
            EventData::ToolCallStart { tool_name, call_id, arguments } => {
                shown.push((tool_name, call_id, arguments));
            }
            EventData::ToolCallEnd { tool_name, call_id, .. } if tool_name == "shell" => {
                ended.push(call_id);
            }
            _ => {}
        }
    }
    for (_, call_id, command) in &seen {
        let of_call: Vec<_> = shown.iter().filter(|(_, id, _)| id == call_id).collect();
        assert_eq!(
            of_call,
            [&("shell", call_id.as_str(), &json!({"command": command, "workdir": "part"}))]
        );
        assert!(ended.contains(&call_id.as_str()), "{ended:?}");
    }
    let requests = place.requests.all();
    let told = requests.iter().flat_map(|request| &request.messages);
    let ids: Vec<&str> = told.filter_map(|message| message.tool_call_id.as_deref()).collect();
    assert!(ids.contains(&"same") && ids.iter().all(|id| !id.contains('/')), "{ids:?}");
}

fn innermost(event: &EventData) -> &EventData {
    match event {
        EventData::Subagent { event, .. } => innermost(&event.data),
        other => other,
    }
}
