//! Why the consumer cannot go on.

use std::borrow::Cow;

use schema::fault::{Disposition, Fault};

use super::{KafkaOffset, LSN_HEADER};
use crate::kafka::KafkaError;
use crate::kafka::control::ControlError;

/// The consumer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// A call to Kafka failed.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The broker does not have the committed offset, or not any more.
    #[error("committed offset of group {group} is out of range in {place}")]
    OffsetOutOfRange {
        /// The consumer group.
        group: String,
        /// Topic and partition with what was expected and found, as far as it is known.
        place: String,
    },
    /// A record with a header of ours that is not ours.
    #[error(
        "header `{LSN_HEADER}` of {topic}/{partition}@{offset} is not a log sequence number",
        offset = offset.0
    )]
    InvalidLsn {
        /// The record's topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: KafkaOffset,
    },
    /// A control record that cannot be obeyed.
    #[error("control record {topic}/{partition}@{offset} {problem}", offset = offset.0)]
    Control {
        /// The record's topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: KafkaOffset,
        /// What is wrong with it.
        problem: ControlError,
    },
    /// The broker did not confirm a commit in time.
    #[error("kafka did not confirm committed offsets within 10 s")]
    CommitTimeout,
}

impl Fault for ConsumerError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Kafka(error) => error.disposition(),
            Self::CommitTimeout => Disposition::Retry,
            Self::OffsetOutOfRange { .. } | Self::InvalidLsn { .. } | Self::Control { .. } => {
                Disposition::Halt
            }
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Kafka(error) => error.hint(),
            Self::OffsetOutOfRange { .. } => Some(Cow::Borrowed(
                "find out whether records expired before they were read or the topic was \
                 re-created; then take a new snapshot of its table, or reset the group's offsets",
            )),
            Self::Control { problem: ControlError::Unknown, .. } => Some(Cow::Borrowed(
                "start the sink with the version of rowcast that its source has, or a newer one",
            )),
            Self::InvalidLsn { .. } | Self::Control { .. } => {
                Some(Cow::Borrowed("find out who writes this header; only rowcast should"))
            }
            Self::CommitTimeout => None,
        }
    }
}
