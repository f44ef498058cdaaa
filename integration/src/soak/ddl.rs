//! Random statements that change definitions and rows, while rowcast follows and is killed now and
//! then. In the end every table is its topic and its index, or it is parked for a reason that the
//! run expects.
//!
//! The schemas of the first table keep to the registry's BACKWARD, so it is parked when a change
//! breaks that; at the end its subject takes any, the table is resumed, and has to be equal too. The
//! other tables' subjects take any from the beginning. The indices are made beforehand with fields that
//! take every type, because an index's field cannot change its own.

mod registry;
mod shape;
mod statements;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Pool};
use serde::Serialize;
use serde_json::{Value, json};

use self::shape::Shape;
use self::statements::{ELSEWHERE, Kind};
use super::{LOG_FILE, STARTED_WITHIN, SoakError, connect, log};
use crate::oracle;
use crate::pipeline::PipelineFile;
use crate::process::Rowcast;
use crate::random::Random;
use crate::stack::Stack;
use crate::topic::{self, Topics};

/// Names of the tables. The first one keeps to the registry's rule.
const TABLES: [&str; 6] = ["t0", "t1", "t2", "t3", "t4", "t5"];

/// Scripts between two kills, about.
const KILL_EVERY: u64 = 30;

/// Longest wait for all tables to be equal, or parked, at the end.
const EQUAL_WITHIN: Duration = Duration::from_secs(150);

/// Differences that are told of.
const TOLD: usize = 12;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What the random numbers begin with.
    pub seed: u64,
    /// Statements, about: a script that has begun is finished.
    pub statements: u64,
}

/// What was done and found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What repeats the run.
    pub seed: u64,
    /// Statements that the server has carried out.
    pub statements: u64,
    /// Of them, those of scripts that change definitions.
    pub definitions: u64,
    /// Statements that the server has refused.
    pub refused: u64,
    /// How many times rowcast was killed.
    pub kills: u64,
    /// Tables that are there at the end.
    pub tables: u64,
    /// Of them, those that were parked for a schema that the registry has refused, and resumed.
    pub resumed: u64,
    /// Their rows, each equal to its topic and its document.
    pub rows: u64,
    /// Records in their topics.
    pub records: u64,
    /// Seconds, all in all.
    pub seconds: f64,
    /// What must not be.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether all was as it must be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && self.definitions > 0 && self.rows > 0
    }
}

/// Runs a source and a sink of one database called `name`.
///
/// # Errors
///
/// [`SoakError`] if the run could not be made; what it found is in the report.
pub async fn run(
    stack: &Stack,
    name: &str,
    folder: &Path,
    options: Options,
) -> Result<Report, SoakError> {
    let began = Instant::now();
    let mut run = Run::start(stack, name, folder, options.seed).await?;
    while run.report.statements < options.statements {
        run.step().await?;
    }
    run.judge().await?;
    run.report.seconds = began.elapsed().as_secs_f64();
    Ok(run.report)
}

struct Run<'a> {
    stack: &'a Stack,
    name: String,
    log: std::path::PathBuf,
    journal: std::fs::File,
    rowcast: Rowcast,
    connection: Conn,
    random: Random,
    report: Report,
}

impl<'a> Run<'a> {
    async fn start(
        stack: &'a Stack,
        name: &str,
        folder: &Path,
        seed: u64,
    ) -> Result<Self, SoakError> {
        const LOG: (&str, &str) = ("RUST_LOG", "info,cdc_source=debug");
        let mut random = Random::new(seed);
        let mut connection = connect(stack).await?;
        for statement in [
            format!("CREATE DATABASE {name}"),
            format!("CREATE DATABASE {name}_{ELSEWHERE}"),
            format!("USE {name}"),
        ] {
            connection.query_drop(statement).await?;
        }
        for table in TABLES {
            connection.query_drop(statements::create(&mut random, table)).await?;
        }
        for table in TABLES.iter().chain(&[statements::EXCHANGED]) {
            make_index(stack, &format!("{name}.{table}")).await?;
        }
        let elasticsearch = stack.elasticsearch.url();
        let pipeline = PipelineFile::new(name, &stack.kafka, &stack.registry)
            .source(&format!("{name}-source"), &stack.mysql, (name, &format!("{name}\\..*")))
            .with("snapshot.chunk.rows", "9")
            .sink(&format!("{name}-sink"), &elasticsearch, name);
        let file = folder.join("pipeline.yaml");
        pipeline.write(&file)?;
        let log = folder.join(LOG_FILE);
        let rowcast = Rowcast::start(&["run", &file.to_string_lossy()], &[LOG], &log).await?;
        let journal = std::fs::File::create(folder.join("statements.sql"))?;
        let report = Report { seed, ..Report::default() };
        let name = name.to_owned();
        let mut run = Self { stack, name, log, journal, rowcast, connection, random, report };
        run.wait_for_copies().await?;
        for table in TABLES.iter().skip(1) {
            run.allow_all(table).await?;
        }
        Ok(run)
    }

