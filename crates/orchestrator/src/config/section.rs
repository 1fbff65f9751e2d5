//! Reading one section: typed access that notes every complaint and remembers which keys are known.

use serde_json::{Map, Value};

use super::complaint::Report;
use crate::workflow::front_matter::kind_of;

/// One map of the front matter while it is being read. `null` counts as missing.
pub(crate) struct Section<'a> {
    path: String,
    map: Option<&'a Map<String, Value>>,
    known: Vec<&'static str>,
    pub(crate) report: &'a mut Report,
}

impl<'a> Section<'a> {
    /// The root of the front matter.
    pub(crate) fn root(map: &'a Map<String, Value>, report: &'a mut Report) -> Self {
        Self { path: String::new(), map: Some(map), known: Vec::new(), report }
    }

    /// The map at `key`; an empty section where it is missing or, with a complaint, no map.
    pub(crate) fn section<'b>(&'b mut self, key: &'static str) -> Section<'b> {
        let path = self.key(key);
        let map = match self.raw(key) {
            None => None,
            Some(Value::Object(map)) => Some(map),
            Some(other) => {
                let message = format!("found {}, expected a map of settings", shown(other));
                self.report.error("invalid_value", &path, message);
                None
            }
        };
        Section { path, map, known: Vec::new(), report: self.report }
    }

    /// Whether the section is there at all.
    pub(crate) fn is_present(&self) -> bool {
        self.map.is_some()
    }

    /// Dotted path of `key`.
    pub(crate) fn key(&self, key: &str) -> String {
        match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        }
    }

    /// Notes an error at `key`.
    pub(crate) fn error(&mut self, key: &str, message: impl Into<String>) {
        let key = self.key(key);
        self.report.error("invalid_value", key, message);
    }

    /// The value at `key` as it stands, which is known from here on.
    pub(crate) fn raw(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.map.and_then(|map| map.get(key)).filter(|value| !value.is_null())
    }

    /// A whole number of at least `least`, written as a number or as digits; `unit` is for the message.
    pub(crate) fn number(
        &mut self,
        key: &'static str,
        default: i64,
        least: i64,
        unit: &str,
    ) -> i64 {
        let Some(value) = self.raw(key) else { return default };
        match as_integer(value) {
            Some(number) if number >= least => number,
            _ => {
                let at_least = match least == i64::MIN {
                    true => String::new(),
                    false => format!(", at least {least}"),
                };
                self.error(
                    key,
                    format!("found {}, expected a whole number{unit}{at_least}", shown(value)),
                );
                default
            }
        }
    }

    /// Milliseconds of at least 1.
    pub(crate) fn millis(&mut self, key: &'static str, default: u64) -> u64 {
        let default = i64::try_from(default).unwrap_or(i64::MAX);
        self.number(key, default, 1, " of milliseconds").unsigned_abs()
    }

    /// A count of at least 1.
    pub(crate) fn count(&mut self, key: &'static str, default: u32) -> u32 {
        let number = self.number(key, i64::from(default), 1, "");
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Text that is not blank; numbers are taken as text.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.raw(key)?;
        match as_text(value) {
            Some(text) if !text.trim().is_empty() => Some(text),
            _ => {
                self.error(key, format!("found {}, expected text", shown(value)));
                None
            }
        }
    }

    /// A shell script, verbatim; blank counts as missing.
    pub(crate) fn script(&mut self, key: &'static str) -> Option<String> {
        match self.raw(key)? {
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => Some(text.clone()),
            other => {
                self.error(key, format!("found {}, expected a shell script", shown(other)));
                None
            }
        }
    }

    /// One of `choices`, compared without case.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        default: T,
    ) -> T {
        let Some(value) = self.raw(key) else { return default };
        let found = value.as_str().map(str::trim).unwrap_or_default();
        if let Some((_, choice)) = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(found))
        {
            return *choice;
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.error(key, format!("found {}, expected one of: {}", shown(value), names.join(", ")));
        default
    }

    /// A list of text; single numbers in it are taken as text.
    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.raw(key)?;
        let Value::Array(items) = value else {
            self.error(key, format!("found {}, expected a list of text", shown(value)));
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match as_text(item) {
                Some(text) => texts.push(text),
                None => self
                    .error(key, format!("entry {} is {}, expected text", index + 1, shown(item))),
            }
        }
        Some(texts)
    }

    /// Warns of every key that nobody asked for.
    pub(crate) fn finish(self) {
        let Some(map) = self.map else { return };
        for key in map.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let hint = match nearest(key, &self.known) {
                Some(known) => format!("unknown key, ignored; did you mean `{known}`?"),
                None => "unknown key, ignored".to_owned(),
            };
            let path = self.key(key);
            self.report.warn("unknown_key", path, hint);
        }
    }
}

/// A whole number, also when written as digits in a string or as `5.0`.
pub(crate) fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && float.abs() < 9e15)
                .map(|float| float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Text, also when written as a number.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `value` for a message: short, and never a whole document. Keys whose values may be secret never
/// come here.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().count() <= 40 => format!("{text:?}"),
        Value::Number(number) => number.to_string(),
        Value::Bool(boolean) => boolean.to_string(),
        other => kind_of(other).to_owned(),
    }
}

/// The one of `known` that `key` was probably meant to be.
pub(crate) fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let key = key.to_lowercase().replace('-', "_");
    let distances = known.iter().map(|candidate| (distance(&key, candidate), *candidate));
    let (distance, candidate) = distances.min()?;
    let allowed = if candidate.len() <= 4 { 1 } else { 2 };
    (distance <= allowed).then_some(candidate)
}

/// Edit distance (Levenshtein) in bytes; keys are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte_a) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, byte_b) in row.iter_mut().skip(1).zip(b.bytes()) {
            let substituted = diagonal + usize::from(byte_a != byte_b);
            diagonal = *cell;
            left = substituted.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_recognised() {
        let known = ["interval_ms", "kind", "max_turns"];
        assert_eq!(nearest("intervall_ms", &known), Some("interval_ms"));
        assert_eq!(nearest("interval-ms", &known), Some("interval_ms"));
        assert_eq!(nearest("Kind", &known), Some("kind"));
        assert_eq!(nearest("max_turn", &known), Some("max_turns"));
        assert_eq!(nearest("weather", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn distance_is_levenshtein() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }

    #[test]
    fn integers_are_coerced() {
        assert_eq!(as_integer(&Value::from("30000 ")), Some(30000));
        assert_eq!(as_integer(&Value::from(5.0)), Some(5));
        assert_eq!(as_integer(&Value::from(5.5)), None);
        assert_eq!(as_integer(&Value::from("1e3")), None);
        assert_eq!(as_integer(&Value::from(true)), None);
        assert_eq!(as_integer(&Value::from(u64::MAX)), None);
    }
}
