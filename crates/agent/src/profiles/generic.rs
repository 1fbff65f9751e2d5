//! Models of which nothing is known: the tools that all families share (loop spec §3.3).

use std::sync::Arc;

use serde_json::Map;

use super::{Parts, instructions};
use crate::tools::{ApplyPatch, EditFile, ListDir, ReadManyFiles, Tool, core_tools};

pub(super) fn parts() -> Parts {
    Parts {
        base_instructions: instructions::put_together(
            include_str!("text/generic.md"),
            include_str!("text/generic_tools.md"),
        ),
        tools: core_tools(),
        document_name: None,
        command_timeout_ms: None,
        provider_options: Map::new(),
    }
}

/// What any family has. `edit_file` is the one that takes the arguments of all.
pub(super) fn tools_for_transcripts() -> Vec<Arc<dyn Tool>> {
    let mut tools = core_tools();
    for tool in &mut tools {
        if tool.definition().name == EditFile::NAME {
            *tool = Arc::new(EditFile::Instructed);
        }
    }
    tools.extend([
        Arc::new(ApplyPatch) as Arc<dyn Tool>,
        Arc::new(ReadManyFiles),
        Arc::new(ListDir),
    ]);
    tools
}
