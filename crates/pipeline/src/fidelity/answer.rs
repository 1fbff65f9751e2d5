//! The latest answer of a model, from the directory of its stage.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::handler::Stage;
use crate::run::{Done, file_name};

/// How many stages back an answer is looked for.
const STAGES: usize = 8;

/// The node that answered last, and how its answer begins: at most `limit` characters.
pub(super) fn latest(stage: &Stage, limit: usize) -> Option<(String, String)> {
    if limit == 0 {
        return None;
    }
    let roots = roots(stage);
    let read = |done: &Done| {
        let text = places(stage, &roots, done).find_map(|path| begin_of(&path, limit))?;
        Some((done.node.clone(), text))
    };
    stage.history.iter().take(STAGES).find_map(read)
}

/// Where the stages of this frame, and of those that it came from, have their directories.
fn roots(stage: &Stage) -> Vec<&Path> {
    let mut roots = vec![stage.logs_root.as_path()];
    let mut frame = stage.attempt.frame.clone();
    let mut root = stage.logs_root.as_path();
    while !frame.is_root() {
        // `component/branches/branch`
        let Some(above) = root.ancestors().nth(3) else { break };
        root = above;
        roots.push(root);
        frame = frame.parent();
    }
    roots
}

fn places<'a>(
    stage: &'a Stage,
    roots: &'a [&Path],
    done: &'a Done,
) -> impl Iterator<Item = PathBuf> + 'a {
    let own = done.node == stage.node().id();
    roots.iter().map(move |root| {
        let dir = root.join(file_name(&done.node));
        // What the node itself said before was moved aside when this visit began.
        let dir = if own { dir.join("visits").join(done.visit.to_string()) } else { dir };
        dir.join("response.md")
    })
}

fn begin_of(path: &Path, limit: usize) -> Option<String> {
    let plain = std::fs::symlink_metadata(path).ok()?.is_file();
    let file = plain.then(|| File::open(path).ok()).flatten()?;
    let mut bytes = Vec::new();
    // A character has at most four bytes.
    file.take(limit as u64 * 4 + 4).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    (!text.is_empty()).then(|| super::preamble::cut(text, limit))
}
