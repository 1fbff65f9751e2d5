//! `polling` (Symphony §5.3.2).

/// How often the tracker is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollingConfig {
    /// Milliseconds between polls, at least 1; default 30 000. Applies at the next tick after a reload.
    pub interval_ms: u64,
}
