//! Running a hook: a login shell in the workspace, in a process group of its own, for a limited
//! time (Symphony §9.4, §15.4; rulings 9, 14).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use canon_exec::process::{self, EnvPolicy, ExecError, ExecResult, Script, Shell};
use tokio_util::sync::CancellationToken;

/// Bytes of output kept of each stream.
const OUTPUT_LIMIT: usize = 64 * 1024;

/// Characters of output in a log line or an error.
const SHOWN: usize = 600;

/// What is run, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `hooks.after_create`
    AfterCreate,
    /// `hooks.before_run`
    BeforeRun,
    /// `hooks.after_run`
    AfterRun,
    /// `hooks.before_remove`
    BeforeRemove,
}

impl Hook {
    /// Name in configuration, logs and `CANON_HOOK`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterCreate => "after_create",
            Self::BeforeRun => "before_run",
            Self::AfterRun => "after_run",
            Self::BeforeRemove => "before_remove",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose workspace it is; what hooks and logs need of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueContext {
    /// Dispatch identity.
    pub id: String,
    /// Key for people.
    pub identifier: String,
    /// `None` on the first run (Symphony §4.1.5).
    pub attempt: Option<u32>,
}

/// How a hook ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookOutcome {
    /// Which one.
    pub hook: Hook,
    /// Exit status 0 in time.
    pub success: bool,
    /// Exit status; `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// Whether the time limit was reached.
    pub timed_out: bool,
    /// Whether the caller cancelled.
    pub cancelled: bool,
    /// Milliseconds from start to end.
    pub duration_ms: u64,
    /// End of what it printed, both streams in order of arrival, shortened.
    pub output: String,
}

/// Why a hook did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It could not be started.
    #[error("hook {hook} could not be run: {source}")]
    Start {
        /// Which one.
        hook: Hook,
        /// What the runner said.
        source: ExecError,
    },
    /// It reached its time limit; its process group was ended.
    #[error("hook {hook} did not end within {limit_ms} ms{}", shown_after(.output))]
    TimedOut {
        /// Which one.
        hook: Hook,
        /// The limit.
        limit_ms: u64,
        /// End of its output.
        output: String,
    },
    /// The attempt was cancelled while it ran.
    #[error("hook {hook} was cancelled")]
    Cancelled {
        /// Which one.
        hook: Hook,
    },
    /// It ended with another status than 0.
    #[error("hook {hook} failed with {}{}", status(.exit_code), shown_after(.output))]
    Failed {
        /// Which one.
        hook: Hook,
        /// Exit status; `None` when a signal ended it.
        exit_code: Option<i32>,
        /// End of its output.
        output: String,
    },
}

fn status(exit_code: &Option<i32>) -> String {
    exit_code.map_or("a signal".to_owned(), |code| format!("exit status {code}"))
}

fn shown_after(output: &str) -> String {
    match output.is_empty() {
        true => String::new(),
        false => format!(": {output}"),
    }
}

impl HookOutcome {
    pub(super) fn into_success(self) -> Result<Self, HookError> {
        let hook = self.hook;
        match self {
            outcome if outcome.success => Ok(outcome),
            outcome if outcome.cancelled => Err(HookError::Cancelled { hook }),
            outcome if outcome.timed_out => Err(HookError::TimedOut {
                hook,
                limit_ms: outcome.duration_ms,
                output: outcome.output,
            }),
            outcome => Err(HookError::Failed {
                hook,
                exit_code: outcome.exit_code,
                output: outcome.output,
            }),
        }
    }
}

/// One run of one hook.
pub(super) struct Call<'a> {
    pub(super) hook: Hook,
    pub(super) script: &'a str,
    pub(super) limit: Duration,
    pub(super) workspace: &'a Path,
    pub(super) context: &'a IssueContext,
    pub(super) workflow_dir: &'a Path,
    pub(super) secret_names: &'a [String],
    pub(super) cancel: &'a CancellationToken,
}

/// Runs it to its end; a failure of the script is an outcome, which is logged here.
pub(super) async fn run(call: Call<'_>) -> Result<HookOutcome, HookError> {
    let (hook, context) = (call.hook, call.context);
    tracing::info!(
        issue_id = %context.id,
        issue_identifier = %context.identifier,
        hook = hook.name(),
        outcome = "started",
        "hook started"
    );
    let limit_ms = u64::try_from(call.limit.as_millis()).unwrap_or(u64::MAX);
    let result = match process::run(script(&call)).await {
        Ok(result) => result,
        Err(source) => {
            let error = HookError::Start { hook, source };
            tracing::error!(
                issue_id = %context.id,
                issue_identifier = %context.identifier,
                hook = hook.name(),
                outcome = "failed",
                reason = %error,
                "hook could not be run"
            );
            return Err(error);
        }
    };
    let outcome = outcome(hook, &result, limit_ms);
    log(&outcome, context, limit_ms);
    Ok(outcome)
}

