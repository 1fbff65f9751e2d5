//! The state as a table for a terminal.

use canon_runtime::clock;
use serde_json::Value;

pub(super) use crate::cli::print::plain;
use crate::server::span::span;

/// Characters of the last column; the others are as wide as they need to be.
const DETAIL_CHARS: usize = 72;
const HEAD: [&str; 7] = ["ISSUE", "STATUS", "STATE", "TURNS", "TOKENS", "TIME", "DETAIL"];
/// Columns of numbers, set to the right.
const NUMBERS: [usize; 3] = [3, 4, 5];

type Row = [String; 7];

/// The lines of `GET /api/v1/state`: a summary, then a line for each issue.
pub(super) fn lines(state: &Value) -> Vec<String> {
    let rows = rows(state);
    let mut lines = vec![summary(state)];
    if rows.is_empty() {
        return lines;
    }
    let head: Row = HEAD.map(str::to_owned);
    let all: Vec<&Row> = std::iter::once(&head).chain(&rows).collect();
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(|column| width(column).unwrap_or(0)).collect();
    lines.push(String::new());
    lines.extend(all.iter().map(|row| line(row, &widths)));
    lines
}

/// What needs a person, one line each.
pub(super) fn troubles(state: &Value) -> Vec<String> {
    let health = &state["health"];
    let named = [
        ("tracker", "poll_error"),
        ("workflow file", "workflow_error"),
        ("workflow file", "config_error"),
    ];
    let mut out: Vec<String> = Vec::new();
    for (what, field) in named {
        let line = health[field].as_str().map(|error| format!("{what}: {}", plain(error)));
        out.extend(line.filter(|line| !out.contains(line)));
    }
    for problem in items(&health["problems"]) {
        let line = problem["line"].as_u64().map(|line| format!(":{line}")).unwrap_or_default();
        out.push(format!("{}{line}: {}", text(&problem["place"]), text(&problem["message"])));
    }
    out
}

fn summary(state: &Value) -> String {
    let count = |name: &str| state["counts"][name].as_u64().unwrap_or(0);
    let totals = &state["codex_totals"];
    let seconds = totals["seconds_running"].as_f64().unwrap_or(0.0);
    let seconds = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    let mut parts = vec![
        format!("{} running", count("running")),
        format!("{} blocked", count("blocked")),
        format!("{} retrying", count("retrying")),
        format!("{} held", count("held")),
        format!(
            "{} of {} slots",
            number(&state["slots"]["used"]),
            number(&state["slots"]["total"])
        ),
        format!("{} tokens", number(&totals["total_tokens"])),
        format!("{} of work", span(seconds)),
    ];
    if let Some(eligible) = state["waiting"]["eligible"].as_u64() {
        parts.push(format!("{eligible} waiting"));
    }
    if state["paused"] == true {
        parts.push("paused".to_owned());
    }
    if !state["shutdown"].is_null() {
        parts.push("ending".to_owned());
    }
    parts.join(", ")
}

fn rows(state: &Value) -> Vec<Row> {
    let now = state["generated_at"].as_str().and_then(clock::parse_rfc3339).unwrap_or(0);
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(items(&state["blocked"]).map(|row| attempt("blocked", row, questions(row), now)));
    rows.extend(items(&state["running"]).map(|row| attempt("running", row, latest(row), now)));
    rows.extend(items(&state["retrying"]).map(|row| retrying(row, now)));
    rows.extend(items(&state["held"]).map(|row| held(row, now)));
    rows.extend(items(&state["finished"]).map(finished));
    for row in &mut rows {
        if let Some(detail) = row.last_mut() {
            *detail = shortened(detail);
        }
    }
    rows
}

fn attempt(status: &str, row: &Value, detail: String, now: u64) -> Row {
    [
        text(&row["issue_identifier"]),
        status.to_owned(),
        text(&row["state"]),
        number(&row["turn_count"]),
        number(&row["tokens"]["total_tokens"]),
        distance(&row["started_at"], now),
        detail,
    ]
}

fn latest(row: &Value) -> String {
    let (event, message) = (text(&row["last_event"]), text(&row["last_message"]));
    if message.is_empty() { event } else { format!("{event}: {message}") }
}

fn questions(row: &Value) -> String {
    if row["waiting_for_slot"] == true {
        return "answered; waits for a slot".to_owned();
    }
    let open: Vec<&Value> =
        items(&row["questions"]).filter(|asked| asked["answered"] != true).collect();
    let one = |asked: &&Value| match open.len() {
        1 => text(&asked["text"]),
        _ => format!("[{}] {}", text(&asked["request"]), text(&asked["text"])),
    };
    open.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn retrying(row: &Value, now: u64) -> Row {
    let when = match row["waiting_for_slot"] == true {
        true => "slot".to_owned(),
        false => distance(&row["due_at"], now),
    };
    let attempt = row["attempt"].as_u64().map(|attempt| format!("attempt {attempt}"));
    let parts: Vec<String> = attempt.into_iter().chain(row["error"].as_str().map(plain)).collect();
    let (issue, state) = (text(&row["issue_identifier"]), text(&row["state"]));
    [issue, "retrying".to_owned(), state, String::new(), String::new(), when, parts.join(": ")]
}

fn held(row: &Value, now: u64) -> Row {
    let (issue, reason) = (text(&row["issue_identifier"]), text(&row["reason"]));
    let since = distance(&row["since"], now);
    [issue, "held".to_owned(), String::new(), String::new(), String::new(), since, reason]
}

fn finished(row: &Value) -> Row {
    let result = row["result"].as_str().map_or("finished".to_owned(), plain);
    let attempts = match row["attempts"].as_u64() {
        Some(1) => "1 attempt".to_owned(),
        attempts => format!("{} attempts", attempts.unwrap_or(0)),
    };
    let failed = row["result"] == "failed";
    let error = row["last_error"].as_str().filter(|_| failed).map(|e| format!(": {}", plain(e)));
    [
        text(&row["issue_identifier"]),
        result,
        text(&row["state"]),
        String::new(),
        number(&row["total_tokens"]),
        span(row["ran_ms"].as_u64().unwrap_or(0) / 1_000),
        format!("{attempts}{}", error.unwrap_or_default()),
    ]
}

fn line(row: &Row, widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
        match NUMBERS.contains(&column) {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        }
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

fn number(value: &Value) -> String {
    value.as_u64().unwrap_or(0).to_string()
}

/// Time between then and now, whichever comes first.
fn distance(then: &Value, now: u64) -> String {
    let then = then.as_str().and_then(clock::parse_rfc3339);
    then.map_or(String::new(), |then| span(now.abs_diff(then) / 1_000))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(DETAIL_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
