//! The agent itself: reads its client on one thread, plays the scenario on another.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::check::Checker;
use super::scenario::{Scenario, Status, Step, Turn};
use super::shapes;

/// Where the agent works and what it writes beside the protocol.
#[derive(Debug)]
pub struct Setup {
    /// What it plays.
    pub scenario: Scenario,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Where violations of the client go.
    pub violations: Option<PathBuf>,
    /// Where all lines go.
    pub transcript: Option<PathBuf>,
}

/// Plays the scenario until the client closes `input` or a step ends it; the exit status.
pub fn run(setup: Setup, input: impl Read + Send + 'static, output: impl Write) -> i32 {
    if let Some(code) = setup.scenario.exit_at_start {
        return code;
    }
    let (lines_tx, lines) = mpsc::channel();
    let reader = std::thread::Builder::new().name("stdin".to_owned()).stack_size(64 * 1024);
    let reading = reader.spawn(move || {
        for line in BufReader::new(input).split(b'\n') {
            let Ok(line) = line else { return };
            if lines_tx.send(line).is_err() {
                return;
            }
        }
    });
    if reading.is_err() {
        return 70;
    }
    let append = |path: &Option<PathBuf>| {
        let path = path.as_ref()?;
        File::options().create(true).append(true).open(path).ok()
    };
    let mut agent = Agent {
        violations: append(&setup.violations),
        transcript: append(&setup.transcript),
        cwd: setup.cwd.display().to_string(),
        scenario: setup.scenario,
        output,
        lines,
        checker: Checker::default(),
        next_request: 0,
        items: 0,
        totals: (0, 0, 0),
        interrupted: false,
        to_start: 0,
    };
    let Err(end) = agent.serve();
    end.code()
}

/// Why the agent stops.
enum End {
    Eof,
    /// The client no longer reads.
    Broken,
    Exit(i32),
}

impl End {
    fn code(self) -> i32 {
        match self {
            End::Eof => 0,
            End::Broken => 1,
            End::Exit(code) => code,
        }
    }
}

enum Never {}

struct Agent<W> {
    scenario: Scenario,
    cwd: String,
    output: W,
    lines: Receiver<Vec<u8>>,
    violations: Option<File>,
    transcript: Option<File>,
    checker: Checker,
    next_request: u64,
    items: u64,
    /// Input, output and cached tokens of the thread.
    totals: (u64, u64, u64),
    interrupted: bool,
    /// Turns that were accepted and not played yet; never more than one.
    to_start: u32,
}

/// How a step went.
enum Went {
    On,
    /// The turn ends here as a failure.
    Failed(String),
}

impl<W: Write> Agent<W> {
    fn serve(&mut self) -> Result<Never, End> {
        if !self.scenario.stderr.is_empty() {
            let _ = writeln!(std::io::stderr(), "{}", self.scenario.stderr);
        }
        loop {
            while self.to_start > 0 {
                self.to_start -= 1;
                self.play_turn()?;
            }
            self.take_line(None)?;
        }
    }

    /// Handles the next line of the client. False when none came until `until`. An answer to a
    /// request of ours is left in the checker's books by its absence there.
    fn take_line(&mut self, until: Option<Instant>) -> Result<Option<Value>, End> {
        let line = match until {
            None => self.lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => self.lines.recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        match line {
            Ok(line) => self.handle(&line),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) if self.scenario.ignore_eof => loop {
                std::thread::park();
            },
            Err(RecvTimeoutError::Disconnected) => Err(End::Eof),
        }
    }

