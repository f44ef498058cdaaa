//! Holds what rowcast wrote against what Debezium wrote.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value as Json;

use super::avro::{Leaf, leaves};
use super::exceptions::{EXCEPTIONS, Exception, What};
use super::recording::{Recorded, Recording};
use super::run::Outcome;
use super::topics::{Written, frame_id};

/// What a comparison has found.
#[derive(Default)]
pub(super) struct Report {
    /// Schemas that have the number of the recorded ones.
    pub(super) schemas: usize,
    /// Records that are equal, and how many of them need no exception.
    pub(super) records: usize,
    pub(super) exact: usize,
    /// Differences that no exception explains.
    pub(super) differences: Vec<String>,
    /// How often each exception has explained something, by its place in the list.
    pub(super) used: BTreeMap<usize, usize>,
}

/// Compares one connector.
pub(super) fn compare(outcome: &Outcome, recording: &Recording) -> Report {
    let compared = Compared { outcome, recording, ids: &outcome.ids[&recording.name] };
    let mut report = Report::default();
    compared.subjects(&mut report);
    let empty = Vec::new();
    let mut topics: BTreeSet<&String> = recording.records.iter().map(|r| &r.topic).collect();
    let prefix = format!("{}.", recording.name);
    topics.extend(outcome.written.keys().filter(|topic| topic.starts_with(&prefix)));
    for topic in topics {
        if let Some(at) = compared.exception(topic, |what| matches!(what, What::Table)) {
            *report.used.entry(at).or_default() += 1;
            continue;
        }
        let expected = recording.records.iter().filter(|record| record.topic == *topic).collect();
        compared.topic(topic, expected, outcome.written.get(topic).unwrap_or(&empty), &mut report);
    }
    report
}

struct Compared<'a> {
    outcome: &'a Outcome,
    recording: &'a Recording,
    /// The registry's numbers of the recorded schemas.
    ids: &'a [u32],
}

/// Where a record came from, as exceptions see it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Snapshot,
    Log,
}

