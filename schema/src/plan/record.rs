//! Row → key and value bytes of a record, in one pass.
//!
//! What depends on the table and the settings is settled once, when the plan is compiled: names,
//! forms, branches of unions, what NULL becomes, which columns the key has. A row then costs a walk
//! over a flat list of columns.

mod column;
mod compile;
mod fitting;
mod flat;
mod generic;
mod key;
mod losses;

use std::sync::Arc;

use crate::avro::{FRAME_BYTES, frame, put_long};
use crate::change::RowChange;
use crate::envelope::{EventSource, ImageMarks, Source, SourceWriter};
use crate::registry::SchemaId;
use crate::types::ValueError;
use crate::value::Schema;

pub use column::{Cell, ColumnPlan, HashAlgorithm, Row, ValueRule};
pub use compile::{ColumnChoice, CompileError, Format, PlanOptions};
pub use fitting::{Fit, Lost};
pub use flat::{AddedField, DeleteHandling, FlatOptions, UnknownField};
pub use losses::{Loss, Losses};

use flat::FlatPlan;

/// How one table version is written.
#[derive(Debug)]
pub struct RecordPlan {
    topic: String,
    columns: Vec<ColumnPlan>,
    /// The columns of the record's key. Empty for a table without one.
    key: Vec<ColumnPlan>,
    /// The columns of the primary key, where they are others than the key's.
    identity: Option<Vec<ColumnPlan>>,
    body: Body,
    source: SourceWriter,
    /// The schemas as the generic path needs them; none for a table without a key.
    key_form: Option<Schema>,
    value_form: Schema,
    key_schema: Option<String>,
    value_schema: String,
    key_frame: [u8; FRAME_BYTES],
    value_frame: [u8; FRAME_BYTES],
    losses: Losses,
}

/// What a record's value is.
#[derive(Debug)]
enum Body {
    Envelope,
    Flat(FlatPlan),
}

impl RecordPlan {
    /// Sets the ids under which the registry keeps the schemas.
    pub fn set_ids(&mut self, key: Option<SchemaId>, value: SchemaId) {
        self.key_frame = key.map(frame).unwrap_or_default();
        self.value_frame = frame(value);
    }

