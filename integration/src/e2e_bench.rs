//! rowcast and Debezium by turns, on the same servers, from the same log into topics that are made in
//! the same way: what `cargo bench-e2e` prints.
//!
//! A workload's rows are written once. Every run has a topic prefix, and a place in the log, of its own:
//! all sources are started before the rows are written, have stored where they are, and are stopped.
//! A run then is a new process that goes on there, until the topics have all rows for a reader of
//! committed records; they are counted afterwards. Rates are from a fifth of the rows to the last, so
//! that neither the start of a process nor the compiling of Java's code is in them.

mod chain;
mod debezium;
mod error;
pub mod growth;
mod machine;
mod ours;
mod report;
mod run;
mod sink;
mod topics;
mod workload;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

use self::debezium::{Connector, Debezium};
pub use self::error::BenchError;
use self::ours::Ours;
pub use self::report::{Measured, Report};
use self::run::{Processes, follow};
use self::topics::Watched;
use self::workload::Kind;
pub use self::workload::Workload;
use crate::latency;
use crate::stack::{Stack, StackOptions, Tuning};
use crate::usage::{cpu, peak_rss_bytes};

/// What a run was measured to be, by name and unit.
pub type Figures = BTreeMap<&'static str, f64>;

/// Longest wait for sources to begin.
const DEADLINE: Duration = Duration::from_secs(120);
/// Between two rows that tell whether they have.
const MARK_EVERY: Duration = Duration::from_millis(500);

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// In this order.
    pub workloads: Vec<Workload>,
    /// Runs of each side that count.
    pub runs: usize,
    /// Rows of a run, in percent of what its name says.
    pub rows_percent: u64,
    /// Seconds of a latency run that count, and those before that do not.
    pub latency_seconds: (u64, u64),
    /// Whether Debezium runs too.
    pub against_debezium: bool,
    /// Further settings of rowcast's source.
    pub settings: Vec<(String, String)>,
    /// Where the report is written to, again after each workload: what was measured is kept, whatever
    /// becomes of the next one.
    pub json: Option<PathBuf>,
}

/// Options of the servers: as in production, of the size of this machine.
#[must_use]
pub fn servers() -> StackOptions {
    let mut options = StackOptions::default();
    options.kafka.tuning = Tuning::Benchmark;
    options.kafka.heap_mb = 512;
    options.registry.tuning = Tuning::Benchmark;
    options.elasticsearch.tuning = Tuning::Benchmark;
    options.elasticsearch.heap_mb = 1_024;
    options
}

/// Measures. `tell` is told what is going on.
///
/// # Errors
///
/// [`BenchError`] if anything is in the way: a run that fails is no figure.
pub async fn run(
    stack: &Stack,
    folder: &Path,
    options: &Options,
    tell: impl Fn(&str),
) -> Result<Report, BenchError> {
    let mut connection = connect(stack).await?;
    workload::make_numbers(&mut connection).await?;
    let machine = machine::describe(stack, &mut connection).await?;
    connection.disconnect().await?;
    let debezium = match options.against_debezium {
        true => Some(Debezium::start(stack, folder).await?),
        false => None,
    };
    if let Some(debezium) = &debezium {
        debezium.connect.server.stop().await?;
    }
    let mut report = Report::new(machine);
    for &workload in &options.workloads {
        let name = format!("e2e_{}", workload.name());
        let bench = Bench {
            stack,
            options,
            debezium: debezium.as_ref(),
            workload,
            rows: workload.rows(options.rows_percent),
            ours: Ours { stack, folder, database: &name, settings: &options.settings },
        };
        tell(&format!("{}: {} rows", workload.name(), bench.rows));
        report.add(Box::pin(bench.measure(&tell)).await?);
        if let Some(file) = &options.json {
            std::fs::write(file, format!("{:#}\n", report.to_json()))?;
        }
    }
    Ok(report)
}

