//! The unit of configuration: a class, and the tasks that a configuration of it makes.

use crate::check::{CheckRun, Report, Surroundings};
use crate::config::{ConfigError, Settings, WorkerConfig};
use crate::definition::{self, Definitions};
use crate::task::Task;

/// One kind of connector, found by its name in `connector.class`.
pub trait ConnectorClass: Send + Sync {
    /// The names it answers to: the Java class, its last part, and our short name.
    fn names(&self) -> &'static [&'static str];

    /// Its Java class, under which Kafka Connect lists it.
    fn java_class(&self) -> &'static str {
        let names = self.names();
        names.iter().copied().find(|name| name.contains('.')).unwrap_or_default()
    }

    /// Whether its tasks read from Kafka or write to it.
    fn kind(&self) -> ConnectorKind;

    /// The Java class of its tasks, which Kafka Connect shows among their settings.
    fn task_class(&self) -> &'static str;

    /// What settings it has, and what becomes of them. Without a table of its own, those that all
    /// connectors of its kind have.
    fn definitions(&self) -> &'static Definitions {
        match self.kind() {
            ConnectorKind::Source => definition::of_sources(),
            ConnectorKind::Sink => definition::of_sinks(),
        }
    }

    /// Reads the connector's settings and makes its tasks. Connects to nothing.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for the first setting that is missing, unknown or out of its range.
    fn tasks(
        &self,
        name: &ConnectorName,
        settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError>;

    /// Looks at what a connector needs and what it would make, and writes nothing. Its settings are
    /// valid.
    fn check<'a>(&'a self, settings: Settings, around: Surroundings<'a>) -> CheckRun<'a> {
        drop((settings, around));
        Box::pin(std::future::ready(Report::default()))
    }
}

/// Which way records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectorKind {
    /// Into Kafka.
    Source,
    /// Out of Kafka.
    Sink,
}

impl ConnectorKind {
    /// Its name in Kafka Connect's REST API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
        }
    }
}

/// The name of a connector: unique within its group, and part of its offsets' key, its
/// transactional ids and its consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectorName(String);

impl ConnectorName {
    /// Wraps a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ConnectorName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
