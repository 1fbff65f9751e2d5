//! What an attempt needs to be taken up again by another daemon, kept beside its journal.

use std::path::{Path, PathBuf};

use canon_protocol::codex::client::Options;
use serde::{Deserialize, Serialize};

use super::verify::Verification;
use crate::issue::Issue;
use crate::supervisor::SessionDir;

/// An attempt as the machine ordered it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Unique in the ledger.
    pub attempt_id: String,
    /// As read before the dispatch.
    pub issue: Issue,
    /// For the prompt; none on the first run.
    pub attempt: Option<u32>,
    /// Turns that the session may have.
    pub max_turns: u32,
}

/// An attempt whose agent has been started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AttemptRecord {
    pub(super) origin: Origin,
    pub(super) workspace: PathBuf,
    pub(super) started_at_ms: u64,
    pub(super) options: Options,
    pub(super) prompt: String,
    pub(super) workflow_digest: String,
    pub(super) agent: String,
    /// `HEAD` of the workspace before the agent touched it.
    pub(super) base_commit: Option<String>,
    pub(super) tests_before: Option<Verification>,
    /// What holds the agent's processes together, once they run.
    pub(super) containment: Option<String>,
}

impl AttemptRecord {
    fn path(dir: &SessionDir) -> PathBuf {
        dir.path().join("attempt.json")
    }

    /// Writes the record; to be done before the supervisor starts.
    pub(super) fn save(&self, dir: &SessionDir) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir.path())?;
        write_private(&Self::path(dir), &serde_json::to_vec(self)?)
    }

    pub(super) fn load(dir: &SessionDir) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(Self::path(dir))?)?)
    }
}

/// Writes `bytes` readable by the user alone, whole or not at all. It is not forced to the disk: only
/// a session that lives is taken up again, and none outlives what the page cache does not.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let temporary = path.with_extension("tmp");
    let mut file = std::fs::File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    std::fs::rename(&temporary, path)
}
