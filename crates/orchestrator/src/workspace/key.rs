//! The name of a workspace's directory (Symphony §4.2, ruling 1).

use crate::workflow::digest;

/// Longest key, in bytes: directory names end at 255.
const MAX_LEN: usize = 200;

/// Name of the workspace of `identifier`: every character outside `[A-Za-z0-9._-]` becomes `_`, and
/// when that changed anything, `--` and 16 hex digits of the identifier's SHA-256 follow.
///
/// `.`, `..`, nothing at all, and what is too long for a directory count as changed.
pub fn workspace_key(identifier: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let sanitised: String = identifier.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    let dots = sanitised.chars().all(|c| c == '.');
    if sanitised == identifier && !dots && sanitised.len() <= MAX_LEN {
        return sanitised;
    }
    let stem = if dots { "_".repeat(sanitised.len().max(1)) } else { sanitised };
    let stem = stem.get(..stem.len().min(MAX_LEN)).unwrap_or_default();
    let hash = digest(identifier.as_bytes());
    format!("{stem}--{}", hash.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ruling_01_unchanged_identifiers_keep_their_name() {
        for identifier in ["CAN-1", "a.b_c-D9", "x", ".hidden", "a..b"] {
            assert_eq!(workspace_key(identifier), identifier);
        }
    }

    #[test]
    fn ruling_01_changed_identifiers_get_16_hex_digits_of_their_sha256() {
        // printf 'a/b' | sha256sum
        assert_eq!(workspace_key("a/b"), "a_b--c14cddc033f64b9d");
        assert_ne!(workspace_key("a/b"), workspace_key("a b"));
        assert_ne!(workspace_key("a/b"), workspace_key("a_b"));
    }

    #[test]
    fn names_that_are_no_directory_of_their_own_count_as_changed() {
        for identifier in ["", ".", "..", "...."] {
            let key = workspace_key(identifier);
            assert!(key.starts_with('_') && key.contains("--"), "{key}");
        }
        let long = "x".repeat(400);
        assert_eq!(workspace_key(&long).len(), 200 + 18);
        assert_ne!(workspace_key(&long), workspace_key(&format!("{long}y")));
    }

    proptest! {
        #[test]
        fn any_identifier_names_one_plain_directory(identifier in any::<String>()) {
            let key = workspace_key(&identifier);
            prop_assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)));
            prop_assert!(!key.is_empty() && key != "." && key != ".." && key.len() < 255);
            prop_assert_eq!(&key, &workspace_key(&identifier));
        }
    }
}