    /// Appends the record's key; nothing for a table without one.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_key(&self, row: &impl Row, out: &mut Vec<u8>) -> Result<(), PlanError> {
        if self.key.is_empty() {
            return Ok(());
        }
        out.extend_from_slice(&self.key_frame);
        self.key.iter().try_for_each(|column| column.write_exact(row, out))
    }

    /// Whether two rows are known to have the same key without writing it.
    #[must_use]
    pub fn keeps_key<R: Row>(&self, before: &R, after: &R) -> bool {
        self.key.iter().all(|column| column.is_same(before, after))
    }

    /// Appends what tells the row from all others of its table: the primary key, or the record's if
    /// there is none.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_identity(&self, row: &impl Row, out: &mut Vec<u8>) -> Result<(), PlanError> {
        match &self.identity {
            None => self.write_key(row, out),
            Some(columns) => columns.iter().try_for_each(|column| column.write_exact(row, out)),
        }
    }

    /// Appends the key as the JSON text that Connect puts into headers.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_key_json(&self, row: &impl Row, out: &mut Vec<u8>) -> Result<(), PlanError> {
        key::write_json(&self.key, row, out)
    }

    /// Appends the record's value.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_value<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        let mut event = EventSource::default();
        event.begin(now_us);
        self.write_shared(change, source, &mut event, out)
    }

    /// Appends the record's value; `event` has begun with the event that `source` is about.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_shared<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        event: &mut EventSource,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        out.extend_from_slice(&self.value_frame);
        match &self.body {
            Body::Envelope => {
                self.write_images(change, &mut event.images, out)?;
                self.source.write(change.op_letter(), source, event, out);
            }
            Body::Flat(flat) => {
                if let Some(row) = change.after().or(change.before()) {
                    self.write_row(row, out)?;
                }
                flat.write(change, source, event.now_us(), out)?;
            }
        }
        Ok(())
    }

    /// Appends the value of an envelope that says that all rows of the table were removed at once;
    /// nothing if records are rows alone.
    pub fn write_truncate(&self, source: &Source<'_>, now_us: i64, out: &mut Vec<u8>) {
        match &self.body {
            Body::Envelope => {
                out.extend_from_slice(&self.value_frame);
                // No image before, and none after.
                put_long(0, out);
                put_long(0, out);
                let mut event = EventSource::default();
                event.begin(now_us);
                self.source.write(b't', source, &mut event, out);
            }
            Body::Flat(_) => {}
        }
    }

    /// Whether records are rows alone.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        matches!(self.body, Body::Flat(_))
    }

    /// What becomes of a deleted row.
    #[must_use]
    pub fn deletes(&self) -> DeleteHandling {
        match &self.body {
            Body::Envelope => DeleteHandling::RewriteWithTombstone,
            Body::Flat(flat) => flat.deletes(),
        }
    }

    /// Hands on the headers that a flat record carries beside its value.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_headers<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
        mut push: impl FnMut(&Arc<str>, Option<&[u8]>),
    ) -> Result<(), PlanError> {
        match &self.body {
            Body::Envelope => Ok(()),
            Body::Flat(flat) => flat.headers(change, source, now_us, &mut push),
        }
    }

    /// The header that a flat record's tombstone has once more, as `op`.
    #[must_use]
    pub fn repeated_header(&self) -> Option<&Arc<str>> {
        match &self.body {
            Body::Envelope => None,
            Body::Flat(flat) => flat.repeated(),
        }
    }

    /// The two images with the branches of their unions.
    fn write_images<R: Row>(
        &self,
        change: &RowChange<R>,
        images: &mut ImageMarks,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        if let RowChange::Update { before, after } = change {
            put_long(1, out);
            let is_exact = self.write_marked(before, &mut images.columns, out)?;
            put_long(1, out);
            // Copies would not be counted again.
            return if is_exact {
                images.same.clear();
                images.same.extend(after.same_columns(before));
                self.write_changed(after, images, out)
            } else {
                self.write_row(after, out)
            };
        }
        for image in [change.before(), change.after()] {
            put_long(i64::from(image.is_some()), out);
            if let Some(row) = image {
                self.write_row(row, out)?;
            }
        }
        Ok(())
    }

    /// Writes a row and remembers where each column begins, and where the last one ends. `false`
    /// when something else was written than the row holds.
    fn write_marked<R: Row>(
        &self,
        row: &R,
        marks: &mut Vec<usize>,
        out: &mut Vec<u8>,
    ) -> Result<bool, PlanError> {
        marks.clear();
        let mut is_exact = true;
        for (number, column) in self.columns.iter().enumerate() {
            marks.push(out.len());
            if let Some(loss) =
                column.write(column.cell(row), out).map_err(|error| column.error(error))?
            {
                self.losses.count(number, loss);
                is_exact = false;
            }
        }
        marks.push(out.len());
        Ok(is_exact)
    }

    /// Writes the row that an update has left. What it did not change is copied from the image
    /// before it, which stands at the marks.
    fn write_changed<R: Row>(
        &self,
        after: &R,
        images: &ImageMarks,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        let mark = |number: usize| images.columns.get(number).copied().unwrap_or_default();
        let mut copied = 0;
        for (number, column) in self.columns.iter().enumerate() {
            if column.is_in(&images.same) {
                continue;
            }
            let cell = column.cell(after);
            out.extend_from_within(mark(copied)..mark(number));
            copied = number + 1;
            if let Some(loss) = column.write(cell, out).map_err(|error| column.error(error))? {
                self.losses.count(number, loss);
            }
        }
        out.extend_from_within(mark(copied)..mark(self.columns.len()));
        Ok(())
    }

    fn write_row<R: Row>(&self, row: &R, out: &mut Vec<u8>) -> Result<(), PlanError> {
        for (number, column) in self.columns.iter().enumerate() {
            if let Some(loss) =
                column.write(column.cell(row), out).map_err(|error| column.error(error))?
            {
                self.losses.count(number, loss);
            }
        }
        Ok(())
    }

    /// The topic of the table's changes.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Sends them to another topic. The names of their schemas stay.
    pub fn set_topic(&mut self, topic: &str) {
        topic.clone_into(&mut self.topic);
    }

    /// The key's Avro schema; none for a table without a key.
    #[must_use]
    pub fn key_schema(&self) -> Option<&str> {
        self.key_schema.as_deref()
    }

    /// The value's Avro schema.
    #[must_use]
    pub fn value_schema(&self) -> &str {
        &self.value_schema
    }

    /// Which values were written as something else than they are.
    #[must_use]
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// The name of the column with this number among those that are written.
    #[must_use]
    pub fn column_name(&self, number: usize) -> &str {
        self.columns.get(number).map_or("", ColumnPlan::name)
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
