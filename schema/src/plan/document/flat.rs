//! Rows without an envelope: as Debezium's `ExtractNewRecordState` flattens them, or as any other
//! connector writes them.
//!
//! With `delete.tombstone.handling.mode=rewrite` a deleted row comes as its last state, marked by
//! the field `__deleted`; the field `__op` of `add.fields` says the same. Both are recognised by
//! name and value. All of them stay in the document: who adds fields wants to see them, and
//! Confluent's sink shows them.
//! <https://debezium.io/documentation/reference/stable/transformations/event-flattening.html>

use super::cursor::Cursor;
use super::error::{DecodeError, PlanError, Problem};
use super::value::{self, Column, is_null};
use super::{Row, RowChange, RowChoice};
use crate::avro::{Field, Shape};

/// The field that says whether the row is deleted, and what it says then.
pub(super) const DELETED: (&str, &str) = ("__deleted", "true");
/// The field that says what has happened to the row, and what it says of a delete.
pub(super) const OPERATION: (&str, &str) = ("__op", "d");

/// The columns of a row and what in them marks a delete.
#[derive(Debug)]
pub(super) struct FlatRow {
    columns: Box<[Column]>,
    /// One for each column.
    markers: Box<[Option<Marker>]>,
    /// Whether a deleted row is written too.
    deleted_rows: bool,
}

/// How to read a field that can mark a delete.
#[derive(Debug)]
struct Marker {
    null_branch: Option<usize>,
    /// The text that marks it; `None` for a boolean.
    text: Option<&'static str>,
}

impl FlatRow {
    pub(super) fn compile(fields: &[Field], choice: &RowChoice<'_>) -> Result<Self, PlanError> {
        Ok(Self {
            columns: value::compile_row(fields, choice)?,
            markers: fields.iter().map(Marker::of).collect(),
            deleted_rows: choice.deleted_rows,
        })
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(super) fn run(
        &self,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Row, DecodeError> {
        let start = out.len();
        let mut deleted = false;
        for (column, marker) in self.columns.iter().zip(&self.markers) {
            let fault = |problem| DecodeError::new(Some(&column.name), problem);
            let before = cursor.clone();
            column.write(cursor, out).map_err(fault)?;
            if let Some(marker) = marker {
                deleted |= marker.is_set(before).map_err(fault)?;
            }
        }
        value::close_object(&self.columns, out);
        if deleted && !self.deleted_rows {
            out.truncate(start);
        }
        let document = start..out.len();
        let (change, deleted_row) = if deleted {
            (RowChange::Delete, self.deleted_rows.then_some(document))
        } else {
            (RowChange::Upsert { document }, None)
        };
        Ok(Row { change, deleted_row, ..Row::default() })
    }
}

impl Marker {
    fn of(field: &Field) -> Option<Self> {
        let (null_branch, node) = field.node.optional()?;
        let text = match (&*field.name, &node.shape) {
            (name, Shape::String) if name == DELETED.0 => Some(DELETED.1),
            (name, Shape::String) if name == OPERATION.0 => Some(OPERATION.1),
            (name, Shape::Boolean) if name == DELETED.0 => None,
            _ => return None,
        };
        Some(Self { null_branch, text })
    }

    fn is_set(&self, mut value: Cursor<'_>) -> Result<bool, Problem> {
        if is_null(self.null_branch, &mut value)? {
            return Ok(false);
        }
        match self.text {
            Some(text) => Ok(value.text()? == text),
            None => value.boolean(),
        }
    }
}
