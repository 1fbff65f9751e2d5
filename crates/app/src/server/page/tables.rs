//! The tables of the page: one for each thing that can be the matter with an issue.

use canon_orchestrator::dispatch::{BlockedRow, RetryKind, RunningRow};
use maud::{Markup, html};

use crate::server::daemon::Overview;
use crate::server::span::{grouped, span};
use crate::server::state::Now;

/// Attempts that work.
pub(super) fn running(overview: &Overview) -> Markup {
    let rows = &overview.snapshot.running;
    table(
        "Running",
        &["issue", "title", "state", "phase", "turns", "tokens", "for", "latest"],
        rows.iter().map(|row| running_row(overview, row)),
    )
}

fn running_row(overview: &Overview, row: &RunningRow) -> Markup {
    let now = Now::of(row, overview.live.get(&row.issue_id));
    html! {
        td { (issue(&row.identifier, row.url.as_deref())) }
        td { (row.title) }
        td { (row.state) }
        td { (row.phase) }
        td.n { (now.turns) }
        td.n { (grouped(now.usage.total_tokens)) }
        td.n { (since(overview, row.started_at_ms)) }
        td {
            (now.last_event) " " span.faint { (since(overview, now.last_event_at_ms)) " ago" }
            @if !now.last_message.is_empty() { br; (now.last_message) }
        }
    }
}

/// Attempts that ask something, with how to answer.
pub(super) fn blocked(overview: &Overview) -> Markup {
    table(
        "Waiting for an answer",
        &["issue", "title", "question", "for"],
        overview.snapshot.blocked.iter().map(|row| blocked_row(overview, row)),
    )
}

fn blocked_row(overview: &Overview, row: &BlockedRow) -> Markup {
    let open = row.questions.iter().filter(|(_, asked)| !asked.answered);
    html! {
        td { (issue(&row.attempt.identifier, row.attempt.url.as_deref())) }
        td { (row.attempt.title) }
        td {
            @if row.waiting_for_slot { "answered; waits for a slot" }
            @for (request, asked) in open {
                pre { (asked.question.text) }
                span.faint { (asked.question.kind) ", request " code { (request) } }
            }
        }
        td.n { (since(overview, row.attempt.started_at_ms)) }
    }
}

/// Claims that wait.
pub(super) fn retrying(overview: &Overview) -> Markup {
    let rows = &overview.snapshot.retrying;
    table(
        "Retrying",
        &["issue", "state", "attempt", "why", "when", "error"],
        rows.iter().map(|row| {
            let left = row.due_at_ms.saturating_sub(overview.now_ms) / 1_000;
            html! {
                td { (issue(&row.identifier, row.url.as_deref())) }
                td { (row.state) }
                td.n { @match row.attempt { Some(number) => (number), None => "–" } }
                td { (kind(row.kind)) }
                td.n {
                    @if row.waiting_for_slot { "with a free slot" }
                    @else if left == 0 { "now" }
                    @else { "in " (span(left)) }
                }
                td { @if let Some(error) = &row.error { (error) } }
            }
        }),
    )
}

fn kind(kind: RetryKind) -> &'static str {
    match kind {
        RetryKind::Continuation => "goes on",
        RetryKind::Failure => "failed",
        RetryKind::Interrupted => "interrupted",
        RetryKind::Operator => "asked for",
    }
}

/// Parked issues.
pub(super) fn held(overview: &Overview) -> Markup {
    let rows = &overview.snapshot.held;
    table(
        "Held",
        &["issue", "why", "for"],
        rows.iter().map(|row| {
            html! {
                td { (issue(&row.identifier, row.url.as_deref())) }
                td { (row.reason) }
                td.n { (since(overview, row.since_ms)) }
            }
        }),
    )
}

/// Candidates that do not run, by why.
pub(super) fn waiting(overview: &Overview) -> Markup {
    let rows = &overview.snapshot.waiting;
    table(
        "Candidates",
        &["standing", "issues"],
        rows.iter().map(|(standing, count)| {
            html! { td { (standing.replace('_', " ")) } td.n { (grouped(*count)) } }
        }),
    )
}

/// Issues that ran and are claimed no more.
pub(super) fn finished(overview: &Overview) -> Markup {
    table(
        "Finished",
        &["issue", "state", "result", "attempts", "tokens", "ran for", "last error"],
        overview.finished.iter().map(|row| {
            html! {
                td { (issue(&row.identifier, None)) }
                td { (row.state) }
                td { (row.result.as_deref().unwrap_or("–")) }
                td.n { (row.attempts) }
                td.n { (grouped(row.total_tokens)) }
                td.n { (span(row.ran_ms / 1_000)) }
                td { @if let Some(error) = &row.last_error { (error) } }
            }
        }),
    )
}

/// Columns whose values are numbers, set to the right.
const NUMBERS: [&str; 7] = ["turns", "tokens", "for", "when", "attempt", "attempts", "ran for"];

fn table(title: &str, columns: &[&str], rows: impl ExactSizeIterator<Item = Markup>) -> Markup {
    html! {
        @if rows.len() > 0 {
            section {
                h2 { (title) " " span.faint { (rows.len()) } }
                div.wide {
                    table {
                        thead {
                            tr {
                                @for column in columns {
                                    @let number = NUMBERS.contains(column) || *column == "issues";
                                    th scope="col" class=[number.then_some("n")] { (column) }
                                }
                            }
                        }
                        tbody { @for row in rows { tr { (row) } } }
                    }
                }
            }
        }
    }
}

/// The issue's name, which leads to what is known of it, and a link to the tracker. Only addresses
/// of the web become links: a tracker can hold any text.
fn issue(identifier: &str, url: Option<&str>) -> Markup {
    let web = |url: &&str| {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        matches!(scheme.as_deref(), Some("http" | "https"))
    };
    html! {
        a href={ "/api/v1/issues/" (encoded(identifier)) } { (identifier) }
        @if let Some(url) = url.filter(web) {
            " " a href=(url) rel="noopener noreferrer" aria-label={ (identifier) " in the tracker" } { "↗" }
        }
    }
}

/// `text` as one segment of a path.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_~".contains(byte);
    let dots_only = text.bytes().all(|byte| byte == b'.');
    let one = |byte: u8| match plain(&byte) || (byte == b'.' && !dots_only) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

fn since(overview: &Overview, at_ms: u64) -> String {
    span(overview.now_ms.saturating_sub(at_ms) / 1_000)
}
