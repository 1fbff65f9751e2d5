//! Checks before a run (Attractor §7).

mod explore;
mod paths;
mod routing;
mod rules;

use crate::diagnostic::{Diagnostic, Refused, Severity};
use crate::graph::Graph;
use crate::limits::MAX_FINDINGS;

pub use rules::built_in;

/// A rule, built in or an embedder's own (§7.4).
pub trait Rule: Send + Sync {
    /// Its name, such as `start_node`.
    fn name(&self) -> &str;

    /// What it finds in a graph.
    fn apply(&self, graph: &Graph) -> Vec<Diagnostic>;
}

/// Applies rules.
pub struct Checker {
    rules: Vec<Box<dyn Rule>>,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.rules.iter().map(|rule| rule.name())).finish()
    }
}

impl Checker {
    /// The built-in rules, with the built-in handlers.
    pub fn new() -> Self {
        Self::with_types(&[])
    }

    /// The built-in rules; `types` are the names of handlers that are registered besides the
    /// built-in ones (ruling 14).
    pub fn with_types(types: &[&str]) -> Self {
        Self { rules: built_in(types) }
    }

    /// Adds a rule, which is applied after the others.
    #[must_use]
    pub fn with_rule(mut self, rule: impl Rule + 'static) -> Self {
        self.rules.push(Box::new(rule));
        self
    }

    /// All that the rules find, rule by rule (`validate` of §7.3); of one rule that finds more
    /// than [`MAX_FINDINGS`] only the worst of them, and how many more there are.
    pub fn validate(&self, graph: &Graph) -> Vec<Diagnostic> {
        self.rules.iter().flat_map(|rule| capped(rule.name(), rule.apply(graph))).collect()
    }

    /// All that the rules find, if none of it is an error (`validate_or_raise` of §7.3).
    ///
    /// # Errors
    ///
    /// At least one finding is an error.
    pub fn validate_or_raise(&self, graph: &Graph) -> Result<Vec<Diagnostic>, Refused> {
        let diagnostics = self.validate(graph);
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(Refused { diagnostics });
        }
        Ok(diagnostics)
    }
}

/// Findings as far as anybody reads them, errors before others.
fn capped(rule: &str, mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let more = found.len().saturating_sub(MAX_FINDINGS);
    if more > 0 {
        found.sort_by_key(|found| std::cmp::Reverse(found.severity));
        let severity = found.get(MAX_FINDINGS).map_or(Severity::Info, |next| next.severity);
        found.truncate(MAX_FINDINGS);
        let message = format!("{more} more findings of this rule are left out");
        found.push(Diagnostic::new(rule.to_owned(), severity, message));
    }
    found
}
