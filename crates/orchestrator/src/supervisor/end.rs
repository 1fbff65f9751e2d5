//! Ending a session for certain, whatever state its supervisor is in.

use std::time::Duration;

use canon_exec::group::{self, Signal};
use tokio::time::{Instant, sleep, timeout};

use super::attach::{Attached, Incoming};
use super::dir::{DirError, SessionDir, SessionState};
use super::{GRACE_MS, SESSION_VARIABLE};

/// How long a supervisor is asked politely.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the kernel may take to end what was killed.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Returns once the session `attempt_id` has no supervisor and no process any more, and never will:
/// its supervisor is asked to end it, and killed with all that it holds if it does not, because it
/// is stopped, stuck or out of reach. Bounded at about 20 s; what survives even that is logged.
pub async fn end_for_certain(dir: &SessionDir, attempt_id: &str, epoch: u64) {
    let until = Instant::now() + PATIENCE;
    while !is_dead(dir).await && Instant::now() < until {
        ask(dir, epoch, until).await;
        if is_dead(dir).await {
            break;
        }
        sleep(PAUSE).await;
    }
    kill_leftovers(attempt_id);
    let until = Instant::now() + KILL_PATIENCE;
    while !is_dead(dir).await {
        if Instant::now() >= until {
            tracing::error!(attempt_id, outcome = "failed", "session end: its supervisor survives");
            return;
        }
        sleep(PAUSE).await;
        kill_leftovers(attempt_id);
    }
}

/// Has the supervisor end the session, and waits for that.
async fn ask(dir: &SessionDir, epoch: u64, until: Instant) {
    let asking = async {
        let Ok(mut attached) = Attached::to(dir, epoch, u64::MAX).await else { return };
        if attached.link.stop().await.is_ok() {
            while matches!(attached.lines.next().await, Incoming::Record(_)) {}
        }
    };
    let left = until.saturating_duration_since(Instant::now());
    let _ = timeout(left.min(Duration::from_millis(GRACE_MS + 6_000)), asking).await;
}

async fn is_dead(dir: &SessionDir) -> bool {
    let dir = dir.clone();
    let settled = tokio::task::spawn_blocking(move || dir.settle()).await;
    match settled {
        Ok(Ok(SessionState::Dead { .. })) => true,
        Ok(Ok(SessionState::Alive)) | Err(_) => false,
        Ok(Err(error)) => {
            log(&error);
            false
        }
    }
}

fn log(error: &DirError) {
    tracing::warn!(reason = %error, outcome = "failed", "session check");
}

/// Kills every process that carries the session's mark: its supervisor, its agent, and what fled.
pub fn kill_leftovers(attempt_id: &str) {
    for pid in group::processes_with_env(SESSION_VARIABLE, attempt_id) {
        tracing::warn!(attempt_id, pid, outcome = "killed", "leftover process");
        let _ = group::kill_process(pid, Signal::Kill);
    }
}
