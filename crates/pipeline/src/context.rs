//! The values that stages share (Attractor §5.1).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// Key-value state of one frame of a run. A clone is a deep copy as far as anyone can tell: it
/// shares memory until one of the two is changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    values: Arc<BTreeMap<String, Value>>,
}

impl Context {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The value as conditions compare it: strings as they are, everything else as JSON, nothing
    /// as the empty string (§10.3).
    pub fn text(&self, key: &str) -> String {
        self.get(key).map(text).unwrap_or_default()
    }

    /// Sets one value.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        Arc::make_mut(&mut self.values).insert(key.into(), value.into());
    }

    /// Forgets one value.
    pub fn remove(&mut self, key: &str) {
        if self.values.contains_key(key) {
            Arc::make_mut(&mut self.values).remove(key);
        }
    }

    /// Merges values; later ones win.
    pub fn apply(&mut self, updates: &BTreeMap<String, Value>) {
        if updates.is_empty() {
            return;
        }
        let values = Arc::make_mut(&mut self.values);
        for (key, value) in updates {
            values.insert(key.clone(), value.clone());
        }
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.values.iter()
    }

    /// What differs from an `earlier` state, without what the engine itself keeps.
    pub fn changes_since(&self, earlier: &Self) -> BTreeMap<String, Value> {
        let changed = |(key, value): &(&String, &Value)| {
            !is_bookkeeping(key) && earlier.get(key) != Some(*value)
        };
        self.iter().filter(changed).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

impl FromIterator<(String, Value)> for Context {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(values: I) -> Self {
        Self { values: Arc::new(values.into_iter().collect()) }
    }
}

/// Keys that the engine sets for itself (§5.1).
fn is_bookkeeping(key: &str) -> bool {
    matches!(key, "outcome" | "preferred_label" | "current_node")
        || key.starts_with("internal.")
        || key.starts_with("graph.")
}

/// A value as conditions and templates see it.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
