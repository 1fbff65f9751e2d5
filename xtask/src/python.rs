//! Python packages for tests and benches, in environments of their own under `target/tools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::workspace::{run, target};

/// A virtual environment with exactly what a list of requirements names.
pub(crate) struct Environment {
    /// Its directory under `target/tools`.
    pub(crate) name: &'static str,
    /// The list, in pip's form, every version pinned.
    pub(crate) requirements: &'static str,
}

/// A copy of the list of what was installed, written last: an installation that broke off has none.
const STAMP: &str = "requirements.txt";

impl Environment {
    fn dir(&self) -> PathBuf {
        target().join("tools").join(self.name)
    }

    /// Its Python, if all that is wanted is installed.
    pub(crate) fn installed(&self) -> Option<PathBuf> {
        let dir = self.dir();
        let python = python_in(&dir);
        let same = fs::read_to_string(dir.join(STAMP)).is_ok_and(|had| had == self.requirements);
        (same && python.exists()).then_some(python)
    }

    /// Installs it from the package index, unless it is there. Takes ready-built packages alone: nothing is compiled,
    /// and no package's own code runs.
    pub(crate) fn ensure(&self) -> Result<PathBuf, Failure> {
        if let Some(python) = self.installed() {
            println!("{} is there: {}", self.name, python.display());
            return Ok(python);
        }
        let dir = self.dir();
        let unwritable = |path: &Path, error: std::io::Error| {
            Failure::environment(format!("cannot write {}: {error}", path.display()))
        };
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
        let wanted = dir.join("wanted.txt");
        fs::write(&wanted, self.requirements).map_err(|error| unwritable(&wanted, error))?;
        let python = python_in(&dir);
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&python)
            .args(install)
            .args(["--no-compile", "--no-deps", "--only-binary", ":all:", "--requirement"])
            .arg(&wanted))?;
        let stamp = dir.join(STAMP);
        fs::rename(&wanted, &stamp).map_err(|error| unwritable(&stamp, error))?;
        Ok(python)
    }
}

fn python_in(dir: &Path) -> PathBuf {
    dir.join("bin/python")
}

#[cfg(test)]
mod tests {
    /// Without `--no-deps` pip would choose the versions of what is not listed by itself.
    #[test]
    fn every_requirement_has_one_version() {
        for list in [&crate::sdks::ENVIRONMENT, &crate::bench::peers::LITELLM] {
            let list = list.requirements;
            let lines = list.lines().map(str::trim);
            let named: Vec<&str> =
                lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
            assert!(!named.is_empty());
            for line in named {
                let (name, version) = line.split_once("==").unwrap_or_else(|| panic!("{line}"));
                let plain = |text: &str, more: &str| {
                    !text.is_empty()
                        && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
                };
                assert!(plain(name, "-_.") && plain(version, "."), "{line}");
            }
        }
    }
}
