//! Project documents and their budget (loop spec §6.5).

use crate::truncate::first_bytes;

/// Bytes that all documents together may take.
const BUDGET: usize = 32 * 1024;

const MARKER: &str = "[Project instructions truncated at 32KB]";

/// One instruction file of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectDocument {
    /// Path relative to the root of the repository.
    pub path: String,
    /// Its text.
    pub content: String,
}

/// All documents, root first. When the budget is short, the most specific ones are kept.
pub(super) fn block(documents: &[ProjectDocument]) -> String {
    let mut left = BUDGET;
    let mut kept = Vec::new();
    let mut cut = false;
    for document in documents.iter().rev() {
        let text = document.content.trim();
        if text.is_empty() {
            continue;
        }
        if left == 0 {
            cut = true;
            break;
        }
        let part = first_bytes(text, left);
        left = if part.len() < text.len() { 0 } else { left - part.len() };
        if part.len() < text.len() {
            cut = true;
        }
        if !part.is_empty() {
            kept.push((document.path.as_str(), part));
        }
    }
    if kept.is_empty() {
        return String::new();
    }
    kept.reverse();
    let mut block = String::from(
        "# Project instructions\nFrom files of the project; where they disagree, the later one \
         holds.",
    );
    if cut {
        block.push_str(&format!("\n{MARKER}"));
    }
    for (path, text) in kept {
        block.push_str(&format!("\n\n## {path}\n{text}"));
    }
    block
}
