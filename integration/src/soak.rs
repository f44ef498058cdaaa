//! Endurance: a table of millions of rows is copied while its reader is killed again and again,
//! and transactions of millions of rows or of gigabytes are streamed. What is in the topic is
//! judged record by record, in memory that does not grow with the length of the rows, and the
//! reader's own memory is measured all the time.

pub mod ddl;
mod ledger;
mod log;
mod memory;
mod reader;
mod shape;
pub mod sink;
pub mod snapshot;
mod table;
pub mod transaction;
pub mod worker;
mod writers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use serde::Serialize;

use self::ledger::Ledger;
use self::memory::Memory;
use crate::pipeline::PipelineFile;
use crate::process::{ProcessError, Rowcast};
use crate::stack::{Stack, StackError, StackOptions};

/// The most resident memory that a run may have taken, in MB, the largest packet apart.
pub const RSS_MAX_MB: f64 = 100.0;

/// Points of the memory's curve in a report.
const CURVE_POINTS: usize = 20;

/// Longest wait for the process to begin with its work.
const STARTED_WITHIN: Duration = Duration::from_secs(120);

/// The log's name within the run's folder.
const LOG_FILE: &str = "rowcast.log";

/// A moment of the memory's curve.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// Seconds since the curve began: with the first start, or with the commits.
    pub second: f64,
    /// The most that was resident around it, in MB (10^6 bytes).
    pub rss_mb: f64,
}

/// What the records of a topic were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Records {
    /// `r`.
    pub read: u64,
    /// `c`.
    pub created: u64,
    /// `u`.
    pub updated: u64,
    /// `d`.
    pub deleted: u64,
    /// Records without a value.
    pub tombstones: u64,
}

/// The run failed, which is not that it found what must not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoakError {
    /// MySQL refused a statement.
    #[error("mysql failed under the run")]
    MySql(#[from] mysql_async::Error),
    /// The process could not be started or killed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file could not be written or read.
    #[error("the pipeline file or the log cannot be used")]
    Io(#[from] std::io::Error),
    /// The topic could not be read.
    #[error("the topic cannot be read")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// The registry or a worker did not answer, or refused.
    #[error("the registry or a worker does not answer")]
    Registry(#[from] reqwest::Error),
    /// A server could not be started.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A task of the run is gone.
    #[error("a task of the run ended")]
    Gone(#[from] tokio::task::JoinError),
    /// The process has not done in time what it had to.
    #[error("{what} did not come within {seconds} s; the log ends with:\n{log}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// The end of the log.
        log: String,
    },
    /// The process ended by itself.
    #[error("rowcast ended before {what}; the log ends with:\n{log}")]
    Ended {
        /// What was waited for.
        what: String,
        /// The end of the log.
        log: String,
    },
    /// The numbers of locks would have said nothing.
    #[error("performance_schema.data_locks does not show a lock that is there")]
    LocksUnseen,
}

/// Options of the servers on which large tables and transactions are made.
#[must_use]
pub fn servers() -> StackOptions {
    let mut options = StackOptions::default();
    let arguments = ["--innodb-buffer-pool-size=512M", "--innodb-redo-log-capacity=1G"];
    options.mysql.arguments.extend(arguments.map(str::to_owned));
    options.kafka.heap_mb = 512;
    options
}

/// One run: a database with the table `t`, a pipeline of its name, and what is measured.
struct Run<'a> {
    stack: &'a Stack,
    name: &'a str,
    log: PathBuf,
    rowcast: Rowcast,
    memory: Memory,
}

impl<'a> Run<'a> {
    /// Starts a source of the database `name`, as a MySQL user of its own.
    async fn start(
        stack: &'a Stack,
        name: &'a str,
        folder: &Path,
        settings: &[(String, String)],
    ) -> Result<Self, SoakError> {
        const LOG: (&str, &str) = ("RUST_LOG", "info,cdc_source=debug");
        let mut pipeline = PipelineFile::new(name, &stack.kafka, &stack.registry)
            .source(name, &stack.mysql, (name, &format!("{name}\\..*")))
            .with("database.user", &user(name));
        for (key, value) in settings {
            pipeline = pipeline.with(key, value);
        }
        let file = folder.join("pipeline.yaml");
        pipeline.write(&file)?;
        let log = folder.join(LOG_FILE);
        let rowcast = Rowcast::start(&["run", &file.to_string_lossy()], &[LOG], &log).await?;
        let memory = Memory::start();
        memory.watch(rowcast.pid());
        Ok(Self { stack, name, log, rowcast, memory })
    }

    /// Kills the process and starts it again at once.
    fn kill_and_start_again(&self) -> Result<(), SoakError> {
        self.memory.look();
        self.rowcast.kill()?;
        self.rowcast.start_again()?;
        self.memory.watch(self.rowcast.pid());
        Ok(())
    }

    /// Reads the topic up to the row `last`, which is the newest.
    async fn ledger(&self, last: u64) -> Result<Ledger, SoakError> {
        let topic = format!("{0}.{0}.t", self.name);
        let read = reader::read(self.stack, &topic, last).await?;
        match read {
            Ok(ledger) => Ok(ledger),
            Err(silent) => Err(SoakError::Late {
                what: format!("row {last}, behind {} records,", silent.records),
                seconds: silent.seconds,
                log: log::end(&self.log)?,
            }),
        }
    }
}

/// The user of a run. A database's name is fit for it.
fn user(name: &str) -> String {
    format!("{name}_reader")
}

/// Makes the database with an empty table, and the user.
async fn prepare(connection: &mut Conn, name: &str, text: &str) -> Result<(), SoakError> {
    let user = user(name);
    connection.query_drop(format!("CREATE DATABASE {name}")).await?;
    connection
        .query_drop(format!(
            "CREATE TABLE {name}.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT NOT NULL, \
             b {text} CHARACTER SET latin1 NOT NULL, c DATETIME NOT NULL)"
        ))
        .await?;
    connection.query_drop(format!("CREATE USER {user} IDENTIFIED BY ''")).await?;
    connection
        .query_drop(format!("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {user}"))
        .await?;
    Ok(())
}

async fn connect(stack: &Stack) -> Result<Conn, SoakError> {
    let options = Opts::from_url(&stack.mysql.url()).map_err(mysql_async::Error::from)?;
    Ok(Conn::new(options).await?)
}

/// Numbers as floating-point ones, for reports only.
#[expect(clippy::cast_precision_loss, reason = "of figures below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
