//! The matrix of loop spec §9.12 and the smoke test of §9.13: every row for every family of models,
//! over the family's own wire, against a server that checks it.

mod world;

use canon_agent::{EventData, Session, Status, WarningCode};
use canon_testkit::model_server::Reply;
use serde_json::json;

use crate::support::{ends, run};
use world::{ANTHROPIC, Family, GEMINI, OPENAI, World};

/// One test for each row and family.
macro_rules! matrix {
    ($($row:ident),+ $(,)?) => {
        matrix!(@family openai OPENAI $($row)+);
        matrix!(@family anthropic ANTHROPIC $($row)+);
        matrix!(@family gemini GEMINI $($row)+);
    };
    (@family $module:ident $family:ident $($row:ident)+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $row() {
                    super::$row(&super::$family).await;
                }
            )+
        }
    };
}

matrix!(
    loop_9_12_simple_file_creation,
    loop_9_12_read_a_file_then_edit_it,
    loop_9_12_multi_file_edit_in_one_session,
    loop_9_12_shell_command_execution,
    loop_9_12_shell_command_timeout,
    loop_9_12_grep_and_glob_find_files,
    loop_9_12_multi_step_task,
    loop_9_12_tool_output_truncation,
    loop_9_12_parallel_tool_calls,
    loop_9_12_steering_mid_task,
    loop_9_12_reasoning_effort_change,
    loop_9_12_subagent_spawn_and_wait,
    loop_9_12_loop_detection_warns,
    loop_9_12_error_recovery,
    loop_9_12_own_editing_format,
    loop_9_13_smoke,
);

async fn loop_9_12_simple_file_creation(family: &'static Family) {
    let world = World::new(family);
    world.calls(&[(family.create)("hello.py", "print('Hello')\n")]);
    world.says("created");
    let (outcome, _) = world.play().await;
    assert_eq!((outcome.status, outcome.text.as_str()), (Status::Completed, "created"));
    assert_eq!(world.place.read("hello.py"), "print('Hello')\n");
}

async fn loop_9_12_read_a_file_then_edit_it(family: &'static Family) {
    let world = World::new(family);
    world.place.write("a.txt", "one\ntwo\nthree\n");
    world.calls(&[("read_file", json!({"file_path": "a.txt"}))]);
    world.calls(&[(family.edit)("a.txt", "two", "2")]);
    world.says("done");
    let (_, events) = world.play().await;
    let results = ends(&events);
    assert!(results[0].1.contains("2 | two"), "{results:?}");
    assert!(results.iter().all(|(_, _, is_error)| !is_error), "{results:?}");
    assert_eq!(world.place.read("a.txt"), "one\n2\nthree\n");
}

async fn loop_9_12_multi_file_edit_in_one_session(family: &'static Family) {
    let world = World::new(family);
    for name in ["a", "b", "c"] {
        world.place.write(name, format!("this is {name}\n"));
    }
    world.calls(&[(family.edit)("a", "this is a", "A"), (family.edit)("b", "this is b", "B")]);
    world.calls(&[(family.edit)("c", "this is c", "C")]);
    world.says("done");
    world.play().await;
    let all = ["a", "b", "c"].map(|name| world.place.read(name));
    assert_eq!(all, ["A\n", "B\n", "C\n"]);
}

async fn loop_9_12_shell_command_execution(family: &'static Family) {
    let world = World::new(family);
    world.calls(&[("shell", json!({"command": "echo $((40 + 2)); exit 3"}))]);
    world.says("done");
    let (_, events) = world.play().await;
    let (_, output, is_error) = ends(&events)[0];
    assert!(output.contains("42") && output.contains("Exit code: 3") && is_error, "{output}");
    assert!(world.last_body().contains("Exit code: 3"), "the model was told");
}

async fn loop_9_12_shell_command_timeout(family: &'static Family) {
    let world = World::new(family);
    world.calls(&[("shell", json!({"command": "echo begun; sleep 30", "timeout_ms": 200}))]);
    world.says("it takes too long");
    let (outcome, events) = world.play().await;
    assert_eq!(outcome.status, Status::Completed);
    let output = ends(&events)[0].1;
    assert!(output.contains("begun") && output.contains("timed out after 200ms"), "{output}");
    assert!(world.last_body().contains("timed out after 200ms"));
}

async fn loop_9_12_grep_and_glob_find_files(family: &'static Family) {
    let world = World::new(family);
    world.place.write("src/one.rs", "fn needle() {}\n");
    world.place.write("src/two.rs", "fn hay() {}\n");
    world.place.write("notes.md", "needle\n");
    world.calls(&[
        ("glob", json!({"pattern": "**/*.rs"})),
        ("grep", json!({"pattern": "needle", "path": "src"})),
    ]);
    world.says("found");
    let (_, events) = world.play().await;
    let results = ends(&events);
    let output = |name| results.iter().find(|(tool, ..)| *tool == name).unwrap().1;
    assert!(["one.rs", "two.rs"].iter().all(|file| output("glob").contains(file)), "{results:?}");
    assert!(!output("glob").contains("notes.md"), "{results:?}");
    assert!(output("grep").contains("one.rs:1") && !output("grep").contains("two.rs"));
}

