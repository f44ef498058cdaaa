//! Commands that answer at once: their arguments into calls, the answers into text.

pub(crate) mod check;
pub(crate) mod columns;
pub(crate) mod dlq;
pub(crate) mod migrate;
pub(crate) mod offsets;
pub(crate) mod shell;
pub(crate) mod table;
pub(crate) mod tables;

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use cdc_source::MySqlConnector;
use cdc_source::offsets::{OffsetsError, SourceOffsets};
use connect::config::{ConfigError, Listeners, PipelineConfig};
use connect::connector::ConnectorClass;
use connect::http::client::AskError;
use connect::http::cluster::ClusterError;
use connect::kafka::letters::LettersError;
use es_sink::SinkError;
use schema::fault::{Disposition, Fault, chain};
use schema::registry::RegistryError;

/// How a command ended.
pub(crate) struct Outcome(Result<(), CommandError>);

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        let Err(error) = outcome.0 else { return Self::SUCCESS };
        let (error, hint) = (chain(&error), error.hint());
        tracing::error!(error, hint = hint.as_deref(), "the command failed");
        Self::FAILURE
    }
}

/// The sources of a pipeline file, and where its process listens.
struct Sources {
    sources: Vec<SourceOffsets>,
    listeners: Listeners,
}

impl Sources {
    fn load(path: &Path) -> Result<Self, CommandError> {
        let pipeline = PipelineConfig::load(path)?;
        let is_source = |class: &str| MySqlConnector.names().contains(&class);
        let connectors = pipeline.connectors.into_iter().filter(|it| is_source(&it.class));
        let sources = connectors
            .map(|it| SourceOffsets::new(&it.name, it.settings, &pipeline.worker))
            .collect::<Result<Vec<_>, _>>()?;
        if sources.is_empty() {
            return Err(CommandError::NoSource);
        }
        Ok(Self { sources, listeners: pipeline.worker.listeners })
    }

    /// The source of this name, or the only one.
    fn one(&self, name: Option<&str>) -> Result<&SourceOffsets, CommandError> {
        let names = || self.sources.iter().map(|it| it.name().to_string()).collect::<Vec<_>>();
        match (name, &*self.sources) {
            (None, [source]) => Ok(source),
            (None, _) => Err(CommandError::WhichSource { names: names().join(", ") }),
            (Some(name), sources) => {
                let found = sources.iter().find(|it| it.name().as_str() == name);
                let names = || names().join(", ");
                found.ok_or_else(|| CommandError::UnknownSource {
                    name: name.to_owned(),
                    names: names(),
                })
            }
        }
    }
}

/// Writes an answer on standard output.
fn print(text: &str) -> Result<(), CommandError> {
    print_bytes(text.as_bytes())
}

/// The same of an answer that is no text of ours.
fn print_bytes(bytes: &[u8]) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(CommandError::Print)
}

