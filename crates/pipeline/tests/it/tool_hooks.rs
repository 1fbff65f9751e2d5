//! Commands around the calls of tools (Attractor §9.7).

use std::sync::{Arc, Mutex};

use canon_pipeline::backend::{Callback, Reply, ToolCall, ToolHooks};
use canon_pipeline::engine::EventKind;
use serde_json::{Value, json};

use crate::support::{Place, pipeline};

/// Runs a stage whose backend makes one call of a tool, and says whether it was let.
async fn call(source: &str) -> (Place, Result<(), String>, Vec<EventKind>) {
    let answer: Arc<Mutex<Option<Result<(), String>>>> = Arc::default();
    let (said, arguments) = (Arc::clone(&answer), json!({"command": "ls 'a b'"}));
    let backend = Callback(move |stage: canon_pipeline::Stage, _| {
        let (said, arguments) = (Arc::clone(&said), arguments.clone());
        async move {
            let hooks = ToolHooks::of(&stage);
            let call = ToolCall { id: "call_1", tool: "shell", arguments: &arguments };
            let before = hooks.before(&stage, &call).await;
            if before.is_ok() {
                hooks.after(&stage, &call, &json!("two files")).await;
            }
            *said.lock().unwrap() = Some(before);
            Ok(Reply::text("ok"))
        }
    });
    let place = Place::with_backend(backend);
    let (_, events) = place.start(&pipeline(source)).await;
    let answer = answer.lock().unwrap().take().unwrap();
    (place, answer, events)
}

fn recorded(place: &Place) -> Value {
    serde_json::from_str(&place.read("a/tool_hooks.jsonl")).unwrap()
}

#[tokio::test]
async fn hooks_are_told_of_the_call_and_its_result() {
    let source =
        "tool_hooks.pre=\"cat > pre.json; echo $ATTRACTOR_TOOL_NAME $ATTRACTOR_NODE_ID > env\"
        tool_hooks.post=\"cat > post.json\" a; start -> a -> exit";
    let (place, before, _) = call(source).await;
    before.unwrap();
    let read = |name: &str| std::fs::read_to_string(place.work().join(name)).unwrap();
    let pre: Value = serde_json::from_str(&read("pre.json")).unwrap();
    let wanted = json!({
        "hook": "pre", "run": "run_1", "node": "a", "id": "call_1", "tool": "shell",
        "arguments": {"command": "ls 'a b'"},
    });
    assert_eq!(pre, wanted);
    assert_eq!(read("env"), "shell a\n");
    let post: Value = serde_json::from_str(&read("post.json")).unwrap();
    assert_eq!((&post["hook"], &post["result"]), (&json!("post"), &json!("two files")));
    assert!(!place.logs().join("a/tool_hooks.jsonl").exists());
}

#[tokio::test]
async fn a_hook_before_a_call_that_fails_leaves_it_out_and_is_recorded() {
    let source = "tool_hooks.pre=true a [tool_hooks.pre=\"echo not here >&2; exit 3\"]
        start -> a -> exit";
    let (place, before, events) = call(source).await;
    let why = before.unwrap_err();
    assert_eq!(why, "the hook before the call refused it: exit code 3: not here");
    assert_eq!((&recorded(&place)["why"], &recorded(&place)["hook"]), (&json!(why), &json!("pre")));
    let told = events.iter().any(|event| match event {
        EventKind::StageProgress { stage, detail } => stage == "a" && detail["why"] == json!(why),
        _ => false,
    });
    assert!(told, "{events:?}");
}

#[tokio::test]
async fn a_hook_after_a_call_that_fails_is_recorded_and_changes_nothing() {
    let source = "a [tool_hooks.post=\"exit 1\"] start -> a -> exit";
    let (place, before, _) = call(source).await;
    before.unwrap();
    assert_eq!(
        (&recorded(&place)["why"], &recorded(&place)["hook"]),
        (&json!("exit code 1"), &json!("post"))
    );
}
