//! How fast the copy of a table goes, and how long it will take.

use std::time::Duration;

use tokio::time::Instant;

/// How often the log tells how far a copy is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The speed of one copy since this process began with it.
#[derive(Debug)]
pub(crate) struct CopyRate {
    began: Instant,
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
        Self { began: now, told_at: now, rows_before, rows: 0, to_copy: None }
    }

    pub(super) fn has_no_estimate(&self) -> bool {
        self.to_copy.is_none()
    }

    pub(super) fn estimated(&mut self, rows: Option<u64>) {
        self.to_copy = self.to_copy.or(rows);
    }

    pub(crate) fn emitted(&mut self, rows: u64) {
        self.rows += rows;
    }

    /// Rows of the whole table, by the server's estimate.
    pub(crate) fn estimated_rows(&self) -> Option<u64> {
        Some(self.rows_before + self.to_copy?.max(self.rows))
    }

    pub(crate) fn rows_per_second(&self) -> u64 {
        let millis = self.began.elapsed().as_millis().max(1);
        u64::try_from(u128::from(self.rows) * 1000 / millis).unwrap_or(u64::MAX)
    }

    /// How long the rest will take if nothing changes; unknown without an estimate and before the
    /// first rows.
    pub(crate) fn eta(&self) -> Option<Duration> {
        let left = self.to_copy?.saturating_sub(self.rows);
        let seconds = left.checked_div(self.rows_per_second())?;
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

        assert_eq!(rate.rows_per_second(), 500);
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
    async fn it_is_told_now_and_then() {
        let mut rate = CopyRate::new(0);
        assert!(!rate.is_to_tell());

        tokio::time::advance(TELL_EVERY).await;

        assert!(rate.is_to_tell());
        assert!(!rate.is_to_tell());
    }
}
