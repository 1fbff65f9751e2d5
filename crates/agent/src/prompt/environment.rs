//! The environment and git blocks (loop spec §6.3, §6.4).

use super::documents::ProjectDocument;
use crate::profiles::Profile;

/// What is known of the place where a session runs, as of its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptContext {
    /// Absolute.
    pub working_directory: String,
    /// `linux`, `darwin`, …
    pub platform: String,
    /// Name and release.
    pub os_version: String,
    /// `YYYY-MM-DD`, in UTC.
    pub today: String,
    /// What git says, where the working directory is in a repository.
    pub git: Option<GitSnapshot>,
    /// Root first.
    pub documents: Vec<ProjectDocument>,
}

/// The repository at the session's start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitSnapshot {
    /// The branch; `None` when the head is detached.
    pub branch: Option<String>,
    /// Tracked files that differ.
    pub modified: usize,
    /// Files that git does not know.
    pub untracked: usize,
    /// The newest commits first: short hash and subject.
    pub recent_commits: Vec<String>,
}

pub(super) fn block(profile: &Profile, context: &PromptContext) -> String {
    let branch = context.git.as_ref().map(|git| git.branch.as_deref().unwrap_or("(detached)"));
    let mut rows = vec![
        format!("Working directory: {}", context.working_directory),
        format!("Is git repository: {}", context.git.is_some()),
    ];
    rows.extend(branch.map(|branch| format!("Git branch: {}", one_line(branch))));
    rows.push(format!("Platform: {}", context.platform));
    rows.push(format!("OS version: {}", context.os_version));
    rows.push(format!("Today's date: {}", context.today));
    rows.push(format!("Model: {}", profile.display_name));
    rows.extend(profile.knowledge_cutoff.iter().map(|date| format!("Knowledge cutoff: {date}")));
    format!("<environment>\n{}\n</environment>", rows.join("\n"))
}

pub(super) fn git_block(context: &PromptContext) -> String {
    let Some(git) = &context.git else { return String::new() };
    let mut rows = vec![format!(
        "Status at the start of the session: {} modified, {} untracked files",
        git.modified, git.untracked
    )];
    if !git.recent_commits.is_empty() {
        rows.push("Recent commits:".to_owned());
        rows.extend(git.recent_commits.iter().map(|commit| format!("- {}", one_line(commit))));
    }
    format!("<git>\n{}\n</git>", rows.join("\n"))
}

/// Names and subjects come from the repository: none of them may begin a line of its own.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
