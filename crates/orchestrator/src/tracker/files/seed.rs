//! A directory of issues made from another one, so that an example or a template stays as it is.

use std::fs;
use std::io;
use std::path::Path;

/// Copies the issue files of `seed` to `dir` if there is no `dir`: whole or not at all.
pub(super) fn seed(seed: &Path, dir: &Path) -> io::Result<()> {
    if dir.symlink_metadata().is_ok() {
        return Ok(());
    }
    let parent = dir.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent)?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let half = parent.join(format!(".{name}.{}", std::process::id()));
    let copied = copy(seed, &half).and_then(|()| match fs::rename(&half, dir) {
        // Somebody else was faster; theirs is as good.
        Err(_) if dir.is_dir() => Ok(()),
        renamed => renamed,
    });
    if half.exists() {
        let _ = fs::remove_dir_all(&half);
    }
    copied
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let is_issue = entry.path().extension().is_some_and(|extension| extension == "md");
        if is_issue && entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_directory_is_made_of_the_seed_and_an_existing_one_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("from");
        fs::create_dir(&from).unwrap();
        fs::write(from.join("A-1.md"), "one").unwrap();
        fs::write(from.join("notes.txt"), "no issue").unwrap();
        let to = root.path().join("deep/er/to");
        seed(&from, &to).unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
        fs::write(to.join("A-1.md"), "changed").unwrap();
        seed(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("A-1.md")).unwrap(), "changed");
        assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_seed_that_is_not_there_leaves_nothing_half_made() {
        let root = tempfile::tempdir().unwrap();
        assert!(seed(&root.path().join("none"), &root.path().join("to")).is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
