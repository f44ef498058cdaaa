//! What can be wrong with an offset record.

use super::FORMAT_VERSION;
use crate::fault::{Disposition, Fault};

/// An offset record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OffsetError {
    /// It is not the JSON that an offset is.
    #[error("damaged offset record")]
    Json(#[source] serde_json::Error),
    /// One of its fields has an impossible value.
    #[error("damaged offset record, field `{what}`")]
    Damaged {
        /// The field.
        what: &'static str,
    },
    /// It was written by a newer rowcast.
    #[error("offset record of format {found}, expected at most {FORMAT_VERSION}")]
    Newer {
        /// The version it has.
        found: u32,
    },
}

impl Fault for OffsetError {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<std::borrow::Cow<'static, str>> {
        Some(match self {
            Self::Newer { .. } => "start the rowcast version that wrote the offsets".into(),
            Self::Json(_) | Self::Damaged { .. } => {
                "restore the offset record from a backup, or give the connector a new name to copy \
                 all tables again"
                    .into()
            }
        })
    }
}
