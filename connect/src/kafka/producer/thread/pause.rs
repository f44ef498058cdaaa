//! How long to wait after a commit before the next transaction begins.
//!
//! The broker answers a commit before it has written the markers that end the transaction in each
//! partition. Who begins before they are there is refused, and librdkafka tries again 20 ms later:
//! at 1,000 rows a second, transactions back to back take 29 ms each, and 8 ms with a pause of 2 to
//! 10 ms (measured on a busy machine, the latter with `linger.ms=0`; ADR 0033). How long markers
//! take differs from cluster to cluster, so the pause follows what happens.

use std::time::Duration;

/// After it the markers are there, on any cluster that was measured.
const LONGEST: Duration = Duration::from_millis(30);

/// About as long as a marker takes on one broker that has nothing else to do.
const SHORTEST: Duration = Duration::from_millis(2);

/// A transaction whose records take so long was probably refused once: librdkafka's retry.
const REFUSED: Duration = Duration::from_millis(20);

/// More bytes than that do not wait: the time of one refusal is little beside theirs.
const SMALL_BYTES: usize = 65_536;

/// The least time between the end of a commit and the next begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommitPause(Duration);

impl CommitPause {
    /// Before anything is known.
    pub(super) fn new() -> Self {
        Self(SHORTEST)
    }

    /// The pause before a transaction that begins with so many bytes.
    pub(super) fn before(self, bytes: usize) -> Duration {
        if bytes > SMALL_BYTES { Duration::ZERO } else { self.0 }
    }

    /// Takes note of a transaction of so many bytes: how long after its begin the last record was
    /// sent, and how long after that all were delivered. Twice as long a pause after one that was
    /// refused, a little shorter after any other.
    pub(super) fn delivered(&mut self, bytes: usize, (sent, delivered): (Duration, Duration)) {
        // A refusal of one that was open for long would not show.
        if bytes > SMALL_BYTES || sent >= REFUSED / 2 {
            return;
        }
        self.0 = if delivered < REFUSED { self.0 - self.0 / 32 } else { self.0 * 2 };
        self.0 = self.0.clamp(SHORTEST, LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_make_the_pause_longer_and_their_absence_shorter_within_bounds() {
        let mut pause = CommitPause::new();
        let sent = Duration::from_micros(50);
        let quick = (sent, Duration::from_millis(5));
        let slow = (sent, Duration::from_millis(25));

        pause.delivered(100, slow);
        assert_eq!(pause.before(100), Duration::from_millis(4));
        for _ in 0..10 {
            pause.delivered(100, slow);
        }
        assert_eq!(pause.before(100), LONGEST);
        for _ in 0..200 {
            pause.delivered(100, quick);
        }
        assert_eq!(pause.before(100), SHORTEST);
    }

    #[test]
    fn what_is_large_or_was_open_for_long_does_not_tell() {
        let mut pause = CommitPause::new();

        let slow = Duration::from_secs(1);
        pause.delivered(SMALL_BYTES + 1, (Duration::ZERO, slow));
        pause.delivered(1, (Duration::from_millis(10), slow));

        assert_eq!(pause, CommitPause::new());
        assert_eq!(pause.before(SMALL_BYTES + 1), Duration::ZERO);
    }
}
