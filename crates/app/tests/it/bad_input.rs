//! Whatever is wrong with the input or the machine: one clear message, the right exit code, no
//! panic, and nothing half-made.

use std::path::Path;
use std::process::Command;

use super::up::env::{Ended, TestEnv, assert_refused};
use super::up::fake::{self, FRONT_MATTER};

/// Every path below `dir`, sorted.
fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap().flatten() {
            found.push(entry.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// `canon up` refuses, and leaves everything as it was.
#[track_caller]
fn refused(env: &TestEnv, args: &[&str], code: i32, says: &[&str]) -> Ended {
    let before = tree(&env.path(""));
    let ended = env.run(&[&["up"], args].concat());
    assert_refused(&ended, code, says);
    let mut after = tree(&env.path(""));
    // A daemon that got as far as its log may leave it: that, and no other state.
    let made = after.iter().filter(|path| path.starts_with("canon"));
    let made: Vec<&str> = made.map(|path| path.rsplit('/').next().unwrap()).collect();
    if matches!(made.as_slice(), ["canon", "workflows", workflow, "log"] if workflow.starts_with("project-"))
    {
        after.retain(|path| !path.starts_with("canon"));
    }
    assert_eq!(after, before, "something was made");
    ended
}

/// A place with one issue and nothing wrong.
fn place() -> TestEnv {
    with("kind: files", "kind: files")
}

/// A place whose workflow has this instead of that.
fn with(what: &str, instead: &str) -> TestEnv {
    let env = fake::place(fake::finishes("Review"));
    env.workflow(&fake::front_matter(what, instead), "Work on {{ issue.identifier }}.");
    env.issue("A-1");
    env
}

#[test]
fn a_workflow_that_is_not_there() {
    let env = TestEnv::new();
    refused(&env, &[], 2, &["WORKFLOW.md", "canon up PATH"]);
    refused(&env, &["other/FLOW.md"], 2, &["other/FLOW.md"]);
    // A directory is no file either.
    refused(&env, &["issues"], 2, &["issues"]);
}

#[test]
fn a_workflow_that_cannot_be_read_as_one() {
    let env = TestEnv::new();
    env.workflow("tracker: {kind: files\nworkspace: [\n", "x");
    refused(&env, &[], 2, &["WORKFLOW.md", "line"]);
    env.workflow("- one\n- two\n", "x");
    refused(&env, &[], 2, &["WORKFLOW.md", "map"]);
    env.write("project/WORKFLOW.md", "---\ntracker: {}\n");
    refused(&env, &[], 2, &["WORKFLOW.md", "---"]);
    std::fs::write(env.path("project/WORKFLOW.md"), b"---\n\xff\xfe\n---\n").unwrap();
    refused(&env, &[], 2, &["WORKFLOW.md", "UTF-8"]);
}

#[test]
fn a_setting_that_cannot_be() {
    let env = with("kind: files", "kind: jura");
    refused(&env, &[], 2, &["tracker.kind", "jura", "files"]);
    let env = with("kind: codex", "kind: codecs");
    refused(&env, &[], 2, &["agent.kind", "codecs", "codex", "canon"]);
    let env = with("interval_ms: 200", "interval_ms: soon");
    refused(&env, &[], 2, &["polling.interval_ms", "soon"]);
    let env = with("max_concurrent_agents: 3", "max_concurrent_agents: 0");
    refused(&env, &[], 2, &["agent.max_concurrent_agents", "0"]);
}

#[test]
fn a_prompt_that_is_no_template() {
    let env = TestEnv::new();
    env.workflow(FRONT_MATTER, "Work on {{ issue.identifier");
    env.issue("A-1");
    // Symphony §5.5: it fails the attempt alone, with the line in the file.
    let mut env = env;
    env.set("TEST_DIR", "");
    let mut up = env.spawn(&["up"]);
    up.says("template_parse_error: line 12");
    assert!(up.is_running(), "{}", up.stderr());
    let ended = up.kill();
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    env.assert_nothing_left();
}

#[test]
fn a_tracker_directory_that_is_not_there() {
    let env = with("path: issues", "path: nowhere");
    refused(&env, &["--until-idle"], 2, &["tracker.provider.path", "nowhere", "create it"]);
}

#[test]
fn an_agent_that_is_not_installed() {
    let env = with("exec bash \"$TEST_DIR/agent.sh\"", "no-such-agent app-server");
    refused(&env, &[], 3, &["codex.command", "`no-such-agent`", "hint: install it"]);
}

#[test]
fn a_model_without_its_key_or_its_transcript() {
    let env = with("kind: codex", "kind: canon, model: openai/gpt-5.2");
    refused(&env, &[], 3, &["OPENAI_API_KEY"]);
    let env = with("kind: codex", "kind: canon, provider: scripted, model: none.jsonl");
    refused(&env, &[], 2, &["none.jsonl", "No such file"]);
}

#[test]
fn a_workspace_root_that_cannot_be_written() {
    let env = with("root: workspaces", "root: plain/workspaces");
    env.write("project/plain", "a file");
    refused(&env, &[], 3, &["plain/workspaces", "workspace.root"]);
    let env = with("root: workspaces", "root: plain");
    env.write("project/plain", "a file");
    refused(&env, &[], 3, &["plain", "workspace.root"]);
    // Not even root writes here.
    let env = with("root: workspaces", "root: /proc/canon");
    refused(&env, &[], 3, &["/proc/canon", "workspace.root"]);
}

#[test]
fn a_port_in_use() {
    let env = place();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(&env, &["--port", &port], 3, &["in use", &port, "--port 0"]);
}

#[test]
fn a_state_directory_that_cannot_be_made() {
    let mut env = place();
    env.write("plain", "a file");
    env.set("CANON_HOME", env.path("plain/canon").to_str().unwrap());
    refused(&env, &[], 3, &["plain/canon", "CANON_HOME"]);
    env.set("CANON_HOME", "/proc/canon");
    refused(&env, &[], 3, &["/proc/canon", "CANON_HOME"]);
}

#[test]
fn a_second_daemon_on_the_same_workflow() {
    let mut env = place();
    std::fs::remove_file(env.path("project/issues/A-1.md")).unwrap();
    let mut first = env.spawn(&["up", "--port", "0"]);
    first.port();
    let pid = first.pid().to_string();
    let second = env.run(&["up", "--port", "0"]);
    assert_refused(&second, 3, &["ledger", &format!("process {pid}"), "stop it"]);
    assert!(first.is_running());
    // The first one is still the one that is found.
    let status = env.run(&["status"]);
    assert_eq!(status.code, Some(0), "{}", status.stderr);
    // Another state directory is another daemon.
    env.set("CANON_HOME", env.path("other").to_str().unwrap());
    let mut other = env.spawn(&["up", "--port", "0"]);
    other.port();
}

#[test]
fn a_ledger_that_is_damaged() {
    let env = place();
    assert_eq!(env.run(&["up", "--until-idle"]).code, Some(0));
    let ledger = env.state_dir().join("ledger.db");
    let good = std::fs::read(&ledger).unwrap();
    let keep = |bytes: &[u8]| {
        for beside in ["ledger.db-wal", "ledger.db-shm"] {
            let _ = std::fs::remove_file(ledger.with_file_name(beside));
        }
        std::fs::write(&ledger, bytes).unwrap();
    };
    keep(b"this was never a database, and is longer than a header of one would be........................");
    let ended = env.run(&["up", "--until-idle"]);
    assert_refused(&ended, 3, &["ledger.db", "not a ledger"]);
    assert!(std::fs::read(&ledger).unwrap().starts_with(b"this was never"), "it is kept");
    // The page where the records begin is gone.
    let mut torn = good.clone();
    torn[4096..2 * 4096].fill(0xA5);
    keep(&torn);
    let ended = env.run(&["up", "--until-idle"]);
    assert_refused(&ended, 3, &["ledger.db", "malformed"]);
    keep(&good);
    assert_eq!(env.run(&["up", "--until-idle"]).code, Some(0), "as it was, it is taken again");
}

/// A file system of its own with little room; let go of when dropped.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(dir: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(dir).unwrap();
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(dir.to_owned())),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
                println!("skipped: ledger-full-disk: {why}");
                None
            }
            Err(error) => {
                println!("skipped: ledger-full-disk: mount: {error}");
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk() {
    let mut env = place();
    let Some(small) = Small::mount(&env.path("small"), "1m") else { return };
    env.set("CANON_HOME", small.0.join("canon").to_str().unwrap());
    // Full from the beginning.
    let filler = small.0.join("filler");
    let fill = |leave: usize| {
        let _ = std::fs::remove_file(&filler);
        let _ = std::fs::write(&filler, vec![0; 2 << 20]);
        if leave > 0 {
            let length = std::fs::metadata(&filler).unwrap().len();
            let file = std::fs::File::options().write(true).open(&filler).unwrap();
            file.set_len(length - leave as u64).unwrap();
        }
    };
    fill(0);
    let ended = env.run(&["up", "--until-idle"]);
    assert_refused(&ended, 3, &["canon", "o space left"]);
    // Full in the middle of the work: nothing more is decided, and nothing is lost.
    fill(160 << 10);
    let ended = env.run(&["up", "--until-idle"]);
    assert_refused(&ended, 3, &["ledger", "free"]);
    std::fs::remove_file(&filler).unwrap();
    let ended = env.run(&["up", "--until-idle"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Review");
    fake::assert_no_wrong(&env);
    env.assert_nothing_left();
}
