//! Debezium's envelope: its schemas, and the `source` block that every event carries.

use std::fmt::Write as _;

use crate::avro::{put_bytes, put_long};
use crate::lsn::Lsn;
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

fn source_schema() -> Schema {
    let required = |name, kind| Field::new(name, Schema::new(kind));
    let optional = |name, kind| Field::new(name, Schema::new(kind).optional());
    let snapshot = Schema::semantic(Kind::String, "io.debezium.data.Enum")
        .parameter(
            "allowed",
            "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"
                .to_owned(),
        )
        .default_value(Value::String("false".to_owned()))
        .optional();
    let fields = vec![
        required("version", Kind::String),
        required("connector", Kind::String),
        required("name", Kind::String),
        required("ts_ms", Kind::Int64),
        Field::new("snapshot", snapshot),
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
    /// Whether a snapshot read it.
    pub snapshot: bool,
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
}

/// Writes `source` blocks of one table: what never changes is encoded once.
#[derive(Debug, Clone)]
pub struct SourceWriter {
    /// `version`, `connector` and `name`.
    head: Vec<u8>,
    /// `db`.
    database: Vec<u8>,
    /// `table`, with its union branch.
    table: Vec<u8>,
}

impl SourceWriter {
    /// Prepares the block of one table; `server` is `topic.prefix`.
    #[must_use]
    pub fn new(server: &str, table: &crate::table::TableId) -> Self {
        let mut writer = Self { head: Vec::new(), database: Vec::new(), table: Vec::new() };
        for constant in [VERSION, "mysql", server] {
            put_bytes(constant.as_bytes(), &mut writer.head);
        }
        put_bytes(table.database.as_bytes(), &mut writer.database);
        put_long(1, &mut writer.table);
        put_bytes(table.name.as_bytes(), &mut writer.table);
        writer
    }

    /// Appends one block.
    pub fn write(&self, source: &Source<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        put_long(source.ts_us.div_euclid(1000), out);
        // The branch of the text stands first in this union, because it has a default.
        put_long(0, out);
        put_bytes(if source.snapshot { b"incremental" } else { b"false" }, out);
        out.extend_from_slice(&self.database);
        put_long(1, out);
        put_display(source.lsn, out);
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
        put_long(source.row.into(), out);
        put_optional_long(source.thread.map(i64::from), out);
        put_long(0, out);
    }
}

/// Appends what stands after `source`: no transaction block, the operation and our clock.
pub fn write_tail(op: &str, now_us: i64, out: &mut Vec<u8>) {
    put_long(0, out);
    put_bytes(op.as_bytes(), out);
    put_optional_long(Some(now_us.div_euclid(1000)), out);
    put_optional_long(Some(now_us), out);
    put_optional_long(Some(now_us.saturating_mul(1000)), out);
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

/// Appends the text of a number as an Avro string. A number has at most 20 digits, so its length
/// takes one byte, which is filled in afterwards.
fn put_display(lsn: Lsn, out: &mut Vec<u8>) {
    let length_at = out.len();
    out.push(0);
    let mut text = Utf8Appender(out);
    if write!(text, "{lsn}").is_ok() {
        let length = u8::try_from(out.len() - length_at - 1).unwrap_or_default();
        if let Some(slot) = out.get_mut(length_at) {
            *slot = length << 1;
        }
    }
}

struct Utf8Appender<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Utf8Appender<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
