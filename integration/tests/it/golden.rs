//! The same schemas and bytes as Debezium: what a real one wrote under many configurations, held
//! against what rowcast writes under the same ones, on the same statements.
//!
//! A schema is the same when the registry answers with the number of the recorded one. Of a record
//! topic, key, value and headers are compared, byte for byte, but for what is about the run
//! (clocks, places in the log) or about the program (its version, `source.sequence`).

mod avro;
mod compare;
mod exceptions;
mod recording;
mod run;
mod statements;
mod topics;

use std::collections::BTreeSet;

use self::compare::compare;
use self::exceptions::EXCEPTIONS;
use self::run::outcome;

#[tokio::test]
async fn schemas_and_records_are_debeziums() {
    let outcome = outcome().await;

    let (mut schemas, mut records) = (0, 0);
    let mut used = BTreeSet::new();
    let mut differences = Vec::new();
    for recording in &outcome.recordings {
        let report = compare(outcome, recording);
        schemas += report.schemas;
        records += report.records;
        used.extend(report.used);
        let name = &recording.name;
        println!(
            "{name}: {} schemas, {} of {} records",
            report.schemas,
            report.records,
            recording.records.len()
        );
        differences.extend(report.differences.into_iter().map(|how| format!("{name}: {how}")));
    }
    println!("compared with Debezium: {schemas} schemas and {records} records are the same");

    std::fs::write("/tmp/golden-rowcast.log", &outcome.log).unwrap();
    std::fs::write("/tmp/golden-diff.txt", differences.join("\n")).unwrap();
    assert!(differences.is_empty(), "{} differences", differences.len());
    let unused: Vec<_> = EXCEPTIONS
        .iter()
        .enumerate()
        .filter(|(at, _)| !used.contains(at))
        .map(|(_, e)| e.why)
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}
