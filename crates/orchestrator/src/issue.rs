//! The issue as the scheduler, the prompt and every surface see it (Symphony §4.1.1).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A schedulable unit of work from a tracker, normalised (Symphony §4.1.1, §11.3).
///
/// Every field is present when serialised: absent metadata is `null` or an empty list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// Stable identity for dispatch within the tracker's scope; opaque to the scheduler.
    pub id: String,
    /// Identifiers of the provider that its tools need; never a secret, never interpreted here.
    pub native_ref: Option<Map<String, Value>>,
    /// The key that people use (`ABC-123`); unique within the tracker's scope, names the workspace.
    pub identifier: String,
    /// One line; never empty.
    pub title: String,
    /// Markdown as the tracker holds it.
    pub description: Option<String>,
    /// Lower is more urgent; only 1 to 4 rank before "none" (Symphony §8.2).
    pub priority: Option<i64>,
    /// State in the tracker's own spelling; compare with [`state_key`].
    pub state: String,
    /// Branch that the tracker proposes.
    pub branch_name: Option<String>,
    /// Where a person reads the issue.
    pub url: Option<String>,
    /// Assignee in the tracker's terms.
    pub assignee_id: Option<String>,
    /// Trimmed, lower case, without duplicates or blanks.
    pub labels: Vec<String>,
    /// What has to be finished first, as far as the tracker can tell.
    pub blocked_by: Vec<BlockerRef>,
    /// Whether the adapter's own rules (assignment, blockers) allow a dispatch.
    pub dispatchable: bool,
    /// When the issue was created.
    pub created_at: Option<Timestamp>,
    /// When the issue last changed.
    pub updated_at: Option<Timestamp>,
}

/// One entry of [`Issue::blocked_by`]; each part is best effort.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlockerRef {
    /// Dispatch identity of the blocker.
    pub id: Option<String>,
    /// Key of the blocker.
    pub identifier: Option<String>,
    /// State of the blocker, in the tracker's spelling.
    pub state: Option<String>,
}

impl Issue {
    /// Whether the issue's state is one of `states`, compared as the scheduler compares.
    pub fn state_in<S: AsRef<str>>(&self, states: &[S]) -> bool {
        state_in(&self.state, states)
    }

    /// Whether every one of `required` is among the labels (Symphony §5.3.1).
    ///
    /// Case and surrounding space do not count; a blank required label matches no issue.
    pub fn has_labels<S: AsRef<str>>(&self, required: &[S]) -> bool {
        required.iter().all(|label| {
            let label = label.as_ref().trim().to_lowercase();
            !label.is_empty() && self.labels.contains(&label)
        })
    }

    /// `issue_routable` of Symphony §8.2: the adapter allows it and the required labels match.
    pub fn routable<S: AsRef<str>>(&self, required_labels: &[S]) -> bool {
        self.dispatchable && self.has_labels(required_labels)
    }
}

/// A state as the scheduler compares it: trimmed, lower case (Symphony §4.2).
pub fn state_key(state: &str) -> String {
    state.trim().to_lowercase()
}

/// Whether `state` is one of `states`, by [`state_key`].
pub fn state_in<S: AsRef<str>>(state: &str, states: &[S]) -> bool {
    let key = state_key(state);
    states.iter().any(|other| state_key(other.as_ref()) == key)
}

/// Labels as an [`Issue`] holds them: trimmed, lower case, blanks and repeats dropped (Symphony §11.3).
pub fn normalise_labels<S: AsRef<str>>(labels: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for label in labels {
        let label = label.as_ref().trim().to_lowercase();
        if !label.is_empty() && !out.contains(&label) {
            out.push(label);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue() -> Issue {
        Issue {
            id: "1".into(),
            native_ref: None,
            identifier: "CAN-1".into(),
            title: "first".into(),
            description: None,
            priority: None,
            state: " In Progress".into(),
            branch_name: None,
            url: None,
            assignee_id: None,
            labels: normalise_labels([" Bug ", "", "bug", "UI"]),
            blocked_by: vec![],
            dispatchable: true,
            created_at: None,
            updated_at: None,
        }
    }

    #[test]
    fn s17_3_labels_are_normalised_to_lower_case() {
        assert_eq!(issue().labels, ["bug", "ui"]);
    }

    #[test]
    fn s5_3_1_required_labels_ignore_case_and_a_blank_one_matches_nothing() {
        assert!(issue().has_labels(&[" BUG"]));
        assert!(!issue().has_labels(&["bug", "infra"]));
        assert!(!issue().has_labels(&["  "]));
        assert!(issue().has_labels::<&str>(&[]));
    }

    #[test]
    fn s4_2_states_compare_trimmed_and_lower_case() {
        assert!(issue().state_in(&["todo", "in progress "]));
        assert!(!issue().state_in(&["inprogress"]));
    }

    #[test]
    fn every_field_is_present_when_serialised() {
        let json = serde_json::to_value(issue()).unwrap();
        let mut keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "assignee_id",
                "blocked_by",
                "branch_name",
                "created_at",
                "description",
                "dispatchable",
                "id",
                "identifier",
                "labels",
                "native_ref",
                "priority",
                "state",
                "title",
                "updated_at",
                "url"
            ]
        );
        assert_eq!(serde_json::from_value::<Issue>(json).unwrap(), issue());
    }
}