impl Compared<'_> {
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
        let is_ours = |subject: &&String| subject.starts_with(&prefix);
        for subject in self.outcome.versions.keys().filter(is_ours) {
            let topic = subject.rsplit_once('-').unwrap().0;
            let recorded: Vec<&String> = self.recording.schemas_of(subject).collect();
            let registered = self.outcome.registered.get(subject).into_iter().flatten();
            let others: Vec<&String> = registered.filter(|text| !recorded.contains(text)).collect();
            let versions = self.outcome.versions[subject];
            if others.is_empty() && versions != recorded.len() {
                report.differences.push(format!("{subject} has {versions} versions"));
            }
            let is_excused = |what: &What| matches!(what, What::Table | What::Columns(_));
            for other in others {
                if let Some(at) = self.exception(topic, is_excused) {
                    *report.used.entry(at).or_default() += 1;
                    continue;
                }
                let last = recorded.last().map(|text| schema_difference(text, other));
                let how = last.filter(|how| !how.is_empty()).unwrap_or(other.clone());
                report.differences.push(format!("{subject} has another schema: {how}"));
            }
        }
    }

    fn topic(
        &self,
        topic: &str,
        expected: Vec<&Recorded>,
        written: &[Written],
        report: &mut Report,
    ) {
        let mut found: HashMap<&Option<Vec<u8>>, std::collections::VecDeque<&Written>> =
            HashMap::new();
        for record in written {
            found.entry(&record.key).or_default().push_back(record);
        }
        let mut seen_schemas = BTreeSet::new();
        for record in expected {
            let key = record.key.as_ref().map(|(place, body)| frame(self.ids[*place], body));
            let Some(ours) = found.get_mut(&key).and_then(std::collections::VecDeque::pop_front)
            else {
                let origin = self.origin(record);
                let is_missing =
                    |what: &What| *what == What::SnapshotKeys && origin == Origin::Snapshot;
                match self.exception(topic, is_missing) {
                    Some(at) => {
                        *report.used.entry(at).or_default() += 1;
                    }
                    None => {
                        report.differences.push(format!("{topic} lacks {}", hex_of(key.as_deref())))
                    }
                }
                continue;
            };
            let excused: usize = report.used.values().sum();
            let differences = self.record(topic, record, ours, &mut report.used);
            if differences.is_empty() {
                report.records += 1;
                report.exact += usize::from(excused == report.used.values().sum::<usize>());
                let places = [&record.key, &record.value].into_iter().flatten();
                let found = [&ours.key, &ours.value].into_iter().flatten();
                for ((place, _), bytes) in places.zip(found) {
                    if frame_id(bytes) == self.ids[*place] {
                        seen_schemas.insert(*place);
                    }
                }
            }
            let name = |difference| format!("{topic} {}: {difference}", hex_of(key.as_deref()));
            report.differences.extend(differences.into_iter().map(name));
        }
        report.schemas += seen_schemas.len();
        for (key, rest) in found {
            for ours in rest {
                let at = self.exception(topic, |what| *what == What::SnapshotKeys);
                match at {
                    Some(at) => {
                        *report.used.entry(at).or_default() += 1;
                    }
                    None => report.differences.push(format!(
                        "{topic} has one more of {}: {}",
                        hex_of(key.as_deref()),
                        hex_of(ours.value.as_deref())
                    )),
                }
            }
        }
    }

    /// How a record differs.
    fn record(
        &self,
        topic: &str,
        recorded: &Recorded,
        ours: &Written,
        used: &mut BTreeMap<usize, usize>,
    ) -> Vec<String> {
        let mut differences = Vec::new();
        if !same_headers(&recorded.headers, &ours.headers) {
            differences.push(format!(
                "headers are {}, not {}",
                shown(&ours.headers),
                shown(&recorded.headers)
            ));
        }
        let (Some((place, body)), Some(bytes)) = (&recorded.value, &ours.value) else {
            if recorded.value.is_some() != ours.value.is_some() {
                differences.push("one is a tombstone".to_owned());
            }
            return differences;
        };
        let recorded_id = self.ids[*place];
        let (our_id, our_body) = (frame_id(bytes), &bytes[5..]);
        let (theirs, schema) =
            (&self.outcome.schemas[&recorded_id], &self.outcome.schemas[&our_id]);
        let origin = self.origin(recorded);
        let excused = |path: &str| {
            self.exception(topic, |what| what.excuses(path, origin == Origin::Snapshot))
        };
        if our_id != recorded_id {
            let fields = schema_differences(theirs, schema);
            for (field, _) in fields {
                match self.exception(topic, |what| what.excuses_schema(&field)) {
                    Some(at) => {
                        *used.entry(at).or_default() += 1;
                    }
                    // Told of once, with the subject.
                    None => {}
                }
            }
        }
        let (theirs, ours) = (leaves(theirs, body), leaves(schema, our_body));
        for (path, how) in different_leaves(&theirs, &ours) {
            match excused(&path) {
                Some(at) => {
                    *used.entry(at).or_default() += 1;
                }
                None => differences.push(how),
            }
        }
        differences
    }

    fn origin(&self, record: &Recorded) -> Origin {
        let Some((place, body)) = &record.value else { return Origin::Log };
        let leaves = leaves(&self.recording.schemas[*place].1, body);
        let is_read = |(path, bytes): &Leaf| {
            path == ".op" && bytes == b"\x02r"
                || (path.ends_with("_source_gtid?") && bytes == b"\x00")
        };
        if leaves.iter().any(is_read) { Origin::Snapshot } else { Origin::Log }
    }
}

impl Exception {
    fn covers(&self, connector: &str, pair: &str, topic: &str) -> bool {
        self.pair == pair
            && (self.connectors.is_empty() || self.connectors.contains(&connector))
            && topic.rsplit_once('.').is_some_and(|(_, table)| self.tables.contains(&table))
    }
}

impl What {
    /// Whether a field's value may differ; `path` is its place in the value.
    fn excuses(&self, path: &str, is_snapshot: bool) -> bool {
        match self {
            Self::Table => true,
            Self::Columns(columns) => is_of(columns, path),
            Self::SnapshotValues(columns) => is_snapshot && is_of(columns, path),
            Self::LogValues(columns) => !is_snapshot && is_of(columns, path),
            Self::SnapshotKeys => false,
        }
    }

    fn excuses_schema(&self, column: &str) -> bool {
        matches!(self, Self::Columns(columns) if columns.contains(&column))
    }
}

/// Whether a path leads to one of the columns.
fn is_of(columns: &[&str], path: &str) -> bool {
    let path = path.strip_prefix(".before").or(path.strip_prefix(".after")).unwrap_or(path);
    let column = path.trim_start_matches('.').split(['.', '?']).next().unwrap_or_default();
    columns.contains(&column)
}

/// Leaves that differ, with how.
fn different_leaves(theirs: &[Leaf], ours: &[Leaf]) -> Vec<(String, String)> {
    let theirs: BTreeMap<&String, &Vec<u8>> = theirs.iter().map(|(path, b)| (path, b)).collect();
    let ours: BTreeMap<&String, &Vec<u8>> = ours.iter().map(|(path, b)| (path, b)).collect();
    let paths: BTreeSet<&String> = theirs.keys().chain(ours.keys()).copied().collect();
    let mut different = Vec::new();
    for path in paths {
        let (theirs, ours) = (theirs.get(path), ours.get(path));
        if theirs == ours || is_about_the_run(path) {
            continue;
        }
        let (theirs, ours) =
            (hex_of(theirs.map(|b| b.as_slice())), hex_of(ours.map(|b| b.as_slice())));
        different.push((path.clone(), format!("{path} is {ours}, not {theirs}")));
    }
    different
}

