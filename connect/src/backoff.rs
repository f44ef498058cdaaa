//! How long to wait before the next try.

use std::time::Duration;

/// Doubles from `first` to `longest`, each wait cut by up to a quarter so that many workers do not
/// knock at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempt: u32,
    /// State of a xorshift generator; its quality does not matter here.
    noise: u64,
}

impl Backoff {
    /// A fresh sequence of waits.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempt: 0, noise: crate::clock::now_micros() | 1 }
    }

    /// The next wait.
    pub fn next_delay(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1_u32 << self.attempt.min(20));
        self.attempt = self.attempt.saturating_add(1);
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        let whole = doubled.min(self.longest);
        let cut = whole.mul_f64(f64::from(u8::try_from(self.noise & 0xff).unwrap_or(0)) / 1024.0);
        whole.saturating_sub(cut)
    }

    /// How many waits have been given out since the last reset.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempt
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_never_beyond() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

        let waits: Vec<_> = (0..40).map(|_| backoff.next_delay()).collect();

        assert!(waits[0] <= Duration::from_millis(100));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(5)));
        assert!(waits[39] >= Duration::from_millis(3700));
    }
}
