//! What can go wrong between a file and a topic.

use std::borrow::Cow;
use std::io;

use schema::fault::{Disposition, Fault};
use schema::registry::RegistryError;
use transform::{JsonProblem, TransformError};

use super::lines::FilePosition;
use crate::converter::{HeaderError, TextError};
use crate::kafka::KafkaError;
use crate::kafka::consumer::ConsumerError;
use crate::stage::{RecordFailure, Trouble};

/// A source or a sink of files cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileStreamError {
    /// A call to Kafka failed.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The consumer cannot go on.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// The registry cannot be asked, or refuses the schema.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An offset that is not ours or Kafka Connect's.
    #[error("stored offset of {file} is no object with a `position` of 0 or more")]
    Offset { file: String },
    /// The file is there and cannot be read.
    #[error("file {file} cannot be read")]
    Unreadable {
        file: String,
        #[source]
        source: io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("{file} is no regular file")]
    NotAFile { file: String },
    /// The file has less in it than was read.
    #[error("file {file} has {size} bytes, and {} were read of it already", read.0)]
    Shrunk { file: String, size: u64, read: FilePosition },
    /// The stored position is inside a line.
    #[error("byte {} of file {file}, where reading goes on, is not behind the end of a line", position.0)]
    InsideLine { file: String, position: FilePosition },
    /// A line that its topic does not take.
    #[error("line at byte {} of file {file} makes a record of {bytes} bytes or more, and the topic takes {limit}", position.0)]
    TooLong { file: String, position: FilePosition, bytes: usize, limit: usize },
    /// A line that is no text.
    #[error("line at byte {} of file {file} is not UTF-8", position.0)]
    NotText { file: String, position: FilePosition },
    /// A topic that takes no record without a key.
    #[error("topic {topic} is compacted, and lines have no key")]
    Compacted { topic: String },
    /// The sink's file cannot be written.
    #[error("{file} could not be written")]
    Unwritable {
        file: String,
        #[source]
        source: io::Error,
    },
    /// A record that is no line.
    #[error("record {place} cannot be a line")]
    Record {
        place: String,
        #[source]
        source: Box<LineError>,
    },
    /// A line that does not get through the transforms, or is not what they make of it.
    #[error("the line before byte {} of file {file} cannot be written", end.0)]
    Line {
        file: String,
        end: FilePosition,
        #[source]
        source: Box<RecordFailure>,
    },
}

/// Why a record is no line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// A converter does not take it.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The converter of headers does not.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A transform does not.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// What comes out of the transforms has no form in JSON.
    #[error("what the transforms make of its value has no form in JSON")]
    Json(#[from] JsonProblem),
}

impl LineError {
    /// Whether it is about this record alone. What else is wrong with a registry is about all.
    pub(super) fn is_of_record(&self) -> bool {
        match self {
            Self::Text(TextError::Registry(error)) => {
                matches!(error, RegistryError::Refused { .. })
            }
            Self::Text(_) | Self::Header(_) | Self::Transform(_) | Self::Json(_) => true,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Text(error) => error.hint(),
            Self::Transform(error) => error.hint(),
            Self::Header(_) => {
                Some("set `header.converter` to what the writer of the topic has".into())
            }
            Self::Json(_) => Some("change what the transforms make of values".into()),
        }
    }
}

impl From<Trouble> for FileStreamError {
    /// Of what is in the way of all lines.
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Kafka(error) => error.into(),
            Trouble::Registry(error) => (*error).into(),
            Trouble::Record(source) => {
                Self::Line { file: String::new(), end: FilePosition(0), source: Box::new(source) }
            }
        }
    }
}

impl Fault for FileStreamError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Kafka(error) => error.disposition(),
            Self::Consumer(error) => error.disposition(),
            Self::Registry(error) => error.disposition(),
            Self::Record { source, .. } => match &**source {
                LineError::Text(error) => error.disposition(),
                LineError::Header { .. } | LineError::Transform(_) | LineError::Json(_) => {
                    Disposition::Halt
                }
            },
            Self::Unreadable { source, .. } | Self::Unwritable { source, .. }
                if can_pass(source.kind()) =>
            {
                Disposition::Retry
            }
            Self::Offset { .. }
            | Self::Unreadable { .. }
            | Self::NotAFile { .. }
            | Self::Shrunk { .. }
            | Self::InsideLine { .. }
            | Self::TooLong { .. }
            | Self::NotText { .. }
            | Self::Compacted { .. }
            | Self::Line { .. }
            | Self::Unwritable { .. } => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Kafka(error) => return error.hint(),
            Self::Consumer(error) => return error.hint(),
            Self::Registry(error) => return error.hint(),
            Self::Record { source, .. } => return source.hint(),
            Self::Line { source, .. } => return source.hint(),
            Self::Offset { .. } => {
                "write {\"position\": N} as the connector's offset, N being how many bytes of the \
                 file are done, or take the offset away to read the file anew"
            }
            Self::Unreadable { .. } => "let rowcast read the file, or correct `file`",
            Self::NotAFile { .. } => {
                "name a regular file as `file`: only there reading can go on where it ended"
            }
            Self::Shrunk { .. } | Self::InsideLine { .. } => {
                "put the file back as it was, or, if it is a new one, give the connector another \
                 name or take its offset away: it is read from its beginning then"
            }
            Self::TooLong { .. } => {
                "raise `max.message.bytes` of the topic and `kafka: message.max.bytes`, or cut the \
                 line; its end may also be missing"
            }
            Self::NotText { .. } => {
                "convert the file to UTF-8, or set `value.converter` to `bytes`, which takes lines as \
                 they are"
            }
            Self::Compacted { .. } => "set cleanup.policy=delete on the topic, or name another one",
            Self::Unwritable { .. } => "make room for the file, or let rowcast write it",
        }))
    }
}

/// Whether the same call can succeed a moment later.
fn can_pass(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::StaleNetworkFileHandle
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_waited_for_and_a_refusal_is_not() {
        let of = |kind: io::ErrorKind| {
            let source = io::Error::from(kind);
            FileStreamError::Unwritable { file: "f".to_owned(), source }.disposition()
        };

        assert_eq!(of(io::ErrorKind::StorageFull), Disposition::Retry);
        assert_eq!(of(io::ErrorKind::PermissionDenied), Disposition::Halt);
        assert_eq!(of(io::ErrorKind::Other), Disposition::Halt);
    }
}
