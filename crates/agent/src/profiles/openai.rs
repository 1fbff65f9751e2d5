//! The OpenAI family (loop spec §3.4): changes are patches.

use std::sync::Arc;

use serde_json::Map;

use super::{Parts, instructions};
use crate::tools::{ApplyPatch, Glob, Grep, ReadFile, Shell, WriteFile};

pub(super) fn parts() -> Parts {
    Parts {
        base_instructions: instructions::put_together(
            include_str!("text/openai.md"),
            include_str!("text/openai_tools.md"),
        ),
        tools: vec![
            Arc::new(ReadFile),
            Arc::new(ApplyPatch),
            Arc::new(WriteFile),
            Arc::new(Shell),
            Arc::new(Grep),
            Arc::new(Glob),
        ],
        document_name: Some(".codex/instructions.md"),
        command_timeout_ms: None,
        provider_options: Map::new(),
    }
}
