//! Holds what rowcast wrote against what Debezium wrote.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::avro::{Leaf, leaves};
use super::differences::{different_leaves, hex_of, same_headers, schema_differences, shown};
use super::exceptions::{EXCEPTIONS, What};
use super::recording::{Recorded, Recording};
use super::run::Outcome;
use super::topics::{Written, frame, frame_id};

/// What a comparison has found.
#[derive(Default)]
pub(super) struct Report {
    /// Schemas that are registered and used as recorded.
    pub(super) schemas: usize,
    /// Records that are equal, and how many of them need no exception.
    pub(super) records: usize,
    pub(super) exact: usize,
    /// Differences that no exception explains.
    pub(super) differences: Vec<String>,
    /// How often each exception has explained something, by its place in the list.
    pub(super) used: BTreeMap<usize, usize>,
}

impl Report {
    /// Takes note of a difference, or of the exception that explains it.
    fn differs(&mut self, exception: Option<usize>, how: impl FnOnce() -> String) {
        match exception {
            Some(at) => *self.used.entry(at).or_default() += 1,
            None => self.differences.push(how()),
        }
    }

    /// How often exceptions were needed.
    fn excused(&self) -> usize {
        self.used.values().sum()
    }
}

/// Compares one connector.
pub(super) fn compare(outcome: &Outcome, recording: &Recording) -> Report {
    let compared = Compared { outcome, recording, ids: &outcome.ids[&recording.name] };
    let mut report = Report::default();
    compared.subjects(&mut report);
    let mut topics: BTreeSet<&str> = recording.records.iter().map(|r| r.topic.as_str()).collect();
    let prefix = format!("{}.", recording.name);
    let written = outcome.written.keys().map(String::as_str);
    // `beside.rs` compares those.
    let of_transactions = format!("{prefix}transaction");
    let written = written.filter(|topic| *topic != of_transactions);
    topics.extend(written.filter(|topic| topic.starts_with(&prefix)));
    for topic in topics {
        match compared.exception(topic, |what| *what == What::Table) {
            Some(at) => *report.used.entry(at).or_default() += 1,
            None => compared.topic(topic, &mut report),
        }
    }
    report
}

struct Compared<'a> {
    outcome: &'a Outcome,
    recording: &'a Recording,
    /// The registry's numbers of the recorded schemas.
    ids: &'a [u32],
}

