//! Lines through transforms: what stands between the reader and the producer where there are any.

use std::sync::Arc;
use std::time::Duration;

use schema::avro::SchemaStyle;
use schema::fault::Fault;
use schema::value::{Schema, Value};
use tokio::time::Instant;
use transform::{Chain, Part, Record};

use super::chain::{ChainConfig, text_schema};
use super::config::SourceConfig;
use super::error::FileStreamError;
use super::lines::FilePosition;
use crate::clock;
use crate::config::{TopicCreation, WorkerConfig};
use crate::kafka::batch::{BatchRecord, RecordBatch};
use crate::kafka::producer::TransactionalProducer;
use crate::stage::{Extra, RecordFailure, RecordStage, Trouble};

/// How often lines that were skipped are told of.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// What the lines of a source go through.
pub(super) struct LineStage {
    chain: Chain,
    records: RecordStage,
    creation: TopicCreation,
    topic: Arc<str>,
    file: String,
    offset_key: Vec<u8>,
    text: Arc<Schema>,
    /// `errors.tolerance` = `all`.
    tolerates: bool,
    skipped: u64,
    told_at: Option<Instant>,
}

impl LineStage {
    pub(super) fn new(
        config: &SourceConfig,
        chain: &ChainConfig,
        worker: &WorkerConfig,
        offset_key: Vec<u8>,
    ) -> Result<Self, FileStreamError> {
        Ok(Self {
            chain: chain.chain(),
            records: RecordStage::new(chain.converters, SchemaStyle::Debezium, worker)?,
            creation: config.creation.clone(),
            topic: config.topic.as_str().into(),
            file: config.file.clone(),
            offset_key,
            text: text_schema(),
            tolerates: config.tolerates,
            skipped: 0,
            told_at: None,
        })
    }

    /// What becomes of lines, in their order, with the offset behind the last of them; and why there
    /// are no more, if one cannot be written.
    ///
    /// # Errors
    ///
    /// Returns [`FileStreamError`] for what is in the way of all lines.
    pub(super) async fn run(
        &mut self,
        lines: &RecordBatch,
        producer: &mut TransactionalProducer,
    ) -> Result<(RecordBatch, Option<FileStreamError>), FileStreamError> {
        let mut out = RecordBatch::default();
        let (mut done, mut failed) = (None, None);
        for line in lines.iter() {
            let (records, bytes) = (out.records(), out.bytes());
            let end = end_of(&line);
            match self.take(&line, &mut out, producer).await {
                Ok(()) => {}
                Err(Trouble::Record(failure)) => {
                    out.truncate(records, bytes);
                    failed = self.judge(failure, end);
                    if failed.is_some() {
                        break;
                    }
                }
                Err(trouble @ (Trouble::Kafka(_) | Trouble::Registry(_))) => {
                    return Err(trouble.into());
                }
            }
            done = Some(end);
        }
        if let Some(FilePosition(position)) = done {
            let offset = format!("{{\"position\":{position}}}");
            out.set_offset(self.offset_key.clone(), offset.into_bytes());
            out.end_at_boundary();
        }
        Ok((out, failed))
    }

    async fn take(
        &mut self,
        line: &BatchRecord<'_>,
        out: &mut RecordBatch,
        producer: &mut TransactionalProducer,
    ) -> Result<(), Trouble> {
        let text = String::from_utf8_lossy(line.value.unwrap_or_default()).into_owned();
        let record = Record {
            topic: Arc::clone(&self.topic),
            partition: None,
            offset: None,
            timestamp: i64::try_from(clock::since_epoch().as_millis()).ok(),
            key: Part::NULL,
            value: Part::new(Arc::clone(&self.text), Value::String(text)),
            headers: Vec::new(),
        };
        let Some(record) = self.chain.apply(record)? else { return Ok(()) };
        let creation = self.creation.clone();
        let rules = |topic: &str| creation.rules(topic);
        let extra = Extra { partition_key: self.file.as_bytes(), ..Extra::default() };
        self.records.write((record, extra), &rules, (out, producer)).await
    }

    /// The end of the task, unless the line is to be skipped.
    fn judge(&mut self, failure: RecordFailure, end: FilePosition) -> Option<FileStreamError> {
        if !self.tolerates {
            let (file, source) = (self.file.clone(), Box::new(failure));
            return Some(FileStreamError::Line { file, end, source });
        }
        self.skipped += 1;
        if self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            tracing::warn!(
                file = self.file,
                before_position = end.0,
                error = schema::fault::chain(&failure),
                hint = failure.hint().as_deref(),
                lines_since_start = self.skipped,
                "a line cannot be written and is skipped, as errors.tolerance says"
            );
        }
        None
    }
}

/// The place behind a line, which stands where a record has its key.
fn end_of(line: &BatchRecord<'_>) -> FilePosition {
    FilePosition(line.key.try_into().map(u64::from_be_bytes).unwrap_or_default())
}
