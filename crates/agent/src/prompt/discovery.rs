//! Finding the project's documents (loop spec §6.5).

use std::path::{Path, PathBuf};
use std::time::Duration;

use canon_exec::{ExecCommand, ExecutionEnvironment, FileError};

use super::documents::ProjectDocument;

/// A document of this size is a mistake; what the prompt takes of one is far less.
const MAX_DOCUMENT_BYTES: u64 = 1024 * 1024;

/// Of asking where links lead.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A file that was found, and its text or a note on why there is none.
struct Found {
    path: PathBuf,
    content: String,
}

/// The documents of each directory from `root` down to `cwd`. One that cannot be shown stands there
/// with a note, so that the model knows of it; one that links to another of them counts once.
pub(super) async fn documents(
    env: &dyn ExecutionEnvironment,
    root: &Path,
    cwd: &Path,
    names: &[String],
) -> Vec<ProjectDocument> {
    let found = read_all(env, root, cwd, names).await;
    if found.is_empty() {
        return Vec::new();
    }
    let places = real_paths(env, root, &found).await;
    let mut seen: Vec<&str> = Vec::new();
    let mut documents = Vec::with_capacity(found.len());
    for (at, document) in found.iter().enumerate() {
        let mut content = document.content.clone();
        if let Some((real_root, place)) =
            places.as_ref().and_then(|places| Some((places.first()?, places.get(at + 1)?)))
        {
            if seen.contains(&place.as_str()) {
                continue;
            }
            seen.push(place);
            if !Path::new(place).starts_with(real_root) {
                content = note("it is a link out of the repository");
            }
        }
        let path = document.path.strip_prefix(root).unwrap_or(&document.path);
        documents.push(ProjectDocument { path: path.display().to_string(), content });
    }
    documents
}

fn note(why: &str) -> String {
    format!("[The text of this file is left out: {why}.]")
}

async fn read_all(
    env: &dyn ExecutionEnvironment,
    root: &Path,
    cwd: &Path,
    names: &[String],
) -> Vec<Found> {
    let mut directories: Vec<&Path> =
        cwd.ancestors().take_while(|directory| directory.starts_with(root)).collect();
    directories.reverse();
    let mut paths = Vec::new();
    for directory in directories {
        paths.extend(names.iter().map(|name| directory.join(name)));
    }
    let mut found = Vec::new();
    for path in paths {
        let content = match env.read_text(&path, MAX_DOCUMENT_BYTES).await {
            Ok(content) => content,
            Err(FileError::NotFound { .. } | FileError::NotADirectory { .. }) => continue,
            Err(error) => {
                tracing::warn!(%error, "a project document cannot be read");
                note(&error.to_string())
            }
        };
        found.push(Found { path, content });
    }
    found
}

/// Where `root` and the documents really lie; `None` when that cannot be learned.
async fn real_paths(
    env: &dyn ExecutionEnvironment,
    root: &Path,
    found: &[Found],
) -> Option<Vec<String>> {
    let paths = std::iter::once(root).chain(found.iter().map(|document| document.path.as_path()));
    let quoted: Vec<String> = paths.map(|path| quoted(&path.to_string_lossy())).collect();
    let script = format!(
        "for path in {}; do printf '%s\\0' \"$(readlink -f -- \"$path\")\"; done",
        quoted.join(" ")
    );
    let command = ExecCommand { timeout: Some(TIMEOUT), ..ExecCommand::new(script) };
    let places = match env.exec_command(command).await {
        Ok(result) if result.success() => result.stdout,
        Ok(_) => return None,
        Err(error) => {
            tracing::debug!(%error, "links of project documents could not be followed");
            return None;
        }
    };
    let places: Vec<String> = places.split_terminator('\0').map(str::to_owned).collect();
    let known = places.len() == found.len() + 1 && places.iter().all(|place| !place.is_empty());
    known.then_some(places)
}

/// For the shell: nothing in a name is taken for more than a name.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
