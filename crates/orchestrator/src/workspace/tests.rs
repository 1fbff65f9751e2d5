use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::config::{self, Environment};
use crate::workflow;

struct Fixture {
    dir: tempfile::TempDir,
    workspaces: Workspaces,
}

/// Workspaces under `root` beside a workflow file with `hooks`.
fn fixture(hooks: &str) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let text = format!("---\ntracker: {{kind: files}}\nworkspace: {{root: root}}\n{hooks}---\n");
    let workflow = workflow::parse(&base.join("WORKFLOW.md"), text.as_bytes()).unwrap();
    let resolved = config::resolve(&workflow, &Environment::of([])).unwrap();
    let workspaces = Workspaces::new(&resolved.config, workflow.dir(), vec![]);
    Fixture { dir, workspaces }
}

fn issue(identifier: &str) -> IssueContext {
    IssueContext { id: format!("id-{identifier}"), identifier: identifier.into(), attempt: None }
}

impl Fixture {
    async fn ensure(&self, identifier: &str) -> Result<Workspace, WorkspaceError> {
        self.workspaces.ensure(&issue(identifier), &CancellationToken::new()).await
    }

    async fn remove(&self, identifier: &str) -> Result<bool, WorkspaceError> {
        self.workspaces.remove(&issue(identifier), &CancellationToken::new()).await
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }
}

#[tokio::test]
async fn s17_2_a_missing_workspace_is_made_and_an_existing_one_reused() {
    let fixture = fixture("");
    let first = fixture.ensure("CAN-1").await.unwrap();
    assert!(first.created_now && first.path.is_dir());
    assert_eq!(first.path.file_name().unwrap(), "CAN-1");
    fs::write(first.path.join("kept"), "x").unwrap();
    let second = fixture.ensure("CAN-1").await.unwrap();
    assert_eq!(second, Workspace { created_now: false, ..first });
    assert!(second.path.join("kept").exists());
    assert_eq!(fixture.workspaces.path("CAN-1").canonicalize().unwrap(), second.path);
}

