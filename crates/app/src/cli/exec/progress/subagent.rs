//! What subagents do, indented and with their ids, because several may be at work at a time.

use canon_agent::{EventData, Outcome, SessionEvent, Status};

use super::{Line, Progress, Tone};

impl Progress {
    /// An event of the subagent `id`, in the words that its parent's events have.
    pub(super) fn subagent(&mut self, id: &str, event: &SessionEvent) -> Vec<Line> {
        let width = self.width.saturating_sub(mark(id).chars().count());
        let child =
            self.subagents.entry(id.to_owned()).or_insert_with(|| Self::new(&self.cwd, width));
        let was_at_work = child.at_work;
        let mut lines = child.event(event);
        if let EventData::ProcessingEnd { outcome, .. } | EventData::SessionEnd { outcome, .. } =
            &event.data
            && was_at_work
        {
            lines.extend(child.over(outcome));
        }
        self.changed.append(&mut child.changed);
        below(id, lines)
    }

    /// What takes long in subagents.
    pub(super) fn subagents_tick(&mut self, now: u64) -> Vec<Line> {
        self.subagents.iter_mut().flat_map(|(id, child)| below(id, child.tick(now))).collect()
    }

    /// How a task ended whose outcome is shown nowhere else.
    fn over(&mut self, outcome: &Outcome) -> Option<Line> {
        match &outcome.status {
            Status::Completed | Status::AwaitingInput => Some(match self.text.take() {
                Some(text) => self.line(Tone::Plain, "» ", &text, ""),
                None => self.line(Tone::Plain, "· ", "done", ""),
            }),
            // The event of the limit was a line already.
            Status::Limit { .. } => None,
            Status::Aborted => Some(self.line(Tone::Dim, "· ", "stopped", "")),
            Status::Failed { message, .. } => {
                Some(self.line(Tone::Bad, "· ", &format!("failed: {message}"), ""))
            }
        }
    }
}

fn mark(id: &str) -> String {
    format!("  {id} ")
}

fn below(id: &str, lines: Vec<Line>) -> Vec<Line> {
    let mark = mark(id);
    lines
        .into_iter()
        .map(|Line { tone, text }| Line { tone, text: format!("{mark}{text}") })
        .collect()
}
