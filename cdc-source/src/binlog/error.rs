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
    #[error("event at {position} cannot be followed: {}", .feature.what())]
    Unsupported { position: String, feature: Feature },
}

/// What rowcast cannot follow yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    UnknownCompression,
    Gap,
    TooManyXa,
    UnknownEvent,
}

impl Feature {
    fn what(self) -> &'static str {
        match self {
            Self::UnknownCompression => "it is a transaction of an unknown compression",
            Self::Gap => "the server reports a gap in its log",
            Self::TooManyXa => "more than 10,000 XA transactions are prepared and have no outcome",
            Self::UnknownEvent => "its type is unknown",
        }
    }

    /// The event stays in the log, so a new copy is always part of it.
    fn hint(self) -> &'static str {
        match self {
            Self::UnknownCompression => {
                "SET PERSIST binlog_transaction_compression = OFF, then give the connector a new \
                 name to copy all tables again, and report the server's version"
            }
            Self::Gap => {
                "look for the cause in MySQL's error log, then give the connector a new name to \
                 copy all tables again"
            }
            Self::TooManyXa => {
                "XA COMMIT or XA ROLLBACK the transactions that XA RECOVER shows, then give the \
                 connector a new name to copy all tables again"
            }
            Self::UnknownEvent => {
                "report the server's version and the event as mysqlbinlog shows it"
            }
        }
    }
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
            Self::Unsupported { feature, .. } => feature.hint(),
            Self::Checksum { .. } => {
                "if the error stays, check the server's disk: mysqlbinlog --verify-binlog-checksum"
            }
            Self::Malformed { .. } => "check the event with mysqlbinlog and report it",
        }))
    }
}