impl Compared<'_> {
    /// The first exception that covers a topic and is of a kind.
    fn exception(&self, topic: &str, is_it: impl Fn(&What) -> bool) -> Option<usize> {
        EXCEPTIONS.iter().position(|exception| {
            exception.covers(&self.recording.name, &self.recording.pair, topic)
                && is_it(&exception.what)
        })
    }

    /// rowcast has registered the recorded texts and no other, and there is no other in the
    /// registry.
    fn subjects(&self, report: &mut Report) {
        let prefix = format!("{}.", self.recording.name);
        let subjects = self.outcome.versions.iter();
        let of_transactions = format!("{prefix}transaction-");
        let subjects = subjects.filter(|(subject, _)| {
            subject.starts_with(&prefix) && !subject.starts_with(&of_transactions)
        });
        for (subject, versions) in subjects {
            let topic = subject.rsplit_once('-').unwrap().0;
            let recorded: Vec<&String> = self.recording.schemas_of(subject).collect();
            let registered = self.outcome.registered.get(subject).into_iter().flatten();
            let others: Vec<&String> = registered.filter(|text| !recorded.contains(text)).collect();
            if others.is_empty() && *versions != recorded.len() {
                report.differences.push(format!("{subject} has {versions} versions"));
            }
            // Which of its columns may differ is looked at with each record.
            let is_other = |what: &What| matches!(what, What::Table | What::Columns(_));
            for other in others {
                report.differs(self.exception(topic, is_other), || {
                    let last = recorded.last().map(|text| schema_differences(text, other));
                    let how: Vec<_> = last.into_iter().flatten().map(|(_, how)| how).collect();
                    format!("{subject} has another schema: {} ({other})", how.join("; "))
                });
            }
        }
    }

    /// Compares a topic, key by key.
    fn topic(&self, topic: &str, report: &mut Report) {
        let mut found: HashMap<&Option<Vec<u8>>, VecDeque<&Written>> = HashMap::new();
        for record in self.outcome.written.get(topic).into_iter().flatten() {
            found.entry(&record.key).or_default().push_back(record);
        }
        let is_rekeyed = |what: &What| *what == What::SnapshotKeys;
        let mut schemas = BTreeSet::new();
        for recorded in self.recording.records.iter().filter(|record| record.topic == topic) {
            let key = recorded.key.as_ref().map(|(place, body)| frame(self.ids[*place], body));
            let Some(ours) = found.get_mut(&key).and_then(VecDeque::pop_front) else {
                let exception = self.exception(topic, is_rekeyed);
                let exception = exception.filter(|_| self.is_of_snapshot(recorded));
                report.differs(exception, || format!("{topic} lacks {}", hex_of(key.as_deref())));
                continue;
            };
            self.record(recorded, ours, report);
            for ((place, _), bytes) in recorded.parts().zip(ours.parts()) {
                schemas.extend((frame_id(bytes) == self.ids[*place]).then_some(*place));
            }
        }
        report.schemas += schemas.len();
        for ours in found.into_values().flatten() {
            report.differs(self.exception(topic, is_rekeyed), || {
                let (key, value) = (hex_of(ours.key.as_deref()), hex_of(ours.value.as_deref()));
                format!("{topic} has one more of {key}: {value}")
            });
        }
    }

    /// Compares a record with the recorded one.
    fn record(&self, recorded: &Recorded, ours: &Written, report: &mut Report) {
        let (differences, excused) = (report.differences.len(), report.excused());
        let at = || format!("{} {}", recorded.topic, hex_of(ours.key.as_deref()));
        if !same_headers(&recorded.headers, &ours.headers) {
            let (found, expected) = (shown(&ours.headers), shown(&recorded.headers));
            report.differences.push(format!("{}: headers are {found}, not {expected}", at()));
        }
        match (&recorded.value, &ours.value) {
            (Some((place, body)), Some(bytes)) => {
                let is_snapshot = self.is_of_snapshot(recorded);
                for (exception, how) in
                    self.value(&recorded.topic, (*place, body), bytes, is_snapshot)
                {
                    report.differs(exception, || format!("{}: {how}", at()));
                }
            }
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => {
                report.differences.push(format!("{}: one is a tombstone", at()));
            }
        }
        if report.differences.len() == differences {
            report.records += 1;
            report.exact += usize::from(report.excused() == excused);
        }
    }

    /// How a value and its schema differ, with the exceptions that explain it.
    fn value(
        &self,
        topic: &str,
        (place, body): (usize, &[u8]),
        bytes: &[u8],
        is_snapshot: bool,
    ) -> Vec<(Option<usize>, String)> {
        let (our_id, our_body) = (frame_id(bytes), &bytes[5..]);
        let theirs = &self.outcome.schemas[&self.ids[place]];
        let ours = &self.outcome.schemas[&our_id];
        let mut differences = Vec::new();
        if our_id != self.ids[place] {
            for (column, how) in schema_differences(theirs, ours) {
                let exception = self.exception(topic, |what| what.excuses_schema(&column));
                differences.push((exception, format!("schema: {how}")));
            }
        }
        for (path, how) in different_leaves(&leaves(theirs, body), &leaves(ours, our_body)) {
            let exception = self.exception(topic, |what| what.excuses(&path, is_snapshot));
            differences.push((exception, how));
        }
        differences
    }

    /// Whether the snapshot has read the row of a record.
    fn is_of_snapshot(&self, record: &Recorded) -> bool {
        let Some((place, body)) = &record.value else { return false };
        let is_read = |(path, bytes): &Leaf| {
            let is_flat = path.ends_with("_source_gtid?") && bytes == b"\x00";
            path == ".op" && bytes == b"\x02r" || is_flat
        };
        leaves(&self.recording.schemas[*place].1, body).iter().any(is_read)
    }
}
