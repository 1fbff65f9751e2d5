//! Secrets that do not print, and a redactor for everything that is written or shown.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use regex::Regex;
use secrecy::{ExposeSecret, SecretString};

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Secrets shorter than this are not searched for: they would redact ordinary words.
const SHORTEST_SEARCHED: usize = 6;

/// A secret value. It prints as `[redacted]`, is wiped when dropped and is read only by
/// [`Secret::expose`].
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether the value is empty, which counts as missing (Symphony §5.3.1).
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// Takes known secrets, and whatever has the form of a usual one, out of text.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    known: Vec<Secret>,
}

impl Redactor {
    /// A redactor that knows `secrets` besides the usual formats.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut known: Vec<Secret> = secrets
            .into_iter()
            .filter(|secret| secret.expose().len() >= SHORTEST_SEARCHED)
            .collect();
        // Longest first, so that a secret that contains another goes whole.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { known }
    }

    /// `text` without secrets; borrowed where there was none.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = Cow::Borrowed(text);
        for secret in &self.known {
            if out.contains(secret.expose()) {
                out = Cow::Owned(out.replace(secret.expose(), REDACTED));
            }
        }
        match usual_formats() {
            Some(formats) if formats.is_match(&out) => {
                Cow::Owned(formats.replace_all(&out, REDACTED).into_owned())
            }
            _ => out,
        }
    }
}

/// Keys and tokens that carry their kind in their form.
fn usual_formats() -> Option<&'static Regex> {
    static FORMATS: OnceLock<Option<Regex>> = OnceLock::new();
    FORMATS
        .get_or_init(|| {
            Regex::new(concat!(
                r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}", // OpenAI, Anthropic
                r"|\bAIza[0-9A-Za-z_-]{35}",               // Google
                r"|\bgh[pousr]_[A-Za-z0-9]{36,}",          // GitHub
                r"|\bgithub_pat_[A-Za-z0-9_]{22,}",        // GitHub, fine-grained
                r"|\bglpat-[A-Za-z0-9_-]{20,}",            // GitLab
                r"|\blin_(?:api|oauth)_[A-Za-z0-9]{20,}",  // Linear
                r"|\bxox[abprs]-[A-Za-z0-9-]{10,}",        // Slack
                r"|\bA(?:KIA|SIA)[0-9A-Z]{16}\b",          // AWS
                r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----",
                r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", // JWT
            ))
            .ok()
        })
        .as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("hunter2-hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
        assert_eq!(secret.expose(), "hunter2-hunter2");
    }

    #[test]
    fn known_secrets_go_longest_first() {
        let redactor = Redactor::new([Secret::new("abcdef"), Secret::new("abcdefgh")]);
        assert_eq!(redactor.redact("x abcdefgh y abcdef"), "x [redacted] y [redacted]");
    }

    #[test]
    fn usual_formats_go_without_being_known() {
        let redactor = Redactor::default();
        for text in [
            "sk-proj-abcdefghijklmnopqrstuvwx",
            "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
            "AKIAABCDEFGHIJKLMNOP",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
        ] {
            assert_eq!(redactor.redact(text), REDACTED, "{text}");
        }
    }

    #[test]
    fn ordinary_text_is_borrowed_as_it_is() {
        let redactor = Redactor::new([Secret::new("a")]);
        assert!(matches!(redactor.redact("a task about sk- things"), Cow::Borrowed(_)));
    }

    #[test]
    fn every_format_compiles() {
        assert!(usual_formats().is_some());
    }
}