async fn connect(stack: &Stack) -> Result<Conn, BenchError> {
    Ok(Conn::new(Opts::from_url(&stack.mysql.url()).map_err(mysql_async::Error::from)?).await?)
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Rowcast,
    Debezium,
}

/// One workload.
struct Bench<'a> {
    stack: &'a Stack,
    options: &'a Options,
    debezium: Option<&'a Debezium>,
    workload: Workload,
    rows: u64,
    ours: Ours<'a>,
}

impl Bench<'_> {
    async fn measure(&self, tell: &impl Fn(&str)) -> Result<Measured, BenchError> {
        let mut measured = Measured::new(self.workload.name(), self.rows);
        if self.workload.kind() == Kind::Sink {
            self.sink(&mut measured).await?;
            return Ok(measured);
        }
        self.prepare().await?;
        for (who, number) in self.turns() {
            let figures = Box::pin(self.turn(who, number)).await?;
            let counts = number > 0;
            tell(&report::line(who.name(), counts, &figures));
            if counts {
                measured.add(who.name(), figures);
            }
        }
        Ok(measured)
    }

    /// Whose turn it is, and which of his runs. Neither is always the later one. Number 0 warms the
    /// broker up and does not count.
    fn turns(&self) -> Vec<(Who, usize)> {
        let has_warm_up = !matches!(self.workload.kind(), Kind::Latency { .. });
        let mut turns = if has_warm_up { vec![(Who::Rowcast, 0)] } else { Vec::new() };
        for number in 1..=self.options.runs {
            let both = if number % 2 == 1 {
                [Who::Rowcast, Who::Debezium]
            } else {
                [Who::Debezium, Who::Rowcast]
            };
            turns.extend(both.map(|who| (who, number)));
        }
        let is_there = |who| who == Who::Rowcast || self.peer().is_some();
        turns.retain(|(who, _)| is_there(*who));
        turns
    }

    /// Debezium, where there is something to compare: no Elasticsearch sink is in the package
    /// registries.
    fn peer(&self) -> Option<&Debezium> {
        self.debezium.filter(|_| self.workload.kind() != Kind::Chain)
    }

    /// Everything until the first run.
    async fn prepare(&self) -> Result<(), BenchError> {
        if matches!(self.workload.kind(), Kind::Latency { .. }) {
            return Ok(());
        }
        let mut connection = connect(self.stack).await?;
        self.workload.prepare(&mut connection, self.ours.database, self.rows).await?;
        for (who, number) in self.turns() {
            let prefix = self.prefix(who, number);
            topics::make(&self.stack.kafka.bootstrap(), &self.topics(&prefix)).await?;
            topics::make(&self.stack.kafka.bootstrap(), &[self.marker(&prefix)]).await?;
        }
        if let Kind::CatchUp(change) = self.workload.kind() {
            self.take_places(&mut connection).await?;
            self.workload.write(&mut connection, (change, self.rows)).await?;
        }
        Ok(connection.disconnect().await?)
    }

    /// Lets all sources of the workload store that they are here in the log.
    async fn take_places(&self, connection: &mut Conn) -> Result<(), BenchError> {
        let of = |who| {
            let turns = self.turns().into_iter().filter(move |(it, _)| *it == who);
            turns.map(|(who, number)| self.prefix(who, number)).collect::<Vec<_>>()
        };
        let (ours, theirs) = (of(Who::Rowcast), of(Who::Debezium));
        let rowcast = self.ours.start("places", &ours, &NO_COPY).await?;
        self.see_marks(connection, &ours).await?;
        ours::stop(&rowcast).await?;
        let Some(debezium) = self.peer() else { return Ok(()) };
        debezium.connect.server.start_again().await?;
        for prefix in &theirs {
            let connector = Connector::new(self.stack, prefix, self.ours.database);
            debezium.create(&connector.with(&NO_COPY)).await?;
        }
        self.see_marks(connection, &theirs).await?;
        for prefix in &theirs {
            debezium.has_offset(prefix).await?;
            debezium.stop(prefix).await?;
        }
        Ok(debezium.connect.server.stop().await?)
    }

    /// Inserts rows into a table that does not count until each of the sources has told of one.
    async fn see_marks(
        &self,
        connection: &mut Conn,
        prefixes: &[String],
    ) -> Result<(), BenchError> {
        let end = Instant::now() + DEADLINE;
        let bootstrap = self.stack.kafka.bootstrap();
        let watch = |prefix: &String| Watched::new(&bootstrap, &[self.marker(prefix)]);
        let mut unseen: Vec<_> = prefixes.iter().map(watch).collect::<Result<_, _>>()?;
        while !unseen.is_empty() {
            if Instant::now() > end {
                return Err(BenchError::Late { what: "sources to read the log".to_owned() });
            }
            let insert = "INSERT INTO marker SELECT COUNT(*) FROM marker";
            connection.query_drop(insert).await?;
            tokio::time::sleep(MARK_EVERY).await;
            let ends: Vec<u64> = unseen.iter().map(Watched::end).collect::<Result<_, _>>()?;
            let mut ends = ends.into_iter();
            unseen.retain(|_| ends.next() == Some(0));
        }
        Ok(())
    }

    async fn turn(&self, who: Who, number: usize) -> Result<Figures, BenchError> {
        let prefix = self.prefix(who, number);
        match (self.workload.kind(), who) {
            (Kind::Latency { rate }, Who::Rowcast) => self.our_latency(&prefix, rate).await,
            (Kind::Latency { rate }, Who::Debezium) => self.their_latency(&prefix, rate).await,
            (Kind::Chain, _) => chain::run(&self.ours, &prefix, self.rows).await,
            (kind @ (Kind::CatchUp(_) | Kind::Snapshot | Kind::Sink), who) => {
                let topics = self.topics(&prefix);
                let watched = Watched::new(&self.stack.kafka.bootstrap(), &topics)?;
                let mode: &[_] = if kind == Kind::Snapshot { &[] } else { &NO_COPY };
                match who {
                    Who::Rowcast => self.our_turn(prefix, watched, mode).await,
                    Who::Debezium => self.their_turn(&prefix, watched, kind).await,
                }
            }
        }
    }

    async fn our_turn(
        &self,
        prefix: String,
        watched: Watched,
        mode: &[(&str, &str)],
    ) -> Result<Figures, BenchError> {
        let rowcast = self.ours.start(&prefix, std::slice::from_ref(&prefix), mode).await?;
        let processes = Processes::new(rowcast.pid(), self.stack)?;
        let figures = match follow(watched, processes, self.rows).await {
            Err(BenchError::Ended { .. }) => {
                Err(BenchError::Rowcast { log: ours::last_lines(&rowcast.log()?) })
            }
            figures => figures,
        };
        ours::stop(&rowcast).await?;
        figures
    }

    async fn their_turn(
        &self,
        prefix: &str,
        watched: Watched,
        kind: Kind,
    ) -> Result<Figures, BenchError> {
        let Some(debezium) = self.peer() else {
            return Err(BenchError::Ended { what: "debezium" });
        };
        debezium.connect.server.start_again().await?;
        if kind == Kind::Snapshot {
            debezium.create(&Connector::new(self.stack, prefix, self.ours.database)).await?;
        } else {
            debezium.resume(prefix).await?;
        }
        let processes = Processes::new(debezium.connect.server.pid(), self.stack)?;
        let figures = tokio::select! {
            figures = follow(watched, processes, self.rows) => figures?,
            failed = debezium.failure(prefix) => return Err(failed),
        };
        debezium.delete(prefix).await?;
        debezium.connect.server.stop().await?;
        Ok(figures)
    }

    async fn our_latency(&self, prefix: &str, rate: u64) -> Result<Figures, BenchError> {
        let (stack, settings) = (self.stack, &self.options.settings);
        latency::make_table(stack, prefix).await?;
        let folder = self.ours.folder.join(prefix);
        std::fs::create_dir_all(&folder)?;
        let rowcast = latency::launch(stack, prefix, &folder, settings).await?;
        let figures = self.latency(prefix, rate, rowcast.pid()).await?;
        ours::stop(&rowcast).await?;
        Ok(figures)
    }

    async fn their_latency(&self, prefix: &str, rate: u64) -> Result<Figures, BenchError> {
        let Some(debezium) = self.peer() else {
            return Err(BenchError::Ended { what: "debezium" });
        };
        latency::make_table(self.stack, prefix).await?;
        let bootstrap = self.stack.kafka.bootstrap();
        let topic = [format!("{prefix}.{prefix}.t")];
        topics::make(&bootstrap, &topic).await?;
        debezium.connect.server.start_again().await?;
        let connector = Connector::new(self.stack, prefix, prefix).with(&NO_COPY).for_latency();
        debezium.create(&connector).await?;
        let watched = Watched::new(&bootstrap, &topic)?;
        let (end, mut id) = (Instant::now() + DEADLINE, -1);
        while watched.end()? == 0 {
            if Instant::now() > end {
                return Err(BenchError::Late { what: "debezium to read the log".to_owned() });
            }
            latency::insert_other(self.stack, prefix, id).await?;
            id -= 1;
            tokio::time::sleep(MARK_EVERY).await;
        }
        let figures = self.latency(prefix, rate, debezium.connect.server.pid()).await?;
        debezium.delete(prefix).await?;
        debezium.connect.server.stop().await?;
        Ok(figures)
    }

    async fn latency(
        &self,
        name: &str,
        rate: u64,
        pid: Option<u32>,
    ) -> Result<Figures, BenchError> {
        let pid = pid.ok_or(BenchError::Ended { what: "what is measured" })?;
        let (seconds, warm_up) = self.options.latency_seconds;
        let warm_up = Duration::from_secs(warm_up);
        let (began, before) = (Instant::now(), cpu(pid));
        let options = latency::Options { rate, seconds, warm_up };
        let report = latency::load(self.stack, name, options).await?;
        if report.missing > 0 {
            let expected = u64::try_from(report.rows).unwrap_or_default();
            let found = expected - u64::try_from(report.missing).unwrap_or_default();
            return Err(BenchError::Rows { expected, found });
        }
        let times = report.since_commit;
        Ok(Figures::from([
            ("p50_ms", times.p50_ms),
            ("p99_ms", times.p99_ms),
            ("p99_9_ms", times.p999_ms),
            ("max_ms", times.max_ms),
            ("rows_per_second", report.committed_per_second),
            ("cores", (cpu(pid) - before).as_secs_f64() / began.elapsed().as_secs_f64()),
            ("peak_rss_bytes", float(peak_rss_bytes(pid).unwrap_or_default())),
        ]))
    }

    fn prefix(&self, who: Who, number: usize) -> String {
        format!("{}_{}{number}", self.ours.database, who.name())
    }

    /// The topics whose records count.
    fn topics(&self, prefix: &str) -> Vec<String> {
        let database = self.ours.database;
        let tables = self.workload.tables().into_iter();
        tables.map(|table| format!("{prefix}.{database}.{table}")).collect()
    }

    fn marker(&self, prefix: &str) -> String {
        format!("{prefix}.{}.marker", self.ours.database)
    }
}

/// Sources that read the log only.
const NO_COPY: [(&str, &str); 1] = [("snapshot.mode", "no_data")];

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Rowcast => "rowcast",
            Self::Debezium => "debezium",
        }
    }
}

/// Numbers as floating-point ones, for reports only.
#[expect(clippy::cast_precision_loss, reason = "of figures below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
