//! The words that tell a stage of the run before it: a pure function (Attractor §5.4, §9.2).

use std::fmt::Write as _;

use crate::context::{Context, text};
use crate::graph::Fidelity;
use crate::outcome::Status;
use crate::run::{Done, History};

/// What there is to tell.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// What the run is for.
    pub goal: &'a str,
    /// The run's id.
    pub run: &'a str,
    /// The stage that is told.
    pub node: &'a str,
    /// What ended before.
    pub history: &'a History,
    /// The values.
    pub context: &'a Context,
    /// The node that answered last, and its answer.
    pub answer: Option<(&'a str, &'a str)>,
}

/// What a mode has room for, in characters: about four make a token.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// All but the lines about the run.
    all: usize,
    goal: usize,
    /// The newest stages, and what is told of each.
    stages: usize,
    notes: usize,
    /// What is told of a value.
    value: usize,
    /// Of the latest answer.
    answer: usize,
}

const fn room(mode: Fidelity) -> Room {
    match mode {
        Fidelity::Truncate => {
            Room { all: 0, goal: 4_000, stages: 0, notes: 0, value: 0, answer: 0 }
        }
        Fidelity::SummaryLow => {
            Room { all: 1_400, goal: 800, stages: 4, notes: 120, value: 80, answer: 0 }
        }
        Fidelity::Compact => {
            Room { all: 5_000, goal: 2_000, stages: 12, notes: 160, value: 120, answer: 2_000 }
        }
        Fidelity::SummaryMedium => {
            Room { all: 4_300, goal: 1_500, stages: 12, notes: 240, value: 160, answer: 1_500 }
        }
        Fidelity::SummaryHigh | Fidelity::Full => {
            Room { all: 9_300, goal: 2_500, stages: 40, notes: 400, value: 300, answer: 3_000 }
        }
    }
}

/// How much of the latest answer a mode tells, in characters.
pub(super) const fn answer_limit(mode: Fidelity) -> usize {
    room(mode).answer
}

/// What stands before the instruction of a stage. Costs no more than what it tells, however long
/// the run is; tells nothing that the engine keeps for itself.
pub fn preamble(mode: Fidelity, told: &Told<'_>) -> String {
    let room = room(mode);
    let mut out = String::from("# The run so far\n");
    if !told.goal.trim().is_empty() {
        let _ = writeln!(out, "Goal: {}", cut(told.goal.trim(), room.goal));
    }
    let _ = writeln!(out, "Run: {}, stage: {}", told.run, told.node);
    if room.all == 0 {
        return out.trim_end().to_owned();
    }
    let mut left = room.all;
    let answer = told.answer.map(|(node, answer)| answer_section(node, answer, room.answer));
    left = left.saturating_sub(answer.as_deref().map_or(0, length));
    // Stages may use what values leave, so values come first and stand last.
    let values = values_section(told.context, left / 3, room.value);
    left = left.saturating_sub(length(&values));
    out.push_str(&stages_section(mode, told.history, left, room));
    out.push_str(&values);
    out.push_str(&answer.unwrap_or_default());
    out.trim_end().to_owned()
}

/// The newest stages, in the order in which they ended.
fn stages_section(mode: Fidelity, history: &History, limit: usize, room: Room) -> String {
    if history.is_empty() {
        return String::new();
    }
    let mut lines = Vec::new();
    let mut used = 80;
    for done in history.iter().take(room.stages) {
        let line = stage_line(done, room.notes);
        used += length(&line);
        if used > limit {
            break;
        }
        lines.push(line);
    }
    let earlier = history.len() - lines.len();
    let mut section = match mode {
        Fidelity::Compact => String::from("\nStages that ended:\n"),
        _ => format!("\n{} ended before this one.\n", count(history.len(), "stage")),
    };
    if earlier > 0 && !lines.is_empty() {
        let _ = writeln!(section, "- ({} before these)", count(earlier, "stage"));
    }
    lines.iter().rev().for_each(|line| section.push_str(line));
    section
}

fn stage_line(done: &Done, notes: usize) -> String {
    let mut line = format!("- {}: {}", done.node, done.status);
    if done.visit > 1 {
        let _ = write!(line, ", visit {}", done.visit);
    }
    if done.attempts > 1 {
        let _ = write!(line, ", attempt {}", done.attempts);
    }
    let said = one_line(&done.notes);
    let plain = done.status == Status::Success && said == format!("Stage completed: {}", done.node);
    if !said.is_empty() && !plain {
        let _ = write!(line, ": {}", cut(&said, notes));
    }
    line.push('\n');
    line
}

fn values_section(context: &Context, limit: usize, each: usize) -> String {
    let mut section = String::new();
    let shown = context.iter().filter(|(key, _)| is_shown(key));
    for (key, value) in shown {
        let head = if section.is_empty() { "\nValues:\n" } else { "" };
        let line = format!("{head}- {}: {}\n", cut(key, 80), cut(&one_line(&text(value)), each));
        if length(&section) + length(&line) > limit.saturating_sub(24) {
            section.push_str(if section.is_empty() { "" } else { "- (more are left out)\n" });
            break;
        }
        section.push_str(&line);
    }
    section
}

/// Neither what the engine keeps for itself nor what the preamble tells anyway.
fn is_shown(key: &str) -> bool {
    let told = ["outcome", "preferred_label", "current_node", "last_stage", "last_response"];
    !told.contains(&key) && !key.starts_with("internal.") && !key.starts_with("graph.")
}

fn answer_section(node: &str, answer: &str, limit: usize) -> String {
    format!("\nThe answer of {node}:\n{}\n", cut(answer, limit))
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// White space of any kind becomes one space, so that what a stage says keeps to its line.
fn one_line(text: &str) -> String {
    // Nothing longer is shown anyway.
    text.split_whitespace().take(400).collect::<Vec<_>>().join(" ")
}

/// The first characters, with a mark where something is missing.
pub(super) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => {
            let kept = text.chars().take(limit.saturating_sub(1));
            kept.chain(std::iter::once('…')).collect()
        }
    }
}

#[cfg(test)]
mod tests;
