//! The system prompt in its layers (loop spec §6). It is built once for a session, so that
//! providers' prompt caches hold.

mod documents;
mod environment;
mod gather;

use canon_llm::ToolDefinition;

use crate::profiles::Profile;

pub use documents::ProjectDocument;
pub use environment::{GitSnapshot, PromptContext};
pub(crate) use gather::gather;

/// Puts the layers together: the profile's instructions, the environment, the tools, the project's
/// documents, and last, with the highest precedence, what the user says.
pub fn system_prompt(
    profile: &Profile,
    context: &PromptContext,
    tools: &[ToolDefinition],
    user_instructions: Option<&str>,
) -> String {
    let layers = [
        profile.base_instructions.trim().to_owned(),
        environment::block(profile, context),
        environment::git_block(context),
        tool_block(tools),
        documents::block(&context.documents),
        user_instructions.map(str::trim).map_or_else(String::new, |text| {
            if text.is_empty() { String::new() } else { format!("# User instructions\n{text}") }
        }),
    ];
    layers.into_iter().filter(|layer| !layer.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn tool_block(tools: &[ToolDefinition]) -> String {
    if tools.is_empty() {
        return String::new();
    }
    let rows: Vec<String> =
        tools.iter().map(|tool| format!("- {}: {}", tool.name, tool.description)).collect();
    format!("# Available tools\n{}", rows.join("\n"))
}

#[cfg(test)]
mod tests;
