//! Changes of definitions as records: Debezium's topic of schema changes, `<topic.prefix>`.
//!
//! Rare, so these records go the generic way, by values.

use crate::avro::{SchemaStyle, encode, put_bytes, schema_text};
use crate::envelope::{SnapshotMarker, VERSION, source_schema};
use crate::table::TableId;
use crate::value::{Field, Kind, Schema, Value};

/// A statement that changes definitions.
#[derive(Debug)]
pub struct SchemaChange<'a> {
    /// Where it comes from.
    pub source: StatementSource<'a>,
    /// Our clock, milliseconds since 1970.
    pub now_ms: i64,
    /// The database that it is about; empty for the whole server.
    pub database: &'a str,
    /// Its text; none if it has no room in a record.
    pub ddl: Option<&'a str>,
    /// What becomes of which table, if it is about one.
    pub table: Option<TableChange<'a>>,
}

/// Where a statement comes from.
#[derive(Debug)]
pub struct StatementSource<'a> {
    /// `topic.prefix`.
    pub server: &'a str,
    /// When it ran, microseconds since 1970.
    pub ts_us: i64,
    /// Whether a snapshot has made it up.
    pub snapshot: SnapshotMarker,
    /// `server_id` of the event; 0 for a snapshot.
    pub server_id: u32,
    /// The transaction, if the server has GTIDs; none for a snapshot.
    pub gtid: Option<&'a str>,
    /// The binlog file.
    pub file: &'a str,
    /// Where the event begins in it.
    pub pos: u64,
}

/// What becomes of a table.
#[derive(Debug, Clone)]
pub struct TableChange<'a> {
    /// What happens.
    pub kind: TableChangeKind,
    /// To which table.
    pub table: &'a TableId,
    /// What it is now; none if it is not there any more.
    pub definition: Option<&'a TableDefinition>,
}

/// What happens to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableChangeKind {
    /// It is new.
    Create,
    /// It is another now.
    Alter,
    /// It is gone.
    Drop,
}

/// A table as its readers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDefinition {
    /// The character set of columns that name none.
    pub charset: Option<String>,
    /// Names of the key's columns, in key order.
    pub key: Vec<String>,
    /// All columns, in order.
    pub columns: Vec<ColumnDefinition>,
    /// Its comment, if it is asked for.
    pub comment: Option<String>,
}

/// A column as its readers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// JDBC's number of its type (`java.sql.Types`).
    pub jdbc_type: i32,
    /// The type in capital letters, without its size.
    pub type_name: String,
    /// The character set of text.
    pub charset: Option<String>,
    /// Characters, bytes or digits, if the type says how many.
    pub length: Option<i32>,
    /// Digits after the point.
    pub scale: Option<i32>,
    /// Whether a row may leave it NULL.
    pub is_optional: bool,
    /// Whether the server fills it: a number or the time of a change.
    pub is_filled: bool,
    /// Its comment, if it is asked for.
    pub comment: Option<String>,
    /// The default, if it is a literal.
    pub default: Option<String>,
    /// The members of ENUM and SET, in quotes.
    pub members: Option<Vec<String>>,
}

/// The Avro schema of the keys.
#[must_use]
pub fn key_schema(style: SchemaStyle) -> String {
    let fields = vec![Field::new("databaseName", Schema::new(Kind::String))];
    let name = "io.debezium.connector.mysql.SchemaChangeKey".to_owned();
    schema_text(&Schema::record(name, Some(1), fields), style)
}

/// The Avro schema of the values.
#[must_use]
pub fn value_schema(style: SchemaStyle) -> String {
    schema_text(&form(), style)
}

fn form() -> Schema {
    let optional = |name| Field::new(name, Schema::new(Kind::String).optional());
    let changes = Kind::Array(Box::new(change_form()));
    let fields = vec![
        Field::new("source", source_schema()),
        Field::new("ts_ms", Schema::new(Kind::Int64)),
        optional("databaseName"),
        optional("schemaName"),
        optional("ddl"),
        Field::new("tableChanges", Schema::new(changes)),
    ];
    Schema::record("io.debezium.connector.mysql.SchemaChangeValue".to_owned(), Some(1), fields)
}

fn change_form() -> Schema {
    let fields = vec![
        Field::new("type", Schema::new(Kind::String)),
        Field::new("id", Schema::new(Kind::String)),
        Field::new("table", table_form().optional()),
    ];
    Schema::record("io.debezium.connector.schema.Change".to_owned(), Some(1), fields)
}

fn table_form() -> Schema {
    let texts = Schema::new(Kind::Array(Box::new(Schema::new(Kind::String))));
    let text = Schema::new(Kind::String).optional();
    let fields = vec![
        Field::new("defaultCharsetName", text.clone()),
        Field::new("primaryKeyColumnNames", texts.optional()),
        Field::new("columns", Schema::new(Kind::Array(Box::new(column_form())))),
        Field::new("comment", text),
    ];
    Schema::record("io.debezium.connector.schema.Table".to_owned(), Some(1), fields)
}

fn column_form() -> Schema {
    let required = |name, kind| Field::new(name, Schema::new(kind));
    let optional = |name, kind| Field::new(name, Schema::new(kind).optional());
    let texts = Kind::Array(Box::new(Schema::new(Kind::String)));
    let fields = vec![
        required("name", Kind::String),
        required("jdbcType", Kind::Int32),
        optional("nativeType", Kind::Int32),
        required("typeName", Kind::String),
        optional("typeExpression", Kind::String),
        optional("charsetName", Kind::String),
        optional("length", Kind::Int32),
        optional("scale", Kind::Int32),
        required("position", Kind::Int32),
        optional("optional", Kind::Boolean),
        optional("autoIncremented", Kind::Boolean),
        optional("generated", Kind::Boolean),
        optional("comment", Kind::String),
        optional("defaultValueExpression", Kind::String),
        optional("enumValues", texts),
    ];
    Schema::record("io.debezium.connector.schema.Column".to_owned(), Some(1), fields)
}

