//! `DocumentPlan`: from the Avro bytes of a record to the JSON bytes of a document, in one pass.
//!
//! A plan is compiled once for each writer schema. It knows the envelope that Debezium writes
//! (`before`, `after`, `source`, `op`) and takes from it the row after the change, what kind of
//! change it was and its [`Lsn`]; any other record is a row itself, as flattened by
//! `ExtractNewRecordState` or written by another connector.
//!
//! Nothing is built in between: a row costs no allocation, as long as the caller's buffer is large
//! enough. Input is never trusted: each length is checked against what is left, and the work for
//! a record is bounded by its length. What a column becomes stands in `scalar.rs` for values
//! without parts and in `value.rs` for the others.
//!
//! Not for Avro in general: types that contain themselves, and unions of several types, make no
//! plan.

mod cursor;
mod decimal;
mod envelope;
mod error;
mod field;
mod flat;
mod generic;
mod geometry;
mod id;
mod json;
mod leaves;
mod scalar;
mod skip;
mod temporal;
#[cfg(test)]
mod tests;
mod value;

use std::ops::Range;
use std::time::Duration;

use cursor::Cursor;
use envelope::Envelope;
use flat::FlatRow;

pub use error::{DecodeError, PlanError, Problem};
pub use field::{DocumentField, FieldKind};
pub use generic::GenericDocument;
pub use id::{IdPlan, write_id};
pub use json::write_string;
pub use temporal::write_instant;

use crate::avro::WriterSchema;

use crate::lsn::Lsn;

/// Choices about documents that no schema makes.
#[derive(Debug, Clone, Copy, Default)]
pub struct DocumentOptions {
    /// What becomes of JSON columns.
    pub json: JsonForm,
    /// What becomes of Debezium's geometries.
    pub geometry: GeometryForm,
}

/// What becomes of geometries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GeometryForm {
    /// Objects with `wkb` and `srid`, and with `x` and `y` of a point, as in the record.
    #[default]
    Object,
    /// What Elasticsearch's `geo_point` and `geo_shape` take, where it is a place on earth.
    Geo,
}

/// What becomes of the values of JSON columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JsonForm {
    /// The text as it is.
    #[default]
    Verbatim,
    /// Objects and null as they are; any other value `v` as `{"value": v}`, for mappings that
    /// accept objects only.
    ObjectsOnly,
}

/// Which parts of a record are wanted, and under which names.
#[derive(Clone, Copy)]
pub struct RowChoice<'a> {
    /// What holds for all columns.
    pub options: DocumentOptions,
    /// The name of a column's field in the document; `None` leaves the column out.
    pub field: &'a dyn Fn(&str) -> Option<Box<str>>,
    /// Whether a deleted row is written as it was, if the record has it.
    pub deleted_rows: bool,
    /// What stands in the place of all values of a column but null, if anything does: a value of
    /// the column's type.
    pub instead: &'a dyn Fn(&str) -> Option<crate::value::Value>,
    /// Fields that whoever runs the plan adds to each document.
    pub added: &'a [DocumentField],
}

impl RowChoice<'_> {
    /// All columns of rows that are there, under their own names.
    #[must_use]
    pub fn everything(options: DocumentOptions) -> Self {
        Self {
            options,
            field: &|column| Some(column.into()),
            deleted_rows: false,
            instead: &|_| None,
            added: &[],
        }
    }
}

/// How to turn the records of one writer schema into documents.
#[derive(Debug)]
pub struct DocumentPlan {
    layout: Layout,
    fields: Box<[DocumentField]>,
}

#[derive(Debug)]
enum Layout {
    Envelope(Envelope),
    Flat(FlatRow),
}

/// What a record says about its row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// What has become of the row.
    pub change: RowChange,
    /// The order of the change. `None` for records that rowcast did not write.
    pub lsn: Option<Lsn>,
    /// When the change was made, as time since 1970-01-01T00:00:00Z.
    pub changed_at: Option<Duration>,
    /// What an envelope says has happened: `c`, `u`, `d`, `r` for one that a snapshot read, `t`.
    pub operation: Option<char>,
    /// Where in the output the row of a delete stands, if that was asked for and it has one.
    pub deleted_row: Option<Range<usize>>,
}

