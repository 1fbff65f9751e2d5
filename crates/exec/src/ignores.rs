//! Which files the ignore files of a tree leave out, decided here from what they say there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Names of ignore files, the strongest first; the last one holds for a repository.
pub const IGNORE_FILES: [&str; 3] = [".ignore", ".gitignore", ".git/info/exclude"];

/// The ignore files of a tree and of the directories above it.
#[derive(Debug, Default)]
pub struct Ignores {
    /// by name, then by the directory for which a file speaks
    files: [HashMap<PathBuf, Gitignore>; 3],
}

impl Ignores {
    /// Takes an ignore file; other files are passed over. Lines that do not parse are too, as git
    /// does.
    pub fn add(&mut self, path: &Path, content: &[u8]) {
        for (name, files) in IGNORE_FILES.iter().zip(&mut self.files) {
            let Some(directory) = path.ancestors().nth(Path::new(name).components().count()) else {
                continue;
            };
            if !path.ends_with(name) {
                continue;
            }
            let mut builder = GitignoreBuilder::new(directory);
            for line in String::from_utf8_lossy(content).lines() {
                let _not_a_pattern = builder.add_line(None, line);
            }
            if let Ok(built) = builder.build() {
                files.insert(directory.to_owned(), built);
            }
        }
    }

    /// Whether a file below `top` is left out: by itself, or with a directory that it lies in.
    pub(crate) fn leave_out(&self, top: &Path, file: &Path) -> bool {
        let below = file.ancestors().take_while(|place| *place != top);
        below.enumerate().any(|(steps, place)| self.matches(place, steps > 0))
    }

    /// Whether the ignore files of the directories above `place` leave it out by itself; whether it
    /// lies in a directory that is left out is not asked.
    pub fn matches(&self, place: &Path, is_directory: bool) -> bool {
        let by_name = self.files.iter().map(|files| {
            let above = place.ancestors().skip(1).filter_map(|directory| files.get(directory));
            above.map(|file| file.matched(place, is_directory)).find(|found| !found.is_none())
        });
        matches!(by_name.flatten().next(), Some(Match::Ignore(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_file_and_the_strongest_name_decide() {
        let mut ignores = Ignores::default();
        ignores.add(Path::new("/w/.gitignore"), b"*.log\n/target/\nsub/x\n");
        ignores.add(Path::new("/w/sub/.gitignore"), b"!keep.log\n");
        ignores.add(Path::new("/w/.ignore"), b"!strong.log\n");
        ignores.add(Path::new("/w/.git/info/exclude"), b"private\n");
        let out = |file: &str| ignores.leave_out(Path::new("/w"), Path::new(file));
        assert!(out("/w/a.log") && out("/w/target/x/y") && out("/w/sub/x") && out("/w/sub/b.log"));
        assert!(out("/w/sub/private"));
        assert!(!out("/w/sub/keep.log") && !out("/w/strong.log") && !out("/w/sub/target/x"));
    }
}
