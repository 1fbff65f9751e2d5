//! The workflow file: YAML front matter and a prompt template in one Markdown file (Symphony §5).

pub mod front_matter;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use front_matter::YamlError;

/// Name of the workflow file where none is given (Symphony §5.1).
pub const DEFAULT_FILE: &str = "WORKFLOW.md";

/// Largest workflow file that is read, in bytes.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// A workflow file as read; not yet checked against any schema (Symphony §4.1.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// Absolute path of the file.
    pub path: PathBuf,
    /// Root map of the front matter; empty when there is none.
    pub config: Map<String, Value>,
    /// Body after the front matter, trimmed.
    pub prompt_template: String,
    /// Line of the file, counted from 1, on which the trimmed template begins.
    pub template_line: usize,
    /// SHA-256 of the file's bytes, lower-case hex.
    pub digest: String,
    /// Text of the front matter, lines numbered as in the file; for messages only.
    pub(crate) front_matter: String,
}

/// Why a workflow file could not be loaded (Symphony §5.5).
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    /// The file cannot be read.
    #[error("missing_workflow_file: cannot read {}: {source}; create it or pass the path of another", path.display())]
    Missing {
        /// File that was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was read but makes no sense.
    #[error("workflow_parse_error: {}:{line}:{column}: {message}", path.display())]
    Parse {
        /// File that was read.
        path: PathBuf,
        /// Line in the file, from 1.
        line: usize,
        /// Column in the line, from 1.
        column: usize,
        /// What is wrong and what to do.
        message: String,
    },
    /// The front matter is YAML, but no map.
    #[error(
        "workflow_front_matter_not_a_map: {}: the front matter is {found}; write `key: value` lines between the two `---`",
        path.display()
    )]
    FrontMatterNotAMap {
        /// File that was read.
        path: PathBuf,
        /// What stands there instead.
        found: &'static str,
    },
}

impl WorkflowError {
    /// Stable name of the class (Symphony §5.5).
    pub fn class(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing_workflow_file",
            Self::Parse { .. } => "workflow_parse_error",
            Self::FrontMatterNotAMap { .. } => "workflow_front_matter_not_a_map",
        }
    }
}

/// Path of the workflow file: as given, else `WORKFLOW.md` in `cwd` (Symphony §5.1).
pub fn resolve_path(explicit: Option<&Path>, cwd: &Path) -> PathBuf {
    cwd.join(explicit.unwrap_or(Path::new(DEFAULT_FILE)))
}

/// Reads and splits the workflow file at `path`.
///
/// # Errors
/// See [`WorkflowError`]; each names the file, and the line where there is one.
pub fn load(path: &Path) -> Result<Workflow, WorkflowError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let bytes = read(&path)?;
    parse(&path, &bytes)
}

/// SHA-256 of `bytes` in lower-case hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold(String::with_capacity(64), |mut hex, byte| {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Bytes of the file at `path`, at most one more than [`MAX_BYTES`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, WorkflowError> {
    let missing = |source| WorkflowError::Missing { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(missing)?;
    if !metadata.is_file() {
        // Opening a FIFO would wait for a writer for ever.
        return Err(missing(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let file = File::open(path).map_err(missing)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(missing)?;
    Ok(bytes)
}

/// Splits `bytes`, the content of the file at `path`.
///
/// # Errors
/// [`WorkflowError::Parse`] and [`WorkflowError::FrontMatterNotAMap`].
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Workflow, WorkflowError> {
    let fail = |error: YamlError| WorkflowError::Parse {
        path: path.to_owned(),
        line: error.line,
        column: error.column,
        message: error.message,
    };
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("the file is larger than {MAX_BYTES} bytes; shorten it");
        return Err(fail(YamlError { line: 1, column: 1, message }));
    }
    let text = front_matter::decode(bytes).map_err(fail)?;
    let parts = front_matter::split(text).map_err(fail)?;
    let config = match parts.yaml {
        None => Map::new(),
        Some(yaml) => match front_matter::parse(yaml).map_err(fail)? {
            Value::Null => Map::new(),
            Value::Object(map) => map,
            other => {
                let found = front_matter::kind_of(&other);
                return Err(WorkflowError::FrontMatterNotAMap { path: path.to_owned(), found });
            }
        },
    };
    let leading = parts.body.len() - parts.body.trim_start().len();
    let skipped = parts.body.get(..leading).unwrap_or_default().matches('\n').count();
    Ok(Workflow {
        path: path.to_owned(),
        config,
        prompt_template: parts.body.trim().to_owned(),
        template_line: parts.body_line + skipped,
        digest: digest(bytes),
        front_matter: parts.yaml.unwrap_or_default().to_owned(),
    })
}

impl Workflow {
    /// Directory of the file: what relative paths in it are relative to.
    pub fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Line of the file on which the key at the dotted `key_path` stands, where that can be told.
    pub(crate) fn line_of(&self, key_path: &str) -> Option<usize> {
        front_matter::line_of(&self.front_matter, key_path)
    }
}

#[cfg(test)]
mod tests;
