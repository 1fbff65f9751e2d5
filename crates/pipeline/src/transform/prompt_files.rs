//! Prompts from files: `prompt="@plan.md"`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Transform;
use crate::diagnostic::Diagnostic;
use crate::graph::{Graph, Origin};

/// Bytes of a prompt file.
pub const MAX_PROMPT: u64 = 1024 * 1024;

/// Replaces each prompt that is one line beginning with `@` by the text of the file that it names,
/// relative to the directory of the source. The file must lie below that directory, links followed:
/// who hands in a pipeline does not get to read other files with it.
#[derive(Debug, Clone)]
pub struct PromptFiles {
    base: Option<PathBuf>,
}

impl PromptFiles {
    /// Of files below `base`; without one, every prompt file is an error.
    pub fn below(base: Option<&Path>) -> Self {
        Self { base: base.map(Path::to_owned) }
    }

    fn read(&self, name: &str) -> Result<String, String> {
        let base = self.base.as_deref().ok_or("the source is no file that it could lie beside")?;
        let base = base.canonicalize().map_err(|error| format!("{}: {error}", base.display()))?;
        let path = base.join(name).canonicalize().map_err(|error| error.to_string())?;
        if !path.starts_with(&base) {
            return Err(format!("it lies outside of {}", base.display()));
        }
        let metadata = path.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("it is no plain file".to_owned());
        }
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(|error| error.to_string())?;
        file.take(MAX_PROMPT + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > MAX_PROMPT {
            return Err(format!("it is larger than {MAX_PROMPT} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())?;
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        Ok(text)
    }
}

/// The file that a prompt names; `@` and something that is one line.
fn file_of(prompt: &str) -> Option<&str> {
    let name = prompt.trim().strip_prefix('@')?.trim();
    (!name.is_empty() && !name.contains(['\n', '\r'])).then_some(name)
}

impl Transform for PromptFiles {
    fn apply(&self, graph: &Graph, found: &mut Vec<Diagnostic>) -> Graph {
        let mut filled = graph.clone();
        for node in graph.node_indexes() {
            let Some(attr) = graph.node(node).attrs().get("prompt") else { continue };
            let Some(name) = file_of(attr.value.text()) else { continue };
            match self.read(name) {
                Ok(text) => filled.rewrite_node_attr(node, "prompt", text, Origin::Explicit),
                Err(why) => found.push(
                    Diagnostic::error(
                        "prompt_file",
                        format!("the prompt file `{name}` cannot be used: {why}"),
                    )
                    .node(graph.id(node))
                    .at(attr.value_span.or(graph.node(node).span()))
                    .fix(
                        "name a text file below the pipeline's directory; a prompt that only \
                         looks like a file name may begin with a word",
                    ),
                ),
            }
        }
        filled
    }
}
