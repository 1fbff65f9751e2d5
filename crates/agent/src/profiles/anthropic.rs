//! The Anthropic family (loop spec §3.5): changes replace one exact text by another.

use super::{Parts, instructions};
use crate::tools::core_tools;

/// As in the family's own agent.
const COMMAND_TIMEOUT_MS: u64 = 120_000;

pub(super) fn parts() -> Parts {
    Parts {
        base_instructions: instructions::put_together(
            include_str!("text/anthropic.md"),
            include_str!("text/anthropic_tools.md"),
        ),
        tools: core_tools(),
        document_name: Some("CLAUDE.md"),
        command_timeout_ms: Some(COMMAND_TIMEOUT_MS),
    }
}
