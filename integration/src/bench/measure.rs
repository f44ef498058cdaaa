//! Runs a piece of work often enough to say how fast it is.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Runs of a bench: an odd number, so that one is in the middle. One that the scheduler has
/// disturbed does not count.
const RUNS: usize = 7;
/// Time that a run takes at least: long against a time slice of the scheduler.
const RUN_TIME: Duration = Duration::from_millis(300);

/// How often a bench does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// As often as it takes to time it.
    Timed,
    /// So many passes: always the same instructions, for one that counts them. Times say little.
    Passes(u32),
}

/// How fast something is: the median of the runs, on one core.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// What was measured.
    pub bench: &'static str,
    /// Rows in a second on a core.
    pub rows_per_second: u64,
    /// Bytes of input in a second on a core.
    pub bytes_per_second: u64,
}

/// The input of one pass of the work.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// Rows in it.
    pub rows: u64,
    /// Bytes in it.
    pub bytes: u64,
}

/// Measures a piece of work. The first passes of a timed one fill caches and are not counted.
pub fn measure(
    bench: &'static str,
    input: Input,
    effort: Effort,
    mut pass: impl FnMut(),
) -> Measured {
    let (passes, runs) = match effort {
        Effort::Timed => (passes_in(RUN_TIME, &mut pass), RUNS),
        Effort::Passes(passes) => (passes, 1),
    };
    let mut runs: Vec<Duration> = (0..runs).map(|_| time(passes, &mut pass)).collect();
    runs.sort_unstable();
    let median = runs.get(runs.len() / 2).copied().unwrap_or(RUN_TIME);
    let per_second = |amount| per_second(u64::from(passes) * amount, median);
    Measured {
        bench,
        rows_per_second: per_second(input.rows),
        bytes_per_second: per_second(input.bytes),
    }
}

fn per_second(amount: u64, time: Duration) -> u64 {
    let rate = u128::from(amount) * 1_000_000_000 / time.as_nanos().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// How many passes take so long: doubled until they do.
fn passes_in(at_least: Duration, pass: &mut impl FnMut()) -> u32 {
    let mut passes = 1;
    while time(passes, pass) < at_least && passes < u32::MAX / 2 {
        passes *= 2;
    }
    passes
}

fn time(passes: u32, pass: &mut impl FnMut()) -> Duration {
    let (start, start_on_core) = (Instant::now(), time_on_core());
    for _ in 0..passes {
        pass();
    }
    match (start_on_core, time_on_core()) {
        (Some(start), Some(end)) => end.saturating_sub(start),
        _ => start.elapsed(),
    }
}

/// How long this thread has had a core, to a tick of the scheduler: what others do on the machine
/// in the meantime does not count. `None` where the system does not say.
/// <https://docs.kernel.org/scheduler/sched-stats.html>
fn time_on_core() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_an_amount_in_a_time() {
        assert_eq!(per_second(3_000, Duration::from_millis(500)), 6_000);
        assert_eq!(per_second(1, Duration::from_nanos(3)), 333_333_333);
        assert_eq!(per_second(7, Duration::ZERO), 7_000_000_000);
    }

    #[test]
    fn passes_that_are_asked_for_are_all_that_is_done() {
        let mut calls = 0;
        measure("none", Input { rows: 1, bytes: 1 }, Effort::Passes(3), || calls += 1);

        assert_eq!(calls, 3);
    }

    #[test]
    fn passes_are_doubled_until_they_take_long_enough() {
        let mut calls = 0;
        let passes = passes_in(Duration::from_millis(20), &mut || {
            calls += 1;
            std::hint::black_box((0..1_000_u64).map(std::hint::black_box).sum::<u64>());
        });

        assert!(passes.is_power_of_two());
        assert_eq!(calls, 2 * passes - 1);
    }
}
