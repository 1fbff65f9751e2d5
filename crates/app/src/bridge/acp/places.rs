//! Directories of a session by the names that the client gave them: the agent works with real paths,
//! and an editor whose project is opened through a link knows its files by the link.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use canon_protocol::jsonrpc::RpcError;

use super::invalid;

/// The directories of a session, the working directory first.
#[derive(Debug, Clone)]
pub(super) struct Places {
    directories: Vec<Place>,
    /// Where relative paths begin, links resolved.
    base: PathBuf,
}

#[derive(Debug, Clone)]
struct Place {
    given: PathBuf,
    real: PathBuf,
}

impl Places {
    /// Absolute directories that are there.
    pub(super) fn find(cwd: &Path, more: &[PathBuf]) -> Result<Self, RpcError> {
        let mut directories = vec![place("cwd", cwd)?];
        for path in more {
            directories.push(place("additionalDirectories", path)?);
        }
        let base = directories[0].real.clone();
        Ok(Self { directories, base })
    }

    /// The same with relative paths that begin elsewhere: where a subagent works.
    pub(super) fn from(&self, base: &Path) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The working directory, links resolved.
    pub(super) fn cwd(&self) -> &Path {
        self.directories.first().map_or(Path::new("/"), |place| &place.real)
    }

    /// The working directory as the client calls it.
    pub(super) fn given_cwd(&self) -> &Path {
        self.directories.first().map_or(Path::new("/"), |place| &place.given)
    }

    /// All directories, links resolved.
    pub(super) fn roots(&self) -> Vec<PathBuf> {
        self.directories.iter().map(|place| place.real.clone()).collect()
    }

    /// Whether an absolute path without links is in one of the directories.
    pub(super) fn hold(&self, path: &Path) -> bool {
        self.directories.iter().any(|place| path.starts_with(&place.real))
    }

    /// A path as the client calls it, absolute.
    pub(super) fn shown(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = flat(&self.base.join(path));
        let inner = |place: &&Place| path.starts_with(&place.real);
        let Some(place) =
            self.directories.iter().filter(inner).max_by_key(|place| place.real.as_os_str().len())
        else {
            return path;
        };
        match path.strip_prefix(&place.real) {
            Ok(rest) if !rest.as_os_str().is_empty() => place.given.join(rest),
            Ok(_) => place.given.clone(),
            Err(_) => path,
        }
    }

    /// A path by the names that the agent works with; any other stays as it is.
    pub(super) fn real<'a>(&self, path: &'a Path) -> Cow<'a, Path> {
        let renamed =
            self.directories.iter().filter(|place| place.given != place.real).find_map(|place| {
                let rest = path.strip_prefix(&place.given).ok()?;
                Some(if rest.as_os_str().is_empty() {
                    place.real.clone()
                } else {
                    place.real.join(rest)
                })
            });
        renamed.map_or(Cow::Borrowed(path), Cow::Owned)
    }

    /// What of a path lies below the working directory; the whole of any other text.
    pub(super) fn short<'a>(&self, text: &'a str) -> &'a str {
        let below = |directory: &Path| Path::new(text).strip_prefix(directory).ok()?.to_str();
        let short = below(self.given_cwd()).or_else(|| below(self.cwd()));
        short.filter(|short| !short.is_empty()).unwrap_or(text)
    }
}

/// Without `..`, as far as names alone can tell.
fn flat(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            flat.pop();
        } else {
            flat.push(part);
        }
    }
    flat
}

fn place(name: &str, path: &Path) -> Result<Place, RpcError> {
    let bad = |why: String| invalid(format!("{name}: {}: {why}", path.display()));
    if !path.is_absolute() {
        return Err(bad("must be absolute".to_owned()));
    }
    match path.canonicalize() {
        Ok(real) if real.is_dir() => Ok(Place { given: path.to_owned(), real }),
        Ok(_) => Err(bad("is not a directory".to_owned())),
        Err(error) => Err(bad(error.to_string())),
    }
}

#[cfg(test)]
impl Places {
    /// A working directory that may be absent, under one name.
    pub(super) fn plain(path: &str) -> Self {
        Self::linked(path, path)
    }

    pub(super) fn linked(given: &str, real: &str) -> Self {
        let directories = vec![Place { given: given.into(), real: real.into() }];
        Self { directories, base: real.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_absolute_and_there() {
        let bad = |path: &str| Places::find(Path::new(path), &[]).unwrap_err().message;
        assert!(bad("a/b").contains("cwd: a/b: must be absolute"));
        assert!(bad("/no/such/place").contains("No such file"));
        assert!(bad("/dev/null").contains("not a directory"));
        let more = Places::find(Path::new("/"), &["b".into()]).unwrap_err().message;
        assert!(more.contains("additionalDirectories: b"), "{more}");
    }

    #[test]
    fn paths_are_shown_under_the_name_that_the_client_knows() {
        let mut places = Places::linked("/home/link", "/data/real");
        let inner = Place { given: "/home/inner".into(), real: "/data/real/inner".into() };
        places.directories.push(inner);
        for (path, shown) in [
            ("a/b", "/home/link/a/b"),
            ("../a", "/data/a"),
            ("/data/real/a", "/home/link/a"),
            ("/data/real", "/home/link"),
            ("/data/real/inner/x", "/home/inner/x"),
            ("/data/really", "/data/really"),
            ("/home/link/a", "/home/link/a"),
            ("/etc/hosts", "/etc/hosts"),
        ] {
            assert_eq!(places.shown(path), Path::new(shown), "{path}");
        }
        assert!(places.hold(Path::new("/data/real/x")) && !places.hold(Path::new("/data/really")));
        for (path, real) in [
            ("/home/link/a", "/data/real/a"),
            ("/home/link", "/data/real"),
            ("/home/inner/a", "/data/real/inner/a"),
            ("/home/linked", "/home/linked"),
            ("a", "a"),
        ] {
            assert_eq!(places.real(Path::new(path)), Path::new(real), "{path}");
        }
        let elsewhere = places.from(Path::new("/data/real/sub"));
        assert_eq!(elsewhere.shown("x"), Path::new("/home/link/sub/x"));
        assert_eq!(places.short("/data/real/a/b"), "a/b");
        assert_eq!(places.short("/home/link/a"), "a");
        assert_eq!(places.short("/home/link"), "/home/link");
        assert_eq!(places.short("/data/really"), "/data/really");
    }
}
