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
mod relay;
mod run;
mod statements;
mod topics;

use std::collections::BTreeMap;

use self::compare::compare;
use self::exceptions::EXCEPTIONS;
use self::run::outcome;

#[tokio::test]
async fn schemas_and_records_are_debeziums() {
    let outcome = outcome().await;

    let (mut schemas, mut records, mut exact) = (0, 0, 0);
    let mut used: BTreeMap<usize, usize> = BTreeMap::new();
    let mut differences = Vec::new();
    for recording in &outcome.recordings {
        let report = compare(outcome, recording);
        schemas += report.schemas;
        records += report.records;
        exact += report.exact;
        for (at, times) in report.used {
            *used.entry(at).or_default() += times;
        }
        let (name, all) = (&recording.name, recording.records.len());
        println!("{name}: {} schemas, {} of {all} records", report.schemas, report.records);
        differences.extend(report.differences.into_iter().map(|how| format!("{name}: {how}")));
    }
    println!(
        "as Debezium: {schemas} schemas and {records} records, {exact} of them without any exception"
    );

    std::fs::write("/tmp/golden-rowcast.log", &outcome.log).unwrap();
    std::fs::write("/tmp/golden-diff.txt", differences.join("\n")).unwrap();
    for (at, exception) in EXCEPTIONS.iter().enumerate() {
        println!(
            "{at} {:?} {} {}",
            exception.tables,
            exception.times,
            used.get(&at).copied().unwrap_or_default()
        );
    }
    assert!(differences.is_empty(), "{} differences", differences.len());
}
