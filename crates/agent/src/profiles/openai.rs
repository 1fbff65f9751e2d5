//! The OpenAI family.

use std::sync::Arc;

use canon_llm::get_model_info;
use serde_json::Map;

use super::{Capabilities, Profile, context_window};
use crate::tools::{ApplyPatch, Tool, core_tools};

const BASE: &str = include_str!("openai.md");

pub(super) fn profile(provider: &str, model: &str) -> Profile {
    let info = get_model_info(model);
    Profile {
        id: "openai".to_owned(),
        provider: provider.to_owned(),
        model: model.to_owned(),
        display_name: info.map_or_else(|| model.to_owned(), |info| info.display_name.clone()),
        knowledge_cutoff: None,
        base_instructions: BASE.trim_end().to_owned(),
        tools: tools(),
        provider_options: Map::new(),
        capabilities: Capabilities {
            reasoning: info.is_none_or(|info| info.supports_reasoning),
            streaming: true,
            parallel_tool_calls: true,
        },
        context_window: context_window(provider, model),
        document_names: vec!["AGENTS.md".to_owned(), ".codex/instructions.md".to_owned()],
        command_timeout_ms: None,
    }
}

/// The core tools, and `apply_patch` where a model of this family looks for it.
fn tools() -> Vec<Arc<dyn Tool>> {
    let mut tools = core_tools();
    tools.insert(1, Arc::new(ApplyPatch));
    tools
}

#[cfg(test)]
mod tests {
    use crate::profiles::Profile;

    #[test]
    fn the_family_serves_openai_compatible_and_scripted_models() {
        for provider in ["openai", "openai-compatible", "scripted"] {
            let profile = Profile::for_model(provider, "some-model").unwrap();
            let names: Vec<String> =
                profile.tools.iter().map(|tool| tool.definition().name).collect();
            assert_eq!(
                names,
                ["read_file", "apply_patch", "write_file", "edit_file", "shell", "grep", "glob"],
                "{provider}"
            );
        }
        assert!(Profile::for_model("nobody", "x").is_err());
    }

    #[test]
    fn the_window_comes_from_the_catalogue_of_that_provider() {
        assert!(Profile::openai("openai", "gpt-5.2").context_window.is_some());
        assert_eq!(Profile::openai("openai", "unheard-of").context_window, None);
    }
}
