//! Which tools of all servers are on offer.

use std::collections::BTreeSet;

use super::offer::Offered;

/// The tools on offer, in the order in which they came, and the names of those that were once.
#[derive(Debug, Default)]
pub(super) struct Roll {
    now: Vec<Entry>,
    gone: BTreeSet<String>,
    is_changed: bool,
}

/// A tool and its server's name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) server: String,
    pub(super) tool: Offered,
}

/// What is other than before.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Change {
    /// New, or with another definition.
    pub(super) add: Vec<Entry>,
    /// Names.
    pub(super) remove: Vec<String>,
    /// Names that belong to another server's tool, with that server's name.
    pub(super) clashes: Vec<(String, String)>,
}

impl Roll {
    /// The tools of a server are these now. A name stays with the server that had it first.
    pub(super) fn renew(&mut self, server: &str, offered: Vec<Offered>) -> Change {
        let mut change = Change::default();
        let (own, others): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.now).into_iter().partition(|entry| entry.server == server);
        self.now = others;
        let mut kept = BTreeSet::new();
        for tool in offered {
            let name = tool.definition.name.clone();
            let is_it = |entry: &&Entry| entry.tool.definition.name == name;
            if let Some(other) =
                self.now.iter().find(|entry| entry.server != server && is_it(entry))
            {
                change.clashes.push((name, other.server.clone()));
                continue;
            }
            let entry = Entry { server: server.to_owned(), tool };
            if own.iter().find(is_it) != Some(&entry) {
                change.add.push(entry.clone());
            }
            self.gone.remove(&name);
            self.now.push(entry);
            kept.insert(name);
        }
        let names = own.into_iter().map(|entry| entry.tool.definition.name);
        change.remove = names.filter(|name| !kept.contains(name)).collect();
        self.gone.extend(change.remove.iter().cloned());
        self.is_changed |= !change.remove.is_empty() || !change.add.is_empty();
        change
    }

    /// All that is on offer is what sessions begin with.
    pub(super) fn settle(&mut self) {
        self.is_changed = false;
    }

    /// What is on offer.
    pub(super) fn now(&self) -> &[Entry] {
        &self.now
    }

    /// Brings a session up to date that began with some of it.
    pub(super) fn whole(&self) -> Change {
        if !self.is_changed {
            return Change::default();
        }
        let remove = self.gone.iter().cloned().collect();
        Change { add: self.now.clone(), remove, clashes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon_llm::ToolDefinition;
    use serde_json::json;

    fn tool(name: &str, description: &str) -> Offered {
        Offered {
            definition: ToolDefinition {
                name: name.to_owned(),
                description: description.to_owned(),
                parameters: json!({}),
            },
            remote: name.to_owned(),
        }
    }

    fn names(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.tool.definition.name.as_str()).collect()
    }

    #[test]
    fn only_what_is_other_is_changed() {
        let mut roll = Roll::default();
        roll.renew("a", vec![tool("x", "1"), tool("y", "1"), tool("z", "1")]);
        roll.settle();
        assert_eq!(roll.whole(), Change::default());
        let change = roll.renew("a", vec![tool("y", "1"), tool("z", "2"), tool("new", "1")]);
        assert_eq!((names(&change.add), change.remove), (vec!["z", "new"], vec!["x".to_owned()]));
        assert_eq!(names(roll.now()), ["y", "z", "new"]);
        let whole = roll.whole();
        assert_eq!(
            (names(&whole.add), whole.remove),
            (vec!["y", "z", "new"], vec!["x".to_owned()])
        );
        // It comes back.
        let change = roll.renew("a", vec![tool("x", "1")]);
        assert_eq!(names(&change.add), ["x"]);
        assert_eq!(roll.whole().remove, ["new", "y", "z"]);
    }

    #[test]
    fn a_name_stays_with_the_server_that_had_it_first() {
        let mut roll = Roll::default();
        roll.renew("a-b", vec![tool("a_b__x", "good")]);
        let change = roll.renew("a_b", vec![tool("a_b__x", "bad"), tool("a_b__y", "")]);
        assert_eq!(change.clashes, [("a_b__x".to_owned(), "a-b".to_owned())]);
        assert_eq!(names(&change.add), ["a_b__y"]);
        let good = roll.now().iter().find(|entry| entry.tool.definition.name == "a_b__x").unwrap();
        assert_eq!(
            (good.server.as_str(), good.tool.definition.description.as_str()),
            ("a-b", "good")
        );
        // Nor does its server take it along.
        assert!(roll.renew("a_b", Vec::new()).remove == ["a_b__y"]);
        assert_eq!(names(roll.now()), ["a_b__x"]);
    }
}
