//! Runs the session to its end, and shows what it does.

use std::path::Path;
use std::time::Duration;

use canon_agent::{EventData, Input, Outcome, Session, SessionEvent, Status, WarningCode};
use canon_exec::SandboxReport;
use canon_runtime::clock::now_ms;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::conversation::Conversation;
use super::outcome::Report;
use super::progress::{Line, Progress, Tone};
use super::{Args, told_to_end};
use crate::bridge::agent::Model;
use crate::bridge::agent::lost;
use crate::bridge::shape::{CORRECTIONS, Shape};
use crate::cli::print;

/// How often it is looked whether something takes long.
const TICK: Duration = Duration::from_secs(5);

/// Where events go: to standard output as JSON, or to people.
pub(super) struct Out {
    json: bool,
    quiet: bool,
    colours: bool,
    progress: Progress,
    /// Why the last reply is not whole, if it is not.
    incomplete: Option<WarningCode>,
}

impl Out {
    pub(super) fn new(args: &Args, cwd: &Path) -> Self {
        Self {
            json: args.json,
            quiet: args.quiet,
            colours: print::colours(),
            progress: Progress::new(cwd, print::width()),
            incomplete: None,
        }
    }

    /// What the session is, before it begins.
    pub(super) fn begin(&self, found: &SandboxReport, model: &Model, conversation: &Conversation) {
        if self.json {
            print::data(json!({ "kind": "sandbox", "data": found }));
        }
        if self.json || self.quiet {
            return;
        }
        let network = if found.network { "with network" } else { "no network" };
        print::note(format_args!(
            "model {}/{}; sandbox {} ({}, {network})",
            model.provider(),
            model.id(),
            format!("{} {}", found.backend, found.version).trim_end(),
            found.mode
        ));
        if let Some(meta) = &conversation.resumed {
            let turns = meta.turns;
            let mut line = format!("going on with {} ({turns} entries)", meta.id);
            if meta.provider != model.provider() {
                line.push_str(&format!(
                    "; the thinking of {}/{} stays behind, its words and calls are told",
                    meta.provider, meta.model
                ));
            }
            print::note(line);
        }
    }

    fn event(&mut self, event: &SessionEvent) {
        // It also knows which files were changed.
        let lines = self.progress.event(event);
        self.show(lines);
        match event.data {
            EventData::AssistantTextEnd { .. } => self.incomplete = None,
            EventData::Warning {
                code: code @ (WarningCode::ReplyCut | WarningCode::ReplyFiltered),
                ..
            } => self.incomplete = Some(code),
            _ => {}
        }
        if self.json
            && let Ok(line) = serde_json::to_string(event)
        {
            print::data(line);
        }
    }

    fn tick(&mut self) {
        let lines = self.progress.tick(now_ms());
        self.show(lines);
    }

    fn show(&self, lines: Vec<Line>) {
        if self.json || self.quiet {
            return;
        }
        for Line { tone, text } in lines {
            let code = match tone {
                Tone::Plain => "",
                Tone::Dim => "\u{1b}[2m",
                Tone::Bad => "\u{1b}[31m",
                Tone::Warning => "\u{1b}[33m",
            };
            let text = print::plain(&text);
            if self.colours && !code.is_empty() {
                print::painted(format!("{code}{text}\u{1b}[0m"));
            } else {
                print::painted(text);
            }
        }
    }
}

/// Works on `input`, and on what is to be corrected of its last message, to the end of the session.
pub(super) async fn run(
    mut session: Session,
    input: Input,
    shape: Option<&Shape>,
    out: &mut Out,
) -> Report {
    let begun = Instant::now();
    let mut interrupted = false;
    let mut outcome = work_on(&mut session, input, &mut interrupted, out).await;
    let mut output = None;
    if let Some(shape) = shape {
        let mut corrections = 0;
        while outcome.status == Status::Completed {
            let found = shape.value(&outcome.text);
            let Err(violations) = &found else {
                output = Some(found);
                break;
            };
            if corrections == CORRECTIONS {
                output = Some(found);
                break;
            }
            corrections += 1;
            let again = Input::new(Shape::again(violations));
            outcome = work_on(&mut session, again, &mut interrupted, out).await;
        }
    }
    // Whoever has nothing to submit any more closes; the last events tell of it.
    let _ = session.close();
    while let Some(event) = session.next_event().await {
        out.event(&event);
    }
    Report {
        outcome,
        output,
        incomplete: out.incomplete,
        interrupted,
        duration: begun.elapsed(),
        files_changed: out.progress.files_changed(),
        thread_id: None,
    }
}

async fn work_on(
    session: &mut Session,
    input: Input,
    interrupted: &mut bool,
    out: &mut Out,
) -> Outcome {
    let handle = session.handle();
    if handle.submit(input).is_err() {
        return lost();
    }
    let mut ticks = interval_at(Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let end = told_to_end();
    tokio::pin!(end);
    loop {
        tokio::select! {
            event = session.next_event() => {
                let Some(event) = event else { return lost() };
                out.event(&event);
                if let EventData::ProcessingEnd { outcome, .. }
                | EventData::SessionEnd { outcome, .. } = event.data
                {
                    return outcome;
                }
            }
            () = &mut end, if !*interrupted => {
                *interrupted = true;
                let _ = handle.abort();
            }
            _ = ticks.tick() => out.tick(),
        }
    }
}
