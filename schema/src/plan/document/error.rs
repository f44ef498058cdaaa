//! What a record can have wrong with it.

use std::borrow::Cow;

use crate::avro::{DatumError, VALUES_MAX};
use crate::fault::{Disposition, Fault};
use crate::lsn::ParseLsnError;

pub use crate::avro::SchemaError as PlanError;

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
        /// How many. Of 32 bits, so that a result fits a register.
        count: u32,
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
    #[error("holds a decimal of more than 64 bytes or 200 digits after or before its point")]
    DecimalTooLong,
    /// More values in arrays and maps than any row has.
    #[error("has more than {VALUES_MAX} values in its arrays and maps")]
    TooManyValues,
    /// An operation that is not a row's.
    #[error("has operation `{op}`, expected one of c, u, d, r, t")]
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

impl Problem {
    pub(super) fn trailing(count: usize) -> Self {
        Self::TrailingBytes { count: u32::try_from(count).unwrap_or(u32::MAX) }
    }
}

impl From<ParseLsnError> for Problem {
    fn from(_: ParseLsnError) -> Self {
        Self::InvalidLsn
    }
}

impl From<DatumError> for Problem {
    fn from(error: DatumError) -> Self {
        match error {
            DatumError::Truncated => Self::Truncated,
            DatumError::TrailingBytes { count } => Self::trailing(count),
            DatumError::LongOverflow => Self::LongOverflow,
            DatumError::NegativeLength => Self::NegativeLength,
            DatumError::UnknownBranch => Self::UnknownBranch,
            DatumError::UnknownSymbol => Self::UnknownSymbol,
            DatumError::NotBoolean => Self::NotBoolean,
            DatumError::NotUtf8 => Self::NotUtf8,
            DatumError::TooManyValues => Self::TooManyValues,
        }
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
            | Problem::DecimalTooLong
            | Problem::TooManyValues => Disposition::DeadLetter,
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
            | Problem::DecimalTooLong
            | Problem::TooManyValues => "correct the row in the source table",
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
