//! Records that are larger than their topic takes: parked with their table, made smaller, or told
//! of in the dead-letter topic.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use connect::kafka::batch::{HeaderName, RecordBatch, RecordBounds, TopicIndex};
use connect::kafka::producer::TransactionalProducer;
use connect::kafka::{Admin, KafkaError, RecordLimit, RecordTooLarge, RecordTopic, partition_of};
use schema::plan::record::{Fit, Lost, RecordPlan, Row};
use schema::table::{TableId, TableSchema};
use serde_json::json;

use crate::config::{OversizedPolicy, SourceConfig};
use crate::pipeline::record_writer::{RecordError, Written};
use crate::tables::TablePlan;

/// How often such records are told of.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Header that names what a record has lost: `before`, and columns.
pub(crate) const TRUNCATED_HEADER: &str = "rowcast.truncated";

/// Where records are told of that nothing else can be done with.
#[derive(Debug, Clone, Copy)]
struct DeadLetters {
    topic: TopicIndex,
    partitions: i32,
    limit: RecordLimit,
}

/// What is done with a table's records that are too large.
#[derive(Debug, Default)]
pub(crate) struct Oversized {
    action: Action,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
enum Action {
    #[default]
    Park,
    Truncate {
        /// The columns that may be cut: number in the record, and name.
        columns: Vec<(usize, String)>,
    },
    DeadLetter {
        connector: String,
        letters: DeadLetters,
    },
}

/// Records since the start and since they were told of.
#[derive(Debug, Default)]
struct Counts {
    total: u64,
    untold: u64,
    told_at: Option<Instant>,
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stands in the batch behind its key, made smaller; the header says what it has lost.
    Smaller(String),
    /// It is gone from the batch, and told of in the dead-letter topic.
    DeadLetter,
}

impl Oversized {
    /// What is done with the records of a table; makes the dead-letter topic if it is needed.
    pub(crate) async fn new(
        config: &SourceConfig,
        connector: &str,
        (admin, producer): (&Admin, &mut TransactionalProducer),
        (schema, record): (&TableSchema, &RecordPlan),
    ) -> Result<Self, KafkaError> {
        let oversized = &config.oversized;
        let action = match (oversized.policy(&schema.id), &oversized.dead_letter_topic) {
            (OversizedPolicy::Park, _) | (OversizedPolicy::DeadLetter, None) => Action::Park,
            (OversizedPolicy::DeadLetter, Some(topic)) => {
                let mut rules = config.topics.rules(topic);
                rules.replication = oversized.dead_letter_replication.or(rules.replication);
                let RecordTopic { partitions, limit, .. } =
                    admin.ensure_record_topic(topic, &rules).await?;
                let topic = producer.add_topic(topic).await?;
                let letters = DeadLetters { topic, partitions, limit };
                Action::DeadLetter { connector: connector.to_owned(), letters }
            }
            (OversizedPolicy::Truncate, _) => {
                let columns = record.columns_to_cut().filter_map(|(number, place)| {
                    let name = &schema.columns.get(place)?.name;
                    oversized.may_cut(&schema.id, name).then(|| (number, name.clone()))
                });
                Action::Truncate { columns: columns.collect() }
            }
        };
        Ok(Self { action, counts: Mutex::default() })
    }

