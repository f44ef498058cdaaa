//! One run: the topic's end and the processes' time, from the start of a process until nothing more
//! comes.

use std::time::{Duration, Instant};

use super::topics::Watched;
use super::{BenchError, Figures, float};
use crate::stack::{Server, Stack, is_alive};
use crate::usage::{cpu, peak_rss_bytes};

/// How often the end is looked at. One look takes the broker less than a millisecond, for a thousand
/// topics some more.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Nothing more comes when nothing has come for so long.
const QUIET: Duration = Duration::from_secs(1);
/// Longest wait for all rows.
const DEADLINE: Duration = Duration::from_secs(900);
/// A run is measured from a fifth of its rows on: the start of a process, what Java compiles first, and
/// the first meeting with the servers are before that.
const BEGIN_PERCENT: u64 = 20;

/// The processes of a run: the one that is measured and those beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Processes {
    measured: u32,
    broker: u32,
    registry: u32,
    mysql: u32,
}

impl Processes {
    pub(super) fn new(measured: Option<u32>, stack: &Stack) -> Result<Self, BenchError> {
        let of = |server: &Server| server.pid().ok_or(BenchError::Ended { what: "a server" });
        Ok(Self {
            measured: measured.ok_or(BenchError::Ended { what: "what is measured" })?,
            broker: of(&stack.kafka.server)?,
            registry: of(&stack.registry.server)?,
            mysql: of(&stack.mysql.server)?,
        })
    }

    fn usage(&self) -> Usage {
        Usage {
            measured: cpu(self.measured),
            broker: cpu(self.broker),
            registry: cpu(self.registry),
            mysql: cpu(self.mysql),
        }
    }
}

/// Time on all cores.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    measured: Duration,
    broker: Duration,
    registry: Duration,
    mysql: Duration,
}

/// The topic's end at a moment.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Instant,
    end: u64,
    usage: Usage,
}

/// Follows a run that has just been started, and counts its records.
pub(super) async fn follow(
    watched: Watched,
    processes: Processes,
    rows: u64,
) -> Result<Figures, BenchError> {
    let moments = moments(&watched, processes, rows).await?;
    let mut figures = figures(&moments, rows);
    let peak = peak_rss_bytes(processes.measured).unwrap_or_default();
    figures.insert("peak_rss_bytes", float(peak));
    let found = tokio::task::spawn_blocking(move || watched.count()).await??;
    if found == rows { Ok(figures) } else { Err(BenchError::Rows { expected: rows, found }) }
}

/// The moments at which the end had moved, the first one before it has.
async fn moments(
    watched: &Watched,
    processes: Processes,
    rows: u64,
) -> Result<Vec<Moment>, BenchError> {
    let began = Instant::now();
    let look = || {
        let end = watched.end()?;
        Ok::<_, BenchError>(Moment { at: Instant::now(), end, usage: processes.usage() })
    };
    let mut last = look()?;
    let mut moments = vec![last];
    while last.end < rows || last.at.elapsed() < QUIET {
        if !is_alive(processes.measured) {
            return Err(BenchError::Ended { what: "what is measured" });
        }
        if began.elapsed() > DEADLINE {
            return Err(BenchError::Rows { expected: rows, found: last.end });
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let now = look()?;
        if now.end != last.end {
            moments.push(now);
            last = now;
        }
    }
    Ok(moments)
}

/// What a run comes to. Its rows are shared out over the moments by the topic's offsets, of which the
/// markers of transactions have some.
fn figures(moments: &[Moment], rows: u64) -> Figures {
    let (Some(start), Some(last)) = (moments.first(), moments.last()) else {
        return Figures::new();
    };
    let from = start.end + (last.end - start.end) * BEGIN_PERCENT / 100;
    let begin = moments.iter().find(|moment| moment.end > start.end && moment.end >= from);
    // All of a small run may come at once: then its start is part of it.
    let begin = begin.filter(|begin| begin.end < last.end).unwrap_or(start);
    let part = float(last.end - begin.end) / float((last.end - start.end).max(1));
    let (rows, seconds) = (float(rows) * part, (last.at - begin.at).as_secs_f64());
    let used = |of: fn(&Usage) -> Duration| (of(&last.usage) - of(&begin.usage)).as_secs_f64();
    let first = moments.get(1).unwrap_or(last);
    Figures::from([
        ("rows_per_second", rows / seconds),
        // A hundredth is the least that is counted.
        ("rows_per_cpu_second", rows / used(|usage| usage.measured).max(0.01)),
        ("cores", used(|usage| usage.measured) / seconds),
        ("broker_cpu_us_per_row", used(|usage| usage.broker) * 1e6 / rows),
        ("registry_cpu_us_per_row", used(|usage| usage.registry) * 1e6 / rows),
        ("mysql_cpu_us_per_row", used(|usage| usage.mysql) * 1e6 / rows),
        ("first_after_seconds", (first.at - start.at).as_secs_f64()),
        ("all_after_seconds", (last.at - start.at).as_secs_f64()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(ends: &[(u64, u64)]) -> Vec<Moment> {
        let start = Instant::now();
        let moment = |&(ms, end)| {
            let time = Duration::from_millis(ms);
            let usage = Usage { measured: time * 2, broker: time / 2, ..Usage::default() };
            Moment { at: start + time, end, usage }
        };
        ends.iter().map(moment).collect()
    }

    #[test]
    fn a_rate_is_that_from_a_fifth_on() {
        let moments = moments(&[(0, 0), (5_000, 150), (6_000, 200), (8_000, 1_000)]);

        let figures = figures(&moments, 1_000);

        assert_eq!(figures["rows_per_second"], 400.0);
        assert_eq!(figures["rows_per_cpu_second"], 200.0);
        assert_eq!(figures["broker_cpu_us_per_row"], 1_250.0);
        assert_eq!((figures["first_after_seconds"], figures["all_after_seconds"]), (5.0, 8.0));
    }

    #[test]
    fn markers_of_transactions_are_no_rows() {
        let moments = moments(&[(0, 10), (1_000, 210), (2_000, 1_010)]);

        assert_eq!(figures(&moments, 500)["rows_per_second"], 400.0);
    }

    #[test]
    fn what_comes_at_once_is_measured_from_the_start() {
        let figures = figures(&moments(&[(0, 0), (500, 1_001)]), 1_000);

        assert_eq!((figures["rows_per_second"], figures["cores"]), (2_000.0, 2.0));
    }
}
