//! What a topic must be, whatever happened while it was written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{ChangeRecord, Operation, Origin};
use crate::cell::Cells;

/// What makes a record the same as another.
#[derive(PartialEq, Eq, Hash)]
enum Identity<'a> {
    /// A snapshot reads a row once.
    Read(Vec<u8>),
    /// A row event's row, by its place in the log. On a server with GTIDs the transaction is part
    /// of it. A changed key gives two records of one row, which differ in their operations.
    Change(&'a Origin, Operation),
    /// A tombstone has nothing but its key and its Lsn.
    Tombstone(u64),
    /// A sweep is in each partition once.
    Sweep(u64, i32),
}

/// What is wrong with the records of one or more topics; empty if nothing is.
///
/// No record is there twice, and within a partition Lsns only grow. A row is read once by each copy
/// of its table; all copies but the first end with a sweep.
#[must_use]
pub fn problems(records: &[ChangeRecord]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: HashMap<(&str, Identity<'_>), i64> = HashMap::new();
    let mut last: HashMap<(&str, i32), u64> = HashMap::new();
    let mut sweeps_of: HashMap<&str, BTreeSet<u64>> = HashMap::new();
    for (topic, before) in sweeps(records) {
        sweeps_of.entry(topic).or_default().insert(before);
    }
    let none = BTreeSet::new();
    for record in records {
        let topic = record.topic.as_str();
        let sweeps = sweeps_of.get(topic).unwrap_or(&none);
        let (partition, offset) = (record.partition, record.offset);
        if let Some(first) = seen.insert((topic, identity(record, sweeps)), offset) {
            let operation = record.operation;
            problems.push(format!(
                "{topic}[{partition}] has {operation:?} at {first} and again at {offset}: {:?} {:?}",
                record.key, record.origin
            ));
        }
        let before = last.insert((topic, partition), record.lsn);
        if before.is_some_and(|before| before >= record.lsn) {
            let lsn = record.lsn;
            problems
                .push(format!("{topic}[{partition}] has lsn {lsn} at {offset} behind {before:?}"));
        }
        problems.extend(wrong_images(record));
    }
    problems
}

/// The topics and the numbers of all sweeps.
fn sweeps(records: &[ChangeRecord]) -> impl Iterator<Item = (&str, u64)> {
    records.iter().filter_map(|record| match record.operation {
        Operation::Sweep { before } => Some((record.topic.as_str(), before)),
        Operation::Read
        | Operation::Create
        | Operation::Update
        | Operation::Delete
        | Operation::Truncate
        | Operation::Tombstone => None,
    })
}

/// A copy that ends with a sweep reads again what was read before its mark.
fn identity<'a>(record: &'a ChangeRecord, sweeps: &BTreeSet<u64>) -> Identity<'a> {
    match record.operation {
        Operation::Read => {
            let copy = sweeps.range(..=record.lsn).count();
            Identity::Read(format!("{copy} {:?}", record.key).into_bytes())
        }
        Operation::Sweep { before } => Identity::Sweep(before, record.partition),
        Operation::Tombstone => Identity::Tombstone(record.lsn),
        operation @ (Operation::Create
        | Operation::Update
        | Operation::Delete
        | Operation::Truncate) => Identity::Change(&record.origin, operation),
    }
}

/// A record has exactly the images of its operation.
fn wrong_images(record: &ChangeRecord) -> Option<String> {
    let expected = match record.operation {
        Operation::Read | Operation::Create => (false, true),
        Operation::Update => (true, true),
        Operation::Delete => (true, false),
        Operation::Tombstone | Operation::Truncate | Operation::Sweep { .. } => (false, false),
    };
    let found = (record.before.is_some(), record.after.is_some());
    (found != expected).then(|| {
        format!("{}[{}] at {} has the wrong images", record.topic, record.partition, record.offset)
    })
}

/// The table that the records of one topic make: the row with the highest Lsn of each key.
#[must_use]
pub fn replay(records: &[ChangeRecord]) -> BTreeMap<Cells, Cells> {
    let mut latest: HashMap<String, &ChangeRecord> = HashMap::new();
    let swept = sweeps(records).map(|(_, before)| before).max().unwrap_or_default();
    let is_row = |record: &&ChangeRecord| !matches!(record.operation, Operation::Sweep { .. });
    for record in records.iter().filter(is_row) {
        let key = format!("{:?}", record.key);
        if latest.get(&key).is_none_or(|known| known.lsn < record.lsn) {
            latest.insert(key, record);
        }
    }
    let rows = latest.into_values().filter(|record| record.lsn >= swept);
    rows.filter_map(|record| Some((record.key.clone(), record.after.as_ref()?.cells.clone())))
        .collect()
}
