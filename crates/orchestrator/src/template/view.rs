//! Globals that note every key that was asked for and is not there.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use liquid::model::{ArrayView, DisplayCow, KStringCow, ObjectView, State, Value, ValueView};
use liquid::{Object, to_object};

/// Names asked for in vain, in order; shared by all views of one rendering.
#[derive(Debug, Clone)]
pub(super) struct Misses {
    names: Rc<RefCell<Vec<String>>>,
    /// Roots that the engine itself looks up, or that live below the globals.
    exempt: Rc<BTreeSet<String>>,
}

impl Misses {
    pub(super) fn new(exempt: BTreeSet<String>) -> Self {
        Self { names: Rc::default(), exempt: Rc::new(exempt) }
    }

    /// The first name that was missed.
    pub(super) fn first(&self) -> Option<String> {
        self.names.borrow().iter().next().cloned()
    }

    fn note(&self, prefix: &str, key: &str) {
        let name = match prefix.is_empty() {
            true if self.exempt.contains(key) => return,
            true => key.to_owned(),
            false => format!("{prefix}.{key}"),
        };
        self.names.borrow_mut().push(name);
    }
}

/// An object whose misses are noted, at every depth.
#[derive(Debug)]
pub(super) struct StrictObject {
    path: String,
    /// The same content for everything but a look-up by key.
    plain: Object,
    fields: Vec<(String, Node)>,
    misses: Misses,
}

/// A list whose elements are views as well.
#[derive(Debug)]
struct StrictArray {
    plain: Value,
    items: Vec<Node>,
}

#[derive(Debug)]
enum Node {
    Plain(Value),
    Object(StrictObject),
    Array(StrictArray),
}

impl StrictObject {
    /// The globals of one rendering; `value` is a map.
    pub(super) fn root(value: &serde_json::Value, misses: &Misses) -> Result<Self, String> {
        match value {
            serde_json::Value::Object(map) => Self::new(String::new(), map, misses),
            _ => Err("the template's variables are no map".to_owned()),
        }
    }

    fn new(
        path: String,
        map: &serde_json::Map<String, serde_json::Value>,
        misses: &Misses,
    ) -> Result<Self, String> {
        let plain = to_object(map).map_err(|error| error.to_string())?;
        let mut fields = Vec::with_capacity(map.len());
        for (key, value) in map {
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            fields.push((key.clone(), Node::new(below, value, misses)?));
        }
        Ok(Self { path, plain, fields, misses: misses.clone() })
    }
}

impl Node {
    fn new(path: String, value: &serde_json::Value, misses: &Misses) -> Result<Self, String> {
        let plain = || liquid::model::to_value(value).map_err(|error| error.to_string());
        Ok(match value {
            serde_json::Value::Object(map) => Self::Object(StrictObject::new(path, map, misses)?),
            serde_json::Value::Array(items) => Self::Array(StrictArray {
                plain: plain()?,
                items: items
                    .iter()
                    .map(|item| Self::new(format!("{path}[]"), item, misses))
                    .collect::<Result<_, _>>()?,
            }),
            _ => Self::Plain(plain()?),
        })
    }

    fn as_view(&self) -> &dyn ValueView {
        match self {
            Self::Plain(value) => value,
            Self::Object(object) => object,
            Self::Array(array) => array,
        }
    }
}

/// What is shown, compared and copied is the plain content.
macro_rules! plain_view {
    ($type:ty, $($cast:item)+) => {
        impl ValueView for $type {
            fn as_debug(&self) -> &dyn fmt::Debug {
                self
            }
            fn render(&self) -> DisplayCow<'_> {
                self.plain.render()
            }
            fn source(&self) -> DisplayCow<'_> {
                self.plain.source()
            }
            fn type_name(&self) -> &'static str {
                self.plain.type_name()
            }
            fn query_state(&self, state: State) -> bool {
                self.plain.query_state(state)
            }
            fn to_kstr(&self) -> KStringCow<'_> {
                self.plain.to_kstr()
            }
            fn to_value(&self) -> Value {
                self.plain.to_value()
            }
            $($cast)+
        }
    };
}

plain_view! {
    StrictObject,
    fn as_object(&self) -> Option<&dyn ObjectView> {
        Some(self)
    }
}

plain_view! {
    StrictArray,
    fn as_array(&self) -> Option<&dyn ArrayView> {
        Some(self)
    }
}

impl ObjectView for StrictObject {
    fn as_value(&self) -> &dyn ValueView {
        self
    }

    fn size(&self) -> i64 {
        self.plain.size()
    }

    fn keys<'k>(&'k self) -> Box<dyn Iterator<Item = KStringCow<'k>> + 'k> {
        ObjectView::keys(&self.plain)
    }

    fn values<'k>(&'k self) -> Box<dyn Iterator<Item = &'k dyn ValueView> + 'k> {
        ObjectView::values(&self.plain)
    }

    fn iter<'k>(&'k self) -> Box<dyn Iterator<Item = (KStringCow<'k>, &'k dyn ValueView)> + 'k> {
        ObjectView::iter(&self.plain)
    }

    fn contains_key(&self, index: &str) -> bool {
        let found = self.fields.iter().any(|(key, _)| key == index);
        // Only the root is asked this way on a look-up; deeper, `contains` is a question of its own.
        if !found && self.path.is_empty() {
            self.misses.note("", index);
        }
        found
    }

    fn get<'s>(&'s self, index: &str) -> Option<&'s dyn ValueView> {
        let found = self.fields.iter().find(|(key, _)| key == index);
        // `size` is the engine's own, on every object.
        if found.is_none() && index != "size" {
            self.misses.note(&self.path, index);
        }
        found.map(|(_, node)| node.as_view())
    }
}

impl ArrayView for StrictArray {
    fn as_value(&self) -> &dyn ValueView {
        self
    }

    fn size(&self) -> i64 {
        i64::try_from(self.items.len()).unwrap_or(i64::MAX)
    }

    fn values<'k>(&'k self) -> Box<dyn Iterator<Item = &'k dyn ValueView> + 'k> {
        Box::new(self.items.iter().map(Node::as_view))
    }

    fn contains_key(&self, index: i64) -> bool {
        self.position(index).is_some()
    }

    fn get(&self, index: i64) -> Option<&dyn ValueView> {
        self.position(index).and_then(|index| self.items.get(index)).map(Node::as_view)
    }
}

impl StrictArray {
    /// Negative indexes count from the end.
    fn position(&self, index: i64) -> Option<usize> {
        let index = if index < 0 { index.checked_add(ArrayView::size(self))? } else { index };
        usize::try_from(index).ok().filter(|index| *index < self.items.len())
    }
}
