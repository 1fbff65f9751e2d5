//! Tools of MCP servers: the fake as a program and over HTTP, which checks its caller.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use canon_agent::mcp::{McpConfig, McpError, McpServers};
use canon_agent::{EventData, Session, SessionOptions, Status};
use canon_testkit::mcp_server::McpHttpServer;
use serde_json::{Value, json};

use crate::support::{Place, calls, ends, run, says};

/// How often a session is asked whether it has a tool.
const PROBES: usize = 100;
/// Marks the processes of a test.
const MARK: &str = "CANON_TEST_MCP";

/// The example program, which cargo builds beside the tests unless some are named.
fn fake() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples/mcp_server");
    assert!(
        program.is_file(),
        "{} is missing: cargo leaves examples out when tests are named; run `cargo build -p canon-agent --features mcp --example mcp_server`",
        program.display()
    );
    program
}

fn program(mark: &Path) -> Value {
    json!({"command": fake(), "env": {MARK: mark.display().to_string()}})
}

fn config(place: &Place, servers: Value) -> McpConfig {
    place.write("conf/mcp.json", json!({ "mcpServers": servers }).to_string());
    McpConfig::read(&place.path("conf/mcp.json"), |_| None).unwrap()
}

/// The fake as server `fake`, changed by `more`.
async fn start(place: &Place, more: Value) -> McpServers {
    let mut server = program(place.dir.path());
    server.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let config = config(place, json!({ "fake": server }));
    McpServers::start(config, vec![place.dir.path().to_owned()]).await.unwrap()
}

fn options(place: &Place, servers: &McpServers, entries: &[Value]) -> SessionOptions {
    let mut options = place.options(entries);
    options.extra_tools = servers.tools();
    options
}

/// What the model's calls come to, and all events.
async fn play(
    place: &Place,
    servers: &McpServers,
    called: &[(&str, Value)],
) -> (Vec<(String, bool)>, Vec<EventData>) {
    // One after the other: some of them end the server.
    let mut entries: Vec<Value> =
        called.iter().map(|call| calls(std::slice::from_ref(call))).collect();
    entries.push(says("done"));
    let mut session = Session::new(options(place, servers, &entries)).unwrap();
    let (outcome, events) = run(&mut session, "go").await;
    assert_eq!(outcome.status, Status::Completed, "{outcome:?}");
    let found =
        ends(&events).iter().map(|(_, text, failed)| ((*text).to_owned(), *failed)).collect();
    (found, events)
}

fn is_live(event: &EventData) -> bool {
    matches!(event, EventData::ToolCallOutputDelta { .. })
}

fn left(place: &Place) -> Vec<u32> {
    canon_exec::group::processes_with_env(MARK, &place.dir.path().display().to_string())
}

#[tokio::test]
async fn the_model_is_offered_the_tools_by_their_servers_name() {
    let place = Place::new();
    let servers = start(&place, json!({})).await;
    assert_eq!(servers.notes(), &[] as &[String]);
    let echo = ("fake__echo", json!({"text": "hello"}));
    let (found, _) = play(&place, &servers, &[echo, ("fake__log", json!({}))]).await;
    assert_eq!(found[0], ("hello".to_owned(), false));
    let log =
        "initialize\nnotifications/initialized\ntools/list\ntools/list\ntools/call\ntools/call";
    assert_eq!(found[1], (log.to_owned(), false));
    let offered = place.requests.all()[0].tools.clone();
    let echo = offered.iter().find(|tool| tool.name == "fake__echo").unwrap();
    assert_eq!(echo.description, "Says it again.");
    servers.close().await;
    assert_eq!(left(&place), [] as [u32; 0]);
}

#[tokio::test]
async fn only_listed_tools_are_offered() {
    let place = Place::new();
    let servers = start(&place, json!({"tools": ["echo", "nothing"]})).await;
    let names: Vec<String> =
        servers.tools().iter().map(|tool| tool.definition().name.clone()).collect();
    assert_eq!(names, ["fake__echo"]);
    assert!(servers.notes()[0].contains("no tool `nothing`"), "{:?}", servers.notes());
}

