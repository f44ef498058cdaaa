//! Debezium's envelope: its schemas, and the `source` block that every event carries.

use std::ops::Range;

use crate::avro::{put_bytes, put_long};
use crate::bytes;
use crate::digits::write_unsigned;
use crate::lsn::Lsn;
use crate::table::TableId;
use crate::value::{Field, Kind, Schema, Value};

/// What `source.version` says: who wrote the event.
pub const VERSION: &str = concat!("rowcast-", env!("CARGO_PKG_VERSION"));

/// The schema of a table's events: `<namespace>.Envelope` around the row's schema.
#[must_use]
pub fn envelope_schema(namespace: &str, row: &Schema) -> Schema {
    let optional = |kind| Schema::new(kind).optional();
    Schema::record(
        format!("{namespace}.Envelope"),
        Some(2),
        vec![
            Field::new("before", row.clone().optional()),
            Field::new("after", row.clone().optional()),
            Field::new("source", source_schema()),
            Field::new("transaction", transaction_schema().optional()),
            Field::new("op", Schema::new(Kind::String)),
            Field::new("ts_ms", optional(Kind::Int64)),
            Field::new("ts_us", optional(Kind::Int64)),
            Field::new("ts_ns", optional(Kind::Int64)),
        ],
    )
}

/// The optional schema of `source.snapshot`.
pub(crate) fn snapshot_schema() -> Schema {
    Schema::semantic(Kind::String, "io.debezium.data.Enum")
        .parameter(
            "allowed",
            "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"
                .to_owned(),
        )
        .default_value(Value::String("false".to_owned()))
        .optional()
}

pub(crate) fn source_schema() -> Schema {
    let required = |name, kind| Field::new(name, Schema::new(kind));
    let optional = |name, kind| Field::new(name, Schema::new(kind).optional());
    let fields = vec![
        required("version", Kind::String),
        required("connector", Kind::String),
        required("name", Kind::String),
        required("ts_ms", Kind::Int64),
        Field::new("snapshot", snapshot_schema()),
        required("db", Kind::String),
        optional("sequence", Kind::String),
        optional("ts_us", Kind::Int64),
        optional("ts_ns", Kind::Int64),
        optional("table", Kind::String),
        required("server_id", Kind::Int64),
        optional("gtid", Kind::String),
        required("file", Kind::String),
        required("pos", Kind::Int64),
        required("row", Kind::Int32),
        optional("thread", Kind::Int64),
        optional("query", Kind::String),
    ];
    Schema::record("io.debezium.connector.mysql.Source".to_owned(), Some(1), fields)
}

fn transaction_schema() -> Schema {
    let fields = vec![
        Field::new("id", Schema::new(Kind::String)),
        Field::new("total_order", Schema::new(Kind::Int64)),
        Field::new("data_collection_order", Schema::new(Kind::Int64)),
    ];
    Schema::record("event.block".to_owned(), Some(1), fields)
}

/// Where a change comes from: the fields of `source` that differ from event to event.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Time of the change in MySQL, microseconds since 1970.
    pub ts_us: i64,
    /// Which part of a snapshot read it, if one did.
    pub snapshot: SnapshotMarker,
    /// The change's order, which travels in `sequence`.
    pub lsn: Lsn,
    /// `server_id` of the event; 0 for a snapshot.
    pub server_id: u32,
    /// The transaction, if the server has GTIDs; none for a snapshot.
    pub gtid: Option<&'a str>,
    /// The binlog file.
    pub file: &'a str,
    /// Where the row event begins in it.
    pub pos: u64,
    /// Number of the row in its event, from 0.
    pub row: u32,
    /// The MySQL thread that made the change.
    pub thread: Option<u32>,
    /// Its place in its transaction, if that is asked for.
    pub transaction: Option<TransactionBlock<'a>>,
}

/// What `source.snapshot` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotMarker {
    /// A change from the log.
    No,
    /// A row of a snapshot.
    Yes,
    /// The first row of all.
    First,
    /// The first row of its table.
    FirstInTable,
    /// The last row of its table.
    LastInTable,
    /// The last row of all.
    Last,
    /// A row of a snapshot beside the stream.
    Incremental,
}

impl SnapshotMarker {
    /// Debezium's word, none for a change from the log.
    #[must_use]
    pub fn marker(self) -> Option<&'static str> {
        Some(match self {
            Self::No => return None,
            Self::Yes => "true",
            Self::First => "first",
            Self::FirstInTable => "first_in_data_collection",
            Self::LastInTable => "last_in_data_collection",
            Self::Last => "last",
            Self::Incremental => "incremental",
        })
    }
}

/// A change's place in its transaction (`provide.transaction.metadata`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionBlock<'a> {
    /// The transaction: its GTID, or `file=…,pos=…`.
    pub id: &'a str,
    /// Its number among all changes of the transaction, from 1.
    pub total_order: i64,
    /// Its number among those of its table, from 1.
    pub collection_order: i64,
}

