//! The sink's task: records into lines, and offsets once the lines are written.
//!
//! At least once, as Kafka Connect's: what is written and not committed when the process dies is
//! written again. One record is done before the next is begun, so what is written is an unbroken run
//! in each partition.

use std::collections::BTreeMap;
use std::time::Duration;

use schema::fault;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::chain::{ChainDecoder, LineDecoder};
use super::config::SinkConfig;
use super::error::FileStreamError;
use super::output::Output;
use crate::config::WorkerConfig;
use crate::connector::ConnectorName;
use crate::control::{ActiveTopics, TaskControl};
use crate::converter::TextDecoder;
use crate::java_client::Client;
use crate::kafka::consumer::{
    CommitOffsets, ConsumerConfig, ConsumerEvent, KafkaOffset, Record, SinkConsumer, TopicPartition,
};
use crate::task::{Task, TaskRun};

/// How often offsets are committed: what a restart repeats at most. As of the Elasticsearch sink
/// (Kafka Connect: 60 s).
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// Writes one file.
pub(super) struct SinkTask {
    config: SinkConfig,
    consumer: ConsumerConfig,
    worker: WorkerConfig,
}

impl SinkTask {
    pub(super) fn new(name: &ConnectorName, config: SinkConfig, worker: &WorkerConfig) -> Self {
        let consumer = ConsumerConfig {
            client_id: format!("{}-{name}-0", worker.group_id),
            group_id: config.group_id.clone(),
            kafka: worker.client(Client::Consumer),
            topics: config.topics.clone(),
            headers: config.chain.is_some(),
        };
        Self { config, consumer, worker: worker.clone() }
    }

    async fn work(
        &self,
        stop: &CancellationToken,
        topics: ActiveTopics,
    ) -> Result<(), FileStreamError> {
        let decoder = match &self.config.chain {
            None => {
                let plain = TextDecoder::new(self.config.converter, &self.worker.registry)?;
                LineDecoder::Plain(Box::new(plain))
            }
            Some(chain) => LineDecoder::Chained(Box::new(ChainDecoder::new(chain, &self.worker)?)),
        };
        let lines = Lines { decoder, tolerates: self.config.tolerates, skipped: 0 };
        let output = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            output = Output::open(self.config.file.as_deref()) => output?,
        };
        let mut consumer = SinkConsumer::start(&self.consumer)?;
        consumer.track(topics);
        FileSink::new(consumer, lines, output, COMMIT_EVERY).run(stop).await
    }
}

impl Task for SinkTask {
    fn run<'a>(&'a mut self, stop: CancellationToken, control: &'a mut TaskControl) -> TaskRun<'a> {
        Box::pin(async move { Ok(self.work(&stop, control.topics()).await?) })
    }
}

/// What makes lines of records.
struct Lines {
    decoder: LineDecoder,
    /// `errors.tolerance` = `all`.
    tolerates: bool,
    /// Records since the start that were no lines.
    skipped: u64,
}

impl Lines {
    /// Appends the line of a record, if it has one.
    async fn push(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<(), FileStreamError> {
        let Err(source) = self.decoder.push(record, out).await else { return Ok(()) };
        let place = place(record);
        if !self.tolerates || !source.is_of_record() {
            return Err(FileStreamError::Record { place, source: Box::new(source) });
        }
        self.skipped += 1;
        tracing::warn!(
            record = place,
            error = fault::chain(&source),
            records_since_start = self.skipped,
            "a record cannot be a line and is skipped, as errors.tolerance says"
        );
        Ok(())
    }
}

/// One run.
struct FileSink {
    consumer: SinkConsumer,
    lines: Lines,
    output: Output,
    /// What is written and not committed: for each partition the first record that is not.
    written: BTreeMap<TopicPartition, KafkaOffset>,
    commit_every: Duration,
    /// When that is to be committed.
    commit_due: Option<Instant>,
}

impl FileSink {
    fn new(consumer: SinkConsumer, lines: Lines, output: Output, commit_every: Duration) -> Self {
        let (written, commit_due) = (BTreeMap::new(), None);
        Self { consumer, lines, output, written, commit_every, commit_due }
    }

    /// Runs until `stop` is cancelled or an error ends it, and leaves the group in both cases.
    async fn run(mut self, stop: &CancellationToken) -> Result<(), FileStreamError> {
        let ended = self.flow(stop).await;
        self.commit().await;
        self.consumer.close().await;
        ended
    }

