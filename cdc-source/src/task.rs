//! The connector class of MySQL and its one task.

use std::sync::Arc;

use connect::check::{CheckRun, Report, Surroundings, part};
use connect::config::{ConfigError, Settings, WorkerConfig};
use connect::connector::{ConnectorClass, ConnectorKind, ConnectorName};
use connect::control::TaskControl;
use connect::definition::Definitions;
use connect::task::{Task, TaskRun};
use tokio_util::sync::CancellationToken;

use crate::check;
use crate::config::{SourceConfig, definitions};
use crate::pipeline::Pipeline;

/// Captures MySQL: `io.debezium.connector.mysql.MySqlConnector`.
#[derive(Debug, Clone, Copy)]
pub struct MySqlConnector;

impl ConnectorClass for MySqlConnector {
    fn names(&self) -> &'static [&'static str] {
        &["mysql", "io.debezium.connector.mysql.MySqlConnector", "MySqlConnector"]
    }

    fn task_class(&self) -> &'static str {
        "io.debezium.connector.mysql.MySqlConnectorTask"
    }

    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Source
    }

    fn definitions(&self) -> &'static Definitions {
        definitions()
    }

    fn tasks(
        &self,
        name: &ConnectorName,
        settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
        let (config, worker) = read(name, settings, worker)?;
        let (name, config) = (name.clone(), Arc::new(config));
        let task = MySqlTask { name, config, worker, has_run: false };
        Ok(vec![Box::new(task)])
    }

    fn check<'a>(&'a self, settings: Settings, around: Surroundings<'a>) -> CheckRun<'a> {
        Box::pin(async move {
            match read(around.name, settings, around.worker) {
                Ok((config, worker)) => {
                    check::check(&config, Surroundings { worker: &worker, ..around }).await
                }
                Err(error) => Report::of_fault((part::SETTINGS, around.name.as_str()), &error),
            }
        })
    }
}

/// Reads a connector's settings, and the worker's as this connector has them.
fn read(
    name: &ConnectorName,
    mut settings: Settings,
    worker: &WorkerConfig,
) -> Result<(SourceConfig, WorkerConfig), ConfigError> {
    let worker = worker.for_connector(&mut settings)?;
    let config = SourceConfig::read(name.as_str(), &worker, &mut settings)?;
    if config.has_registry {
        worker.require_registry(name)?;
    }
    definitions().finish(settings)?;
    Ok((config, worker))
}

/// A binary log is read in order, so there is one task however many are allowed.
struct MySqlTask {
    name: ConnectorName,
    config: Arc<SourceConfig>,
    worker: WorkerConfig,
    /// Whether a run of it came as far as to have its tables copied.
    has_run: bool,
}

impl Task for MySqlTask {
    fn run<'a>(&'a mut self, stop: CancellationToken, control: &'a mut TaskControl) -> TaskRun<'a> {
        Box::pin(async move {
            let (name, config) = (self.name.clone(), Arc::clone(&self.config));
            let starting = Pipeline::start(name, config, &self.worker, !self.has_run);
            let pipeline = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                pipeline = starting => pipeline?,
            };
            self.has_run = true;
            Ok(Box::pin(pipeline.run(stop, control)).await?)
        })
    }
}
