//! The table at the end: what became of each issue.

use std::collections::{BTreeMap, BTreeSet};

use canon_orchestrator::dispatch::{IssueHistory, Machine};
use canon_orchestrator::settings::Settings;
use canon_runtime::clock;
use serde_json::Value;

use crate::cli::print;

/// Characters of a note.
const NOTE: usize = 80;

/// One issue's row.
struct Row {
    cells: [String; 8],
}

const HEAD: [&str; 8] =
    ["issue", "state", "attempts", "turns", "tokens", "commits", "tests", "notes"];

/// Prints the table to standard output; states are the tracker's, read once more.
pub(super) async fn print(machine: &Machine, settings: &Settings) {
    let now = clock::now_ms();
    let mut identifiers: BTreeSet<String> = machine.remembered().map(str::to_owned).collect();
    identifiers.extend(machine.candidates().values().map(|issue| issue.identifier.clone()));
    if identifiers.is_empty() {
        print::note("no issue is in an active state");
        return;
    }
    let states = states(machine, settings, &identifiers).await;
    let rows: Vec<Row> = identifiers
        .iter()
        .filter_map(|identifier| {
            let view = machine.issue_view(identifier, now)?;
            let state = states.get(&view.issue_id).cloned();
            Some(row(identifier, state, view.history.as_ref(), machine, &view.why.detail))
        })
        .collect();
    let mut widths = HEAD.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut lines = vec![String::new(), line(&HEAD.map(str::to_owned), &widths)];
    lines.extend(rows.iter().map(|row| line(&row.cells, &widths)));
    let totals = machine.snapshot(now).totals;
    lines.push(format!(
        "\n{} attempts ({} completed, {} failed, {} stopped), {} tokens, {:.1} s of agents' time",
        totals.attempts,
        totals.completed,
        totals.failed,
        totals.stopped,
        totals.usage.total_tokens,
        totals.seconds_running,
    ));
    lines.push(format!("workspaces: {}", settings.config.workspace.root.display()));
    print::data(lines.join("\n"));
}

/// The issues' states now; where the tracker does not say, as they were last seen.
async fn states(
    machine: &Machine,
    settings: &Settings,
    identifiers: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let ids: Vec<String> = identifiers.iter().filter_map(|name| machine.find(name)).collect();
    match settings.tracker.fetch_issues_by_ids(&ids).await {
        Ok(issues) => issues.into_iter().map(|issue| (issue.id, issue.state)).collect(),
        Err(error) => {
            print::note(format_args!("warning: the tracker cannot be read: {error}"));
            BTreeMap::new()
        }
    }
}

fn row(
    identifier: &str,
    state: Option<String>,
    history: Option<&IssueHistory>,
    machine: &Machine,
    why: &str,
) -> Row {
    let known = machine.find(identifier).and_then(|id| machine.known(&id).map(|i| i.state.clone()));
    let state = state.or(known).or_else(|| history.map(|history| history.state.clone()));
    let attempts = history.map(|history| history.attempts.as_slice()).unwrap_or_default();
    let turns: u32 = attempts.iter().map(|attempt| attempt.turns).sum();
    let tokens: u64 = attempts.iter().map(|attempt| attempt.usage.total_tokens).sum();
    let commits: BTreeSet<&str> = attempts
        .iter()
        .filter_map(|attempt| attempt.evidence["commits"].as_array())
        .flatten()
        .filter_map(|commit| commit["id"].as_str())
        .collect();
    let first = attempts.iter().find_map(|attempt| colour(&attempt.evidence["tests_before"]));
    let last = attempts.iter().rev().find_map(|attempt| colour(&attempt.evidence["tests_after"]));
    let failures = attempts.iter().filter(|attempt| attempt.failure.is_some()).count();
    let note = match (failures, attempts.last().and_then(|attempt| attempt.failure.as_ref())) {
        (_, Some(failure)) => print::one_line(&failure.error, NOTE),
        (0, None) if attempts.is_empty() => why.to_owned(),
        (0, None) => String::new(),
        (1, None) => "one attempt failed and was retried".to_owned(),
        (count, None) => format!("{count} attempts failed and were retried"),
    };
    Row {
        cells: [
            identifier.to_owned(),
            state.unwrap_or_else(|| "gone".to_owned()),
            history.map_or(0, |history| history.attempts_started).to_string(),
            turns.to_string(),
            tokens.to_string(),
            commits.len().to_string(),
            match (first, last) {
                (None, None) => "-".to_owned(),
                (first, last) => {
                    format!("{} → {}", first.unwrap_or("?"), last.unwrap_or("?"))
                }
            },
            note,
        ]
        .map(|cell| print::plain(&cell)),
    }
}

fn colour(verification: &Value) -> Option<&'static str> {
    Some(if verification["green"].as_bool()? { "green" } else { "red" })
}

fn line(cells: &[String; 8], widths: &[usize; 8]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
