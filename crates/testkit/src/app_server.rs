//! A fake Codex app-server agent, driven by a scenario, that validates every message of its client.
//!
//! The binary `fake-agent` is [`agent::run`] on stdio: synchronous, one thread beside the main
//! one, a few megabytes, so that hundreds may run at once. See [`Scenario`] for what it can be
//! told to do, and [`mod@env`] for the environment variables that it reads.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

pub mod agent;
mod check;
pub mod scenario;
mod shapes;

pub use scenario::{Scenario, Status, Step, Turn};

/// Environment variables of the binary `fake-agent`.
pub mod env {
    /// The scenario: inline JSON, a file, or a directory with `<name of the working
    /// directory>.json` and `default.json`. The first argument of the binary wins over it.
    pub const SCENARIO: &str = "CANON_FAKE_AGENT_SCENARIO";
    /// A file to which each violation of the protocol by the client is appended, one a line.
    pub const VIOLATIONS: &str = "CANON_FAKE_AGENT_VIOLATIONS";
    /// A file to which each line of both directions is appended, after `> ` (from the agent) or
    /// `< ` (to it).
    pub const TRANSCRIPT: &str = "CANON_FAKE_AGENT_TRANSCRIPT";
    /// A directory where runs are counted by name of the working directory, for
    /// [`super::Scenario::runs`].
    pub const STATE: &str = "CANON_FAKE_AGENT_STATE";
    /// Set by the binary for itself once it ignores SIGTERM.
    pub const DEAF: &str = "CANON_FAKE_AGENT_DEAF";
}

/// Path of the binary `fake-agent`, in the target directory of the running test. Builds it when
/// it is missing or older than its source.
///
/// # Panics
/// When it cannot be built: there is no test without it.
#[allow(clippy::expect_used)]
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let dir = test.ancestors().find(|dir| dir.join("deps").is_dir() && dir.join("build").is_dir());
    let dir = dir.expect("the test lies in a target directory").to_owned();
    let binary = dir.join(format!("fake-agent{}", std::env::consts::EXE_SUFFIX));
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = modified(&binary);
    if built.is_none() || built < newest(&source.join("src/app_server")) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "-q", "-p", "canon-testkit", "--bin", "fake-agent"]);
        if dir.file_name().is_some_and(|profile| profile == "release") {
            build.arg("--release");
        }
        let status = build.current_dir(source).status().expect("cargo runs");
        assert!(status.success(), "cargo build of fake-agent: {status}");
        // Unchanged code keeps its old binary: do not ask cargo again.
        if let Ok(file) = std::fs::File::options().append(true).open(&binary) {
            let _ = file.set_modified(SystemTime::now());
        }
    }
    binary
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|data| data.modified()).ok()
}

fn newest(dir: &Path) -> Option<SystemTime> {
    std::fs::read_dir(dir).ok()?.flatten().filter_map(|entry| modified(&entry.path())).max()
}
