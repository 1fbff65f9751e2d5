//! Flags that a thread is gone on with, since it would be another without them.

use canon_agent::Family;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Args;
use crate::error::Error;
use crate::threads::{Entry, Stored, Thread, ThreadError};

/// The mark that holds them.
const LABEL: &str = "exec/flags";

/// What is kept of the flags beside the thread's own directory, model and instructions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Habits {
    /// `--profile`.
    profile: Option<String>,
    /// The flag that led to another machine or a container, as it was written.
    elsewhere: Option<String>,
}

impl Habits {
    pub(super) fn of(args: &Args) -> Self {
        Self {
            profile: args.profile.map(|family| family.as_str().to_owned()),
            elsewhere: args.elsewhere.flags(),
        }
    }

    /// What a thread was last used with.
    pub(super) fn kept(stored: &Stored) -> Self {
        let mark = stored.entries.iter().rev().find_map(|entry| match entry {
            Entry::Mark { label, data } if label == LABEL => Some(data.clone()),
            _ => None,
        });
        mark.and_then(|data| serde_json::from_value(data).ok()).unwrap_or_default()
    }

    /// The profile of a model that stays is the one it had.
    pub(super) fn or_profile_of(self, earlier: &Self, args: &Args) -> Self {
        let same_model = args.model.is_none() && args.provider.is_none();
        let profile = self.profile.or_else(|| earlier.profile.clone().filter(|_| same_model));
        Self { profile, ..self }
    }

    /// The place that is left by going on as `now`.
    pub(super) fn left(&self, now: &Self) -> Option<&str> {
        self.elsewhere.as_deref().filter(|_| self.elsewhere != now.elsewhere)
    }

    pub(super) fn family(&self) -> Result<Option<Family>, Error> {
        let family = self.profile.as_deref().map(str::parse).transpose();
        family.map_err(|error: canon_agent::ProfileError| Error::input(error.to_string()))
    }

    pub(super) fn keep(&self, thread: &Thread) -> Result<(), ThreadError> {
        thread.mark(LABEL, json!(self))
    }
}
