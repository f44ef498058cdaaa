//! `cargo soak NAME`: the long runs, at the sizes that the issues state, one JSON line each.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use integration::chaos::{self, ChaosError, ChaosOptions};
use integration::e2e_bench::growth::{self, Growth};
use integration::e2e_bench::{self, BenchError};
use integration::latency::{self, LatencyError};
use integration::random::Random;
use integration::random_types::{self, RandomTypesError};
use integration::soak::{self, ddl, sink, snapshot, transaction, worker};
use integration::stack::{self, Cache, Stack, StackError, StackOptions, Tuning};

/// Runs a long test on servers of its own and prints its figures as JSON.
///
/// Exits with 0 if all was as it must be.
#[derive(Debug, Parser)]
#[command(name = "cargo soak")]
struct Arguments {
    #[command(subcommand)]
    name: Soak,
}

#[derive(Debug, Subcommand)]
enum Soak {
    /// kill -9 of source and sink while rows change.
    Kill {
        /// How many times.
        #[arg(long, default_value_t = 100)]
        kills: u64,
        /// Keys of each table.
        #[arg(long, default_value_t = 400)]
        keys: u64,
        /// On a MySQL server without GTIDs, whose log is followed by file and position.
        #[arg(long)]
        without_gtids: bool,
    },
    /// Random statements that change definitions and rows.
    Ddl {
        /// How many runs, each with the next seed.
        #[arg(long, default_value_t = 1)]
        runs: u64,
        /// What the random numbers of the first run begin with; a new one if it is not given.
        #[arg(long)]
        seed: Option<u64>,
        /// Statements of a run.
        #[arg(long, default_value_t = 500)]
        statements: u64,
        /// On a MySQL server without GTIDs, whose log is followed by file and position.
        #[arg(long)]
        without_gtids: bool,
    },
    /// A catch-up of 1, 4 and 16 million rows: memory and the time of the processor for each row stay
    /// what they are. Run it with `--release`.
    Growth {
        /// Runs of each that count.
        #[arg(long, default_value_t = 1)]
        runs: usize,
        /// Rows of a run, in percent of those.
        #[arg(long, default_value_t = 100)]
        rows_percent: u64,
    },
    /// How soon after its commit a row can be read from Kafka. Run it with `--release`.
    Latency {
        /// Rows a second, each in a transaction of its own.
        #[arg(long, default_value_t = 1000)]
        rate: u64,
        /// How long, after 40 s that do not count.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// A further setting of the source, as `name=value`; as often as needed.
        #[arg(long = "set", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// Random tables of all types: what is copied and what is streamed is the table.
    RandomTypes {
        /// How long; the round that is under way is finished.
        #[arg(long, default_value_t = 600)]
        seconds: u64,
        /// What the random numbers begin with; a new one if it is not given.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Random histories through a sink whose processes, server and network fail.
    Sink {
        /// The server that is written to.
        #[arg(long, value_enum, default_value_t = SinkServer::Fake)]
        server: SinkServer,
        /// How many histories, each with the next seed.
        #[arg(long, default_value_t = 1)]
        runs: u64,
        /// What the random numbers of the first begin with; a new one if it is not given.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// The copy of a large table under writes, with kill -9. Run it with `--release`.
    Snapshot {
        /// Rows of the table.
        #[arg(long, default_value_t = 10_000_000)]
        rows: u64,
        /// How many times, evenly over the copy.
        #[arg(long, default_value_t = 10)]
        kills: u64,
        /// Changes a second meanwhile, each in a transaction of its own.
        #[arg(long, default_value_t = 1000)]
        rate: u32,
        /// A further setting of the source, as `name=value`; as often as needed.
        #[arg(long = "set", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// One transaction of many rows or bytes, or several that commit at once. Run it with
    /// `--release`.
    Transaction {
        /// Rows of all transactions together.
        #[arg(long, default_value_t = 5_000_000, conflicts_with = "bytes")]
        rows: u64,
        /// Bytes of all transactions together, in rows of 64 KiB.
        #[arg(long)]
        bytes: Option<u64>,
        /// Whether MySQL compresses them in its log.
        #[arg(long)]
        compressed: bool,
        /// How many transactions.
        #[arg(long, default_value_t = 1)]
        concurrent: u64,
        /// A further setting of the source, as `name=value`; as often as needed.
        #[arg(long = "set", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// A cluster of workers that are killed, frozen and restarted, and come and go.
    Worker {
        /// How many runs, each with the next seed.
        #[arg(long, default_value_t = 1)]
        runs: u64,
        /// What the random numbers of the first begin with; a new one if it is not given.
        #[arg(long)]
        seed: Option<u64>,
        /// Databases, each with a source and a sink.
        #[arg(long, default_value_t = 5)]
        databases: u32,
        /// How often something goes wrong in a run.
        #[arg(long, default_value_t = 20)]
        troubles: u64,
    },
}

/// Where a sink writes to.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SinkServer {
    /// The one in this process.
    Fake,
    /// Elasticsearch.
    Elasticsearch,
    /// OpenSearch.
    Opensearch,
}

#[derive(Debug, thiserror::Error)]
enum SoakError {
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error(transparent)]
    Chaos(#[from] ChaosError),
    #[error("cannot make a folder for the run")]
    Folder(#[from] io::Error),
    #[error(transparent)]
    RandomTypes(#[from] RandomTypesError),
    #[error(transparent)]
    Latency(#[from] LatencyError),
    #[error(transparent)]
    Soak(#[from] soak::SoakError),
    #[error(transparent)]
    Bench(#[from] BenchError),
}

#[tokio::main]
async fn main() -> ExitCode {
    let fresh = Random::seed("SOAK_SEED");
    let (seed, ended) = match Arguments::parse().name {
        Soak::Kill { kills, keys, without_gtids } => {
            let options = ChaosOptions { kills, keys, seed: fresh };
            (fresh, Box::pin(kill(without_gtids, options)).await)
        }
        Soak::Ddl { runs, seed, statements, without_gtids } => {
            let seed = seed.unwrap_or(fresh);
            let runs = (0..runs).map(|run| seed.wrapping_add(run));
            let options = runs.map(|seed| ddl::Options { seed, statements }).collect();
            (seed, Box::pin(ddl(without_gtids, options)).await)
        }
        Soak::Growth { runs, rows_percent } => (fresh, Box::pin(growth(runs, rows_percent)).await),
        Soak::Latency { rate, seconds, settings } => {
            let options = latency::Options { rate, seconds, warm_up: latency::WARM_UP };
            (fresh, Box::pin(latency(options, settings)).await)
        }
        Soak::RandomTypes { seconds, seed } => {
            let (seed, budget) = (seed.unwrap_or(fresh), Duration::from_secs(seconds));
            let options =
                random_types::Options { seed, tables: Vec::new(), budget, is_nameless: false };
            (seed, Box::pin(random_types(options)).await)
        }
        Soak::Sink { server, runs, seed } => {
            let seed = seed.unwrap_or(fresh);
            (seed, Box::pin(sink(server, seed, runs)).await)
        }
        Soak::Snapshot { rows, kills, rate, settings } => {
            let writes_per_second = rate;
            let options =
                snapshot::Options { rows, kills, writes_per_second, settings, seed: fresh };
            (fresh, Box::pin(snapshot(options)).await)
        }
        Soak::Transaction { rows, bytes, compressed, concurrent, settings } => {
            let row_bytes = bytes.map(|_| transaction::LARGE_ROW_BYTES);
            let rows = bytes.map_or(rows, |bytes| bytes.div_ceil(transaction::LARGE_ROW_BYTES));
            let is_compressed = compressed;
            let options =
                transaction::Options { rows, row_bytes, is_compressed, concurrent, settings };
            (fresh, Box::pin(transaction(options)).await)
        }
        Soak::Worker { runs, seed, databases, troubles } => {
            let seed = seed.unwrap_or(fresh);
            let runs = (0..runs).map(|run| seed.wrapping_add(run));
            let options = runs.map(|seed| worker::Options { seed, databases, troubles }).collect();
            (seed, Box::pin(workers(options)).await)
        }
    };
    match ended {
        Ok((json, is_good)) => {
            writeln!(io::stdout(), "{json}").unwrap_or_default();
            if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            let error = schema::fault::chain(&error);
            writeln!(io::stderr(), "seed {seed} (SOAK_SEED repeats it): {error}")
                .unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

/// A report as JSON, and whether all was as it must be.
type Ended = Result<(String, bool), SoakError>;

fn servers(without_gtids: bool) -> StackOptions {
    let mut servers = StackOptions::default();
    if without_gtids {
        let arguments = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];
        servers.mysql.arguments.extend(arguments.map(str::to_owned));
    }
    servers
}

async fn kill(without_gtids: bool, options: ChaosOptions) -> Ended {
    let stack = Stack::start(servers(without_gtids)).await?;
    let folder = tempfile::tempdir()?;
    let report = chaos::run(&stack, "soak", folder.path(), options).await?;
    stack.stop().await?;
    Ok((serde_json::to_string(&report).unwrap_or_default(), true))
}

async fn growth(runs: usize, rows_percent: u64) -> Ended {
    let options = e2e_bench::Options {
        workloads: growth::WORKLOADS.to_vec(),
        runs: runs.max(1),
        rows_percent,
        latency_seconds: (0, 0),
        against_debezium: false,
        settings: Vec::new(),
        json: None,
    };
    let stack = Box::pin(Stack::start(e2e_bench::servers())).await?;
    let folder = tempfile::tempdir()?;
    let tell = |text: &str| writeln!(io::stderr(), "{text}").unwrap_or_default();
    let report = Box::pin(e2e_bench::run(&stack, folder.path(), &options, tell)).await?;
    stack.stop().await?;
    let growth = Growth::of(&report);
    Ok((serde_json::to_string(&growth).unwrap_or_default(), growth.is_good()))
}

async fn latency(options: latency::Options, settings: Vec<(String, String)>) -> Ended {
    let mut servers = StackOptions::default();
    servers.kafka.tuning = Tuning::Benchmark;
    servers.kafka.heap_mb = 512;
    let stack = Stack::start(servers).await?;
    let folder = tempfile::tempdir()?;
    let report =
        Box::pin(latency::run(&stack, "soak", folder.path(), (options, &settings))).await?;
    stack.stop().await?;
    Ok((serde_json::to_string(&report).unwrap_or_default(), report.missing == 0))
}

fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected name=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

async fn random_types(options: random_types::Options) -> Ended {
    let stack = Stack::start(StackOptions::default()).await?;
    let folder = tempfile::tempdir()?;
    let report = random_types::run((&stack, &stack.mysql), "soak", folder.path(), options).await?;
    stack.stop().await?;
    let is_good = report.failures.is_empty() && report.tables > 0;
    Ok((serde_json::to_string(&report).unwrap_or_default(), is_good))
}

async fn ddl(without_gtids: bool, runs: Vec<ddl::Options>) -> Ended {
    let stack = Stack::start(servers(without_gtids)).await?;
    let mut are_good = true;
    for (number, options) in runs.into_iter().enumerate() {
        let folder = tempfile::tempdir()?;
        let name = format!("soak_{number}");
        let report = Box::pin(ddl::run(&stack, &name, folder.path(), options)).await?;
        writeln!(io::stdout(), "{}", serde_json::to_string(&report).unwrap_or_default())?;
        if !report.is_good() {
            are_good = false;
            writeln!(io::stderr(), "log and statements are in {}", folder.keep().display())?;
        }
    }
    stack.stop().await?;
    Ok((serde_json::json!({ "good": are_good }).to_string(), are_good))
}

async fn sink(server: SinkServer, seed: u64, runs: u64) -> Ended {
    let kind = match server {
        SinkServer::Fake => sink::Kind::Fake,
        SinkServer::Elasticsearch => sink::Kind::Elasticsearch,
        SinkServer::Opensearch => sink::Kind::Opensearch,
    };
    let installed = stack::install(&Cache::open()?).await?;
    let folder = tempfile::tempdir()?;
    let servers = Box::pin(sink::Servers::start(&installed, kind, folder.path())).await?;
    let mut are_good = true;
    for (run, seed) in (0..runs).map(|run| (run, seed.wrapping_add(run))) {
        let folder = tempfile::tempdir()?;
        let report = Box::pin(servers.run(&format!("soak{run}"), folder.path(), seed)).await?;
        writeln!(io::stdout(), "{}", serde_json::to_string(&report).unwrap_or_default())?;
        if !report.problems.is_empty() {
            are_good = false;
            writeln!(io::stderr(), "logs are in {}", folder.keep().display())?;
        }
    }
    Ok((serde_json::json!({ "good": are_good }).to_string(), are_good))
}

async fn snapshot(options: snapshot::Options) -> Ended {
    let stack = Stack::start(soak::servers()).await?;
    let folder = tempfile::tempdir()?;
    let report = snapshot::run(&stack, "soak", folder.path(), &options).await?;
    stack.stop().await?;
    Ok((serde_json::to_string(&report).unwrap_or_default(), report.is_good()))
}

async fn transaction(options: transaction::Options) -> Ended {
    let stack = Stack::start(soak::servers()).await?;
    let folder = tempfile::tempdir()?;
    let report = transaction::run(&stack, "soak", folder.path(), &options).await?;
    stack.stop().await?;
    Ok((serde_json::to_string(&report).unwrap_or_default(), report.is_good()))
}

async fn workers(runs: Vec<worker::Options>) -> Ended {
    let stack = Stack::start(StackOptions::default()).await?;
    let mut are_good = true;
    for (number, options) in runs.into_iter().enumerate() {
        // Kept also if the run itself fails: the logs say why.
        let folder = tempfile::tempdir()?.keep();
        let name = format!("soak{number}");
        let running = Box::pin(worker::run(&stack, &name, &folder, options));
        let report = running.await.inspect_err(|_| {
            writeln!(io::stderr(), "logs are in {}", folder.display()).unwrap_or_default();
        })?;
        writeln!(io::stdout(), "{}", serde_json::to_string(&report).unwrap_or_default())?;
        if report.is_good() {
            std::fs::remove_dir_all(&folder)?;
        } else {
            are_good = false;
            writeln!(io::stderr(), "logs are in {}", folder.display())?;
        }
    }
    stack.stop().await?;
    Ok((serde_json::json!({ "good": are_good }).to_string(), are_good))
}
