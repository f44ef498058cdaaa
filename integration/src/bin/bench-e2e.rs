//! `cargo bench-e2e`: rowcast, and Debezium if it is asked for, on servers of their own.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use integration::e2e_bench::{self, BenchError, Options, Report, Workload};
use integration::process;
use integration::stack::Stack;

/// Measures how fast rows come from MySQL into Kafka and Elasticsearch.
///
/// Build rowcast first: cargo build --release --bin rowcast
#[derive(Debug, Parser)]
#[command(name = "cargo bench-e2e")]
struct Arguments {
    /// What is measured; as often as needed. All but the growth to millions of rows if none is named.
    #[arg(long = "workload", value_enum)]
    workloads: Vec<Workload>,
    /// Who else is measured, by turns.
    #[arg(long, value_enum)]
    against: Option<Peer>,
    /// Runs of each that count.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Rows of a run, in percent of the workload's: less to try it, more for machines with many cores.
    #[arg(long, default_value_t = 100)]
    rows_percent: u64,
    /// Seconds of a latency run.
    #[arg(long, default_value_t = 30)]
    latency_seconds: u64,
    /// Seconds before them that do not count.
    #[arg(long, default_value_t = 40)]
    latency_warm_up_seconds: u64,
    /// A further setting of rowcast's source, as `name=value`; as often as needed.
    #[arg(long = "set", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Writes medians, spreads and all runs as JSON, again after each workload.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Peer {
    /// Debezium's MySQL connector on Kafka Connect with Confluent's Avro converter.
    Debezium,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(Arguments::parse())).await {
        Ok(report) => {
            let written = writeln!(io::stdout(), "{}", report.to_table());
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            let error = schema::fault::chain(&error);
            writeln!(io::stderr(), "error: {error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Report, BenchError> {
    let rowcast = process::use_release()?;
    tell(&format!("measuring {}", rowcast.display()));
    let mut workloads = arguments.workloads;
    if workloads.is_empty() {
        workloads = Workload::value_variants().to_vec();
        workloads.retain(|workload| !workload.is_growth());
    }
    let options = Options {
        workloads,
        runs: arguments.runs.max(1),
        rows_percent: arguments.rows_percent,
        latency_seconds: (arguments.latency_seconds, arguments.latency_warm_up_seconds),
        against_debezium: matches!(arguments.against, Some(Peer::Debezium)),
        settings: arguments.settings,
        json: arguments.json,
    };
    let stack = Box::pin(Stack::start(e2e_bench::servers())).await?;
    let folder = tempfile::tempdir()?;
    let report = Box::pin(e2e_bench::run(&stack, folder.path(), &options, tell)).await;
    if report.is_err() {
        tell(&format!("logs are in {}", folder.keep().display()));
    }
    stack.stop().await?;
    report
}

/// What is going on, for who waits.
fn tell(text: &str) {
    writeln!(io::stderr(), "{text}").unwrap_or_default();
}

fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected name=value")?;
    Ok((key.to_owned(), value.to_owned()))
}
