//! The same schemas and bytes as Debezium: what a real one wrote under many configurations, held
//! against what rowcast writes under the same ones, on the same statements.
//!
//! A schema is the same when the registry answers with the number of the recorded one. Of a record
//! topic, key, value and headers are compared, byte for byte, but for what is about the run
//! (clocks, places in the log) or about the program (its version, `source.sequence`).

mod avro;
mod beside;
mod compare;
mod differences;
mod exceptions;
mod recording;
mod registry;
mod relay;
mod run;
mod sink;
mod statements;
mod topics;

use std::collections::BTreeMap;

use self::compare::compare;
use self::exceptions::EXCEPTIONS;
use self::run::run;

/// What there is to compare, so that less is noticed: schemas, records, and records of which every
/// byte is compared.
const SCHEMAS: usize = 630;
const RECORDS: usize = 1899;
const EXACT: usize = 1777;

/// Seventy connectors at once, and eight more in `beside`: one after the other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn schemas_and_records_are_debeziums() {
    let _alone = ALONE.lock().await;
    let outcome = run().await;

    let (mut schemas, mut records, mut exact) = (0, 0, 0);
    let mut used: BTreeMap<usize, usize> = BTreeMap::new();
    let mut differences = Vec::new();
    for recording in &outcome.recordings {
        let report = compare(&outcome, recording);
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
    println!("as Debezium: {schemas} schemas, {records} records, {exact} of them in every byte");

    let count = differences.len();
    assert!(differences.is_empty(), "{count} differences:\n{}", differences.join("\n"));
    let times: Vec<usize> =
        (0..EXCEPTIONS.len()).map(|at| used.get(&at).copied().unwrap_or_default()).collect();
    let known: Vec<usize> = EXCEPTIONS.iter().map(|exception| exception.times).collect();
    assert_eq!(times, known, "how often each exception explains a difference");
    assert_eq!((schemas, records, exact), (SCHEMAS, RECORDS, EXACT));
}

#[test]
fn every_exception_is_documented() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/semantics.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let (_, differences) = docs.split_once("\n## Differences from Debezium\n").unwrap();

    for exception in EXCEPTIONS {
        let line = format!("\n- **{}", exception.why);
        assert!(differences.contains(&line), "{line}");
    }
}