/// JSON as people read it, with a line break.
fn pretty(value: &impl serde::Serialize) -> Result<String, CommandError> {
    let text = serde_json::to_string_pretty(value).map_err(CommandError::Json)?;
    Ok(text + "\n")
}

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("the check has found {count} problem(s)")]
    Problems { count: usize },
    #[error("kafka connect has nothing that rowcast could take over: {why}")]
    NothingToMigrate { why: String },
    #[error(transparent)]
    Sink(#[from] Box<SinkError>),
    #[error("the pipeline file has no such sink, or several")]
    WhichSink,
    #[error("sink {connector} does not list its topics")]
    WhichTopics { connector: String },
    #[error("sink {connector} runs in the process at {url}")]
    SinkRunning { connector: String, url: String },
    #[error(
        "versions of {indices} are Lsns: every write with a Kafka offset would be void, so each needs \
         a new index"
    )]
    NewIndexNeeded { indices: String },
    #[error("versions of {indices} are Lsns, and each is an index itself and no alias")]
    IndexInTheWay { indices: String },
    #[error("{path} is there already")]
    OutputExists { path: String },
    #[error("{path} cannot be written")]
    Output {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the worker's properties {path} cannot be read")]
    WorkerFile {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Offsets(#[from] OffsetsError),
    #[error(transparent)]
    Letters(#[from] LettersError),
    #[error(transparent)]
    Registry(RegistryError),
    #[error("no sink that is meant has a topic of dead letters")]
    NoDeadLetters,
    #[error("the sinks have several topics of dead letters: {names}")]
    WhichDeadLetters { names: String },
    #[error("the answer cannot be written")]
    Text,
    #[error("connector {connector} runs in the process at {url}")]
    Running { connector: String, url: String },
    #[error("the pipeline file has no source")]
    NoSource,
    #[error("the pipeline file has several sources: {names}")]
    WhichSource { names: String },
    #[error("the pipeline file has no source {name}, only {names}")]
    UnknownSource { name: String, names: String },
    #[error("no source at {url} captures {table}")]
    UnknownTable { table: String, url: String },
    #[error("several sources capture {table}: {names}")]
    WhichConnector { table: String, names: String },
    #[error("`--filter` is for `snapshot` only")]
    NeedlessFilter,
    #[error("`listeners` of the file has no address to ask")]
    NoListener,
    #[error("{path} cannot be read")]
    Input {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is larger than {limit} bytes")]
    InputTooLarge { path: String, limit: u64 },
    #[error("{path} is not the offsets of a connector")]
    InputJson {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the answer cannot be printed")]
    Print(#[source] std::io::Error),
    #[error("the answer has no JSON form")]
    Json(#[source] serde_json::Error),
}

impl CommandError {
    /// What to do about a sink that cannot be given back.
    fn hint_of_back(&self) -> Option<&'static str> {
        if matches!(self, Self::WhichSink) {
            return Some("name one of its sinks with --connector");
        }
        if matches!(self, Self::WhichTopics { .. }) {
            return Some("name each topic whose index is meant with --topic");
        }
        if matches!(self, Self::SinkRunning { .. }) {
            return Some("stop it first: it would go on, and write Lsns into the new index");
        }
        if matches!(self, Self::NewIndexNeeded { .. }) {
            return Some(
                "--new-index makes them; whoever reads by the alias finds nothing until they are \
                 filled",
            );
        }
        matches!(self, Self::IndexInTheWay { .. }).then_some(
            "--new-index --delete-old deletes each and makes a new one behind an alias of its name",
        )
    }
}

impl Fault for CommandError {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Ask(error) => error.hint(),
            Self::Cluster(error) => error.hint(),
            Self::NothingToMigrate { .. } => {
                Some("docs/migration.md says which connectors can be taken over".into())
            }
            Self::Problems { .. } => {
                Some("do what stands below `to do`, and check again; nothing was changed".into())
            }
            Self::Sink(error) => error.hint(),
            Self::WhichSink
            | Self::WhichTopics { .. }
            | Self::SinkRunning { .. }
            | Self::NewIndexNeeded { .. }
            | Self::IndexInTheWay { .. } => self.hint_of_back().map(Cow::Borrowed),
            Self::OutputExists { .. } => {
                Some("give a folder that does not exist as --output; nothing is overwritten".into())
            }
            Self::Output { .. } => {
                Some("give a folder as --output whose parent exists and can be written".into())
            }
            Self::WorkerFile { .. } => Some(
                "give the properties file that a worker of the cluster is started with as --worker"
                    .into(),
            ),
            Self::Offsets(error) => error.hint(),
            Self::Letters(error) => error.hint(),
            Self::Registry(error) => error.hint(),
            Self::NoDeadLetters => Some(
                "name the topic with --topic, or set `errors.deadletterqueue.topic.name` of the \
                 sink"
                    .into(),
            ),
            Self::WhichDeadLetters { .. } => {
                Some("name the topic with --topic, or the sink with --connector".into())
            }
            Self::Running { .. } => Some("stop it first; its offsets are its own".into()),
            Self::NoSource => Some("give a pipeline file with a `mysql` connector".into()),
            Self::WhichSource { .. } | Self::UnknownSource { .. } | Self::WhichConnector { .. } => {
                Some("name one of them with --connector".into())
            }
            Self::UnknownTable { .. } => {
                Some("`rowcast tables` lists them, as database.table".into())
            }
            Self::NeedlessFilter => Some("leave it out, or begin a copy with `snapshot`".into()),
            Self::NoListener => Some(
                "set `listeners`, start the process again, or give its address as --url".into(),
            ),
            Self::Input { .. } | Self::InputTooLarge { .. } => {
                Some("give a file with offsets as --from, or `-` for standard input".into())
            }
            Self::InputJson { .. } => Some(
                "give {\"offsets\":[{\"partition\":{…},\"offset\":{…}}]}, as `rowcast offsets \
                 export` prints it"
                    .into(),
            ),
            Self::Print(_) | Self::Json(_) | Self::Text => None,
        }
    }
}
