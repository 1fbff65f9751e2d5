//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::root;

/// Paths, relative to the root, of what is or would be committed. In a copy without git, everything but what is built.
pub(crate) fn all() -> Vec<PathBuf> {
    if !root().join(".git").exists() {
        let mut found = Vec::new();
        walk(root(), &mut found);
        return found;
    }
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = super::capture(Command::new("git").args(["-c", "safe.directory=*"]).args(args));
    listed
        .split_terminator('\0')
        .map(PathBuf::from)
        .filter(|path| root().join(path).is_file())
        .collect()
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let name = entry.file_name();
        if name == "target" || name == ".git" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            walk(&path, found);
        } else {
            found.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
}

/// Rust sources with their texts.
pub(crate) fn rust() -> Vec<(PathBuf, String)> {
    let sources = all()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}

/// Whether a whole file is for tests.
pub(crate) fn is_test(path: &Path) -> bool {
    let inside =
        path.parent().is_some_and(|dir| dir.components().any(|part| part.as_os_str() == "tests"));
    inside || path.file_name().is_some_and(|name| name == "tests.rs")
}
