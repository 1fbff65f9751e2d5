//! Ids of tool calls in a history that another provider wrote: some are longer than the next one takes, and some
//! count from zero in every answer.

use std::collections::{HashMap, HashSet};

/// The ids of one history, in its order: what is sent for a call depends on nothing after it, so that a longer
/// history begins as the shorter one did.
#[derive(Debug)]
pub(super) struct CallIds {
    /// Most bytes that the provider takes.
    longest: usize,
    used: HashSet<String>,
    /// From the ids of calls to those that are sent.
    open: HashMap<String, String>,
}

impl CallIds {
    /// No calls yet, for a provider that takes ids of so many bytes.
    pub(super) fn new(longest: usize) -> Self {
        Self { longest, used: HashSet::new(), open: HashMap::new() }
    }

    /// What is sent for the call `id`, which may be spelled as `legal`; and whether another call of this id was
    /// still open.
    pub(super) fn call(&mut self, id: &str, legal: &str) -> (String, bool) {
        let legal = if legal.is_empty() { "call" } else { legal };
        let mut sent = head(legal, self.longest).to_owned();
        let mut copies = 1;
        while !self.used.insert(sent.clone()) {
            copies += 1;
            let suffix = format!("-{copies}");
            sent = head(legal, self.longest - suffix.len()).to_owned() + &suffix;
        }
        let was_open = self.open.insert(id.to_owned(), sent.clone()).is_some();
        (sent, was_open)
    }

    /// What is sent for the result of the call `id`, which is answered by it.
    pub(super) fn result(&mut self, id: &str) -> Option<String> {
        self.open.remove(id)
    }

    /// The first of the calls without a result.
    pub(super) fn unanswered(&self) -> Option<&str> {
        self.open.keys().min().map(String::as_str)
    }
}

fn head(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_are_cut_and_told_apart() {
        let mut ids = CallIds::new(8);
        let (one, two) = ("éééééé1", "éééééé2");
        assert_eq!(ids.call(one, one), ("éééé".to_owned(), false));
        assert_eq!(ids.call(two, two), ("ééé-2".to_owned(), false));
        assert_eq!(ids.call(two, two), ("ééé-3".to_owned(), true));
        assert_eq!(ids.call("", ""), ("call".to_owned(), false));
        assert_eq!(ids.result(one).as_deref(), Some("éééé"));
        assert_eq!(ids.result(one), None);
        assert_eq!(ids.unanswered(), Some(""));
    }
}
