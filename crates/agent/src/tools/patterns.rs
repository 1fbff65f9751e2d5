//! Glob patterns of a call's arguments.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Several patterns, of which one has to match. One without a slash is about the name alone.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    paths: GlobSet,
    names: GlobSet,
}

impl Patterns {
    /// # Errors
    /// The pattern that does not parse, in words for the model.
    pub(super) fn new(patterns: &[String]) -> Result<Self, String> {
        let (mut paths, mut names) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let invalid =
                |error: globset::Error| format!("invalid pattern `{pattern}`: {}", error.kind());
            let text = pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/');
            let glob = GlobBuilder::new(text)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(invalid)?;
            if text.contains('/') {
                paths.add(glob)
            } else {
                names.add(glob)
            };
        }
        let set = |builder: GlobSetBuilder| builder.build().map_err(|error| error.to_string());
        Ok(Self { paths: set(paths)?, names: set(names)? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.names.is_empty()
    }

    /// Whether the path itself matches.
    pub(super) fn matches(&self, path: &Path) -> bool {
        self.paths.is_match(path)
            || path.file_name().is_some_and(|name| self.names.is_match(Path::new(name)))
    }

    /// Whether the path matches, or a directory that it lies in.
    pub(super) fn matches_with_parents(&self, path: &Path) -> bool {
        path.ancestors().any(|place| self.matches(place))
    }
}

/// Whether `text` has wildcards.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Whether a pattern asks for hidden files by saying a dot at the beginning of a name.
pub(super) fn asks_for_hidden(pattern: &str) -> bool {
    pattern.split('/').any(|part| part.len() > 1 && part.starts_with('.') && part != "..")
}

/// The directories of a pattern before its first wildcard.
pub(super) fn literal_prefix(pattern: &str) -> PathBuf {
    if !is_pattern(pattern) {
        return PathBuf::from(pattern);
    }
    Path::new(pattern)
        .components()
        .take_while(|part| match part {
            Component::Normal(name) => !is_pattern(&name.to_string_lossy()),
            _ => true,
        })
        .collect()
}

/// The deepest directory above all of `paths`, which are absolute.
pub(super) fn common_ancestor(paths: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    paths.into_iter().reduce(|common, path| {
        common
            .components()
            .zip(path.components())
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_patterns_are_names_and_others_paths() {
        let patterns =
            Patterns::new(&["*.log".into(), "./build/**".into(), "node_modules/".into()]).unwrap();
        let matches = |path: &str| patterns.matches_with_parents(Path::new(path));
        assert!(matches("a/b/x.log") && matches("build/x/y") && matches("a/node_modules/b/c"));
        assert!(!matches("a/build/x") && !matches("x.logs"));
        assert!(Patterns::new(&["[".into()]).unwrap_err().contains("invalid pattern `[`"));
        assert!(Patterns::default().is_empty() && !Patterns::default().matches(Path::new("x")));
    }

    #[test]
    fn prefixes_and_ancestors_are_taken_by_name() {
        assert_eq!(literal_prefix("src/a/*.rs"), Path::new("src/a"));
        assert_eq!(literal_prefix("**/*.rs"), Path::new(""));
        assert_eq!(literal_prefix("/etc/hosts"), Path::new("/etc/hosts"));
        let paths = ["/w/a/b", "/w/a/c/d"].map(PathBuf::from);
        assert_eq!(common_ancestor(paths), Some(PathBuf::from("/w/a")));
        assert_eq!(common_ancestor([]), None);
    }

    #[test]
    fn a_dot_asks_for_hidden_files() {
        assert!(asks_for_hidden(".github/**") && asks_for_hidden("a/.env"));
        assert!(!asks_for_hidden("./a") && !asks_for_hidden("../a/*.rs") && !asks_for_hidden("."));
    }
}