#[tokio::test]
async fn answers_of_all_kinds_reach_the_model() {
    let place = Place::new();
    let servers = start(&place, json!({})).await;
    let names = ["image", "structured", "fail", "refuse", "garbage", "chatty"];
    let called: Vec<(String, Value)> =
        names.iter().map(|name| (format!("fake__{name}"), json!({}))).collect();
    let called: Vec<(&str, Value)> =
        called.iter().map(|(name, arguments)| (name.as_str(), arguments.clone())).collect();
    let (found, events) = play(&place, &servers, &called).await;
    let expected = [
        ("a picture:\n\n[resource x: file:///x]", false),
        ("{\"n\":1}", false),
        ("no luck", true),
        ("[ERROR: The MCP server `fake` refused the call: not today (-32000)]", true),
        ("still here", false),
        ("done", false),
    ];
    for (found, (text, failed)) in found.iter().zip(expected) {
        assert_eq!(found, &(text.to_owned(), failed));
    }
    let live: String = events
        .iter()
        .filter_map(|event| match event {
            EventData::ToolCallOutputDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(live, "step (1/3)\nstep (2/3)\nstep (3/3)\n");
    // The picture went to the model with its result.
    let with_image = format!("{:?}", place.requests.all()[1].messages.last().unwrap());
    assert!(with_image.contains("image/png"), "{with_image}");
    servers.close().await;
}

#[tokio::test]
async fn a_call_that_is_too_slow_is_given_up_and_the_server_is_told() {
    let place = Place::new();
    let servers = start(&place, json!({"timeout_ms": 1500})).await;
    let (found, events) =
        play(&place, &servers, &[("fake__slow", json!({})), ("fake__log", json!({}))]).await;
    assert!(found[0].1 && found[0].0.contains("did not answer within 1500 ms"), "{found:?}");
    assert!(found[1].0.contains("notifications/cancelled \"time limit\""), "{found:?}");
    // Its progress was shown and did not prolong it.
    assert!(events.iter().any(is_live), "{events:?}");
    servers.close().await;
    assert_eq!(left(&place), [] as [u32; 0]);
}

#[tokio::test]
async fn an_abort_gives_the_call_up() {
    let place = Place::new();
    let servers = start(&place, json!({})).await;
    let mut session =
        Session::new(options(&place, &servers, &[calls(&[("fake__slow", json!({}))])])).unwrap();
    let handle = session.handle();
    let begun = Instant::now();
    // The progress says that the server is at it.
    let outcome = session
        .run_to_idle("go", move |event| {
            if is_live(&event.data) {
                let _ = handle.abort();
            }
        })
        .await
        .unwrap();
    assert_ne!(outcome.status, Status::Completed);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    servers.close().await;
    assert_eq!(left(&place), [] as [u32; 0]);
}

#[tokio::test]
async fn a_server_that_crashes_is_told_of_and_started_anew() {
    let place = Place::new();
    let servers = start(&place, json!({})).await;
    let again = ("fake__echo", json!({"text": "again"}));
    let (found, _) = play(&place, &servers, &[("fake__crash", json!({})), again]).await;
    let (crash, failed) = &found[0];
    assert!(failed, "{crash}");
    for part in ["was lost during the call", "exit status: 3", "the fake crashes, as asked"] {
        assert!(crash.contains(part), "{part}: {crash}");
    }
    assert_eq!(found[1], ("again".to_owned(), false));
    servers.close().await;
    assert_eq!(left(&place), [] as [u32; 0]);
}

#[tokio::test]
async fn a_message_without_an_end_is_not_kept() {
    let place = Place::new();
    let servers = start(&place, json!({})).await;
    let (found, _) = play(&place, &servers, &[("fake__huge", json!({}))]).await;
    assert!(found[0].1 && found[0].0.contains("more than 16777216 bytes"), "{found:?}");
    servers.close().await;
}

/// Says something until the model is, or is no longer, offered `fake__late`. The list is asked for
/// beside the conversation, through the same pipes: after some answers of the server it is there.
async fn until_late_is(place: &Place, session: &mut Session, offered: bool) {
    let is_offered = || {
        let requests = place.requests.all();
        requests.last().unwrap().tools.iter().any(|tool| tool.name == "fake__late")
    };
    for _ in 0..PROBES {
        if is_offered() == offered {
            return;
        }
        let (outcome, _) = run(session, "and now?").await;
        assert_eq!(outcome.status, Status::Completed);
    }
    panic!("fake__late is offered: {}", is_offered());
}

fn probes() -> Vec<Value> {
    (0..PROBES).flat_map(|_| [calls(&[("fake__log", json!({}))]), says("not yet")]).collect()
}

#[tokio::test]
async fn tools_come_and_go_and_the_next_session_begins_with_those_that_there_are() {
    let place = Place::new();
    let servers = start(&place, json!({})).await;
    let entries = [vec![calls(&[("fake__grow", json!({}))]), says("grown")], probes()].concat();
    let mut session = Session::new(options(&place, &servers, &entries)).unwrap();
    // Made before the change, and followed after it.
    let late = Session::new(options(&place, &servers, &[says("hello")])).unwrap();
    servers.follow(&session.handle());
    run(&mut session, "go").await;
    until_late_is(&place, &mut session, true).await;

    let mut late = late;
    servers.follow(&late.handle());
    run(&mut late, "go").await;
    until_late_is(&place, &mut late, true).await;

    let gone = [vec![calls(&[("fake__shrink", json!({}))]), says("gone")], probes()].concat();
    let mut next = Session::new(options(&place, &servers, &gone)).unwrap();
    servers.follow(&next.handle());
    run(&mut next, "go").await;
    assert!(
        place
            .requests
            .all()
            .iter()
            .rev()
            .nth(1)
            .unwrap()
            .tools
            .iter()
            .any(|tool| tool.name == "fake__late")
    );
    until_late_is(&place, &mut next, false).await;
    let names: Vec<String> = servers.tools().iter().map(|tool| tool.definition().name).collect();
    assert!(!names.contains(&"fake__late".to_owned()) && names.contains(&"fake__echo".to_owned()));
    servers.close().await;
}

#[tokio::test]
async fn a_server_that_talks_before_it_is_spoken_to_is_understood() {
    let place = Place::new();
    let fake = fake();
    let noise = "printf 'Starting server...\\n\\n\\xff\\xfe\\x00 garbage\\n{}\\n[1,2]\\n\"x\"\\n'";
    let script = format!("{noise}; exec '{}'", fake.display());
    let noisy = json!({"command": "bash", "args": ["-c", script], "timeout_ms": 20_000});
    let servers = start(&place, noisy).await;
    let (found, _) = play(&place, &servers, &[("fake__echo", json!({"text": "heard"}))]).await;
    assert_eq!(found[0], ("heard".to_owned(), false));
    servers.close().await;
    assert_eq!(left(&place), [] as [u32; 0]);
}

#[tokio::test]
async fn what_a_server_asks_for_is_answered_or_declined() {
    let place = Place::new();
    let servers = start(&place, json!({})).await;
    let ask = |method: &str| ("fake__ask", json!({ "text": method }));
    let methods =
        ["roots/list", "elicitation/create", "sampling/createMessage", "ping", "what/ever"];
    let called: Vec<_> = methods.iter().map(|method| ask(method)).collect();
    let (found, _) = play(&place, &servers, &called).await;
    let root = format!("file://{}", place.dir.path().display());
    let expected = [root.as_str(), "\"decline\"", "error -32601", "{}", "error -32601"];
    for ((found, _), expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{expected}: {found}");
    }
    servers.close().await;
}

#[tokio::test]
async fn a_program_gets_its_variables_and_runs_beside_its_configuration() {
    let place = Place::new();
    let variables = json!({"MY_TOKEN": "my-own-token", MARK: place.dir.path()});
    let servers = start(&place, json!({ "env": variables })).await;
    let env = |name: &str| ("fake__env", json!({ "text": name }));
    let (found, _) = play(&place, &servers, &[env("MY_TOKEN"), env("PATH")]).await;
    assert_eq!(found[0].0, "my-own-token");
    assert_ne!(found[1].0, "(not set)");
    let [process] = left(&place)[..] else { panic!("{:?}", left(&place)) };
    let cwd = std::fs::read_link(format!("/proc/{process}/cwd")).unwrap();
    assert_eq!(cwd, place.path("conf").canonicalize().unwrap());
    servers.close().await;
}

#[tokio::test]
async fn dropped_servers_are_killed() {
    let place = Place::new();
    let servers = start(&place, json!({})).await;
    assert_eq!(left(&place).len(), 1);
    drop(servers);
    assert_eq!(left(&place), [] as [u32; 0]);
}

#[tokio::test]
async fn a_server_that_does_not_start_is_said_with_its_last_words() {
    let place = Place::new();
    let broken = json!({"command": "bash", "args": ["-c", "echo no licence >&2; exit 7"],
                        "env": {MARK: place.dir.path()}});
    let start = async |servers| McpServers::start(config(&place, servers), Vec::new()).await;
    let error = start(json!({ "broken": broken })).await.unwrap_err().to_string();
    for part in ["MCP server `broken`", "exit status: 7", "no licence"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let mute = json!({"command": "sleep", "args": ["100"], "timeout_ms": 300,
                      "env": {MARK: place.dir.path()}});
    let error = start(json!({ "mute": mute })).await.unwrap_err().to_string();
    assert!(error.contains("did not answer within 300 ms"), "{error}");
    let absent = json!({"command": "no-such-server"});
    let error = start(json!({ "absent": absent })).await.unwrap_err().to_string();
    assert!(error.contains("is it installed"), "{error}");
    // One that is not required is left out, with a word.
    let mut optional = absent;
    optional["required"] = json!(false);
    let servers = json!({ "absent": optional, "fake": program(place.dir.path()) });
    let servers = start(servers).await.unwrap();
    assert!(servers.notes()[0].contains("`absent` is left out"), "{:?}", servers.notes());
    assert!(!servers.tools().is_empty());
    servers.close().await;
    assert_eq!(left(&place), [] as [u32; 0]);
}

#[tokio::test]
async fn servers_whose_tools_would_have_one_name_are_refused() {
    let place = Place::new();
    let one = program(place.dir.path());
    let servers = json!({ "a-b": one, "a_b": one });
    let error = McpServers::start(config(&place, servers), Vec::new()).await.unwrap_err();
    assert!(matches!(error, McpError::SameName { .. }), "{error}");
    assert_eq!(left(&place), [] as [u32; 0]);
}

#[tokio::test]
async fn an_address_is_spoken_to_with_its_headers() {
    let place = Place::new();
    let server = McpHttpServer::start("Bearer t0ken-of-the-test").unwrap();
    let of = |authorization: &str| {
        let headers = json!({ "Authorization": authorization });
        let far = json!({"url": server.url(), "headers": headers, "timeout_ms": 3000});
        config(&place, json!({ "far": far }))
    };
    let refused = McpServers::start(of("Bearer wrong-secret"), Vec::new()).await.unwrap_err();
    assert!(!refused.to_string().contains("wrong-secret"), "{refused}");
    let servers = McpServers::start(of("Bearer t0ken-of-the-test"), Vec::new()).await.unwrap();
    let called = [
        ("far__echo", json!({"text": "over HTTP"})),
        ("far__chatty", json!({})),
        ("far__slow", json!({})),
        ("far__log", json!({})),
    ];
    let (found, events) = play(&place, &servers, &called).await;
    assert_eq!(found[0], ("over HTTP".to_owned(), false));
    assert_eq!(found[1], ("done".to_owned(), false));
    assert!(found[2].0.contains("did not answer within 3000 ms"), "{found:?}");
    let log = &found[3].0;
    assert!(log.contains("notifications/cancelled") && !log.contains("VIOLATION"), "{log}");
    assert!(events.iter().any(is_live), "{events:?}");
    servers.close().await;
    let requests = server.requests();
    assert!(requests.contains(&"DELETE 200".to_owned()), "{requests:?}");
}
