//! Reads what a source has written, as a consumer that sees committed records only, and judges
//! it: no record twice, Lsns in order, and the topic played back is the table.
//!
//! Records are decoded by apache-avro with the writer's schema from the registry; no function of
//! the product is called.

mod check;
mod decode;
mod fetch;
mod table;

use std::collections::{HashMap, HashSet};

pub use self::check::{problems, replay};
pub use self::table::{Difference, difference, read_table, wait_until_equal};

use self::decode::{Decoder, WriterSchema};
use crate::cell::Cells;

/// What the record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// `r`: a snapshot has read the row.
    Read,
    /// `c`.
    Create,
    /// `u`.
    Update,
    /// `d`.
    Delete,
    /// The record without a value behind a delete.
    Tombstone,
    /// `t`: all rows are gone.
    Truncate,
    /// A control record: what is older than a number, and has not been written since, is gone.
    Sweep {
        /// The number.
        before: u64,
    },
}

/// A row before or after its change.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The Avro bytes of the row, without the union's branch before them.
    pub avro: Vec<u8>,
    /// Its values.
    pub cells: Cells,
}

/// Where a change comes from: what `source` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// `gtid`; none on a server without GTIDs, and for a snapshot.
    pub gtid: Option<String>,
    /// `file`.
    pub file: String,
    /// `pos`.
    pub position: i64,
    /// `row`.
    pub row: i32,
}

/// A record of a change topic.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRecord {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// The values of the key; none for a row without one.
    pub key: Cells,
    /// What it is about.
    pub operation: Operation,
    /// `before`.
    pub before: Option<Image>,
    /// `after`.
    pub after: Option<Image>,
    /// `source`; empty for a tombstone.
    pub origin: Origin,
    /// `source.sequence`, or the header `rowcast.lsn` of a tombstone.
    pub lsn: u64,
}

/// Why topics could not be read or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// Kafka did not answer.
    #[error("cannot read topic {topic}")]
    Kafka {
        /// The topic.
        topic: String,
        /// librdkafka's answer.
        #[source]
        source: rdkafka::error::KafkaError,
    },

    /// The registry did not answer.
    #[error("cannot get schema {id}")]
    Registry {
        /// The schema's number.
        id: u32,
        /// The answer.
        #[source]
        source: reqwest::Error,
    },

    /// A schema or a record is not what apache-avro takes.
    #[error("cannot decode a record of {topic} by Avro")]
    Avro {
        /// The topic.
        topic: String,
        /// What apache-avro says.
        #[source]
        source: Box<apache_avro::Error>,
    },

    /// A record is not a change as it should be.
    #[error("record {topic}[{partition}] at {offset} is no change: {problem}")]
    Record {
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its place in the partition.
        offset: i64,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// MySQL did not answer.
    #[error("cannot read table {table}")]
    MySql {
        /// The table.
        table: String,
        /// MySQL's answer.
        #[source]
        source: mysql_async::Error,
    },

    /// The table has a type that has no form here, or no key.
    #[error("table {table} cannot be compared")]
    Table {
        /// The table.
        table: String,
    },

    /// The topic did not become what the table is.
    #[error("topic {topic} was not {table} within {seconds} s: {difference}")]
    Different {
        /// The topic.
        topic: String,
        /// The table.
        table: String,
        /// How long it was waited for.
        seconds: u64,
        /// What was different at last.
        difference: Difference,
    },

    /// The thread that read is gone.
    #[error("the reading thread ended")]
    Gone(#[from] tokio::task::JoinError),
}

/// Reads topics of one broker.
#[derive(Debug)]
pub struct Topics {
    bootstrap: String,
    registry: String,
    client: reqwest::Client,
    schemas: HashMap<u32, WriterSchema>,
}

impl Topics {
    /// The topics of a broker, whose schemas are in a registry.
    #[must_use]
    pub fn new(bootstrap: &str, registry: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            registry: registry.to_owned(),
            client: reqwest::Client::new(),
            schemas: HashMap::new(),
        }
    }

    /// All committed records of a topic, partition by partition, up to where they end now. A
    /// topic that does not exist has none.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if a server does not answer or a record is no change.
    pub async fn read(&mut self, topic: &str) -> Result<Vec<ChangeRecord>, TopicError> {
        let raw = fetch::committed(&self.bootstrap, topic).await?;
        let ids: HashSet<u32> = raw.iter().flat_map(fetch::RawRecord::schema_ids).collect();
        for id in &ids {
            self.learn(topic, *id).await?;
        }
        let decoders: HashMap<u32, Decoder<'_>> = self
            .schemas
            .iter()
            .filter(|(id, _)| ids.contains(id))
            .map(|(id, schema)| Ok((*id, schema.decoder()?)))
            .collect::<Result<_, _>>()
            .map_err(|source| TopicError::Avro { topic: topic.to_owned(), source })?;
        raw.iter().map(|record| decode::record(record, &decoders)).collect()
    }

    /// The committed values of a compacted topic as text, in the order of their offsets.
    ///
    /// # Errors
    ///
    /// [`TopicError::Kafka`] if the broker does not answer.
    pub async fn read_texts(&self, topic: &str) -> Result<Vec<(String, String)>, TopicError> {
        let raw = fetch::committed(&self.bootstrap, topic).await?;
        let text = |bytes: Option<Vec<u8>>| {
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        };
        Ok(raw.into_iter().map(|record| (text(record.key), text(record.value))).collect())
    }

    /// Whether a transaction on the topic has neither been committed nor aborted: the last stable
    /// offset of one of its partitions is behind the end.
    ///
    /// # Errors
    ///
    /// [`TopicError::Kafka`] if the broker does not answer.
    pub async fn is_transaction_open(&self, topic: &str) -> Result<bool, TopicError> {
        fetch::is_transaction_open(&self.bootstrap, topic).await
    }

    async fn learn(&mut self, topic: &str, id: u32) -> Result<(), TopicError> {
        if self.schemas.contains_key(&id) {
            return Ok(());
        }
        let url = format!("{}/schemas/ids/{id}", self.registry);
        let asked = async { self.client.get(url).send().await?.error_for_status()?.json().await };
        let answer: serde_json::Value =
            asked.await.map_err(|source| TopicError::Registry { id, source })?;
        let text = answer.get("schema").and_then(serde_json::Value::as_str).unwrap_or_default();
        let schema = WriterSchema::parse(text)
            .map_err(|source| TopicError::Avro { topic: topic.to_owned(), source })?;
        self.schemas.insert(id, schema);
        Ok(())
    }
}
