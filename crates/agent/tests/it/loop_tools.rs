//! The boxes of loop spec §9.3 to §9.5, through the public API.

use std::sync::Arc;

use canon_agent::{EventData, Family, Session, Status, ToolOutput};
use canon_llm::Role;
use serde_json::json;

use crate::support::{Does, Place, calls, ends, run, says, shell};

#[tokio::test]
async fn loop_9_3_errors_go_back_to_the_model_as_results() {
    let place = Place::new();
    let (outcome, events) = place
        .play(&[
            calls(&[
                ("launch", json!({})),
                ("read_file", json!({"name": "x"})),
                ("read_file", json!("{\"file_path\": ")),
                ("read_file", json!({"file_path": "missing"})),
                ("shell", json!({"command": "exit 3"})),
            ]),
            json!({
                "when": {"tool_results": [
                    {"is_error": true, "contains": "Unknown tool: launch"},
                    {"is_error": true, "contains": ["Invalid arguments for tool: read_file", "file_path"]},
                    {"is_error": true, "contains": "Invalid arguments for tool: read_file"},
                    {"is_error": true, "contains": "no such file"},
                    {"is_error": true, "contains": "Exit code: 3"},
                ]},
                "reply": {"text": "all failed"},
            }),
        ])
        .await;
    assert_eq!(outcome.status, Status::Completed, "{outcome:?}");
    assert!(ends(&events).iter().all(|(_, _, is_error)| *is_error));
}

#[tokio::test]
async fn loop_9_11_a_tool_that_panics_is_an_error_result() {
    let place = Place::new();
    let mut options = place.options(&[
        calls(&[("bomb", json!({})), ("shell", json!({"command": "echo fine"}))]),
        json!({
            "when": {"tool_results": [
                {"is_error": true, "equals": "Tool error (bomb): the tool panicked"},
                {"contains": "fine"},
            ]},
            "reply": {"text": "survived"},
        }),
    ]);
    options.extra_tools = vec![Arc::new(Does("bomb", || panic!("boom")))];
    let (outcome, _) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.text, "survived");
}

#[tokio::test]
async fn loop_9_2_a_custom_tool_overrides_the_profiles() {
    let place = Place::new();
    let mut options = place.options(&[
        calls(&[("shell", json!({}))]),
        json!({"when": {"tool_results": [{"equals": "mine"}]}, "reply": {"text": "ok"}}),
    ]);
    options.extra_tools = vec![Arc::new(Does("shell", || ToolOutput::ok("mine")))];
    let (outcome, _) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.text, "ok");
    let offered = place.requests.all()[0].tools.clone();
    assert_eq!(offered.iter().filter(|tool| tool.name == "shell").count(), 1);
}

/// Two commands that can only end when both run at the same time.
fn rendezvous() -> serde_json::Value {
    calls(&[
        ("shell", json!({"command": "echo ping > there; cat back"})),
        ("shell", json!({"command": "cat there; echo pong > back"})),
    ])
}

#[tokio::test]
async fn loop_9_3_tools_run_in_parallel() {
    let place = Place::new();
    let (outcome, events) =
        place.play(&[shell("mkfifo there back"), rendezvous(), says("met")]).await;
    assert_eq!(outcome.text, "met");
    let results = ends(&events);
    assert!(results.iter().all(|(_, _, is_error)| !is_error), "{results:?}");
    // Results stand in the order of the calls.
    let tools = place.requests.last(Role::Tool);
    assert!(format!("{:?}", tools[1]).contains("pong"));
    assert!(format!("{:?}", tools[2]).contains("ping"));
}

#[tokio::test]
async fn loop_9_3_without_parallel_calls_tools_run_one_by_one() {
    let place = Place::new();
    let mut options = place.options(&[shell("mkfifo there back"), rendezvous(), says("missed")]);
    options.profile.capabilities.parallel_tool_calls = false;
    options.config.default_command_timeout_ms = 200;
    let (outcome, events) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.text, "missed");
    assert!(ends(&events)[1].1.contains("timed out after 200ms"));
}

#[tokio::test]
async fn ruling_calls_that_write_one_file_run_in_order() {
    let place = Place::new();
    let edit = |old: &str, new: &str| {
        ("edit_file", json!({"file_path": "./f", "old_string": old, "new_string": new}))
    };
    let steps: Vec<(String, String)> =
        (0..20).map(|n| (format!("<{n}>"), format!("<{}>", n + 1))).collect();
    let mut all = vec![("write_file", json!({"file_path": "f", "content": "<0>"}))];
    all.extend(steps.iter().map(|(old, new)| edit(old, new)));
    all.push(("shell", json!({"command": "cat f"})));
    let (_, events) = place.play(&[calls(&all), says("done")]).await;
    assert_eq!(place.read("f"), "<20>");
    let results = ends(&events);
    assert!(results.iter().all(|(_, _, is_error)| !is_error), "{results:?}");
    assert!(results.last().unwrap().1.ends_with("<20>"), "the command saw the last edit");
}

