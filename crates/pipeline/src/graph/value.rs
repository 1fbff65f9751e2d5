//! Values of attributes (Attractor §2.4).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A value: its text, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    text: Arc<str>,
    scalar: Scalar,
}

/// What a value is by the way it is written. A text in quotes is a string; whoever reads an
/// attribute reads `"900s"` and `900s` as the same duration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// Anything in quotes, and bare words.
    String,
    /// `42`.
    Integer(i64),
    /// `0.5`.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// `900s`.
    Duration(Duration),
}

impl Scalar {
    /// What a value without quotes is.
    pub fn of_bare(text: &str) -> Self {
        match text {
            "true" => return Self::Boolean(true),
            "false" => return Self::Boolean(false),
            _ => {}
        }
        if let Some(number) = parse_integer(text) {
            return Self::Integer(number);
        }
        if let Some(number) = parse_float(text) {
            return Self::Float(number);
        }
        parse_duration(text).map_or(Self::String, Self::Duration)
    }
}

impl Value {
    /// A text that stood in quotes.
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), scalar: Scalar::String }
    }

    /// A text that stood without quotes.
    pub fn bare(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let scalar = Scalar::of_bare(&text);
        Self { text, scalar }
    }

    /// The text as it was written, without quotes and escapes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// What it is as written.
    pub fn scalar(&self) -> Scalar {
        self.scalar
    }

    /// As an integer.
    pub fn as_integer(&self) -> Option<i64> {
        parse_integer(self.text.trim())
    }

    /// As a whole number, also where it is written with a fraction of zero, as `2.0`.
    pub fn as_whole(&self) -> Option<i64> {
        let text = self.text.trim();
        let whole = match text.split_once('.') {
            Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
            _ => text,
        };
        parse_integer(whole)
    }

    /// As a number.
    pub fn as_float(&self) -> Option<f64> {
        let text = self.text.trim();
        #[allow(clippy::cast_precision_loss)] // a weight or a score: nobody counts to 2^53
        parse_integer(text).map(|number| number as f64).or_else(|| parse_float(text))
    }

    /// As a truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self.text.trim() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// As a duration. A number without a unit counts as seconds.
    pub fn as_duration(&self) -> Option<Duration> {
        let text = self.text.trim();
        parse_duration(text).or_else(|| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok().map(Duration::from_secs)).flatten()
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// `-? digits* . digits+`.
fn parse_float(text: &str) -> Option<f64> {
    let (whole, fraction) = text.strip_prefix('-').unwrap_or(text).split_once('.')?;
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction) && !fraction.is_empty()).then(|| text.parse().ok()).flatten()
}

/// `900s`, `15m`, `2h`, `250ms`, `1d` (§2.4); none when it is something else or too long to count.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    let number: u64 = digits.parse().ok()?;
    let unit = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(unit).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_texts_are_what_they_look_like() {
        let cases = [
            ("42", Scalar::Integer(42)),
            ("-1", Scalar::Integer(-1)),
            ("0.5", Scalar::Float(0.5)),
            ("-2.25", Scalar::Float(-2.25)),
            (".5", Scalar::Float(0.5)),
            ("true", Scalar::Boolean(true)),
            ("900s", Scalar::Duration(Duration::from_secs(900))),
            ("15m", Scalar::Duration(Duration::from_secs(900))),
            ("2h", Scalar::Duration(Duration::from_secs(7200))),
            ("250ms", Scalar::Duration(Duration::from_millis(250))),
            ("1d", Scalar::Duration(Duration::from_secs(86400))),
            ("True", Scalar::String),
            ("5.", Scalar::String),
            ("-5s", Scalar::String),
            ("1e3", Scalar::String),
            ("99999999999999999999", Scalar::String),
            ("99999999999999999999d", Scalar::String),
            ("9999999999999999999d", Scalar::String),
            ("gpt-5.2", Scalar::String),
        ];
        for (text, scalar) in cases {
            assert_eq!(Value::bare(text).scalar(), scalar, "{text}");
        }
    }

    #[test]
    fn quotes_do_not_change_what_a_reader_gets() {
        assert_eq!(Value::string("900s").scalar(), Scalar::String);
        assert_eq!(Value::string("900s").as_duration(), Some(Duration::from_secs(900)));
        assert_eq!(Value::string("900").as_duration(), Some(Duration::from_secs(900)));
        assert_eq!(Value::string("-9").as_duration(), None);
        assert_eq!(Value::string(" 3 ").as_integer(), Some(3));
        assert_eq!(Value::string("true").as_bool(), Some(true));
        assert_eq!(Value::string("yes").as_bool(), None);
        assert_eq!(Value::bare("2").as_float(), Some(2.0));
        assert_eq!(Value::bare("2.0").as_whole(), Some(2));
        assert_eq!(Value::bare("-2").as_whole(), Some(-2));
        assert_eq!(Value::bare("2.5").as_whole(), None);
        assert_eq!(Value::bare("2.").as_whole(), None);
    }
}
