//! The copy of a large table under writes, whose reader is killed again and again.

use std::path::Path;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, TxOpts};
use serde::Serialize;

use super::log::{self, CopyLog};
use super::table;
use super::writers::Writers;
use super::{CURVE_POINTS, Point, RSS_MAX_MB, Records, Run, SoakError};
use super::{connect, float, prepare, user};
use crate::random::Random;
use crate::stack::Stack;

/// How often locks, the log and the process are looked at.
const EVERY: Duration = Duration::from_millis(100);

/// A copy must bring so many rows a second, whatever else the machine does, or the run gives up.
const ROWS_PER_SECOND_MIN: u64 = 500;

/// On top of that, for starts and for small tables.
const BASE_DEADLINE: Duration = Duration::from_secs(240);

/// Rows of a chunk unless the settings say otherwise.
const CHUNK_ROWS: u64 = 4096;

/// How much.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rows that the table has at the beginning.
    pub rows: u64,
    /// How many times the process is killed, evenly over the copy.
    pub kills: u64,
    /// Changes a second, in single transactions, as long as the copy lasts.
    pub writes_per_second: u32,
    /// Further settings of the source.
    pub settings: Vec<(String, String)>,
    /// What the random numbers begin with.
    pub seed: u64,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What repeats the run's random numbers.
    pub seed: u64,
    /// Rows at the beginning.
    pub rows: u64,
    /// How many times the process was killed while it copied.
    pub kills: u64,
    /// From the first start to the end of the copy.
    pub seconds: f64,
    /// Rows at the beginning over that time.
    pub rows_per_second: f64,
    /// Chunks of the table, each in the topic.
    pub chunks_finished: u64,
    /// Chunks that were begun, over all starts; a kill makes those that were open begin again.
    pub chunks_begun: u64,
    /// Chunks that were given to the producer, over all starts.
    pub chunks_emitted: u64,
    /// Rows that the committed topic has more than one `r` of: rows of a finished chunk that was
    /// read again.
    pub rows_read_twice: u64,
    /// Changes that were committed meanwhile.
    pub writes: u64,
    /// The records of the topic.
    pub records: Records,
    /// Rows at the end, of the table.
    pub rows_at_end: u64,
    /// Whether the topic played back is the table.
    pub equal: bool,
    /// How many times locks were looked for, and how many of our user were found.
    pub lock_looks: u64,
    /// Rows of `performance_schema.data_locks` of our user, over all looks.
    pub locks_seen: u64,
    /// The most resident memory of any of the processes, in MB (10^6 bytes).
    pub peak_rss_mb: f64,
    /// Resident memory over time.
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
        let is_right = self.equal && self.problem_count == 0 && self.rows_read_twice == 0;
        // A table without rows at the end, or no look, would prove nothing.
        let is_proof = self.rows_at_end > 0 && self.lock_looks > 0 && self.writes > 0;
        is_right && is_proof && self.locks_seen == 0 && self.peak_rss_mb <= RSS_MAX_MB
    }
}

/// Runs a source of one database called `name`, and kills it.
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
    prepare(&mut connection, name, "VARCHAR(40)").await?;
    table::make_sequence(&mut connection, name).await?;
    table::fill(&mut connection, name, options.rows).await?;
    let mut locks = Locks::new(stack, name).await?;
    let mut random = Random::new(options.seed);
    let rate = options.writes_per_second;
    let mut writers = Writers::start(stack, (name, options.rows), rate, &mut random).await?;
    let began = Instant::now();
    let run = Run::start(stack, name, folder, &options.settings).await?;
    let copying = copy(&run, options, &mut locks);
    let copied = tokio::select! {
        copied = copying => copied?,
        error = writers.failed() => return Err(error),
    };
    let seconds = began.elapsed().as_secs_f64();
    let rss_curve = run.memory.curve(CURVE_POINTS);
    let writes = writers.stop().await?;
    let last = table::insert_last(&mut connection, name).await?;
    let mut ledger = run.ledger(last).await?;
    let (rows_at_end, equal) = table::compare(&mut connection, name, &mut ledger).await?;
    Ok(Report {
        seed: options.seed,
        rows: options.rows,
        kills: copied.kills,
        seconds,
        rows_per_second: (float(options.rows) / seconds).round(),
        chunks_finished: copied.log.finished.unwrap_or_default(),
        chunks_begun: copied.log.begun,
        chunks_emitted: copied.log.emitted,
        rows_read_twice: ledger.read_twice,
        writes,
        records: ledger.counts.clone(),
        rows_at_end,
        equal,
        lock_looks: locks.looks,
        locks_seen: locks.seen,
        peak_rss_mb: run.memory.peak_mb(),
        rss_curve,
        problem_count: ledger.problems.count,
        problems: ledger.problems.told,
    })
}

