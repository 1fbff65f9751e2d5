//! The system prompt in its layers (loop spec §6). It is built once for a session, so that
//! providers' prompt caches hold.

mod discovery;
mod documents;
mod environment;
mod gather;

use canon_llm::ToolDefinition;

use crate::profiles::Profile;
use crate::truncate::first_chars;

pub use documents::ProjectDocument;
pub use environment::{GitSnapshot, PromptContext};
pub(crate) use gather::gather;

/// Characters of a tool's first sentence.
const MAX_SENTENCE: usize = 200;

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

/// Providers send the whole descriptions with the tools: here stands what each is for.
fn tool_block(tools: &[ToolDefinition]) -> String {
    if tools.is_empty() {
        return String::new();
    }
    let row = |tool: &ToolDefinition| match first_sentence(&tool.description) {
        "" => format!("- {}", tool.name),
        sentence => format!("- {}: {sentence}", tool.name),
    };
    let rows: Vec<String> = tools.iter().map(row).collect();
    format!("# Available tools\n{}", rows.join("\n"))
}

/// The first line up to a `.` behind which another sentence begins; tools of other makers may have
/// long ones.
fn first_sentence(description: &str) -> &str {
    let line = description.trim().lines().next().unwrap_or_default().trim_end();
    let end = line.match_indices(". ").find(|(at, _)| {
        line[at + 2..].chars().next().is_none_or(|next| !next.is_lowercase() && next != ' ')
    });
    first_chars(end.map_or(line, |(at, _)| &line[..=at]), MAX_SENTENCE)
}

#[cfg(test)]
mod tests;
