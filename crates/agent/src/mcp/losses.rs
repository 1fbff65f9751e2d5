//! When a server that was lost is started again, and when no more.

use std::time::Duration;

use tokio::time::Instant;

/// In a row, without an answer between: then it is not started any more.
const MOST: u32 = 5;
/// Wait before the first new start; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// How often a server was lost in a row.
#[derive(Debug, Default)]
pub(super) struct Losses {
    count: u32,
    not_before: Option<Instant>,
}

impl Losses {
    /// It was lost, or did not start.
    pub(super) fn add(&mut self, now: Instant) {
        self.count += 1;
        let wait = FIRST_WAIT * 2u32.saturating_pow(self.count.min(MOST) - 1);
        self.not_before = Some(now + wait);
    }

    /// It started after all.
    pub(super) fn take_back(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    /// It answered a call.
    pub(super) fn forget(&mut self) {
        self.count = 0;
    }

    /// Whether there was any.
    pub(super) fn is_none(&self) -> bool {
        self.count == 0
    }

    /// When it may be started; an error when no more.
    pub(super) fn next_start(&self) -> Result<Option<Instant>, String> {
        if self.count >= MOST {
            let why = "times without an answer, and is not started again in this session";
            return Err(format!("it was lost {MOST} {why}"));
        }
        Ok(self.not_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_double_and_end_with_the_fifth_loss_unless_there_was_an_answer() {
        let mut losses = Losses::default();
        let now = Instant::now();
        assert_eq!(losses.next_start(), Ok(None));
        for seconds in [1, 2, 4, 8] {
            losses.add(now);
            assert_eq!(losses.next_start(), Ok(Some(now + Duration::from_secs(seconds))));
        }
        losses.add(now);
        assert!(losses.next_start().unwrap_err().contains("lost 5 times"));
        losses.forget();
        losses.add(now);
        assert_eq!(losses.next_start(), Ok(Some(now + Duration::from_secs(1))));
    }
}
