//! Why the sink cannot go on.

mod date;
mod index;
mod poison;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use connect::kafka::consumer::{ConsumerError, KafkaOffset, Record, TopicPartition};
use schema::connect_json::JsonError;
use schema::fault::{Disposition, Fault};
use schema::plan::document::{DecodeError, PlanError};
use schema::registry::{RegistryError, SchemaId};
use transform::TransformError;

pub use date::DateError;
pub use index::{FieldConflict, IndexError, LostIndex};
pub(crate) use poison::{Poison, SINK_TASK, Stage};

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
        let mut partition = record.partition.clone();
        if let Some(topic) = &record.meta.routed_from {
            partition.topic = Arc::clone(topic);
        }
        Self { partition, offset: record.offset }
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
    /// A setting of the connection that cannot be used, found when it is.
    #[error("`{setting}` {problem}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it, without its value.
        problem: Box<str>,
    },
    /// What answers is no server that documents can be sent to.
    #[error("at {urls} is {found}, expected elasticsearch 7.10 or later, or opensearch")]
    UnknownServer {
        /// `connection.url`.
        urls: Box<str>,
        /// What it says of itself.
        found: Box<str>,
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
    /// A record that is not the JSON that its converter's settings say.
    #[error("record {origin} makes no document")]
    Json {
        /// Which record.
        origin: Origin,
        /// What is wrong with it.
        #[source]
        source: JsonError,
    },
    /// A transform does not take a record.
    #[error("record {origin} makes no document")]
    Transform {
        /// Which record.
        origin: Origin,
        /// Which transform, and why.
        #[source]
        source: Box<TransformError>,
    },
    /// A record in Protobuf or by a JSON Schema that cannot be read.
    #[error("record {origin} is not what its converter reads")]
    Format {
        /// Which record.
        origin: Origin,
        /// What is wrong with it or with its schema, without values.
        #[source]
        source: Box<formats::FormatError>,
    },
    /// A record that transforms cannot be given, or not be taken from.
    #[error("record {origin} cannot be transformed: {problem}")]
    Convert {
        /// Which record.
        origin: Origin,
        /// What is wrong with it, without values.
        problem: Box<str>,
    },
    /// A key that is not the text that its converter's settings say.
    #[error("record {origin} has a key that is not UTF-8, expected text")]
    NotText {
        /// Which record.
        origin: Origin,
    },
    /// A schema in records from which no documents or ids can be made.
    #[error("schema of topic {topic} makes no documents")]
    EmbeddedPlan {
        /// The topic.
        topic: Box<str>,
        /// What is wrong with it.
        #[source]
        source: PlanError,
    },
    /// A record without a key, so without a document id.
    #[error("record {origin} has no key, expected the row's primary key")]
    NoKey {
        /// Which record.
        origin: Origin,
    },
    /// A row has no date for its index's name.
    #[error(transparent)]
    Date(#[from] DateError),
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
    /// The index is not what it has to be.
    #[error(transparent)]
    Index(#[from] IndexError),
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
    /// A document does not fit its index.
    #[error(
        "elasticsearch refuses record {origin} in index `{index}` with {status} {kind} for field \
         `{field}`"
    )]
    Malformed {
        /// Which record.
        origin: Origin,
        /// The index.
        index: Box<str>,
        /// The item's status.
        status: u16,
        /// `error.type`.
        kind: Box<str>,
        /// The column that the server names.
        field: Box<str>,
    },
    /// A document by itself is larger than a request may be.
    #[error("record {origin} makes a request of {bytes} bytes, more than elasticsearch takes")]
    TooLarge {
        /// Which record.
        origin: Origin,
        /// The request's size.
        bytes: usize,
    },
    /// A table was emptied, and the record that says so is in one of several partitions.
    #[error(
        "record {origin} truncates a table of {partitions} partitions, and has no place in the \
         others"
    )]
    Truncated {
        /// Which record.
        origin: Origin,
        /// How many the topic has.
        partitions: usize,
    },
    /// Partitions were taken away while Elasticsearch did not answer.
    #[error("partitions were revoked before elasticsearch had answered")]
    Interrupted,
}

