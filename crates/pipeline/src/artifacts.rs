//! Larger results of stages, by name (Attractor §5.5). The context holds small values only.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canon_runtime::secret::Redactor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::AttemptId;
use crate::outcome::Outcome;
use crate::run::{file_name, redact_value};

/// Bytes of JSON from which an artifact has a file of its own.
pub const FILE_BACKED: usize = 100 * 1024;
/// Bytes of JSON that one value of the context may have; a larger one becomes an artifact.
pub const MAX_VALUE: usize = 16 * 1024;
/// Characters of such a value that stay in the context.
const EXCERPT: usize = 1_000;
/// Name of the index, which holds the smaller artifacts too.
const INDEX: &str = "index.jsonl";
/// Bytes of an id; what is longer would be too long for the name of a file.
const MAX_ID: usize = 64;

/// What is known of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactInfo {
    /// Its id.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// Bytes as JSON.
    pub size_bytes: usize,
    /// When it was stored, in Unix milliseconds.
    pub stored_at: u64,
    /// Whether it has a file of its own: `artifacts/ID.json`.
    pub is_file_backed: bool,
}

/// An artifact that cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is none of this id.
    #[error("there is no artifact `{id}`")]
    NotFound {
        /// The id.
        id: String,
    },
    /// The file system failed, or a file was changed by somebody else.
    #[error("artifact file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
}

/// A line of the index.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Stored {
        #[serde(flatten)]
        info: ArtifactInfo,
        /// None where it has a file of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<Value>,
    },
    Removed {
        removed: String,
    },
}

type Entries = BTreeMap<String, (ArtifactInfo, Option<Value>)>;

/// The artifacts of a run. What is stored is on disk when the call returns, and is there again when
/// the run is resumed.
#[derive(Debug)]
pub struct Artifacts {
    dir: PathBuf,
    redactor: Arc<Redactor>,
    entries: Mutex<Entries>,
}

