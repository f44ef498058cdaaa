//! Row → key and value bytes of a record, in one pass.

use crate::avro::{self, FRAME_BYTES, frame, put_long};
use crate::change::{RowChange, RowImage};
use crate::envelope::{self, Source, SourceWriter};
use crate::names;
use crate::registry::SchemaId;
use crate::table::TableSchema;
use crate::types::{ColumnType, UnsignedBigInt, ValueError};
use crate::value::{Field, Schema, Value};

/// How one table version is written: what depends on the table and the settings, settled once.
#[derive(Debug, Clone)]
pub struct RecordPlan {
    topic: String,
    columns: Vec<ColumnPlan>,
    /// Indices into `columns`, in key order.
    key: Vec<usize>,
    source: SourceWriter,
    key_schema: String,
    value_schema: String,
    key_frame: [u8; FRAME_BYTES],
    value_frame: [u8; FRAME_BYTES],
}

/// One column that is written.
#[derive(Debug, Clone)]
pub struct ColumnPlan {
    /// Its place in the row image.
    index: usize,
    column_type: ColumnType,
    nullable: bool,
    unsigned_bigint: UnsignedBigInt,
    schema: Schema,
    name: String,
}

/// What a plan depends on beside the table.
#[derive(Clone, Copy)]
pub struct PlanOptions<'a> {
    /// `topic.prefix`.
    pub server: &'a str,
    /// `bigint.unsigned.handling.mode`.
    pub unsigned_bigint: UnsignedBigInt,
    /// Whether a column is written, by its name. Key columns always are.
    pub includes: &'a dyn Fn(&str) -> bool,
}

/// A row as a plan takes it: binlog bytes, or the generic values that a snapshot reads.
pub trait Row {
    /// Whether the column is NULL.
    fn is_null(&self, column: &ColumnPlan) -> bool;

    /// Appends the column's value as Avro, without the union's branch.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError`] when the column does not hold a value of its type.
    fn write(&self, column: &ColumnPlan, out: &mut Vec<u8>) -> Result<(), ValueError>;
}

impl Row for RowImage<'_> {
    fn is_null(&self, column: &ColumnPlan) -> bool {
        self.column(column.index).is_none()
    }

    fn write(&self, column: &ColumnPlan, out: &mut Vec<u8>) -> Result<(), ValueError> {
        let bytes = self.column(column.index).ok_or(ValueError::Length)?;
        column.column_type.write_avro(bytes, column.unsigned_bigint, out)
    }
}

impl Row for &[Value] {
    fn is_null(&self, column: &ColumnPlan) -> bool {
        self.get(column.index).is_none_or(|value| matches!(value, Value::Null))
    }

    fn write(&self, column: &ColumnPlan, out: &mut Vec<u8>) -> Result<(), ValueError> {
        let value = self.get(column.index).ok_or(ValueError::Length)?;
        avro::encode(&column.schema, value, out).map_err(|_| ValueError::Length)
    }
}

impl RecordPlan {
    /// Compiles the plan of a table version. The schemas still have to be registered.
    #[must_use]
    pub fn compile(table: &TableSchema, options: PlanOptions<'_>) -> Self {
        let topic = names::data_topic(options.server, &table.id);
        let namespace = names::avro_namespace(&topic);
        let columns: Vec<ColumnPlan> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(index, column)| table.key.contains(index) || (options.includes)(&column.name))
            .map(|(index, column)| ColumnPlan {
                index,
                column_type: column.column_type.clone(),
                nullable: column.nullable,
                unsigned_bigint: options.unsigned_bigint,
                schema: column.column_type.schema(options.unsigned_bigint),
                name: names::avro_name(&column.name),
            })
            .collect();
        let key: Vec<usize> = table
            .key
            .iter()
            .filter_map(|index| columns.iter().position(|column| column.index == *index))
            .collect();
        let field = |column: &ColumnPlan| {
            let schema = column.schema.clone();
            let schema = if column.nullable { schema.optional() } else { schema };
            Field::new(column.name.clone(), schema)
        };
        let row = columns.iter().map(field).collect();
        let row = Schema::record(format!("{namespace}.Value"), None, row);
        let key_fields = key.iter().filter_map(|index| columns.get(*index)).map(field).collect();
        let key_schema = Schema::record(format!("{namespace}.Key"), None, key_fields);
        Self {
            key_schema: avro::schema_text(&key_schema),
            value_schema: avro::schema_text(&envelope::envelope_schema(&namespace, &row)),
            source: SourceWriter::new(options.server, &table.id),
            topic,
            columns,
            key,
            key_frame: [0; FRAME_BYTES],
            value_frame: [0; FRAME_BYTES],
        }
    }

    /// Sets the ids under which the registry keeps the two schemas.
    pub fn set_ids(&mut self, key: SchemaId, value: SchemaId) {
        self.key_frame = frame(key);
        self.value_frame = frame(value);
    }

    /// Appends the record's key.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_key(&self, row: &impl Row, out: &mut Vec<u8>) -> Result<(), PlanError> {
        out.extend_from_slice(&self.key_frame);
        for index in &self.key {
            if let Some(column) = self.columns.get(*index) {
                self.write_column(column, row, out)?;
            }
        }
        Ok(())
    }

    /// Appends the record's value: the envelope of a change.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_envelope<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        out.extend_from_slice(&self.value_frame);
        self.write_optional_row(change.before(), out)?;
        self.write_optional_row(change.after(), out)?;
        self.source.write(source, out);
        envelope::write_tail(change.op(), now_us, out);
        Ok(())
    }

    fn write_optional_row<R: Row>(
        &self,
        row: Option<&R>,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        let Some(row) = row else {
            put_long(0, out);
            return Ok(());
        };
        put_long(1, out);
        self.columns.iter().try_for_each(|column| self.write_column(column, row, out))
    }

    fn write_column(
        &self,
        column: &ColumnPlan,
        row: &impl Row,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        if row.is_null(column) {
            if !column.nullable {
                return Err(PlanError { column: column.name.clone(), source: ValueError::Length });
            }
            put_long(0, out);
            return Ok(());
        }
        if column.nullable {
            put_long(1, out);
        }
        row.write(column, out).map_err(|source| PlanError { column: column.name.clone(), source })
    }

    /// The topic of the table's changes.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The key's Avro schema.
    #[must_use]
    pub fn key_schema(&self) -> &str {
        &self.key_schema
    }

    /// The value's Avro schema.
    #[must_use]
    pub fn value_schema(&self) -> &str {
        &self.value_schema
    }
}

/// A column does not hold a value of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} cannot be converted")]
pub struct PlanError {
    column: String,
    source: ValueError,
}

#[cfg(test)]
mod tests;
