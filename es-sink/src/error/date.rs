//! Why a row has no date for its index's name.

use std::borrow::Cow;

use schema::fault::{Disposition, Fault};

use super::Origin;

/// A row whose index cannot be named.
#[derive(Debug, thiserror::Error)]
pub enum DateError {
    /// The column is not in the key.
    #[error(
        "the key of record {origin} has no column `{column}`, whose date `index.name` asks for"
    )]
    NotInKey {
        /// Which record.
        origin: Origin,
        /// The column.
        column: Box<str>,
    },
    /// The column has no date.
    #[error("record {origin} has {found} in column `{column}`, expected the date for `index.name`")]
    NoDate {
        /// Which record.
        origin: Origin,
        /// The column.
        column: Box<str>,
        /// What it has.
        found: &'static str,
    },
}

impl Fault for DateError {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::NotInKey { .. } => {
                "name a column of the primary key in `index.name`, or set `write.method` to append: \
                 in any other column a date can change, and the row's old document would stay in \
                 another index"
            }
            Self::NoDate { .. } => {
                "name a column in `index.name` that is a date or a time with its date, or a text in \
                 ISO 8601, and never NULL"
            }
        }))
    }
}
