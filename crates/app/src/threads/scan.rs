//! Reading a thread's file, whole or for what a list shows.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::SystemTime;

use canon_agent::Turn;
use serde_json::Value;

use super::line::{Change, Header, Line, MARK, TURN, VERSION};
use super::{Entry, Meta, Stored, ThreadError};

/// Characters of a preview.
const PREVIEW: usize = 200;

/// Calls `each` with every complete line after the header, and its number. Gives what the header
/// says and the length of all complete lines, in bytes; `None` when `wanted` refuses the header.
pub(super) fn lines(
    file: &File,
    path: &Path,
    wanted: impl FnOnce(&Meta) -> bool,
    mut each: impl FnMut(usize, &str) -> Result<(), ThreadError>,
) -> Result<Option<(Meta, u64)>, ThreadError> {
    let io = |source| ThreadError::io(path, source);
    let written = file.metadata().and_then(|found| found.modified()).map_err(io)?;
    let updated_at = unix_ms(written);
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut first = Vec::new();
    let count = reader.read_until(b'\n', &mut first).map_err(io)?;
    if !first.ends_with(b"\n") {
        return Err(damaged(path, 1, &"the thread has not even a first line; delete it"));
    }
    let meta = header(&first, path)?.meta(updated_at);
    if !wanted(&meta) {
        return Ok(None);
    }
    let (mut number, mut complete) = (1, count as u64);
    loop {
        line.clear();
        let count = reader.read_until(b'\n', &mut line).map_err(io)?;
        // The last line of a process that was killed, or of one that is just writing.
        if !line.ends_with(b"\n") {
            return Ok(Some((meta, complete)));
        }
        number += 1;
        complete += count as u64;
        let text = str::from_utf8(&line).map_err(|error| damaged(path, number, &error))?.trim_end();
        each(number, text)?;
    }
}

pub(super) fn damaged(path: &Path, line: usize, why: &dyn std::fmt::Display) -> ThreadError {
    ThreadError::Damaged { path: path.to_owned(), line, why: why.to_string() }
}

fn header(text: &[u8], path: &Path) -> Result<Header, ThreadError> {
    let value: Value = serde_json::from_slice(text).map_err(|error| damaged(path, 1, &error))?;
    match value.get("v").and_then(Value::as_u64) {
        Some(version) if version > VERSION => {
            return Err(ThreadError::Newer { path: path.to_owned(), version });
        }
        _ => {}
    }
    serde_json::from_value(value).map_err(|error| damaged(path, 1, &error))
}

/// All of a thread, and the length of its complete lines.
pub(super) fn whole(file: &File, path: &Path) -> Result<(Stored, u64), ThreadError> {
    let mut entries = Vec::new();
    let mut notices = Vec::new();
    let mut changes = Vec::new();
    let found = lines(
        file,
        path,
        |_| true,
        |number, text| {
            let value: Value =
                serde_json::from_str(text).map_err(|error| damaged(path, number, &error))?;
            match Line::of(value) {
            Ok(Line::Turn(turn)) => entries.push(Entry::Turn(turn)),
            Ok(Line::Change(Change::Mark { label, data })) => {
                entries.push(Entry::Mark { label, data });
            }
            Ok(Line::Change(Change::Cut { keep })) => cut(&mut entries, keep, is_turn),
            Ok(Line::Change(change)) => changes.push(change),
            Err(error) => notices.push(format!(
                "{}:{number}: passed over, because this version does not understand it: {error}",
                path.display()
            )),
        }
            Ok(())
        },
    )?;
    let Some((mut meta, complete)) = found else {
        return Err(damaged(path, 1, &"no header"));
    };
    changes.into_iter().for_each(|change| apply(&mut meta, change));
    let first = entries.iter().find_map(|entry| match entry {
        Entry::Turn(Turn::User { content, .. }) => Some(preview(content)),
        _ => None,
    });
    meta.preview = first.unwrap_or_default();
    meta.turns = entries.iter().filter(|entry| is_turn(entry)).count();
    Ok((Stored { meta, entries, notices }, complete))
}

fn is_turn(entry: &Entry) -> bool {
    matches!(entry, Entry::Turn(_))
}

/// Keeps what stands up to and with the turn number `keep`.
pub(super) fn cut<T>(entries: &mut Vec<T>, keep: usize, is_turn: impl Fn(&T) -> bool) {
    let mut turns = 0;
    let end = entries.iter().position(|entry| {
        turns += usize::from(is_turn(entry));
        turns > keep
    });
    entries.truncate(end.unwrap_or(entries.len()));
}

/// What a list shows, without understanding every turn; `None` when `wanted` refuses the header.
pub(super) fn brief(
    file: &File,
    path: &Path,
    wanted: impl FnOnce(&Meta) -> bool,
) -> Result<Option<Meta>, ThreadError> {
    let (mut turns, mut first) = (0, None);
    let mut changes = Vec::new();
    let found = lines(file, path, wanted, |_, text| {
        if text.starts_with(TURN) {
            turns += 1;
            if first.is_none()
                && let Ok(Turn::User { content, .. }) = serde_json::from_str(text)
            {
                first = Some(preview(&content));
            }
        } else if !text.starts_with(MARK)
            && let Ok(change) = serde_json::from_str(text)
        {
            if let Change::Cut { keep } = &change {
                turns = turns.min(*keep);
            }
            changes.push(change);
        }
        Ok(())
    })?;
    let Some((mut meta, _)) = found else { return Ok(None) };
    changes.into_iter().for_each(|change| apply(&mut meta, change));
    meta.preview = first.unwrap_or_default();
    meta.turns = turns;
    Ok(Some(meta))
}

pub(super) fn apply(meta: &mut Meta, change: Change) {
    match change {
        Change::Name { name } => meta.name = name,
        Change::Model { provider, model } => (meta.provider, meta.model) = (provider, model),
        Change::Archived { archived } => meta.archived = archived,
        Change::Cut { .. } | Change::Mark { .. } => {}
    }
}

/// In Unix milliseconds; a time before is 0.
pub(super) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The beginning of a text.
pub(super) fn preview(text: &str) -> String {
    text.trim().chars().take(PREVIEW).collect()
}
