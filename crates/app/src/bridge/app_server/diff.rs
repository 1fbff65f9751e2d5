//! The changes of files in a turn, as one unified diff.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canon_exec::ExecutionEnvironment;

/// Files beyond this many bytes are left out.
const MAX_FILE: u64 = 1024 * 1024;
/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The files that file tools changed in the turn that runs, as they were before. What commands
/// change is not seen.
#[derive(Default)]
pub(super) struct Changes(Mutex<State>);

#[derive(Default)]
struct State {
    environment: Option<Arc<dyn ExecutionEnvironment>>,
    /// `None` for a file that was not there.
    before: BTreeMap<PathBuf, Option<String>>,
}

impl Changes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files are looked at in this environment from now on.
    pub(super) fn look_in(&self, environment: Arc<dyn ExecutionEnvironment>) {
        self.state().environment = Some(environment);
    }

    /// A new turn begins.
    pub(super) fn forget(&self) {
        self.state().before.clear();
    }

    /// Takes note of files that are about to be changed.
    pub(super) async fn before(&self, files: &[PathBuf]) {
        let Some(environment) = self.state().environment.clone() else { return };
        for file in files {
            if self.state().before.contains_key(file) {
                continue;
            }
            if let Some(content) = read(environment.as_ref(), file).await {
                self.state().before.entry(file.clone()).or_insert(content);
            }
        }
    }

    /// All changes since the turn began; empty for none.
    pub(super) async fn diff(&self) -> String {
        let (environment, before) = {
            let state = self.state();
            (state.environment.clone(), state.before.clone())
        };
        let Some(environment) = environment else { return String::new() };
        let mut all = String::new();
        for (file, before) in before {
            let Some(after) = read(environment.as_ref(), &file).await else { continue };
            let name = file.strip_prefix(environment.working_directory()).unwrap_or(&file);
            all.push_str(&unified(name, before.as_deref(), after.as_deref()));
        }
        all
    }
}

/// The text of a file; the inner `None` when it is not there, the outer when it cannot be shown.
async fn read(environment: &dyn ExecutionEnvironment, file: &Path) -> Option<Option<String>> {
    if !environment.file_exists(file).await.ok()? {
        return Some(None);
    }
    let bytes = environment.read_file(file, MAX_FILE).await.ok()?;
    String::from_utf8(bytes).ok().map(Some)
}

/// One file's change in one hunk: what stands between its common beginning and its common end.
fn unified(name: &Path, before: Option<&str>, after: Option<&str>) -> String {
    if before == after {
        return String::new();
    }
    let (old, new) = (lines(before), lines(after));
    let common = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - common;
    let tail =
        old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let from = common.saturating_sub(CONTEXT);
    let until = |length: usize| (length - tail + CONTEXT).min(length);
    let (old_end, new_end) = (until(old.len()), until(new.len()));
    let name = name.display();
    let mut text = format!("diff --git a/{name} b/{name}\n");
    let side = |there: bool, side: char| match there {
        true => format!("{side}/{name}"),
        false => "/dev/null".to_owned(),
    };
    match (before, after) {
        (None, _) => text.push_str("new file mode 100644\n"),
        (_, None) => text.push_str("deleted file mode 100644\n"),
        _ => {}
    }
    // An empty file that comes or goes has no lines.
    if old.is_empty() && new.is_empty() {
        return text;
    }
    let (left, right) = (side(before.is_some(), 'a'), side(after.is_some(), 'b'));
    let range = |end: usize| match end - from {
        0 => format!("{from},0"),
        count => format!("{},{count}", from + 1),
    };
    let _ =
        writeln!(text, "--- {left}\n+++ {right}\n@@ -{} +{} @@", range(old_end), range(new_end));
    let mut push = |sign: char, lines: &[&str]| {
        for line in lines {
            let _ = write!(text, "{sign}{line}");
            if !line.ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    };
    push(' ', &old[from..common]);
    push('-', &old[common..old.len() - tail]);
    push('+', &new[common..new.len() - tail]);
    push(' ', &old[old.len() - tail..old_end]);
    text
}

/// Lines with their ends.
fn lines(text: Option<&str>) -> Vec<&str> {
    text.unwrap_or_default().split_inclusive('\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(before: Option<&str>, after: Option<&str>) -> String {
        unified(Path::new("f"), before, after)
    }

    #[test]
    fn a_change_is_one_hunk_with_its_context() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let after = "1\n2\n3\n4\nfive\nsix\n7\n8\n9\n";
        assert_eq!(
            diff(Some(before), Some(after)),
            "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -2,8 +2,8 @@\n 2\n 3\n 4\n-5\n-6\n+five\n\
             +six\n 7\n 8\n 9\n"
        );
        assert_eq!(diff(Some(before), Some(before)), "");
    }

    #[test]
    fn files_that_come_and_go_and_have_no_last_line_end() {
        assert_eq!(
            diff(None, Some("a\nb")),
            "diff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n\
             +b\n\\ No newline at end of file\n"
        );
        assert_eq!(
            diff(Some("a\n"), None),
            "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n\
             -a\n"
        );
        assert_eq!(diff(None, Some("")), "diff --git a/f b/f\nnew file mode 100644\n");
    }

    /// What `git apply` makes of the differences is the judge.
    #[test]
    fn git_takes_every_diff() {
        let texts =
            ["", "a\n", "a", "a\nb\nc\n", "x\na\nb\n", "a\nb\nc\nd\ne\nf\ng\nh\ni", "i\n\n\n"];
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        for before in texts.iter().map(Some).chain([None]) {
            for after in texts.iter().map(Some).chain([None]) {
                let text = diff(before.copied(), after.copied());
                if text.is_empty() {
                    continue;
                }
                match before {
                    Some(before) => std::fs::write(&file, before).unwrap(),
                    None => drop(std::fs::remove_file(&file)),
                }
                std::fs::write(dir.path().join("p"), &text).unwrap();
                let git = std::process::Command::new("git")
                    .args(["apply", "p"])
                    .current_dir(dir.path())
                    .env("GIT_CEILING_DIRECTORIES", dir.path())
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&git.stderr);
                assert!(git.status.success(), "{before:?} {after:?}: {said}\n{text}");
                assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), after.copied());
            }
        }
    }
}
