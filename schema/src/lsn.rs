//! The order of row changes within one connector.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Log sequence number: the order of one row change in this pipeline, and the external version of
/// its document.
///
/// Strictly increasing per connector, whatever happens to the binlog below it: a failover or a
/// rewind changes file names and positions, never this order. Below 2^53, so safe as a number in
/// JSON, until the year 2255, because it starts at the clock in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Lsn(u64);

impl Lsn {
    /// Before all changes.
    pub const ZERO: Self = Self(0);

    /// Wraps a number read from an offset or a record. `None` beyond 63 bits, which is what
    /// Elasticsearch accepts as a version.
    #[must_use]
    pub fn new(value: u64) -> Option<Self> {
        i64::try_from(value).is_ok().then_some(Self(value))
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Lsn {
    type Error = ParseLsnError;

    fn try_from(value: u64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or(ParseLsnError { source: None })
    }
}

impl From<Lsn> for u64 {
    fn from(lsn: Lsn) -> Self {
        lsn.0
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = text.parse().map_err(|source| ParseLsnError { source: Some(source) })?;
        Self::new(value).ok_or(ParseLsnError { source: None })
    }
}

/// The text is not a log sequence number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid lsn, expected a decimal number of at most 63 bits")]
pub struct ParseLsnError {
    source: Option<ParseIntError>,
}

/// Gives out the numbers of one task.
///
/// The base is fixed when the task starts: the clock, or one more than the last stored number
/// where that is greater. From then on the clock is never asked again, so a zombie's numbers stay
/// below those of its successor, which started later.
#[derive(Debug)]
pub struct LsnClock {
    last: u64,
}

impl LsnClock {
    /// Starts at `max(stored + 1, now_us)`.
    #[must_use]
    pub fn start(stored: Option<Lsn>, now_us: u64) -> Self {
        let after_stored = stored.map_or(0, |lsn| lsn.0 + 1);
        Self { last: after_stored.max(now_us).saturating_sub(1) }
    }

    /// The next number.
    pub fn tick(&mut self) -> Lsn {
        // 2^63 microseconds are 292,000 years: the addition cannot overflow.
        self.last += 1;
        Lsn(self.last)
    }

    /// The last number given out; before the first one, the number below the base.
    #[must_use]
    pub fn last(&self) -> Lsn {
        Lsn(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clock_that_went_back_does_not_take_the_numbers_back() {
        let stored = Lsn::new(1_000_000).unwrap();

        let mut clock = LsnClock::start(Some(stored), 5);

        assert_eq!(clock.tick().value(), 1_000_001);
        assert_eq!(clock.tick().value(), 1_000_002);
    }

    proptest! {
        #[test]
        fn numbers_grow_across_restarts(starts in prop::collection::vec((0_u64..1 << 50, 0_usize..5), 1..20)) {
            let mut last = None;
            for (now_us, ticks) in starts {
                let mut clock = LsnClock::start(last, now_us);
                for _ in 0..ticks {
                    let lsn = clock.tick();
                    prop_assert!(Some(lsn) > last);
                    last = Some(lsn);
                }
            }
        }

        #[test]
        fn printing_and_parsing_are_inverse(value in 0_u64..=i64::MAX as u64) {
            let lsn = Lsn::new(value).unwrap();
            prop_assert_eq!(lsn.to_string().parse::<Lsn>().unwrap(), lsn);
        }
    }
}
