//! The sink as a connector class and its tasks.

use std::sync::Arc;

use connect::config::{ConfigError, Settings, WorkerConfig};
use connect::connector::{ConnectorClass, ConnectorKind, ConnectorName};
use connect::control::TaskControl;
use connect::kafka::consumer::{ConsumerConfig, SinkConsumer};
use connect::task::{Task, TaskRun};
use schema::registry::{Registry, RegistryConfig};
use tokio_util::sync::CancellationToken;

use crate::bulk::EsClient;
use crate::config::SinkConfig;
use crate::document::Documents;
use crate::error::SinkError;
use crate::mapping::Indices;
use crate::pipeline::{Pipeline, Stations};
use crate::sweep::{self, Sweeper};

/// The Elasticsearch sink.
#[derive(Debug, Clone, Copy, Default)]
pub struct ElasticsearchSink;

impl ConnectorClass for ElasticsearchSink {
    fn names(&self) -> &'static [&'static str] {
        &[
            "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
            "ElasticsearchSinkConnector",
            "elasticsearch",
        ]
    }

    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Sink
    }

    fn tasks(
        &self,
        name: &ConnectorName,
        settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
        let config = Arc::new(SinkConfig::from_settings(settings)?);
        let tasks = (0..config.tasks_max).map(|number| {
            let consumer = ConsumerConfig {
                client_id: format!("{}-{name}-{number}", worker.group_id),
                group_id: config.group_id.clone().unwrap_or_else(|| format!("connect-{name}")),
                kafka: worker.kafka.clone(),
                topics: config.topics.clone(),
            };
            let (config, registry) = (Arc::clone(&config), worker.registry.clone());
            Box::new(SinkTask { config, consumer, registry }) as Box<dyn Task>
        });
        Ok(tasks.collect())
    }
}

/// One member of the connector's consumer group.
struct SinkTask {
    config: Arc<SinkConfig>,
    consumer: ConsumerConfig,
    registry: RegistryConfig,
}

impl SinkTask {
    async fn work(&self, stop: &CancellationToken) -> Result<(), SinkError> {
        let SinkConfig { connection, index, batch, .. } = &*self.config;
        let client = Arc::new(EsClient::new(connection)?);
        let registry = Registry::new(&self.registry)?;
        let indices = Indices::new(Arc::clone(&client), index.clone());
        let documents = Documents::new(registry, indices, index);
        let watch = sweep::watch(self.consumer.clone());
        let sweeper = Sweeper::new(Arc::clone(&client), index.clone(), watch);
        let consumer = SinkConsumer::start(&self.consumer)?;
        let stations = Stations { documents, client, sweeper };
        Pipeline::new(consumer, stations, *batch).run(stop).await
    }
}

impl Task for SinkTask {
    fn run<'a>(&'a mut self, stop: CancellationToken, _: &'a mut TaskControl) -> TaskRun<'a> {
        Box::pin(async move { Ok(self.work(&stop).await?) })
    }
}
