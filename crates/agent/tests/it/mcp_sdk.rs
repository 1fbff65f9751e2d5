//! The MCP client, judged by servers that are made with the official SDK for Python.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use canon_agent::mcp::{McpConfig, McpServers};
use canon_agent::{EventData, Session, SessionEvent};
use serde_json::{Value, json};

use crate::support::{Place, calls, ends, run, says};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/mcp_server.py");

/// The Python that has the SDK, or `None` and a line for the task runner.
// The harness reads skips from the standard output of tests.
#[allow(clippy::print_stdout)]
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("CANON_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("skipped: sdks: CANON_PYTHON names no Python with the SDK of MCP");
    }
    python
}

/// What a session comes to with the server `judge` as configured.
async fn judge(place: &Place, server: Value) {
    place.write("conf/mcp.json", json!({"mcpServers": {"judge": server}}).to_string());
    let config = McpConfig::read(&place.path("conf/mcp.json"), |_| None).unwrap();
    let servers = McpServers::start(config, vec![place.dir.path().to_owned()]).await.unwrap();
    assert_eq!(servers.notes(), &[] as &[String]);
    let called = [
        ("judge__add", json!({"a": 20, "b": 22})),
        ("judge__steps", json!({})),
        ("judge__picture", json!({})),
        ("judge__broken", json!({})),
    ];
    let mut entries: Vec<Value> = called.map(|call| calls(&[call])).to_vec();
    entries.push(says("done"));
    let begin = |entries: &[Value]| {
        let mut options = place.options(entries);
        options.extra_tools = servers.tools();
        Session::new(options).unwrap()
    };
    let (_, events) = run(&mut begin(&entries), "go").await;
    let found = ends(&events);
    assert_eq!(found[0], ("judge__add", "42", false));
    assert_eq!(found[1], ("judge__steps", "all steps", false));
    assert!(!found[2].2, "{found:?}");
    assert!(found[3].2 && found[3].1.contains("Error executing tool broken"), "{found:?}");
    let live: String = events.iter().filter_map(delta).collect();
    assert_eq!(live, "step 1 (1/2)\nstep 2 (2/2)\n");
    let with_image = format!("{:?}", place.requests.all()[3].messages.last().unwrap());
    assert!(with_image.contains("image/png"), "{with_image}");

    let mut aborted = begin(&[calls(&[("judge__hang", json!({}))])]);
    let handle = aborted.handle();
    let abort = |event: &SessionEvent| {
        if delta(&event.data).is_some() {
            let _ = handle.abort();
        }
    };
    aborted.run_to_idle("go", abort).await.unwrap();
    let entries = [calls(&[("judge__was_cancelled", json!({}))]), says("done")];
    let (_, events) = run(&mut begin(&entries), "go").await;
    assert_eq!(ends(&events), [("judge__was_cancelled", "yes", false)]);
    servers.close().await;
}

fn delta(event: &EventData) -> Option<&str> {
    match event {
        EventData::ToolCallOutputDelta { delta, .. } => Some(delta),
        _ => None,
    }
}

#[tokio::test]
async fn the_official_server_is_served_over_its_streams() {
    let Some(python) = python() else { return };
    let server = json!({"command": python, "args": [SCRIPT]});
    judge(&Place::new(), server).await;
}

/// A process that is killed with its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_official_server_is_served_over_http() {
    let Some(python) = python() else { return };
    let mut command = Command::new(python);
    command.args([SCRIPT, "http"]).stdout(Stdio::piped());
    let mut server = Killed(command.spawn().unwrap());
    let mut url = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    judge(&Place::new(), json!({ "url": url.trim() })).await;
}
