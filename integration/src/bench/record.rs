//! Binlog bytes → Avro records.

use cdc_source::bench::{Codec, Path, Workload, bulk_inserts, single_row_updates};

use super::measure::{Input, Measured, measure};

/// Insert events of 1,000 rows, and transactions that update one row; by the plan and generic.
///
/// # Errors
///
/// Returns what is wrong with the benches themselves.
pub fn run() -> Result<Vec<Measured>, String> {
    let (bulk, single) = (bulk_inserts(), single_row_updates());
    Ok(vec![
        convert("binlog_to_avro_bulk", &bulk, Path::Planned)?,
        convert("binlog_to_avro_single_row", &single, Path::Planned)?,
        convert("binlog_to_avro_bulk_generic", &bulk, Path::Generic)?,
        convert("binlog_to_avro_single_row_generic", &single, Path::Generic)?,
    ])
}

fn convert(bench: &'static str, workload: &Workload, path: Path) -> Result<Measured, String> {
    let mut codec = Codec::new()?;
    codec.run(&workload.log, path)?;
    let bytes = u64::try_from(workload.log.len()).map_err(|error| error.to_string())?;
    let mut failed = Ok(());
    let measured = measure(bench, Input { rows: workload.rows, bytes }, || {
        if let Err(error) = codec.run(&workload.log, path) {
            failed = Err(error);
        }
    });
    failed.map(|()| measured)
}