    async fn flow(&mut self, stop: &CancellationToken) -> Result<(), FileStreamError> {
        loop {
            let commit_due = self.commit_due;
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = until(commit_due) => {
                    self.commit_later();
                    continue;
                }
                event = self.consumer.next() => event,
            };
            match event {
                ConsumerEvent::Records(records) => self.write(&records).await?,
                ConsumerEvent::Assigned { .. } => {}
                ConsumerEvent::Revoked { partitions, lost, done } => {
                    if !lost {
                        self.commit().await;
                    }
                    self.written.retain(|partition, _| !partitions.contains(partition));
                    done.done();
                }
                ConsumerEvent::Failed(error) => return Err(error.into()),
            }
        }
    }

    /// Writes the lines of records. Before an error, those of the records before it.
    async fn write(&mut self, records: &[Record]) -> Result<(), FileStreamError> {
        let (mut lines, mut ends) = (Vec::new(), BTreeMap::new());
        let mut failed = None;
        for record in records {
            if let Err(error) = self.lines.push(record, &mut lines).await {
                failed = Some(error);
                break;
            }
            let next = KafkaOffset(record.offset.0.saturating_add(1));
            ends.insert(record.partition.clone(), next);
        }
        self.output.write(&lines).await?;
        self.written.extend(ends);
        self.commit_due.get_or_insert_with(|| Instant::now() + self.commit_every);
        failed.map_or(Ok(()), Err)
    }

    /// Commits beside the work; if the thread is busy, a moment later.
    fn commit_later(&mut self) {
        if self.consumer.commit_later(self.offsets()) {
            self.written.clear();
            self.commit_due = None;
        } else {
            self.commit_due = Some(Instant::now() + self.commit_every);
        }
    }

    /// Commits now. A failure costs a repetition and nothing else.
    async fn commit(&mut self) {
        let offsets = self.offsets();
        if offsets.is_empty() {
            return;
        }
        self.commit_due = None;
        match self.consumer.commit(offsets).await {
            Ok(()) => self.written.clear(),
            Err(error) => {
                let error = fault::chain(&error);
                tracing::warn!(
                    error,
                    "offset commit failed, the next start repeats the last lines"
                );
            }
        }
    }

    fn offsets(&self) -> CommitOffsets {
        self.written.iter().map(|(partition, offset)| (partition.clone(), *offset)).collect()
    }
}

