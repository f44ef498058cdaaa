//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Keeps Elasticsearch equal to MySQL, through Kafka.
#[derive(Debug, Parser)]
#[command(name = "rowcast", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// How log lines are written to standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "ROWCAST_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the connectors of a pipeline file until SIGTERM or Ctrl-C.
    ///
    /// Exits with 0 after a stop in good order, and with 1 when the file is not valid or a
    /// connector cannot go on; the last log line says why and what to do. The
    /// environment variable `RUST_LOG` sets what is logged (default: info).
    Run {
        /// The pipeline file, YAML.
        pipeline: PathBuf,
    },
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
