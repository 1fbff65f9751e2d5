//! What was not tested, and what may stay untested in CI.
//!
//! A test that cannot run here prints `skipped: <name>: <why>` on a line of its own and passes. A process that is not
//! a test appends the same line to the file that `CANON_SKIP_LOG` names.

use std::collections::BTreeMap;
use std::fs;

use crate::failure::Failure;
use crate::workspace::root;

/// Names the file to which skips may be appended.
pub(crate) const VARIABLE: &str = "CANON_SKIP_LOG";

const ALLOWED: &str = "ci/allowed-skips";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) name: String,
    pub(crate) why: String,
}

impl Skip {
    /// Reads `skipped: <name>: <why>`. A line that names nothing gets a name of its own words: no skip is lost.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let rest = line.trim().strip_prefix("skipped: ")?.trim();
        let (name, why) = rest.split_once(": ").unwrap_or((rest, "no reason given"));
        let name = name.split_whitespace().collect::<Vec<_>>().join("-");
        (!name.is_empty()).then(|| Self { name, why: why.to_owned() })
    }
}

/// One skip for each name, by name.
pub(crate) fn distinct(skips: Vec<Skip>) -> Vec<Skip> {
    let by_name: BTreeMap<_, _> =
        skips.into_iter().rev().map(|skip| (skip.name.clone(), skip)).collect();
    by_name.into_values().collect()
}

/// The names that CI may skip.
pub(crate) fn allowed() -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(root().join(ALLOWED))
        .map_err(|error| Failure::work(format!("cannot read {ALLOWED}: {error}; restore it")))?;
    Ok(names(&text))
}

fn names(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(name: &str, why: &str) -> Skip {
        Skip { name: name.to_owned(), why: why.to_owned() }
    }

    #[test]
    fn a_line_of_a_skipped_test_is_read() {
        assert_eq!(
            Skip::parse("skipped: codex: not installed: really"),
            Some(skip("codex", "not installed: really"))
        );
        assert_eq!(Skip::parse("  skipped: docker"), Some(skip("docker", "no reason given")));
        assert_eq!(Skip::parse("skipped: two (words): here"), Some(skip("two-(words)", "here")));
        assert_eq!(Skip::parse("skipped: "), None);
        assert_eq!(Skip::parse("3 skipped: no"), None);
    }

    #[test]
    fn names_count_once() {
        let all = vec![skip("b", "first"), skip("a", "x"), skip("b", "second")];
        assert_eq!(distinct(all), [skip("a", "x"), skip("b", "first")]);
    }

    #[test]
    fn the_list_has_comments() {
        assert_eq!(names("# why\none\n\n two # why\n"), ["one", "two"]);
    }
}