struct Copied {
    kills: u64,
    log: CopyLog,
}

/// Waits until the table is copied; kills when so much of it is.
async fn copy(run: &Run<'_>, options: &Options, locks: &mut Locks) -> Result<Copied, SoakError> {
    let deadline = BASE_DEADLINE + Duration::from_secs(options.rows / ROWS_PER_SECOND_MIN);
    let began = Instant::now();
    let set = options.settings.iter().find(|(name, _)| name == "snapshot.chunk.rows");
    let chunk_rows = set.and_then(|(_, rows)| rows.parse().ok()).unwrap_or(CHUNK_ROWS);
    let chunks = options.rows.div_ceil(chunk_rows.max(1));
    let mut copied = Copied { kills: 0, log: CopyLog::open(&run.log)? };
    let mut looks = tokio::time::interval(EVERY);
    loop {
        looks.tick().await;
        copied.log.advance()?;
        if copied.log.finished.is_some() {
            return Ok(copied);
        }
        let next = (copied.kills + 1) * chunks / (options.kills + 1);
        if copied.kills < options.kills && copied.log.number >= next {
            run.kill_and_start_again()?;
            copied.kills += 1;
        }
        locks.look().await?;
        let what = "the end of the copy".to_owned();
        if run.rowcast.pid().is_none() {
            return Err(SoakError::Ended { what, log: log::end(&run.log)? });
        }
        if began.elapsed() > deadline {
            let seconds = deadline.as_secs();
            return Err(SoakError::Late { what, seconds, log: log::end(&run.log)? });
        }
    }
}

/// Looks for locks of our user.
struct Locks {
    connection: Conn,
    statement: String,
    looks: u64,
    seen: u64,
}

impl Locks {
    /// Proves first, with a lock of the same user, that locks would be seen.
    async fn new(stack: &Stack, name: &str) -> Result<Self, SoakError> {
        let statement = format!(
            "SELECT COUNT(*) FROM performance_schema.data_locks l \
             JOIN performance_schema.threads t USING (thread_id) \
             WHERE t.processlist_user = '{}'",
            user(name)
        );
        let mut locks = Self { connection: connect(stack).await?, statement, looks: 0, seen: 0 };
        let ours = OptsBuilder::from_opts(locks.connection.opts().clone()).user(Some(user(name)));
        let mut ours = Conn::new(ours).await?;
        let mut transaction = ours.start_transaction(TxOpts::default()).await?;
        transaction.query_drop(format!("SELECT * FROM {name}.t LIMIT 1 FOR SHARE")).await?;
        let seen = locks.count().await?;
        transaction.rollback().await?;
        ours.disconnect().await?;
        if seen == 0 { Err(SoakError::LocksUnseen) } else { Ok(locks) }
    }

    async fn look(&mut self) -> Result<(), SoakError> {
        self.seen += self.count().await?;
        self.looks += 1;
        Ok(())
    }

    async fn count(&mut self) -> Result<u64, SoakError> {
        Ok(self.connection.query_first(&self.statement).await?.unwrap_or_default())
    }
}
