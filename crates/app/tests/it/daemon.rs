//! A real `canon up` and the commands that talk to it, found by its workflow file.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::api::wire::Server;

const WORKFLOW: &str = "\
---
tracker:
  kind: files
  provider: { path: issues }
  active_states: [Todo]
  terminal_states: [Done]
workspace: { root: workspaces }
agent: { kind: codex }
codex: { command: 'exit 7' }
---
Work on {{ issue.identifier }}.
";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(place.path("issues")).unwrap();
        std::fs::write(place.path("WORKFLOW.md"), WORKFLOW).unwrap();
        let issue = "---\nid: A-1\ntitle: <b>one</b>\nstate: Todo\n---\nDo it.\n";
        std::fs::write(place.path("issues/A-1.md"), issue).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn canon(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canon"));
        command.args(args).current_dir(self.0.path()).env("CANON_HOME", self.path("home"));
        for name in ["CANON_API_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Exit code and everything that was printed.
    async fn ask(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.canon(args).output().await.unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(printed).unwrap())
    }

    async fn up(&self) -> (Child, Lines<BufReader<ChildStderr>>, Server) {
        let mut command = self.canon(&["up", "--port", "0", "--orphan-grace", "1"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = wait_for(&mut lines, "listening on http://").await;
        let address = line.rsplit('/').next().unwrap().parse().unwrap();
        (child, lines, Server::at(address))
    }

    fn addresses(&self) -> Vec<PathBuf> {
        let workflows = std::fs::read_dir(self.path("home/workflows")).unwrap();
        let address =
            |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path().join("address.json");
        workflows.map(address).filter(|path| path.exists()).collect()
    }
}

async fn wait_for(lines: &mut Lines<BufReader<ChildStderr>>, text: &str) -> String {
    let mut seen = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains(text) {
            return line;
        }
        seen.push(line);
    }
    panic!("{text:?} was never printed: {seen:#?}")
}

#[tokio::test]
async fn a_real_daemon_is_found_by_its_workflow_file_and_does_what_it_is_asked() {
    tokio::time::timeout(Duration::from_secs(120), scenario()).await.unwrap();
}

async fn scenario() {
    let place = Place::new();
    let (mut child, mut lines, server) = place.up().await;
    wait_for(&mut lines, "A-1").await;

    assert_eq!(place.ask(&["pause"]).await.0, Some(0));
    let (code, printed) = place.ask(&["stop", "A-1"]).await;
    assert_eq!(code, Some(0), "{printed}");
    let held = async {
        loop {
            let issue = server.get("/api/v1/A-1").await.json();
            if issue["status"] == "held" {
                break issue;
            }
        }
    };
    let issue = held.await;
    assert_eq!(issue["workspace"]["path"], place.path("workspaces/A-1").to_str().unwrap());
    assert_eq!(issue["attempts"]["started"], 1);
    assert_eq!(issue["history"].as_array().map(Vec::len), Some(1), "{issue}");
    let log = issue["logs"]["codex_session_logs"][0]["path"].as_str().unwrap();
    let attempt = issue["history"][0]["attempt_id"].as_str().unwrap();
    assert!(Path::new(log).starts_with(place.path("home")) && log.contains(attempt), "{log}");

    let (code, printed) = place.ask(&["status"]).await;
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("1 held") && printed.contains("paused"), "{printed}");
    assert!(server.get("/").await.body.contains("stopped by an operator"));
    let (code, printed) = place.ask(&["answer", "A-1", "yes"]).await;
    assert_eq!((code, printed.contains("no open question")), (Some(1), true), "{printed}");

    // Killed, it leaves its address behind; nobody is misled by it.
    child.kill().await.unwrap();
    assert_eq!(place.addresses().len(), 1);
    let (code, printed) = place.ask(&["status", "WORKFLOW.md"]).await;
    assert_eq!(
        (code, printed.contains("no canon up is running for")),
        (Some(3), true),
        "{printed}"
    );

    // The next one remembers what operators asked for, and takes its address with it.
    let (mut child, _lines, server) = place.up().await;
    let state = server.get("/api/v1/state").await.json();
    assert_eq!((&state["paused"], &state["counts"]["held"]), (&true.into(), &1.into()), "{state}");
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    child.wait().await.unwrap();
    assert_eq!(place.addresses(), Vec::<PathBuf>::new());
}
