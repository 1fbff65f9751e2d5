//! Patches on an environment that fails, on links, and in a sandbox.

use std::ops::Range;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use canon_agent::ToolOutput;
use canon_exec::{
    DirEntry, ExecCommand, ExecError, ExecResult, ExecutionEnvironment, FileError, FileMetadata,
    GlobOptions, GlobResult, GrepOptions, GrepResult, SandboxError, SandboxOptions, SandboxPolicy,
    SandboxReport, SandboxedEnvironment, SearchError, WriteOutcome,
};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::patch_scenarios::tree;
use crate::support::Place;
use crate::tools::{call, call_in};

/// An environment in which some changes fail.
#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn ExecutionEnvironment>,
    changes: AtomicUsize,
    /// Which changes fail, counted from 0.
    fails: Range<usize>,
    /// They are made all the same.
    lies: bool,
    /// A change takes one of `may`; before that it adds one to `wants`, after it one to `did`.
    may: Semaphore,
    wants: Semaphore,
    did: Semaphore,
}

impl Faulty {
    fn new(place: &Place, fails: Range<usize>, lies: bool) -> Arc<Self> {
        Arc::new(Self {
            inner: place.env(),
            changes: AtomicUsize::new(0),
            fails,
            lies,
            may: Semaphore::new(1000),
            wants: Semaphore::new(0),
            did: Semaphore::new(0),
        })
    }

    async fn change<T>(
        &self,
        path: &Path,
        work: impl Future<Output = Result<T, FileError>> + Send,
    ) -> Result<T, FileError> {
        self.wants.add_permits(1);
        self.may.acquire().await.unwrap().forget();
        let fails = self.fails.contains(&self.changes.fetch_add(1, Ordering::SeqCst));
        let done = if !fails || self.lies { Some(work.await) } else { None };
        self.did.add_permits(1);
        match done {
            Some(done) if !fails => done,
            _ => Err(FileError::OutsidePolicy { path: path.to_owned(), why: "a test".to_owned() }),
        }
    }
}

#[async_trait]
impl ExecutionEnvironment for Faulty {
    async fn read_file(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
        self.inner.read_file(path, max_bytes).await
    }
    async fn write_file(&self, path: &Path, content: &[u8]) -> Result<WriteOutcome, FileError> {
        self.change(path, self.inner.write_file(path, content)).await
    }
    async fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        self.change(path, self.inner.remove_file(path)).await
    }
    async fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        self.change(from, self.inner.rename(from, to)).await
    }
    async fn file_exists(&self, path: &Path) -> Result<bool, FileError> {
        self.inner.file_exists(path).await
    }
    async fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError> {
        self.inner.metadata(path).await
    }
    async fn list_directory(&self, path: &Path, depth: usize) -> Result<Vec<DirEntry>, FileError> {
        self.inner.list_directory(path, depth).await
    }
    async fn exec_command(&self, command: ExecCommand) -> Result<ExecResult, ExecError> {
        self.inner.exec_command(command).await
    }
    async fn grep(
        &self,
        pattern: &str,
        path: &Path,
        options: &GrepOptions,
    ) -> Result<GrepResult, SearchError> {
        self.inner.grep(pattern, path, options).await
    }
    async fn glob(
        &self,
        pattern: &str,
        path: &Path,
        options: &GlobOptions,
    ) -> Result<GlobResult, SearchError> {
        self.inner.glob(pattern, path, options).await
    }
    async fn initialize(&self) -> Result<(), FileError> {
        Ok(())
    }
    async fn cleanup(&self) -> Result<(), FileError> {
        Ok(())
    }
    fn working_directory(&self) -> &Path {
        self.inner.working_directory()
    }
    fn platform(&self) -> &str {
        self.inner.platform()
    }
    fn os_version(&self) -> String {
        self.inner.os_version()
    }
    fn sandbox(&self) -> SandboxReport {
        self.inner.sandbox()
    }
}

/// Five changes, and then the removal of what was put aside.
const PATCH: &str = "*** Begin Patch
*** Update File: run.sh
@@
-one
+two
*** Delete File: gone.sh
*** Update File: old
*** Move to: new/moved
@@
-old
+new
*** Add File: added/here
+x
*** End Patch";

fn place() -> Place {
    let place = Place::new();
    for (name, text) in [("run.sh", "one\n"), ("gone.sh", "gone\n"), ("old", "old\n")] {
        place.write(name, text);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.path(name), mode).unwrap();
    }
    place
}

async fn apply(env: Arc<Faulty>, patch: &str) -> ToolOutput {
    call_in(env, CancellationToken::new(), "apply_patch", json!({"patch": patch})).await
}

#[tokio::test]
async fn ruling_apply_patch_a_failing_change_undoes_those_before_it() {
    for lies in [false, true] {
        for at in 0..5 {
            let place = place();
            let before = tree(place.dir.path());
            let output = apply(Faulty::new(&place, at..at + 1, lies), PATCH).await;
            assert!(output.is_error);
            for part in ["refused by the sandbox policy: a test", "Nothing was changed: what had"] {
                assert!(output.text.contains(part), "{at}: {}", output.text);
            }
            assert_eq!(tree(place.dir.path()), before, "{at} {lies}");
        }
    }
}

#[tokio::test]
async fn ruling_apply_patch_says_what_state_is_left_when_undoing_fails() {
    let place = place();
    // Neither the third change nor anything after it works.
    let output = apply(Faulty::new(&place, 2..1000, false), PATCH).await;
    let text = &output.text;
    assert!(output.is_error);
    assert!(text.contains("could not be undone, all others were:"), "{text}");
    assert!(text.contains("run.sh has its new content: "), "{text}");
    assert!(text.contains("gone.sh is now ") && !text.contains("moved"), "{text}");
    assert_eq!(place.read("run.sh"), "two\n");
}

