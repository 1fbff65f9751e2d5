//! Tool calls in human words.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::cli::words::{cut, duration, plural};

/// Characters of an error beside what failed.
const ERROR: usize = 120;
/// Milliseconds from which on it is said how long something other than a command took.
const SLOW: u64 = 1_000;

/// How a call ended.
pub(super) struct End<'a> {
    pub(super) output: &'a str,
    pub(super) is_error: bool,
    pub(super) details: &'a Value,
    pub(super) ms: u64,
}

/// What a call does, while it does it.
pub(super) fn what(tool: &str, arguments: &Value, cwd: &Path) -> String {
    match (tool, subject(arguments, cwd)) {
        ("shell", Some(command)) => format!("running {command}"),
        ("wait", _) => format!("waiting for {}", subagents(arguments)),
        (tool, Some(subject)) => format!("{tool} {subject}"),
        (tool, None) => tool.to_owned(),
    }
}

/// The file that a call read, if that is all it did.
pub(super) fn read(tool: &str, arguments: &Value, end: &End<'_>, cwd: &Path) -> Option<String> {
    (tool == "read_file" && !end.is_error).then(|| subject(arguments, cwd))?
}

/// What a call did, and in brackets how it ended.
pub(super) fn done(tool: &str, arguments: &Value, end: &End<'_>, cwd: &Path) -> (String, String) {
    let subject = subject(arguments, cwd).unwrap_or_default();
    if end.details.get("exit_code").is_some() {
        return (format!("ran {subject}"), format!(" ({})", ended(end)));
    }
    if end.is_error {
        let what = format!("{tool} {subject}");
        return (what.trim_end().to_owned(), format!(" failed: {}", cut(end.output, ERROR)));
    }
    let slow = (end.ms >= SLOW).then(|| time(end.ms));
    let brackets = |parts: Vec<String>| match parts.join(", ") {
        parts if parts.is_empty() => parts,
        parts => format!(" ({parts})"),
    };
    let changes = changes(end.details);
    if !changes.is_empty() {
        let (what, lines) = edited(&changes, cwd);
        return (what, brackets(lines.into_iter().chain(slow).collect()));
    }
    let what = match tool {
        "grep" => format!("searched for {subject}"),
        "glob" => format!("looked for {subject}"),
        "list_dir" => format!("listed {}", if subject.is_empty() { "." } else { &subject }),
        "read_many_files" => format!("read {subject}"),
        "web_fetch" => format!("fetched {subject}"),
        "spawn_agent" => format!("started {}: {subject}", subagents(end.details)),
        "send_input" => format!("told {}: {subject}", subagents(arguments)),
        "wait" => format!("waited for {}", subagents(arguments)),
        "close_agent" => format!("ended {}", subagents(arguments)),
        _ => format!("called {tool} {subject}").trim_end().to_owned(),
    };
    (what, brackets(slow.into_iter().collect()))
}

/// The files that a call changed, as their tools name them.
pub(super) fn changed(details: &Value) -> Vec<String> {
    let paths = |change: &&Value| {
        let of = |name: &str| change[name].as_str().map(str::to_owned);
        [of("path"), of("to")]
    };
    changes(details).iter().flat_map(paths).flatten().collect()
}

/// `changes` of a patch, or the one change of another tool.
fn changes(details: &Value) -> Vec<&Value> {
    match details.get("changes").and_then(Value::as_array) {
        Some(changes) => changes.iter().collect(),
        None if details.get("change").is_some() => vec![details],
        None => Vec::new(),
    }
}

/// What was done to files, and how many lines came and went.
fn edited(changes: &[&Value], cwd: &Path) -> (String, Option<String>) {
    let sum = |name: &str| changes.iter().map(|change| change[name].as_u64()).sum::<Option<u64>>();
    let lines = match (sum("added"), sum("removed")) {
        (Some(added), Some(removed)) => Some(format!("+{added} −{removed}")),
        _ => None,
    };
    let path = |change: &Value, name: &str| shown(change[name].as_str().unwrap_or_default(), cwd);
    let what = match changes {
        [one] => match one["change"].as_str() {
            Some("add") => format!("created {}", path(one, "path")),
            Some("delete") => format!("deleted {}", path(one, "path")),
            Some("move") => format!("moved {} to {}", path(one, "path"), path(one, "to")),
            _ => format!("edited {}", path(one, "path")),
        },
        many => {
            let names: Vec<String> = many.iter().map(|change| path(change, "path")).collect();
            format!("edited {}: {}", plural(many.len() as u64, "file", "files"), names.join(", "))
        }
    };
    (what, lines)
}

/// How a command ended, and after what time.
fn ended(end: &End<'_>) -> String {
    let flag = |name: &str| end.details[name].as_bool() == Some(true);
    let code = end.details["exit_code"].as_i64();
    let how = match end.details["signal"].as_i64() {
        _ if flag("timed_out") => Some("timed out".to_owned()),
        _ if flag("cancelled") => Some("stopped".to_owned()),
        Some(signal) => Some(format!("signal {signal}")),
        None => code.filter(|code| *code != 0).map(|code| format!("exit {code}")),
    };
    how.into_iter().chain([time(end.ms)]).collect::<Vec<_>>().join(", ")
}

fn time(ms: u64) -> String {
    duration(Duration::from_millis(ms))
}

/// What a call is about: its command, its file, its pattern.
fn subject(arguments: &Value, cwd: &Path) -> Option<String> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    if let Some(command) = text("command") {
        return Some(command.to_owned());
    }
    if let Some(found) =
        ["pattern", "url", "query", "task", "message", "prompt"].into_iter().find_map(text)
    {
        return Some(found.to_owned());
    }
    if let Some(path) = ["file_path", "path", "dir_path", "directory"].into_iter().find_map(text) {
        return Some(shown(path, cwd));
    }
    let list = ["paths", "file_paths", "include"].into_iter().find_map(|name| arguments.get(name));
    let paths = list.and_then(Value::as_array)?;
    let paths: Vec<String> =
        paths.iter().filter_map(Value::as_str).map(|path| shown(path, cwd)).collect();
    Some(paths.join(", "))
}

/// The subagents that `names` has the ids of.
fn subagents(names: &Value) -> String {
    let listed = names["agent_ids"].as_array();
    let ids = names.get("agent_id").into_iter().chain(listed.into_iter().flatten());
    let ids: Vec<&str> = ids.filter_map(Value::as_str).collect();
    if ids.is_empty() { "subagents".to_owned() } else { ids.join(", ") }
}

/// A path as people write it: from the working directory on.
fn shown(path: &str, cwd: &Path) -> String {
    let whole: PathBuf =
        Path::new(path).components().filter(|part| *part != Component::CurDir).collect();
    let inside = whole.strip_prefix(cwd).unwrap_or(&whole);
    match inside.to_string_lossy() {
        empty if empty.is_empty() => ".".to_owned(),
        path => path.into_owned(),
    }
}
