//! Whether sixteen million rows cost as much as one million, each: what `cargo soak growth` prints.

use serde::Serialize;

use super::{Measured, Report, Workload};

/// The workloads, from the smallest.
pub const WORKLOADS: [Workload; 3] =
    [Workload::CatchupBulk, Workload::Growth4m, Workload::Growth16m];

/// Most memory, whatever the number of rows: design.md's 100 MB.
const MEMORY_MAX_BYTES: f64 = 100e6;
/// Most memory, by that of the smallest.
const MEMORY_FACTOR_MAX: f64 = 1.3;
/// Least rows of a second of a core, by those of the smallest: what runs of one size differ by.
const RATE_FACTOR_MIN: f64 = 0.7;

/// What has grown with the rows, and what has not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Growth {
    /// One of each workload.
    pub sizes: Vec<Size>,
    /// What is not as flat as it must be; none is good.
    pub problems: Vec<String>,
}

/// Medians of one workload.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Size {
    /// How many rows it has.
    pub rows: u64,
    /// By the clock.
    pub rows_per_second: f64,
    /// By the processor's time of rowcast.
    pub rows_per_cpu_second: f64,
    /// Most that was resident.
    pub peak_rss_bytes: f64,
}

impl Growth {
    /// Judges what was measured.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let sizes: Vec<_> = report.workloads.iter().filter_map(size).collect();
        let mut problems: Vec<_> = sizes.iter().skip(1).flat_map(|it| beside(&sizes, it)).collect();
        if sizes.len() < WORKLOADS.len() {
            problems.push(format!("only {} sizes were measured", sizes.len()));
        }
        Self { sizes, problems }
    }

    /// Whether all is flat.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

fn size(measured: &Measured) -> Option<Size> {
    let median = |figure| measured.median("rowcast", figure);
    Some(Size {
        rows: measured.rows,
        rows_per_second: median("rows_per_second")?,
        rows_per_cpu_second: median("rows_per_cpu_second")?,
        peak_rss_bytes: median("peak_rss_bytes")?,
    })
}

/// What is worse than with the fewest rows.
fn beside(sizes: &[Size], size: &Size) -> Vec<String> {
    let Some(smallest) = sizes.first() else { return Vec::new() };
    let (rows, memory) = (size.rows, size.peak_rss_bytes);
    let mut problems = Vec::new();
    if memory > MEMORY_MAX_BYTES || memory > smallest.peak_rss_bytes * MEMORY_FACTOR_MAX {
        let before = smallest.peak_rss_bytes;
        problems.push(format!("{rows} rows take {memory} bytes, the smallest takes {before}"));
    }
    let (rate, before) = (size.rows_per_cpu_second, smallest.rows_per_cpu_second);
    if rate < before * RATE_FACTOR_MIN {
        problems.push(format!("{rows} rows: {rate:.0} in a second of a core, {before:.0} before"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::e2e_bench::Figures;

    fn report(figures: &[(f64, f64)]) -> Report {
        let mut report = Report::new(BTreeMap::new());
        for (workload, (rate, memory)) in WORKLOADS.into_iter().zip(figures) {
            let mut measured = Measured::new(workload.name(), workload.rows(100));
            measured.add(
                "rowcast",
                Figures::from([
                    ("rows_per_second", *rate),
                    ("rows_per_cpu_second", *rate),
                    ("peak_rss_bytes", *memory),
                ]),
            );
            report.add(measured);
        }
        report
    }

    #[test]
    fn what_grows_with_the_rows_is_a_problem() {
        let of = |figures: &[(f64, f64)]| Growth::of(&report(figures)).problems.len();
        assert_eq!(of(&[(700e3, 70e6), (650e3, 75e6), (720e3, 80e6)]), 0);
        assert_eq!(of(&[(700e3, 70e6), (650e3, 75e6), (400e3, 80e6)]), 1);
        assert_eq!(of(&[(700e3, 70e6), (650e3, 75e6), (700e3, 95e6)]), 1);
        assert_eq!(of(&[(700e3, 90e6), (400e3, 101e6), (400e3, 101e6)]), 4);
        assert_eq!(of(&[(700e3, 70e6), (650e3, 75e6)]), 1);
    }
}
