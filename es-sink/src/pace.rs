//! How many requests are under way at once, and how large they are, as the server's answers allow.
//!
//! Additive increase, multiplicative decrease, as TCP's: a refusal (429, a circuit breaker, 503, no
//! answer) halves the number, and when it is one already, the size. A server that is slow without
//! refusing is seen by the time that a byte takes. As in TCP Vegas, what that says is how many
//! requests wait at the server: about one of them shall, so that it never has nothing to do; more
//! gain nothing, take memory on both sides, and have Elasticsearch write smaller segments.

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
/// With fewer requests that wait at the server there is room for one more, and with more there are
/// too many. Our choice around one.
const WAITING_MIN: f64 = 0.75;
const WAITING_MAX: f64 = 1.5;
/// With so many it has become slow at once, and gets a fifth less at once.
const WAITING_FAR_TOO_MANY: f64 = 3.0;
/// Answers within 50 ms are never slow: the time is noise.
const NEVER_SLOW: Duration = Duration::from_millis(50);
/// A request alone waits for none: that it takes longer than it used to alone is news about the server,
/// which has to be nearly learnt before others join it.
const NEARLY_ALONE: f64 = 0.1;
/// After so many answers one request goes alone again, as the server may have become slower for good
/// by less than what makes that happen by itself. Until there are five again it takes ten answers.
const ALONE_EVERY: u32 = 250;
/// How much of a new time enters the one that counts: single answers are noise as well.
const SMOOTHING: f64 = 0.25;

/// How fast to go.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: PaceLimits,
    in_flight: f64,
    bytes: f64,
    /// Seconds that a byte takes; none before the first answer.
    recent: Option<f64>,
    /// The same when nothing else is under way: then it is what the server needs for it, for good or
    /// ill. The least of all since, if that is less.
    alone: Option<f64>,
    /// Answers since one was alone.
    since_alone: u32,
    /// When it was last slowed down. What was sent before is an answer to the speed of then.
    slowed: Option<Instant>,
}

impl Pace {
    /// Begins with one request at a time.
    pub(crate) fn new(limits: PaceLimits) -> Self {
        Self {
            limits,
            in_flight: 1.0,
            bytes: float(limits.bytes),
            recent: None,
            alone: None,
            since_alone: 0,
            slowed: None,
        }
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
        let before = self.in_flight();
        match outcome {
            Outcome::Overloaded => self.slow_down(sent, now, 0.5),
            // Others were under way with it.
            Outcome::Done if before == 1 && self.slowed.is_some_and(|slowed| sent < slowed) => {}
            Outcome::Done => self.done(sent, now, bytes),
        }
        if before > 1 && self.in_flight() == 1 {
            (self.slowed, self.recent) = (Some(now), None);
        }
    }

    fn done(&mut self, sent: Instant, now: Instant, bytes: usize) {
        let elapsed = now.saturating_duration_since(sent);
        let waiting = self.waiting(elapsed, bytes);
        let room = if self.in_flight() == 1 { NEARLY_ALONE } else { WAITING_MIN };
        if elapsed < NEVER_SLOW {
            self.speed_up();
        } else if self.since_alone > ALONE_EVERY {
            self.in_flight = 1.0;
        } else if waiting < room {
            self.speed_up();
        } else if waiting > WAITING_FAR_TOO_MANY {
            self.slow_down(sent, now, 0.8);
        } else if waiting > WAITING_MAX {
            self.in_flight = (self.in_flight - 1.0 / self.in_flight).max(1.0);
        }
    }

    /// How many of the requests under way wait for others at the server, by Little's law.
    fn waiting(&mut self, elapsed: Duration, bytes: usize) -> f64 {
        let each = elapsed.as_secs_f64() / float(bytes.max(4_096));
        let recent = self.recent.map_or(each, |recent| recent + (each - recent) * SMOOTHING);
        let alone = match self.alone {
            Some(alone) if self.in_flight() > 1 => alone.min(recent),
            Some(alone) => alone + (recent - alone) * SMOOTHING,
            None => recent,
        };
        (self.recent, self.alone) = (Some(recent), Some(alone));
        self.since_alone = if self.in_flight() == 1 { 0 } else { self.since_alone + 1 };
        if recent > 0.0 { self.in_flight * (1.0 - alone / recent) } else { 0.0 }
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

        let mut seen = Vec::new();
        for _ in 0..20 {
            answers(&mut pace, &mut now, (800, Outcome::Done), 1);
            seen.push(pace.in_flight());
        }
        assert!(seen.contains(&1), "{seen:?}");
        answers(&mut pace, &mut now, (8_000, Outcome::Done), 1_000);
        assert_eq!((pace.in_flight(), pace.bytes()), (5, 5 << 20));
    }

    /// A server that works on so many requests at once answers more of them so much later.
    #[test]
    fn one_request_waits_at_a_server_that_works_on_as_many_as_it_can() {
        const LIMITS: PaceLimits = PaceLimits { in_flight: 20, bytes: 5 << 20 };
        for (cores, expected) in [(1, 2..=2), (2, 3..=3), (4, 5..=6), (64, 8..=20)] {
            let (mut pace, mut now) = (Pace::new(LIMITS), Instant::now());
            let mut seen = Vec::new();
            for number in 0_u64..400 {
                let rounds = u64::try_from(pace.in_flight()).unwrap().max(cores);
                // Up to a tenth more or less.
                let noise = 900 + number * 7_919 % 200;
                answers(
                    &mut pace,
                    &mut now,
                    (200 * rounds * noise / cores / 1_000, Outcome::Done),
                    1,
                );
                seen.push(pace.in_flight());
            }

            let late = &seen[200..];
            let most = late.iter().filter(|it| expected.contains(*it)).count();
            assert!(most * 10 > late.len() * 8, "{cores} cores: {late:?}");
        }
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
