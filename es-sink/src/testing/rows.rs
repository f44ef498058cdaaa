//! Records of one small table, in Avro as rowcast writes it.

use bytes::Bytes;
use connect::kafka::consumer::{KafkaOffset, Record, RecordMeta, TopicPartition};
use connect::kafka::control::{Control, Sweep};
use schema::lsn::Lsn;

const KEY_SCHEMA_ID: u32 = 1;
const VALUE_SCHEMA_ID: u32 = 2;

const KEY_SCHEMA: &str = r#"{"type":"record","name":"Key","fields":[{"name":"id","type":"long"}]}"#;

const VALUE_SCHEMA: &str = r#"{"type":"record","name":"Envelope","fields":[
    {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"id","type":"long"},{"name":"n","type":"long"},
        {"name":"u","type":["null",{"type":"bytes","logicalType":"decimal","precision":20,
            "scale":0}],"default":null}]}],"default":null},
    {"name":"after","type":["null","Value"],"default":null},
    {"name":"source","type":{"type":"record","name":"Source","fields":[
        {"name":"sequence","type":["null","string"],"default":null}]}},
    {"name":"op","type":"string"}]}"#;

const FLAT_SCHEMA_ID: u32 = 3;

/// As `ExtractNewRecordState` with `delete.tombstone.handling.mode=rewrite` leaves it.
const FLAT_SCHEMA: &str = r#"{"type":"record","name":"Value","fields":[
    {"name":"id","type":"long"},{"name":"n","type":"long"},
    {"name":"__deleted","type":["null","string"],"default":null}]}"#;

const TEXT_SCHEMA_ID: u32 = 4;

const TEXT_SCHEMA: &str = r#"{"type":"record","name":"Value","fields":[
    {"name":"id","type":"long"},{"name":"body","type":"string"}]}"#;

const PAIR_SCHEMA_ID: u32 = 5;

const PAIR_SCHEMA: &str = r#"{"type":"record","name":"Key","fields":[
    {"name":"a","type":"string"},{"name":"b","type":"string"}]}"#;

const DAY_KEY_SCHEMA_ID: u32 = 6;

const DAY_KEY_SCHEMA: &str = r#"{"type":"record","name":"Key","fields":[
    {"name":"id","type":"long"},
    {"name":"day","type":{"type":"int","connect.name":"io.debezium.time.Date"}}]}"#;

/// The schema of [`dated_record`]'s rows.
pub(crate) const DATED_SCHEMA_ID: u32 = 7;

const DATED_SCHEMA: &str = r#"{"type":"record","name":"Value","fields":[
    {"name":"id","type":"long"},
    {"name":"day","type":{"type":"int","connect.name":"io.debezium.time.Date"}},
    {"name":"at","type":["null",{"type":"string",
        "connect.name":"io.debezium.time.ZonedTimestamp"}],"default":null}]}"#;

/// The schemas that the registry has.
pub(super) fn schemas() -> [(u32, &'static str); 7] {
    [
        (KEY_SCHEMA_ID, KEY_SCHEMA),
        (VALUE_SCHEMA_ID, VALUE_SCHEMA),
        (FLAT_SCHEMA_ID, FLAT_SCHEMA),
        (TEXT_SCHEMA_ID, TEXT_SCHEMA),
        (PAIR_SCHEMA_ID, PAIR_SCHEMA),
        (DAY_KEY_SCHEMA_ID, DAY_KEY_SCHEMA),
        (DATED_SCHEMA_ID, DATED_SCHEMA),
    ]
}

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Write { n: i64 },
    Delete,
}

pub(crate) fn record(
    partition: &TopicPartition,
    offset: i64,
    id: i64,
    change: Change,
    lsn: Option<u64>,
) -> Record {
    let mut key = frame(KEY_SCHEMA_ID);
    long(id, &mut key);
    let mut value = frame(VALUE_SCHEMA_ID);
    value.push(0);
    match change {
        Change::Write { n } => {
            value.push(2);
            long(id, &mut value);
            long(n, &mut value);
            value.push(0);
        }
        Change::Delete => value.push(0),
    }
    match lsn {
        None => value.push(0),
        Some(lsn) => {
            value.push(2);
            text(&lsn.to_string(), &mut value);
        }
    }
    text(if change == Change::Delete { "d" } else { "u" }, &mut value);
    Record {
        partition: partition.clone(),
        offset: KafkaOffset(offset),
        key: Some(Bytes::from(key)),
        value: Some(Bytes::from(value)),
        lsn: None,
        control: None,
        meta: RecordMeta::default(),
    }
}