    /// One line of the client; gives back an answer to a request of ours.
    fn handle(&mut self, line: &[u8]) -> Result<Option<Value>, End> {
        self.record("< ", line);
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            let line = String::from_utf8_lossy(line).into_owned();
            self.violation(format!("not JSON: {line}"));
            return Ok(None);
        };
        let method = message["method"].as_str().map(str::to_owned);
        match (method, message.get("id")) {
            (Some(method), Some(id)) => {
                self.request(&id.clone(), &method, &message["params"])?;
                Ok(None)
            }
            (Some(method), None) => {
                if let Err(wrong) = self.checker.notification(&method) {
                    self.violation(wrong);
                }
                Ok(None)
            }
            (None, _) => match self.checker.answer(&message) {
                Ok(id) => {
                    let resolved = json!({ "threadId": self.checker.thread, "requestId": id });
                    self.notify("serverRequest/resolved", resolved)?;
                    Ok(Some(message))
                }
                Err(wrong) => {
                    self.violation(wrong);
                    Ok(Some(message))
                }
            },
        }
    }

    fn request(&mut self, id: &Value, method: &str, params: &Value) -> Result<(), End> {
        if let Err(wrong) = self.checker.request(id, method, params) {
            self.violation(wrong.clone());
            return self.refuse(id, &wrong);
        }
        if self.scenario.mute.iter().any(|mute| mute == method) {
            return Ok(());
        }
        if let Some(message) = self.scenario.refuse.get(method).cloned() {
            return self.refuse(id, &message);
        }
        match method {
            "initialize" => {
                std::thread::sleep(Duration::from_millis(self.scenario.start_delay_ms));
                self.respond(id, shapes::initialized())
            }
            "thread/start" | "thread/resume" => self.open_thread(id, method, params),
            "thread/name/set" => {
                self.respond(id, json!({}))?;
                let renamed =
                    json!({ "threadId": params["threadId"], "threadName": params["name"] });
                self.notify("thread/name/updated", renamed)
            }
            "turn/start" => self.start_turn(id),
            "turn/steer" => self.respond(id, json!({ "turnId": params["expectedTurnId"] })),
            "turn/interrupt" => {
                let current = self.checker.turns.last().is_some_and(|t| params["turnId"] == **t);
                self.interrupted |= current && self.checker.turn_runs;
                self.respond(id, json!({}))
            }
            _ => Ok(()),
        }
    }

    fn open_thread(&mut self, id: &Value, method: &str, params: &Value) -> Result<(), End> {
        let thread_id = match (method, params["threadId"].as_str()) {
            ("thread/resume", Some(id)) => id.to_owned(),
            _ => {
                let (_, ms) = shapes::now();
                format!("thread-{ms:x}-{:x}", std::process::id())
            }
        };
        let model = match self.scenario.model.as_str() {
            "" => params["model"].as_str().unwrap_or("fake-model").to_owned(),
            model => model.to_owned(),
        };
        let cwd = params["cwd"].as_str().unwrap_or(&self.cwd);
        let thread = shapes::thread(&thread_id, cwd);
        self.checker.thread = Some(thread_id);
        self.respond(id, shapes::thread_result(&thread, &model, params))?;
        self.notify("thread/started", json!({ "thread": thread }))
    }

    fn start_turn(&mut self, id: &Value) -> Result<(), End> {
        let thread = self.checker.thread.clone().unwrap_or_default();
        let turn = format!("turn-{}-{thread}", self.checker.turns.len() + 1);
        self.respond(id, json!({ "turn": shapes::turn(&turn, "inProgress", None) }))?;
        self.checker.turns.push(turn);
        self.checker.turn_runs = true;
        self.interrupted = false;
        self.to_start = 1;
        Ok(())
    }

    fn play_turn(&mut self) -> Result<(), End> {
        let number = self.checker.turns.len();
        let turns = &self.scenario.turns;
        let turn = turns.get((number - 1).min(turns.len().saturating_sub(1)));
        let turn = turn.cloned().unwrap_or_default();
        let id = self.checker.turns.last().cloned().unwrap_or_default();
        let thread = self.checker.thread.clone();
        let started = json!({ "threadId": thread, "turn": shapes::turn(&id, "inProgress", None) });
        self.notify("turn/started", started)?;
        let (status, error) = self.play_steps(&turn)?;
        let ended = shapes::turn(&id, status, error.as_deref());
        self.checker.turn_runs = false;
        self.notify("turn/completed", json!({ "threadId": thread, "turn": ended }))
    }

    fn play_steps(&mut self, turn: &Turn) -> Result<(&'static str, Option<String>), End> {
        for step in &turn.steps {
            let went = self.play(step)?;
            if self.interrupted {
                return Ok(("interrupted", None));
            }
            if let Went::Failed(why) = went {
                return Ok(("failed", Some(why)));
            }
        }
        Ok(match turn.status {
            Status::Completed => ("completed", None),
            Status::Interrupted => ("interrupted", None),
            Status::Failed => {
                ("failed", Some(turn.error.clone().unwrap_or_else(|| "as told".to_owned())))
            }
        })
    }

    fn play(&mut self, step: &Step) -> Result<Went, End> {
        match step {
            Step::Delay { ms } => self.wait(Some(Duration::from_millis(*ms)))?,
            Step::Hang {} => self.wait(None)?,
            Step::Message { text, deltas } => self.say(text, *deltas)?,
            Step::Flood { deltas } => self.flood(*deltas)?,
            Step::Usage { input, output, cached } => self.usage(*input, *output, *cached)?,
            Step::RateLimits { limits } => {
                self.notify("account/rateLimits/updated", json!({ "rateLimits": limits }))?;
            }
            Step::Notify { method, params } => self.notify(method, params.clone())?,
            Step::Error { message } => {
                let error = json!({ "message": message });
                self.in_turn("error", json!({ "error": error, "willRetry": true }))?;
            }
            Step::Garbage { text } => self.write(text.as_bytes())?,
            Step::LongLine { bytes } => self.write(&vec![b'x'; *bytes])?,
            Step::Stderr { text } => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
            Step::WriteFile { path, text } => {
                let path = PathBuf::from(&self.cwd).join(path);
                if let Err(error) = std::fs::write(&path, text) {
                    return Ok(Went::Failed(format!("{}: {error}", path.display())));
                }
            }
            Step::Run { command, may_fail } => return self.run_command(command, *may_fail),
            Step::LeaveChild { secs, pid_file } => leave_child(*secs, pid_file.as_deref()),
            Step::Exit { code } => return Err(End::Exit(*code)),
            _ => return self.ask_step(step),
        }
        Ok(Went::On)
    }

    fn ask_step(&mut self, step: &Step) -> Result<Went, End> {
        let item = self.item_id();
        let at = shapes::now().1;
        match step {
            Step::Tool { tool, arguments, success } => {
                let call = json!({ "callId": item, "tool": tool, "arguments": arguments });
                self.started(shapes::tool(&item, tool, arguments, "inProgress"))?;
                let Some(answer) = self.ask("item/tool/call", call)? else { return Ok(Went::On) };
                let succeeded = answer["result"]["success"].as_bool();
                let status = if succeeded == Some(true) { "completed" } else { "failed" };
                let mut done = shapes::tool(&item, tool, arguments, status);
                done["contentItems"] = answer["result"]["contentItems"].clone();
                done["success"] = json!(succeeded);
                self.completed(done)?;
                if success.is_some() && *success != succeeded {
                    return Ok(Went::Failed(format!("tool {tool} gave {answer}")));
                }
            }
            Step::ApproveCommand { command, decision } => {
                let cwd = self.cwd.clone();
                self.started(shapes::command(&item, command, &cwd, "inProgress"))?;
                let params = json!({
                    "itemId": item, "startedAtMs": at, "command": command, "cwd": cwd,
                    "reason": "outside the sandbox",
                });
                return self.approve("item/commandExecution/requestApproval", params, decision);
            }
            Step::ApproveChange { path, decision } => {
                self.started(shapes::change(&item, path, "inProgress"))?;
                let params = json!({ "itemId": item, "startedAtMs": at });
                return self.approve("item/fileChange/requestApproval", params, decision);
            }
            Step::Permissions {} => {
                let params = json!({
                    "itemId": item, "startedAtMs": at, "cwd": self.cwd,
                    "permissions": { "network": { "enabled": true } }, "reason": "to download",
                });
                self.ask("item/permissions/requestApproval", params)?;
            }
            Step::UserInput { questions } => {
                let questions: Vec<Value> = questions
                    .iter()
                    .map(|(id, question)| json!({ "id": id, "header": id, "question": question }))
                    .collect();
                let params = json!({ "itemId": item, "isBlocking": true, "questions": questions });
                self.ask("item/tool/requestUserInput", params)?;
            }
            Step::Elicitation { message } => {
                let params = json!({
                    "serverName": "fake", "mode": "form", "message": message,
                    "requestedSchema": {
                        "type": "object", "properties": { "value": { "type": "string" } },
                        "required": ["value"],
                    },
                });
                self.ask("mcpServer/elicitation/request", params)?;
            }
            Step::UnknownRequest { method } => {
                self.ask(method, json!({}))?;
            }
            _ => {}
        }
        Ok(Went::On)
    }

    fn approve(
        &mut self,
        method: &str,
        params: Value,
        expected: &Option<String>,
    ) -> Result<Went, End> {
        let Some(answer) = self.ask(method, params)? else { return Ok(Went::On) };
        let decision = answer["result"]["decision"].as_str();
        self.interrupted |= decision == Some("cancel");
        Ok(match expected {
            Some(expected) if decision != Some(expected.as_str()) => {
                Went::Failed(format!("{method} gave {answer}"))
            }
            _ => Went::On,
        })
    }

    /// Sends a request and serves the client until it answers; `None` when it interrupts the
    /// turn instead.
    fn ask(&mut self, method: &str, params: Value) -> Result<Option<Value>, End> {
        let id = self.next_request;
        self.next_request += 1;
        self.checker.asked.insert(id, method.to_owned());
        let params = self.with_turn(params);
        self.write(json!({ "id": id, "method": method, "params": params }).to_string().as_bytes())?;
        loop {
            let answer = self.take_line(None)?;
            if let Some(answer) = answer.filter(|answer| answer["id"] == id) {
                return Ok(Some(answer));
            }
            if self.interrupted {
                self.checker.asked.remove(&id);
                return Ok(None);
            }
        }
    }

    /// Serves the client for a while, or for ever; ends early on an interrupt.
    fn wait(&mut self, time: Option<Duration>) -> Result<(), End> {
        let until = time.map(|time| Instant::now() + time);
        while !self.interrupted && until.is_none_or(|until| Instant::now() < until) {
            self.take_line(until)?;
        }
        Ok(())
    }

    fn say(&mut self, text: &str, deltas: u32) -> Result<(), End> {
        let id = self.item_id();
        self.started(shapes::message(&id, ""))?;
        let chars: Vec<char> = text.chars().collect();
        let size = chars.len().div_ceil(deltas.max(1) as usize).max(1);
        for part in chars.chunks(size).filter(|_| deltas > 0) {
            let delta: String = part.iter().collect();
            self.in_turn("item/agentMessage/delta", json!({ "itemId": id, "delta": delta }))?;
        }
        self.completed(shapes::message(&id, text))
    }

    fn flood(&mut self, deltas: u32) -> Result<(), End> {
        let id = self.item_id();
        self.started(shapes::message(&id, ""))?;
        for _ in 0..deltas {
            self.in_turn("item/agentMessage/delta", json!({ "itemId": id, "delta": "word " }))?;
        }
        self.completed(shapes::message(&id, &"word ".repeat(deltas as usize)))
    }

    fn usage(&mut self, input: u64, output: u64, cached: u64) -> Result<(), End> {
        let (all_in, all_out, all_cached) = &mut self.totals;
        *all_in += input;
        *all_out += output;
        *all_cached += cached;
        let usage = json!({
            "total": shapes::usage(*all_in, *all_out, *all_cached),
            "last": shapes::usage(input, output, cached),
            "modelContextWindow": 100_000,
        });
        self.in_turn("thread/tokenUsage/updated", json!({ "tokenUsage": usage }))
    }

    fn run_command(&mut self, command: &str, may_fail: bool) -> Result<Went, End> {
        let (id, cwd) = (self.item_id(), self.cwd.clone());
        self.started(shapes::command(&id, command, &cwd, "inProgress"))?;
        let ran = Command::new("bash")
            .args(["-c", command])
            .current_dir(&cwd)
            .stdin(Stdio::null())
            .output();
        let (code, text) = match ran {
            Ok(ran) => {
                let both = [ran.stdout, ran.stderr].concat();
                (ran.status.code().unwrap_or(-1), String::from_utf8_lossy(&both).into_owned())
            }
            Err(error) => (-1, error.to_string()),
        };
        if !text.is_empty() {
            let delta = json!({ "itemId": id, "delta": text });
            self.in_turn("item/commandExecution/outputDelta", delta)?;
        }
        let status = if code == 0 { "completed" } else { "failed" };
        let mut item = shapes::command(&id, command, &cwd, status);
        item["exitCode"] = json!(code);
        item["aggregatedOutput"] = json!(text);
        self.completed(item)?;
        Ok(match code == 0 || may_fail {
            true => Went::On,
            false => Went::Failed(format!("`{command}` ended with {code}")),
        })
    }

    fn item_id(&mut self) -> String {
        self.items += 1;
        format!("item-{}", self.items)
    }

    fn started(&mut self, item: Value) -> Result<(), End> {
        self.in_turn("item/started", json!({ "item": item, "startedAtMs": shapes::now().1 }))
    }

    fn completed(&mut self, item: Value) -> Result<(), End> {
        self.in_turn("item/completed", json!({ "item": item, "completedAtMs": shapes::now().1 }))
    }

    fn with_turn(&self, mut params: Value) -> Value {
        params["threadId"] = json!(self.checker.thread);
        params["turnId"] = json!(self.checker.turns.last());
        params
    }

    fn in_turn(&mut self, method: &str, params: Value) -> Result<(), End> {
        let params = self.with_turn(params);
        self.notify(method, params)
    }

    fn notify(&mut self, method: &str, params: Value) -> Result<(), End> {
        let at = shapes::now().1;
        let message = json!({ "method": method, "params": params, "emittedAtMs": at });
        self.write(message.to_string().as_bytes())
    }

    fn respond(&mut self, id: &Value, result: Value) -> Result<(), End> {
        self.write(json!({ "id": id, "result": result }).to_string().as_bytes())
    }

    fn refuse(&mut self, id: &Value, message: &str) -> Result<(), End> {
        let error = json!({ "code": -32600, "message": message });
        self.write(json!({ "id": id, "error": error }).to_string().as_bytes())
    }

    fn write(&mut self, line: &[u8]) -> Result<(), End> {
        self.record("> ", line);
        let mut whole = Vec::with_capacity(line.len() + 1);
        whole.extend_from_slice(line);
        whole.push(b'\n');
        let written = self.output.write_all(&whole).and_then(|()| self.output.flush());
        match written {
            Ok(()) => Ok(()),
            Err(_) if self.scenario.ignore_eof => Ok(()),
            Err(_) => Err(End::Broken),
        }
    }

    fn record(&mut self, mark: &str, line: &[u8]) {
        if let Some(file) = &mut self.transcript {
            let _ = file.write_all(&[mark.as_bytes(), line, b"\n"].concat());
        }
    }

    fn violation(&mut self, what: String) {
        if let Some(file) = &mut self.violations {
            let _ = file.write_all(format!("{what}\n").as_bytes());
        }
    }
}

/// A process in a session of its own, so that killing the agent's process group misses it.
fn leave_child(secs: u64, pid_file: Option<&str>) {
    let note = pid_file.map(|_| "echo $$ > \"$1\"; ").unwrap_or_default();
    let script = format!("{note}exec sleep {secs}");
    let started = Command::new("setsid")
        .args(["bash", "-c", &script, "bash", pid_file.unwrap_or_default()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = started {
        let _ = writeln!(std::io::stderr(), "setsid: {error}");
    }
}