/// Appends a key.
pub fn write_key(database: &str, out: &mut Vec<u8>) {
    put_bytes(database.as_bytes(), out);
}

/// Appends a value.
pub fn write_value(change: &SchemaChange<'_>, out: &mut Vec<u8>) {
    let written = encode(&form(), &change.value(), out);
    debug_assert_eq!(written, Ok(()), "the value is made by the schema");
}

impl SchemaChange<'_> {
    fn value(&self) -> Value {
        Value::Struct(vec![
            self.source_value(),
            Value::Int64(self.now_ms),
            text(self.database),
            Value::Null,
            self.ddl.map_or(Value::Null, text),
            Value::Array(self.table.iter().map(TableChange::value).collect()),
        ])
    }

    fn source_value(&self) -> Value {
        let source = &self.source;
        let table = self.table.as_ref().map(|change| change.table.name.as_str());
        Value::Struct(vec![
            text(VERSION),
            text("mysql"),
            text(source.server),
            Value::Int64(source.ts_us.div_euclid(1000)),
            text(source.snapshot.marker().unwrap_or("false")),
            text(self.database),
            Value::Null,
            Value::Int64(source.ts_us),
            Value::Int64(source.ts_us.saturating_mul(1000)),
            table.map_or(Value::Null, text),
            Value::Int64(source.server_id.into()),
            source.gtid.map_or(Value::Null, text),
            text(source.file),
            Value::Int64(i64::try_from(source.pos).unwrap_or(i64::MAX)),
            Value::Int32(0),
            Value::Null,
            Value::Null,
        ])
    }
}

impl TableChange<'_> {
    fn value(&self) -> Value {
        let kind = match self.kind {
            TableChangeKind::Create => "CREATE",
            TableChangeKind::Alter => "ALTER",
            TableChangeKind::Drop => "DROP",
        };
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let id = format!("{}.{}", quoted(&self.table.database), quoted(&self.table.name));
        let definition = self.definition.map_or(Value::Null, TableDefinition::value);
        Value::Struct(vec![text(kind), Value::String(id), definition])
    }
}

impl TableDefinition {
    fn value(&self) -> Value {
        let columns = (1..).zip(&self.columns);
        let columns = columns.map(|(position, column)| column.value(position)).collect();
        Value::Struct(vec![
            optional_text(self.charset.as_deref()),
            texts(&self.key),
            Value::Array(columns),
            optional_text(self.comment.as_deref()),
        ])
    }
}

impl ColumnDefinition {
    fn value(&self, position: i32) -> Value {
        let number = |number: Option<i32>| number.map_or(Value::Null, Value::Int32);
        Value::Struct(vec![
            text(&self.name),
            Value::Int32(self.jdbc_type),
            Value::Null,
            text(&self.type_name),
            text(&self.type_name),
            optional_text(self.charset.as_deref()),
            number(self.length),
            number(self.scale),
            Value::Int32(position),
            Value::Boolean(self.is_optional),
            Value::Boolean(self.is_filled),
            Value::Boolean(self.is_filled),
            optional_text(self.comment.as_deref()),
            optional_text(self.default.as_deref()),
            self.members.as_deref().map_or(Value::Null, texts),
        ])
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn optional_text(content: Option<&str>) -> Value {
    content.map_or(Value::Null, text)
}

fn texts(all: &[String]) -> Value {
    Value::Array(all.iter().map(|one| text(one)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a real Debezium registered them.
    #[test]
    fn the_schemas_are_debeziums() {
        assert_eq!(
            key_schema(SchemaStyle::Debezium),
            include_str!("../tests/golden/schema-change-key.json").trim()
        );
        assert_eq!(
            value_schema(SchemaStyle::Debezium),
            include_str!("../tests/golden/schema-change-value.json").trim()
        );
    }

    #[test]
    fn a_change_fits_its_schema() {
        let table = TableId::new("shop", "a\"b");
        let column = ColumnDefinition {
            name: "mood".to_owned(),
            jdbc_type: 1,
            type_name: "ENUM".to_owned(),
            charset: Some("utf8mb4".to_owned()),
            length: Some(1),
            scale: None,
            is_optional: true,
            is_filled: false,
            comment: None,
            default: None,
            members: Some(vec!["'x'".to_owned()]),
        };
        let definition = TableDefinition {
            charset: Some("utf8mb4".to_owned()),
            key: vec!["mood".to_owned()],
            columns: vec![column],
            comment: None,
        };
        let change = SchemaChange {
            source: StatementSource {
                server: "s",
                ts_us: 1_000_001,
                snapshot: SnapshotMarker::No,
                server_id: 1,
                gtid: None,
                file: "binlog.000001",
                pos: 4,
            },
            now_ms: 5,
            database: "shop",
            ddl: Some("alter …"),
            table: Some(TableChange {
                kind: TableChangeKind::Alter,
                table: &table,
                definition: Some(&definition),
            }),
        };
        let mut bytes = Vec::new();

        write_value(&change, &mut bytes);

        let id = b"\x1a\"shop\".\"a\"\"b\"";
        assert!(bytes.windows(id.len()).any(|part| part == id), "{bytes:?}");
    }
}
