//! How often what others see is renewed: as often as anybody can look, not after every decision.

use std::time::Duration;

use tokio::time::Instant;

/// Between two views at least. One of hundreds of sessions costs more than most decisions do.
const PERIOD: Duration = Duration::from_millis(50);

/// When the next view is due.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    stale: bool,
}

impl Pace {
    /// Something changed that the last view does not show.
    pub(super) fn changed(&mut self) {
        self.stale = true;
    }

    /// Whether a view is due; if so, it counts as published.
    pub(super) fn take(&mut self) -> bool {
        let due = self.stale && self.last.is_none_or(|last| last.elapsed() >= PERIOD);
        if due {
            *self = Self { last: Some(Instant::now()), stale: false };
        }
        due
    }

    /// Waits until a view is due; for ever where nothing changed. Safe to drop.
    pub(super) async fn due(&self) {
        match self.last {
            _ if !self.stale => std::future::pending().await,
            None => {}
            Some(last) => tokio::time::sleep_until(last + PERIOD).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_change_shows_at_once_and_a_flood_of_them_once_a_period() {
        let mut pace = Pace::default();
        assert!(!pace.take());
        pace.changed();
        pace.due().await;
        assert!(pace.take());
        let start = Instant::now();
        for _ in 0..100 {
            pace.changed();
            assert!(!pace.take());
        }
        pace.due().await;
        assert_eq!(start.elapsed(), PERIOD);
        assert!(pace.take());
        assert!(!pace.take());
    }
}
