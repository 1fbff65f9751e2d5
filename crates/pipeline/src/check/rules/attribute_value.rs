use super::{Owner, Place, each_attribute};
use crate::check::Rule;
use crate::graph::{Attr, JoinPolicy};
use crate::{Diagnostic, Graph, Severity};

/// Attributes that are numbers, truth values or durations can be read as such. An error: a limit
/// that is not understood must not turn into no limit.
pub(super) struct AttributeValue;

impl Rule for AttributeValue {
    fn name(&self) -> &str {
        "attribute_value"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        each_attribute(graph, |owner, attr| {
            if let Some((severity, message, fix)) = judge(owner, attr) {
                let diagnostic = Diagnostic::new("attribute_value", severity, message).fix(fix);
                found.push(owner.place(graph, diagnostic).on_value(attr));
            }
        });
        found
    }
}

/// What a value must be.
enum Wanted {
    Count,
    Integer,
    Boolean,
    Duration,
}

fn wanted(owner: Owner, key: &str) -> Option<Wanted> {
    Some(match (owner, key) {
        (Owner::Graph, "default_max_retries" | "default_max_retry" | "max_stages")
        | (Owner::Graph, "max_goal_redirects" | "max_restarts" | "max_visits")
        | (Owner::Node(_), "max_retries" | "max_visits" | "max_parallel" | "manager.max_cycles") => {
            Wanted::Count
        }
        (Owner::Edge(_), "weight") => Wanted::Integer,
        (Owner::Node(_), "goal_gate" | "auto_status" | "allow_partial" | "continue_on_fail")
        | (Owner::Node(_), "stack.child_autostart")
        | (Owner::Edge(_), "loop_restart") => Wanted::Boolean,
        (Owner::Node(_), "timeout" | "duration" | "human.timeout")
        | (Owner::Node(_), "manager.poll_interval" | "manager.steer_cooldown") => Wanted::Duration,
        _ => return None,
    })
}

fn judge(owner: Owner, attr: &Attr) -> Option<(Severity, String, &'static str)> {
    let (key, value) = (&attr.key, &attr.value);
    let text = value.text();
    let error = |what: &str, fix| {
        Some((Severity::Error, format!("{key} is `{text}`, which is no {what}"), fix))
    };
    let Some(wanted) = wanted(owner, key) else {
        return word(owner, key, text);
    };
    match wanted {
        Wanted::Count if value.as_integer().and_then(|n| u32::try_from(n).ok()).is_none() => {
            error("count", "write a whole number, 0 or more")
        }
        Wanted::Integer if value.as_whole().is_none() => {
            error("whole number", "write a whole number")
        }
        Wanted::Boolean if value.as_bool().is_none() => {
            error("truth value", "write `true` or `false`")
        }
        Wanted::Duration if value.as_duration().is_none() => {
            error("duration", "write a whole number with a unit: 250ms, 900s, 15m, 2h, 1d")
        }
        Wanted::Duration if value.as_integer().is_some() => Some((
            Severity::Warning,
            format!("{key} is `{text}` without a unit, and is read as seconds"),
            "write the unit: 250ms, 900s, 15m, 2h, 1d",
        )),
        _ => None,
    }
}

/// Attributes that are one of a few words.
fn word(owner: Owner, key: &str, text: &str) -> Option<(Severity, String, &'static str)> {
    let text = text.trim();
    match (owner, key) {
        (Owner::Node(_), "join_policy")
            if JoinPolicy::parse(text).is_none() && !text.is_empty() =>
        {
            Some((
                Severity::Error,
                format!("`{text}` is no join policy"),
                "write `wait_all` or `first_success`",
            ))
        }
        (Owner::Node(_), "human.input") if !matches!(text, "choice" | "confirm" | "text" | "") => {
            Some((
                Severity::Error,
                format!("`{text}` is nothing that a human gate can ask for"),
                "write `choice`, `confirm` or `text`",
            ))
        }
        (Owner::Node(_) | Owner::Graph, "reasoning_effort")
            if !matches!(text, "low" | "medium" | "high" | "") =>
        {
            Some((
                Severity::Warning,
                format!("`{text}` is an effort that only some models know"),
                "write `low`, `medium` or `high`",
            ))
        }
        _ => None,
    }
}