impl Fault for SinkError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Consumer(error) => error.disposition(),
            Self::Registry(error) => error.disposition(),
            Self::Decode { source, .. } => source.disposition(),
            Self::Json { source, .. } => source.disposition(),
            Self::Transform { source, .. } => source.disposition(),
            Self::Malformed { .. } | Self::TooLarge { .. } => Disposition::DeadLetter,
            Self::Index(error) => error.disposition(),
            Self::Date(error) => error.disposition(),
            Self::Interrupted => Disposition::Retry,
            Self::Client { .. }
            | Self::Setting { .. }
            | Self::UnknownServer { .. }
            | Self::Plan { .. }
            | Self::NotFramed { .. }
            | Self::NotText { .. }
            | Self::Convert { .. }
            | Self::Format { .. }
            | Self::EmbeddedPlan { .. }
            | Self::NoKey { .. }
            | Self::IndexName { .. }
            | Self::Denied { .. }
            | Self::Refused { .. }
            | Self::MixedVersions { .. }
            | Self::ForeignIndex { .. }
            | Self::Rejected { .. }
            | Self::Truncated { .. } => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match self {
            Self::Consumer(error) => return error.hint(),
            Self::Registry(error) => return error.hint(),
            Self::Plan { source, .. } | Self::EmbeddedPlan { source, .. } => return source.hint(),
            Self::Json { source, .. } => return source.hint(),
            Self::Decode { source, .. } => return source.hint(),
            Self::Transform { source, .. } => return source.hint(),
            Self::Format { source, .. } => return source.hint(),
            Self::Index(error) => return error.hint(),
            Self::Date(error) => return error.hint(),
            Self::Interrupted => return None,
            Self::Setting { setting, .. } => return Some(correct(setting).into()),
            Self::UnknownServer { .. } => {
                "correct `connection.url`, or upgrade the server: 7.17, 8 and 9 of Elasticsearch \
                 and 1 to 3 of OpenSearch are supported"
            }
            Self::Client { .. } => "correct `connection.url`",
            Self::NotFramed { .. } | Self::NotText { .. } | Self::Convert { .. } => {
                "set `value.converter` and `key.converter` to what the writer of the topic has, or leave \
                 the topic out of `topics`"
            }
            Self::NoKey { .. } => {
                "give the table a primary key or name key columns in `message.key.columns` of the \
                 source"
            }
            Self::IndexName { .. } => "set `index.name` to a name that Elasticsearch accepts",
            Self::Denied { status: 401, .. } => {
                "correct `connection.username` and `connection.password`, or \
                 `connection.api.key`, or `connection.bearer.token`"
            }
            Self::Denied { .. } => {
                "give the user the privileges create_index, manage, read and index on these indices"
            }
            Self::MixedVersions { .. } => {
                "if rowcast writes the topic again: stop the sink, PATCH its offsets to the topic's \
                 end, resume it, set `snapshot.sweep` of the source to true, and `rowcast table \
                 snapshot`; if another source has written all of it: set `index.name` to a new index \
                 and `consumer.override.group.id` to a new group"
            }
            Self::ForeignIndex { .. } => {
                "give each topic an index of its own in `index.name`, or set `index.shared` and \
                 `index.name` to a new index"
            }
            Self::Refused { .. } | Self::Rejected { .. } => {
                "look for the refusal in Elasticsearch's log"
            }
            Self::Malformed { .. } => {
                "compare the index's mapping with the table; then correct the row, set `index.name` \
                 to a new index, or `behavior.on.malformed.documents` to park or dead_letter"
            }
            Self::Truncated { .. } => {
                "have the table copied into a topic with one partition, and read that into a new \
                 index, or set the group's offset behind the record if older documents may stay; \
                 `skipped.operations=t` in Debezium leaves such records out"
            }
            Self::TooLarge { .. } => {
                "raise `http.max_content_length` of Elasticsearch or leave the large column out"
            }
        };
        Some(Cow::Borrowed(hint))
    }
}

fn correct(setting: &str) -> String {
    format!("correct `{setting}` and start the connector again")
}
