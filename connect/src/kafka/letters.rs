//! The dead letters of a topic: what each is about, what has become of it, and the way back.
//!
//! A letter is told apart by the place of the record that it is a copy of. Later records of the
//! same topic, markers, name such places: that a later write of the document has healed the letter,
//! or that the record was written once more. So a topic of dead letters needs no store beside it,
//! and who reads it whole knows the state of each letter.

mod numbers;
mod redrive;
mod scan;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};

pub use redrive::{Redrive, Redriven, Selection};
use scan::Found;
use schema::fault::{Disposition, Fault};

use super::consumer::{KafkaOffset, LSN_HEADER, TopicPartition};
use super::dead_letters::{read_one, reader};
use super::error::KafkaError;
use crate::config::WorkerConfig;

/// The id of the document that the record was to become.
pub const ID_HEADER: &str = "rowcast.dlq.id";
/// Its index.
pub const INDEX_HEADER: &str = "rowcast.dlq.index";
/// The server's error, without any value of a row.
pub const ERROR_HEADER: &str = "rowcast.dlq.error";
/// A marker: the letter of the record at this place is void, the index has a later version.
pub const HEALED_HEADER: &str = "rowcast.dlq.healed";
/// A marker: the record of this place was written once more.
pub const REDRIVEN_HEADER: &str = "rowcast.dlq.redriven";

/// What the headers of ours that are about a letter begin with, and Connect's.
const OURS: &str = "rowcast.dlq.";
const CONTEXT: &str = "__connect.errors.";

/// Where a letter is in its topic: `partition@offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterPlace {
    /// The partition.
    pub partition: i32,
    /// The offset there.
    pub offset: i64,
}

/// Where a record is, or was: `topic/partition@offset`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordPlace {
    /// Its topic and partition.
    pub partition: TopicPartition,
    /// The offset there.
    pub offset: KafkaOffset,
}

/// What has become of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterState {
    /// Nothing yet.
    Open,
    /// Its document has a later version.
    Healed,
    /// Its record was written to its topic once more.
    Redriven,
}

/// What is known of a letter without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where it is.
    pub place: LetterPlace,
    /// Where its record was, if the letter says so.
    pub origin: Option<RecordPlace>,
    /// The connector that has written it.
    pub connector: Option<String>,
    /// The document's index.
    pub index: Option<String>,
    /// The document's id.
    pub id: Option<String>,
    /// Why it is a letter.
    pub error: Option<String>,
    /// The record's number in the order of changes.
    pub lsn: Option<String>,
    /// The record's time, in milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp_ms: Option<i64>,
    /// What has become of it.
    pub state: LetterState,
}

/// A letter with all that it has.
#[derive(Debug, Clone)]
pub struct LetterRecord {
    /// What is known of it.
    pub letter: Letter,
    /// Its headers in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value.
    pub value: Option<Vec<u8>>,
}

/// Dead letters cannot be read or sent back.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    /// Kafka failed.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// There is nothing, or a marker.
    #[error("topic {topic} has no dead letter at {place}")]
    NoLetter {
        /// The dead letters' topic.
        topic: String,
        /// Where it was looked for.
        place: LetterPlace,
    },
    /// A letter that must not be sent back, or not so.
    #[error("dead letter {place} is not sent back: {why}")]
    Refused {
        /// Which letter.
        place: LetterPlace,
        /// Why, and what to do.
        why: &'static str,
    },
    /// The record cannot go back to where it was.
    #[error("there is no partition {partition} of topic {topic} any more")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}

impl Fault for LettersError {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Kafka(error) => error.hint(),
            Self::NoLetter { .. } => Some("`rowcast dlq list` shows where the letters are".into()),
            Self::Refused { .. } => Some("leave it out, or allow it as the error says".into()),
            Self::NoPartition { .. } => {
                Some("make the topic with its partitions again, or leave its letters".into())
            }
        }
    }
}

/// The dead letters of one topic.
#[derive(Clone)]
pub struct Letters {
    worker: WorkerConfig,
    topic: String,
}

