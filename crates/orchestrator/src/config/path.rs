//! Paths in configuration: `~`, `$VAR`, and what relative means (Symphony §6.1).

use std::path::{Component, Path, PathBuf};

use super::environment::Environment;

/// Expands `~` and `$VAR` (or `${VAR}`) in `text` and makes it absolute below `base`.
///
/// # Errors
/// A message that names the variable that is not set.
pub(crate) fn expand(text: &str, base: &Path, env: &Environment) -> Result<PathBuf, String> {
    let text = expand_vars(text.trim(), env)?;
    let path = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = env
                .get("HOME")
                .ok_or("`~` needs the environment variable HOME, which is not set")?;
            PathBuf::from(home).join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(text),
    };
    Ok(normalise(&base.join(path)))
}

fn expand_vars(text: &str, env: &Environment) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, tail) = variable(after).ok_or_else(|| {
            format!(
                "`${}` is no variable: write $NAME or ${{NAME}}",
                after.chars().take(20).collect::<String>()
            )
        })?;
        let value = env
            .get(name)
            .ok_or_else(|| format!("environment variable {name} is not set or empty"))?;
        out.push_str(&value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// Name at the start of `text`, which follows a `$`, and what comes after it.
fn variable(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}').filter(|(name, _)| is_name(name));
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    Some(text.split_at(end)).filter(|(name, _)| is_name(name))
}

/// Whether `text` can name an environment variable.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `path` without `.` and `..`, by its text alone.
fn normalise(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<PathBuf, String> {
        let env = Environment::of([
            ("HOME", "/home/me"),
            ("ROOT", "/srv/w"),
            ("REL", "work"),
            ("EMPTY", ""),
        ]);
        expand(text, Path::new("/repo"), &env)
    }

    #[test]
    fn s17_1_tilde_and_variables_expand() {
        assert_eq!(at("~").unwrap(), Path::new("/home/me"));
        assert_eq!(at("~/a/b").unwrap(), Path::new("/home/me/a/b"));
        assert_eq!(at("$ROOT").unwrap(), Path::new("/srv/w"));
        assert_eq!(at("${ROOT}/x").unwrap(), Path::new("/srv/w/x"));
        assert_eq!(at("$REL/x").unwrap(), Path::new("/repo/work/x"));
        assert_eq!(at("a~b/~c").unwrap(), Path::new("/repo/a~b/~c"));
    }

    #[test]
    fn relative_paths_start_at_the_workflow_file() {
        assert_eq!(at("./w/../x").unwrap(), Path::new("/repo/x"));
        assert_eq!(at("../x").unwrap(), Path::new("/x"));
        assert_eq!(at("/a/./b/..").unwrap(), Path::new("/a"));
    }

    #[test]
    fn an_unset_or_empty_variable_is_named() {
        assert!(at("$NOPE/x").unwrap_err().contains("NOPE"));
        assert!(at("$EMPTY").unwrap_err().contains("EMPTY"));
        assert!(at("a$/b").is_err());
        assert!(at("${UNCLOSED").is_err());
    }
}
