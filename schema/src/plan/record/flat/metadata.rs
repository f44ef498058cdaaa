//! What is known of a change beside its row.

use crate::avro::{put_bytes, put_long};
use crate::envelope::{self, Source};
use crate::table::TableId;
use crate::value::{Kind, Schema, Value};

/// One thing that is known of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Metadata {
    /// The same for all changes of the table.
    Constant(String),
    Op,
    /// Our clock, divided by so many nanoseconds.
    ProcessedAt(Unit),
    /// When the change was made.
    ChangedAt(Unit),
    Snapshot,
    Sequence,
    ServerId,
    Gtid,
    File,
    Pos,
    Row,
    Thread,
    /// rowcast does not read the statement.
    Query,
    TransactionId,
    TotalOrder,
    CollectionOrder,
}

/// The unit of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

/// A value of a field.
enum Found<'a> {
    Missing,
    Text(&'a str),
    Owned(String),
    Number(i64),
}

impl Metadata {
    /// Finds what a reference means: a field of the envelope, of `source.` or `transaction.`, or,
    /// if the envelope has none of that name, of the source.
    pub(super) fn parse(reference: &str, server: &str, table: &TableId) -> Option<Self> {
        if let Some(name) = reference.strip_prefix("source.") {
            return Self::of_source(name, server, table);
        }
        if let Some(name) = reference.strip_prefix("transaction.") {
            return Some(match name {
                "id" => Self::TransactionId,
                "total_order" => Self::TotalOrder,
                "data_collection_order" => Self::CollectionOrder,
                _ => return None,
            });
        }
        match reference {
            "op" => Some(Self::Op),
            "ts_ms" => Some(Self::ProcessedAt(Unit::Millis)),
            "ts_us" => Some(Self::ProcessedAt(Unit::Micros)),
            "ts_ns" => Some(Self::ProcessedAt(Unit::Nanos)),
            name => Self::of_source(name, server, table),
        }
    }

    fn of_source(name: &str, server: &str, table: &TableId) -> Option<Self> {
        Some(match name {
            "version" => Self::Constant(envelope::VERSION.to_owned()),
            "connector" => Self::Constant("mysql".to_owned()),
            "name" => Self::Constant(server.to_owned()),
            "db" => Self::Constant(table.database.clone()),
            "table" => Self::Constant(table.name.clone()),
            "ts_ms" => Self::ChangedAt(Unit::Millis),
            "ts_us" => Self::ChangedAt(Unit::Micros),
            "ts_ns" => Self::ChangedAt(Unit::Nanos),
            "snapshot" => Self::Snapshot,
            "sequence" => Self::Sequence,
            "server_id" => Self::ServerId,
            "gtid" => Self::Gtid,
            "file" => Self::File,
            "pos" => Self::Pos,
            "row" => Self::Row,
            "thread" => Self::Thread,
            "query" => Self::Query,
            _ => return None,
        })
    }

    /// The optional schema of the field.
    pub(super) fn schema(&self) -> Schema {
        let required = match self {
            Self::Row => Schema::new(Kind::Int32),
            Self::Snapshot => Schema { default: None, ..envelope::snapshot_schema() },
            Self::Constant(_)
            | Self::Op
            | Self::Sequence
            | Self::Gtid
            | Self::File
            | Self::Query
            | Self::TransactionId => Schema::new(Kind::String),
            Self::ProcessedAt(_)
            | Self::ChangedAt(_)
            | Self::ServerId
            | Self::Pos
            | Self::Thread
            | Self::TotalOrder
            | Self::CollectionOrder => Schema::new(Kind::Int64),
        };
        required.optional()
    }

    /// Appends the value with its union's branch.
    pub(super) fn write(&self, op: &str, source: &Source<'_>, now_us: i64, out: &mut Vec<u8>) {
        let found = self.find(op, source, now_us);
        put_long(i64::from(!matches!(found, Found::Missing)), out);
        match found {
            Found::Missing => {}
            Found::Text(text) => put_bytes(text.as_bytes(), out),
            Found::Owned(text) => put_bytes(text.as_bytes(), out),
            Found::Number(number) => put_long(number, out),
        }
    }

    /// The value in Connect's data model.
    pub(super) fn value(&self, op: &str, source: &Source<'_>, now_us: i64) -> Value {
        match self.find(op, source, now_us) {
            Found::Missing => Value::Null,
            Found::Text(text) => Value::String(text.to_owned()),
            Found::Owned(text) => Value::String(text),
            Found::Number(number) => match i32::try_from(number) {
                Ok(number) if *self == Self::Row => Value::Int32(number),
                _ => Value::Int64(number),
            },
        }
    }

    /// The value as a header has it.
    pub(super) fn text(&self, op: &str, source: &Source<'_>, now_us: i64) -> Option<String> {
        match self.find(op, source, now_us) {
            Found::Missing => None,
            Found::Text(text) => Some(text.to_owned()),
            Found::Owned(text) => Some(text),
            Found::Number(number) => Some(number.to_string()),
        }
    }

    fn find<'a>(&'a self, op: &'a str, source: &Source<'a>, now_us: i64) -> Found<'a> {
        let text = |text: Option<&'a str>| text.map_or(Found::Missing, Found::Text);
        let number = |number: Option<i64>| number.map_or(Found::Missing, Found::Number);
        let transaction = source.transaction;
        match self {
            Self::Constant(constant) => Found::Text(constant),
            Self::Op => Found::Text(op),
            Self::ProcessedAt(unit) => Found::Number(unit.of_micros(now_us)),
            Self::ChangedAt(unit) => Found::Number(unit.of_micros(source.ts_us)),
            // Debezium's source leaves it out where it is no snapshot.
            Self::Snapshot => text(source.snapshot.marker()),
            Self::Sequence => Found::Owned(source.lsn.to_string()),
            Self::ServerId => Found::Number(source.server_id.into()),
            Self::Gtid => text(source.gtid),
            Self::File => Found::Text(source.file),
            Self::Pos => Found::Number(i64::try_from(source.pos).unwrap_or(i64::MAX)),
            Self::Row => Found::Number(source.row.into()),
            Self::Thread => number(source.thread.map(i64::from)),
            Self::Query => Found::Missing,
            Self::TransactionId => text(transaction.map(|block| block.id)),
            Self::TotalOrder => number(transaction.map(|block| block.total_order)),
            Self::CollectionOrder => number(transaction.map(|block| block.collection_order)),
        }
    }
}

impl Unit {
    fn of_micros(self, micros: i64) -> i64 {
        match self {
            Self::Millis => micros.div_euclid(1000),
            Self::Micros => micros,
            Self::Nanos => micros.saturating_mul(1000),
        }
    }
}
