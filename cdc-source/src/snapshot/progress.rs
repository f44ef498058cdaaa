//! How fast the copy of a table goes, and how long it will take.

use std::time::Duration;

use tokio::time::Instant;

/// How often the log tells how far a copy is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A rate is that of the last so many seconds, and up to twice as many: long enough for several
/// chunks, short enough to follow a change of load.
const RATE_OVER: Duration = Duration::from_secs(15);

/// The speed of one copy since this process began with it.
#[derive(Debug)]
pub(crate) struct CopyRate {
    /// Two marks of rows at a time: the rate is measured from the older.
    older: (Instant, u64),
    newer: (Instant, u64),
    told_at: Instant,
    /// Rows that were copied before.
    rows_before: u64,
    rows: u64,
    /// How many rows there were to copy when it began, by the server's estimate.
    to_copy: Option<u64>,
}

impl CopyRate {
    pub(crate) fn new(rows_before: u64) -> Self {
        let now = Instant::now();
        let mark = (now, 0);
        Self { older: mark, newer: mark, told_at: now, rows_before, rows: 0, to_copy: None }
    }

    pub(super) fn has_no_estimate(&self) -> bool {
        self.to_copy.is_none()
    }

    pub(super) fn estimated(&mut self, rows: Option<u64>) {
        self.to_copy = self.to_copy.or(rows);
    }

    pub(crate) fn emitted(&mut self, rows: u64) {
        self.rows += rows;
        let now = Instant::now();
        if now.duration_since(self.newer.0) >= RATE_OVER {
            self.older = std::mem::replace(&mut self.newer, (now, self.rows));
        }
    }

    /// Rows of the whole table, by the server's estimate.
    pub(crate) fn estimated_rows(&self) -> Option<u64> {
        Some(self.rows_before + self.to_copy?.max(self.rows))
    }

    /// Rows a second of late; `None` until there is a second to measure over.
    pub(crate) fn rows_per_second(&self) -> Option<u64> {
        let (since, rows) = self.older;
        let millis = u64::try_from(since.elapsed().as_millis()).ok()?;
        let copied = self.rows.saturating_sub(rows).saturating_mul(1000);
        (millis >= 1000).then(|| copied / millis)
    }

    /// How long the rest will take at that rate; unknown without one, or without an estimate.
    pub(crate) fn eta(&self) -> Option<Duration> {
        let left = self.to_copy?.saturating_sub(self.rows);
        let seconds = left.checked_div(self.rows_per_second()?)?;
        Some(Duration::from_secs(seconds))
    }

    /// Whether it is time to tell again.
    pub(crate) fn is_to_tell(&mut self) -> bool {
        let is_due = self.told_at.elapsed() >= TELL_EVERY;
        if is_due {
            self.told_at = Instant::now();
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rest_takes_as_long_as_the_speed_so_far_says() {
        let mut rate = CopyRate::new(1_000);
        assert_eq!((rate.eta(), rate.estimated_rows()), (None, None));

        rate.estimated(Some(10_000));
        tokio::time::advance(Duration::from_secs(4)).await;
        rate.emitted(2_000);

        assert_eq!(rate.rows_per_second(), Some(500));
        assert_eq!(rate.eta(), Some(Duration::from_secs(16)));
        assert_eq!(rate.estimated_rows(), Some(11_000));
    }

    #[tokio::test(start_paused = true)]
    async fn an_estimate_that_was_too_low_gives_way() {
        let mut rate = CopyRate::new(0);
        rate.estimated(Some(5));
        tokio::time::advance(Duration::from_secs(1)).await;

        rate.emitted(7);

        assert_eq!(rate.eta(), Some(Duration::ZERO));
        assert_eq!(rate.estimated_rows(), Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_long_ago_is_forgotten() {
        let mut rate = CopyRate::new(0);
        let mut seconds = async |seconds: u64, each: u64| {
            for _ in 0..seconds {
                tokio::time::advance(Duration::from_secs(1)).await;
                rate.emitted(each);
            }
            rate.rows_per_second()
        };

        assert_eq!(seconds(10, 1_000).await, Some(1_000));
        seconds(30, 10).await;

        assert_eq!(seconds(15, 10).await, Some(10));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_now_and_then() {
        let mut rate = CopyRate::new(0);
        assert!(!rate.is_to_tell());

        tokio::time::advance(TELL_EVERY).await;

        assert!(rate.is_to_tell());
        assert!(!rate.is_to_tell());
    }
}
