//! How long after its commit in MySQL a row can be read from Kafka by a reader of committed
//! records, while rows are committed at a steady rate, each in a transaction of its own.
//!
//! A row's clock starts twice: when its statement is sent, and when MySQL has answered that it is
//! committed. It stops when the reader's poll returns the record. All of it in one process, so
//! there is one clock.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::pipeline::PipelineFile;
use crate::process::{ProcessError, Rowcast};
use crate::stack::Stack;

/// Fewest connections that write: each waits for its answers, so one alone would not hold the rate.
const WRITERS_MIN: u64 = 4;
/// Most rows of one in a second: timers tick in whole milliseconds.
const WRITER_RATE_MAX: u64 = 250;

/// Usual time whose rows do not count: the broker's JVM compiles its code for about half a minute, on a
/// processor that the rest of the run needs too.
pub const WARM_UP: Duration = Duration::from_secs(40);

/// Longest wait for the source to start, and for the last record to come.
const DEADLINE: Duration = Duration::from_secs(60);

/// One poll of the reader. It returns as soon as there is a record.
const POLL: Duration = Duration::from_millis(100);

/// How fast and how long rows are committed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Rows a second.
    pub rate: u64,
    /// Seconds that count.
    pub seconds: u64,
    /// Time before them that does not.
    pub warm_up: Duration,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Rows a second that were asked for.
    pub rate: u64,
    /// Rows that count.
    pub rows: usize,
    /// Rows a second that MySQL committed.
    pub committed_per_second: f64,
    /// From MySQL's answer to the reader, in milliseconds.
    pub since_commit: Quantiles,
    /// From the sending of the statement to the reader.
    pub since_statement: Quantiles,
    /// Rows that did not come.
    pub missing: usize,
}

