//! Trying a backend for real: a write inside must work; a write outside, a hidden file and a
//! connection must not.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::bubblewrap::{Bubblewrap, filters};
use super::helper::ABI_QUESTION;
use super::landlock::Landlock;
use super::launcher::Confiner;
use super::plan::{Seen, Tmp, zones};
use super::scratch::Scratch;
use super::{Backend, HelperCommand, SandboxPolicy};
use crate::process::{ExecResult, Invocation, Stdin, run_invocation};

const LIMIT: Duration = Duration::from_secs(10);

/// Prints a line for each thing that was possible. Arguments: inside, outside, hidden file, port.
const SCRIPT: &str = r#"
{ echo x > "$1/in"; } 2>/dev/null && echo inside
{ echo x > "$2/out"; } 2>/dev/null && echo outside
{ read -r line < "$3" && [ -n "$line" ]; } 2>/dev/null && echo hidden
(exec 3<>"/dev/tcp/127.0.0.1/$4") 2>/dev/null && echo network
echo "user $(readlink /proc/self/ns/user)"
echo "pid $(readlink /proc/self/ns/pid)"
"#;

/// What a backend that works is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) version: String,
    pub(super) pid_namespace: bool,
    pub(super) user_namespace: bool,
    /// `bwrap`, when that is the backend
    pub(super) program: PathBuf,
}

type Key = (Backend, Option<HelperCommand>);

/// Tries a backend, once per process. `Err` says in words why it cannot be used.
pub(super) async fn probe(
    backend: Backend,
    helper: Option<&HelperCommand>,
) -> Result<Facts, String> {
    static KNOWN: Mutex<Option<HashMap<Key, Result<Facts, String>>>> = Mutex::const_new(None);
    let mut known = KNOWN.lock().await;
    let known = known.get_or_insert_default();
    let key = (backend, helper.filter(|_| backend == Backend::Landlock).cloned());
    if let Some(facts) = known.get(&key) {
        return facts.clone();
    }
    let facts = match backend {
        Backend::Bubblewrap => try_bubblewrap().await,
        Backend::Landlock => try_landlock(helper).await,
        Backend::Docker => Err("a container is another environment".into()),
        Backend::None => Err("it confines nothing".into()),
    };
    known.insert(key, facts.clone());
    facts
}

async fn try_bubblewrap() -> Result<Facts, String> {
    let program = find_program("bwrap").ok_or("bwrap is not on PATH")?;
    let version = run_invocation(plain(vec![program.clone().into(), "--version".into()])).await;
    let version = version.map_err(|error| error.to_string())?.stdout;
    let version = version.trim().trim_start_matches("bubblewrap").trim().to_owned();
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let backend = Bubblewrap {
        program: program.clone(),
        network: false,
        filters: filters(false).map_err(|error| error.to_string())?,
        blank: scratch.blank(),
        processes: None,
        shared_memory: None,
    };
    let tmp = Tmp::Shown(scratch.tmp());
    let (pid_namespace, user_namespace) =
        attempt(&Confiner::Bubblewrap(backend), &scratch, &tmp).await?;
    Ok(Facts { version, pid_namespace, user_namespace, program })
}

async fn try_landlock(helper: Option<&HelperCommand>) -> Result<Facts, String> {
    let helper = helper.ok_or("no helper program was named")?;
    let mut question = vec![helper.program.clone().into()];
    question.extend(helper.args.iter().cloned());
    question.push(ABI_QUESTION.into());
    let answer = run_invocation(plain(question)).await.map_err(|error| error.to_string())?;
    if !answer.success() {
        return Err(first_line(&answer));
    }
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let backend = Landlock { helper: helper.clone(), network: false };
    let tmp = Tmp::InPlace(scratch.tmp());
    let (pid_namespace, user_namespace) =
        attempt(&Confiner::Landlock(backend), &scratch, &tmp).await?;
    Ok(Facts {
        version: format!("ABI {}", answer.stdout.trim()),
        pid_namespace,
        user_namespace,
        program: PathBuf::new(),
    })
}

/// Runs the script; yields whether it ran in a PID and in a user namespace of its own.
async fn attempt(backend: &Confiner, scratch: &Scratch, tmp: &Tmp) -> Result<(bool, bool), String> {
    let setup = |error: io::Error| format!("cannot prepare its trial: {error}");
    let (inside, outside, hidden) =
        (scratch.base().join("in"), scratch.base().join("out"), scratch.base().join("no"));
    for directory in [&inside, &outside, &hidden] {
        std::fs::create_dir(directory).map_err(setup)?;
    }
    let secret = hidden.join("secret");
    std::fs::write(&secret, "secret\n").map_err(setup)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(setup)?;
    let port = listener.local_addr().map_err(setup)?.port().to_string();

    let policy = SandboxPolicy::WorkspaceWrite {
        writable_roots: Vec::new(),
        network: false,
        exclude_tmp: false,
        denied_reads: vec![hidden],
    };
    let (zones, _) = zones(&policy, &inside, Seen { masked: &[], readable: &[] }, tmp)
        .map_err(|error| error.to_string())?;
    let mut trial = plain(vec!["bash".into(), "-c".into(), SCRIPT.into(), "probe".into()]);
    trial.argv.extend([inside.clone().into(), outside.clone().into(), secret.into(), port.into()]);
    trial.cwd = inside.clone();
    let trial = backend.wrap(trial, &zones).map_err(|error| error.to_string())?;
    let result = run_invocation(trial).await.map_err(|error| error.to_string())?;
    verdict(&result, &inside, &outside)
}

fn verdict(result: &ExecResult, inside: &Path, outside: &Path) -> Result<(bool, bool), String> {
    let said = |what: &str| result.stdout.lines().any(|line| line == what);
    let Some(namespace) = result.stdout.lines().find_map(|line| line.strip_prefix("pid ")) else {
        return Err(format!("its trial did not run: {}", first_line(result)));
    };
    if !said("inside") || !inside.join("in").exists() {
        return Err(format!("its trial could not write inside: {}", first_line(result)));
    }
    let outcome = [
        (outside.join("out").exists(), "a write outside got through"),
        (said("hidden"), "a hidden file could be read"),
        (said("network"), "a connection got through"),
    ];
    if let Some((_, leak)) = outcome.into_iter().find(|(leaked, _)| *leaked) {
        return Err(leak.into());
    }
    let user = result.stdout.lines().find_map(|line| line.strip_prefix("user "));
    let differs = |kind: &str, name: &str| {
        let own = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
        !name.is_empty() && Path::new(name) != own
    };
    Ok((differs("pid", namespace), differs("user", user.unwrap_or_default())))
}

fn first_line(result: &ExecResult) -> String {
    let line =
        result.stderr.lines().chain(result.stdout.lines()).find(|line| !line.trim().is_empty());
    line.map_or_else(|| format!("exit status {:?}", result.exit_code), str::to_owned)
}

fn plain(argv: Vec<std::ffi::OsString>) -> Invocation {
    Invocation {
        argv,
        cwd: "/".into(),
        env: crate::process::EnvPolicy::default().resolve_current(),
        timeout: Some(LIMIT),
        grace: Duration::ZERO,
        output_limit: 64 * 1024,
        stdin: Stdin::None,
        cancel: CancellationToken::new(),
        on_output: None,
        inherited: Vec::new(),
        is_wrapper: false,
        holds_input: false,
        limits: crate::Limits::default(),
    }
}

/// Only absolute directories of `PATH`: a relative one may hold what a command put there.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let candidates = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    let found =
        candidates.map(|directory| directory.join(name)).find(|program| program.is_file())?;
    found.canonicalize().ok()
}
