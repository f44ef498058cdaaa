//! The sink as a connector class and its tasks.

use std::sync::Arc;

use connect::config::{ConfigError, Settings, WorkerConfig};
use connect::connector::{ConnectorClass, ConnectorKind, ConnectorName};
use connect::control::TaskControl;
use connect::definition::Definitions;
use connect::kafka::consumer::{ConsumerConfig, SinkConsumer};
use connect::kafka::dead_letters::DeadLetters;
use connect::task::{Task, TaskRun};
use schema::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::bulk::Bulk;
use crate::client::EsClient;
use crate::config::{SinkConfig, aivens, confluents, translate};
use crate::document::Documents;
use crate::error::SinkError;
use crate::mapping::Indices;
use crate::pipeline::{Pipeline, Stations};
use crate::start_check;
use crate::sweep::{self, Sweeper};
use crate::writer::{Writer, WriterConfig};

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

    fn task_class(&self) -> &'static str {
        "io.confluent.connect.elasticsearch.ElasticsearchSinkTask"
    }

    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Sink
    }

    fn definitions(&self) -> &'static Definitions {
        confluents()
    }

    fn tasks(
        &self,
        name: &ConnectorName,
        settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
        sink_tasks(name, settings, worker, confluents())
    }
}

/// The same by the names of Aiven's sink for OpenSearch:
/// `io.aiven.kafka.connect.opensearch.OpenSearchSinkConnector`.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenSearchSink;

impl ConnectorClass for OpenSearchSink {
    fn names(&self) -> &'static [&'static str] {
        &[
            "io.aiven.kafka.connect.opensearch.OpenSearchSinkConnector",
            "OpenSearchSinkConnector",
            "opensearch",
        ]
    }

    fn task_class(&self) -> &'static str {
        "io.aiven.kafka.connect.opensearch.OpenSearchSinkTask"
    }

    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Sink
    }

    fn definitions(&self) -> &'static Definitions {
        aivens()
    }

    fn tasks(
        &self,
        name: &ConnectorName,
        mut settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
        translate(&mut settings)?;
        sink_tasks(name, settings, worker, aivens())
    }
}

fn sink_tasks(
    name: &ConnectorName,
    mut settings: Settings,
    worker: &WorkerConfig,
    known: &Definitions,
) -> Result<Vec<Box<dyn Task>>, ConfigError> {
    worker.converters.fill(&mut settings);
    let worker = worker.for_connector(&mut settings)?;
    let config = Arc::new(SinkConfig::read(settings, known)?);
    if config.documents.converters.need_registry() {
        worker.require_registry(name)?;
    }
    let tasks = (0..config.tasks_max).map(|number| {
        let consumer = ConsumerConfig {
            client_id: format!("{}-{name}-{number}", worker.group_id),
            group_id: config.group_id.clone().unwrap_or_else(|| format!("connect-{name}")),
            kafka: worker.kafka.clone(),
            topics: config.topics.clone(),
            headers: !config.documents.transforms.is_empty(),
        };
        let (config, worker) = (Arc::clone(&config), worker.clone());
        let place = (name.clone(), number);
        Box::new(SinkTask { config, consumer, worker, place }) as Box<dyn Task>
    });
    Ok(tasks.collect())
}

/// One member of the connector's consumer group.
struct SinkTask {
    config: Arc<SinkConfig>,
    consumer: ConsumerConfig,
    worker: WorkerConfig,
    /// The connector's name and the task's number.
    place: (ConnectorName, usize),
}

impl SinkTask {
    async fn work(
        &self,
        stop: &CancellationToken,
        control: &mut TaskControl,
    ) -> Result<(), SinkError> {
        let SinkConfig { connection, index, documents, delivery, large, malformed, .. } =
            &*self.config;
        let client = Arc::new(EsClient::new(connection)?);
        let registry = Registry::new(&self.worker.registry)?;
        let indices = Indices::new(Arc::clone(&client), index.clone())
            .of_connector(&self.place.0.to_string());
        let mut documents = Documents::new(registry, indices, index, documents.clone());
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            checked = start_check::check(&mut documents, &self.consumer) => checked?,
        }
        let watch = sweep::watch(self.consumer.clone());
        let meter = Arc::default();
        let bulk = Arc::new(Bulk::new(client, delivery.pace(), meter));
        let sweeper = Sweeper::new(Arc::clone(&bulk), index.clone(), watch);
        let letters = large.dead_letters.as_ref().map(|config| {
            DeadLetters::new(self.worker.clone(), config.clone(), self.place.clone())
        });
        let config = WriterConfig { large: large.clone(), malformed: *malformed };
        let writer = Writer::new(bulk, config, letters);
        let consumer = SinkConsumer::start(&self.consumer)?;
        let stations = Stations { documents, writer, sweeper };
        Pipeline::new(consumer, stations, *delivery).run(stop, control).await
    }
}

impl Task for SinkTask {
    fn run<'a>(&'a mut self, stop: CancellationToken, control: &'a mut TaskControl) -> TaskRun<'a> {
        Box::pin(async move { Ok(self.work(&stop, control).await?) })
    }
}
