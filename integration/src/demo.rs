//! `cargo demo`: the whole path on one machine, with a database that one can look at.
//!
//! It runs the pipeline file that docker-compose.yml also runs, makes every kind of change, asks
//! Elasticsearch what it finds, and compares each table with its index value by value.

mod error;
mod queries;
mod screen;
mod shop;
mod traffic;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql_async::Pool;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

pub use self::error::DemoError;
use self::screen::Screen;
use self::traffic::Traffic;
use crate::oracle::{self, Comparison};
use crate::process::{Rowcast, binary};
use crate::stack::{Stack, StackOptions};

/// The sample database's tables; the index of each has its name.
pub const TABLES: [&str; 4] =
    ["shop.customers", "shop.products", "shop.orders", "shop.order_items"];

/// How long the snapshot may take. Ten times what it takes on two busy cores.
const COPIED_WITHIN: Duration = Duration::from_secs(120);

/// How long the last change may take to arrive.
const EQUAL_WITHIN: Duration = Duration::from_secs(60);

/// How long rowcast may take to end in good order; its own limit is 30 s.
const STOPPED_WITHIN: Duration = Duration::from_secs(40);

/// Pause between two looks.
const POLL: Duration = Duration::from_millis(100);

/// Changes of the traffic that `--once` makes after the single steps.
const CHANGES_ONCE: u64 = 300;

/// Changes in a second of the traffic that goes on; slow enough to follow.
const CHANGES_PER_SECOND: u32 = 20;

/// Runs the demo. Says whether every index was what its table is.
///
/// # Errors
///
/// [`DemoError`] if a part of it could not be started, or did not answer.
pub async fn run(is_once: bool) -> Result<bool, DemoError> {
    let mut screen = Screen::new();
    screen.step("Building rowcast")?;
    binary().await?;

    screen.step("Starting MySQL, Kafka, a schema registry and Elasticsearch")?;
    let stack = Box::pin(Stack::start(StackOptions::default())).await?;
    screen.addresses(&stack.addresses())?;

    screen.step("Loading the sample database `shop` (integration/demo/shop.sql)")?;
    let mysql = Pool::from_url(stack.mysql.url()).map_err(shop::refused("use its address"))?;
    shop::load(&mysql).await?;

    screen.step("Starting `rowcast run pipeline.yaml`")?;
    let rowcast = start_rowcast(&stack).await?;
    screen.line(&format!("its log: {}", stack.directory().join(LOG).display()))?;

    let demo = Demo { stack, mysql, rowcast };
    let is_equal = demo.show(&mut screen, is_once).await?;
    screen.step("Stopping")?;
    demo.stop().await?;
    Ok(is_equal)
}

/// rowcast's log, in the folder of the stack.
const LOG: &str = "rowcast.log";

