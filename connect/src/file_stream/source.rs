//! The source's task: batches of lines into Kafka, each with its offset.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::config::SourceConfig;
use super::error::FileStreamError;
use super::lines::FilePosition;
use super::reader::{LineForm, LineReader};
use super::stage::LineStage;
use crate::config::WorkerConfig;
use crate::connector::ConnectorName;
use crate::control::TaskControl;
use crate::converter::TextEncoder;
use crate::java_client::Client;
use crate::kafka::batch::TopicIndex;
use crate::kafka::producer::{ProducerConfig, TransactionalProducer};
use crate::kafka::{Admin, RecordLimit, partition_of};
use crate::offsets::{self, StoredOffset};
use crate::task::{Task, TaskRun};

/// How often a file is looked at that has nothing new: 200 ms, our choice (Kafka Connect: 1 s).
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// As of the MySQL source: `commit.interval.ms` and `transaction.max.bytes` by default.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
const TRANSACTION_MAX_BYTES: usize = 64 << 20;

/// Reads one file.
pub(super) struct SourceTask {
    name: ConnectorName,
    config: SourceConfig,
    worker: WorkerConfig,
}

impl SourceTask {
    pub(super) fn new(name: &ConnectorName, config: SourceConfig, worker: &WorkerConfig) -> Self {
        Self { name: name.clone(), config, worker: worker.clone() }
    }
}

impl Task for SourceTask {
    fn run<'a>(&'a mut self, stop: CancellationToken, control: &'a mut TaskControl) -> TaskRun<'a> {
        Box::pin(async move {
            let starting = FileSource::start(&self.name, &self.config, &self.worker);
            let mut source = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                source = starting => source?,
            };
            source.producer.track(control.topics());
            Ok(source.run(&stop).await?)
        })
    }
}

/// One run.
struct FileSource {
    reader: LineReader,
    /// What lines go through, if there are transforms.
    stage: Option<LineStage>,
    producer: TransactionalProducer,
}

impl FileSource {
    /// Prepares a run. The producer comes first: it ends what a dead predecessor has left open, and
    /// only then the last offset is known.
    async fn start(
        name: &ConnectorName,
        config: &SourceConfig,
        worker: &WorkerConfig,
    ) -> Result<Self, FileStreamError> {
        let file = &config.file;
        let producer = ProducerConfig {
            delivery: config.delivery,
            transactional_id: offsets::transactional_id(worker, name),
            commit_interval: COMMIT_INTERVAL,
            transaction_max_bytes: TRANSACTION_MAX_BYTES,
        };
        let mut producer = TransactionalProducer::start(worker, producer).await?;
        let position = position(&offsets::committed(worker, name).await?, file)?;
        let offset_key = json!([name.as_str(), offset_partition(file)]).to_string().into_bytes();
        let stage = config.chain.as_ref();
        let stage = stage.map(|chain| LineStage::new(config, chain, worker, offset_key.clone()));
        let stage = stage.transpose()?;
        let form = match &stage {
            Some(_) => draft_form(worker),
            None => Self::form(config, worker, &mut producer).await?,
        };
        let reader = LineReader::new((file, position), config.batch_size, form, offset_key);
        Ok(Self { reader, stage, producer })
    }

    /// How lines become records of their topic.
    async fn form(
        config: &SourceConfig,
        worker: &WorkerConfig,
        producer: &mut TransactionalProducer,
    ) -> Result<LineForm, FileStreamError> {
        let SourceConfig { file, topic, .. } = config;
        let admin = Admin::new(worker)?;
        let made = admin.ensure_record_topic(topic, &config.creation.rules(topic)).await?;
        if made.is_compacted {
            return Err(FileStreamError::Compacted { topic: topic.clone() });
        }
        let subject = schema::names::value_subject(topic);
        Ok(LineForm {
            encoder: TextEncoder::start(config.converter, &worker.registry, &subject).await?,
            limit: made.limit,
            topic: producer.add_topic(topic).await?,
            partition: partition_of(file.as_bytes(), made.partitions),
            keeps_place: false,
        })
    }

    /// Runs until `stop` is cancelled or an error. What was read before an error of the file is
    /// committed, so that the next start meets it at once.
    async fn run(mut self, stop: &CancellationToken) -> Result<(), FileStreamError> {
        let followed = self.follow(stop).await;
        if matches!(followed, Err(FileStreamError::Kafka(_))) {
            return followed;
        }
        // Whoever was fenced meanwhile must not be started again, whatever else went wrong.
        self.producer.finish().await?;
        followed
    }

    async fn follow(&mut self, stop: &CancellationToken) -> Result<(), FileStreamError> {
        while !stop.is_cancelled() {
            if let Some(batch) = self.reader.next().await? {
                let (batch, failed) = match &mut self.stage {
                    None => (batch, None),
                    Some(stage) => stage.run(&batch, &mut self.producer).await?,
                };
                if !batch.is_empty() {
                    self.producer.send(batch).await?;
                }
                failed.map_or(Ok(()), Err)?;
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                error = self.producer.failure() => return Err(error.into()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        Ok(())
    }
}

/// How lines become what the stage takes: texts, of no topic yet.
fn draft_form(worker: &WorkerConfig) -> LineForm {
    LineForm {
        encoder: TextEncoder::Text,
        limit: RecordLimit::of_producer(&worker.client(Client::Producer)),
        topic: TopicIndex::FIRST,
        partition: 0,
        keeps_place: true,
    }
}

/// What the offset is about, as Kafka Connect's task has it.
fn offset_partition(file: &str) -> Value {
    json!({ "filename": file })
}

/// Where reading goes on: 0 without an offset.
fn position(stored: &[StoredOffset], file: &str) -> Result<FilePosition, FileStreamError> {
    let partition = offset_partition(file);
    let Some(stored) = stored.iter().find(|stored| stored.partition == partition) else {
        return Ok(FilePosition(0));
    };
    let invalid = || FileStreamError::Offset { file: file.to_owned() };
    let offset: serde_json::Map<String, Value> =
        serde_json::from_slice(&stored.value).map_err(|_| invalid())?;
    // Kafka Connect takes an offset that says nothing for none.
    match offset.get("position") {
        None | Some(Value::Null) => Ok(FilePosition(0)),
        Some(position) => position.as_u64().map(FilePosition).ok_or_else(invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(value: &str) -> Vec<StoredOffset> {
        let of = |file: &str, value: &str| {
            let key = json!(["f", offset_partition(file)]).to_string();
            StoredOffset::of(key.into_bytes(), value.as_bytes().to_vec()).unwrap().1
        };
        vec![of("other.txt", "{\"position\":3}"), of("test.txt", value)]
    }

    #[test]
    fn an_offset_is_kafka_connects() {
        let at = |value: &str| position(&stored(value), "test.txt");

        assert_eq!(at("{\"position\":42}").unwrap(), FilePosition(42));
        assert_eq!(at("{\"position\":null}").unwrap(), FilePosition(0));
        assert_eq!(position(&stored("{}"), "new.txt").unwrap(), FilePosition(0));
        for damaged in ["", "7", "{\"position\":-1}", "{\"position\":\"7\"}"] {
            let error = at(damaged).unwrap_err();
            assert!(matches!(error, FileStreamError::Offset { .. }), "{damaged}: {error}");
        }
    }
}
