//! What a real Debezium registered and wrote; `tests/golden/README.md` has the form of the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the recordings are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// One connector's recording.
pub(super) struct Recording {
    /// The name of the SQL pair that ran before it and under it.
    pub(super) pair: String,
    /// The connector's name.
    pub(super) name: String,
    /// Its configuration.
    pub(super) config: BTreeMap<String, String>,
    /// Subjects and schemas in the order in which they are to be registered.
    pub(super) schemas: Vec<(String, String)>,
    /// In the order of each topic.
    pub(super) records: Vec<Recorded>,
}

impl Recording {
    /// The schemas of a subject.
    pub(super) fn schemas_of(&self, subject: &str) -> impl Iterator<Item = &String> {
        self.schemas.iter().filter(move |(name, _)| name == subject).map(|(_, schema)| schema)
    }
}

/// One record, its frames replaced by places in [`Recording::schemas`].
pub(super) struct Recorded {
    pub(super) topic: String,
    pub(super) key: Option<(usize, Vec<u8>)>,
    pub(super) value: Option<(usize, Vec<u8>)>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Recorded {
    /// Key and value, as far as there are.
    pub(super) fn parts(&self) -> impl Iterator<Item = &(usize, Vec<u8>)> {
        [&self.key, &self.value].into_iter().flatten()
    }
}

/// The statements of a SQL pair.
pub(super) struct Pair {
    pub(super) name: String,
    /// Run before the connectors start.
    pub(super) before: String,
    /// Run while they stream.
    pub(super) stream: String,
}

/// All SQL pairs, by name.
pub(super) fn pairs() -> Vec<Pair> {
    let mut names: Vec<String> = entries(&folder());
    names.retain(|name| folder().join(name).is_dir());
    let read = |name: &str, file: &str| text(&folder().join(name).join(file));
    let pair = |name: String| Pair {
        before: read(&name, "before.sql"),
        stream: read(&name, "stream.sql"),
        name,
    };
    names.into_iter().map(pair).collect()
}

/// What a connector wrote beside the rows: schema changes and transactions.
pub(super) fn beside(pair: &str, name: &str) -> Recording {
    recording(pair, name, "beside", "")
}

/// All recordings.
pub(super) fn recordings() -> Vec<Recording> {
    let envelope = text(&folder().join("envelope.txt"));
    let of_pair = |pair: &Pair| {
        let files = entries(&folder().join(&pair.name));
        let names = files.iter().filter_map(|file| file.strip_suffix(".txt")).map(str::to_owned);
        names
            .map(|name| recording(&pair.name, &name, "txt", envelope.trim_end()))
            .collect::<Vec<_>>()
    };
    pairs().iter().flat_map(of_pair).collect()
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn recording(pair: &str, name: &str, kind: &str, envelope: &str) -> Recording {
    let mut recording = Recording {
        pair: pair.to_owned(),
        name: name.to_owned(),
        config: BTreeMap::new(),
        schemas: Vec::new(),
        records: Vec::new(),
    };
    for line in text(&folder().join(pair).join(format!("{name}.{kind}"))).lines() {
        let (kind, rest) = line.split_once(' ').unwrap();
        match kind {
            "config" => {
                let (key, value) = rest.split_once('=').unwrap();
                recording.config.insert(key.to_owned(), value.to_owned());
            }
            "schema" => {
                let (subject, schema) = rest.split_once(' ').unwrap();
                let schema = schema.replace("$ENVELOPE", envelope);
                recording.schemas.push((subject.to_owned(), schema));
            }
            "record" => recording.records.push(record(rest)),
            other => panic!("{name}: {other}"),
        }
    }
    recording
}

/// `topic key value header=value …`.
fn record(line: &str) -> Recorded {
    let mut words = line.split(' ');
    let topic = words.next().unwrap().to_owned();
    let mut framed = || {
        let (schema, body) = words.next().unwrap().split_once(':')?;
        Some((schema.parse().unwrap(), unhex(body)))
    };
    let (key, value) = (framed(), framed());
    let header = |word: &str| {
        let (name, value) = word.split_once('=').unwrap();
        (name.to_owned(), (value != "-").then(|| unhex(value)))
    };
    Recorded { topic, key, value, headers: words.map(header).collect() }
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}
