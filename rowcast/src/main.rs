//! `rowcast`: keeps Elasticsearch equal to MySQL, through Kafka.

mod arguments;
mod commands;
mod telemetry;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use connect::config::PipelineConfig;
use connect::worker::{self, Ended};
use schema::fault::{Fault, chain};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_run = matches!(arguments.command, Command::Run { .. });
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
        Command::Run { pipeline } => runtime.block_on(run(&pipeline)),
        Command::Tables { pipeline, url, output } => {
            runtime.block_on(commands::tables::run(pipeline.as_deref(), url, output)).into()
        }
        Command::Table { command, table, pipeline, url, connector, filter } => {
            let order = commands::table::Order { command, table, connector, filter };
            runtime.block_on(commands::table::run(order, pipeline.as_deref(), url)).into()
        }
        Command::Offsets(command) => runtime.block_on(commands::offsets::run(command)).into(),
        Command::Dlq(command) => runtime.block_on(commands::dlq::run(command)).into(),
        Command::Migrate { from, worker, output } => {
            runtime.block_on(commands::migrate::run(&from, worker.as_deref(), &output)).into()
        }
    };
    // A client library's thread may hang on a dead peer: nothing is left to wait for.
    runtime.shutdown_background();
    exit
}

/// Runs a pipeline file until a signal or an error.
async fn run(path: &std::path::Path) -> ExitCode {
    let stop = CancellationToken::new();
    if let Err(error) = stop_on_signal(&stop) {
        tracing::error!(%error, "signals cannot be received");
        return ExitCode::FAILURE;
    }
    let classes: [&dyn connect::connector::ConnectorClass; 2] =
        [&cdc_source::MySqlConnector, &es_sink::ElasticsearchSink];
    let ended = match PipelineConfig::load(path) {
        Ok(pipeline) => worker::run(pipeline, &classes, stop).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(Ended::Stopped) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Ok(Ended::Failed) => ExitCode::FAILURE,
        Err(error) => {
            let (error, hint) = (chain(&error), error.hint());
            tracing::error!(error, hint = hint.as_deref(), "the pipeline cannot be started");
            ExitCode::FAILURE
        }
    }
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