async fn loop_9_12_multi_step_task(family: &'static Family) {
    let world = World::new(family);
    world.place.write("config.ini", "port = 1\n");
    world.place.write("main.sh", "grep -q 'port = 8080' config.ini\n");
    world.calls(&[("grep", json!({"pattern": "port"}))]);
    world.calls(&[("read_file", json!({"file_path": "config.ini"}))]);
    world.calls(&[("shell", json!({"command": "sh main.sh"}))]);
    world.calls(&[(family.edit)("config.ini", "port = 1", "port = 8080")]);
    world.calls(&[("shell", json!({"command": "sh main.sh && echo passes"}))]);
    world.says("fixed");
    let (outcome, events) = world.play().await;
    assert_eq!((outcome.turns, outcome.tool_calls), (6, 5));
    let results = ends(&events);
    assert!(results[2].2, "fails before the edit: {results:?}");
    assert!(results[4].1.contains("passes"), "{results:?}");
}

async fn loop_9_12_tool_output_truncation(family: &'static Family) {
    let world = World::new(family);
    let big: String = (0..1000).map(|n| format!("line-{n:03} {}\n", "x".repeat(91))).collect();
    world.place.write("big.txt", &big);
    world.calls(&[("read_file", json!({"file_path": "big.txt"}))]);
    world.says("read");
    let (_, events) = world.play().await;
    let output = ends(&events)[0].1;
    assert!((0..1000).all(|n| output.contains(&format!("line-{n:03}"))), "the event has all of it");
    let told = world.last_body();
    assert!(told.contains("[WARNING: Tool output was truncated."), "{told}");
    assert!(told.contains("line-000") && told.contains("line-999"), "both ends are kept");
    assert!(!told.contains("line-500"));
}

async fn loop_9_12_parallel_tool_calls(family: &'static Family) {
    let world = World::new(family);
    world.calls(&[("shell", json!({"command": "mkfifo there back"}))]);
    // Each ends only if the other runs at the same time.
    world.calls(&[
        ("shell", json!({"command": "echo ping > there; cat back"})),
        ("shell", json!({"command": "cat there; echo pong > back"})),
    ]);
    world.says("met");
    let (_, events) = world.play().await;
    let results = ends(&events);
    assert!(results.iter().all(|(_, _, is_error)| !is_error), "{results:?}");
    let told = world.last_body();
    let at = |word: &str| told.find(word).unwrap();
    assert!(at("call_2") < at("pong\\n") || family.provider == "gemini");
    assert!(told.contains("ping\\n") && told.contains("pong\\n"), "both results went back");
}

async fn loop_9_12_steering_mid_task(family: &'static Family) {
    let world = World::new(family);
    world.calls(&[("shell", json!({"command": "true"}))]);
    world.says("only that, then");
    let mut session = world.session();
    let handle = session.handle();
    let mut injected = Vec::new();
    let outcome = session
        .run_to_idle("build everything", |event| match &event.data {
            EventData::ToolCallStart { .. } => handle.steer("just the health endpoint").unwrap(),
            EventData::SteeringInjected { content, .. } => injected.push(content.clone()),
            _ => {}
        })
        .await;
    assert_eq!(outcome.unwrap().text, "only that, then");
    assert_eq!(injected, ["just the health endpoint"]);
    world.check();
    assert!(!world.body(0).to_string().contains("health endpoint"));
    assert!(world.body(1).to_string().contains("just the health endpoint"));
}

async fn loop_9_12_reasoning_effort_change(family: &'static Family) {
    let world = World::new(family);
    world.says("one");
    world.says("two");
    let mut options = world.options();
    options.config.reasoning_effort = Some("low".to_owned());
    let mut session = Session::new(options).unwrap();
    run(&mut session, "first").await;
    session.handle().set_reasoning_effort(Some("high".to_owned())).unwrap();
    run(&mut session, "second").await;
    world.check();
    let efforts = [0, 1].map(|at| (family.effort)(&world.body(at)));
    assert_eq!(efforts.map(|effort| effort.to_string().to_lowercase()), ["\"low\"", "\"high\""]);
}

async fn loop_9_12_subagent_spawn_and_wait(family: &'static Family) {
    let world = World::new(family);
    // The child's conversation is the one that has not been told to do it.
    for calls in [
        ("spawn_agent", json!({"task": "count the files"})),
        ("wait", json!({"agent_id": "agent-1"})),
    ] {
        world.server.push_when("do it", world.reply(&[calls]));
    }
    world.server.push_when("do it", Reply::text("seven"));
    world.calls(&[("shell", json!({"command": "echo counted > note"}))]);
    world.says("there are 7 files");
    let (outcome, events) = world.play().await;
    assert_eq!((outcome.status, outcome.text.as_str()), (Status::Completed, "seven"));
    let waited = ends(&events).into_iter().find(|(name, ..)| *name == "wait").unwrap();
    assert!(waited.1.contains("there are 7 files") && !waited.2, "{waited:?}");
    assert_eq!(world.place.read("note"), "counted\n", "the same files");
    assert!(events.iter().any(|event| matches!(event, EventData::Subagent { .. })));
}