/// Starts rowcast with the variables that docker-compose.yml sets too.
async fn start_rowcast(stack: &Stack) -> Result<Rowcast, DemoError> {
    let pipeline = repository().join("pipeline.yaml");
    let mysql = stack.mysql.address();
    let variables = [
        ("MYSQL_HOST", mysql.ip().to_string()),
        ("MYSQL_PORT", mysql.port().to_string()),
        ("MYSQL_USER", shop::USER.to_owned()),
        ("MYSQL_PASSWORD", shop::PASSWORD.to_owned()),
        ("KAFKA_BOOTSTRAP_SERVERS", stack.kafka.bootstrap()),
        ("SCHEMA_REGISTRY_URL", stack.registry.url()),
        ("ELASTICSEARCH_URL", stack.elasticsearch.url()),
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let arguments = ["run", &pipeline.display().to_string()];
    Ok(Rowcast::start(&arguments, &variables, &stack.directory().join(LOG)).await?)
}

/// The folder with `pipeline.yaml`.
fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// All that runs.
struct Demo {
    stack: Stack,
    mysql: Pool,
    rowcast: Rowcast,
}

impl Demo {
    /// Everything between the start and the end of rowcast.
    async fn show(&self, screen: &mut Screen, is_once: bool) -> Result<bool, DemoError> {
        screen.step("Waiting for the snapshot: a document for each row")?;
        self.wait_for_snapshot(screen).await?;

        screen.step("Changing rows while rowcast runs")?;
        let mut traffic = Traffic::start(&self.mysql).await?;
        for (what, statements) in traffic::STEPS {
            screen.line(what)?;
            traffic.run(statements).await?;
        }
        for made in 1..=CHANGES_ONCE {
            traffic.change().await?;
            screen.progress(&format!("{made} of {CHANGES_ONCE} mixed changes"))?;
        }
        screen.keep()?;
        self.show_latency(screen, &mut traffic).await?;

        let comparisons = self.compare(screen).await?;
        screen.step("Asking Elasticsearch")?;
        for query in queries::all() {
            let answer = query.ask(&self.stack.elasticsearch.url()).await?;
            screen.answer(&query, &answer)?;
        }
        screen.comparisons(&comparisons, self.peak_memory_mb())?;
        if is_once {
            return Ok(comparisons.iter().all(|(_, comparison)| comparison.is_equal()));
        }
        screen.invitation(&self.stack.addresses())?;
        self.go_on(screen, &mut traffic).await?;
        let comparisons = self.compare(screen).await?;
        screen.comparisons(&comparisons, self.peak_memory_mb())?;
        Ok(comparisons.iter().all(|(_, comparison)| comparison.is_equal()))
    }

    async fn wait_for_snapshot(&self, screen: &mut Screen) -> Result<(), DemoError> {
        let end = Instant::now() + COPIED_WITHIN;
        let mut rows = Vec::new();
        for table in TABLES {
            rows.push(shop::count(&self.mysql, table).await?);
        }
        loop {
            let mut shown = Vec::new();
            let mut is_complete = true;
            for (table, rows) in TABLES.iter().zip(&rows) {
                let url = self.stack.elasticsearch.url();
                let documents = oracle::document_count(&url, table).await?;
                is_complete &= documents >= *rows;
                shown.push(format!("{table} {documents}/{rows}"));
            }
            screen.progress(&shown.join("   "))?;
            if is_complete {
                screen.keep()?;
                return Ok(());
            }
            self.check_rowcast()?;
            if Instant::now() >= end {
                return Err(DemoError::Snapshot {
                    seconds: COPIED_WITHIN.as_secs(),
                    log: self.log(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Shows how long single inserts take, once all that was changed before has arrived.
    async fn show_latency(
        &self,
        screen: &mut Screen,
        traffic: &mut Traffic,
    ) -> Result<(), DemoError> {
        self.latency(traffic).await?;
        let mut milliseconds = Vec::new();
        for _ in 0..5 {
            milliseconds.push(self.latency(traffic).await?.as_millis().to_string());
        }
        let shown = milliseconds.join(", ");
        screen.line(&format!("five new rows were in their index {shown} ms after their commit"))?;
        Ok(())
    }

    /// How long one insert takes from its commit until it can be read from the index by its id.
    async fn latency(&self, traffic: &mut Traffic) -> Result<Duration, DemoError> {
        let id = traffic.insert_customer().await?;
        let committed = Instant::now();
        let url = format!("{}/shop.customers/_doc/{id}", self.stack.elasticsearch.url());
        let client = reqwest::Client::new();
        while !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            self.check_rowcast()?;
            if committed.elapsed() >= EQUAL_WITHIN {
                return Err(DemoError::Lost { id, seconds: EQUAL_WITHIN.as_secs() });
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(committed.elapsed())
    }

    /// Compares all tables with their indices, until they are equal or time is up.
    async fn compare(
        &self,
        screen: &mut Screen,
    ) -> Result<Vec<(&'static str, Comparison)>, DemoError> {
        screen.step("Comparing every table with its index, value by value")?;
        let url = self.stack.elasticsearch.url();
        let end = Instant::now() + EQUAL_WITHIN;
        let mut comparisons = Vec::new();
        for table in TABLES {
            let comparison = loop {
                let found = oracle::compare_table(&self.mysql, &url, table, table).await?;
                if found.is_equal() || Instant::now() >= end {
                    break found;
                }
                self.check_rowcast()?;
                screen.progress(&format!("waiting for the last changes of {table}"))?;
                tokio::time::sleep(POLL).await;
            };
            comparisons.push((table, comparison));
        }
        screen.clear()?;
        Ok(comparisons)
    }

    /// Makes changes until Ctrl-C.
    async fn go_on(&self, screen: &mut Screen, traffic: &mut Traffic) -> Result<(), DemoError> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut pace = tokio::time::interval(Duration::from_secs(1) / CHANGES_PER_SECOND);
        loop {
            tokio::select! {
                biased;
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = pace.tick() => {}
            }
            traffic.change().await?;
            self.check_rowcast()?;
            let changes = traffic.changes();
            if changes.is_multiple_of(u64::from(CHANGES_PER_SECOND)) {
                screen.status(&format!("{changes} changes made; Ctrl-C ends the demo"))?;
            }
        }
        screen.clear()?;
        Ok(())
    }

    /// What rowcast's memory was at its largest.
    fn peak_memory_mb(&self) -> Option<u64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.rowcast.pid()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kilobytes / 1024)
    }

    fn check_rowcast(&self) -> Result<(), DemoError> {
        if self.rowcast.pid().is_some() {
            Ok(())
        } else {
            Err(DemoError::Ended { log: self.log() })
        }
    }

    /// The last lines of rowcast's log.
    fn log(&self) -> String {
        let log = self.rowcast.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
    }

    async fn stop(self) -> Result<(), DemoError> {
        let status = self.rowcast.stop(STOPPED_WITHIN).await?;
        if !status.success() {
            return Err(DemoError::Stopped { status, log: self.log() });
        }
        self.mysql
            .disconnect()
            .await
            .map_err(|source| DemoError::MySql { what: "stop", source })?;
        self.stack.stop().await?;
        Ok(())
    }
}

/// How much of the log an error shows.
const LOG_LINES: usize = 30;
