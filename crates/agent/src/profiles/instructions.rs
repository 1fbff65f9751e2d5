//! Base instructions: what all families need, and what each puts before it (loop spec §6.2).

const WORKING: &str = include_str!("text/working.md");
const TOOLS: &str = include_str!("text/tools.md");
const ANSWERING: &str = include_str!("text/answering.md");

/// Who the model is, how it works, its tools (the family's rules, then the shared ones), and how it
/// answers. `tools` is a list without a heading.
pub(super) fn put_together(identity: &str, tools: &str) -> String {
    let tools = format!("# Tools\n{}\n{}", tools.trim(), TOOLS.trim());
    [identity.trim(), WORKING.trim(), &tools, ANSWERING.trim()].join("\n\n")
}