async fn loop_9_12_loop_detection_warns(family: &'static Family) {
    let world = World::new(family);
    for _ in 0..10 {
        world.calls(&[("shell", json!({"command": "true"}))]);
    }
    world.says("I was going in circles");
    let (_, events) = world.play().await;
    let warned = events.iter().filter(|event| matches!(event, EventData::LoopDetection { .. }));
    assert_eq!(warned.count(), 1);
    assert!(world.last_body().contains("Loop detected"), "the model was told");
}

async fn loop_9_12_error_recovery(family: &'static Family) {
    let world = World::new(family);
    world.place.write("right.txt", "content\n");
    world.calls(&[("read_file", json!({"file_path": "wrong.txt"}))]);
    world.calls(&[("no_such_tool", json!({}))]);
    world.calls(&[("read_file", json!({"file_path": "right.txt"}))]);
    world.says("recovered");
    let (outcome, events) = world.play().await;
    let failed: Vec<bool> = ends(&events).iter().map(|(_, _, is_error)| *is_error).collect();
    assert_eq!(failed, [true, true, false]);
    assert_eq!(outcome.text, "recovered");
}

async fn loop_9_12_own_editing_format(family: &'static Family) {
    let world = World::new(family);
    world.place.write("a.rs", "fn old() {}\n\nfn other() {}\n");
    // First one that does not fit, as models write them at times: nothing may change by it.
    world.calls(&[(family.edit)("a.rs", "fn absent() {}", "fn x() {}")]);
    world.calls(&[(family.edit)("a.rs", "fn old() {}", "fn new() {}")]);
    world.says("done");
    let (_, events) = world.play().await;
    let results = ends(&events);
    assert!(results[0].2 && !results[1].2, "{results:?}");
    assert_eq!(world.place.read("a.rs"), "fn new() {}\n\nfn other() {}\n");
    // A family is offered its own format, and not another's.
    let tools = world.body(0)["tools"].to_string();
    let offered = |name: &str| tools.contains(&format!("\"name\":\"{name}\""));
    assert_eq!(offered("apply_patch"), family.provider == "openai", "{tools}");
    assert_eq!(offered("edit_file"), family.provider != "openai", "{tools}");
}

/// §9.13 in one session, but for the subagent, which has its row, and for a task that only a model
/// can be judged by.
async fn loop_9_13_smoke(family: &'static Family) {
    let world = World::new(family);
    let mut session = world.session();
    world.calls(&[(family.create)("hello.py", "print('Hello World')\n")]);
    world.says("created");
    run(&mut session, "Create hello.py, which prints Hello World").await;
    assert!(world.place.read("hello.py").contains("Hello"));

    world.calls(&[("read_file", json!({"file_path": "hello.py"}))]);
    let both = "print('Hello World'); print('Goodbye')";
    world.calls(&[(family.edit)("hello.py", "print('Hello World')", both)]);
    world.says("edited");
    run(&mut session, "Add a second print of Goodbye").await;
    let content = world.place.read("hello.py");
    assert!(content.contains("Hello") && content.contains("Goodbye"), "{content}");

    world.calls(&[("shell", json!({"command": "python3 hello.py || sh -c 'echo Goodbye'"}))]);
    world.says("ran");
    let (_, events) = run(&mut session, "Run it").await;
    assert!(ends(&events)[0].1.contains("Goodbye"), "{events:?}");

    let big = "x".repeat(100_000);
    world.place.write("big.txt", &big);
    world.calls(&[("read_file", json!({"file_path": "big.txt"}))]);
    world.says("long");
    let (_, events) = run(&mut session, "Read big.txt").await;
    assert!(ends(&events)[0].1.contains(&big), "the event has all of it");
    let told = world.last_body();
    assert!(told.contains("Tool output was truncated") && !told.contains(&big));

    world.calls(&[("shell", json!({"command": "sleep 30", "timeout_ms": 100}))]);
    world.says("it takes too long");
    let (outcome, events) = run(&mut session, "Run 'sleep 30'").await;
    assert!(ends(&events)[0].1.contains("timed out after 100ms"), "{events:?}");
    assert_eq!((outcome.status, outcome.turns), (Status::Completed, 11));
    world.check();
    let warned: Vec<WarningCode> = events
        .iter()
        .filter_map(|event| match event {
            EventData::Warning { code, .. } => Some(*code),
            _ => None,
        })
        .collect();
    assert_eq!(warned, [], "{}", family.provider);
}
