//! A program that keeps something open elsewhere for as long as this process lives, by the input
//! that it reads from here.

use std::ffi::OsString;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::group::{ChildSetup, prepare_child};
use crate::process::spawner;

/// What the other side says when it is there.
const READY: &str = "canon-connected";
/// Runs there as long as the holder's input is open here.
pub(crate) const HOLD: &str = "echo canon-connected; exec cat";
/// Bytes of what a program says that could not hold.
const COMPLAINT_LIMIT: u64 = 8 * 1024;

/// Starts a program that runs [`HOLD`] elsewhere, and waits until that has begun.
///
/// # Errors
/// What the program said, or that it ended without a word.
pub(crate) async fn hold(argv: &[OsString]) -> Result<Child, String> {
    let (program, arguments) = argv.split_first().ok_or("there is no program to start")?;
    let name = program.to_string_lossy();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir("/")
        .env_clear()
        .envs(super::carrier_environment().resolve_current())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let setup = ChildSetup { session: true, die_with_parent: true, ..ChildSetup::default() };
    prepare_child(command.as_std_mut(), setup);
    let started = spawner::spawn(command).await;
    let mut child = started.map_err(|error| format!("cannot start `{name}`: {error}"))?;
    let (stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    if let Some(stdout) = stdout {
        // A start-up file of the login shell may say something of its own before.
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line.ends_with(READY) {
                return Ok(child);
            }
        }
    }
    let mut said = Vec::new();
    if let Some(stderr) = stderr.as_mut() {
        let _broken_pipe = stderr.take(COMPLAINT_LIMIT).read_to_end(&mut said).await;
    }
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Err(if said.is_empty() { format!("{name} ended without a word") } else { said })
}
