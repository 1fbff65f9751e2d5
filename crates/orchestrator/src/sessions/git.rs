//! What the agent committed. The workspace is the agent's: nothing in its git configuration may
//! run a program of the agent's choice here, outside its sandbox.

use std::path::Path;
use std::time::Duration;

use canon_exec::process::{EnvPolicy, ExecResult, Script, run};
use serde::{Deserialize, Serialize};

/// A repository that does not answer by then is not asked again.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Commits listed at most.
const MAX_COMMITS: usize = 100;

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Commit {
    pub(super) id: String,
    pub(super) subject: String,
}

/// `HEAD` of the repository whose root is `workspace`; none if it is none or has no commit.
pub(super) async fn head(workspace: &Path) -> Option<String> {
    let result = git(workspace, "rev-parse --verify --quiet HEAD").await?;
    result.success().then(|| result.stdout.trim().to_owned())
}

/// The tree of `HEAD`, for a later statement about what was left behind.
pub(super) async fn tree(workspace: &Path) -> Option<String> {
    let result = git(workspace, "rev-parse --verify --quiet 'HEAD^{tree}'").await?;
    result.success().then(|| result.stdout.trim().to_owned())
}

/// Commits since `base` (all, without one), newest first; at most a hundred.
pub(super) async fn commits(workspace: &Path, base: Option<&str>) -> Vec<Commit> {
    let range = match base {
        Some(base) if base.bytes().all(|byte| byte.is_ascii_hexdigit()) => format!("{base}..HEAD"),
        _ => "HEAD".to_owned(),
    };
    let command =
        format!("rev-list --max-count={MAX_COMMITS} --no-commit-header --format='%H %s' {range}");
    let Some(result) = git(workspace, &command).await else { return Vec::new() };
    let lines = result.stdout.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(id, subject)| Commit { id: id.to_owned(), subject: subject.to_owned() }).collect()
}

async fn git(workspace: &Path, command: &str) -> Option<ExecResult> {
    if !workspace.join(".git").exists() {
        return None;
    }
    let command = format!(
        "git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c core.sshCommand=false \
         -c credential.helper= -c gpg.program=false -c safe.directory='*' --no-pager {command}"
    );
    let mut script = Script::new(command, workspace);
    script.timeout = Some(TIMEOUT);
    // Nothing is fetched either: a remote's address can be a program. The variables win over any
    // configuration.
    script.env =
        EnvPolicy::default().with("GIT_ALLOW_PROTOCOL", "none").with("GIT_NO_LAZY_FETCH", "1");
    run(script).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(dir: &Path, command: &str) {
        let mut script = Script::new(command, dir);
        script.timeout = Some(Duration::from_secs(20));
        assert!(run(script).await.unwrap().success(), "{command}");
    }

    #[tokio::test]
    async fn commits_since_a_base_are_listed_newest_first() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(head(root.path()).await, None);
        sh(root.path(), "git init -q . && git config user.name n && git config user.email e").await;
        assert_eq!(head(root.path()).await, None);
        sh(root.path(), "git commit -q --allow-empty -m one").await;
        let base = head(root.path()).await.unwrap();
        sh(
            root.path(),
            "git commit -q --allow-empty -m 'two  words' && git commit -q --allow-empty -m three",
        )
        .await;
        let subjects: Vec<String> =
            commits(root.path(), Some(&base)).await.into_iter().map(|c| c.subject).collect();
        assert_eq!(subjects, ["three", "two  words"]);
        assert_eq!(commits(root.path(), None).await.len(), 3);
        assert!(tree(root.path()).await.is_some());
    }

    #[tokio::test]
    async fn a_missing_object_is_not_fetched_by_a_program() {
        for url in ["ext::sh -c 'touch% fetched'", "."] {
            let root = tempfile::tempdir().unwrap();
            sh(root.path(), "git init -q . && git config user.name n && git config user.email e")
                .await;
            sh(
                root.path(),
                "git commit -q --allow-empty -m one && git commit -q --allow-empty -m two",
            )
            .await;
            sh(
                root.path(),
                &format!(
                    "git config core.repositoryformatversion 1 && git config extensions.partialClone origin \
                     && git config remote.origin.promisor true && git config remote.origin.url \"{url}\" \
                     && git config remote.origin.uploadpack 'touch fetched; false' \
                     && git config protocol.ext.allow always && git config protocol.file.allow always \
                     && id=$(git rev-parse HEAD) && rm -f .git/objects/${{id:0:2}}/${{id:2}}"
                ),
            )
            .await;
            commits(root.path(), None).await;
            head(root.path()).await;
            tree(root.path()).await;
            assert!(!root.path().join("fetched").exists(), "{url}");
        }
    }

    #[tokio::test]
    async fn configuration_of_the_workspace_runs_nothing() {
        let root = tempfile::tempdir().unwrap();
        sh(root.path(), "git init -q . && git config user.name n && git config user.email e").await;
        sh(root.path(), "git commit -q --allow-empty -m one").await;
        sh(
            root.path(),
            "git config core.fsmonitor 'touch fsmonitor-ran' && git config log.showSignature true \
             && git config gpg.program 'touch gpg-ran' && git config core.pager 'touch pager-ran'",
        )
        .await;
        assert_eq!(commits(root.path(), None).await.len(), 1);
        assert!(head(root.path()).await.is_some());
        for trace in ["fsmonitor-ran", "gpg-ran", "pager-ran"] {
            assert!(!root.path().join(trace).exists(), "{trace}");
        }
    }
}