    /// The subjects are there when the tables are copied; an empty table has none before its rows.
    async fn wait_for_copies(&mut self) -> Result<(), SoakError> {
        let end = Instant::now() + STARTED_WITHIN;
        while std::fs::read_to_string(&self.log)?.matches("table copied").count() < TABLES.len() {
            if Instant::now() >= end || self.rowcast.pid().is_none() {
                return Err(self.late("the first copy", STARTED_WITHIN)?);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn late(&self, what: &str, within: Duration) -> Result<SoakError, SoakError> {
        let (what, seconds) = (what.to_owned(), within.as_secs());
        Ok(SoakError::Late { what, seconds, log: log::end(&self.log)? })
    }

    async fn allow_all(&self, table: &str) -> Result<(), SoakError> {
        let name = &self.name;
        for part in ["key", "value"] {
            let subject = format!("{name}.{name}.{table}-{part}");
            registry::allow_all(&self.stack.registry.url(), &subject).await?;
        }
        Ok(())
    }

    /// One script, and now and then a kill.
    async fn step(&mut self) -> Result<(), SoakError> {
        use std::io::Write as _;
        let (tables, free) = self.shapes().await?;
        let script = statements::draw(&mut self.random, &tables, &free);
        for statement in script.statements {
            let statement = statement.replace(ELSEWHERE, &format!("{}_{ELSEWHERE}", self.name));
            let outcome = match self.connection.query_drop(&statement).await {
                Ok(()) => {
                    self.report.statements += 1;
                    self.report.definitions += u64::from(script.kind == Kind::Definition);
                    String::new()
                }
                Err(mysql_async::Error::Server(error)) => {
                    self.report.refused += 1;
                    format!(" -- {}", error.code)
                }
                Err(error) => return Err(error.into()),
            };
            writeln!(self.journal, "{statement};{outcome}")?;
        }
        // What a script has left behind because one of its statements was refused.
        self.tidy_up().await?;
        if self.random.below(KILL_EVERY) == 0 {
            writeln!(self.journal, "-- kill")?;
            self.rowcast.kill()?;
            self.rowcast.start_again()?;
            self.report.kills += 1;
        }
        Ok(())
    }

    async fn tidy_up(&mut self) -> Result<(), SoakError> {
        let name = self.name.clone();
        let left: Vec<(String, String)> = self
            .connection
            .query(format!(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE \
                 (table_schema = '{name}' AND table_name NOT REGEXP '^t[0-9]$') \
                 OR table_schema = '{name}_{ELSEWHERE}'"
            ))
            .await?;
        for (database, table) in left {
            self.connection.query_drop(format!("DROP TABLE {database}.{table}")).await?;
        }
        Ok(())
    }

    /// The tables that are there, and the names of those that are not.
    async fn shapes(&mut self) -> Result<(Vec<Shape>, Vec<String>), SoakError> {
        let (mut tables, mut free) = (Vec::new(), Vec::new());
        for table in TABLES {
            match Shape::read(&mut self.connection, (&self.name, table)).await? {
                Some(shape) => tables.push(shape),
                None => free.push(table.to_owned()),
            }
        }
        Ok((tables, free))
    }

    /// Waits until every table is its topic and its index, and looks at the records.
    async fn judge(&mut self) -> Result<(), SoakError> {
        self.look_at_schemas().await?;
        let (tables, _) = self.shapes().await?;
        self.report.tables = tables.len() as u64;
        let mut topics = Topics::new(&self.stack.kafka.bootstrap(), &self.stack.registry.url());
        let options = Opts::from_url(&self.stack.mysql.url()).map_err(mysql_async::Error::from)?;
        let pool = Pool::new(options);
        let end = Instant::now() + EQUAL_WITHIN;
        loop {
            let parked = self.parked().await?;
            self.resume(&tables, &parked).await?;
            let mut differences = Vec::new();
            (self.report.rows, self.report.records) = (0, 0);
            for table in &tables {
                let found = self.differences(&mut topics, &pool, &table.name).await;
                differences.extend(found.into_iter().map(|it| format!("{}: {it}", table.name)));
            }
            let is_late = Instant::now() >= end;
            // A parked table may only be one that the stream has not found again yet.
            if differences.is_empty() || is_late || self.rowcast.pid().is_none() {
                differences.truncate(TOLD);
                self.report.problems.extend(differences);
                let there = tables.iter().filter_map(|it| parked.get_key_value(&it.name));
                let unexpected = there.filter(|(_, reason)| is_unexpected(Some(reason)));
                let told = unexpected.map(|(table, reason)| format!("{table} is parked: {reason}"));
                self.report.problems.extend(told);
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        pool.disconnect().await?;
        self.look_at_topics(&mut topics, &tables).await
    }

    /// Where a table is neither its topic nor its index.
    async fn differences(&mut self, topics: &mut Topics, pool: &Pool, table: &str) -> Vec<String> {
        let (full, topic) =
            (format!("{}.{table}", self.name), format!("{0}.{0}.{table}", self.name));
        let mut found = Vec::new();
        let read = topic::read_table(&self.stack.mysql.url(), &full).await;
        match (topics.read(&topic).await, read) {
            (Ok(records), Ok(rows)) => {
                self.report.records += records.len() as u64;
                let difference = topic::difference(&records, &rows);
                found.extend(difference.map(|it| format!("topic: {it}")));
            }
            (Err(error), _) | (_, Err(error)) => found.push(format!("topic: {error}")),
        }
        let url = self.stack.elasticsearch.url();
        match oracle::compare_table(pool, &url, &full, &full).await {
            Ok(comparison) => {
                self.report.rows += comparison.rows;
                let first = comparison.differences.into_iter().take(3);
                found.extend(first.map(|it| format!("index: {it}")));
            }
            Err(error) => found.push(format!("index: {error}")),
        }
        found
    }

    /// The parked tables and their reasons; none while the process starts.
    async fn parked(&self) -> Result<BTreeMap<String, String>, SoakError> {
        let Some(url) = self.endpoint()? else { return Ok(BTreeMap::new()) };
        let Ok(answer) = reqwest::get(format!("{url}/tables")).await else {
            return Ok(BTreeMap::new());
        };
        let all: Value = answer.json().await?;
        let tables = all.pointer("/connectors/0/source/tables").and_then(Value::as_array);
        let parked = tables.into_iter().flatten().filter_map(|table| {
            let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
            let name = text("table")?.split_once('.')?.1.to_owned();
            (text("state")? == "parked").then_some((name, text("reason")?))
        });
        Ok(parked.collect())
    }

    /// The last address that the log names.
    fn endpoint(&self) -> Result<Option<String>, SoakError> {
        let log = std::fs::read_to_string(&self.log)?;
        let line = log.lines().rev().find(|line| line.contains("http endpoint listens"));
        let address =
            line.and_then(|line| line.split_once("address=")?.1.split_whitespace().next());
        Ok(address.map(|address| format!("http://{}", address.trim_matches('"'))))
    }

    /// Resumes what the registry has refused, and lets it take anything from now on.
    async fn resume(
        &mut self,
        tables: &[Shape],
        parked: &BTreeMap<String, String>,
    ) -> Result<(), SoakError> {
        let strict = TABLES.first().copied().unwrap_or_default();
        let is_there = tables.iter().any(|table| table.name == strict);
        let is_refused = parked.get(strict).is_some_and(|reason| is_refusal(reason));
        let Some(url) = self.endpoint()?.filter(|_| is_there && is_refused) else { return Ok(()) };
        self.allow_all(strict).await?;
        let (name, client) = (&self.name, reqwest::Client::new());
        let path = format!("{url}/connectors/{name}-source/tables/{name}.{strict}/resume");
        // What `/tables` tells may be older than the last resumption.
        let answer = client.post(path).send().await?;
        if answer.status() != reqwest::StatusCode::CONFLICT {
            answer.error_for_status()?;
            self.report.resumed += 1;
        }
        Ok(())
    }

    async fn look_at_schemas(&mut self) -> Result<(), SoakError> {
        let (name, url) = (self.name.clone(), self.stack.registry.url());
        let strict = TABLES.first().copied().unwrap_or_default();
        for part in ["key", "value"] {
            let subject = format!("{name}.{name}.{strict}-{part}");
            for version in registry::incompatible(&url, &subject).await? {
                let problem =
                    format!("version {version} of {subject} does not read the one before");
                self.report.problems.push(problem);
            }
        }
        Ok(())
    }

    /// Nothing is there twice or out of order, and helpers have no topics.
    async fn look_at_topics(
        &mut self,
        topics: &mut Topics,
        tables: &[Shape],
    ) -> Result<(), SoakError> {
        for table in tables {
            let topic = format!("{0}.{0}.{1}", self.name, table.name);
            let Ok(records) = topics.read(&topic).await else { continue };
            // A copy that begins again, because its table was changed, reads its rows again.
            let found = topic::problems(&records).into_iter().filter(|it| !it.contains("has Read"));
            self.report.problems.extend(found.take(TOLD));
            for helper in ["gho", "del", "new", "old"] {
                let topic = format!("{0}.{0}._{1}_{helper}", self.name, table.name);
                let is_there = topics.read(&topic).await.is_ok_and(|records| !records.is_empty());
                self.report.problems.extend(is_there.then(|| format!("{topic} has records")));
            }
        }
        Ok(())
    }
}

fn is_unexpected(reason: Option<&String>) -> bool {
    reason.is_some_and(|reason| !is_refusal(reason))
}

/// Whether a table is parked because the registry has refused its schema.
fn is_refusal(reason: &str) -> bool {
    reason.contains("refuse") || reason.contains("not compatible")
}

/// An index whose fields take what any type of column holds.
async fn make_index(stack: &Stack, index: &str) -> Result<(), SoakError> {
    let names = ["id".to_owned(), "k".to_owned()].into_iter();
    let names = names.chain((0..10).map(|number| format!("c{number}")));
    let properties: serde_json::Map<String, Value> =
        names.map(|name| (name, json!({"type": "keyword"}))).collect();
    let body = json!({"mappings": {"dynamic": false, "properties": properties}});
    let url = format!("{}/{index}", stack.elasticsearch.url());
    reqwest::Client::new().put(url).json(&body).send().await?.error_for_status()?;
    Ok(())
}