/// The distribution of times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half are no longer.
    pub p50_ms: f64,
    /// Of 100 one is longer.
    pub p99_ms: f64,
    /// Of 1,000 one is longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// The run could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LatencyError {
    /// MySQL refused a statement.
    #[error("mysql failed under the load")]
    MySql(#[from] mysql_async::Error),
    /// The reader failed.
    #[error("cannot read the topic")]
    Kafka(#[from] KafkaError),
    /// The process could not be started or stopped.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file could not be written or read.
    #[error("the pipeline file or the log cannot be used")]
    Io(#[from] std::io::Error),
    /// The source did not come up.
    #[error("the source did not start; its log is:\n{0}")]
    Start(String),
    /// A part of the run has ended before its time.
    #[error("a writer or the reader ended early")]
    Gone(#[from] tokio::task::JoinError),
}

/// When a row was sent and committed.
#[derive(Clone, Copy, Debug)]
struct Committed {
    id: u64,
    sent: Instant,
    answered: Instant,
}

/// Runs a source of one table in a database called `name`, with further settings.
///
/// # Errors
///
/// [`LatencyError`] if the run could not be carried out.
pub async fn run(
    stack: &Stack,
    name: &str,
    folder: &Path,
    (options, settings): (Options, &[(String, String)]),
) -> Result<Report, LatencyError> {
    make_table(stack, name).await?;
    let rowcast = launch(stack, name, folder, settings).await?;
    let report = load(stack, name, options).await?;
    rowcast.stop(DEADLINE).await?;
    Ok(report)
}

/// Makes the table, in a database of its own.
pub(crate) async fn make_table(stack: &Stack, name: &str) -> Result<(), LatencyError> {
    let mut connection = connect(stack).await?;
    connection.query_drop(format!("CREATE DATABASE {name}")).await?;
    let columns = "id BIGINT PRIMARY KEY, n INT, note VARCHAR(100)";
    connection.query_drop(format!("CREATE TABLE {name}.t ({columns})")).await?;
    Ok(connection.disconnect().await?)
}

/// Inserts a row that does not count.
pub(crate) async fn insert_other(stack: &Stack, name: &str, id: i64) -> Result<(), LatencyError> {
    let mut connection = connect(stack).await?;
    connection.query_drop(format!("INSERT INTO {name}.t VALUES ({id}, 0, '')")).await?;
    Ok(connection.disconnect().await?)
}

async fn connect(stack: &Stack) -> Result<Conn, LatencyError> {
    let options = Opts::from_url(&stack.mysql.url()).map_err(mysql_async::Error::from)?;
    Ok(Conn::new(options).await?)
}

/// Commits rows while a source reads them, and times those of the topic.
pub(crate) async fn load(
    stack: &Stack,
    name: &str,
    options: Options,
) -> Result<Report, LatencyError> {
    let (url, table) = (stack.mysql.url(), format!("{name}.t"));
    let reader = Reader::start(&stack.kafka.bootstrap(), &format!("{name}.{table}"))?;
    let began = Instant::now();
    let mut writers = JoinSet::new();
    let count = options.rate.div_ceil(WRITER_RATE_MAX).max(WRITERS_MIN);
    for writer in 0..count {
        writers.spawn(write(url.clone(), table.clone(), options, (writer, count)));
    }
    let mut committed = Vec::new();
    while let Some(written) = writers.join_next().await {
        committed.extend(written??);
    }
    let elapsed = began.elapsed();
    let read = reader.finish(committed.len()).await?;
    let rows = committed.len();
    let per_second = f64::from(u32::try_from(rows).unwrap_or(u32::MAX)) / elapsed.as_secs_f64();
    committed.retain(|row| row.sent >= began + options.warm_up);
    Ok(report(options.rate, per_second, &committed, &read))
}

fn report(
    rate: u64,
    committed_per_second: f64,
    committed: &[Committed],
    read: &HashMap<u64, Instant>,
) -> Report {
    let times = |start: fn(&Committed) -> Instant| {
        let time = |row: &Committed| {
            // MySQL sends the log before it answers, so a record may come before the answer.
            Some(read.get(&row.id)?.saturating_duration_since(start(row)))
        };
        quantiles(committed.iter().filter_map(time).collect())
    };
    Report {
        rate,
        rows: committed.len(),
        committed_per_second,
        since_commit: times(|row| row.answered),
        since_statement: times(|row| row.sent),
        missing: committed.iter().filter(|row| !read.contains_key(&row.id)).count(),
    }
}

fn quantiles(mut times: Vec<Duration>) -> Quantiles {
    times.sort_unstable();
    let at = |per_mille: usize| {
        let last = times.len().saturating_sub(1);
        let time = times.get(last * per_mille / 1000).copied().unwrap_or_default();
        time.as_secs_f64() * 1000.0
    };
    Quantiles { p50_ms: at(500), p99_ms: at(990), p999_ms: at(999), max_ms: at(1000) }
}

/// Starts a source of the table and waits until it reads the log and the topic is there.
pub(crate) async fn launch(
    stack: &Stack,
    name: &str,
    folder: &Path,
    settings: &[(String, String)],
) -> Result<Rowcast, LatencyError> {
    let pipeline = PipelineFile::new(name, &stack.kafka, &stack.registry);
    let pipeline = pipeline.source(name, &stack.mysql, (name, &format!("{name}\\..*")));
    let pipeline =
        settings.iter().fold(pipeline, |pipeline, (key, value)| pipeline.with(key, value));
    let file = folder.join("pipeline.yaml");
    pipeline.write(&file)?;
    let log = folder.join("rowcast.log");
    let rowcast = Rowcast::start(&["run", &file.to_string_lossy()], &[], &log).await?;
    wait_for_log(&rowcast, "source starts").await?;
    // Makes the topic.
    insert_other(stack, name, -1).await?;
    wait_for_log(&rowcast, "table definition taken").await?;
    Ok(rowcast)
}

async fn wait_for_log(rowcast: &Rowcast, text: &str) -> Result<(), LatencyError> {
    let end = Instant::now() + DEADLINE;
    while !rowcast.log()?.contains(text) {
        if Instant::now() > end || rowcast.pid().is_none() {
            return Err(LatencyError::Start(rowcast.log()?));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Commits every so many milliseconds one row. A writer that is late does not hurry afterwards:
/// that would be a burst.
async fn write(
    url: String,
    table: String,
    options: Options,
    (writer, writers): (u64, u64),
) -> Result<Vec<Committed>, LatencyError> {
    let mut connection = Conn::new(Opts::from_url(&url).map_err(mysql_async::Error::from)?).await?;
    let insert = connection.prep(format!("INSERT INTO {table} VALUES (?, ?, ?)")).await?;
    let pause = Duration::from_secs(writers).div_f64(options.rate.max(1) as f64);
    let mut ticks = tokio::time::interval(pause);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let end = Instant::now() + options.warm_up + Duration::from_secs(options.seconds);
    let mut rows = Vec::new();
    let mut id = writer;
    while Instant::now() < end {
        ticks.tick().await;
        let sent = Instant::now();
        connection.exec_drop(&insert, (id, writer, "a note of usual length")).await?;
        rows.push(Committed { id, sent, answered: Instant::now() });
        id += writers;
    }
    connection.disconnect().await?;
    Ok(rows)
}

/// Reads committed records on a thread of its own and notes when each came.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: tokio::task::JoinHandle<Result<HashMap<u64, Instant>, KafkaError>>,
    count: Arc<std::sync::atomic::AtomicUsize>,
}

impl Reader {
    fn start(bootstrap: &str, topic: &str) -> Result<Self, LatencyError> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", "latency")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .create()?;
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, 0, Offset::Beginning)?;
        consumer.assign(&assignment)?;
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = tokio::task::spawn_blocking(move || {
            let mut read = HashMap::new();
            while !stopped.load(Ordering::Relaxed) {
                let Some(message) = consumer.poll(POLL) else { continue };
                let message = message?;
                let now = Instant::now();
                if let Some(id) = id_of(message.key().unwrap_or_default()) {
                    read.entry(id).or_insert(now);
                    counted.store(read.len(), Ordering::Relaxed);
                }
            }
            Ok(read)
        });
        Ok(Self { stop, thread, count })
    }

    /// Waits until so many rows were read, not for ever.
    async fn finish(self, rows: usize) -> Result<HashMap<u64, Instant>, LatencyError> {
        let end = Instant::now() + DEADLINE;
        while self.count.load(Ordering::Relaxed) < rows && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.thread.await??)
    }
}

/// The number in a key of one `BIGINT`: behind the frame, an Avro long; none for one below 0.
fn id_of(key: &[u8]) -> Option<u64> {
    let bytes = key.get(5..)?;
    let digits = bytes.iter().enumerate().take(10);
    let encoded = digits.fold(0_u64, |number, (place, byte)| {
        number | u64::from(byte & 0x7f) << (7 * place).min(63)
    });
    (encoded & 1 == 0).then_some(encoded >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let times = (1..=1000).rev().map(Duration::from_millis).collect();

        let found = quantiles(times);

        assert_eq!((found.p50_ms, found.p99_ms, found.max_ms), (500.0, 990.0, 1000.0));
        assert_eq!(quantiles(Vec::new()), Quantiles::default());
    }

    #[test]
    fn a_key_is_read_and_one_below_zero_is_not() {
        assert_eq!(id_of(&[0, 0, 0, 0, 7, 0xac, 0x02]), Some(150));
        assert_eq!(id_of(&[0, 0, 0, 0, 7, 0x01]), None);
        assert_eq!(id_of(&[0]), None);
    }

    #[test]
    fn rows_that_did_not_come_are_counted() {
        let now = Instant::now();
        let row = |id| Committed { id, sent: now, answered: now + Duration::from_millis(1) };
        let read = HashMap::from([(4, now + Duration::from_millis(11))]);

        let report = report(1000, 1000.0, &[row(4), row(5)], &read);

        assert_eq!((report.rows, report.missing), (2, 1));
        assert_eq!((report.since_commit.max_ms, report.since_statement.max_ms), (10.0, 11.0));
    }
}
