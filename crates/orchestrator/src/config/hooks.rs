//! `hooks` (Symphony §5.3.4).

use super::section::Section;

/// Shell scripts around the life of a workspace and of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksConfig {
    /// Once, in a new workspace; failure aborts its creation.
    pub after_create: Option<String>,
    /// Before every attempt; failure aborts the attempt.
    pub before_run: Option<String>,
    /// After every attempt, however it ended; failure is logged.
    pub after_run: Option<String>,
    /// Before a workspace is removed; failure is logged.
    pub before_remove: Option<String>,
    /// Time limit of each hook in milliseconds, at least 1; default 60 000.
    pub timeout_ms: u64,
}

impl HooksConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let config = Self {
            after_create: section.script("after_create"),
            before_run: section.script("before_run"),
            after_run: section.script("after_run"),
            before_remove: section.script("before_remove"),
            timeout_ms: section.millis("timeout_ms", 60_000),
        };
        section.finish();
        config
    }
}
