//! Debezium's envelope: the change around a row.

use std::ops::Range;
use std::time::Duration;

use super::cursor::Cursor;
use super::error::{DecodeError, PlanError, Problem};
use super::skip::Skip;
use super::value::{self, Column, is_null};
use super::{Row, RowChange, RowChoice};
use crate::avro::{Field, Node, Shape};
use crate::digits::eight_digits;
use crate::lsn::Lsn;

/// The fields of an envelope in the order in which its writer put them.
#[derive(Debug)]
pub(super) struct Envelope {
    steps: Box<[Step]>,
}

#[derive(Debug)]
enum Step {
    Skip(Skip),
    /// The row as it was, where it is asked for.
    Before {
        null_branch: Option<usize>,
        columns: Box<[Column]>,
    },
    After {
        null_branch: Option<usize>,
        columns: Box<[Column]>,
    },
    Source {
        null_branch: Option<usize>,
        steps: Box<[SourceStep]>,
    },
    Operation,
}

#[derive(Debug)]
enum SourceStep {
    Skip(Skip),
    Sequence { null_branch: Option<usize> },
    ChangedAt { null_branch: Option<usize> },
}

impl Step {
    fn as_skip(&mut self) -> Option<&mut Skip> {
        if let Self::Skip(skip) = self { Some(skip) } else { None }
    }
}

impl SourceStep {
    fn as_skip(&mut self) -> Option<&mut Skip> {
        if let Self::Skip(skip) = self { Some(skip) } else { None }
    }
}

/// What the steps have found so far.
#[derive(Default)]
struct Found<'a> {
    before: Option<Range<usize>>,
    after: Option<Range<usize>>,
    operation: &'a [u8],
    lsn: Option<Lsn>,
    changed_at: Option<Duration>,
}

/// Whether a record with these fields is an envelope and not a row.
pub(super) fn is_envelope(fields: &[Field]) -> bool {
    let has = |name: &str| fields.iter().any(|field| &*field.name == name);
    has("before") && has("after") && has("source") && has("op")
}

impl Envelope {
    pub(super) fn compile(fields: &[Field], choice: &RowChoice<'_>) -> Result<Self, PlanError> {
        let mut steps = Vec::new();
        for field in fields {
            match &*field.name {
                "after" => {
                    let (null_branch, row) = nullable(&field.node);
                    let columns = value::compile_row(record(row, "after")?, choice)?;
                    steps.push(Step::After { null_branch, columns });
                }
                "before" if choice.deleted_rows => {
                    let (null_branch, row) = nullable(&field.node);
                    let columns = value::compile_row(record(row, "before")?, choice)?;
                    steps.push(Step::Before { null_branch, columns });
                }
                "source" => {
                    // In Protobuf any message may be missing.
                    let (null_branch, source) = nullable(&field.node);
                    let inside = compile_source(record(source, "source")?)?;
                    steps.push(Step::Source { null_branch, steps: inside });
                }
                "op" if matches!(field.node.shape, Shape::String) => steps.push(Step::Operation),
                name => {
                    let skip = Skip::compile(&field.node, name)?;
                    Skip::join(&mut steps, skip, Step::Skip, Step::as_skip);
                }
            }
        }
        Ok(Self { steps: steps.into() })
    }

    /// The columns of the row inside.
    pub(super) fn columns(&self) -> &[Column] {
        let after = self.steps.iter().find_map(|step| match step {
            Step::After { columns, .. } => Some(&**columns),
            Step::Skip(_) | Step::Before { .. } | Step::Source { .. } | Step::Operation => None,
        });
        after.unwrap_or_default()
    }

