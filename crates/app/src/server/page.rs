//! `GET /`: one page for people (Symphony §13.7.1). Made here whole, without a script; it asks for
//! itself again every few seconds. Whatever comes from a tracker or an agent is escaped.

mod tables;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::daemon::{Gone, Overview};
use super::span::{grouped, span};

const STYLE: &str = include_str!("page/style.css");
/// Seconds after which a browser asks again.
const RELOAD_AFTER: u32 = 5;

/// The page, or the news that there is no daemon any more.
pub(super) fn respond(overview: Result<Overview, Gone>) -> Response {
    let (status, body) = match overview {
        Ok(overview) => (StatusCode::OK, page(&overview)),
        Err(gone) => {
            let body = html! { main { h1 { "Canon" } div.bad role="alert" { p { (gone) } } } };
            (StatusCode::SERVICE_UNAVAILABLE, document("gone", &body))
        }
    };
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    (status, [(header::CONTENT_TYPE, html)], body.into_string()).into_response()
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content=(RELOAD_AFTER);
                title { (title) " · Canon" }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
}

fn page(overview: &Overview) -> Markup {
    let snapshot = &overview.snapshot;
    let title = format!("{} running, {} blocked", snapshot.running.len(), snapshot.blocked.len());
    let body = html! {
        header {
            h1 { "Canon" }
            p.faint {
                (overview.workflow.display()) " · "
                time { (canon_runtime::clock::rfc3339(overview.now_ms)) }
                " · " a href="/api/v1/state" { "JSON" }
            }
        }
        main {
            (health(overview))
            (numbers(overview))
            (tables::blocked(overview))
            (tables::running(overview))
            (tables::retrying(overview))
            (tables::held(overview))
            (tables::waiting(overview))
            (tables::finished(overview))
            (rate_limits(overview))
        }
    };
    document(&title, &body)
}

fn health(overview: &Overview) -> Markup {
    let snapshot = &overview.snapshot;
    // A file that cannot be read is said twice: as its state, and as why the settings are old.
    let config_error = overview.config_error.as_ref();
    let config_error = config_error.filter(|error| snapshot.workflow_error.as_ref() != Some(error));
    let tracker_error = snapshot.tracker_error();
    let troubles = [
        ("tracker", tracker_error.as_ref()),
        ("workflow file, nothing new is dispatched", snapshot.workflow_error.as_ref()),
        ("workflow file, the last good settings stay in force", config_error),
    ];
    let well = super::state::is_healthy(overview);
    html! {
        @if !well {
            div.bad role="alert" {
                @for (what, error) in troubles {
                    @if let Some(error) = error { p { strong { (what) ": " } (error) } }
                }
                @for problem in &overview.problems { p { strong { "record: " } (problem) } }
            }
        }
        @if snapshot.paused { p { strong { "Paused." } " Nothing new is dispatched until it is resumed." } }
        @if snapshot.shutdown.is_some() { p { strong { "Ending." } " Nothing new is dispatched." } }
    }
}

fn numbers(overview: &Overview) -> Markup {
    let snapshot = &overview.snapshot;
    let totals = &snapshot.totals;
    let poll = |at_ms: Option<u64>| at_ms.map(|at| overview.now_ms.abs_diff(at) / 1_000);
    let numbers = [
        ("slots in use", format!("{} of {}", snapshot.slots_used, snapshot.slots)),
        ("tokens", grouped(totals.usage.total_tokens)),
        ("input", grouped(totals.usage.input_tokens)),
        ("output", grouped(totals.usage.output_tokens)),
        ("running time", span(whole_seconds(totals.seconds_running))),
        ("attempts", grouped(totals.attempts)),
        ("completed", grouped(totals.completed)),
        ("failed", grouped(totals.failed)),
        ("stopped", grouped(totals.stopped)),
        (
            "last poll",
            poll(snapshot.last_poll_ms)
                .map_or("none yet".to_owned(), |s| format!("{} ago", span(s))),
        ),
        (
            "next poll",
            poll(snapshot.next_poll_ms).map_or("–".to_owned(), |s| format!("in {}", span(s))),
        ),
    ];
    html! {
        dl { @for (name, number) in numbers { div { dt { (name) } dd { (number) } } } }
    }
}

fn rate_limits(overview: &Overview) -> Markup {
    html! {
        @if let Some(limits) = &overview.snapshot.rate_limits {
            h2 { "Rate limits" }
            pre { (serde_json::to_string_pretty(limits).unwrap_or_default()) }
        }
    }
}

/// `Duration` refuses what is negative or no number.
fn whole_seconds(seconds: f64) -> u64 {
    std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs()
}