    /// Does with a record what is to be done; an error parks its table.
    pub(crate) fn handle<R: Row>(
        &self,
        plan: &TablePlan,
        batch: &mut RecordBatch,
        written: &Written<'_, R>,
        error: RecordTooLarge,
    ) -> Result<Fate, RecordError> {
        let fate = match &self.action {
            Action::Park => return Err(error.into()),
            Action::Truncate { columns } => {
                let lost = truncate(columns, plan.limit, batch, written)?;
                Fate::Smaller(lost.ok_or(error)?)
            }
            Action::DeadLetter { connector, letters } => {
                let about = about(connector, &plan.schema.id, written, error);
                bury(letters, batch, written, &about.to_string())?;
                push_headers(connector, batch, written, error);
                Fate::DeadLetter
            }
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total += 1;
        counts.untold += 1;
        Ok(fate)
    }

    /// Tells of such records, the first at once and then now and then.
    pub(crate) fn tell(&self, table: &TableSchema) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = counts.told_at.is_none_or(|told_at| told_at.elapsed() >= TELL_EVERY);
        if counts.untold == 0 || !is_due {
            return;
        }
        let (records, records_since_start) = (counts.untold, counts.total);
        let table = &table.id;
        match &self.action {
            Action::Park => {}
            Action::Truncate { .. } => tracing::warn!(
                table = %table,
                records,
                records_since_start,
                hint = "raise `max.message.bytes` of the topic and `kafka: message.max.bytes` to \
                        keep them whole; the header rowcast.truncated says what each has lost",
                "records were too large and were truncated"
            ),
            Action::DeadLetter { .. } => tracing::warn!(
                table = %table,
                records,
                records_since_start,
                hint = "raise `max.message.bytes` of the topic and `kafka: message.max.bytes`; the \
                        dead-letter topic says which rows are missing",
                "records were too large and went to the dead-letter topic"
            ),
        }
        counts.untold = 0;
        counts.told_at = Some(Instant::now());
    }
}

/// Writes the value again, made smaller; returns what it has lost, or none if it is still too large.
fn truncate<R: Row>(
    columns: &[(usize, String)],
    limit: RecordLimit,
    batch: &mut RecordBatch,
    written: &Written<'_, R>,
) -> Result<Option<String>, RecordError> {
    let Written { record, change, source, now_us, key, .. } = written;
    let numbers: Vec<usize> = columns.iter().map(|(number, _)| *number).collect();
    let bytes = limit.room().saturating_sub(key.len());
    batch.buffer().truncate(key.end);
    let fit = Fit { columns: &numbers, bytes };
    let lost = record.write_fitting(change, source, (*now_us, fit), batch.buffer())?;
    Ok(lost.map(|lost| named(&lost, columns)))
}

/// What was lost, as a list of names.
fn named(lost: &Lost, columns: &[(usize, String)]) -> String {
    let mut names = if lost.before { "before".to_owned() } else { String::new() };
    for (number, name) in columns {
        if lost.columns.contains(number) {
            let comma = if names.is_empty() { "" } else { "," };
            // Writing into a string cannot fail.
            write!(names, "{comma}{name}").unwrap_or_default();
        }
    }
    names
}

/// What a dead letter says of a record. No value of the row.
fn about<R: Row>(
    connector: &str,
    table: &TableId,
    written: &Written<'_, R>,
    error: RecordTooLarge,
) -> serde_json::Value {
    let source = written.source;
    json!({
        "connector": connector,
        "topic": written.record.topic(),
        "table": table.to_string(),
        "op": written.change.op(),
        "gtid": source.gtid,
        "file": source.file,
        "pos": source.pos,
        "row": source.row,
        "lsn": source.lsn.value(),
        "ts_us": source.ts_us,
        "bytes": error.bytes(),
        "limit": error.limit(),
    })
}

/// Takes the record's value out of the batch and puts a dead letter there, with the record's key.
fn bury<R: Row>(
    letters: &DeadLetters,
    batch: &mut RecordBatch,
    written: &Written<'_, R>,
    about: &str,
) -> Result<(), RecordError> {
    let key = &written.key;
    batch.buffer().truncate(key.end);
    let partition = partition_of(batch.slice(key), letters.partitions);
    batch.buffer().extend_from_slice(about.as_bytes());
    letters.limit.check(batch.bytes() - key.start)?;
    let bounds = RecordBounds { key_start: key.start, key_end: key.end, has_value: true };
    batch.push(letters.topic, partition, bounds);
    Ok(())
}

/// The headers that Kafka Connect gives a dead letter.
fn push_headers<R: Row>(
    connector: &str,
    batch: &mut RecordBatch,
    written: &Written<'_, R>,
    error: RecordTooLarge,
) {
    let (partition, message) = (written.partition.to_string(), error.to_string());
    for (name, value) in [
        ("__connect.errors.topic", written.record.topic()),
        ("__connect.errors.partition", &partition),
        ("__connect.errors.connector.name", connector),
        ("__connect.errors.task.id", "0"),
        ("__connect.errors.stage", "KAFKA_PRODUCE"),
        ("__connect.errors.class.name", "org.apache.kafka.clients.producer.KafkaProducer"),
        (
            "__connect.errors.exception.class.name",
            "org.apache.kafka.common.errors.RecordTooLargeException",
        ),
        ("__connect.errors.exception.message", &message),
    ] {
        batch.push_header(HeaderName::Fixed(name), Some(value.as_bytes()));
    }
}