    pub(super) fn run(
        &self,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Row, DecodeError> {
        let outside = |problem| DecodeError::new(None, problem);
        let mut found = Found::default();
        for step in &self.steps {
            match step {
                Step::Skip(skip) => skip.run(cursor).map_err(outside)?,
                Step::Before { null_branch, columns } => {
                    found.before = write_image(*null_branch, columns, cursor, out)?;
                }
                Step::After { null_branch, columns } => {
                    found.after = write_image(*null_branch, columns, cursor, out)?;
                }
                Step::Source { null_branch, steps } => {
                    if !is_null(*null_branch, cursor).map_err(outside)? {
                        run_source(steps, cursor, &mut found).map_err(outside)?;
                    }
                }
                Step::Operation => found.operation = cursor.bytes().map_err(outside)?,
            }
        }
        let Found { before, after, operation, lsn, changed_at } = found;
        let change = match (operation, after) {
            (b"c" | b"u" | b"r", Some(document)) => RowChange::Upsert { document },
            (b"d", None) => RowChange::Delete,
            (b"t", None) => RowChange::Truncate,
            (operation, _) => return Err(outside(wrong_operation(operation))),
        };
        let deleted_row = before.filter(|_| change == RowChange::Delete);
        let operation = operation.first().map(|letter| char::from(*letter));
        Ok(Row { change, lsn, changed_at, operation, deleted_row })
    }
}

/// Writes a row if it is there, and says where.
#[inline]
fn write_image(
    null_branch: Option<usize>,
    columns: &[Column],
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
) -> Result<Option<Range<usize>>, DecodeError> {
    let start = out.len();
    if is_null(null_branch, cursor).map_err(|problem| DecodeError::new(None, problem))? {
        return Ok(None);
    }
    value::write_row(columns, cursor, out)?;
    Ok(Some(start..out.len()))
}

fn compile_source(fields: &[Field]) -> Result<Box<[SourceStep]>, PlanError> {
    let mut steps = Vec::new();
    for field in fields {
        let (null_branch, node) = nullable(&field.node);
        match (&*field.name, &node.shape) {
            ("sequence", Shape::String) => steps.push(SourceStep::Sequence { null_branch }),
            ("ts_us", Shape::Long) => steps.push(SourceStep::ChangedAt { null_branch }),
            (name, _) => {
                let skip = Skip::compile(&field.node, name)?;
                Skip::join(&mut steps, skip, SourceStep::Skip, SourceStep::as_skip);
            }
        }
    }
    Ok(steps.into())
}

fn run_source<'a>(
    steps: &[SourceStep],
    cursor: &mut Cursor<'a>,
    found: &mut Found<'a>,
) -> Result<(), Problem> {
    for step in steps {
        match step {
            SourceStep::Skip(skip) => skip.run(cursor)?,
            SourceStep::Sequence { null_branch } => {
                if !is_null(*null_branch, cursor)? {
                    found.lsn = parse_sequence(cursor.bytes()?)?;
                }
            }
            SourceStep::ChangedAt { null_branch } => {
                if !is_null(*null_branch, cursor)? {
                    let micros = u64::try_from(cursor.long()?).ok();
                    found.changed_at = micros.map(Duration::from_micros);
                }
            }
        }
    }
    Ok(())
}

/// Debezium leaves `sequence` null for MySQL. For some other databases it puts a JSON array of
/// positions there, which is no order of ours.
fn parse_sequence(sequence: &[u8]) -> Result<Option<Lsn>, Problem> {
    if sequence.starts_with(b"[") { Ok(None) } else { parse_lsn(sequence).map(Some) }
}

fn wrong_operation(operation: &[u8]) -> Problem {
    let op = operation.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    let op = op.unwrap_or('?');
    match operation {
        b"c" | b"u" | b"r" | b"d" | b"t" => Problem::ImageMismatch { op },
        _ => Problem::UnknownOperation { op },
    }
}

/// As [`Node::optional`], with any other union as a type of its own.
fn nullable(node: &Node) -> (Option<usize>, &Node) {
    node.optional().unwrap_or((None, node))
}

fn record<'a>(node: &'a Node, path: &str) -> Result<&'a [Field], PlanError> {
    node.fields().ok_or_else(|| PlanError::Unsupported {
        path: path.to_owned(),
        found: "no record".into(),
        expected: "a record",
    })
}

/// Reads the text of an [`Lsn`]. One of 16 digits, as all are until 2286, takes two steps of
/// eight.
fn parse_lsn(text: &[u8]) -> Result<Lsn, Problem> {
    let fast = <&[u8; 16]>::try_from(text).ok().and_then(|digits| {
        let [high, low] = digits.as_chunks().0 else { return None };
        Lsn::new(eight_digits(*high)? * 100_000_000 + eight_digits(*low)?)
    });
    match fast {
        Some(lsn) => Ok(lsn),
        None => Ok(str::from_utf8(text).map_err(|_| Problem::InvalidLsn)?.parse()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lsns_are_read_as_everywhere(text in "[0-9]{1,20}|[/-:0-9]{16}|[0-9]{15}[\\x00-\\x7f]|\\+[0-9]{15}") {
            let expected = text.parse::<Lsn>().ok();

            prop_assert_eq!(parse_lsn(text.as_bytes()).ok(), expected);
        }
    }
}
