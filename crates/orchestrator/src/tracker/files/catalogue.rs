//! All files together: ids that clash, blockers, and what may be dispatched.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{Record, unresolved};
use super::scan::Entry;
use crate::issue::{BlockerRef, Issue, state_key};
use crate::tracker::{RecordProblem, TrackerError};

/// One reading of the directory.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    records: Vec<Known>,
    by_id: HashMap<String, usize>,
    by_identifier: HashMap<String, usize>,
    bad: Vec<Bad>,
}

/// A file that is an issue.
#[derive(Debug)]
struct Known {
    record: Arc<Record>,
    path: PathBuf,
    state_key: String,
    /// As the tracker shows it, where that is not the record's own: with blockers looked up.
    resolved: Option<Box<Issue>>,
}

impl Known {
    fn issue(&self) -> &Issue {
        self.resolved.as_deref().unwrap_or(&self.record.issue)
    }
}

/// A file that is no issue.
#[derive(Debug)]
struct Bad {
    problem: RecordProblem,
    /// `None`: it may be any issue.
    id: Option<String>,
}

impl Catalogue {
    /// `entries` in the order in which issues shall come out; `terminal` are [`state_key`]s.
    pub(super) fn new(entries: Vec<Entry>, terminal: &[String]) -> Self {
        let mut bad = Vec::new();
        let mut good = Vec::new();
        for entry in entries {
            match entry.record {
                Ok(record) => good.push((record, entry.path)),
                Err(malformed) => bad.push(Bad {
                    problem: RecordProblem {
                        place: entry.path,
                        line: malformed.line,
                        message: malformed.message.clone(),
                    },
                    id: malformed.id.clone(),
                }),
            }
        }
        let clashing = clashes(&good);
        let mut catalogue =
            Self { records: Vec::new(), by_id: HashMap::new(), by_identifier: HashMap::new(), bad };
        for (record, path) in good {
            match clashing.get(&path) {
                Some(message) => catalogue.bad.push(Bad {
                    problem: RecordProblem { place: path, line: Some(1), message: message.clone() },
                    id: Some(record.issue.id.clone()),
                }),
                None => {
                    let index = catalogue.records.len();
                    catalogue.by_id.insert(record.issue.id.clone(), index);
                    catalogue.by_identifier.insert(record.issue.identifier.clone(), index);
                    catalogue.records.push(Known {
                        state_key: state_key(&record.issue.state),
                        resolved: None,
                        record,
                        path,
                    });
                }
            }
        }
        for index in 0..catalogue.records.len() {
            catalogue.resolve(index, terminal);
        }
        catalogue
    }

    /// Paths of the files that say what the issues `ids` are: their own and their blockers'. `None`
    /// where one of them is not known.
    pub(super) fn files_of(&self, ids: &[String]) -> Option<Vec<PathBuf>> {
        let mut paths = Vec::with_capacity(ids.len());
        for id in ids {
            let known = self.records.get(*self.by_id.get(id)?)?;
            paths.push(known.path.clone());
            for blocker in &known.record.blockers {
                paths.push(self.find(blocker)?.path.clone());
            }
        }
        Some(paths)
    }

    /// Takes in a file that was read anew. `false`, and nothing is done, where that may concern other
    /// files: it is no record any more, or changed its names or its blockers.
    pub(super) fn renew(&mut self, entry: &Entry, terminal: &[String]) -> bool {
        let Ok(record) = &entry.record else { return false };
        let Some(&index) = self.by_id.get(&record.issue.id) else { return false };
        let Some(known) = self.records.get_mut(index) else { return false };
        let same = known.path == entry.path
            && known.record.issue.identifier == record.issue.identifier
            && known.record.blockers == record.blockers;
        if !same {
            return false;
        }
        known.state_key = state_key(&record.issue.state);
        known.record = Arc::clone(record);
        let names = [record.issue.id.as_str(), record.issue.identifier.as_str()];
        let blocked =
            |known: &Known| known.record.blockers.iter().any(|b| names.contains(&b.as_str()));
        let others = self.records.iter().enumerate().filter(|(_, known)| blocked(known));
        let others: Vec<usize> = others.map(|(other, _)| other).collect();
        for index in others.into_iter().chain([index]) {
            self.resolve(index, terminal);
        }
        true
    }

