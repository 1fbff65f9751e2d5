//! The real Codex CLI, against which the app-server client is tested.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::workspace::{capture, run, target};

/// The version that the protocol was read from.
const VERSION: &str = "0.169.0";

/// Names the binary to tests. Without it they report themselves as skipped.
pub(crate) const VARIABLE: &str = "CANON_CODEX_BIN";

fn dir() -> PathBuf {
    target().join("tools/codex")
}

/// The binary to test with: the one that the variable names already, or the one that was installed here before.
pub(crate) fn installed() -> Option<PathBuf> {
    std::env::var_os(VARIABLE)
        .map(PathBuf::from)
        .or_else(|| native(&dir()))
        .filter(|binary| is_wanted(binary))
}

/// Installs the binary from npm, unless it is there.
pub(crate) fn ensure() -> Result<PathBuf, Failure> {
    if let Some(binary) = installed() {
        println!("codex {VERSION} is there: {}", binary.display());
        return Ok(binary);
    }
    let dir = dir();
    let manifest = dir.join("package.json");
    fs::create_dir_all(&dir).and_then(|()| fs::write(&manifest, "{\"private\": true}\n")).map_err(
        |error| Failure::environment(format!("cannot write {}: {error}", manifest.display())),
    )?;
    run(Command::new("npm")
        .current_dir(&dir)
        .args(["install", "--no-audit", "--no-fund", "--no-save", "--include=optional"])
        .arg(format!("@openai/codex@{VERSION}")))?;
    native(&dir).filter(|binary| is_wanted(binary)).ok_or_else(|| {
        let dir = dir.display();
        Failure::environment(format!(
            "npm installed no codex {VERSION} for this machine under {dir}: remove it and try again"
        ))
    })
}

fn is_wanted(binary: &Path) -> bool {
    capture(Command::new(binary).arg("--version"))
        .is_ok_and(|said| said.split_whitespace().any(|word| word == VERSION))
}

/// `node_modules/@openai/codex-<platform>/vendor/<triple>/…/codex`: the program itself, not its launcher in Node.
fn native(dir: &Path) -> Option<PathBuf> {
    let scope = dir.join("node_modules/@openai");
    let vendors = entries(&scope).into_iter().map(|package| package.join("vendor"));
    vendors.flat_map(|vendor| entries(&vendor)).find_map(|triple| {
        ["bin/codex", "codex/codex"]
            .map(|name| triple.join(name))
            .into_iter()
            .find(|binary| binary.is_file())
    })
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_and_not_its_launcher() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(native(dir.path()), None);
        let scope = dir.path().join("node_modules/@openai");
        for path in
            ["codex/bin/codex", "codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex"]
        {
            fs::create_dir_all(scope.join(path).parent().unwrap()).unwrap();
            fs::write(scope.join(path), "").unwrap();
        }
        let expected = scope.join("codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex");
        assert_eq!(native(dir.path()), Some(expected));
    }
}
