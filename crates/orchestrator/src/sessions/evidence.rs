//! What is recorded about an attempt when it ends: enough for a later statement about it.

use std::collections::BTreeMap;

use canon_digest::{canonical, sha256};
use serde::Serialize;
use serde_json::Value;

use super::git::{self, Commit};
use super::record::AttemptRecord;
use super::verify::Verification;

/// The record's version; fields are added, never changed.
const VERSION: u32 = 1;

/// What happened in the session, as the conversation counted it.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub(super) turns: u32,
    /// Calls by tool: commands as `shell`, file changes as `file_change`, others by their name.
    pub(super) tools: BTreeMap<String, u32>,
    pub(super) model: Option<String>,
    pub(super) model_provider: Option<String>,
    /// As the agent named itself.
    pub(super) agent: Option<String>,
    /// The sandbox that the agent found, if it said so.
    pub(super) sandbox: Option<Value>,
    pub(super) thread_id: Option<String>,
}

#[derive(Serialize)]
struct Evidence<'a> {
    v: u32,
    issue_digest: Option<String>,
    workflow_digest: &'a str,
    prompt_digest: String,
    agent_kind: &'a str,
    agent: &'a Option<String>,
    model: &'a Option<String>,
    model_provider: &'a Option<String>,
    /// Words of a model that came from a file, not from a model.
    scripted: bool,
    sandbox_asked: Value,
    sandbox_found: &'a Option<Value>,
    containment: &'a Option<String>,
    thread_id: &'a Option<String>,
    turns: u32,
    tools: &'a BTreeMap<String, u32>,
    base_commit: &'a Option<String>,
    head_commit: Option<String>,
    head_tree: Option<String>,
    commits: Vec<Commit>,
    tests_before: &'a Option<Verification>,
    tests_after: &'a Option<Verification>,
}

/// Gathers the evidence of an attempt that is over.
pub(super) async fn gather(
    record: &AttemptRecord,
    counted: &Counted,
    tests_after: &Option<Verification>,
) -> Value {
    let issue = serde_json::to_value(&record.origin.issue).ok();
    let issue_digest = issue.and_then(|issue| canonical(&issue).ok());
    let evidence = Evidence {
        v: VERSION,
        issue_digest: issue_digest.map(|bytes| sha256(&bytes).to_string()),
        workflow_digest: &record.workflow_digest,
        prompt_digest: sha256(record.prompt.as_bytes()).to_string(),
        agent_kind: &record.agent,
        agent: &counted.agent,
        model: &counted.model,
        model_provider: &counted.model_provider,
        scripted: counted.model_provider.as_deref() == Some("scripted"),
        sandbox_asked: serde_json::to_value(record.options.sandbox).unwrap_or_default(),
        sandbox_found: &counted.sandbox,
        containment: &record.containment,
        thread_id: &counted.thread_id,
        turns: counted.turns,
        tools: &counted.tools,
        base_commit: &record.base_commit,
        head_commit: git::head(&record.workspace).await,
        head_tree: git::tree(&record.workspace).await,
        commits: git::commits(&record.workspace, record.base_commit.as_deref()).await,
        tests_before: &record.tests_before,
        tests_after,
    };
    serde_json::to_value(evidence).unwrap_or_default()
}
