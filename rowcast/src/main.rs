//! `rowcast`: keeps Elasticsearch equal to MySQL, through Kafka.

mod arguments;
mod commands;
mod telemetry;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use connect::config::{ConfigError, PipelineConfig, WorkerConfig};
use connect::connector::ConnectorClass;
use connect::file_stream::{FileStreamSink, FileStreamSource};
use connect::worker::{self, Ended, WorkerError};
use schema::fault::{Fault, chain};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_run = matches!(arguments.command, Command::Run { .. } | Command::Worker { .. });
    telemetry::start(arguments.log_format, is_run);
    // Named before the first connection: were a library to link a second TLS provider in, rustls
    // would panic when it has to choose.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed already");
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime cannot be started");
            return ExitCode::FAILURE;
        }
    };
    let exit = match arguments.command {
        Command::Run { pipeline, connectors } => {
            runtime.block_on(until_signal("pipeline", |stop| run(&pipeline, &connectors, stop)))
        }
        Command::Worker { properties } => {
            runtime.block_on(until_signal("worker", |stop| work(&properties, stop)))
        }
        Command::Check { pipeline, connectors, output } => {
            let check = commands::check::run(&pipeline, &connectors, output, &CLASSES);
            runtime.block_on(check).into()
        }
        Command::Completions { shell } => commands::shell::completions(shell).into(),
        Command::Man { folder } => commands::shell::man(folder.as_deref()).into(),
        Command::Tables { pipeline, url, output } => {
            runtime.block_on(commands::tables::run(pipeline.as_deref(), url, output)).into()
        }
        Command::Table { command, table, pipeline, url, connector, filter } => {
            let order = commands::table::Order { command, table, connector, filter };
            runtime.block_on(commands::table::run(order, pipeline.as_deref(), url)).into()
        }
        Command::Offsets(command) => runtime.block_on(commands::offsets::run(command)).into(),
        Command::Dlq(command) => runtime.block_on(commands::dlq::run(command)).into(),
        Command::Migrate(given) => runtime.block_on(commands::migrate::run(given)).into(),
    };
    // A client library's thread may hang on a dead peer: nothing is left to wait for.
    runtime.shutdown_background();
    exit
}

/// What `connector.class` may name.
static CLASSES: [&dyn ConnectorClass; 5] = [
    &cdc_source::MySqlConnector,
    &es_sink::ElasticsearchSink,
    &es_sink::OpenSearchSink,
    &FileStreamSource,
    &FileStreamSink,
];

/// Runs a worker until a signal or an error. `what` it is called.
async fn until_signal<F>(what: &str, work: impl FnOnce(CancellationToken) -> F) -> ExitCode
where
    F: Future<Output = Result<Ended, WorkerError>>,
{
    let stop = CancellationToken::new();
    if let Err(error) = stop_on_signal(&stop) {
        tracing::error!(%error, "signals cannot be received");
        return ExitCode::FAILURE;
    }
    match work(stop).await {
        Ok(Ended::Stopped) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Ok(Ended::Failed) => ExitCode::FAILURE,
        Err(error) => {
            let (error, hint) = (chain(&error), error.hint());
            tracing::error!(error, hint = hint.as_deref(), "the {what} cannot begin or go on");
            ExitCode::FAILURE
        }
    }
}

/// Connectors of files, in a process of their own.
async fn run(
    path: &Path,
    connectors: &[PathBuf],
    stop: CancellationToken,
) -> Result<Ended, WorkerError> {
    worker::run(load(path, connectors)?, &CLASSES, stop).await
}

/// Reads a pipeline file, or what `connect-standalone` takes.
fn load(path: &Path, connectors: &[PathBuf]) -> Result<PipelineConfig, ConfigError> {
    if !is_properties(path) {
        return PipelineConfig::load(path);
    }
    let connectors: Vec<_> = connectors.iter().map(PathBuf::as_path).collect();
    PipelineConfig::from_properties(path, &connectors)
}

fn is_properties(path: &Path) -> bool {
    path.extension().is_some_and(|it| it.eq_ignore_ascii_case("properties"))
}

/// One of several workers.
async fn work(path: &Path, stop: CancellationToken) -> Result<Ended, WorkerError> {
    worker::run_distributed(WorkerConfig::from_properties(path)?, &CLASSES, stop).await
}

/// The first SIGTERM or SIGINT stops in good order.
fn stop_on_signal(stop: &CancellationToken) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = stop.clone();
    let waiting = async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    };
    // Lives as long as the process: there is nothing to join.
    drop(tokio::spawn(waiting));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_whose_settings_have_verdicts_can_be_named() {
        let verdicts = include_str!("../../docs/compatibility.md");
        let headings = verdicts.lines().filter_map(|line| line.strip_prefix("## "));
        let classes: Vec<_> = headings.filter(|heading| heading.ends_with("Connector")).collect();

        assert!(classes.len() >= CLASSES.len(), "{classes:?}");
        for class in classes {
            assert!(CLASSES.iter().any(|known| known.names().contains(&class)), "{class}");
        }
    }
}
