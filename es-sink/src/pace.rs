//! How many requests are under way at once, and how large they are, as the server's answers allow.
//!
//! Additive increase, multiplicative decrease, as TCP's: each answer that is fast lets a fraction of
//! a request more be under way; a refusal (429, a circuit breaker, 503, no answer) halves the
//! number, and when it is one already, the size. A server that is slow without refusing is seen by
//! the time that a byte takes: with more requests than it can work on at once each takes longer, and
//! nothing is gained.

use std::time::Duration;

use tokio::time::Instant;

/// The limits that the settings give.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PaceLimits {
    pub(crate) in_flight: usize,
    pub(crate) bytes: usize,
}

/// What a request has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server has done it.
    Done,
    /// It had too much to do, or was away.
    Overloaded,
}

/// Below this a request is not made smaller: 64 KiB, where the request itself begins to cost more
/// than what is in it.
const BYTES_MIN: f64 = 65_536.0;
/// A byte may take half as long again as in the best of times before it counts as slow. A server
/// that works on as many requests as it can takes twice as long with twice as many, and gains
/// nothing but memory that waits.
const SLOW: f64 = 1.5;
/// Answers within 50 ms are never slow: the time is noise.
const NEVER_SLOW: Duration = Duration::from_millis(50);
/// The best time is forgotten by so much with each answer, so that a server that has become slower
/// for good is not held against its past: by half in 70 answers.
const FORGET: f64 = 1.01;

/// How fast to go.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: PaceLimits,
    in_flight: f64,
    bytes: f64,
    /// Seconds that a byte takes when it goes well; none before the first answer.
    best: Option<f64>,
    /// When it was last slowed down. What was sent before is an answer to the speed of then.
    slowed: Option<Instant>,
}

impl Pace {
    /// Begins with one request at a time.
    pub(crate) fn new(limits: PaceLimits) -> Self {
        Self { limits, in_flight: 1.0, bytes: float(limits.bytes), best: None, slowed: None }
    }

    /// How many requests may be under way.
    pub(crate) fn in_flight(&self) -> usize {
        truncated(self.in_flight).clamp(1, self.limits.in_flight)
    }

    /// How large a request may be.
    pub(crate) fn bytes(&self) -> usize {
        truncated(self.bytes).clamp(1, self.limits.bytes)
    }

    /// Takes notice of an answer, or of its absence.
    pub(crate) fn answered(
        &mut self,
        sent: Instant,
        now: Instant,
        (bytes, outcome): (usize, Outcome),
    ) {
        let elapsed = now.saturating_duration_since(sent);
        match outcome {
            Outcome::Overloaded => self.slow_down(sent, now, 0.5),
            Outcome::Done if self.is_slow(elapsed, bytes) => self.slow_down(sent, now, 0.8),
            Outcome::Done => self.speed_up(),
        }
    }

    fn is_slow(&mut self, elapsed: Duration, bytes: usize) -> bool {
        let each = elapsed.as_secs_f64() / float(bytes.max(4_096));
        let best = self.best.map_or(each, |best| (best * FORGET).min(each));
        self.best = Some(best);
        elapsed > NEVER_SLOW && each > best * SLOW
    }

    fn slow_down(&mut self, sent: Instant, now: Instant, factor: f64) {
        if self.slowed.is_some_and(|slowed| sent < slowed) {
            return;
        }
        self.slowed = Some(now);
        if self.in_flight < 2.0 {
            self.bytes = (self.bytes * factor).max(BYTES_MIN.min(float(self.limits.bytes)));
        }
        self.in_flight = (self.in_flight * factor).max(1.0);
    }

    /// By one request for as many answers as there are requests under way; the size comes first, as
    /// fewer large requests cost less than more small ones.
    fn speed_up(&mut self) {
        let largest = float(self.limits.bytes);
        if self.bytes < largest {
            self.bytes = (self.bytes * 1.25).min(largest);
        } else {
            self.in_flight =
                (self.in_flight + 1.0 / self.in_flight).min(float(self.limits.in_flight));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes of requests are far below 2^53")]
fn float(number: usize) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between one and the limits, which are numbers of this type"
)]
fn truncated(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: PaceLimits = PaceLimits { in_flight: 5, bytes: 5 << 20 };

    /// Sends requests that take so long each.
    fn answers(pace: &mut Pace, now: &mut Instant, each: (u64, Outcome), count: usize) {
        let (millis, outcome) = each;
        for _ in 0..count {
            let sent = *now;
            *now += Duration::from_millis(millis);
            pace.answered(sent, *now, (pace.bytes(), outcome));
        }
    }

    #[test]
    fn a_server_that_answers_gets_more_and_one_that_refuses_less() {
        let (mut pace, mut now) = (Pace::new(LIMITS), Instant::now());
        assert_eq!((pace.in_flight(), pace.bytes()), (1, 5 << 20));

        answers(&mut pace, &mut now, (80, Outcome::Done), 20);
        assert_eq!((pace.in_flight(), pace.bytes()), (5, 5 << 20));
        answers(&mut pace, &mut now, (5, Outcome::Overloaded), 1);
        assert_eq!((pace.in_flight(), pace.bytes()), (2, 5 << 20));
        answers(&mut pace, &mut now, (5, Outcome::Overloaded), 20);
        assert_eq!((pace.in_flight(), pace.bytes()), (1, 64 << 10));
        answers(&mut pace, &mut now, (5, Outcome::Done), 40);
        assert_eq!((pace.in_flight(), pace.bytes()), (5, 5 << 20));
    }

    #[test]
    fn what_was_sent_at_the_old_speed_slows_down_once() {
        let (mut pace, mut now) = (Pace::new(LIMITS), Instant::now());
        answers(&mut pace, &mut now, (80, Outcome::Done), 20);
        let sent = now;
        for _ in 0..4 {
            now += Duration::from_millis(10);
            pace.answered(sent, now, (1 << 20, Outcome::Overloaded));
        }

        assert_eq!(pace.in_flight(), 2);
    }

    #[test]
    fn a_server_that_becomes_slow_gets_less_until_it_is_known_to_be_slow() {
        let (mut pace, mut now) = (Pace::new(LIMITS), Instant::now());
        answers(&mut pace, &mut now, (80, Outcome::Done), 20);

        answers(&mut pace, &mut now, (800, Outcome::Done), 10);
        assert_eq!(pace.in_flight(), 1);
        answers(&mut pace, &mut now, (8_000, Outcome::Done), 1_000);
        assert_eq!((pace.in_flight(), pace.bytes()), (5, 5 << 20));
    }

    proptest! {
        #[test]
        fn the_pace_stays_within_its_limits(
            answered in prop::collection::vec((0_u64..5_000, 0_usize..10_000_000, any::<bool>()), 0..200),
            in_flight in 1_usize..20, bytes in 1_usize..10_000_000,
        ) {
            let (mut pace, mut now) = (Pace::new(PaceLimits { in_flight, bytes }), Instant::now());
            for (millis, size, is_done) in answered {
                let sent = now;
                now += Duration::from_millis(millis);
                let outcome = if is_done { Outcome::Done } else { Outcome::Overloaded };
                pace.answered(sent, now, (size, outcome));
                prop_assert!((1..=in_flight).contains(&pace.in_flight()));
                prop_assert!((1..=bytes).contains(&pace.bytes()));
                prop_assert!(pace.bytes() >= bytes.min(64 << 10));
            }
        }
    }
}