#[tokio::test]
async fn what_was_put_aside_and_cannot_be_removed_is_named() {
    let place = place();
    let output = apply(Faulty::new(&place, 5..6, false), PATCH).await;
    assert!(!output.is_error, "{}", output.text);
    assert!(output.text.contains("Note: what was "), "{}", output.text);
    assert_eq!(tree(place.dir.path()).len(), 4);
}

#[tokio::test]
async fn ruling_apply_patch_a_cancelled_call_changes_nothing() {
    let place = place();
    let before = tree(place.dir.path());
    let env = Faulty::new(&place, 0..0, false);
    env.may.forget_permits(1000);
    let cancel = CancellationToken::new();
    let arguments = json!({"patch": PATCH});
    let call = call_in(Arc::clone(&env) as _, cancel.clone(), "apply_patch", arguments);
    let watch = async {
        // In the middle of the third change.
        env.may.add_permits(2);
        env.wants.acquire_many(3).await.unwrap().forget();
        cancel.cancel();
        env.may.add_permits(1000);
    };
    let (output, ()) = tokio::join!(call, watch);
    assert!(output.is_error && output.text.contains("it was cancelled"), "{}", output.text);
    assert_eq!(tree(place.dir.path()), before);
}

#[tokio::test]
async fn ruling_apply_patch_a_call_that_is_dropped_leaves_no_half() {
    let place = place();
    let env = Faulty::new(&place, 0..0, false);
    env.may.forget_permits(998);
    let arguments = json!({"patch": PATCH});
    let call = call_in(Arc::clone(&env) as _, CancellationToken::new(), "apply_patch", arguments);
    tokio::select! {
        output = call => panic!("it should wait: {}", output.text),
        // Two changes are made and the third waits.
        permit = env.wants.acquire_many(3) => permit.unwrap().forget(),
    }
    env.may.add_permits(1000);
    env.did.acquire_many(6).await.unwrap().forget();
    let names: Vec<String> = tree(place.dir.path()).into_keys().collect();
    assert_eq!(names, ["added/here", "new/moved", "run.sh"]);
}

fn patch(body: &str) -> serde_json::Value {
    json!({"patch": format!("*** Begin Patch\n{body}*** End Patch\n")})
}

#[tokio::test]
async fn a_link_is_followed_by_an_update_and_removed_itself() {
    let place = Place::new();
    place.write("dir/target", "one\n");
    symlink("dir/target", place.path("link")).unwrap();
    let update = patch("*** Update File: link\n@@\n-one\n+two\n");
    assert!(!call(&place, "apply_patch", update).await.is_error);
    assert_eq!(place.read("dir/target"), "two\n");
    assert!(place.path("link").is_symlink());
    assert!(!call(&place, "apply_patch", patch("*** Delete File: link\n")).await.is_error);
    assert!(!place.path("link").is_symlink());
    assert_eq!(place.read("dir/target"), "two\n");
}

#[tokio::test]
async fn ruling_apply_patch_one_file_by_two_names_is_refused() {
    let place = Place::new();
    place.write("target", "one\ntwo\n");
    symlink("target", place.path("link")).unwrap();
    let both =
        patch("*** Update File: link\n@@\n-one\n+1\n*** Update File: target\n@@\n-two\n+2\n");
    let output = call(&place, "apply_patch", both).await;
    assert!(output.is_error && output.text.contains("by two names"), "{}", output.text);
    assert_eq!(place.read("target"), "one\ntwo\n");
}

#[tokio::test]
async fn a_relative_link_is_not_moved_to_where_it_leads_nowhere() {
    let place = Place::new();
    place.write("target", "one\n");
    symlink("target", place.path("link")).unwrap();
    let before = tree(place.dir.path());
    let output =
        call(&place, "apply_patch", patch("*** Update File: link\n*** Move to: d/link\n")).await;
    assert!(
        output.is_error && output.text.contains("a link that cannot be moved"),
        "{}",
        output.text
    );
    assert_eq!(tree(place.dir.path()), before);
}

#[tokio::test]
async fn ruling_apply_patch_a_link_out_of_the_sandbox_is_refused_and_all_is_undone() {
    let place = Place::new();
    // Not in the usual temporary directory, in whose place the sandbox has its own.
    let outside = tempfile::tempdir_in("/var/tmp").unwrap();
    let target = outside.path().join("f");
    std::fs::write(&target, "one\n").unwrap();
    place.write("first", "one\n");
    symlink(&target, place.path("link")).unwrap();
    let made = SandboxedEnvironment::new(
        SandboxPolicy::workspace_write(),
        place.dir.path(),
        SandboxOptions::default(),
    );
    let env = match made.await {
        Ok(env) => Arc::new(env),
        Err(SandboxError::Unavailable { why_not, .. }) => {
            println!("skipped: apply-patch-sandbox: {why_not:?}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    for name in ["link", "first/../link"] {
        let arguments = patch(&format!(
            "*** Update File: first\n@@\n-one\n+two\n*** Update File: {name}\n@@\n-one\n+two\n"
        ));
        let cancel = CancellationToken::new();
        let output = call_in(Arc::clone(&env) as _, cancel, "apply_patch", arguments).await;
        assert!(output.is_error && output.text.contains("sandbox policy"), "{}", output.text);
        assert!(output.text.contains("what had been done was undone"), "{}", output.text);
        assert_eq!(place.read("first"), "one\n");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "one\n");
    }
}
