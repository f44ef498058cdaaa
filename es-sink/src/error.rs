//! Why the sink cannot go on.

use std::borrow::Cow;
use std::fmt;

use connect::kafka::consumer::{ConsumerError, KafkaOffset, Record, TopicPartition};
use schema::fault::{Disposition, Fault};
use schema::plan::document::{DecodeError, PlanError};
use schema::registry::{RegistryError, SchemaId};

/// Where a record stands in Kafka: how errors name it without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its topic and partition.
    pub partition: TopicPartition,
    /// Its place there.
    pub offset: KafkaOffset,
}

impl Origin {
    /// The place of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { partition: record.partition.clone(), offset: record.offset }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TopicPartition { topic, partition } = &self.partition;
        write!(f, "{topic}/{partition}@{}", self.offset.0)
    }
}

/// Why the sink cannot go on. What can pass by itself is waited for and is no error.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The Kafka side has ended.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// The registry refuses.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The settings make no client for Elasticsearch.
    #[error("invalid connection to elasticsearch: {problem}")]
    Client {
        /// What the client says about them.
        problem: Box<str>,
    },
    /// A schema from which no documents or ids can be made.
    #[error("schema {id} of topic {topic} makes no documents", id = schema_id.0)]
    Plan {
        /// The topic.
        topic: Box<str>,
        /// The schema's id in the registry.
        schema_id: SchemaId,
        /// What is wrong with it.
        #[source]
        source: PlanError,
    },
    /// A record that is not what its schema says, or has a value that no document can have.
    #[error("record {origin} makes no document")]
    Decode {
        /// Which record.
        origin: Origin,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// A record that no Avro converter wrote.
    #[error("record {origin} has no schema id, expected a zero byte and four bytes of id")]
    NotFramed {
        /// Which record.
        origin: Origin,
    },
    /// A record without a key, so without a document id.
    #[error("record {origin} has no key, expected the row's primary key")]
    NoKey {
        /// Which record.
        origin: Origin,
    },
    /// A topic whose name makes no index name.
    #[error("topic {topic} makes the index name `{name}`, which {problem}")]
    IndexName {
        /// The topic.
        topic: Box<str>,
        /// The name.
        name: Box<str>,
        /// Which rule it breaks.
        problem: &'static str,
    },
    /// Elasticsearch does not know us, or does not let us.
    #[error("elasticsearch at {urls} answered {status} to {action}")]
    Denied {
        /// `connection.url`.
        urls: Box<str>,
        /// 401 or 403.
        status: u16,
        /// What was asked.
        action: &'static str,
    },
    /// Elasticsearch refuses a request as a whole.
    #[error("elasticsearch refuses to {action} `{index}` with {status} {kind}")]
    Refused {
        /// What was asked.
        action: &'static str,
        /// Of which index.
        index: Box<str>,
        /// The HTTP status.
        status: u16,
        /// `error.type`.
        kind: Box<str>,
    },
    /// The index has a field of another type.
    #[error("index `{index}` has field `{field}` as {found}, expected {wanted}")]
    MappingConflict {
        /// The index.
        index: Box<str>,
        /// The field's path.
        field: Box<str>,
        /// Its type there.
        found: Box<str>,
        /// What the records need.
        wanted: Box<str>,
    },
    /// The index has versions of another kind than the records.
    #[error("index `{index}` has versions from {found}, expected {wanted} as in topic {topic}")]
    MixedVersions {
        /// The index.
        index: Box<str>,
        /// What its versions are.
        found: Box<str>,
        /// What the record has.
        wanted: &'static str,
        /// The topic.
        topic: Box<str>,
    },
    /// The index has documents of another topic.
    #[error("index `{index}` {found}, expected {wanted} for topic {topic}")]
    ForeignIndex {
        /// The index.
        index: Box<str>,
        /// Whose documents it has.
        found: Box<str>,
        /// What the settings ask for.
        wanted: &'static str,
        /// The topic.
        topic: Box<str>,
    },
    /// Elasticsearch will never take this document.
    #[error("elasticsearch refuses record {origin} in index `{index}` with {status} {kind}")]
    Rejected {
        /// Which record.
        origin: Origin,
        /// The index.
        index: Box<str>,
        /// The item's status.
        status: u16,
        /// `error.type`.
        kind: Box<str>,
    },
    /// A document by itself is larger than a request may be.
    #[error("record {origin} makes a request of {bytes} bytes, more than elasticsearch takes")]
    TooLarge {
        /// Which record.
        origin: Origin,
        /// The request's size.
        bytes: usize,
    },
    /// Partitions were taken away while Elasticsearch did not answer.
    #[error("partitions were revoked before elasticsearch had answered")]
    Interrupted,
}

/// Errors that condemn one document and nothing else. Anything else either passes (retry) or needs
/// a person (halt).
///
/// `illegal_argument_exception` is left out on purpose: it covers one over-long term, but also
/// `Limit of total fields [1000] has been exceeded`, which condemns every later document.
const DOCUMENT_FAULTS: [&str; 3] =
    ["document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception"];

impl Fault for SinkError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Consumer(error) => error.disposition(),
            Self::Registry(error) => error.disposition(),
            Self::Decode { source, .. } => source.disposition(),
            Self::Rejected { kind, .. } if DOCUMENT_FAULTS.contains(&&**kind) => {
                Disposition::DeadLetter
            }
            Self::TooLarge { .. } => Disposition::DeadLetter,
            Self::Interrupted => Disposition::Retry,
            Self::Client { .. }
            | Self::Plan { .. }
            | Self::NotFramed { .. }
            | Self::NoKey { .. }
            | Self::IndexName { .. }
            | Self::Denied { .. }
            | Self::Refused { .. }
            | Self::MappingConflict { .. }
            | Self::MixedVersions { .. }
            | Self::ForeignIndex { .. }
            | Self::Rejected { .. } => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match self {
            Self::Consumer(error) => return error.hint(),
            Self::Registry(error) => return error.hint(),
            Self::Plan { source, .. } => return source.hint(),
            Self::Decode { source, .. } => return source.hint(),
            Self::Interrupted => return None,
            Self::Client { .. } => "correct `connection.url`",
            Self::NotFramed { .. } => {
                "leave the topic out of `topics`, or write it with the Avro converter"
            }
            Self::NoKey { .. } => {
                "give the table a primary key or name key columns in `message.key.columns` of the \
                 source"
            }
            Self::IndexName { .. } => "set `index.name` to a name that Elasticsearch accepts",
            Self::Denied { status: 401, .. } => {
                "correct `connection.username` and `connection.password`"
            }
            Self::Denied { .. } => {
                "give the user the privileges create_index, manage and index on these indices"
            }
            Self::Refused { .. } => "look for the refusal in Elasticsearch's log",
            Self::MappingConflict { .. } => {
                "set `index.name` to a new index and have it filled from the topic, or change the \
                 column's type back"
            }
            Self::MixedVersions { .. } => {
                "set `index.name` to a new index: versions of two kinds do not compare, and rows \
                 would be lost"
            }
            Self::ForeignIndex { .. } => {
                "give each topic an index of its own in `index.name`, or set `index.shared` and \
                 `index.name` to a new index"
            }
            Self::Rejected { .. } => {
                "compare the index's mapping with the table, then correct the row or set \
                 `index.name` to a new index"
            }
            Self::TooLarge { .. } => {
                "raise `http.max_content_length` of Elasticsearch or leave the large column out"
            }
        };
        Some(Cow::Borrowed(hint))
    }
}
