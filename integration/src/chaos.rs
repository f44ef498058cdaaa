//! `kill -9`, again and again, while rows change: in the middle of a commit, of a chunk, of a
//! definition's change, of a bulk request. In the end every index has to be its table, and no
//! record may be in a topic twice.
//!
//! Nothing in the product helps: the phases are read off the log that it writes anyway. A kill is
//! drawn for a phase, waits for the line with which that phase begins, and falls up to
//! 20 ms later; which phases it really hit, the log says afterwards.

mod phase;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Pool};
use serde::Serialize;

use crate::oracle::{self, OracleError};
use crate::pipeline::PipelineFile;
use crate::process::{ProcessError, Rowcast};
use crate::random::Random;
use crate::stack::Stack;
use crate::topic::{TopicError, Topics, problems};
use crate::workload::Workload;
pub use phase::Phase;
use phase::{LogTail, hit};

/// Longest time from a phase's first line to the kill.
const AIM: Duration = Duration::from_millis(20);

/// Longest wait for a phase to begin: a start of the process, and what it waits for, included.
const PHASE_DEADLINE: Duration = Duration::from_secs(60);

/// Longest wait for the indices to become their tables at the end.
const EQUAL_DEADLINE: Duration = Duration::from_secs(180);

/// Rows of the tables that are added so that there are chunks to be killed in.
const EXTRA_ROWS: u64 = 400;

/// How often, and over how many rows.
#[derive(Clone, Copy, Debug)]
pub struct ChaosOptions {
    /// Kills.
    pub kills: u64,
    /// Keys of each table of the workload.
    pub keys: u64,
    /// What the random numbers begin with.
    pub seed: u64,
}

/// What was done and found.
#[derive(Clone, Debug, Serialize)]
pub struct ChaosReport {
    /// What repeats the run's random numbers.
    pub seed: u64,
    /// How many times the process was killed.
    pub kills: u64,
    /// How many kills fell within each phase; one kill can fall within several.
    pub hits: BTreeMap<&'static str, u64>,
    /// How many fell between all phases.
    pub misses: u64,
    /// Transactions that the workload committed.
    pub transactions: u64,
    /// Rows of all tables, each equal to its document.
    pub rows: u64,
    /// Values that were compared.
    pub values: u64,
    /// Records in all topics, as a reader of committed records finds them.
    pub records: u64,
    /// Seconds from the first start to the last comparison.
    pub seconds: f64,
}

/// The run failed, or found what must not be.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// MySQL refused a statement of the workload.
    #[error("mysql failed under the workload")]
    MySql(#[from] mysql_async::Error),
    /// The process could not be started or killed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file could not be written or read.
    #[error("the pipeline file or the log cannot be used")]
    Io(#[from] std::io::Error),
    /// A phase did not begin.
    #[error("the phase `{phase}` did not begin within a minute; the log ends with:\n{log}")]
    NoPhase {
        /// Which.
        phase: &'static str,
        /// The end of the log.
        log: String,
    },
    /// An index is not its table.
    #[error(transparent)]
    Oracle(#[from] OracleError),
    /// A topic cannot be read.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A topic has a record twice, or out of order.
    #[error("the topics are not exactly once:\n{}", .0.join("\n"))]
    Problems(Vec<String>),
}

/// Runs source and sink of one database called `name`, and kills them.
///
/// # Errors
///
/// [`ChaosError`] for whatever is not as it must be.
pub async fn run(
    stack: &Stack,
    name: &str,
    folder: &Path,
    options: ChaosOptions,
) -> Result<ChaosReport, ChaosError> {
    let began = Instant::now();
    let mut random = Random::new(options.seed);
    let url = stack.mysql.url();
    let mut workload = Workload::create(&url, name, (options.keys, random.bits())).await?;
    let mut connection = Conn::new(Opts::from_url(&url).map_err(mysql_async::Error::from)?).await?;
    let mut run = Run {
        rowcast: launch(stack, name, folder).await?,
        folder,
        kills: 0,
        hits: BTreeMap::new(),
        misses: 0,
    };
    let mut phases = draw(options.kills, &mut random).into_iter().peekable();
    while let Some(phase) = phases.next() {
        run.kill_within(phase, &mut workload, &mut random).await?;
        if phases.peek().is_some_and(|next| next.needs_fresh_table()) {
            add_table(&mut connection, name, run.kills).await?;
        }
        run.rowcast.start_again()?;
    }
    let mut tables = workload.tables();
    tables.extend(extra_tables(&mut connection, name).await?);
    let (rows, values) = compare(stack, &tables).await?;
    let records = check_topics(stack, name, &tables).await?;
    let Run { kills, hits, misses, .. } = run;
    let (seed, transactions) = (options.seed, workload.transactions());
    let seconds = began.elapsed().as_secs_f64();
    Ok(ChaosReport { seed, kills, hits, misses, transactions, rows, values, records, seconds })
}

async fn launch(stack: &Stack, name: &str, folder: &Path) -> Result<Rowcast, ChaosError> {
    const LOG: (&str, &str) = ("RUST_LOG", "info,connect=debug,cdc_source=debug,es_sink=debug");
    let elasticsearch = stack.elasticsearch.url();
    let pipeline = PipelineFile::new(name, &stack.kafka, &stack.registry)
        .source(&format!("{name}-source"), &stack.mysql, (name, &format!("{name}\\..*")))
        .with("snapshot.chunk.rows", "5")
        .sink(&format!("{name}-sink"), &elasticsearch, name);
    let file = folder.join("pipeline.yaml");
    pipeline.write(&file)?;
    let file = file.to_string_lossy();
    Ok(Rowcast::start(&["run", &file], &[LOG], &folder.join(LOG_FILE)).await?)
}

/// The log's name within the run's folder.
const LOG_FILE: &str = "rowcast.log";

/// As many kills of each phase as of any other, in random order.
fn draw(kills: u64, random: &mut Random) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Phase::ALL.into_iter().cycle().take(as_usize(kills)).collect();
    for last in (1..phases.len()).rev() {
        phases.swap(last, as_usize(random.below(last as u64 + 1)));
    }
    phases
}

struct Run<'a> {
    rowcast: Rowcast,
    folder: &'a Path,
    kills: u64,
    hits: BTreeMap<&'static str, u64>,
    misses: u64,
}

