//! Transactions of millions of rows or of gigabytes, which are streamed.

use std::path::Path;
use std::time::Instant;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde::Serialize;
use tokio::task::JoinSet;

use super::log;
use super::table;
use super::{CURVE_POINTS, Point, RSS_MAX_MB, Records, Run, STARTED_WITHIN, SoakError};
use super::{connect, float, prepare};
use crate::stack::Stack;

/// Bytes of a row of a transaction that is told in bytes.
pub const LARGE_ROW_BYTES: u64 = 65_536;

/// Rows of one INSERT; of large rows, so that no statement's work is much more than memory has.
const BATCH: u64 = 100_000;

/// How much.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rows of all transactions together.
    pub rows: u64,
    /// Bytes of each row's text; a few if there is none.
    pub row_bytes: Option<u64>,
    /// Whether MySQL compresses the transactions in its log.
    pub is_compressed: bool,
    /// How many transactions there are, which commit at the same time.
    pub concurrent: u64,
    /// Further settings of the source.
    pub settings: Vec<(String, String)>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Rows of all transactions.
    pub rows: u64,
    /// Transactions.
    pub transactions: u64,
    /// Bytes that they take in the binary log.
    pub binlog_bytes: u64,
    /// Bytes of the largest packet: of a compressed transaction, which is one event.
    pub largest_packet_bytes: u64,
    /// From the first start of a transaction to the last commit's end.
    pub written_seconds: f64,
    /// From there until a reader of committed records had all of them.
    pub seconds: f64,
    /// The records of the topic.
    pub records: Records,
    /// Whether the topic played back is the table.
    pub equal: bool,
    /// The most resident memory, in MB (10^6 bytes).
    pub peak_rss_mb: f64,
    /// Resident memory since the commits.
    pub rss_curve: Vec<Point>,
    /// What must not be, the first ones in words.
    pub problems: Vec<String>,
    /// How many there are.
    pub problem_count: u64,
}

impl Report {
    /// Whether all was as it must be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        // The row behind the transactions is a record too.
        let is_complete = self.records.created == self.rows + 1;
        let packet_mb = float(self.largest_packet_bytes) / 1e6;
        let is_small = self.peak_rss_mb <= RSS_MAX_MB + packet_mb;
        self.equal && self.problem_count == 0 && is_complete && is_small
    }
}

/// Runs a source of one database called `name` and gives it transactions.
///
/// # Errors
///
/// [`SoakError`] if the run could not be made; what it found is in the report.
pub async fn run(
    stack: &Stack,
    name: &str,
    folder: &Path,
    options: &Options,
) -> Result<Report, SoakError> {
    let mut connection = connect(stack).await?;
    let text = if options.row_bytes.is_some() { "MEDIUMTEXT" } else { "VARCHAR(40)" };
    prepare(&mut connection, name, text).await?;
    table::make_sequence(&mut connection, name).await?;
    let mut settings = vec![("snapshot.mode".to_owned(), "no_data".to_owned())];
    settings.extend(options.settings.iter().cloned());
    let run = Run::start(stack, name, folder, &settings).await?;
    started(&run).await?;
    let before = binlog_bytes(&mut connection).await?;
    let began = Instant::now();
    write(stack, name, options).await?;
    let written = began.elapsed().as_secs_f64();
    run.memory.begin_curve();
    let binlog_bytes = binlog_bytes(&mut connection).await?.saturating_sub(before);
    let largest_packet_bytes = largest_packet(&mut connection, options).await?;
    let last = table::insert_last(&mut connection, name).await?;
    let mut ledger = run.ledger(last).await?;
    let seconds = began.elapsed().as_secs_f64() - written;
    let rss_curve = run.memory.curve(CURVE_POINTS);
    let (_, equal) = table::compare(&mut connection, name, &mut ledger).await?;
    Ok(Report {
        rows: options.rows,
        transactions: options.concurrent,
        binlog_bytes,
        largest_packet_bytes,
        written_seconds: written,
        seconds,
        records: ledger.counts.clone(),
        equal,
        peak_rss_mb: run.memory.peak_mb(),
        rss_curve,
        problem_count: ledger.problems.count,
        problems: ledger.problems.told,
    })
}

