//! Polls on demand, not more often than makes sense.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canon_runtime::task::{self, TaskSpec};
use tokio::time::Instant;

use super::daemon::{Action, Daemon, Refused};

/// Requests that follow one within this time share the next poll.
const WINDOW: Duration = Duration::from_secs(1);

/// Passes requests for a poll on: the first at once, those soon after it as one, when the window
/// is over, so that whoever asks last still gets a poll that began after the request.
pub(super) struct Refresher {
    daemon: Arc<dyn Daemon>,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    last: Option<Instant>,
    /// Another one follows at the end of the window.
    again: bool,
}

impl Refresher {
    pub(super) fn new(daemon: Arc<dyn Daemon>) -> Self {
        Self { daemon, asked: Mutex::default() }
    }

    /// Has a poll made; true if it is shared with other requests.
    pub(super) fn refresh(self: &Arc<Self>) -> Result<bool, Refused> {
        if !self.daemon.is_alive() {
            return Err(Refused::Gone);
        }
        let now = Instant::now();
        let mut asked = self.lock();
        let open_until = asked.last.map(|last| last + WINDOW).filter(|until| *until > now);
        let Some(until) = open_until else {
            self.daemon.ask(Action::Refresh)?;
            asked.last = Some(now);
            return Ok(false);
        };
        if !std::mem::replace(&mut asked.again, true) {
            let this = self.clone();
            task::spawn(TaskSpec::new("shared refresh"), async move {
                tokio::time::sleep_until(until).await;
                this.follow_up();
            });
        }
        Ok(true)
    }

    fn follow_up(&self) {
        let mut asked = self.lock();
        *asked = Asked { last: Some(Instant::now()), again: false };
        if self.daemon.ask(Action::Refresh) == Err(Refused::Busy) {
            tracing::warn!(outcome = "dropped", reason = "the daemon is busy", "shared refresh");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use canon_orchestrator::driver::Answered;
    use serde_json::Value;
    use tokio::sync::mpsc;

    use super::*;
    use crate::server::daemon::{Gone, IssueReport, Overview};

    /// Passes on what it is asked for.
    struct Heard(mpsc::UnboundedSender<Action>);

    impl Daemon for Heard {
        fn overview(&self) -> Result<Overview, Gone> {
            Err(Gone)
        }

        fn issue(&self, _: &str) -> Result<Option<IssueReport>, Gone> {
            Err(Gone)
        }

        fn is_alive(&self) -> bool {
            !self.0.is_closed()
        }

        fn ask(&self, action: Action) -> Result<(), Refused> {
            self.0.send(action).map_err(|_| Refused::Gone)
        }

        fn answer(&self, _: &str, _: Option<&str>, _: Value) -> Answered {
            Answered::Gone
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_in_a_row_share_a_poll_that_begins_after_the_last_of_them() {
        let (sender, mut heard) = mpsc::unbounded_channel();
        let refresher = Arc::new(Refresher::new(Arc::new(Heard(sender))));
        let begun = Instant::now();
        let coalesced: Vec<_> = (0..5).map(|_| refresher.refresh()).collect();
        assert_eq!(coalesced, [Ok(false), Ok(true), Ok(true), Ok(true), Ok(true)]);
        assert_eq!(heard.recv().await, Some(Action::Refresh));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(heard.recv().await, Some(Action::Refresh));
        assert_eq!(begun.elapsed(), WINDOW);
        // The follow-up opens a window of its own, and nothing comes by itself.
        assert_eq!(refresher.refresh(), Ok(true));
        assert_eq!(heard.recv().await, Some(Action::Refresh));
        assert_eq!(begun.elapsed(), 2 * WINDOW);
        tokio::time::advance(WINDOW).await;
        assert!(heard.try_recv().is_err());
        assert_eq!(refresher.refresh(), Ok(false));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_daemon_nothing_is_shared() {
        let (sender, heard) = mpsc::unbounded_channel();
        let refresher = Arc::new(Refresher::new(Arc::new(Heard(sender))));
        assert_eq!(refresher.refresh(), Ok(false));
        drop(heard);
        assert_eq!(refresher.refresh(), Err(Refused::Gone));
    }
}