#[tokio::test]
async fn ruling_02_a_file_at_the_workspace_path_fails_and_stays() {
    let fixture = fixture("");
    let path = fixture.workspaces.path("CAN-1");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "mine").unwrap();
    let error = fixture.ensure("CAN-1").await.unwrap_err();
    assert!(error.to_string().contains("is a file, expected a directory"), "{error}");
    assert!(fixture.remove("CAN-1").await.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn ruling_02_a_symbolic_link_at_the_workspace_path_is_never_followed() {
    let fixture = fixture("");
    let outside = fixture.dir.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    let path = fixture.workspaces.path("CAN-1");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(&outside, &path).unwrap();
    assert!(matches!(fixture.ensure("CAN-1").await, Err(WorkspaceError::NotADirectory { .. })));
    assert!(fixture.remove("CAN-1").await.is_err());
    assert!(fixture.workspaces.check_launch("CAN-1", &outside).await.is_err());
    assert!(outside.join("precious").exists());
}

#[tokio::test]
async fn removal_does_not_follow_links_inside_the_workspace() {
    let fixture = fixture("");
    let workspace = fixture.ensure("CAN-1").await.unwrap();
    let outside = fixture.dir.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    symlink(&outside, workspace.path.join("link")).unwrap();
    assert!(fixture.remove("CAN-1").await.unwrap());
    assert!(!workspace.path.exists() && outside.join("precious").exists());
    assert!(!fixture.remove("CAN-1").await.unwrap());
}

#[tokio::test]
async fn a_root_that_is_a_symbolic_link_is_resolved() {
    let fixture = fixture("");
    let real = fixture.dir.path().join("elsewhere");
    fs::create_dir_all(&real).unwrap();
    symlink(&real, fixture.workspaces.root()).unwrap();
    let workspace = fixture.ensure("CAN-1").await.unwrap();
    assert_eq!(workspace.path, real.canonicalize().unwrap().join("CAN-1"));
    fixture.workspaces.check_launch("CAN-1", &workspace.path).await.unwrap();
}

#[tokio::test]
async fn s17_2_launch_elsewhere_than_in_the_workspace_is_rejected() {
    let fixture = fixture("");
    let workspace = fixture.ensure("CAN-1").await.unwrap();
    let other = fixture.ensure("CAN-2").await.unwrap();
    let check = async |cwd: &Path| fixture.workspaces.check_launch("CAN-1", cwd).await;
    assert!(check(&workspace.path).await.is_ok());
    for cwd in [
        other.path.as_path(),
        workspace.path.parent().unwrap(),
        Path::new("/"),
        &workspace.path.join(".."),
    ] {
        assert!(
            matches!(check(cwd).await, Err(WorkspaceError::OutsideRoot { .. })),
            "{}",
            cwd.display()
        );
    }
}

#[tokio::test]
async fn s17_2_identifiers_that_would_leave_the_root_stay_inside() {
    let fixture = fixture("");
    for identifier in ["..", ".", "../../etc", "/etc/passwd", "a/../../b", "a\0b"] {
        let workspace = fixture.ensure(identifier).await.unwrap();
        assert_eq!(
            workspace.path.parent(),
            Some(fixture.workspaces.root().canonicalize().unwrap().as_path())
        );
    }
}

#[tokio::test]
async fn a_root_that_cannot_be_made_is_one_clear_error() {
    let fixture = fixture("");
    fs::write(fixture.workspaces.root(), "file").unwrap();
    let error = fixture.ensure("CAN-1").await.unwrap_err();
    assert!(error.to_string().starts_with("cannot use the workspace root"), "{error}");
}

#[tokio::test]
async fn s17_2_after_create_runs_only_for_a_new_workspace_in_it() {
    let fixture = fixture(
        "hooks:\n  after_create: |\n    pwd >> \"$CANON_WORKFLOW_DIR/log\"\n    echo \"$CANON_HOOK $CANON_ISSUE_ID $CANON_ISSUE_IDENTIFIER [$CANON_ATTEMPT] $CANON_WORKSPACE\" >> ../../log\n",
    );
    let workspace = fixture.ensure("CAN-1").await.unwrap();
    fixture.ensure("CAN-1").await.unwrap();
    let path = workspace.path.display();
    assert_eq!(fixture.read("log"), format!("{path}\nafter_create id-CAN-1 CAN-1 [] {path}\n"));
}

#[tokio::test]
async fn s17_2_a_failing_after_create_leaves_no_workspace() {
    let fixture = fixture("hooks: {after_create: 'touch made; echo no luck >&2; exit 3'}\n");
    let error = fixture.ensure("CAN-1").await.unwrap_err();
    assert_eq!(error.to_string(), "hook after_create failed with exit status 3: no luck");
    assert!(!fixture.workspaces.path("CAN-1").exists());
    // What was there before stays, whatever the hook says.
    fs::create_dir_all(fixture.workspaces.path("CAN-2")).unwrap();
    assert!(!fixture.ensure("CAN-2").await.unwrap().created_now);
}

#[tokio::test]
async fn s17_2_before_run_failure_and_timeout_abort_the_attempt() {
    let failing = fixture("hooks: {before_run: 'echo broken; exit 1'}\n");
    let workspace = failing.ensure("CAN-1").await.unwrap();
    let cancel = CancellationToken::new();
    let error =
        failing.workspaces.before_run(&workspace, &issue("CAN-1"), &cancel).await.unwrap_err();
    assert_eq!(error.to_string(), "hook before_run failed with exit status 1: broken");

    let hanging = fixture(
        "hooks: {before_run: 'echo waiting; read x < <(tail -f /dev/null)', timeout_ms: 300}\n",
    );
    let workspace = hanging.ensure("CAN-1").await.unwrap();
    let error =
        hanging.workspaces.before_run(&workspace, &issue("CAN-1"), &cancel).await.unwrap_err();
    // A busy machine may not even have let it print.
    assert!(error.to_string().starts_with("hook before_run did not end within 300 ms"), "{error}");
}

#[tokio::test]
async fn s17_2_after_run_and_before_remove_failures_are_ignored() {
    let fixture = fixture(
        "hooks: {after_run: 'echo ran >> ../../log; exit 1', before_remove: 'echo going >> ../../log; exit 1'}\n",
    );
    let workspace = fixture.ensure("CAN-1").await.unwrap();
    fixture.workspaces.after_run(&workspace, &issue("CAN-1"), &CancellationToken::new()).await;
    assert!(fixture.remove("CAN-1").await.unwrap());
    assert!(!workspace.path.exists());
    assert_eq!(fixture.read("log"), "ran\ngoing\n");
}

#[tokio::test]
async fn a_cancelled_hook_ends_early() {
    let fixture = fixture("hooks: {before_run: 'read x < <(tail -f /dev/null)'}\n");
    let workspace = fixture.ensure("CAN-1").await.unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error =
        fixture.workspaces.before_run(&workspace, &issue("CAN-1"), &cancel).await.unwrap_err();
    assert!(
        matches!(error, WorkspaceError::Hook(HookError::Cancelled { hook: Hook::BeforeRun })),
        "{error}"
    );
}

#[tokio::test]
async fn an_interrupted_after_create_is_made_anew() {
    let fixture = fixture(
        "hooks: {after_create: 'echo run >> ../../log; test -e ../../go || { touch half; mkfifo ../../p; read x < ../../p; }'}\n",
    );
    let cancel = CancellationToken::new();
    let half = fixture.workspaces.path("CAN-1").join("half");
    let context = issue("CAN-1");
    let mut ensure = Box::pin(fixture.workspaces.ensure(&context, &cancel));
    // Driven until the hook has begun its work, then dropped as a killed daemon would drop it.
    let begun = async {
        while !half.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = &mut ensure => panic!("{ended:?}"),
        () = begun => {}
    }
    drop(ensure);
    fs::write(fixture.dir.path().join("go"), "").unwrap();
    let workspace = fixture.ensure("CAN-1").await.unwrap();
    assert!(workspace.created_now && !workspace.path.join("half").exists());
    assert_eq!(fixture.read("log"), "run\nrun\n");
    assert!(!fixture.ensure("CAN-1").await.unwrap().created_now);
    let left: Vec<_> =
        fs::read_dir(fixture.workspaces.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["CAN-1"]);
}

#[tokio::test]
async fn the_root_is_checked_before_the_first_attempt() {
    let fixture = fixture("");
    check_root(fixture.workspaces.root()).unwrap();
    assert_eq!(fs::read_dir(fixture.workspaces.root()).unwrap().count(), 0);
    assert!(!exists(fixture.workspaces.root(), "CAN-1"));
    fixture.ensure("CAN-1").await.unwrap();
    assert!(exists(fixture.workspaces.root(), "CAN-1"));
    let file = fixture.dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(check_root(&file).is_err());
    assert!(check_root(Path::new("/proc/no/such")).is_err());
}

#[tokio::test]
async fn read_only_directories_are_removed_too() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = fixture("");
    let workspace = fixture.ensure("CAN-1").await.unwrap();
    let cache = workspace.path.join("cache/deep");
    fs::create_dir_all(&cache).unwrap();
    fs::write(cache.join("f"), "x").unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o500)).unwrap();
    assert!(fixture.remove("CAN-1").await.unwrap());
    assert!(!workspace.path.exists());
}
