//! Kafka Connect's first example: each line of a file becomes a record (`FileStreamSource`), and each
//! record a line of a file (`FileStreamSink`). A file that goes through a topic ends as the same file.
//!
//! ```text
//! tail      file               → bytes, from the stored position on, as the file grows
//! lines     bytes              → whole lines, each with the position behind it
//! reader    + converter        → records, and the position as their offset
//! stage     records            → transforms → records, where there are any
//! source    one batch          → Kafka, records and offset in one transaction
//! ─── Kafka ───
//! chain     records            → transforms → lines, where there are any
//! sink      lines              → the file, in the order of their partitions; then offsets
//! ```
//!
//! Both are also the smallest examples of a source and of a sink.

mod chain;
mod check;
mod config;
mod error;
mod lines;
mod output;
mod reader;
mod sink;
mod source;
mod stage;
mod tail;

use crate::check::{CheckRun, Surroundings};
use crate::config::{ConfigError, Settings, WorkerConfig};
use crate::connector::{ConnectorClass, ConnectorKind, ConnectorName};
use crate::definition::{self, Definitions};
use crate::task::Task;
use config::{SinkConfig, SourceConfig};
use sink::SinkTask;
use source::SourceTask;

/// Reads a file: `org.apache.kafka.connect.file.FileStreamSourceConnector`.
#[derive(Debug, Clone, Copy)]
pub struct FileStreamSource;

impl ConnectorClass for FileStreamSource {
    fn names(&self) -> &'static [&'static str] {
        &[
            "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "FileStreamSourceConnector",
            "FileStreamSource",
        ]
    }

    fn task_class(&self) -> &'static str {
        "org.apache.kafka.connect.file.FileStreamSourceTask"
    }

    fn definitions(&self) -> &'static Definitions {
        definition::of_file_stream_sources()
    }

    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Source
    }

    /// A file is read in order, so there is one task however many are allowed.
    fn tasks(
        &self,
        name: &ConnectorName,
        mut settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
        let worker = &worker.for_connector(&mut settings)?;
        let config = SourceConfig::read(name, settings, worker)?;
        Ok(vec![Box::new(SourceTask::new(name, config, worker))])
    }

    fn check<'a>(&'a self, settings: Settings, around: Surroundings<'a>) -> CheckRun<'a> {
        Box::pin(check::source(settings, around))
    }
}

/// Writes a file: `org.apache.kafka.connect.file.FileStreamSinkConnector`.
#[derive(Debug, Clone, Copy)]
pub struct FileStreamSink;

impl ConnectorClass for FileStreamSink {
    fn names(&self) -> &'static [&'static str] {
        &[
            "org.apache.kafka.connect.file.FileStreamSinkConnector",
            "FileStreamSinkConnector",
            "FileStreamSink",
        ]
    }

    fn task_class(&self) -> &'static str {
        "org.apache.kafka.connect.file.FileStreamSinkTask"
    }

    fn definitions(&self) -> &'static Definitions {
        definition::of_file_stream_sinks()
    }

    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Sink
    }

    /// There is one file, so there is one task however many are allowed: those of Kafka Connect
    /// write into each other's lines.
    fn tasks(
        &self,
        name: &ConnectorName,
        mut settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
        let worker = &worker.for_connector(&mut settings)?;
        let config = SinkConfig::read(name, settings, worker)?;
        Ok(vec![Box::new(SinkTask::new(name, config, worker))])
    }

    fn check<'a>(&'a self, settings: Settings, around: Surroundings<'a>) -> CheckRun<'a> {
        Box::pin(std::future::ready(check::sink(settings, around)))
    }
}
