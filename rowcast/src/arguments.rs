//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// List every captured table with its state, position, Lsn, snapshot progress and lag.
    ///
    /// Asks the running process by its HTTP endpoint. If none answers and a pipeline file is given,
    /// it shows what the offsets topic says, and says so.
    Tables {
        /// The pipeline file whose `listeners` are asked, and whose connectors are shown.
        pipeline: Option<PathBuf>,
        /// The endpoint to ask [default: the file's listeners, else port 8083 of this machine].
        #[arg(long)]
        url: Option<String>,
        /// How they are printed.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Show, export or change the stored offsets of a pipeline file's sources.
    #[command(subcommand)]
    Offsets(OffsetsCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum OffsetsCommand {
    /// Print what the offsets topic holds for the stream and each table.
    ///
    /// Reads what is committed and writes nothing, so it may be used beside the running connector.
    Show {
        #[command(flatten)]
        source: SourceArguments,
        /// How they are printed.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Print the offsets as Kafka Connect's GET /connectors/{name}/offsets does.
    Export {
        #[command(flatten)]
        source: SourceArguments,
        /// Write them once more, committed, so that a Kafka Connect worker without exactly-once,
        /// which reads uncommitted records too, finds them last. The connector must not run.
        #[arg(long)]
        commit: bool,
    },
    /// Change offsets, given as for Kafka Connect's PATCH /connectors/{name}/offsets; `null` takes
    /// an offset away. The connector must not run.
    ///
    /// Refuses offsets that no start would take, and those that would lose changes.
    Set {
        #[command(flatten)]
        source: SourceArguments,
        /// The file with the offsets, `-` for standard input.
        #[arg(long, default_value = "-")]
        from: PathBuf,
        /// Only say what would be replayed, skipped or lost.
        #[arg(long)]
        dry_run: bool,
        /// Write offsets that lose changes, or that could not be checked.
        #[arg(long)]
        unsafe_allow_loss: bool,
        /// How the consequences are printed.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
}

/// Which source is meant.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// The pipeline file, YAML.
    pub(crate) pipeline: PathBuf,
    /// The source's name; not needed if the file has one source.
    #[arg(long)]
    pub(crate) connector: Option<String>,
}

/// How an answer is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Columns, for people.
    Table,
    /// JSON, for programs.
    Json,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
