//! `tracker` (Symphony §5.3.1).

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::complaint::Report;
use super::environment::Environment;
use super::section::Section;
use crate::issue::state_in;
use crate::tracker;
use crate::workflow::front_matter::kind_of;

/// Where issues come from.
#[derive(Clone, PartialEq)]
pub struct TrackerConfig {
    /// Selects the adapter: `files` in this version.
    pub kind: String,
    /// The adapter's own keys, verbatim; `$VAR` is resolved by the adapter where it documents that.
    pub provider: Map<String, Value>,
    /// Keys of older workflow files that stand beside `provider`: `api_key`, `project_slug`, `endpoint`, `assignee`.
    pub aliases: Map<String, Value>,
    /// Every one of these labels must be on an issue; as written.
    pub required_labels: Vec<String>,
    /// States in which issues are worked on; never empty.
    pub active_states: Vec<String>,
    /// States in which issues are finished and their workspaces removed; never empty.
    pub terminal_states: Vec<String>,
    /// Directory of the workflow file: what relative paths of the adapter are relative to.
    pub workflow_dir: PathBuf,
}

/// Values of `provider` may be literal secrets: only the keys are shown.
impl fmt::Debug for TrackerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackerConfig")
            .field("kind", &self.kind)
            .field("provider", &self.provider.keys().collect::<Vec<_>>())
            .field("aliases", &self.aliases.keys().collect::<Vec<_>>())
            .field("required_labels", &self.required_labels)
            .field("active_states", &self.active_states)
            .field("terminal_states", &self.terminal_states)
            .finish_non_exhaustive()
    }
}

/// Keys that older workflow files write beside `provider`.
const ALIASES: [&str; 4] = ["api_key", "project_slug", "endpoint", "assignee"];

impl TrackerConfig {
    pub(super) fn read(mut section: Section<'_>, dir: &Path, env: &Environment) -> Self {
        let kind = section.text("kind").map(|kind| kind.trim().to_lowercase());
        let provider = match section.raw("provider") {
            None => Map::new(),
            Some(Value::Object(provider)) => provider.clone(),
            Some(other) => {
                section.error("provider", format!("found {}, expected a map", kind_of(other)));
                Map::new()
            }
        };
        let mut aliases = Map::new();
        for key in ALIASES {
            if let Some(value) = section.raw(key) {
                aliases.insert(key.to_owned(), value.clone());
            }
        }
        let mut config = Self {
            provider,
            aliases,
            required_labels: section.texts("required_labels").unwrap_or_default(),
            active_states: section.texts("active_states").unwrap_or_default(),
            terminal_states: section.texts("terminal_states").unwrap_or_default(),
            workflow_dir: dir.to_owned(),
            kind: kind.clone().unwrap_or_default(),
        };
        match kind {
            Some(_) => config.apply_profile(section.report, env),
            // Text that is no kind was complained about already.
            None if section.raw("kind").is_some() => {}
            None => {
                let message =
                    "found nothing, expected the kind of tracker; this version supports: files";
                section.report.error("missing_tracker_kind", "tracker.kind", message);
            }
        }
        section.finish();
        config
    }

    fn apply_profile(&mut self, report: &mut Report, env: &Environment) {
        let profile = match tracker::profile(&self.kind) {
            Ok(profile) => profile,
            Err(error) => return report.error(error.category(), "tracker.kind", error.to_string()),
        };
        let own = |states: &[&str]| states.iter().map(|state| (*state).to_owned()).collect();
        if self.active_states.is_empty() {
            self.active_states = own(profile.active_states);
        }
        if self.terminal_states.is_empty() {
            self.terminal_states = own(profile.terminal_states);
        }
        let blank = |states: &[String]| states.iter().any(|state| state.trim().is_empty());
        for (key, states) in
            [("active_states", &self.active_states), ("terminal_states", &self.terminal_states)]
        {
            if blank(states) {
                report.error(
                    "invalid_value",
                    format!("tracker.{key}"),
                    "found a blank entry, expected names of states",
                );
            }
        }
        for state in
            self.active_states.iter().filter(|state| state_in(state, &self.terminal_states))
        {
            let message =
                format!("{state:?} is also a terminal state, which wins; take it out of one list");
            report.warn("invalid_value", "tracker.active_states", message);
        }
        (profile.check)(self, env, report);
    }
}