impl Letters {
    /// Names the topic. Nothing is connected yet.
    #[must_use]
    pub fn new(worker: WorkerConfig, topic: String) -> Self {
        Self { worker, topic }
    }

    /// All letters in the order of their places; of more than 100,000 those that came last. None
    /// if there is no such topic.
    ///
    /// # Errors
    ///
    /// Returns [`LettersError`] when Kafka does not answer.
    pub async fn list(&self) -> Result<Vec<Letter>, LettersError> {
        let this = self.clone();
        let found = tokio::task::spawn_blocking(move || this.scan()).await;
        Ok(found.map_err(|_| KafkaError::Gone)??.into_letters())
    }

    /// One letter with all that it has.
    ///
    /// # Errors
    ///
    /// Returns [`LettersError`] when there is none, or Kafka does not answer.
    pub async fn read(&self, place: LetterPlace) -> Result<LetterRecord, LettersError> {
        let letters = self.list().await?;
        let none = || LettersError::NoLetter { topic: self.topic.clone(), place };
        let letter = letters.into_iter().find(|it| it.place == place).ok_or_else(none)?;
        let partition =
            TopicPartition { topic: self.topic.as_str().into(), partition: place.partition };
        let properties = self.worker.kafka.clone();
        let reading = tokio::task::spawn_blocking(move || {
            read_one(&reader(&properties)?, &partition, KafkaOffset(place.offset))
        });
        let record = reading.await.map_err(|_| KafkaError::Gone)?;
        let record = record.map_err(|error| self.failed("read a dead letter", error))?;
        let record = record.ok_or_else(none)?;
        Ok(LetterRecord {
            letter,
            headers: headers(&record),
            key: record.key().map(<[u8]>::to_vec),
            value: record.payload().map(<[u8]>::to_vec),
        })
    }

    /// Writes the records of letters to their topics once more, in transactions that also mark
    /// the letters. Of two at once the one that began first fails.
    ///
    /// # Errors
    ///
    /// Returns [`LettersError`] when a letter that is named must not go back, in which case none
    /// goes, and when Kafka fails; what was committed by then is marked.
    pub async fn redrive(&self, redrive: Redrive) -> Result<Redriven, LettersError> {
        let this = self.clone();
        let work = tokio::task::spawn_blocking(move || redrive::run(&this, &redrive));
        work.await.map_err(|_| KafkaError::Gone)?
    }

    fn scan(&self) -> Result<Found, KafkaError> {
        scan::read(&self.worker, &self.topic)
            .map_err(|error| self.failed("read the dead letters", error))
    }

    fn failed(&self, action: &'static str, error: rdkafka::error::KafkaError) -> KafkaError {
        let brokers = self.worker.kafka.get("bootstrap.servers").cloned().unwrap_or_default();
        KafkaError::of(action, &brokers, error)
    }
}

impl LetterState {
    /// Its name in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Healed => "healed",
            Self::Redriven => "redriven",
        }
    }
}

impl fmt::Display for LetterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset)
    }
}

impl FromStr for LetterPlace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = |text: &str| {
            let (partition, offset) = text.split_once('@')?;
            Some(Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        };
        parse(text).ok_or("expected PARTITION@OFFSET, as `rowcast dlq list` shows it")
    }
}

impl fmt::Display for RecordPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TopicPartition { topic, partition } = &self.partition;
        write!(f, "{topic}/{partition}@{}", self.offset.0)
    }
}

fn headers(record: &impl Message) -> Vec<(String, Option<Vec<u8>>)> {
    let all = record.headers().into_iter().flat_map(Headers::iter);
    all.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
}

/// The headers that the record had before it was a letter.
fn original(record: &OwnedMessage) -> impl Iterator<Item = (String, Option<Vec<u8>>)> {
    headers(record)
        .into_iter()
        .filter(|(key, _)| !key.starts_with(CONTEXT) && !key.starts_with(OURS))
}