/// A flattened record. The number of its change is in a header, if it has one.
pub(crate) fn flat_record(
    partition: &TopicPartition,
    offset: i64,
    id: i64,
    change: Change,
    lsn: Option<u64>,
) -> Record {
    let mut value = frame(FLAT_SCHEMA_ID);
    long(id, &mut value);
    let (n, deleted) = match change {
        Change::Write { n } => (n, "false"),
        Change::Delete => (0, "true"),
    };
    long(n, &mut value);
    value.push(2);
    text(deleted, &mut value);
    Record {
        value: Some(Bytes::from(value)),
        lsn: lsn.and_then(Lsn::new),
        ..record(partition, offset, id, change, None)
    }
}

/// A row with a text of so many letters. Its version is its offset and one.
pub(crate) fn text_record(
    partition: &TopicPartition,
    offset: i64,
    (id, letters): (i64, usize),
) -> Record {
    let mut value = frame(TEXT_SCHEMA_ID);
    long(id, &mut value);
    text(&"é".repeat(letters), &mut value);
    Record {
        value: Some(Bytes::from(value)),
        lsn: Lsn::new(offset.unsigned_abs() + 1),
        ..record(partition, offset, id, Change::Delete, None)
    }
}

/// A row whose key is two texts. Its version is its offset and one.
pub(crate) fn pair_record(partition: &TopicPartition, offset: i64, (a, b): (&str, &str)) -> Record {
    let mut key = frame(PAIR_SCHEMA_ID);
    text(a, &mut key);
    text(b, &mut key);
    Record { key: Some(Bytes::from(key)), ..text_record(partition, offset, (offset, 1)) }
}

/// A row of a day since 1970, which is in its key, and maybe of a time; a tombstone without one. Its
/// version is its offset and one.
pub(crate) fn dated_record(
    partition: &TopicPartition,
    offset: i64,
    (id, day): (i64, i64),
    at: Option<Option<&str>>,
) -> Record {
    let mut key = frame(DAY_KEY_SCHEMA_ID);
    long(id, &mut key);
    long(day, &mut key);
    let value = at.map(|at| {
        let mut value = frame(DATED_SCHEMA_ID);
        long(id, &mut value);
        long(day, &mut value);
        match at {
            None => value.push(0),
            Some(at) => {
                value.push(2);
                text(at, &mut value);
            }
        }
        Bytes::from(value)
    });
    Record { key: Some(Bytes::from(key)), value, ..text_record(partition, offset, (id, 1)) }
}

/// A record that says that the table was truncated, as Debezium writes it; with a number, as rowcast.
pub(crate) fn truncate_record(partition: &TopicPartition, offset: i64, lsn: Option<u64>) -> Record {
    let mut value = frame(VALUE_SCHEMA_ID);
    value.extend([0, 0]);
    match lsn {
        None => value.push(0),
        Some(lsn) => {
            value.push(2);
            text(&lsn.to_string(), &mut value);
        }
    }
    text("t", &mut value);
    let value = Some(Bytes::from(value));
    Record { key: None, value, ..record(partition, offset, 0, Change::Delete, None) }
}

/// The control record of a sweep.
pub(crate) fn sweep_record(partition: &TopicPartition, offset: i64, before: u64) -> Record {
    let before = Lsn::new(before).unwrap();
    Record {
        partition: partition.clone(),
        offset: KafkaOffset(offset),
        key: Some(Bytes::from_static(b"\0\0\0\0\x09")),
        value: None,
        lsn: Some(before),
        control: Some(Control::Sweep(Sweep { table: "db.orders".into(), before })),
        meta: RecordMeta::default(),
    }
}

fn frame(schema_id: u32) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(schema_id.to_be_bytes());
    bytes
}

fn long(value: i64, out: &mut Vec<u8>) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        out.push(zigzag.to_le_bytes()[0] | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag.to_le_bytes()[0]);
}

fn text(text: &str, out: &mut Vec<u8>) {
    long(i64::try_from(text.len()).unwrap(), out);
    out.extend_from_slice(text.as_bytes());
}