/// What is not compared, because it is about us or about the run: clocks, places in the log,
/// the server, and the version of the program. Whether there is such a value is compared.
fn is_about_the_run(path: &str) -> bool {
    const NAMES: [&str; 9] =
        ["ts_ms", "ts_us", "ts_ns", "gtid", "file", "pos", "thread", "server_id", "version"];
    let is_one = |name: &str| NAMES.contains(&name);
    if let Some(name) = path.strip_prefix(".source.") {
        return is_one(name) || matches!(name, "sequence" | "sequence?");
    }
    let added = |name: &str| {
        let name = name.strip_prefix("__").or(name.strip_prefix("m_"))?;
        Some(is_one(name) || is_one(name.strip_prefix("source_")?))
    };
    let top = path.trim_start_matches('.');
    is_one(top)
        || ["ts_us?", "ts_ns?", "transaction.id", "__transaction_id"].contains(&top)
        || added(top).unwrap_or_default()
}

fn same_headers(theirs: &[(String, Option<Vec<u8>>)], ours: &[(String, Option<Vec<u8>>)]) -> bool {
    let is_same = |((a, theirs), (b, ours)): (&(String, _), &(String, _))| {
        let theirs: &Option<Vec<u8>> = theirs;
        let varies = ["ts_ms", "_pos", "server_id"].iter().any(|end| a.ends_with(end));
        a == b && (theirs == ours || varies && theirs.is_some() == ours.is_some())
    };
    theirs.len() == ours.len() && theirs.iter().zip(ours).all(is_same)
}

fn shown(headers: &[(String, Option<Vec<u8>>)]) -> String {
    let one = |(name, value): &(String, Option<Vec<u8>>)| {
        let value = value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
        format!("{name}={value:?}")
    };
    headers.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Fields of the row whose schemas differ, by name; what else differs is named by its place.
fn schema_differences(theirs: &str, ours: &str) -> Vec<(String, String)> {
    let (theirs, ours): (Json, Json) =
        (serde_json::from_str(theirs).unwrap(), serde_json::from_str(ours).unwrap());
    let (mut their_fields, mut our_fields) = (BTreeMap::new(), BTreeMap::new());
    let rests = (take_row(theirs, &mut their_fields), take_row(ours, &mut our_fields));
    let mut differences = Vec::new();
    let names: BTreeSet<&String> = their_fields.keys().chain(our_fields.keys()).collect();
    for name in names {
        let (theirs, ours) = (their_fields.get(name), our_fields.get(name));
        // As text: the order of attributes counts.
        if theirs.map(ToString::to_string) != ours.map(ToString::to_string) {
            let text = |field: Option<&Json>| field.map_or("missing".to_owned(), Json::to_string);
            let how = format!("{name} is {}, not {}", text(ours), text(theirs));
            differences.push((name.clone(), how));
        }
    }
    let (theirs, ours) = (rests.0.to_string(), rests.1.to_string());
    if theirs != ours {
        let at = theirs.bytes().zip(ours.bytes()).take_while(|(a, b)| a == b).count();
        let around = |text: &str| {
            text.get(at.saturating_sub(40)..)
                .unwrap_or_default()
                .chars()
                .take(120)
                .collect::<String>()
        };
        differences
            .push((String::new(), format!("{:?}, not {:?}", around(&ours), around(&theirs))));
    }
    differences
}

fn schema_difference(theirs: &str, ours: &str) -> String {
    let differences = schema_differences(theirs, ours);
    differences.into_iter().map(|(_, how)| how).collect::<Vec<_>>().join("; ")
}

/// Takes the row's fields out of an envelope, a flat record or a key; what is left has the names
/// in their order.
fn take_row(mut schema: Json, fields: &mut BTreeMap<String, Json>) -> Json {
    let at = if schema.pointer("/fields/0/name") == Some(&Json::from("before"))
        && schema.pointer("/fields/0/type/1/fields").is_some()
    {
        "/fields/0/type/1/fields"
    } else {
        "/fields"
    };
    let row = schema.pointer_mut(at).unwrap();
    let mut order = Vec::new();
    for field in row.as_array().unwrap() {
        let name = field["name"].as_str().unwrap().to_owned();
        order.push(Json::from(name.clone()));
        fields.insert(name, field.clone());
    }
    *row = Json::Array(order);
    schema
}

fn frame(id: u32, body: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), body].concat()
}

fn hex_of(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "nothing".to_owned() };
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits} ({})", String::from_utf8_lossy(bytes).escape_debug())
}
