//! Conditions on edges (Attractor §10, ruling 20).

mod parse;

use std::borrow::Cow;

use crate::span::Span;

pub use parse::SyntaxError;

/// What conditions are asked of.
pub trait Lookup {
    /// The status of the stage: `success`, `partial_success`, `retry`, `fail` or `skipped`.
    fn outcome(&self) -> &str;

    /// The label that the stage prefers; empty if none.
    fn preferred_label(&self) -> &str;

    /// A value of the run's context as text (numbers and truth values as JSON writes them); none
    /// for a key that is not set. The key is taken as it is: `context.` is not stripped.
    fn context(&self, key: &str) -> Option<Cow<'_, str>>;
}

/// A condition: clauses that must all be true. Without clauses it is true.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    clauses: Vec<Clause>,
}

/// One comparison, or a key that must be truthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// What is compared.
    pub key: Key,
    /// With what.
    pub test: Test,
    /// Where the clause stands in the condition.
    pub span: Span,
}

/// What a clause asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// `outcome`.
    Outcome,
    /// `preferred_label`.
    PreferredLabel,
    /// `context.x.y`, kept whole. Looked for with and then without `context.`.
    Context(String),
    /// Any other key of the context, such as `graph.goal` or `tests_passed`.
    Bare(String),
}

/// What must hold of a key's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `key=text`.
    Equals(String),
    /// `key!=text`.
    Differs(String),
    /// `key`: the value is neither empty nor `false` nor `0`.
    Truthy,
}

impl Test {
    /// Whether it holds of a value.
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::Equals(text) => value == text,
            Self::Differs(text) => value != text,
            Self::Truthy => !matches!(value, "" | "false" | "0"),
        }
    }
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    ///
    /// It is not of the grammar of §10.2 as ruling 20 reads it: what, where, and what to write.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        parse::parse(text).map(|clauses| Self { clauses })
    }

    /// Its clauses in order.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Whether it is true of the status as it is. What differs from success is no status that
    /// counts as success (ruling 24).
    pub fn holds(&self, of: &impl Lookup) -> bool {
        self.clauses.iter().all(|clause| clause.holds(of))
    }

    /// Whether it is true where PARTIAL_SUCCESS and SKIPPED count as success (ruling 24): for
    /// edges of which none is true of the status as it is.
    pub fn holds_like_success(&self, of: &impl Lookup) -> bool {
        let like = |clause: &Clause| clause.asks_for_success() && counts_as_success(of.outcome());
        self.clauses.iter().all(|clause| like(clause) || clause.holds(of))
    }
}

impl Clause {
    /// Whether it is true.
    pub fn holds(&self, of: &impl Lookup) -> bool {
        match (&self.key, &self.test) {
            (Key::Outcome, Test::Differs(word)) if word == "success" => {
                !counts_as_success(of.outcome())
            }
            _ => self.test.holds(&self.key.resolve(of)),
        }
    }

    fn asks_for_success(&self) -> bool {
        let success = |word: &str| word == "success";
        self.key == Key::Outcome && matches!(&self.test, Test::Equals(word) if success(word))
    }
}

/// Ruling 24.
fn counts_as_success(status: &str) -> bool {
    matches!(status, "success" | "partial_success" | "skipped")
}

impl Key {
    /// Its value; empty when it has none (§10.4).
    pub fn resolve<'a>(&'a self, of: &'a impl Lookup) -> Cow<'a, str> {
        match self {
            Self::Outcome => Cow::Borrowed(of.outcome()),
            Self::PreferredLabel => Cow::Borrowed(of.preferred_label()),
            Self::Context(key) => of
                .context(key)
                .or_else(|| of.context(key.strip_prefix("context.")?))
                .unwrap_or_default(),
            Self::Bare(key) => of.context(key).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
