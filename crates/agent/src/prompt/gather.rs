//! Learning of the place where a session runs, through its execution environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use canon_exec::{ExecCommand, ExecutionEnvironment};

use super::discovery::documents;
use super::environment::{GitSnapshot, PromptContext};

/// A repository that takes longer to answer is described without git.
const GIT_TIMEOUT: Duration = Duration::from_secs(5);

/// One process for all questions; NUL stands between the answers. Hooks of the repository's own
/// configuration that git would run for a status are switched off, and no lock is taken.
const GIT_SCRIPT: &str = r#"
export GIT_OPTIONAL_LOCKS=0
up=$(git rev-parse --show-cdup 2>/dev/null) || exit 0
[ "$(git rev-parse --is-inside-work-tree 2>/dev/null)" = true ] || exit 0
printf '%s\0' "$up"
printf '%s\0' "$(git symbolic-ref --short -q HEAD)"
git -c core.fsmonitor=false status --porcelain 2>/dev/null
printf '\0'
git log -n 10 --format='%h %s' 2>/dev/null
exit 0
"#;

/// Everything that the prompt says of `env`. Whatever cannot be learned is left out.
pub(crate) async fn gather(
    env: &dyn ExecutionEnvironment,
    document_names: &[String],
    now_ms: u64,
) -> PromptContext {
    let cwd = env.working_directory();
    let repository = ask_git(env).await;
    let root = repository.as_ref().map_or(cwd, |(root, _)| root.as_path());
    let documents = documents(env, root, cwd, document_names).await;
    let today = canon_runtime::clock::rfc3339(now_ms);
    PromptContext {
        working_directory: cwd.display().to_string(),
        platform: env.platform().to_owned(),
        os_version: env.os_version(),
        today: today.split('T').next().unwrap_or_default().to_owned(),
        git: repository.map(|(_, git)| git),
        documents,
    }
}

async fn ask_git(env: &dyn ExecutionEnvironment) -> Option<(PathBuf, GitSnapshot)> {
    let command = ExecCommand { timeout: Some(GIT_TIMEOUT), ..ExecCommand::new(GIT_SCRIPT) };
    match env.exec_command(command).await {
        Ok(result) if result.success() => parse_git(env.working_directory(), &result.stdout),
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%error, "git could not be asked");
            None
        }
    }
}

/// The root of the repository above `cwd`, and the snapshot.
fn parse_git(cwd: &Path, output: &str) -> Option<(PathBuf, GitSnapshot)> {
    let mut answers = output.splitn(4, '\0');
    let levels = answers.next()?.split('/').filter(|part| *part == "..").count();
    let root = cwd.ancestors().nth(levels)?.to_owned();
    let branch = answers.next()?.trim().to_owned();
    let status: Vec<&str> = answers.next()?.lines().filter(|line| !line.is_empty()).collect();
    let untracked = status.iter().filter(|line| line.starts_with("??")).count();
    let snapshot = GitSnapshot {
        branch: (!branch.is_empty()).then_some(branch),
        modified: status.len() - untracked,
        untracked,
        recent_commits: answers.next()?.lines().map(str::to_owned).collect(),
    };
    Some((root, snapshot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_git_are_read() {
        let (root, git) =
            parse_git(Path::new("/w/a/b"), "../../\0main\0 M a\nA  b\n?? c\n\0abc one\ndef two\n")
                .unwrap();
        assert_eq!(root, Path::new("/w"));
        assert_eq!(git.branch.as_deref(), Some("main"));
        assert_eq!((git.modified, git.untracked), (2, 1));
        assert_eq!(git.recent_commits, ["abc one", "def two"]);
    }

    #[test]
    fn no_answer_is_no_repository() {
        assert_eq!(parse_git(Path::new("/w"), ""), None);
        assert_eq!(parse_git(Path::new("/w"), "../../../../\0\0\0"), None);
    }

    #[test]
    fn an_empty_repository_has_no_commits() {
        let (root, git) = parse_git(Path::new("/w"), "\0\0\0").unwrap();
        assert_eq!(root, Path::new("/w"));
        assert_eq!(git, GitSnapshot::default());
    }
}
