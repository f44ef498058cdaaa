//! What can be wrong with the binary log.

use std::borrow::Cow;

use schema::fault::{Disposition, Fault};

/// The binary log holds what cannot be understood or followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BinlogError {
    /// The checksum does not match.
    #[error("event at {position} is damaged: its checksum is wrong")]
    Checksum { position: String },
    /// An event contradicts itself.
    #[error("event at {position} is damaged: {what}")]
    Malformed { position: String, what: &'static str },
    /// An event that rowcast cannot follow yet.
    #[error("event at {position} cannot be followed: {what}")]
    Unsupported { position: String, what: &'static str },
}

impl Fault for BinlogError {
    fn disposition(&self) -> Disposition {
        match self {
            // Damage on the way passes, damage in the file comes again.
            Self::Checksum { .. } => Disposition::Retry,
            Self::Malformed { .. } | Self::Unsupported { .. } => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Checksum { .. } => {
                "if the error stays, check the server's disk: mysqlbinlog --verify-binlog-checksum"
            }
            Self::Malformed { .. } => "check the event with mysqlbinlog and report it",
            Self::Unsupported { .. } => {
                "switch the feature off on the server, and give the connector a new name to copy \
                 all tables again"
            }
        }))
    }
}