    /// Malformed files, clashes, and blockers that nobody knows.
    pub(super) fn problems(&self) -> Vec<RecordProblem> {
        let mut problems: Vec<RecordProblem> =
            self.bad.iter().map(|bad| bad.problem.clone()).collect();
        for Known { record, path, .. } in &self.records {
            for blocker in record.blockers.iter().filter(|blocker| self.find(blocker).is_none()) {
                let message = format!(
                    "blocked_by names {blocker:?}, which is no readable issue here; it blocks until there is one"
                );
                problems.push(RecordProblem { place: path.clone(), line: None, message });
            }
        }
        problems
    }

    /// Issues in one of `states`, which are [`state_key`]s.
    pub(super) fn in_states(&self, states: &[String]) -> Vec<Issue> {
        let wanted = self.records.iter().filter(|known| states.contains(&known.state_key));
        wanted.map(|known| known.issue().clone()).collect()
    }

    /// The issues `ids` that are there.
    ///
    /// # Errors
    /// When a file that is, or may be, one of them is malformed.
    pub(super) fn with_ids(&self, ids: &[String]) -> Result<Vec<Issue>, TrackerError> {
        let mut issues = Vec::with_capacity(ids.len());
        let mut seen = HashSet::new();
        for id in ids.iter().filter(|id| seen.insert(id.as_str())) {
            let may_be = |bad: &&Bad| bad.id.as_ref().is_none_or(|other| other == id);
            if let Some((issue, _)) = self.locate(id) {
                issues.push(issue.clone());
            } else if let Some(bad) = self.bad.iter().find(may_be) {
                let message = format!("issue {id:?} cannot be read: {}", bad.problem);
                return Err(TrackerError::Response { message });
            }
        }
        Ok(issues)
    }

    /// The issue `id` and the path of its file.
    pub(super) fn locate(&self, id: &str) -> Option<(&Issue, &Path)> {
        let known = self.records.get(*self.by_id.get(id)?)?;
        Some((known.issue(), &known.path))
    }

    /// What the file of the issue `id` says.
    #[cfg(test)]
    pub(super) fn record(&self, id: &str) -> Option<Arc<Record>> {
        Some(Arc::clone(&self.records.get(*self.by_id.get(id)?)?.record))
    }

    fn find(&self, blocker: &str) -> Option<&Known> {
        let index = self.by_id.get(blocker).or_else(|| self.by_identifier.get(blocker))?;
        self.records.get(*index)
    }

    /// Looks up the blockers of one issue; an unknown blocker blocks.
    fn resolve(&mut self, index: usize, terminal: &[String]) {
        let Some(known) = self.records.get(index) else { return };
        let resolved = match known.record.blockers.is_empty() {
            true => None,
            false => Some(Box::new(self.resolved(&known.record, terminal))),
        };
        if let Some(known) = self.records.get_mut(index) {
            known.resolved = resolved;
        }
    }

    fn resolved(&self, record: &Record, terminal: &[String]) -> Issue {
        let mut issue = record.issue.clone();
        for name in &record.blockers {
            let (blocker, done) = match self.find(name) {
                None => (unresolved(name), false),
                Some(other) => {
                    let blocker = BlockerRef {
                        id: Some(other.record.issue.id.clone()),
                        identifier: Some(other.record.issue.identifier.clone()),
                        state: Some(other.record.issue.state.clone()),
                    };
                    (blocker, terminal.contains(&other.state_key))
                }
            };
            issue.dispatchable &= done;
            issue.blocked_by.push(blocker);
        }
        issue
    }
}

/// Paths of records that share an id or an identifier, with a message that names the others.
fn clashes(records: &[(Arc<Record>, PathBuf)]) -> HashMap<PathBuf, String> {
    let mut messages = HashMap::new();
    for key in ["identifier", "id"] {
        let value = |issue: &'_ Issue| match key {
            "id" => issue.id.clone(),
            _ => issue.identifier.clone(),
        };
        let mut holders: BTreeMap<String, Vec<&Path>> = BTreeMap::new();
        for (record, path) in records {
            holders.entry(value(&record.issue)).or_default().push(path);
        }
        for (value, paths) in holders.into_iter().filter(|(_, paths)| paths.len() > 1) {
            for path in &paths {
                let others: Vec<String> = paths
                    .iter()
                    .filter(|other| *other != path)
                    .map(|other| {
                        other.file_name().unwrap_or_default().to_string_lossy().into_owned()
                    })
                    .collect();
                let message = format!(
                    "{key} {value:?} is also that of {}; give each its own",
                    others.join(", ")
                );
                messages.insert(path.to_path_buf(), message);
            }
        }
    }
    messages
}
