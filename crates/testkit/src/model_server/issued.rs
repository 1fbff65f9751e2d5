//! What was sent and must come back unchanged.

use std::collections::HashMap;

use serde_json::Value;

/// Things that this server sent, by the id, the signature or whatever else a wire knows them by.
#[derive(Debug, Default)]
pub(super) struct Issued(HashMap<String, Value>);

impl Issued {
    pub(super) fn insert(&mut self, key: &str, thing: Value) {
        self.0.insert(key.to_owned(), thing);
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.values()
    }
}