impl Run<'_> {
    /// Changes rows until the phase begins, and kills shortly after.
    async fn kill_within(
        &mut self,
        phase: Phase,
        workload: &mut Workload,
        random: &mut Random,
    ) -> Result<(), ChaosError> {
        let mut tail = LogTail::open(&self.folder.join(LOG_FILE))?;
        let delay = random.duration_below(AIM);
        let traffic = async {
            loop {
                if phase == Phase::Definition {
                    workload.add_column().await?;
                }
                for _ in 0..20 {
                    workload.step().await?;
                }
            }
        };
        let aimed = async {
            let began = tail.wait_for(phase.begins(), PHASE_DEADLINE).await?;
            if began {
                tokio::time::sleep(delay).await;
            }
            Ok::<bool, ChaosError>(began)
        };
        let began = tokio::select! {
            biased;
            began = aimed => began?,
            failed = traffic => return failed,
        };
        self.rowcast.kill()?;
        let log = tail.read_all()?;
        if !began {
            let end: Vec<_> = log.lines().rev().take(30).collect();
            let end = end.into_iter().rev().collect::<Vec<_>>().join("\n");
            return Err(ChaosError::NoPhase { phase: phase.name(), log: end });
        }
        let hits = hit(&log);
        self.misses += u64::from(hits.is_empty());
        for phase in hits {
            *self.hits.entry(phase.name()).or_default() += 1;
        }
        self.kills += 1;
        Ok(())
    }
}

/// Adds a table while nobody captures it: the next start copies it, chunk by chunk.
async fn add_table(connection: &mut Conn, name: &str, number: u64) -> Result<(), ChaosError> {
    let table = format!("{name}.extra_{number}");
    connection.query_drop(format!("CREATE TABLE {table} (id INT PRIMARY KEY, n INT)")).await?;
    let rows: Vec<_> = (0..EXTRA_ROWS).map(|id| format!("({id}, {})", id * 7 % 13)).collect();
    connection.query_drop(format!("INSERT INTO {table} VALUES {}", rows.join(", "))).await?;
    Ok(())
}

async fn extra_tables(connection: &mut Conn, name: &str) -> Result<Vec<String>, ChaosError> {
    let tables: Vec<String> =
        connection.query(format!("SHOW TABLES FROM {name} LIKE 'extra%'")).await?;
    Ok(tables.into_iter().map(|table| format!("{name}.{table}")).collect())
}

/// Waits until every index is its table; rows and values that are equal.
pub(crate) async fn compare(stack: &Stack, tables: &[String]) -> Result<(u64, u64), ChaosError> {
    let pool = Pool::new(Opts::from_url(&stack.mysql.url()).map_err(mysql_async::Error::from)?);
    let url = stack.elasticsearch.url();
    let (mut rows, mut values) = (0, 0);
    for table in tables {
        let equal = oracle::wait_until_equal(&pool, &url, table, table, EQUAL_DEADLINE).await?;
        rows += equal.rows;
        values += equal.equal_values;
    }
    pool.disconnect().await?;
    Ok((rows, values))
}

/// How many records the topics have, none of them twice.
pub(crate) async fn check_topics(
    stack: &Stack,
    name: &str,
    tables: &[String],
) -> Result<u64, ChaosError> {
    let mut topics = Topics::new(&stack.kafka.bootstrap(), &stack.registry.url());
    let (mut count, mut found) = (0, Vec::new());
    for table in tables {
        let records = topics.read(&format!("{name}.{table}")).await?;
        count += records.len() as u64;
        found.extend(problems(&records));
    }
    if found.is_empty() { Ok(count) } else { Err(ChaosError::Problems(found)) }
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
