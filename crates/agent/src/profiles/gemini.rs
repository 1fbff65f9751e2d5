//! The Gemini family (loop spec §3.6).

use super::{Parts, instructions};
use crate::tools::core_tools;

pub(super) fn parts() -> Parts {
    Parts {
        base_instructions: instructions::put_together(
            include_str!("text/gemini.md"),
            include_str!("text/gemini_tools.md"),
        ),
        tools: core_tools(),
        document_name: Some("GEMINI.md"),
        command_timeout_ms: None,
    }
}
