//! Where Canon keeps its state.

use std::path::PathBuf;

use crate::error::Error;

/// Environment variable that names the state directory.
pub const CANON_HOME: &str = "CANON_HOME";

/// The state directory: `CANON_HOME`, else `canon` under `XDG_STATE_HOME`, else
/// `~/.local/state/canon`. Absolute; not made here.
pub fn state() -> Result<PathBuf, Error> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let path = if let Some(home) = set(CANON_HOME) {
        PathBuf::from(home)
    } else if let Some(state) = set("XDG_STATE_HOME") {
        PathBuf::from(state).join("canon")
    } else if let Some(home) = set("HOME") {
        PathBuf::from(home).join(".local/state/canon")
    } else {
        return Err(Error::environment("no place for Canon's state: HOME is not set")
            .hint("set CANON_HOME to a directory that can be written"));
    };
    std::path::absolute(&path).map_err(|source| {
        Error::environment(format!(
            "the state directory {} is not usable: {source}",
            path.display()
        ))
        .hint("set CANON_HOME to a directory that can be written")
    })
}
