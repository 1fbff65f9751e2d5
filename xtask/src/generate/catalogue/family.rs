//! Families of model ids, and the order among models.

use std::cmp::Reverse;

use serde::Deserialize;

/// Ids of one form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Family {
    pub(super) provider: String,
    /// The form, with `{v}` where the version stands; a date may follow it.
    id: String,
    /// For people, with `{v}`.
    name: String,
}

/// Where a model stands; what is less comes first. Newest first, and the undated before the dated.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) family: usize,
    version: Reverse<Vec<u32>>,
    date: Option<Reverse<String>>,
}

impl Place {
    pub(super) fn new(family: usize, version: Vec<u32>, id: &str) -> Self {
        let date = undated(id).map(|stem| Reverse(id[stem.len()..].to_owned()));
        Self { family, version: Reverse(version), date }
    }
}

impl Family {
    /// The version in `id` if it has this form; empty where the form has none.
    pub(super) fn version(&self, id: &str) -> Option<Vec<u32>> {
        let stem = undated(id).unwrap_or(id);
        let Some((before, after)) = self.id.split_once("{v}") else {
            return (stem == self.id).then(Vec::new);
        };
        let version = stem.strip_prefix(before)?.strip_suffix(after)?;
        version.split(['.', '-']).map(number).collect()
    }

    /// The name of the model `id`, which has this form.
    pub(super) fn display(&self, id: &str) -> String {
        let version: Vec<String> =
            self.version(id).unwrap_or_default().iter().map(u32::to_string).collect();
        let name = self.name.replace("{v}", &version.join("."));
        match undated(id) {
            Some(stem) => format!("{name} ({})", id[stem.len()..].trim_start_matches('-')),
            None => name,
        }
    }
}

/// A part of a version: short, so that it is no date.
fn number(part: &str) -> Option<u32> {
    let short = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    short.then(|| part.parse().ok())?
}

/// `id` without the date at its end, `-20251001` or `-2025-10-01`; `None` if there is none.
pub(super) fn undated(id: &str) -> Option<&str> {
    let dashed = id.len().checked_sub(11).and_then(|at| id.split_at_checked(at));
    if let Some((stem, date)) = dashed
        && date.strip_prefix('-').is_some_and(is_date)
    {
        return Some(stem);
    }
    let (stem, date) = id.rsplit_once('-')?;
    (date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit())).then_some(stem)
}

/// Whether it has the form `YYYY-MM-DD`.
pub(super) fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
