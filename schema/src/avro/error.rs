//! What a writer schema can have wrong with it.

use std::borrow::Cow;

use crate::fault::{Disposition, Fault};

/// A writer schema that records cannot be read with.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
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
    /// A type that Connect cannot make, or that no row can hold.
    #[error("Avro schema has {found} at `{path}`, expected {expected}")]
    Unsupported {
        /// Where: field names joined by dots.
        path: String,
        /// What stands there.
        found: Cow<'static, str>,
        /// What can stand there.
        expected: &'static str,
    },
    /// Two columns that would be one field.
    #[error("columns `{first}` and `{second}` would both be field `{field}`")]
    SameField {
        /// The field.
        field: Box<str>,
        /// One of the columns.
        first: Box<str>,
        /// The other one.
        second: Box<str>,
    },
    /// The key lacks a column that has to be in it.
    #[error("the key has no column `{column}`, which `{setting}` asks for")]
    NotInKey {
        /// The column.
        column: Box<str>,
        /// The setting.
        setting: &'static str,
    },
}

impl Fault for SchemaError {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Invalid(_)
            | Self::TooLong { .. }
            | Self::TooDeep { .. }
            | Self::Unsupported { .. } => {
                "leave the topic out of `topics`, or change its schema to one that a table row can \
                 have"
            }
            Self::SameField { .. } => {
                "choose another name in `field.renames`, or leave one of the columns out with \
                 `field.exclude.list`"
            }
            Self::NotInKey { .. } => {
                "name a column that is part of the key: a delete and a tombstone have nothing else; \
                 `message.key.columns` of the source can add it"
            }
        }))
    }
}
