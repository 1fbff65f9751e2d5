//! From a workflow file on disk to what a session is given, through the public API.

use std::fs;
use std::path::{Path, PathBuf};

use canon_orchestrator::config::{self, Environment};
use canon_orchestrator::issue::Issue;
use canon_orchestrator::template::Template;
use canon_orchestrator::tracker::{self, ToolContext};
use canon_orchestrator::workflow;
use canon_orchestrator::workspace::{IssueContext, Workspaces};
use serde_json::json;
use tokio_util::sync::CancellationToken;

fn environment() -> Environment {
    Environment::of([("HOME", "/home/me")])
}

/// The reference implementation's own workflow file, from the directory of published test data that
/// `CANON_TEST_DATA` names, else from the one beside the checkout.
fn reference() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("CANON_TEST_DATA").map_or(beside, PathBuf::from);
    Some(data.join("workflows/symphony-reference.md")).filter(|path| path.is_file())
}

fn issue() -> Issue {
    Issue {
        id: "i1".into(),
        native_ref: None,
        identifier: "MT-1".into(),
        title: "A title".into(),
        description: Some("What to do.".into()),
        priority: Some(1),
        state: "Todo".into(),
        branch_name: None,
        url: Some("https://example.org/1".into()),
        assignee_id: None,
        labels: vec!["bug".into()],
        blocked_by: vec![],
        dispatchable: true,
        created_at: None,
        updated_at: None,
    }
}

#[test]
fn the_references_own_workflow_loads_renders_whole_and_lacks_only_its_tracker() {
    let Some(path) = reference() else {
        eprintln!("skipped: the reference's workflow file is not on this machine");
        return;
    };
    let workflow = workflow::load(&path).unwrap();
    let refusal = config::resolve(&workflow, &environment()).unwrap_err();
    let complaints: Vec<(&str, &str)> =
        refusal.errors.iter().map(|error| (error.class, error.key.as_str())).collect();
    assert_eq!(complaints, [("unsupported_tracker_kind", "tracker.kind")]);
    assert_eq!(refusal.warnings, []);

    let template = Template::parse(&workflow.prompt_template, workflow.template_line).unwrap();
    let first = template.render(&issue(), None).unwrap();
    assert!(first.starts_with("You are working on a Linear ticket `MT-1`"));
    assert!(first.contains("Current status: Todo") && first.contains("What to do."));
    assert!(!first.contains("follow-up attempt"));
    assert!(first.trim_end().ends_with("````"), "the prompt is cut short");
    assert!(!first.contains("{{") && !first.contains("{%"));
    let again = template.render(&issue(), Some(2)).unwrap();
    assert!(again.contains("This is follow-up attempt #2."));
}

#[test]
fn the_references_settings_are_all_understood() {
    let Some(path) = reference() else {
        eprintln!("skipped: the reference's workflow file is not on this machine");
        return;
    };
    let text = fs::read_to_string(&path).unwrap().replacen("kind: linear", "kind: files", 1);
    let workflow = workflow::parse(&path, text.as_bytes()).unwrap();
    let resolved = config::resolve(&workflow, &environment()).unwrap();
    let config = resolved.config;
    assert_eq!(config.workspace.root, Path::new("/home/me/code/symphony-workspaces"));
    assert_eq!(config.polling.interval_ms, 5_000);
    assert_eq!(config.tracker.active_states, ["Todo", "In Progress", "Merging", "Rework"]);
    assert_eq!((config.agent.max_concurrent_agents, config.agent.max_turns), (10, 20));
    assert!(
        config.codex.command.ends_with("app-server")
            && config.codex.command.contains("'model=\"gpt-5.5\"'")
    );
    assert_eq!(config.codex.approval_policy, "never");
    let policy = json!({"type": "workspaceWrite", "networkAccess": true});
    assert_eq!(config.codex.turn_sandbox_policy, Some(policy));
    assert!(config.hooks.after_create.is_some() && config.hooks.before_remove.is_some());
    // The provider's own keys belong to another adapter here, and are kept all the same.
    assert_eq!(resolved.warnings.len(), 1);
    assert_eq!(config.tracker.provider["project_slug"], "symphony-0c79b11b75ea");
}

#[tokio::test]
async fn an_issue_goes_from_its_file_to_a_prompt_in_a_workspace_and_on_to_review() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    fs::create_dir(base.join("issues")).unwrap();
    fs::write(
        base.join("issues/CAN-1.md"),
        "---\ntitle: First\nstate: Todo\nlabels: [Bug]\n---\nFix it.\n",
    )
    .unwrap();
    fs::write(
        base.join("WORKFLOW.md"),
        "---\ntracker:\n  kind: files\n  provider: {states: [Human Review]}\n  required_labels: [bug]\n\
         workspace: {root: work}\nhooks:\n  after_create: echo \"$CANON_ISSUE_IDENTIFIER\" > made-for\n---\n\
         {{ issue.identifier }}: {{ issue.description }}{% if attempt %} again{% endif %}\n",
    )
    .unwrap();

    let workflow = workflow::load(&base.join("WORKFLOW.md")).unwrap();
    let config = config::resolve(&workflow, &environment()).unwrap().config;
    let tracker = tracker::open(&config.tracker, &environment()).unwrap();
    let issue =
        tracker.fetch_issues_by_states(&config.tracker.active_states).await.unwrap().pop().unwrap();
    assert!(issue.routable(&config.tracker.required_labels));

    let workspaces = Workspaces::new(&config, workflow.dir(), tracker.secret_environment_names());
    let context =
        IssueContext { id: issue.id.clone(), identifier: issue.identifier.clone(), attempt: None };
    let cancel = CancellationToken::new();
    let workspace = workspaces.ensure(&context, &cancel).await.unwrap();
    assert_eq!(workspace.path, base.join("work/CAN-1"));
    assert_eq!(fs::read_to_string(workspace.path.join("made-for")).unwrap(), "CAN-1\n");
    workspaces.check_launch(&issue.identifier, &workspace.path).await.unwrap();

    let template = Template::parse(&workflow.prompt_template, workflow.template_line).unwrap();
    assert_eq!(template.render(&issue, None).unwrap(), "CAN-1: Fix it.");

    let update = json!({"state": "Human Review", "comment": "ready"});
    let result =
        tracker.execute_tool("issue_update", &update, &ToolContext { issue: issue.clone() }).await;
    assert!(result.success, "{result:?}");
    let after =
        tracker.fetch_issues_by_ids(std::slice::from_ref(&issue.id)).await.unwrap().pop().unwrap();
    assert_eq!(after.state, "Human Review");
    assert!(workspaces.remove(&context, &cancel).await.unwrap());
}
