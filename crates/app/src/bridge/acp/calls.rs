//! Tool calls as an editor shows them: titles, kinds, places, changes.

use std::path::PathBuf;

use canon_agent::patch::{Hunk, Line, Operation, Patch};
use canon_protocol::acp::tool::{ToolCall, ToolContent, ToolKind, ToolLocation, ToolStatus};
use serde_json::Value;

use super::places::Places;

/// Characters of a title.
const TITLE_LIMIT: usize = 120;
/// Characters of a tool's output that are shown, the last of them.
const OUTPUT_LIMIT: usize = 32_000;
/// Tools whose one argument says it all, with the word for what they do.
const WORDS: [(&str, ToolKind, &str, &str); 16] = [
    ("shell", ToolKind::Execute, "command", ""),
    ("read_file", ToolKind::Read, "file_path", "Read"),
    ("read_many_files", ToolKind::Read, "paths", "Read"),
    ("list_dir", ToolKind::Read, "path", "List"),
    ("grep", ToolKind::Search, "pattern", "Search for"),
    ("glob", ToolKind::Search, "pattern", "Find"),
    ("write_file", ToolKind::Edit, "file_path", "Write"),
    ("edit_file", ToolKind::Edit, "file_path", "Edit"),
    ("apply_patch", ToolKind::Edit, "", "Edit"),
    ("web_fetch", ToolKind::Fetch, "url", "Fetch"),
    ("web_search", ToolKind::Fetch, "query", "Search the web for"),
    ("update_plan", ToolKind::Think, "", "Plan"),
    ("spawn_agent", ToolKind::Think, "task", "Subagent:"),
    ("send_input", ToolKind::Think, "agent_id", "Tell subagent"),
    ("wait", ToolKind::Think, "", "Wait for subagents"),
    ("close_agent", ToolKind::Think, "agent_id", "End subagent"),
];

/// What a tool does; anything unknown may do anything.
pub(super) fn kind(tool: &str) -> ToolKind {
    WORDS.iter().find(|row| row.0 == tool).map_or(ToolKind::Other, |row| row.1)
}

/// The file that one of the tools that change a single one names, absolute.
pub(super) fn changed_file(tool: &str, arguments: &Value, places: &Places) -> Option<PathBuf> {
    let changes = matches!(tool, "write_file" | "edit_file");
    changes.then(|| path_of(arguments, places)).flatten()
}

/// The first word about a call. `before` is the text of the [`changed_file`], if it has one and it
/// is known.
pub(super) fn begun(
    id: &str,
    tool: &str,
    arguments: &Value,
    places: &Places,
    before: Option<&str>,
) -> ToolCall {
    let (kind, title) = described(tool, arguments, places);
    let changes = changes(tool, arguments, places, before);
    let touched = touched(tool, arguments, places, before);
    ToolCall {
        title: Some(title),
        name: Some(tool.to_owned()),
        kind: Some(kind),
        status: Some(ToolStatus::InProgress),
        content: (!changes.is_empty()).then_some(changes),
        locations: (!touched.is_empty()).then_some(touched),
        raw_input: Some(arguments.clone()),
        ..ToolCall::new(id)
    }
}

/// A call with the name of the subagent that makes it before its title.
pub(super) fn of_agent(mut call: ToolCall, agent: Option<&str>) -> ToolCall {
    if let (Some(agent), Some(title)) = (agent, &mut call.title) {
        title.insert_str(0, &format!("{agent}: "));
    }
    call
}

/// How a call ended.
pub(super) struct Ending<'a> {
    pub(super) output: &'a str,
    pub(super) is_error: bool,
    pub(super) details: &'a Value,
}

/// The last word about a call that was [`begun`].
pub(super) fn ended(mut call: ToolCall, ending: &Ending<'_>) -> ToolCall {
    let status = if ending.is_error { ToolStatus::Failed } else { ToolStatus::Completed };
    // The change is what came of an edit; only if it was not made is there something to say.
    let content = match call.content.take() {
        Some(changes) if !ending.is_error => changes,
        _ if ending.output.is_empty() => Vec::new(),
        _ => vec![ToolContent::text(fenced(ending.output))],
    };
    ToolCall {
        status: Some(status),
        content: Some(content),
        locations: call.locations,
        raw_output: (!ending.details.is_null()).then(|| ending.details.clone()),
        ..ToolCall::new(call.tool_call_id)
    }
}

/// The end of an output, in a fence that nothing in it can end.
pub(super) fn fenced(output: &str) -> String {
    let skipped = output.chars().count().saturating_sub(OUTPUT_LIMIT);
    let start = output.char_indices().nth(skipped).map_or(0, |(at, _)| at);
    let note = match skipped {
        0 => String::new(),
        skipped => format!("[the first {skipped} characters are left out]\n"),
    };
    let longest = output[start..].split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let text = output[start..].trim_end_matches('\n');
    format!("{fence}\n{note}{text}\n{fence}")
}

