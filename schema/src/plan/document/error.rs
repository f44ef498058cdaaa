//! What a schema or a record can have wrong with it.

use std::borrow::Cow;

use crate::fault::{Disposition, Fault};
use crate::lsn::ParseLsnError;

/// A writer schema makes no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The text is not an Avro schema.
    #[error("invalid Avro schema")]
    Invalid(#[source] Box<apache_avro::Error>),
    /// The text is longer than any schema that a table can have.
    #[error("Avro schema has {found} bytes, expected at most {limit}")]
    TooLong {
        /// Its length.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Types within types without an end in sight.
    #[error("Avro schema nests deeper than {limit} levels at `{path}`")]
    TooDeep {
        /// Where.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// A type that Connect cannot make, or that no document can hold.
    #[error("Avro schema has {found} at `{path}`, expected {expected}")]
    Unsupported {
        /// Where: field names joined by dots.
        path: String,
        /// What stands there.
        found: Cow<'static, str>,
        /// What can stand there.
        expected: &'static str,
    },
}

impl Fault for PlanError {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(
            "leave the topic out of `topics`, or change its schema to one that a table row can have",
        ))
    }
}

/// A record does not fit its schema, or a value has no form in a document.
///
/// Names the column, never the value.
#[derive(Debug, thiserror::Error)]
#[error("{}", place(column.as_deref(), problem))]
pub struct DecodeError {
    column: Option<Box<str>>,
    problem: Problem,
}

impl DecodeError {
    pub(super) fn new(column: Option<&str>, problem: Problem) -> Self {
        Self { column: column.map(Box::from), problem }
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// In which column, if it is one's fault.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }
}

fn place(column: Option<&str>, problem: &Problem) -> String {
    match column {
        Some(column) => format!("column `{column}` {problem}"),
        None => format!("record {problem}"),
    }
}

/// What is wrong with a record, as the end of a sentence about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes end too early, or a length points past them.
    #[error("is cut off")]
    Truncated,
    /// The record is longer than its schema says.
    #[error("has {count} bytes more than its schema describes")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A number does not end within 64 bits.
    #[error("has a number of more than 64 bits")]
    LongOverflow,
    /// A length or position below zero.
    #[error("has a negative length")]
    NegativeLength,
    /// A union branch that its schema does not have.
    #[error("has an unknown union branch")]
    UnknownBranch,
    /// An enum symbol that its schema does not have.
    #[error("has an unknown enum symbol")]
    UnknownSymbol,
    /// A boolean that is neither 0 nor 1.
    #[error("has a boolean that is neither 0 nor 1")]
    NotBoolean,
    /// Text that is not UTF-8.
    #[error("has text that is not UTF-8")]
    NotUtf8,
    /// A JSON column without exactly one JSON value.
    #[error("holds text that is not one JSON value")]
    NotJson,
    /// NaN or an infinity, for which JSON has no form.
    #[error("holds a number that is not finite")]
    NotFinite,
    /// A date outside the years 0 to 9999.
    #[error("holds a date outside the years 0 to 9999")]
    DateOutOfRange,
    /// A decimal with more digits than any database has.
    #[error("holds a decimal of more than 64 bytes")]
    DecimalTooLong,
    /// An operation that is not a row's.
    #[error("has operation `{op}`, expected one of c, u, d, r")]
    UnknownOperation {
        /// The first letter of it; `?` when there is none.
        op: char,
    },
    /// A row image is missing, or is there where it must not be.
    #[error("has operation `{op}` with the wrong row images")]
    ImageMismatch {
        /// The operation.
        op: char,
    },
    /// `source.sequence` is not a log sequence number.
    #[error("has a `source.sequence` that is not a log sequence number")]
    InvalidLsn,
}

impl From<ParseLsnError> for Problem {
    fn from(_: ParseLsnError) -> Self {
        Self::InvalidLsn
    }
}

impl Fault for DecodeError {
    /// A value without a form in JSON condemns its own document only. A record that does not fit
    /// its schema says that something greater is wrong.
    fn disposition(&self) -> Disposition {
        match self.problem {
            Problem::NotJson
            | Problem::NotFinite
            | Problem::DateOutOfRange
            | Problem::DecimalTooLong => Disposition::DeadLetter,
            Problem::Truncated
            | Problem::TrailingBytes { .. }
            | Problem::LongOverflow
            | Problem::NegativeLength
            | Problem::UnknownBranch
            | Problem::UnknownSymbol
            | Problem::NotBoolean
            | Problem::NotUtf8
            | Problem::UnknownOperation { .. }
            | Problem::ImageMismatch { .. }
            | Problem::InvalidLsn => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self.problem {
            Problem::NotJson
            | Problem::NotFinite
            | Problem::DateOutOfRange
            | Problem::DecimalTooLong => "correct the row in the source table",
            Problem::UnknownOperation { .. } => {
                "set `skipped.operations` of the source to leave such events out"
            }
            Problem::Truncated
            | Problem::TrailingBytes { .. }
            | Problem::LongOverflow
            | Problem::NegativeLength
            | Problem::UnknownBranch
            | Problem::UnknownSymbol
            | Problem::NotBoolean
            | Problem::NotUtf8
            | Problem::ImageMismatch { .. }
            | Problem::InvalidLsn => {
                "find out who wrote this record and with which schema; it does not fit its own"
            }
        }))
    }
}
