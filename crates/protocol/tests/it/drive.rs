//! A host for the client: a child process, its pipes, timers, and a journal.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use canon_protocol::codex::client::{
    Answer, AnswerError, Client, Direction, Event, Exit, Options, Output, RequestKey, TimerId,
    TurnEnd,
};
use canon_protocol::lines::{Line, LineDecoder};

/// Longer than anything here takes; a test that gets there has failed.
const PATIENCE: Duration = Duration::from_secs(60);

enum News {
    Line(Line),
    Eof,
}

pub(crate) struct Host {
    pub(crate) client: Client,
    pub(crate) events: Vec<Event>,
    pub(crate) journal: Vec<(Direction, Line)>,
    child: Child,
    stdin: Option<ChildStdin>,
    news: Receiver<News>,
    timers: BTreeMap<TimerId, Instant>,
    /// Events before this one were given out by `next`.
    given: usize,
}

impl Host {
    pub(crate) fn start(command: Command, options: Options) -> Host {
        let mut host = Host::spawn(command, Client::new(options));
        let out = host.client.start();
        host.perform(out);
        host
    }

    fn spawn(mut command: Command, client: Client) -> Host {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the agent starts");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (tx, news) = mpsc::channel();
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
                for line in lines {
                    let _ = tx.send(News::Line(line));
                }
                if count == 0 {
                    let _ = tx.send(News::Eof);
                    return;
                }
            }
        });
        Host {
            client,
            events: Vec::new(),
            journal: Vec::new(),
            stdin: child.stdin.take(),
            child,
            news,
            timers: BTreeMap::new(),
            given: 0,
        }
    }

    pub(crate) fn perform(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(line) => {
                    self.journal.push((Direction::ToAgent, Line::data(&line)));
                    if let Some(stdin) = &mut self.stdin {
                        let _ = stdin.write_all(&[&line[..], b"\n"].concat());
                    }
                }
                Output::Event(event) => self.events.push(event),
                Output::SetTimer { id, after_ms } => {
                    self.timers.insert(id, Instant::now() + Duration::from_millis(after_ms));
                }
                Output::ClearTimer { id } => {
                    self.timers.remove(&id);
                }
            }
        }
    }

    /// The next event, in order; `None` once the agent is gone and all was given.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let patience = Instant::now() + PATIENCE;
        while self.given == self.events.len() {
            let due = self.timers.iter().min_by_key(|(_, due)| **due);
            let due = due.map(|(id, due)| (id.clone(), *due));
            let until = due.as_ref().map_or(patience, |(_, due)| (*due).min(patience));
            match self.news.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(News::Line(line)) => {
                    self.journal.push((Direction::FromAgent, line.clone()));
                    let out = self.client.received(&line);
                    self.perform(out);
                }
                Ok(News::Eof) => {
                    let status = self.child.wait().unwrap();
                    let out = self.client.exited(Exit { code: status.code(), signal: None });
                    self.perform(out);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let Some((id, _)) = due.filter(|(_, due)| *due <= Instant::now()) else {
                        assert!(Instant::now() < patience, "nothing happens: {:#?}", self.events);
                        continue;
                    };
                    self.timers.remove(&id);
                    let out = self.client.timer(&id);
                    self.perform(out);
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        self.given += 1;
        Some(self.events[self.given - 1].clone())
    }

    /// Goes on until an event is what is wanted; gives it back as what is wanted of it.
    pub(crate) fn until<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.next();
            let event = event.unwrap_or_else(|| panic!("the agent ended: {:#?}", self.events));
            if let Some(found) = wanted(&event) {
                return found;
            }
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
        let out = self.client.turn(prompt).unwrap();
        self.perform(out);
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

    pub(crate) fn answer(&mut self, key: &RequestKey, answer: Answer) -> Result<(), AnswerError> {
        let out = self.client.answer(key, answer)?;
        self.perform(out);
        Ok(())
    }

    pub(crate) fn interrupt(&mut self) {
        let out = self.client.interrupt();
        self.perform(out);
    }

    /// Closes the agent's stdin and waits for its end; its exit.
    pub(crate) fn close(&mut self) -> Exit {
        self.stdin = None;
        loop {
            match self.next() {
                Some(Event::Exited(exit)) => return exit,
                Some(_) => {}
                None => panic!("no exit among {:#?}", self.events),
            }
        }
    }

    /// Lets go of the client as a killed daemon would, and takes it up again from the journal.
    pub(crate) fn restart_daemon(&mut self) {
        let replayed = Client::replay(self.client.options().clone(), self.journal.clone());
        assert_eq!(replayed.client, self.client);
        self.client = replayed.client;
        self.timers.clear();
        self.perform(replayed.outputs);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The real Codex, where there is one.
pub(crate) fn real_codex() -> Option<PathBuf> {
    let found = match std::env::var_os("CANON_CODEX_BIN") {
        Some(path) => Some(PathBuf::from(path)),
        None => std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path).map(|dir| dir.join("codex")).find(|file| file.is_file())
        }),
    };
    if found.is_none() {
        println!("skipped: codex: no CANON_CODEX_BIN and no codex in PATH");
    }
    found
}
