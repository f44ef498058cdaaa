//! Binlog bytes → Avro records.

use cdc_source::bench::{Codec, Path, Workload, bulk_inserts, single_row_updates};

use super::Bench;
use super::measure::{Effort, Input, Measured, measure};

/// Insert events of 1,000 rows, and transactions that update one row; by the plan and generic.
pub const BENCHES: [Bench; 4] = [
    Bench {
        name: "binlog_to_avro_bulk",
        run: |effort| convert("binlog_to_avro_bulk", &bulk_inserts(), (Path::Planned, effort)),
    },
    Bench {
        name: "binlog_to_avro_single_row",
        run: |effort| {
            convert("binlog_to_avro_single_row", &single_row_updates(), (Path::Planned, effort))
        },
    },
    Bench {
        name: "binlog_to_avro_bulk_generic",
        run: |effort| {
            convert("binlog_to_avro_bulk_generic", &bulk_inserts(), (Path::Generic, effort))
        },
    },
    Bench {
        name: "binlog_to_avro_single_row_generic",
        run: |effort| {
            convert(
                "binlog_to_avro_single_row_generic",
                &single_row_updates(),
                (Path::Generic, effort),
            )
        },
    },
];

fn convert(
    bench: &'static str,
    workload: &Workload,
    (path, effort): (Path, Effort),
) -> Result<Measured, String> {
    let mut codec = Codec::new()?;
    codec.run(&workload.log, path)?;
    let bytes = u64::try_from(workload.log.len()).map_err(|error| error.to_string())?;
    let mut failed = Ok(());
    let measured = measure(bench, Input { rows: workload.rows, bytes }, effort, || {
        if let Err(error) = codec.run(&workload.log, path) {
            failed = Err(error);
        }
    });
    failed.map(|()| measured)
}
