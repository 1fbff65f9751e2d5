//! Environment variables as configuration sees them: through one function, so that tests and other
//! hosts can stand in for the process.

use std::fmt;
use std::sync::Arc;

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Looks environment variables up by name.
#[derive(Clone)]
pub struct Environment(Arc<Lookup>);

impl Environment {
    /// An environment answered by `lookup`.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// The environment of this process; variables that are not UTF-8 count as unset.
    pub fn process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// An environment of exactly these `pairs`.
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        let pairs: std::collections::BTreeMap<String, String> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self::new(move |name| pairs.get(name).cloned())
    }

    /// Value of `name`; an empty one counts as unset (Symphony §5.3.1).
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }
}

/// Names and values stay out of logs.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
