//! `polling` (Symphony §5.3.2).

use super::section::Section;

/// How often the tracker is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollingConfig {
    /// Milliseconds between polls, at least 1; default 30 000. Applies at the next tick after a reload.
    pub interval_ms: u64,
}

impl PollingConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let interval_ms = section.millis("interval_ms", 30_000);
        section.finish();
        Self { interval_ms }
    }
}