fn place(record: &Record) -> String {
    let TopicPartition { topic, partition } = &record.partition;
    format!("{topic}/{partition}@{}", record.offset.0)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bytes::Bytes;
    use schema::registry::RegistryConfig;

    use super::*;
    use crate::converter::Converter;
    use crate::kafka::consumer::{Command, ConsumerFeed, RecordMeta};

    /// A running sink with Kafka's end in the hands of the test.
    struct Bench {
        folder: tempfile::TempDir,
        feed: ConsumerFeed,
        stop: CancellationToken,
        sink: tokio::task::JoinHandle<Result<(), FileStreamError>>,
    }

    fn partition(number: i32) -> TopicPartition {
        TopicPartition { topic: "t".into(), partition: number }
    }

    fn record(number: i32, offset: i64, value: Option<&'static str>) -> Record {
        Record {
            partition: partition(number),
            offset: KafkaOffset(offset),
            key: None,
            value: value.map(|value| Bytes::from_static(value.as_bytes())),
            lsn: None,
            control: None,
            meta: RecordMeta::default(),
        }
    }

    /// Longer than a test takes.
    const NEVER: Duration = Duration::from_secs(3_600);

    impl Bench {
        async fn start(commit_every: Duration) -> Self {
            Self::tolerating(commit_every, false).await
        }

        async fn tolerating(commit_every: Duration, tolerates: bool) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let registry =
                RegistryConfig { timeout: Duration::from_secs(1), ..RegistryConfig::default() };
            let converter = Converter::Json { schemas: false };
            let decoder = TextDecoder::new(converter, &registry).unwrap();
            let decoder = LineDecoder::Plain(Box::new(decoder));
            let lines = Lines { decoder, tolerates, skipped: 0 };
            let output = Output::open(folder.path().join("f").to_str()).await.unwrap();
            let (consumer, mut feed) = SinkConsumer::with_feed();
            let stop = CancellationToken::new();
            let token = stop.clone();
            let sink = FileSink::new(consumer, lines, output, commit_every);
            feed.assigned(vec![partition(0), partition(1)]).await;
            let sink = tokio::spawn(async move { sink.run(&token).await });
            Self { folder, feed, stop, sink }
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("f")
        }

        async fn records(&self, records: Vec<Record>) {
            let sent = self.feed.records(self.feed.polled(records), Duration::from_secs(9)).await;
            assert!(sent.is_ok());
        }

        async fn text_is(&self, expected: &str) {
            let end = Instant::now() + Duration::from_secs(30);
            while std::fs::read_to_string(self.file()).unwrap() != expected {
                assert!(Instant::now() < end, "{:?}", std::fs::read_to_string(self.file()));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }

        /// The next command, from a thread that may wait for it.
        async fn command(self) -> (Self, Command) {
            tokio::task::spawn_blocking(move || {
                let command = self.feed.command(Duration::from_secs(30)).unwrap();
                (self, command)
            })
            .await
            .unwrap()
        }

        /// Takes the next command, a commit that is waited for, and answers it.
        async fn commits(self) -> (Self, CommitOffsets) {
            let (bench, command) = self.command().await;
            let Command::Commit { offsets, done } = command else { panic!("{command:?}") };
            if let Some(done) = done {
                done.send(Ok(())).unwrap();
            }
            (bench, offsets)
        }
    }

    fn offsets(pairs: &[(i32, i64)]) -> CommitOffsets {
        pairs.iter().map(|(number, offset)| (partition(*number), KafkaOffset(*offset))).collect()
    }

    #[tokio::test]
    async fn lines_are_in_the_file_before_their_offsets_are_committed() {
        let bench = Bench::start(Duration::from_millis(1)).await;
        bench
            .records(vec![
                record(0, 4, Some("\"a\"")),
                record(1, 9, Some("{\"n\":1}")),
                record(0, 7, None),
            ])
            .await;

        let (bench, committed) = bench.commits().await;

        assert_eq!(committed, offsets(&[(0, 8), (1, 10)]));
        assert_eq!(std::fs::read_to_string(bench.file()).unwrap(), "a\n{\"n\":1}\nnull\n");
        bench.stop.cancel();
        assert!(bench.sink.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_stop_commits_what_is_written() {
        let bench = Bench::start(NEVER).await;
        bench.records(vec![record(0, 1, Some("\"a\""))]).await;
        bench.text_is("a\n").await;

        bench.stop.cancel();
        let (bench, committed) = bench.commits().await;

        assert_eq!(committed, offsets(&[(0, 2)]));
        assert!(bench.sink.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_rebalance_waits_for_the_commit_and_lost_partitions_have_none() {
        let mut bench = Bench::start(NEVER).await;
        bench.records(vec![record(0, 1, Some("\"a\"")), record(1, 1, Some("\"b\""))]).await;
        bench.text_is("a\nb\n").await;

        bench.feed.revoked(vec![partition(0)], false).await;
        let (bench, committed) = bench.commits().await;
        assert_eq!(committed, offsets(&[(0, 2), (1, 2)]));
        let (mut bench, command) = bench.command().await;
        assert!(matches!(command, Command::RevokeDone), "{command:?}");

        bench.records(vec![record(1, 2, Some("\"c\""))]).await;
        bench.text_is("a\nb\nc\n").await;
        bench.feed.revoked(vec![partition(1)], true).await;
        let (bench, command) = bench.command().await;
        assert!(matches!(command, Command::RevokeDone), "{command:?}");
        bench.stop.cancel();
        assert!(bench.sink.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn what_is_before_a_record_that_is_no_line_is_written_and_committed() {
        let bench = Bench::start(NEVER).await;
        bench.records(vec![record(0, 1, Some("\"a\"")), record(0, 5, Some("x"))]).await;

        let (bench, committed) = bench.commits().await;

        assert_eq!(committed, offsets(&[(0, 2)]));
        assert_eq!(std::fs::read_to_string(bench.file()).unwrap(), "a\n");
        let error = bench.sink.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "record t/0@5 cannot be a line");
    }

    #[tokio::test]
    async fn where_errors_are_tolerated_a_record_that_is_no_line_is_passed_over() {
        let bench = Bench::tolerating(NEVER, true).await;
        let records = [(1, Some("\"a\"")), (5, Some("x")), (6, Some("\"b\""))];
        bench.records(records.map(|(offset, value)| record(0, offset, value)).into()).await;
        bench.text_is("a\nb\n").await;

        bench.stop.cancel();
        let (bench, committed) = bench.commits().await;

        assert_eq!(committed, offsets(&[(0, 7)]));
        assert!(bench.sink.await.unwrap().is_ok());
    }
}