#[tokio::test]
async fn loop_9_3_a_patch_that_fails_is_an_error_result_that_the_model_can_mend() {
    let place = Place::new();
    place.write("f", "one\ntwo\n");
    let patch = |context: &str| {
        let text =
            format!("*** Begin Patch\n*** Update File: f\n@@\n {context}\n-two\n+2\n*** End Patch");
        calls(&[("apply_patch", json!({"patch": text}))])
    };
    let refused = json!({"tool_results": [{"is_error": true, "contains": [
        "f: hunk 1 does not fit", "line 1 of the file is \"one\"", "Nothing was changed."
    ]}]});
    let mut second = patch("one");
    second["when"] = refused;
    let (outcome, events) = place
        .play_as(
            Family::OpenAi,
            &[
                patch("eins"),
                second,
                json!({
                    "when": {"tool_results": [{"equals": "Applied the patch:\nM f (+1 -1)"}]},
                    "reply": {"text": "done"},
                }),
            ],
        )
        .await;
    assert_eq!(outcome.text, "done");
    assert_eq!(place.read("f"), "one\n2\n");
    let details = events.iter().rev().find_map(|event| match event {
        EventData::ToolCallEnd { details, .. } => Some(details.clone()),
        _ => None,
    });
    let path = place.path("f").canonicalize().unwrap();
    let change = json!({"path": path, "change": "update", "added": 1, "removed": 1});
    assert_eq!(details, Some(json!({"changes": [change]})));
}

#[tokio::test]
async fn ruling_apply_patch_waits_for_other_writes_to_its_files() {
    let place = Place::new();
    place.write("g", "g\n");
    let patch = "*** Begin Patch\n*** Update File: g\n@@\n-g\n+G\n*** Update File: f\n@@\n-1\n+2\n\
                 *** End Patch";
    let (_, events) = place
        .play_as(
            Family::OpenAi,
            &[
                calls(&[
                    ("write_file", json!({"file_path": "f", "content": "1\n"})),
                    ("apply_patch", json!({"patch": patch})),
                    ("shell", json!({"command": "cat f g"})),
                ]),
                says("done"),
            ],
        )
        .await;
    let results = ends(&events);
    assert!(results.iter().all(|(_, _, is_error)| !is_error), "{results:?}");
    assert!(results[2].1.contains("2\nG\n"), "{}", results[2].1);
}

#[tokio::test]
async fn loop_9_4_commands_time_out_with_their_partial_output() {
    let place = Place::new();
    let (outcome, events) = place
        .play(&[
            calls(&[(
                "shell",
                json!({"command": "echo before; sleep 1000", "timeout_ms": 150}),
            )]),
            json!({
                "when": {"tool_results": [{"is_error": true, "contains": [
                    "before\n[ERROR: Command timed out after 150ms. Partial output is shown above.\n\
                     You can retry with a longer timeout by setting the timeout_ms parameter.]"
                ]}]},
                "reply": {"text": "too slow"},
            }),
        ])
        .await;
    assert_eq!(outcome.text, "too slow");
    let details = events
        .iter()
        .find_map(|event| match event {
            EventData::ToolCallEnd { details, .. } => Some(details.clone()),
            _ => None,
        })
        .unwrap();
    assert_eq!(details["timed_out"], true);
}

#[tokio::test]
async fn loop_9_4_the_profiles_default_timeout_wins_over_the_sessions() {
    let place = Place::new();
    let mut options = place.options(&[shell("sleep 1000"), says("done")]);
    options.profile.command_timeout_ms = Some(120);
    let (_, events) = run(&mut Session::new(options).unwrap(), "go").await;
    assert!(ends(&events)[0].1.contains("timed out after 120ms"));
}

#[tokio::test]
async fn loop_9_5_the_model_sees_a_cut_and_the_host_everything() {
    let place = Place::new();
    place.write("big.txt", "x".repeat(100_000));
    let (outcome, events) = place
        .play(&[
            calls(&[("read_file", json!({"file_path": "big.txt"}))]),
            json!({
                "when": {"tool_results": [{"contains": "[WARNING: Tool output was truncated. "}]},
                "reply": {"text": "big"},
            }),
        ])
        .await;
    assert_eq!(outcome.text, "big");
    assert_eq!(ends(&events)[0].1.matches('x').count(), 100_000);
    let seen = &place.requests.last(Role::Tool)[0];
    assert!(seen.tool_results().next().unwrap().content_text().len() < 51_000);
}

#[tokio::test]
async fn loop_9_5_limits_are_overridable() {
    let place = Place::new();
    let mut options = place.options(&[
        shell("seq 1 100"),
        json!({"when": {"tool_results": ["lines omitted"]}, "reply": {"text": "cut"}}),
    ]);
    options.config.output_limits.lines.insert("shell".to_owned(), Some(10));
    assert_eq!(run(&mut Session::new(options).unwrap(), "go").await.0.text, "cut");
}

#[tokio::test]
async fn loop_9_3_a_picture_reaches_only_a_model_that_takes_one() {
    for takes_images in [true, false] {
        let place = Place::new();
        place.write("p.png", b"\x89PNG\r\n\x1a\n...");
        let read = calls(&[("read_file", json!({"file_path": "p.png"}))]);
        let mut options = place.options(&[read, says("seen")]);
        options.profile.capabilities.images = takes_images;
        let (_, events) = run(&mut Session::new(options).unwrap(), "go").await;
        let (_, output, is_error) = ends(&events)[0];
        assert_eq!(is_error, !takes_images, "{output}");
        assert_eq!(output.contains("takes no images"), !takes_images, "{output}");
        let seen = &place.requests.last(Role::Tool)[0];
        assert_eq!(seen.tool_results().next().unwrap().image_data.is_some(), takes_images);
    }
}
