//! The document of a record by way of its values: slow, plain, and for any transform in between.
//!
//! Does what [`super::DocumentPlan`] does, and shares with it the parsed schema and nothing that
//! reads or writes a value: a property test holds the two against each other. Where one refuses a
//! record the other does too, though not always with the same words.

mod temporal;
mod text;

use std::time::Duration;

use super::error::{DecodeError, PlanError, Problem};
use super::flat::{DELETED, OPERATION};
use super::{DocumentOptions, Row, RowChange};
use crate::avro::{Datum, Field, Node, Reader, Shape, WriterSchema};
use text::write_member;

/// How to turn the records of one writer schema into documents, value by value.
#[derive(Debug)]
pub struct GenericDocument {
    schema: WriterSchema,
    options: DocumentOptions,
}

impl GenericDocument {
    /// Takes a writer schema, given as the registry has it.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] for the schemas that [`super::DocumentPlan::compile`] refuses.
    pub fn new(schema_text: &str, options: DocumentOptions) -> Result<Self, PlanError> {
        let schema = WriterSchema::parse(schema_text)?;
        text::check_root(schema.root())?;
        Ok(Self { schema, options })
    }

    /// Appends the document of one record to `out`. `avro_body` is what follows the five bytes
    /// of the registry's frame.
    ///
    /// # Errors
    ///
    /// Returns [`DecodeError`] when the record does not fit the schema or has a value without a
    /// form in JSON. `out` is then as it was.
    pub fn run(&self, avro_body: &[u8], out: &mut Vec<u8>) -> Result<Row, DecodeError> {
        let mut reader = Reader::new(avro_body);
        let fields = self.schema.root().fields().unwrap_or_default();
        let record = if is_envelope(fields) {
            read_envelope(fields, &mut reader)?
        } else {
            read_flat(fields, &mut reader)?
        };
        if reader.remaining() > 0 {
            return Err(whole(Problem::trailing(reader.remaining())));
        }
        let change = match record.row {
            None if record.is_truncate => RowChange::Truncate,
            None => RowChange::Delete,
            Some((fields, values)) => {
                let document = self.document(fields, &values)?;
                let start = out.len();
                out.extend_from_slice(document.as_bytes());
                RowChange::Upsert { document: start..out.len() }
            }
        };
        let Found { lsn, changed_at, operation, .. } = record;
        Ok(Row { change, lsn, changed_at, operation, deleted_row: None })
    }

    fn document(&self, fields: &[Field], values: &[Datum]) -> Result<String, DecodeError> {
        let mut document = String::from("{");
        for (index, (field, value)) in fields.iter().zip(values).enumerate() {
            if index > 0 {
                document.push(',');
            }
            write_member(field, value, self.options, &mut document)
                .map_err(|problem| DecodeError::new(Some(&field.name), problem))?;
        }
        document.push('}');
        Ok(document)
    }
}

/// What a record says.
#[derive(Default)]
struct Found<'a> {
    /// `None` for a row that is gone.
    row: Option<(&'a [Field], Vec<Datum>)>,
    /// Whether all rows are gone.
    is_truncate: bool,
    operation: Option<char>,
    lsn: Option<crate::lsn::Lsn>,
    changed_at: Option<Duration>,
}

pub(super) fn is_envelope(fields: &[Field]) -> bool {
    let names: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
    ["before", "after", "source", "op"].iter().all(|name| names.contains(name))
}

fn read_envelope<'n>(
    fields: &'n [Field],
    reader: &mut Reader<'_>,
) -> Result<Found<'n>, DecodeError> {
    let mut found = Found::default();
    let mut operation = String::new();
    for field in fields {
        match &*field.name {
            "after" => {
                let node = branch(reader, &field.node)?;
                if let Some(columns) = node.fields() {
                    found.row = Some((columns, read_columns(columns, reader)?));
                }
            }
            "source" => read_source(&field.node, reader, &mut found)?,
            "op" if matches!(field.node.shape, Shape::String) => {
                if let Datum::String(text) = read(reader, &field.node)? {
                    operation = text;
                }
            }
            _ => skip(reader, &field.node)?,
        }
    }
    found.is_truncate = operation == "t";
    found.operation = Some(first_letter(&operation));
    match (&*operation, &found.row) {
        ("c" | "u" | "r", Some(_)) | ("d" | "t", None) => Ok(found),
        ("c" | "u" | "r" | "d" | "t", _) => {
            Err(whole(Problem::ImageMismatch { op: first_letter(&operation) }))
        }
        _ => Err(whole(Problem::UnknownOperation { op: first_letter(&operation) })),
    }
}

fn read_source(
    node: &Node,
    reader: &mut Reader<'_>,
    found: &mut Found<'_>,
) -> Result<(), DecodeError> {
    let node = branch(reader, node)?;
    for field in node.fields().unwrap_or_default() {
        let shape = field.node.optional().map(|(_, node)| &node.shape);
        match (&*field.name, shape) {
            ("sequence", Some(Shape::String)) => {
                // An array is another database's positions.
                if let Datum::String(text) = read(reader, &field.node)?
                    && !text.starts_with('[')
                {
                    found.lsn = Some(text.parse().map_err(|error| whole(Problem::from(error)))?);
                }
            }
            ("ts_us", Some(Shape::Long)) => {
                if let Datum::Long(micros) = read(reader, &field.node)? {
                    found.changed_at = u64::try_from(micros).ok().map(Duration::from_micros);
                }
            }
            _ => skip(reader, &field.node)?,
        }
    }
    Ok(())
}

fn read_flat<'n>(fields: &'n [Field], reader: &mut Reader<'_>) -> Result<Found<'n>, DecodeError> {
    let values = read_columns(fields, reader)?;
    let marked = |(name, mark): (&str, &str), field: &Field, value: &Datum| {
        *field.name == *name
            && (*value == Datum::String(mark.to_owned())
                || (name == DELETED.0 && *value == Datum::Boolean(true)))
    };
    let deleted = fields
        .iter()
        .zip(&values)
        .any(|(field, value)| marked(DELETED, field, value) || marked(OPERATION, field, value));
    Ok(Found { row: (!deleted).then_some((fields, values)), ..Found::default() })
}

fn read_columns(columns: &[Field], reader: &mut Reader<'_>) -> Result<Vec<Datum>, DecodeError> {
    let values = columns.iter().map(|column| {
        reader
            .value(&column.node)
            .map_err(|error| DecodeError::new(Some(&column.name), error.into()))
    });
    values.collect()
}

fn read(reader: &mut Reader<'_>, node: &Node) -> Result<Datum, DecodeError> {
    reader.value(node).map_err(|error| whole(error.into()))
}

fn skip(reader: &mut Reader<'_>, node: &Node) -> Result<(), DecodeError> {
    reader.skip(node).map_err(|error| whole(error.into()))
}

fn branch<'n>(reader: &mut Reader<'_>, node: &'n Node) -> Result<&'n Node, DecodeError> {
    reader.branch(node).map_err(|error| whole(error.into()))
}

fn whole(problem: Problem) -> DecodeError {
    DecodeError::new(None, problem)
}

fn first_letter(operation: &str) -> char {
    operation.chars().next().unwrap_or('?')
}