impl Row {
    /// Whether it was read in a snapshot.
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        self.operation == Some('r')
    }

    /// Where in the output the row stands, as it is now or, if that was asked for, as it was.
    #[must_use]
    pub fn document(&self) -> Option<&Range<usize>> {
        match &self.change {
            RowChange::Upsert { document } => Some(document),
            RowChange::Delete | RowChange::Truncate => self.deleted_row.as_ref(),
        }
    }
}

/// What has become of a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RowChange {
    /// It is there now.
    Upsert {
        /// Where in the output its document stands.
        document: Range<usize>,
    },
    /// It is gone.
    #[default]
    Delete,
    /// All rows of the table are gone: the record is about none by itself.
    Truncate,
}

impl DocumentPlan {
    /// Compiles the plan of a writer schema, given as the registry has it.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] when the text is not an Avro schema of a record, or has types that a
    /// document cannot hold.
    pub fn compile(schema_text: &str, options: DocumentOptions) -> Result<Self, PlanError> {
        Self::compile_chosen(schema_text, &RowChoice::everything(options))
    }

    /// As [`Self::compile`], for a part of each row.
    ///
    /// # Errors
    ///
    /// As [`Self::compile`], and when two columns would have one name.
    pub fn compile_chosen(schema_text: &str, choice: &RowChoice<'_>) -> Result<Self, PlanError> {
        Self::of_schema(&WriterSchema::parse(schema_text)?, choice)
    }

    /// As [`Self::compile_chosen`], for a schema that was parsed.
    ///
    /// # Errors
    ///
    /// As [`Self::compile_chosen`].
    pub fn of_schema(schema: &WriterSchema, choice: &RowChoice<'_>) -> Result<Self, PlanError> {
        let fields = schema.root().fields().ok_or_else(|| PlanError::Unsupported {
            path: String::new(),
            found: "no record".into(),
            expected: "a record: a row or an envelope",
        })?;
        let layout = if envelope::is_envelope(fields) {
            Layout::Envelope(Envelope::compile(fields, choice)?)
        } else {
            Layout::Flat(FlatRow::compile(fields, choice)?)
        };
        let columns = match &layout {
            Layout::Envelope(envelope) => envelope.columns(),
            Layout::Flat(row) => row.columns(),
        };
        let mut fields = value::describe(columns).into_vec();
        for added in choice.added {
            if let Some(same) = fields.iter().find(|field| field.name == added.name) {
                let (field, first, second) = (&added.name, &same.name, &added.name);
                let (field, first, second) = (field.clone(), first.clone(), second.clone());
                return Err(PlanError::SameField { field, first, second });
            }
            fields.push(added.clone());
        }
        Ok(Self { layout, fields: fields.into() })
    }

    /// Appends the document of one record to `out`. `avro_body` is what follows the five bytes
    /// of the registry's frame.
    ///
    /// # Errors
    ///
    /// Returns [`DecodeError`] when the record does not fit the schema or has a value without a
    /// form in JSON. `out` is then as it was.
    pub fn run(&self, avro_body: &[u8], out: &mut Vec<u8>) -> Result<Row, DecodeError> {
        let start = out.len();
        let row = self.decode(avro_body, out);
        if row.is_err() {
            out.truncate(start);
        }
        row
    }

    /// The fields of a document in the order of its columns.
    #[must_use]
    pub fn fields(&self) -> &[DocumentField] {
        &self.fields
    }

    fn decode(&self, avro_body: &[u8], out: &mut Vec<u8>) -> Result<Row, DecodeError> {
        let mut cursor = Cursor::new(avro_body);
        let row = match &self.layout {
            Layout::Envelope(envelope) => envelope.run(&mut cursor, out)?,
            Layout::Flat(row) => row.run(&mut cursor, out)?,
        };
        match cursor.remaining() {
            0 => Ok(row),
            count => Err(DecodeError::new(None, Problem::trailing(count))),
        }
    }
}