fn described(tool: &str, arguments: &Value, places: &Places) -> (ToolKind, String) {
    let Some((_, kind, argument, word)) = WORDS.iter().find(|row| row.0 == tool) else {
        return (ToolKind::Other, short(tool));
    };
    if let Some(operations) = operations(tool, arguments) {
        return described_patch(&operations);
    }
    let what = match &arguments[*argument] {
        Value::String(text) => places.short(text).to_owned(),
        Value::Array(items) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            items.join(", ")
        }
        _ => String::new(),
    };
    let title = match (word.is_empty(), what.is_empty()) {
        (true, false) => short(&what),
        (false, false) => short(&format!("{word} {what}")),
        (false, true) => (*word).to_owned(),
        (true, true) => tool.to_owned(),
    };
    (*kind, title)
}

fn described_patch(operations: &[Operation]) -> (ToolKind, String) {
    let paths: Vec<&str> = operations.iter().map(Operation::path).collect();
    let all = |wanted: fn(&Operation) -> bool| operations.iter().all(wanted);
    let (kind, word) = if all(|operation| matches!(operation, Operation::Delete { .. })) {
        (ToolKind::Delete, "Delete")
    } else if all(
        |operation| matches!(operation, Operation::Update { move_to: Some(_), hunks, .. } if hunks.is_empty()),
    ) {
        (ToolKind::Move, "Move")
    } else {
        (ToolKind::Edit, "Edit")
    };
    (kind, short(&format!("{word} {}", paths.join(", "))))
}

/// One line of bounded length without control characters.
fn short(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = first.chars().take(TITLE_LIMIT).map(clean).collect();
    if lines.next().is_some() || first.chars().count() > TITLE_LIMIT {
        short.push('…');
    }
    short
}

fn path_of(arguments: &Value, places: &Places) -> Option<PathBuf> {
    let path = ["file_path", "path"].iter().find_map(|name| arguments[name].as_str())?;
    Some(places.shown(path))
}

/// What a call that changes files does to them, as far as it can be told before it runs.
fn changes(
    tool: &str,
    arguments: &Value,
    places: &Places,
    before: Option<&str>,
) -> Vec<ToolContent> {
    let text = |name: &str| arguments[name].as_str().map(str::to_owned);
    let diff = |old_text, new_text| {
        path_of(arguments, places).map(|path| ToolContent::Diff { path, old_text, new_text })
    };
    let one = match tool {
        "write_file" => {
            text("content").and_then(|content| diff(before.map(str::to_owned), content))
        }
        "edit_file" => match (text("old_string"), text("new_string")) {
            (Some(old), Some(new)) => diff(Some(old), new),
            _ => None,
        },
        _ => None,
    };
    let patched = operations(tool, arguments).unwrap_or_default();
    one.into_iter()
        .chain(patched.iter().flat_map(|operation| patch_changes(operation, places)))
        .collect()
}

fn operations(tool: &str, arguments: &Value) -> Option<Vec<Operation>> {
    let patch = arguments["patch"].as_str().filter(|_| tool == "apply_patch")?;
    Patch::parse(patch).ok().map(|patch| patch.operations)
}

fn patch_changes(operation: &Operation, places: &Places) -> Vec<ToolContent> {
    let path = places.shown(operation.path());
    match operation {
        Operation::Add { lines, .. } => vec![ToolContent::Diff {
            path,
            old_text: None,
            new_text: lines.iter().map(|line| format!("{line}\n")).collect(),
        }],
        Operation::Update { move_to, hunks, .. } if !hunks.is_empty() => {
            let path = move_to.as_ref().map_or(path, |to| places.shown(to));
            let change = |hunk: &Hunk| ToolContent::Diff {
                path: path.clone(),
                old_text: Some(side(hunk, |line| matches!(line, Line::Insert(_)))),
                new_text: side(hunk, |line| matches!(line, Line::Remove(_))),
            };
            hunks.iter().map(change).collect()
        }
        Operation::Update { .. } | Operation::Delete { .. } => Vec::new(),
    }
}

/// The lines of a hunk without those of the other side.
fn side(hunk: &Hunk, is_other: fn(&Line) -> bool) -> String {
    let lines = hunk.lines.iter().filter(|line| !is_other(line));
    let text = |line: &Line| match line {
        Line::Keep(text) | Line::Remove(text) | Line::Insert(text) => format!("{text}\n"),
    };
    lines.map(text).collect()
}

/// What a call touches; a line where the arguments or the text before say it.
fn touched(
    tool: &str,
    arguments: &Value,
    places: &Places,
    before: Option<&str>,
) -> Vec<ToolLocation> {
    if let Some(operations) = operations(tool, arguments) {
        let place = |operation: &Operation| ToolLocation {
            path: places.shown(operation.path()),
            line: None,
        };
        return operations.iter().map(place).collect();
    }
    let asked = arguments["offset"].as_u64().map(|line| line.max(1));
    let found = || {
        let (before, old) = (before?, arguments["old_string"].as_str()?);
        let lines = before[..before.find(old)?].matches('\n').count() + 1;
        u64::try_from(lines).ok()
    };
    let line = asked.or_else(found).and_then(|line| u32::try_from(line).ok());
    path_of(arguments, places).map(|path| ToolLocation { path, line }).into_iter().collect()
}

#[cfg(test)]
mod tests;
