//! Records without a schema: a document as it is, and an id of what the key is.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::value::RawValue;

use super::error::{JsonError, JsonProblem};
use super::{json_text, object};
use crate::lsn::Lsn;
use crate::plan::document::{Row, RowChange, RowChoice, write_id, write_string};

/// A value without a schema.
#[derive(Debug, Clone, Copy)]
pub struct JsonRow<'a> {
    text: &'a str,
}

impl<'a> JsonRow<'a> {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Returns [`JsonError`] when the text is not one JSON object.
    pub fn parse(text: &'a [u8]) -> Result<Self, JsonError> {
        Ok(Self { text: json_text(text)? })
    }

    /// Appends the document to `out`: of the row in an envelope of Debezium's, or of the object as
    /// it is. As of Avro, a row that is marked as deleted is a delete.
    ///
    /// # Errors
    ///
    /// Returns [`JsonError`] when it is no object, or an envelope whose parts do not fit. `out` is
    /// then as it was.
    pub fn run(self, choice: &RowChoice<'_>, out: &mut Vec<u8>) -> Result<Row, JsonError> {
        let start = out.len();
        let row = self.write(choice, out);
        if row.is_err() {
            out.truncate(start);
        }
        row
    }

    fn write(self, choice: &RowChoice<'_>, out: &mut Vec<u8>) -> Result<Row, JsonError> {
        let fields = object::fields(self.text)?;
        let has = |name: &str| fields.find(0, name).is_some();
        if has("before") && has("after") && has("source") && has("op") {
            return envelope(&fields, choice, out);
        }
        let is_text = |name: &str, text: &str| {
            fields.find_some(name).is_some_and(|value| value.get() == text)
        };
        let is_deleted = is_text("__deleted", "\"true\"")
            || is_text("__deleted", "true")
            || is_text("__op", "\"d\"");
        let start = out.len();
        if is_deleted && !choice.deleted_rows {
            return Ok(Row::default());
        }
        write_row(&fields, choice, out)?;
        let document = start..out.len();
        Ok(match is_deleted {
            true => Row { deleted_row: Some(document), ..Row::default() },
            false => Row { change: RowChange::Upsert { document }, ..Row::default() },
        })
    }
}

fn envelope(
    fields: &object::Fields<'_>,
    choice: &RowChoice<'_>,
    out: &mut Vec<u8>,
) -> Result<Row, JsonError> {
    let operation = fields.find_some("op").and_then(|op| {
        let op: String = serde_json::from_str(op.get()).ok()?;
        op.chars().next().filter(|letter| op.len() == letter.len_utf8())
    });
    let mut image = |name: &str| -> Result<Option<std::ops::Range<usize>>, JsonError> {
        let Some(row) = fields.find_some(name) else { return Ok(None) };
        let start = out.len();
        let row = object::fields(row.get()).map_err(|error| error.within(name))?;
        write_row(&row, choice, out)?;
        Ok(Some(start..out.len()))
    };
    let before = if choice.deleted_rows { image("before")? } else { None };
    let change = match (operation, image("after")?) {
        (Some('c' | 'u' | 'r'), Some(document)) => RowChange::Upsert { document },
        (Some('d'), None) => RowChange::Delete,
        (Some('t'), None) => RowChange::Truncate,
        _ => return Err(JsonError::whole(JsonProblem::WrongOperation)),
    };
    let deleted_row = before.filter(|_| change == RowChange::Delete);
    let (lsn, changed_at) = source(fields)?;
    Ok(Row { change, lsn, changed_at, operation, deleted_row })
}

