//! The few timers of one conversation.

use std::collections::BTreeMap;
use std::time::Duration;

use canon_protocol::codex::client::TimerId;
use tokio::time::Instant;

/// Timers by name; setting one again replaces it.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeMap<TimerId, Instant>);

impl Timers {
    pub(super) fn set(&mut self, id: TimerId, after_ms: u64) {
        self.0.insert(id, Instant::now() + Duration::from_millis(after_ms));
    }

    pub(super) fn clear(&mut self, id: &TimerId) {
        self.0.remove(id);
    }

    /// Waits for the next timer, and removes it; forever where there is none. Safe to drop.
    pub(super) async fn next(&mut self) -> TimerId {
        let Some((id, at)) = self.0.iter().min_by_key(|(_, at)| **at) else {
            return std::future::pending().await;
        };
        let (id, at) = (id.clone(), *at);
        tokio::time::sleep_until(at).await;
        self.0.remove(&id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earliest_fires_first_and_a_replaced_one_not_at_all() {
        let mut timers = Timers::default();
        timers.set(TimerId::Silence(1), 50);
        timers.set(TimerId::Response(1), 40);
        timers.set(TimerId::Silence(1), 10);
        timers.set(TimerId::Response(2), 5);
        timers.clear(&TimerId::Response(2));
        let start = Instant::now();
        assert_eq!(timers.next().await, TimerId::Silence(1));
        assert_eq!(timers.next().await, TimerId::Response(1));
        assert_eq!(start.elapsed(), Duration::from_millis(40));
    }
}
