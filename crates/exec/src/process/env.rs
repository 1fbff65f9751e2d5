//! Which environment variables a command sees (coding agent loop §4.2).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use serde::{Deserialize, Serialize};

/// Last words of names that hold secrets. The specification names five (`API_KEY`, `SECRET`,
/// `TOKEN`, `PASSWORD`, `CREDENTIAL`); the rest are spellings in wide use that those five miss.
const SECRET_WORDS: [&str; 14] = [
    "KEY",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "PAT",
    "PASS",
    "PASSWD",
    "PASSWORD",
    "PASSPHRASE",
    "CREDENTIAL",
    "CREDENTIALS",
    "AUTH",
    "DSN",
    "SSH_AUTH_SOCK",
];

/// Names that [`Inherit::Core`] keeps: what programs need to find themselves and their tools.
const CORE: [&str; 29] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TERM",
    "TMPDIR",
    "TMP",
    "TEMP",
    "TZ",
    "GOPATH",
    "GOROOT",
    "GOCACHE",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "NVM_DIR",
    "NVM_BIN",
    "VOLTA_HOME",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "RBENV_ROOT",
    "GEM_HOME",
    "JAVA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
];

/// What is taken over from the parent's environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inherit {
    /// everything but names that look like secrets ([`is_secret_name`])
    #[default]
    AllButSecrets,
    /// only what programs need to run: `PATH`, `HOME`, locale, language tool paths
    Core,
    /// nothing
    None,
}

/// Which variables a command sees: what is inherited, plus `set`, minus `remove`.
/// A removed name is absent whatever else says (tracker secrets, Symphony ruling 14).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvPolicy {
    /// what comes from the parent
    pub inherit: Inherit,
    /// explicit values; these may carry names that look like secrets
    pub set: BTreeMap<String, String>,
    /// names that are never passed on, compared without regard to case
    pub remove: BTreeSet<String>,
}

impl EnvPolicy {
    /// Nothing inherited, nothing set.
    pub fn empty() -> Self {
        Self { inherit: Inherit::None, ..Self::default() }
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set.insert(name.into(), value.into());
        self
    }

    /// Forbids a name.
    #[must_use]
    pub fn without(mut self, name: impl Into<String>) -> Self {
        self.remove.insert(name.into());
        self
    }

    /// The environment for a child of a process with the environment `parent`.
    pub fn resolve(
        &self,
        parent: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> BTreeMap<OsString, OsString> {
        let mut out: BTreeMap<OsString, OsString> =
            parent.into_iter().filter(|(name, value)| self.inherits(name, value)).collect();
        for (name, value) in &self.set {
            if is_settable(name, value) {
                out.insert(name.into(), value.into());
            }
        }
        out.retain(|name, _| !self.removes(name));
        out
    }

    /// [`Self::resolve`] against this process's own environment.
    pub fn resolve_current(&self) -> BTreeMap<OsString, OsString> {
        self.resolve(std::env::vars_os())
    }

    fn inherits(&self, name: &OsStr, value: &OsStr) -> bool {
        match self.inherit {
            Inherit::None => false,
            Inherit::Core => name.to_str().is_some_and(is_core),
            Inherit::AllButSecrets => {
                !is_secret_name(&name.to_string_lossy())
                    && !holds_password(&value.to_string_lossy())
            }
        }
    }

    fn removes(&self, name: &OsStr) -> bool {
        let name = name.to_string_lossy();
        self.remove.iter().any(|removed| removed.eq_ignore_ascii_case(&name))
    }
}

/// Whether a variable of this name is taken to hold a secret: `*_KEY`, `*_SECRET`, `*_TOKEN`,
/// `*_PASSWORD`, `*_CREDENTIAL` and close relatives, in any case, with or without a prefix.
pub fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    SECRET_WORDS.iter().any(|word| {
        upper.strip_suffix(word).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('_'))
    })
}

/// Whether a value is an address with a password in it: `scheme://user:password@host`.
fn holds_password(value: &str) -> bool {
    value.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
    })
}

fn is_core(name: &str) -> bool {
    CORE.contains(&name) || name.starts_with("LC_")
}

/// The operating system cannot carry these, and a child would fail to start with a riddle.
fn is_settable(name: &str, value: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
}

#[cfg(test)]
mod tests;