fn script(call: &Call<'_>) -> Script {
    let mut script = Script::new(call.script, call.workspace);
    script.shell = Shell::BashLogin;
    // A variable that is not UTF-8 cannot be handed on as text; hooks do without it.
    let parent = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    script.env = environment(call, parent);
    script.timeout = Some(call.limit);
    script.output_limit = OUTPUT_LIMIT;
    script.cancel = call.cancel.clone();
    script
}

/// Hooks are trusted configuration (Symphony §15.4): they see what the daemon sees, tokens that
/// they need for a clone included, but never the tracker's secrets.
fn environment(call: &Call<'_>, parent: impl Iterator<Item = (String, String)>) -> EnvPolicy {
    let mut policy = EnvPolicy::empty();
    policy.set = parent.collect::<BTreeMap<_, _>>();
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let attempt = call.context.attempt.map(|attempt| attempt.to_string()).unwrap_or_default();
    let own = [
        ("CANON_ISSUE_ID", call.context.id.clone()),
        ("CANON_ISSUE_IDENTIFIER", call.context.identifier.clone()),
        ("CANON_WORKSPACE", path(call.workspace)),
        ("CANON_ATTEMPT", attempt),
        ("CANON_HOOK", call.hook.name().to_owned()),
        ("CANON_WORKFLOW_DIR", path(call.workflow_dir)),
        // `pwd` and login profiles shall not see the daemon's directory.
        ("PWD", path(call.workspace)),
    ];
    for (name, value) in own {
        policy.set.insert(name.to_owned(), value);
    }
    policy.remove.extend(call.secret_names.iter().cloned());
    policy
}

fn outcome(hook: Hook, result: &ExecResult, limit_ms: u64) -> HookOutcome {
    HookOutcome {
        hook,
        success: result.success(),
        exit_code: result.exit_code,
        timed_out: result.timed_out,
        cancelled: result.cancelled,
        duration_ms: if result.timed_out { limit_ms } else { result.duration_ms },
        output: tail(&result.combined),
    }
}

/// The end of `output`, on one line in logs because fields are escaped there.
fn tail(output: &str) -> String {
    let output = output.trim();
    let skip = output.chars().count().saturating_sub(SHOWN);
    match skip {
        0 => output.to_owned(),
        _ => format!("… {}", output.chars().skip(skip).collect::<String>()),
    }
}

fn log(outcome: &HookOutcome, context: &IssueContext, limit_ms: u64) {
    let (hook, duration_ms) = (outcome.hook.name(), outcome.duration_ms);
    let (issue_id, issue_identifier) = (context.id.as_str(), context.identifier.as_str());
    if outcome.success {
        tracing::info!(
            issue_id,
            issue_identifier,
            hook,
            duration_ms,
            outcome = "completed",
            "hook completed"
        );
    } else if outcome.cancelled {
        tracing::warn!(
            issue_id,
            issue_identifier,
            hook,
            duration_ms,
            outcome = "cancelled",
            "hook cancelled"
        );
    } else if outcome.timed_out {
        let output = outcome.output.as_str();
        tracing::warn!(
            issue_id,
            issue_identifier,
            hook,
            limit_ms,
            output,
            outcome = "timed_out",
            "hook timed out"
        );
    } else {
        let (exit_code, output) = (outcome.exit_code, outcome.output.as_str());
        tracing::warn!(
            issue_id,
            issue_identifier,
            hook,
            duration_ms,
            exit_code,
            output,
            outcome = "failed",
            "hook failed"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ruling_14_tracker_secrets_never_reach_a_hook() {
        let context = IssueContext { id: "1".into(), identifier: "CAN-1".into(), attempt: Some(2) };
        let cancel = CancellationToken::new();
        let names = ["LINEAR_API_KEY".to_owned()];
        let call = Call {
            hook: Hook::BeforeRun,
            script: "true",
            limit: Duration::from_secs(1),
            workspace: Path::new("/w/CAN-1"),
            context: &context,
            workflow_dir: Path::new("/repo"),
            secret_names: &names,
            cancel: &cancel,
        };
        let parent = [("LINEAR_API_KEY", "s1"), ("GH_TOKEN", "s2"), ("PATH", "/bin")];
        let parent = parent.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let seen = environment(&call, parent).resolve([]);
        let get =
            |name: &str| seen.get(std::ffi::OsStr::new(name)).and_then(|value| value.to_str());
        assert_eq!(get("LINEAR_API_KEY"), None);
        assert_eq!(get("GH_TOKEN"), Some("s2"));
        assert_eq!(get("PATH"), Some("/bin"));
        assert_eq!(get("CANON_ATTEMPT"), Some("2"));
        assert_eq!(get("CANON_HOOK"), Some("before_run"));
        assert_eq!(get("CANON_WORKSPACE"), Some("/w/CAN-1"));
        assert_eq!(get("CANON_WORKFLOW_DIR"), Some("/repo"));
    }

    #[test]
    fn s15_4_output_is_shortened_from_the_front() {
        let long = format!("{}END", "ä".repeat(5000));
        let shown = tail(&long);
        assert!(shown.ends_with("END") && shown.starts_with('…'));
        assert_eq!(shown.chars().count(), SHOWN + 2);
        assert_eq!(tail(" a\n"), "a");
    }
}