/// Waits until the source reads the log.
async fn started(run: &Run<'_>) -> Result<(), SoakError> {
    let began = Instant::now();
    let what = "the source's start".to_owned();
    while !log::end(&run.log)?.contains("source starts") {
        if run.rowcast.pid().is_none() {
            return Err(SoakError::Ended { what, log: log::end(&run.log)? });
        }
        if began.elapsed() > STARTED_WITHIN {
            let seconds = STARTED_WITHIN.as_secs();
            return Err(SoakError::Late { what, seconds, log: log::end(&run.log)? });
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Writes all transactions, and commits none before each has all of its rows.
async fn write(stack: &Stack, name: &str, options: &Options) -> Result<(), SoakError> {
    let transactions = options.concurrent.clamp(1, options.rows.max(1));
    let mut writing = JoinSet::new();
    let mut first = 1;
    for number in 0..transactions {
        let until = 1 + options.rows * (number + 1) / transactions;
        let rows = (first, until - first);
        let mut connection = connect(stack).await?;
        let (name, options) = (name.to_owned(), options.clone());
        writing.spawn(async move {
            transaction(&mut connection, &name, rows, &options).await?;
            Ok::<Conn, SoakError>(connection)
        });
        first = until;
    }
    let mut open = Vec::new();
    while let Some(written) = writing.join_next().await {
        open.push(written??);
    }
    let mut committing = JoinSet::new();
    for mut connection in open {
        committing.spawn(async move {
            connection.query_drop("COMMIT").await?;
            connection.disconnect().await
        });
    }
    while let Some(committed) = committing.join_next().await {
        committed??;
    }
    Ok(())
}

/// One transaction, up to its commit.
async fn transaction(
    connection: &mut Conn,
    name: &str,
    (first, rows): (u64, u64),
    options: &Options,
) -> Result<(), SoakError> {
    let compression = if options.is_compressed { "ON" } else { "OFF" };
    let set = format!("SET SESSION binlog_transaction_compression = {compression}");
    connection.query_drop(set).await?;
    connection.query_drop("START TRANSACTION").await?;
    // Each row has random bytes of its own, of which MySQL makes at most 1,024 at once.
    let text = match options.row_bytes {
        None => "CONCAT('row ', n.id)".to_owned(),
        Some(bytes) => {
            format!("RPAD('', {bytes}, CONCAT(n.id, '-', HEX(RANDOM_BYTES(1024))))")
        }
    };
    let batch = options.row_bytes.map_or(BATCH, |_| 1000);
    let mut done = 0;
    while done < rows {
        let count = batch.min(rows - done);
        connection.query_drop(table::insert(name, (first + done, count), &text)).await?;
        done += count;
    }
    Ok(())
}

/// Bytes of all files of the binary log.
async fn binlog_bytes(connection: &mut Conn) -> Result<u64, SoakError> {
    let files: Vec<(String, u64, String)> = connection.query("SHOW BINARY LOGS").await?;
    Ok(files.into_iter().map(|(_, bytes, _)| bytes).sum())
}

/// A compressed transaction comes as one event; of others no event is larger than a row.
async fn largest_packet(connection: &mut Conn, options: &Options) -> Result<u64, SoakError> {
    if !options.is_compressed {
        return Ok(options.row_bytes.unwrap_or_default().max(8192));
    }
    let largest: Option<u64> = connection
        .query_first(
            "SELECT MAX(last_transaction_compressed_bytes) \
             FROM performance_schema.binary_log_transaction_compression_stats \
             WHERE log_type = 'BINARY' AND compression_type = 'ZSTD'",
        )
        .await?;
    Ok(largest.unwrap_or_default())
}