impl Artifacts {
    /// The artifacts in `dir`, which is made when the first is stored. Secrets are taken out of
    /// what is stored.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn open(dir: impl Into<PathBuf>, redactor: Arc<Redactor>) -> Result<Self, ArtifactError> {
        let dir = dir.into();
        let path = dir.join(INDEX);
        let index = match fs::read(&path) {
            Ok(index) => index,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(ArtifactError::Io { path, source }),
        };
        let whole = index.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let mut entries = Entries::new();
        for line in index[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = serde_json::from_slice(line)
                .map_err(|error| ArtifactError::Io { path: path.clone(), source: error.into() })?;
            match line {
                Line::Stored { info, data } => drop(entries.insert(info.id.clone(), (info, data))),
                Line::Removed { removed } => drop(entries.remove(&removed)),
            }
        }
        if whole < index.len() {
            // The line that a crash tore was of an artifact that nobody was told of.
            let cut = OpenOptions::new().write(true).open(&path);
            let cut = cut.and_then(|file| file.set_len(whole as u64));
            cut.map_err(|source| ArtifactError::Io { path, source })?;
        }
        Ok(Self { dir, redactor, entries: Mutex::new(entries) })
    }

    /// Stores an artifact, in place of one of the same id. An id may be any text.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn store(
        &self,
        id: &str,
        name: &str,
        mut data: Value,
    ) -> Result<ArtifactInfo, ArtifactError> {
        redact_value(&self.redactor, &mut data);
        let text = data.to_string();
        let info = ArtifactInfo {
            id: id.to_owned(),
            name: self.redactor.redact(name).into_owned(),
            size_bytes: text.len(),
            stored_at: canon_runtime::clock::now_ms(),
            is_file_backed: text.len() > FILE_BACKED,
        };
        let mut entries = self.lock();
        fs::create_dir_all(&self.dir).map_err(|source| self.io(&self.dir, source))?;
        if info.is_file_backed {
            let path = self.path(id);
            replace(&path, text.as_bytes()).map_err(|source| self.io(&path, source))?;
        }
        let data = (!info.is_file_backed).then_some(data);
        let line = Line::Stored { info: info.clone(), data: data.clone() };
        self.append(&line)?;
        entries.insert(id.to_owned(), (info.clone(), data));
        Ok(info)
    }

    /// An artifact.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub fn retrieve(&self, id: &str) -> Result<Value, ArtifactError> {
        let entries = self.lock();
        let Some((_, data)) = entries.get(id) else {
            return Err(ArtifactError::NotFound { id: id.to_owned() });
        };
        if let Some(data) = data {
            return Ok(data.clone());
        }
        let path = self.path(id);
        let read = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
        read.map_err(|source| self.io(&path, source))
    }

    /// Whether there is one of this id.
    pub fn has(&self, id: &str) -> bool {
        self.lock().contains_key(id)
    }

    /// All, by id.
    pub fn list(&self) -> Vec<ArtifactInfo> {
        self.lock().values().map(|(info, _)| info.clone()).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes one; that there is none is no error.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn remove(&self, id: &str) -> Result<(), ArtifactError> {
        let mut entries = self.lock();
        if let Some((info, _)) = entries.get(id) {
            self.append(&Line::Removed { removed: id.to_owned() })?;
            let path = self.path(id);
            if info.is_file_backed {
                fs::remove_file(&path).map_err(|source| self.io(&path, source))?;
            }
            entries.remove(id);
        }
        Ok(())
    }

    /// Removes all.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn clear(&self) -> Result<(), ArtifactError> {
        self.list().iter().try_for_each(|info| self.remove(&info.id))
    }

    /// Makes artifacts of the values that are too large for the context: what stays there is how
    /// they begin, how large they are, and the id.
    pub(crate) fn take_large(
        &self,
        attempt: &AttemptId,
        outcome: &mut Outcome,
    ) -> Result<(), ArtifactError> {
        for (key, value) in &mut outcome.context_updates {
            let size = match &value {
                Value::String(text) => text.len(),
                other => other.to_string().len(),
            };
            if size <= MAX_VALUE {
                continue;
            }
            let id = id_of(attempt, key);
            let large = value.take();
            let excerpt: String = crate::context::text(&large).chars().take(EXCERPT).collect();
            self.store(&id, key, large)?;
            *value = format!("{excerpt}… ({size} bytes in all: artifact {id})").into();
        }
        Ok(())
    }

    fn path(&self, id: &str) -> PathBuf {
        let mut name = file_name(id);
        if name.len() > MAX_ID {
            let digest = canon_digest::sha256(id.as_bytes()).to_string();
            let digest = digest.rsplit(':').next().unwrap_or_default().get(..16);
            name = format!("{}~{}", &name[..MAX_ID - 17], digest.unwrap_or_default());
        }
        self.dir.join(format!("{name}.json"))
    }

    fn append(&self, line: &Line) -> Result<(), ArtifactError> {
        let path = self.dir.join(INDEX);
        let write = || {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(&text)?;
            file.sync_data()
        };
        write().map_err(|source| self.io(&path, source))
    }

    fn io(&self, path: &Path, source: io::Error) -> ArtifactError {
        ArtifactError::Io { path: path.to_owned(), source }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of what an attempt leaves under a name; a later attempt of the same visit replaces it.
pub fn id_of(attempt: &AttemptId, name: &str) -> String {
    let mut id = String::new();
    if attempt.restart > 0 {
        id.push_str(&format!("restart-{}/", attempt.restart));
    }
    if !attempt.frame.is_root() {
        id.push_str(&format!("{}/", attempt.frame));
    }
    id.push_str(&attempt.node);
    if attempt.visit > 1 {
        id.push_str(&format!("@{}", attempt.visit));
    }
    format!("{id}.{name}")
}

/// Replaces a file as a whole.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("json.new");
    let mut file = File::create(&temporary)?;
    file.write_all(text)?;
    file.sync_data()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::FrameId;
    use crate::outcome::Status;

    fn open(dir: &Path) -> Artifacts {
        Artifacts::open(dir.join("artifacts"), Arc::new(Redactor::new([]))).unwrap()
    }

    fn large(byte: char) -> Value {
        Value::from(byte.to_string().repeat(FILE_BACKED))
    }

    #[test]
    fn pipeline_11_7_artifacts_are_there_again_after_a_crash() {
        let temp = tempfile::tempdir().unwrap();
        let artifacts = open(temp.path());
        assert!(artifacts.is_empty() && !temp.path().join("artifacts").exists());
        let small = artifacts.store("a/b", "small", json!({"n": 1})).unwrap();
        let big = artifacts.store("../../big", "big", large('x')).unwrap();
        artifacts.store("gone", "gone", large('y')).unwrap();
        artifacts.remove("gone").unwrap();
        assert!(!small.is_file_backed && big.is_file_backed);
        assert_eq!(big.size_bytes, FILE_BACKED + 2);
        let index = temp.path().join("artifacts/index.jsonl");
        let mut torn = fs::read(&index).unwrap();
        torn.extend_from_slice(b"{\"id\": \"half");
        fs::write(&index, torn).unwrap();
        let again = open(temp.path());
        assert_eq!(again.list(), [big, small]);
        assert_eq!(again.retrieve("a/b").unwrap(), json!({"n": 1}));
        assert_eq!(again.retrieve("../../big").unwrap(), large('x'));
        let error = again.retrieve("gone").unwrap_err();
        assert!(error.to_string().contains("no artifact `gone`"));
        again.store("c", "c", json!(2)).unwrap();
        assert_eq!(open(temp.path()).len(), 3);
        again.clear().unwrap();
        assert!(open(temp.path()).is_empty());
        let left: Vec<_> = fs::read_dir(temp.path().join("artifacts")).unwrap().collect();
        assert_eq!(left.len(), 1, "only the index is left: {left:?}");
    }

    #[test]
    fn every_id_has_a_file_of_its_own_below_the_directory() {
        let temp = tempfile::tempdir().unwrap();
        let artifacts = open(temp.path());
        let long = "n".repeat(500);
        let ids = ["..", "a/b", "a%2Fb", "index.jsonl", &long, &format!("{long}2"), ".", "é"];
        let paths: std::collections::BTreeSet<_> =
            ids.iter().map(|id| artifacts.path(id)).collect();
        assert_eq!(paths.len(), ids.len());
        for path in paths {
            assert_eq!(path.parent(), Some(temp.path().join("artifacts").as_path()));
            assert_ne!(path.file_name().unwrap(), "index.jsonl");
            assert!(path.file_name().unwrap().len() < 200);
        }
        artifacts.store("x", "one", large('1')).unwrap();
        artifacts.store("x", "two", json!("2")).unwrap();
        assert_eq!(open(temp.path()).retrieve("x").unwrap(), json!("2"));
    }

    #[test]
    fn a_value_that_is_too_large_for_the_context_becomes_an_artifact() {
        let temp = tempfile::tempdir().unwrap();
        let artifacts = open(temp.path());
        let attempt = AttemptId {
            restart: 0,
            frame: FrameId::root(),
            node: "a".to_owned(),
            visit: 2,
            attempt: 1,
        };
        let text = "word ".repeat(MAX_VALUE);
        let mut outcome = Outcome::of(Status::Success)
            .with("report", text.clone())
            .with("list", vec![1; MAX_VALUE])
            .with("small", "x".repeat(MAX_VALUE));
        artifacts.take_large(&attempt, &mut outcome).unwrap();
        let report = outcome.context_updates["report"].as_str().unwrap();
        assert!(report.starts_with("word word") && report.len() < 1_100, "{report}");
        assert!(report.ends_with(&format!("{} bytes in all: artifact a@2.report)", text.len())));
        assert_eq!(artifacts.retrieve("a@2.report").unwrap(), text);
        assert_eq!(artifacts.retrieve("a@2.list").unwrap(), json!(vec![1; MAX_VALUE]));
        assert_eq!(outcome.context_updates["small"], "x".repeat(MAX_VALUE));
        assert_eq!(artifacts.len(), 2);
    }

    #[test]
    fn secrets_are_in_no_artifact() {
        let temp = tempfile::tempdir().unwrap();
        let secret = canon_runtime::secret::Secret::new("hunter2-hunter2");
        let redactor = Arc::new(Redactor::new([secret]));
        let artifacts = Artifacts::open(temp.path(), redactor).unwrap();
        artifacts.store("a", "hunter2-hunter2", json!(["hunter2-hunter2"])).unwrap();
        let index = fs::read_to_string(temp.path().join(INDEX)).unwrap();
        assert!(!index.contains("hunter2"), "{index}");
    }
}