/// The Lsn and the time of a change.
fn source(fields: &object::Fields<'_>) -> Result<(Option<Lsn>, Option<Duration>), JsonError> {
    let Some(source) = fields.find_some("source") else { return Ok((None, None)) };
    let source = object::fields(source.get()).map_err(|error| error.within("source"))?;
    let lsn = source.find_some("sequence").and_then(|sequence| {
        // An array is another database's positions.
        serde_json::from_str::<String>(sequence.get()).ok()?.parse().ok()
    });
    let number = |name: &str| source.find_some(name)?.get().parse::<u64>().ok();
    let micros = number("ts_us").map(Duration::from_micros);
    Ok((lsn, micros.or_else(|| number("ts_ms").map(Duration::from_millis))))
}

fn write_row(
    fields: &object::Fields<'_>,
    choice: &RowChoice<'_>,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    let mut names = HashSet::new();
    out.push(b'{');
    for (column, value) in fields.iter() {
        let Some(name) = (choice.field)(column) else { continue };
        if !names.is_empty() {
            out.push(b',');
        }
        write_string(&name, out);
        out.push(b':');
        push_on_one_line(value, out);
        if !names.insert(name) {
            return Err(JsonError::whole(JsonProblem::Twice).within(column));
        }
    }
    out.push(b'}');
    Ok(())
}

/// A `_bulk` body is split at line breaks; inside a JSON string there are none.
fn push_on_one_line(value: &RawValue, out: &mut Vec<u8>) {
    let bytes = value.get().bytes();
    out.extend(bytes.map(|byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }));
}

/// A key without a schema: one value, or an object of columns.
pub struct JsonKey<'a> {
    /// Names and texts; one value has no name.
    columns: Vec<(Option<String>, Option<String>)>,
    text: &'a str,
}

impl<'a> JsonKey<'a> {
    /// Reads a key. `None` for null, an empty object, and values that are no id.
    ///
    /// # Errors
    ///
    /// Returns [`JsonError`] when the text is not one JSON value, or has columns with parts.
    pub fn parse(text: &'a [u8]) -> Result<Option<Self>, JsonError> {
        let text = json_text(text)?;
        let columns = if text.starts_with('{') {
            let fields = object::fields(text)?;
            let columns = fields.iter().map(|(name, value)| {
                let text = plain(value.get()).map_err(|error| error.within(name))?;
                Ok((Some(name.to_owned()), text))
            });
            columns.collect::<Result<Vec<_>, JsonError>>()?
        } else {
            vec![(None, plain(text)?)]
        };
        let is_empty = match &*columns {
            [(_, only)] => only.is_none(),
            columns => columns.is_empty(),
        };
        Ok((!is_empty).then_some(Self { columns, text }))
    }

    /// Appends the id, as the plan of an Avro key makes it of the same columns.
    pub fn write_id(&self, prefix: &str, out: &mut String) {
        write_id(prefix, self.columns.iter().map(|(_, text)| text.as_deref()), out);
    }

    /// The text of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&str> {
        let found = self.columns.iter().find(|(column, _)| column.as_deref() == Some(name));
        found.map(|(_, text)| text.as_deref().unwrap_or("%N"))
    }

    /// Appends the columns as fields of a JSON object, without braces.
    ///
    /// # Errors
    ///
    /// Returns [`JsonError`] when two of them would have one name.
    pub fn write_fields(
        &self,
        field: &dyn Fn(&str) -> Option<Box<str>>,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        if !self.text.starts_with('{') {
            return Ok(());
        }
        let choice = RowChoice { field, ..RowChoice::everything(Default::default()) };
        let mut object = Vec::new();
        write_row(&object::fields(self.text)?, &choice, &mut object)?;
        out.extend_from_slice(object.get(1..object.len() - 1).unwrap_or_default());
        Ok(())
    }
}

/// The text of a value without parts; `None` for null.
fn plain(json: &str) -> Result<Option<String>, JsonError> {
    let wrong = || JsonError::whole(JsonProblem::WrongType { expected: "text or number" });
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map(Some).map_err(|_| wrong()),
        Some(b'{' | b'[') | None => Err(wrong()),
        Some(b'n') => Ok(None),
        Some(_) => Ok(Some(json.to_owned())),
    }
}
