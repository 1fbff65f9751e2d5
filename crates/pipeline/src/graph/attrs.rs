//! Attributes of graphs, nodes and edges.

use std::sync::Arc;
use std::time::Duration;

use super::value::Value;
use crate::span::{Span, SpanMap};

/// Where an attribute comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It stands on the node, edge or graph itself.
    Explicit,
    /// It stands in a `node [...]` or `edge [...]` block. For the stylesheet that counts as
    /// explicit (ruling 21).
    Default,
    /// The stylesheet gave it.
    Stylesheet,
    /// A transform gave it.
    Transform,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attr {
    /// The key.
    pub key: Arc<str>,
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
    /// Where the key stands in the source.
    pub key_span: Option<Span>,
    /// Where the value stands in the source, quotes included.
    pub value_span: Option<Span>,
    /// Where the characters of the value stand.
    pub map: SpanMap,
}

impl Attr {
    /// An attribute that stands in no source.
    pub fn new(key: &str, value: Value, origin: Origin) -> Self {
        Self {
            key: key.into(),
            value,
            origin,
            key_span: None,
            value_span: None,
            map: SpanMap::default(),
        }
    }

    /// The place in the source of a part of the value; of the whole value where the part is in
    /// none.
    pub fn locate(&self, inner: Span) -> Option<Span> {
        self.map.span(inner).or(self.value_span)
    }
}

/// Attributes in the order in which their keys were first set. Clones share them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attrs {
    entries: Arc<Vec<Arc<Attr>>>,
}

impl Attrs {
    /// The attribute of a key.
    pub fn get(&self, key: &str) -> Option<&Attr> {
        self.entries.iter().find(|attr| &*attr.key == key).map(|attr| &**attr)
    }

    /// The attribute of the first of the keys that is set.
    pub fn first(&self, keys: &[&str]) -> Option<&Attr> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// The text of a key's value; the empty text when it is not set.
    pub fn text(&self, key: &str) -> &str {
        self.get(key).map_or("", |attr| attr.value.text())
    }

    /// The text of a key's value without white space around it; none when nothing is left.
    pub fn non_empty(&self, key: &str) -> Option<&str> {
        Some(self.text(key).trim()).filter(|text| !text.is_empty())
    }

    /// The value as a truth value; none also when it is none, of which `attribute_value` tells.
    pub fn bool(&self, key: &str) -> Option<bool> {
        self.get(key)?.value.as_bool()
    }

    /// The value as an integer; none also when it is none.
    pub fn integer(&self, key: &str) -> Option<i64> {
        self.get(key)?.value.as_integer()
    }

    /// The value as a count; none also when it is none.
    pub fn count(&self, key: &str) -> Option<u32> {
        u32::try_from(self.integer(key)?).ok()
    }

    /// The value as a duration; none also when it is none.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        self.get(key)?.value.as_duration()
    }

    /// Whether the key stands on the thing itself or in a block of defaults for it: not given by
    /// stylesheet or transform.
    pub fn is_written(&self, key: &str) -> bool {
        self.get(key).is_some_and(|attr| matches!(attr.origin, Origin::Explicit | Origin::Default))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Attr> {
        self.entries.iter().map(|attr| &**attr)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets an attribute, in place of one with the same key.
    pub fn set(&mut self, attr: Attr) {
        self.set_shared(Arc::new(attr));
    }

    fn set_shared(&mut self, attr: Arc<Attr>) {
        let entries = Arc::make_mut(&mut self.entries);
        match entries.iter_mut().find(|entry| entry.key == attr.key) {
            Some(entry) => *entry = attr,
            None => entries.push(attr),
        }
    }

    /// Changes the value of an attribute that is there. Parts of the new value have no place of
    /// their own in the source.
    pub(super) fn rewrite(&mut self, key: &str, value: Value, origin: Origin) {
        if let Some(attr) = self.get(key) {
            self.set(Attr { value, origin, map: SpanMap::default(), ..attr.clone() });
        }
    }

    /// Sets the defaults of a scope: they replace defaults, and nothing that is explicit.
    pub(super) fn overlay(&mut self, defaults: &Self) {
        if self.entries.is_empty() {
            self.entries = Arc::clone(&defaults.entries);
            return;
        }
        for default in defaults.entries.iter() {
            if self.get(&default.key).is_none_or(|attr| attr.origin == Origin::Default) {
                self.set_shared(Arc::clone(default));
            }
        }
    }
}
