//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use connect::kafka::letters::LetterPlace;

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
        /// The pipeline file, YAML; or Kafka Connect's worker.properties, as connect-standalone takes
        /// it.
        pipeline: PathBuf,
        /// Behind worker.properties: connectors, as .properties or .json.
        connectors: Vec<PathBuf>,
    },
    /// Look at everything that `run` or `worker` would need, and change nothing.
    ///
    /// Says what is there, what would be made or changed, and what is in the way, with what to do
    /// about it: settings, MySQL, Kafka, the schema registry and Elasticsearch. Exits with 0 if
    /// nothing is in the way, and with 1 otherwise.
    Check {
        /// What `run` takes; or a worker.properties alone, as `worker` takes it.
        pipeline: PathBuf,
        /// Behind worker.properties: connectors, as .properties or .json.
        connectors: Vec<PathBuf>,
        /// How the answer is printed.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Run as one of several workers that share their connectors, as connect-distributed does.
    ///
    /// Connectors are made and changed by Kafka Connect's REST API, on any of the workers; which runs
    /// what they settle by themselves. Exits with 0 after a stop in good order.
    Worker {
        /// Kafka Connect's worker.properties.
        properties: PathBuf,
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
    /// Copy a table again, let its copy wait, go on or end. Asks the running process by its HTTP
    /// endpoint, and is done when its task has taken the command.
    Table {
        /// What is to happen.
        #[arg(value_enum)]
        command: TableCommand,
        /// The table, as `database.table`.
        table: String,
        /// The pipeline file whose `listeners` are asked.
        pipeline: Option<PathBuf>,
        /// The endpoint to ask [default: the file's listeners, else port 8083 of this machine].
        #[arg(long)]
        url: Option<String>,
        /// The source's name; not needed if only one captures the table.
        #[arg(long)]
        connector: Option<String>,
        /// With `snapshot`: copy only rows for which this SQL expression is true.
        #[arg(long)]
        filter: Option<String>,
    },
    /// Show, export or change the stored offsets of a pipeline file's sources.
    #[command(subcommand)]
    Offsets(OffsetsCommand),
    /// List and show the dead letters of a pipeline file's sinks, or send them back.
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Write a pipeline file of what a Kafka Connect cluster runs, or give a sink's indices back to one.
    ///
    /// With `--from`: asks a worker by its REST API and changes nothing there. Sources of Debezium go
    /// on at their offsets; Confluent's sinks become new indices, which are filled from the beginning.
    /// Says what becomes of each connector, and what is left to do. The files have the connectors'
    /// passwords.
    ///
    /// With `--back`: says which indices have Lsns as versions. Confluent's sink, whose versions are
    /// Kafka offsets, could write nothing there. `--new-index` lets an empty one take the name of each.
    Migrate(MigrateArguments),
    /// Print what a shell needs to complete our commands and options.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page of `rowcast`, or write those of all its commands.
    Man {
        /// The folder to write them to; it is made if it is missing.
        folder: Option<PathBuf>,
    },
}

/// What `rowcast migrate` is told.
#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// The REST address of a worker, as `http://host:8083`.
    #[arg(long, required_unless_present = "back", requires = "output")]
    pub(crate) from: Option<String>,
    /// The properties file that its workers are started with: where Kafka and the schema
    /// registry are, and the group and topic whose offsets are gone on with.
    #[arg(long, requires = "from")]
    pub(crate) worker: Option<PathBuf>,
    /// The folder to write; it must not exist.
    #[arg(long, requires = "from")]
    pub(crate) output: Option<PathBuf>,
    /// The pipeline file whose sink is given back. It must not run any more.
    #[arg(long, conflicts_with = "from")]
    pub(crate) back: Option<PathBuf>,
    /// With `--back`: the sink's name; not needed if the file has only one.
    #[arg(long, requires = "back")]
    pub(crate) connector: Option<String>,
    /// With `--back`: a topic whose index is meant; more than once for several [default: those of
    /// `topics`].
    #[arg(long = "topic", requires = "back")]
    pub(crate) topics: Vec<String>,
    /// With `--back`: make the new indices. Whoever reads by the alias finds nothing until they are
    /// filled; the old ones stay, without their alias.
    #[arg(long, requires = "back")]
    pub(crate) new_index: bool,
    /// With `--new-index`: delete an index that has the name itself and is no alias, because nothing
    /// else can have the name then.
    #[arg(long, requires = "new_index")]
    pub(crate) delete_old: bool,
}

/// What happens to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableCommand {
    /// Copy it again, beside the stream.
    Snapshot,
    /// Let its copy wait, also over restarts.
    Pause,
    /// Go on with a copy that waits, or copy a parked table again and follow it.
    Resume,
    /// End its copy where it is; its changes are followed.
    Stop,
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

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List the dead letters: where each is, where its record was, why, and what has become of it.
    ///
    /// Reads what is committed and writes nothing.
    List {
        #[command(flatten)]
        letters: DlqArguments,
        /// How they are printed.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Print one dead letter: its headers and its key, and its value on demand.
    Show {
        #[command(flatten)]
        letters: DlqArguments,
        /// The letter, as PARTITION@OFFSET.
        place: LetterPlace,
        /// Print the row too.
        #[arg(long)]
        values: bool,
    },
    /// Write the records of dead letters to their topics once more, and mark the letters.
    ///
    /// They keep their Lsn: one is void where the index has a later version by now.
    Redrive {
        #[command(flatten)]
        letters: DlqArguments,
        /// The letters, each as PARTITION@OFFSET. If one must not go back, none goes.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        places: Vec<LetterPlace>,
        /// All that are open.
        #[arg(long)]
        all: bool,
        /// Also those that are healed or were sent back before.
        #[arg(long)]
        force: bool,
        /// Also records without an Lsn, which overwrite what was written after them.
        #[arg(long)]
        unsafe_allow_overwrite: bool,
    },
}

/// Which dead letters are meant.
#[derive(Debug, Args)]
pub(crate) struct DlqArguments {
    /// The pipeline file, YAML.
    pub(crate) pipeline: PathBuf,
    /// The sink's name: only its letters, and its topic if there are several.
    #[arg(long)]
    pub(crate) connector: Option<String>,
    /// The topic of dead letters [default: what the file's sinks have].
    #[arg(long)]
    pub(crate) topic: Option<String>,
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
