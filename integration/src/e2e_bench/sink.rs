//! The workload of the sink alone.

use super::report::Measured;
use super::{Bench, BenchError, Figures};
use crate::sink_bench;

impl Bench<'_> {
    /// The bench of the sink, with its own alternation.
    pub(super) async fn sink(&self, measured: &mut Measured) -> Result<(), BenchError> {
        let options = sink_bench::Options {
            documents: self.rows,
            runs: self.options.runs,
            hot_updates: self.rows,
            hot_keys: 1_000,
            snapshot: false,
            settings: Vec::new(),
        };
        let report = Box::pin(sink_bench::run(self.stack, self.ours.folder, &options)).await?;
        for run in report.counted() {
            let mut figures = Figures::from([
                ("rows_per_second", run.documents_per_second),
                ("elasticsearch_cpu_us_per_row", run.server_cpu_us),
            ]);
            // The loader is a part of this process.
            if let Some(mib) = run.peak_rss_mib {
                figures.insert("rows_per_cpu_second", 1e6 / run.client_cpu_us);
                figures.insert("peak_rss_bytes", mib * 1024.0 * 1024.0);
            }
            let who = if run.who == "bare" { "bare_loader" } else { run.who };
            measured.add(who, figures);
        }
        Ok(())
    }
}
