//! `cargo bench-sink`: the sink beside a bare bulk loader, as one JSON document. Build rowcast with
//! `--release` first.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use integration::sink_bench::{self, Options};
use integration::stack::{Stack, StackOptions, Tuning};

/// Measures the sink against a bare bulk loader on servers of its own.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-sink")]
struct Arguments {
    /// Documents of a run.
    #[arg(long, default_value_t = 500_000)]
    documents: u64,
    /// Runs of each; two more of each warm up.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Updates of the run on few keys.
    #[arg(long, default_value_t = 1_000_000)]
    hot_updates: u64,
    /// Keys of that run.
    #[arg(long, default_value_t = 1_000)]
    hot_keys: u64,
    /// Elasticsearch has a core of its own, and everything else another one, as if it were another
    /// machine: then its speed is the bound, and not what all of them need together.
    #[arg(long)]
    apart: bool,
    /// The rows are those of a snapshot, and the sink has `index.bulk.load`: no refresh until it is
    /// done. The loader does not change any setting.
    #[arg(long)]
    snapshot: bool,
    /// A further setting of the sink, as `name=value`; as often as needed.
    #[arg(long = "set", value_parser = setting)]
    settings: Vec<(String, String)>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(report) => {
            let written = writeln!(std::io::stdout(), "{report}");
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            let _written = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<String, String> {
    let mut options = StackOptions::default();
    options.kafka.tuning = Tuning::Benchmark;
    options.kafka.heap_mb = 512;
    options.elasticsearch.tuning = Tuning::Benchmark;
    options.elasticsearch.heap_mb = 1_024;
    let stack = Box::pin(Stack::start(options)).await.map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let Arguments { documents, runs, hot_updates, hot_keys, apart, snapshot, settings } = arguments;
    if apart {
        sink_bench::keep_apart(&stack).await.map_err(|error| error.to_string())?;
    }
    let options = Options { documents, runs, hot_updates, hot_keys, snapshot, settings };
    let measured = Box::pin(sink_bench::run(&stack, folder.path(), &options)).await;
    stack.stop().await.map_err(|error| error.to_string())?;
    let report =
        measured.map_err(|error| format!("{error}: {:?}", std::error::Error::source(&error)))?;
    serde_json::to_string_pretty(&report).map_err(|error| error.to_string())
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}