/// Writes `source` blocks of one table: what never changes is encoded once.
#[derive(Debug, Clone)]
pub struct SourceWriter {
    server: String,
    table_id: TableId,
    /// `version`, `connector` and `name`.
    head: Vec<u8>,
    /// `db`.
    database: Vec<u8>,
    /// `table`, with its union branch.
    table: Vec<u8>,
}

impl SourceWriter {
    /// One block in Connect's data model.
    pub(crate) fn value(&self, source: &Source<'_>) -> Value {
        let text = |text: &str| Value::String(text.to_owned());
        let long = |number: u64| Value::Int64(i64::try_from(number).unwrap_or(i64::MAX));
        Value::Struct(vec![
            text(VERSION),
            text("mysql"),
            text(&self.server),
            Value::Int64(source.ts_us.div_euclid(1000)),
            text(source.snapshot.marker().unwrap_or("false")),
            text(&self.table_id.database),
            Value::String(source.lsn.to_string()),
            Value::Int64(source.ts_us),
            Value::Int64(source.ts_us.saturating_mul(1000)),
            text(&self.table_id.name),
            Value::Int64(source.server_id.into()),
            source.gtid.map_or(Value::Null, text),
            text(source.file),
            long(source.pos),
            Value::Int32(i32::try_from(source.row).unwrap_or(i32::MAX)),
            source.thread.map_or(Value::Null, |thread| Value::Int64(thread.into())),
            Value::Null,
        ])
    }

    /// Prepares the block of one table; `server` is `topic.prefix`.
    #[must_use]
    pub fn new(server: &str, table: &TableId) -> Self {
        let mut writer = Self {
            server: server.to_owned(),
            table_id: table.clone(),
            head: Vec::new(),
            database: Vec::new(),
            table: Vec::new(),
        };
        for constant in [VERSION, "mysql", server] {
            put_bytes(constant.as_bytes(), &mut writer.head);
        }
        put_bytes(table.database.as_bytes(), &mut writer.database);
        put_long(1, &mut writer.table);
        put_bytes(table.name.as_bytes(), &mut writer.table);
        writer
    }

    /// Appends all that stands after a record's images.
    pub(crate) fn write(
        &self,
        op: u8,
        source: &Source<'_>,
        event: &mut EventSource,
        out: &mut Vec<u8>,
    ) {
        match event.records {
            // Most events have one record: what it shares with none is written where it belongs.
            Records::None => {
                event.records = Records::One;
                self.put_shared(source, event.lsn.of(source.lsn), out);
            }
            Records::One => {
                event.records = Records::More;
                event.shared.clear();
                event.lsn_place =
                    self.put_shared(source, event.lsn.of(source.lsn), &mut event.shared);
                out.extend_from_slice(&event.shared);
            }
            Records::More => {
                event.lsn_place.replace(event.lsn.of(source.lsn), &mut event.shared);
                out.extend_from_slice(&event.shared);
            }
        }
        put_long(i32::try_from(source.row).unwrap_or(i32::MAX).into(), out);
        event.tail.write(op, source, event.now_us, out);
    }

    /// Appends what the records of an event share but for the Lsn in it: from `version` to `pos`.
    /// Tells where the Lsn is.
    fn put_shared(&self, source: &Source<'_>, lsn: &[u8], out: &mut Vec<u8>) -> LsnPlace {
        out.extend_from_slice(&self.head);
        put_long(source.ts_us.div_euclid(1000), out);
        // The branch of the text stands first in this union, because it has a default.
        put_long(0, out);
        put_bytes(source.snapshot.marker().unwrap_or("false").as_bytes(), out);
        out.extend_from_slice(&self.database);
        put_long(1, out);
        let lsn_place = LsnPlace::put(lsn, out);
        put_optional_long(Some(source.ts_us), out);
        put_optional_long(Some(source.ts_us.saturating_mul(1000)), out);
        out.extend_from_slice(&self.table);
        put_long(source.server_id.into(), out);
        match source.gtid {
            None => put_long(0, out),
            Some(gtid) => {
                put_long(1, out);
                put_bytes(gtid.as_bytes(), out);
            }
        }
        put_bytes(source.file.as_bytes(), out);
        put_long(i64::try_from(source.pos).unwrap_or(i64::MAX), out);
        lsn_place
    }
}

/// What the records of one event share, encoded once there is a second one. Kept from event to
/// event.
#[derive(Debug, Default)]
pub struct EventSource {
    now_us: i64,
    pub(crate) images: ImageMarks,
    records: Records,
    /// From `version` to `pos`, with the Lsn of the last record.
    shared: Vec<u8>,
    lsn_place: LsnPlace,
    lsn: LsnDigits,
    tail: Tail,
}

/// How many records of an event were written.
#[derive(Debug, Clone, Copy, Default)]
enum Records {
    #[default]
    None,
    One,
    More,
}

/// What is known of the images of an update while they are written.
#[derive(Debug, Default)]
pub(crate) struct ImageMarks {
    /// Where the columns of the image before it were written, and where the last one ends.
    pub(crate) columns: Vec<usize>,
    /// By their place in the row, which columns it did not change.
    pub(crate) same: Vec<bool>,
}

