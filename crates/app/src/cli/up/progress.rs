//! Progress as plain lines: what an operator wants to know of each decision, nothing more.

use canon_orchestrator::dispatch::{AttemptOutcome, Effect, Event, Machine, TurnOutcome};
use canon_orchestrator::driver::Observer;
use canon_runtime::clock;

use crate::cli::print;

/// Characters of a line after time and issue; the log has the whole text.
const WIDTH: usize = 160;

/// Prints to standard error.
pub(super) struct Progress {
    colours: bool,
    poll_failed: bool,
}

#[derive(Clone, Copy)]
enum Tone {
    Plain,
    Good,
    Bad,
    Ask,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { colours: print::colours(), poll_failed: false }
    }

    fn line(&self, now_ms: u64, issue: &str, tone: Tone, text: &str) {
        let (issue, text) = (print::plain(issue), print::one_line(text, WIDTH));
        let time = clock::rfc3339(now_ms);
        let time = time.get(11..19).unwrap_or_default();
        let code = match tone {
            Tone::Plain => "",
            Tone::Good => "\u{1b}[32m",
            Tone::Bad => "\u{1b}[31m",
            Tone::Ask => "\u{1b}[33m",
        };
        if self.colours {
            let line = format!("\u{1b}[2m{time}\u{1b}[0m {issue:<8} {code}{text}\u{1b}[0m");
            print::painted(line);
        } else {
            print::note(format_args!("{time} {issue:<8} {text}"));
        }
    }

    fn event(&mut self, now_ms: u64, event: &Event, machine: &Machine) {
        let name = |attempt_id: &str| identifier(machine, attempt_id);
        match event {
            Event::SessionStarted { attempt_id, session } => {
                let model = session.model.as_deref().unwrap_or("its default model");
                let model = std::path::Path::new(model)
                    .file_name()
                    .map_or_else(|| model.to_owned(), |name| name.to_string_lossy().into_owned());
                self.line(now_ms, &name(attempt_id), Tone::Plain, &format!("session with {model}"));
            }
            Event::TurnStarted { attempt_id, turn_no, .. } => {
                self.line(
                    now_ms,
                    &name(attempt_id),
                    Tone::Plain,
                    &format!("turn {turn_no} started"),
                );
            }
            Event::TurnEnded { attempt_id, turn_no, outcome, usage } => {
                let (tone, text) = match outcome {
                    TurnOutcome::Completed => (Tone::Plain, "completed".to_owned()),
                    TurnOutcome::Failed { failure } => {
                        (Tone::Bad, format!("failed: {}", failure.error))
                    }
                };
                let tokens = usage.total_tokens;
                let text = format!("turn {turn_no} {text} ({tokens} tokens so far)");
                self.line(now_ms, &name(attempt_id), tone, &text);
            }
            Event::InputRequired { attempt_id, question, .. } => {
                let text = format!("asks: {}", question.text);
                self.line(now_ms, &name(attempt_id), Tone::Ask, &text);
            }
            Event::PollFailed { error, .. } => self.tracker(now_ms, Some(error)),
            Event::Polled { .. } => self.tracker(now_ms, None),
            Event::WorkflowBroken { error } => {
                let text = format!("nothing new is dispatched: {error}");
                self.line(now_ms, "workflow", Tone::Bad, &text);
            }
            _ => {}
        }
    }

    /// Says once that the tracker cannot be read, and once that it can again.
    fn tracker(&mut self, now_ms: u64, error: Option<&str>) {
        let failed_before = std::mem::replace(&mut self.poll_failed, error.is_some());
        match error {
            Some(error) if !failed_before => {
                self.line(now_ms, "tracker", Tone::Bad, &format!("cannot be read: {error}"));
            }
            None if failed_before => self.line(now_ms, "tracker", Tone::Good, "can be read again"),
            _ => {}
        }
    }

    fn effect(&self, now_ms: u64, effect: &Effect) {
        match effect {
            Effect::StartAttempt { issue, attempt, .. } => {
                let text = match attempt {
                    None => format!("started: {}", issue.title),
                    Some(number) => format!("started again (attempt {number}): {}", issue.title),
                };
                self.line(now_ms, &issue.identifier, Tone::Plain, &text);
            }
            Effect::Released { issue, rule } => {
                self.line(now_ms, &issue.identifier, Tone::Plain, &format!("released ({rule})"));
            }
            _ => {}
        }
    }
}

impl Observer for Progress {
    fn observed(&mut self, now_ms: u64, event: &Event, effects: &[Effect], machine: &Machine) {
        if let Event::AttemptEnded { attempt_id, outcome, ran_ms, .. } = event {
            self.ended(now_ms, attempt_id, outcome, *ran_ms, machine);
        } else {
            self.event(now_ms, event, machine);
        }
        for effect in effects {
            self.effect(now_ms, effect);
        }
    }
}

impl Progress {
    /// The attempt is no longer live in the machine: its issue is found in the history.
    fn ended(
        &self,
        now_ms: u64,
        attempt_id: &str,
        outcome: &AttemptOutcome,
        ran_ms: u64,
        machine: &Machine,
    ) {
        let seconds = std::time::Duration::from_millis(ran_ms).as_secs_f64();
        let (tone, text) = match outcome {
            AttemptOutcome::Normal => (Tone::Good, format!("session ended after {seconds:.1} s")),
            AttemptOutcome::Failed { failure } => {
                (Tone::Bad, format!("attempt failed after {seconds:.1} s: {}", failure.error))
            }
            AttemptOutcome::Stopped => (Tone::Plain, format!("stopped after {seconds:.1} s")),
        };
        let issue = machine.issue_of_attempt(attempt_id).unwrap_or(attempt_id);
        self.line(now_ms, issue, tone, &text);
    }
}

fn identifier(machine: &Machine, attempt_id: &str) -> String {
    let live = machine.live_attempts().find(|(id, _)| *id == attempt_id);
    live.map_or_else(|| attempt_id.to_owned(), |(_, issue)| issue.identifier.clone())
}
