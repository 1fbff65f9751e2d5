//! The machine's timers on the monotonic clock: one for each key, the newest wins.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::dispatch::TimerKey;

/// Timers that run, by key and by time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_key: BTreeMap<TimerKey, (Instant, u64)>,
    by_time: BTreeMap<(Instant, u64), TimerKey>,
}

impl Timers {
    /// Sets the timer of `key`; an earlier one of the same key is forgotten.
    pub(super) fn set(&mut self, key: TimerKey, timer_id: u64, delay: Duration) {
        self.remove(&key);
        let at = (Instant::now() + delay, timer_id);
        self.by_time.insert(at, key.clone());
        self.by_key.insert(key, at);
    }

    /// Forgets the timer, unless the key has a newer one.
    pub(super) fn cancel(&mut self, key: &TimerKey, timer_id: u64) {
        if self.by_key.get(key).is_some_and(|(_, id)| *id == timer_id) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: &TimerKey) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_time.remove(&at);
        }
    }

    /// Waits for the next timer and removes it; for ever where there is none. Safe to drop.
    pub(super) async fn next(&mut self) -> u64 {
        let Some((&(at, timer_id), key)) = self.by_time.first_key_value() else {
            return std::future::pending().await;
        };
        let key = key.clone();
        tokio::time::sleep_until(at).await;
        self.remove(&key);
        timer_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn timers_fire_in_order_and_a_replaced_or_cancelled_one_never() {
        let retry = |id: &str| TimerKey::Retry { issue_id: id.into() };
        let mut timers = Timers::default();
        timers.set(TimerKey::Poll, 1, Duration::from_secs(30));
        timers.set(retry("a"), 2, Duration::from_secs(20));
        timers.set(retry("b"), 3, Duration::from_secs(10));
        timers.set(TimerKey::Poll, 4, Duration::from_secs(5));
        timers.cancel(&retry("b"), 99);
        timers.cancel(&retry("a"), 2);
        let start = Instant::now();
        assert_eq!(timers.next().await, 4);
        assert_eq!(timers.next().await, 3);
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert!(timers.by_key.is_empty() && timers.by_time.is_empty());
    }
}
