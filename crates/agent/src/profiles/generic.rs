//! Models of which nothing is known: the tools that all families share (loop spec §3.3).

use serde_json::Map;

use super::{Parts, instructions};
use crate::tools::core_tools;

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