impl EventSource {
    /// Another event follows, or something else than the number of the row, the Lsn, the place in
    /// the transaction and the operation changes in `source`; `now_us` is our clock.
    pub fn begin(&mut self, now_us: i64) {
        self.now_us = now_us;
        self.records = Records::None;
    }

    /// Our clock, microseconds since 1970.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.now_us
    }
}

/// What stands behind the number of the row: `thread`, the place in the transaction, the operation
/// and our clocks. Encoded again only when they differ.
#[derive(Debug, Default)]
struct Tail {
    thread: Option<u32>,
    now_us: i64,
    /// Without a place in a transaction, and with the operation of the last record.
    bytes: Vec<u8>,
    /// Where the null of the transaction is in it; the operation follows.
    transaction_at: usize,
}

impl Tail {
    fn write(&mut self, op: u8, source: &Source<'_>, now_us: i64, out: &mut Vec<u8>) {
        if self.bytes.is_empty() || self.thread != source.thread || self.now_us != now_us {
            self.encode(source.thread, now_us);
        }
        if let Some(slot) = self.bytes.get_mut(self.transaction_at + 2) {
            *slot = op;
        }
        let Some(block) = source.transaction else {
            return bytes::push(&self.bytes, out);
        };
        let (thread, rest) = self.bytes.split_at(self.transaction_at);
        out.extend_from_slice(thread);
        put_long(1, out);
        put_bytes(block.id.as_bytes(), out);
        put_long(block.total_order, out);
        put_long(block.collection_order, out);
        out.extend_from_slice(rest.get(1..).unwrap_or_default());
    }

    fn encode(&mut self, thread: Option<u32>, now_us: i64) {
        (self.thread, self.now_us) = (thread, now_us);
        let out = &mut self.bytes;
        out.clear();
        put_optional_long(thread.map(i64::from), out);
        // No query.
        put_long(0, out);
        self.transaction_at = out.len();
        // No transaction, and an operation of one letter.
        put_long(0, out);
        put_bytes(b"?", out);
        put_optional_long(Some(now_us.div_euclid(1000)), out);
        put_optional_long(Some(now_us), out);
        put_optional_long(Some(now_us.saturating_mul(1000)), out);
    }
}

fn put_optional_long(value: Option<i64>, out: &mut Vec<u8>) {
    match value {
        None => put_long(0, out),
        Some(value) => {
            put_long(1, out);
            put_long(value, out);
        }
    }
}

/// The last Lsn as text. The next one is nearly always one more.
#[derive(Debug, Default)]
struct LsnDigits {
    value: u64,
    text: Vec<u8>,
}

impl LsnDigits {
    fn of(&mut self, lsn: Lsn) -> &[u8] {
        let is_next = self.value.checked_add(1) == Some(lsn.value());
        if !(is_next && increment(&mut self.text)) {
            self.text.clear();
            write_unsigned(lsn.value(), &mut self.text);
        }
        self.value = lsn.value();
        &self.text
    }
}

/// An Lsn's place in bytes that are written again and again.
#[derive(Debug, Default)]
struct LsnPlace(Range<usize>);

impl LsnPlace {
    /// Appends the digits as an Avro string.
    fn put(digits: &[u8], out: &mut Vec<u8>) -> Self {
        put_bytes(digits, out);
        Self(out.len() - digits.len()..out.len())
    }

    /// Puts another Lsn into the place of the one that was written.
    fn replace(&mut self, digits: &[u8], bytes: &mut Vec<u8>) {
        match bytes.get_mut(self.0.clone()) {
            Some(place) if place.len() == digits.len() => place.copy_from_slice(digits),
            _ => {
                // Its length stands in one byte before it.
                let tail = bytes.split_off(self.0.end);
                bytes.truncate(self.0.start.saturating_sub(1));
                *self = Self::put(digits, bytes);
                bytes.extend_from_slice(&tail);
            }
        }
    }
}

/// Adds one to a number of decimal digits; `false` if that takes another digit, and the digits are
/// then zeros.
fn increment(digits: &mut [u8]) -> bool {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return true;
        }
        *digit = b'0';
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lsns_are_printed_in_and_out_of_order() {
        let mut digits = LsnDigits::default();
        let lsn = |number| Lsn::new(number).unwrap();
        let mut written = b"before".to_vec();
        let mut place = LsnPlace::put(digits.of(lsn(5)), &mut written);
        written.extend_from_slice(b"after");

        for number in [6, 0, 1, 1, 8, 9, 10, 11, 99, 100, 42, 43, 999_999, 1_000_000, 1_000_001] {
            place.replace(digits.of(lsn(number)), &mut written);

            let mut expected = b"before".to_vec();
            put_bytes(number.to_string().as_bytes(), &mut expected);
            expected.extend_from_slice(b"after");
            assert_eq!(written, expected, "{number}");
        }
    }
}
