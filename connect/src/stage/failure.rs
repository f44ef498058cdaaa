//! What can be wrong with one record on its way through transforms and converters.

use std::borrow::Cow;

use schema::fault::Fault;
use schema::registry::RegistryError;
use transform::{HeaderProblem, TransformError};

use crate::converter::{PartError, Side};
use crate::kafka::{KafkaError, RecordTooLarge};

/// A record cannot be written. No message has a value of the row in it.
#[derive(Debug, thiserror::Error)]
pub enum RecordFailure {
    /// A transform does not take it.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// A converter does not take it.
    #[error("its {side} is not what the converter takes: {problem}")]
    Convert {
        /// Which part of it.
        side: Side,
        /// Why, without the value.
        problem: Box<str>,
    },
    /// The converter of headers does not take one of them.
    #[error("its header {name} is not what the converter of headers takes")]
    Header {
        /// Its name.
        name: String,
        /// Why, without the value.
        #[source]
        problem: Box<HeaderProblem>,
    },
    /// The registry does not take its schema.
    #[error("the registry does not take the schema of its {side}")]
    Schema {
        /// The part that it is of.
        side: Side,
        /// Why.
        #[source]
        source: Box<RegistryError>,
    },
    /// Larger than its topic takes.
    #[error(transparent)]
    TooLarge(RecordTooLarge),
    /// Kafka has no such topic. The name may be a value of the row.
    #[error("a transform gives it a topic with a name that Kafka does not take")]
    Topic,
    /// Compaction needs keys.
    #[error("it has no key, and its topic {topic} is compacted, which takes no record without one")]
    NoKey {
        /// Its topic.
        topic: String,
    },
    /// In the words of Java's producer.
    #[error(
        "Invalid partition given with record: {partition} is not in the range [0...{partitions})."
    )]
    Partition {
        /// The one that a transform chose.
        partition: i32,
        /// How many there are.
        partitions: i32,
    },
    /// Kafka takes no such time.
    #[error("a transform gives it a time before 1970")]
    Time,
    /// The plan and its schema are not of one mind.
    #[error("it cannot be read as it was written, which is an error of rowcast")]
    Draft,
}

impl Fault for RecordFailure {
    fn disposition(&self) -> schema::fault::Disposition {
        schema::fault::Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Transform(error) => return error.hint(),
            Self::Convert { side: Side::Key, .. } => {
                "choose another `key.converter`, or transforms whose keys it takes"
            }
            Self::Convert { side: Side::Value, .. } => {
                "choose another `value.converter`, or transforms whose values it takes"
            }
            Self::Header { .. } => {
                "choose another `header.converter`, or transforms whose headers it takes"
            }
            Self::Schema { .. } => {
                "compare the schema with the subject's versions and its compatibility setting, or \
                 change the transforms"
            }
            Self::TooLarge(_) => {
                "raise `max.message.bytes` of the topic and `kafka: message.max.bytes`, or leave the \
                 large column out"
            }
            Self::Topic => "change what the transform makes the topic of",
            Self::NoKey { .. } => "set cleanup.policy=delete on the topic, or keep the key",
            Self::Partition { .. } => "give the topic more partitions, or change the transform",
            Self::Time => "change what the transform takes the time from",
            Self::Draft => "report it with the table's definition",
        }))
    }
}

/// What ends the work on a record.
#[derive(Debug)]
pub enum Trouble {
    /// It is about this record.
    Record(RecordFailure),
    /// Kafka failed, for all of them.
    Kafka(KafkaError),
    /// The schema registry failed, for all of them.
    Registry(Box<RegistryError>),
}

impl From<RecordFailure> for Trouble {
    fn from(failure: RecordFailure) -> Self {
        Self::Record(failure)
    }
}

impl From<TransformError> for Trouble {
    fn from(error: TransformError) -> Self {
        Self::Record(error.into())
    }
}

/// Where a converter's error is about the key or the value of one record, and where about all.
pub(super) fn on(side: Side) -> impl Fn(PartError) -> Trouble {
    move |error| match error {
        PartError::Refused(problem) => RecordFailure::Convert { side, problem }.into(),
        PartError::Schema(source) => RecordFailure::Schema { side, source }.into(),
        PartError::Registry(error) => Trouble::Registry(error),
    }
}
