//! A host for the protocol's client: `canon app-server` as a child, its pipes, and timers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use canon_protocol::codex::client::{
    Answer, Client, Event, Exit, ItemPhase, Options, Output, RequestKey, TimerId, TurnEnd,
};
use canon_protocol::lines::{Line, LineDecoder};
use serde_json::{Value, json};

use super::schemas::Schemas;
use crate::up::env::{PATIENCE, TestEnv};

/// Ids of requests beside the client begin after this one.
const FIRST_EXTRA: u64 = 1 << 40;

enum News {
    Line(Line),
    Eof,
}

pub(crate) struct Host {
    pub(crate) client: Client,
    pub(crate) events: Vec<Event>,
    /// Every message of the agent.
    pub(crate) said: Vec<Value>,
    /// Methods of our requests, by id.
    pub(crate) asked: HashMap<String, String>,
    child: Child,
    stdin: Option<ChildStdin>,
    news: Receiver<News>,
    timers: BTreeMap<TimerId, Instant>,
    /// Events before this one were given out.
    given: usize,
    extra: u64,
}

impl Host {
    pub(crate) fn start(mut command: Command, options: Options) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("the agent starts");
        let mut stdout = child.stdout.take().unwrap();
        let (tell, news) = mpsc::channel();
        std::thread::spawn(move || {
            let mut decoder = LineDecoder::default();
            let mut chunk = vec![0; 64 * 1024];
            loop {
                let count = stdout.read(&mut chunk).unwrap_or(0);
                let mut lines: Vec<Line> = Vec::new();
                decoder.push(&chunk[..count], &mut lines);
                if count == 0 {
                    lines.extend(decoder.finish());
                }
                lines.into_iter().for_each(|line| drop(tell.send(News::Line(line))));
                if count == 0 {
                    let _ = tell.send(News::Eof);
                    return;
                }
            }
        });
        let mut host = Self {
            client: Client::new(options),
            events: Vec::new(),
            said: Vec::new(),
            asked: HashMap::new(),
            stdin: child.stdin.take(),
            child,
            news,
            timers: BTreeMap::new(),
            given: 0,
            extra: FIRST_EXTRA,
        };
        let outputs = host.client.start();
        host.perform(outputs);
        host
    }

    fn perform(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(line) => self.write(&line),
                Output::Event(event) => self.events.push(event),
                Output::SetTimer { id, after_ms } => {
                    self.timers.insert(id, Instant::now() + Duration::from_millis(after_ms));
                }
                Output::ClearTimer { id } => drop(self.timers.remove(&id)),
            }
        }
    }

    /// Writes a line, whatever it is.
    pub(crate) fn write(&mut self, line: &[u8]) {
        let message: Value = serde_json::from_slice(line).unwrap_or_default();
        if let (Some(method), Some(id)) = (message["method"].as_str(), message.get("id")) {
            self.asked.insert(id.to_string(), method.to_owned());
        }
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(&[line, b"\n"].concat());
        }
    }

    /// Takes what comes next; false once the agent is gone.
    fn step(&mut self, until: Instant) -> bool {
        let due = self.timers.iter().min_by_key(|(_, due)| **due);
        let due = due.map(|(id, due)| (id.clone(), *due));
        let wake = due.as_ref().map_or(until, |(_, due)| (*due).min(until));
        match self.news.recv_timeout(wake.saturating_duration_since(Instant::now())) {
            Ok(News::Line(line)) => {
                let message = serde_json::from_slice(line.shown());
                let message: Value = message.unwrap_or_else(|_| panic!("no JSON: {line:?}"));
                // Answers to what the client never asked are not for it.
                let extra = message["id"].as_u64().is_some_and(|id| id > FIRST_EXTRA);
                self.said.push(message);
                if !extra {
                    let outputs = self.client.received(&line);
                    self.perform(outputs);
                }
                true
            }
            Ok(News::Eof) => {
                let status = self.child.wait().unwrap();
                let outputs = self.client.exited(Exit { code: status.code(), signal: None });
                self.perform(outputs);
                true
            }
            Err(RecvTimeoutError::Timeout) => {
                let due = due.filter(|(_, due)| *due <= Instant::now());
                let Some((id, _)) = due else {
                    panic!("nothing happens: {:#?}", self.events);
                };
                self.timers.remove(&id);
                let outputs = self.client.timer(&id);
                self.perform(outputs);
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    /// Goes on until an event is what is wanted; gives it back as what is wanted of it.
    pub(crate) fn until<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let patience = Instant::now() + PATIENCE;
        loop {
            while self.given < self.events.len() {
                self.given += 1;
                if let Some(found) = wanted(&self.events[self.given - 1]) {
                    return found;
                }
            }
            assert!(self.step(patience), "the agent ended: {:#?}", self.events);
        }
    }

    pub(crate) fn until_started(&mut self) {
        self.until(|event| match event {
            Event::SessionStarted { .. } => Some(()),
            Event::StartupFailed { message, .. } => panic!("{message}"),
            _ => None,
        });
    }

    pub(crate) fn turn(&mut self, prompt: &str) {
        let outputs = self.client.turn(prompt).unwrap();
        self.perform(outputs);
    }

    pub(crate) fn until_end(&mut self) -> TurnEnd {
        self.until(|event| match event {
            Event::TurnEnded(end) => Some(end.clone()),
            _ => None,
        })
    }

    pub(crate) fn run_turn(&mut self, prompt: &str) -> TurnEnd {
        self.turn(prompt);
        self.until_end()
    }

    pub(crate) fn answer(&mut self, key: &RequestKey, answer: Answer) {
        let outputs = self.client.answer(key, answer).unwrap();
        self.perform(outputs);
    }

    pub(crate) fn interrupt(&mut self) {
        let outputs = self.client.interrupt();
        self.perform(outputs);
    }

    pub(crate) fn steer(&mut self, text: &str) {
        let outputs = self.client.steer(text).unwrap();
        self.perform(outputs);
    }

    /// Sends a request that the client knows nothing of; its answer.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.extra += 1;
        let id = self.extra;
        self.write(json!({ "id": id, "method": method, "params": params }).to_string().as_bytes());
        self.hears(|said| said["id"] == id && said.get("method").is_none())
    }

    /// The first message of the agent that is as wanted.
    pub(crate) fn hears(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let patience = Instant::now() + PATIENCE;
        loop {
            if let Some(said) = self.said.iter().find(|said| wanted(said)) {
                return said.clone();
            }
            assert!(self.step(patience), "the agent ended: {:#?}", self.said);
        }
    }

    /// Closes the agent's input and waits for its end.
    pub(crate) fn close(&mut self) -> Exit {
        self.stdin = None;
        self.until(|event| match event {
            Event::Exited(exit) => Some(*exit),
            _ => None,
        })
    }

    /// The agent ends well, and everything that it said was understood.
    pub(crate) fn finish(mut self, env: &TestEnv) {
        assert_eq!(self.close().code, Some(0));
        let bad = ["malformed", "other_message", "unsupported_request"];
        let bad: Vec<_> = self.events.iter().filter(|event| bad.contains(&event.name())).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        if let Some(schemas) = Schemas::get() {
            schemas.check_all(&self.said, &self.asked);
        }
        let items = |wanted: ItemPhase| {
            let items = self.events.iter().filter_map(move |event| match event {
                Event::Item { phase, item } if *phase == wanted => Some(item.id.clone()),
                _ => None,
            });
            items.collect::<BTreeSet<_>>()
        };
        assert_eq!(items(ItemPhase::Started), items(ItemPhase::Completed), "{:#?}", self.events);
        env.assert_nothing_left();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
