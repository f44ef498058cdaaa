//! The connector class of MySQL and its one task.

use std::sync::Arc;

use connect::config::{ConfigError, Settings, WorkerConfig};
use connect::connector::{ConnectorClass, ConnectorKind, ConnectorName};
use connect::control::TaskControl;
use connect::task::{Task, TaskRun};
use tokio_util::sync::CancellationToken;

use crate::config::SourceConfig;
use crate::pipeline::Pipeline;

/// Captures MySQL: `io.debezium.connector.mysql.MySqlConnector`.
#[derive(Debug, Clone, Copy)]
pub struct MySqlConnector;

impl ConnectorClass for MySqlConnector {
    fn names(&self) -> &'static [&'static str] {
        &["mysql", "io.debezium.connector.mysql.MySqlConnector", "MySqlConnector"]
    }

    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Source
    }

    fn tasks(
        &self,
        name: &ConnectorName,
        mut settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
        let config = SourceConfig::read(name.as_str(), &worker.group_id, &mut settings)?;
        settings.finish()?;
        let task =
            MySqlTask { name: name.clone(), config: Arc::new(config), worker: worker.clone() };
        Ok(vec![Box::new(task)])
    }
}

/// A binary log is read in order, so there is one task however many are allowed.
struct MySqlTask {
    name: ConnectorName,
    config: Arc<SourceConfig>,
    worker: WorkerConfig,
}

impl Task for MySqlTask {
    fn run<'a>(&'a mut self, stop: CancellationToken, control: &'a mut TaskControl) -> TaskRun<'a> {
        Box::pin(async move {
            let starting =
                Pipeline::start(self.name.clone(), Arc::clone(&self.config), &self.worker);
            let pipeline = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                pipeline = starting => pipeline?,
            };
            Ok(pipeline.run(stop, control).await?)
        })
    }
}
