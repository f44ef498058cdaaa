//! Random tables of all types with random rows: what a source copies and what it streams has to
//! be the table, and both have to be the same bytes.
//!
//! A source that streams runs all the time. In each round tables are made and changed, then
//! another source copies them. A table and its rows are drawn by a seed of their own, so that what
//! went wrong once is tried again by that number.

mod compare;
mod kind;
mod spatial;
mod table;
mod text;
mod value;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use serde::Serialize;

use self::compare::Sources;
use self::kind::Collation;
use self::table::Table;
use crate::process::ProcessError;
use crate::random::Random;
use crate::stack::{MySql, Stack};

/// Tables of a round.
const TABLES: usize = 24;

/// How long to try, and with what.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the random numbers begin with.
    pub seed: u64,
    /// Tables that are tried first, by their own seeds.
    pub tables: Vec<u64>,
    /// No round begins after so long; one is run in any case.
    pub budget: Duration,
    /// Whether the server's log does not name columns: then tables with members that the server
    /// does not show are left out, because they are parked.
    pub is_nameless: bool,
}

/// What was done and found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What repeats the run.
    pub seed: u64,
    /// Rounds.
    pub rounds: u64,
    /// Tables that MySQL took and that were compared.
    pub tables: u64,
    /// Columns of them.
    pub columns: u64,
    /// Statements that changed rows.
    pub statements: u64,
    /// Rows that were in the tables at last; each was copied, and streamed before.
    pub rows: u64,
    /// Their values: each is the same in the table, the copy and the stream.
    pub values: u64,
    /// Images of rows within the stream; each begins with the bytes that the last one ended with.
    pub images: u64,
    /// Tables and statements that MySQL refused, by its number of the error.
    pub refused: BTreeMap<u16, u64>,
    /// Seconds from the first start to the last comparison.
    pub seconds: f64,
    /// What is not as it must be, by the seeds of the tables.
    pub failures: BTreeMap<u64, String>,
}

/// The run could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RandomTypesError {
    /// MySQL failed otherwise than by refusing a table or a row.
    #[error("mysql failed under the random statements")]
    MySql(#[from] mysql_async::Error),
    /// A process could not be started or stopped.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file could not be written or read.
    #[error("the pipeline file or the log cannot be used")]
    Io(#[from] std::io::Error),
    /// A source did not come up.
    #[error("a source did not start; the log ends with:\n{log}")]
    Start {
        /// The end of the log.
        log: String,
    },
}

/// Runs rounds in a database called `name` until the time is up.
///
/// # Errors
///
/// [`RandomTypesError`] if the run could not be carried out; what it finds is in the report.
pub async fn run(
    (stack, mysql): (&Stack, &MySql),
    name: &str,
    folder: &Path,
    options: Options,
) -> Result<Report, RandomTypesError> {
    let began = Instant::now();
    let mut server =
        Conn::new(Opts::from_url(&mysql.url()).map_err(mysql_async::Error::from)?).await?;
    server.query_drop(format!("CREATE DATABASE {name}")).await?;
    server.query_drop(format!("USE {name}")).await?;
    // A source wants to see a table of its list when it starts.
    server.query_drop("CREATE TABLE first (id INT PRIMARY KEY)").await?;
    // Values out of range are cut to it, rows with a key that is there are left out.
    let session =
        "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = '', innodb_strict_mode = OFF";
    server.query_drop(session).await?;
    let collations: Vec<Collation> = server
        .query(
            "SELECT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLLATIONS \
             WHERE CHARACTER_SET_NAME <> 'binary' ORDER BY ID",
        )
        .await?;
    let mut random = Random::new(options.seed);
    let mut report = Report { seed: options.seed, ..Report::default() };
    let mut fixed = options.tables.into_iter();
    let mut sources = Sources::start((stack, mysql), name, folder).await?;
    loop {
        let seeds: Vec<u64> =
            (0..TABLES).map(|_| fixed.next().unwrap_or_else(|| random.bits())).collect();
        let mut tables = BTreeMap::new();
        for (number, seed) in seeds.into_iter().enumerate() {
            let name = format!("r{}_t{number}", report.rounds);
            let table = table::draw(seed, &name, &collations);
            if options.is_nameless && table.has_hidden_members() {
                continue;
            }
            if fill(&mut server, &table, &mut report).await? {
                tables.insert(name, table);
            }
        }
        let drawn = random.pick(&[2, 3, 5, 10, 1000]);
        // The tables that failed once need bounds.
        let chunk = if report.rounds == 0 { 3 } else { drawn };
        sources.compare(&tables, chunk, &mut report).await?;
        for name in tables.keys() {
            server.query_drop(format!("DROP TABLE {name}")).await?;
        }
        if began.elapsed() >= options.budget {
            break;
        }
    }
    sources.stop().await?;
    server.disconnect().await?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Makes and changes a table; false if MySQL does not take it.
async fn fill(
    server: &mut Conn,
    table: &Table,
    report: &mut Report,
) -> Result<bool, mysql_async::Error> {
    if !is_taken(server, &table.create, report).await? {
        return Ok(false);
    }
    for change in &table.changes {
        report.statements += u64::from(is_taken(server, change, report).await?);
    }
    Ok(true)
}

/// Runs a statement, which MySQL may refuse.
async fn is_taken(
    server: &mut Conn,
    statement: &str,
    report: &mut Report,
) -> Result<bool, mysql_async::Error> {
    match server.query_drop(statement).await {
        Ok(()) => Ok(true),
        Err(mysql_async::Error::Server(refusal)) => {
            *report.refused.entry(refusal.code).or_default() += 1;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
