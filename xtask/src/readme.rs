//! The commands that the README promises, run as they are on a copy of the examples.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::workspace::{cargo, root, run as run_command, target};

/// A command of the README.
struct Example {
    name: &'static str,
    /// What must exist for it; without it the example is reported as skipped.
    needs: &'static str,
    /// After `canon`; run in the root of the copy.
    args: &'static [&'static str],
    /// How the README spells it, word for word.
    spelled: &'static str,
}

/// Add the next one here.
const EXAMPLES: &[Example] = &[Example {
    name: "readme-quickstart",
    needs: "examples/quickstart/WORKFLOW.md",
    args: &["up", "examples/quickstart/WORKFLOW.md", "--until-idle"],
    spelled: "cargo run --release -- up examples/quickstart/WORKFLOW.md --until-idle",
}];

/// Longer than any example takes on a slow machine.
const LIMIT_SECONDS: &str = "900";

/// Builds the release binary once and runs every example with it; returns names and reasons of those it could not.
pub(crate) fn run() -> Result<Vec<(String, String)>, Failure> {
    run_command(&mut cargo(["build", "--release", "--package", "canon", "--bin", "canon"]))?;
    let binary = target().join("release/canon");
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let mut skipped = Vec::new();
    for Example { name, needs, args, spelled } in EXAMPLES {
        if !root().join(needs).exists() {
            println!("skipped: {name}: there is no {needs}");
            skipped.push(((*name).to_owned(), format!("there is no {needs}")));
            continue;
        }
        if !readme.contains(spelled) {
            return Err(Failure::work(format!(
                "README.md does not show `{spelled}`: bring it and xtask/src/readme.rs together"
            )));
        }
        let copy = tempfile::tempdir()
            .and_then(|dir| {
                copy_tree(&root().join("examples"), &dir.path().join("examples")).map(|()| dir)
            })
            .map_err(|error| Failure::environment(format!("cannot copy the examples: {error}")))?;
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=30", LIMIT_SECONDS])
            .arg(&binary)
            .args(*args)
            .current_dir(copy.path());
        // A newcomer has no key; with one, the example would spend money.
        for key in [
            "OPENAI_API_KEY",
            "ANTHROPIC_API_KEY",
            "GEMINI_API_KEY",
            "GOOGLE_API_KEY",
            "CANON_MODEL",
        ] {
            command.env_remove(key);
        }
        command.env("CANON_HOME", copy.path().join("home"));
        run_command(&mut command)?;
    }
    Ok(skipped)
}

/// Files with their modes, links as links.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_copy_has_modes_and_links() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("inner/run"), "#!/bin/bash\n").unwrap();
        fs::set_permissions(from.join("inner/run"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("inner/run", from.join("link")).unwrap();
        copy_tree(&from, &to).unwrap();
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("inner/run"));
        assert_eq!(fs::metadata(to.join("link")).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
