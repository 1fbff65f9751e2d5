//! A place of its own for each test: a home, a state directory, a workflow, and `canon` as a
//! process that knows nothing of this one's environment.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use canon_ledger::Ledger;
use canon_orchestrator::dispatch::{Event, Machine};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than anything here takes on a busy machine; a test that gets there has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at something that has no signal to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// A directory with everything that `canon` may find, and nothing else.
pub(crate) struct TestEnv {
    root: PathBuf,
    _dir: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for made in ["home", "project/issues"] {
            std::fs::create_dir_all(root.join(made)).unwrap();
        }
        // Agents start in a login shell, which on many systems begins with a PATH of its own.
        let path = std::env::var("PATH").unwrap();
        let profile = format!("export PATH='{path}'\n");
        std::fs::write(root.join("home/.bash_profile"), profile).unwrap();
        Self { root, _dir: dir, variables: Vec::new() }
    }

    /// A path in it, absolute and without links.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Writes `project/WORKFLOW.md`.
    pub(crate) fn workflow(&self, front_matter: &str, prompt: &str) -> PathBuf {
        self.write("project/WORKFLOW.md", &format!("---\n{front_matter}---\n{prompt}\n"))
    }

    /// Writes an issue in the state `Todo`.
    pub(crate) fn issue(&self, id: &str) {
        let text = format!("---\nid: {id}\ntitle: the issue {id}\nstate: Todo\n---\nDo it.\n");
        // In one step: a tracker that looks must not see half of it.
        let made = self.write(&format!("project/{id}.tmp"), &text);
        std::fs::rename(made, self.path(&format!("project/issues/{id}.md"))).unwrap();
    }

    /// The state of an issue as its file has it.
    pub(crate) fn state_of(&self, id: &str) -> String {
        let text = self.read(&format!("project/issues/{id}.md"));
        let state = text.lines().find_map(|line| line.strip_prefix("state: "));
        state.unwrap_or_else(|| panic!("{id} has no state: {text}")).to_owned()
    }

    /// Sets a variable for every `canon` of this place.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// `canon ARGS…` in `project`.
    pub(crate) fn canon(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canon"));
        command
            .args(args)
            .current_dir(self.path("project"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("CANON_HOME", self.path("canon"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("LC_ALL", "C.UTF-8")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs `canon ARGS…` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.start(self.canon(args)).wait(PATIENCE)
    }

    /// Starts `canon ARGS…`.
    pub(crate) fn spawn(&self, args: &[&str]) -> Process {
        self.start(self.canon(args))
    }

    pub(crate) fn start(&self, mut command: Command) -> Process {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("canon starts");
        let stdout = Captured::of(child.stdout.take().unwrap());
        let stderr = Captured::of(child.stderr.take().unwrap());
        Process { child, stdout, stderr }
    }

    /// Every living process that works for this place: by its environment, its directory or its
    /// command line.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        let own = std::process::id();
        let root = self.root.to_str().unwrap();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let read = |name: &str| {
                let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let command = read("cmdline");
            let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            let ours =
                command.contains(root) || cwd.starts_with(root) || read("environ").contains(root);
            // A zombie has no command line.
            if pid != own && ours && !command.is_empty() {
                found.push((pid, command));
            }
        }
        found
    }

    /// The supervisors that live, with the attempts that they hold.
    pub(crate) fn supervisors(&self) -> Vec<(u32, String)> {
        let supervisor = |(pid, command): (u32, String)| {
            let dir = command.split_once(" supervise --inner ")?.1.trim().to_owned();
            Some((pid, Path::new(&dir).file_name()?.to_str()?.to_owned()))
        };
        self.processes().into_iter().filter_map(supervisor).collect()
    }

    /// Waits until nothing works for this place any more.
    pub(crate) fn assert_nothing_left(&self) {
        let mut left = Vec::new();
        let gone = look(Duration::from_secs(20), || {
            left = self.processes();
            left.is_empty().then_some(())
        });
        assert!(gone.is_some(), "processes are left: {left:#?}");
    }

    /// The state directory of the one workflow that ran here.
    pub(crate) fn state_dir(&self) -> PathBuf {
        let mut dirs: Vec<PathBuf> = std::fs::read_dir(self.path("canon/workflows"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(dirs.len(), 1, "{dirs:?}");
        dirs.remove(0)
    }

    /// The ledger, which holds.
    pub(crate) fn ledger(&self) -> Ledger {
        let ledger = Ledger::open(self.state_dir().join("ledger.db")).unwrap();
        ledger.verify().unwrap();
        ledger
    }

    /// The dispatch events in the ledger, with their times.
    pub(crate) fn events(&self) -> Vec<(u64, Event)> {
        let ledger = self.ledger();
        let records = ledger.read("dispatch", 0).map(|record| record.unwrap());
        records.map(|record| (record.at_ms, record.json().unwrap())).collect()
    }

    /// The machine as the ledger has it, and every effect that it ordered.
    pub(crate) fn replay(&self) -> (Machine, Vec<canon_orchestrator::dispatch::Effect>) {
        let mut machine = Machine::new();
        let mut effects = Vec::new();
        for (at_ms, event) in self.events() {
            effects.extend(machine.apply(event, at_ms));
        }
        (machine, effects)
    }
}

impl Drop for TestEnv {
    /// A test that failed leaves nothing running.
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            kill(pid, Signal::KILL);
        }
    }
}

/// A `canon` that runs.
pub(crate) struct Process {
    child: Child,
    stdout: Captured,
    stderr: Captured,
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until standard error has `text`.
    pub(crate) fn says(&mut self, text: &str) {
        let said = self.look(|stderr| stderr.contains(text).then_some(()));
        assert!(said.is_some(), "{text:?} was never said: {}", self.stderr());
    }

    /// The port of its API, once it says so.
    pub(crate) fn port(&mut self) -> u16 {
        let port = self.look(|stderr| {
            let rest = stderr.split_once("listening on http://127.0.0.1:")?.1;
            rest.split_once('\n')?.0.parse().ok()
        });
        port.unwrap_or_else(|| panic!("it never listened: {}", self.stderr()))
    }

    fn look<T>(&mut self, mut wanted: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let found = look(PATIENCE, || {
            let ended = self.child.try_wait().unwrap().is_some();
            let text = if ended { self.stderr.finished() } else { self.stderr.text() };
            let found = wanted(&text);
            (found.is_some() || ended).then_some(found)
        });
        found.flatten()
    }

    /// The state that the API shows, once it is as wanted.
    pub(crate) fn state(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let port = self.port();
        let mut last = Value::Null;
        let found = look(PATIENCE, || {
            last = get(port, "/api/v1/state")?;
            wanted(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("the state was never as wanted: {last:#}"))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// KILL, and its end.
    pub(crate) fn kill(mut self) -> Ended {
        let _ = self.child.kill();
        self.wait(PATIENCE)
    }

    /// Lets it run for a time; true if it still does.
    pub(crate) fn runs_for(&mut self, time: Duration) -> bool {
        look(time, || self.child.try_wait().unwrap()).is_none()
    }

    /// Waits for its end; after `limit` it is killed and has no code.
    pub(crate) fn wait(mut self, limit: Duration) -> Ended {
        let status: Option<ExitStatus> = look(limit, || self.child.try_wait().unwrap());
        if status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        Ended {
            code: status.and_then(|status| status.code()),
            stdout: self.stdout.finished(),
            stderr: self.stderr.finished(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a stream has said so far.
struct Captured {
    text: Arc<Mutex<String>>,
    reading: std::thread::JoinHandle<()>,
}

impl Captured {
    fn of(stream: impl std::io::Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        let reading = std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reading }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// All that an ended process said. What it left behind may hold the stream open a little.
    fn finished(&self) -> String {
        look(Duration::from_secs(2), || self.reading.is_finished().then_some(()));
        self.text()
    }
}

/// Looks again and again until there is something to see.
pub(crate) fn look<T>(limit: Duration, mut at: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = at() {
            return Some(found);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left.min(LOOK_EVERY));
    }
}

/// Waits for something that has to come.
pub(crate) fn until<T>(what: &str, at: impl FnMut() -> Option<T>) -> T {
    look(PATIENCE, at).unwrap_or_else(|| panic!("it never came to this: {what}"))
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// The JSON at `path`; none while nobody answers.
pub(crate) fn get(port: u16, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// Fails unless `ended` is one clear message: the exit code, what it says, and no panic.
#[track_caller]
pub(crate) fn assert_refused(ended: &Ended, code: i32, says: &[&str]) {
    let Ended { code: found, stdout, stderr } = ended;
    assert_eq!(*found, Some(code), "{stdout}{stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{stderr}");
    let errors = stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!((errors, stdout.as_str()), (1, ""), "{stderr}");
    for text in says {
        assert!(stderr.contains(text), "{text:?} is missing: {stderr}");
    }
}
