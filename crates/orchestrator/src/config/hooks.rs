//! `hooks` (Symphony §5.3.4).

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
