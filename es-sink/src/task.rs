//! The sink as a connector class and its tasks.

use std::sync::Arc;

use connect::check::{CheckRun, Report, Surroundings, part};
use connect::config::{ConfigError, Settings, WorkerConfig};
use connect::connector::{ConnectorClass, ConnectorKind, ConnectorName};
use connect::control::TaskControl;
use connect::definition::Definitions;
use connect::java_client::Client;
use connect::kafka::consumer::{ConsumerConfig, SinkConsumer};
use connect::kafka::dead_letters::DeadLetters;
use connect::task::{Task, TaskRun};
use schema::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::bulk::Bulk;
use crate::check;
use crate::client::EsClient;
use crate::config::{SinkConfig, aivens, confluents, translate};
use crate::document::Documents;
use crate::error::SinkError;
use crate::mapping::{HandBack, HandedBack, Indices};
use crate::pipeline::{Pipeline, Stations};
use crate::start_check;
use crate::sweep::{self, Sweeper};
use crate::writer::{Writer, WriterConfig};

/// The Elasticsearch sink.
#[derive(Debug, Clone, Copy, Default)]
pub struct ElasticsearchSink;

impl ElasticsearchSink {
    /// What the settings of a sink say.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for the first setting that cannot be used.
    pub fn config(
        mut settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<SinkConfig, ConfigError> {
        worker.converters.fill(&mut settings);
        worker.for_connector(&mut settings)?;
        SinkConfig::read(settings, confluents())
    }

    /// Gives the indices of topics back to a sink whose versions are Kafka offsets.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] for what Elasticsearch refuses.
    pub async fn hand_back(
        config: &SinkConfig,
        topics: &[String],
        how: HandBack,
    ) -> Result<Vec<HandedBack>, SinkError> {
        let client = Arc::new(EsClient::new(&config.connection)?);
        let indices = Indices::new(client, config.index.clone());
        let mut handed = Vec::with_capacity(topics.len());
        for topic in topics {
            handed.push(indices.hand_back(topic, how).await?);
        }
        Ok(handed)
    }
}

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

    fn check<'a>(&'a self, settings: Settings, around: Surroundings<'a>) -> CheckRun<'a> {
        Box::pin(check_sink(Ok(settings), around, confluents()))
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

    fn check<'a>(&'a self, mut settings: Settings, around: Surroundings<'a>) -> CheckRun<'a> {
        let settings = translate(&mut settings).map(|()| settings);
        Box::pin(check_sink(settings, around, aivens()))
    }
}

/// Reads a connector's settings, and the worker's as this connector has them.
fn read(
    name: &ConnectorName,
    mut settings: Settings,
    worker: &WorkerConfig,
    known: &Definitions,
) -> Result<(Arc<SinkConfig>, WorkerConfig), ConfigError> {
    worker.converters.fill(&mut settings);
    let worker = worker.for_connector(&mut settings)?;
    let config = Arc::new(SinkConfig::read(settings, known)?);
    if config.documents.converters.need_registry() {
        worker.require_registry(name)?;
    }
    Ok((config, worker))
}

/// How a task reads its topics.
fn consumer(
    config: &SinkConfig,
    (name, number): (&ConnectorName, usize),
    worker: &WorkerConfig,
) -> ConsumerConfig {
    ConsumerConfig {
        client_id: format!("{}-{name}-{number}", worker.group_id),
        group_id: config.group_id.clone().unwrap_or_else(|| format!("connect-{name}")),
        kafka: worker.client(Client::Consumer),
        topics: config.topics.clone(),
        headers: config.documents.transforms_need_headers(),
    }
}

async fn check_sink(
    settings: Result<Settings, ConfigError>,
    around: Surroundings<'_>,
    known: &Definitions,
) -> Report {
    let Surroundings { name, worker, .. } = around;
    match settings.and_then(|settings| read(name, settings, worker, known)) {
        Ok((config, worker)) => {
            let consumer = consumer(&config, (name, 0), &worker);
            check::check(&config, &consumer, Surroundings { worker: &worker, ..around }).await
        }
        Err(error) => Report::of_fault((part::SETTINGS, name.as_str()), &error),
    }
}

fn sink_tasks(
    name: &ConnectorName,
    settings: Settings,
    worker: &WorkerConfig,
    known: &Definitions,
) -> Result<Vec<Box<dyn Task>>, ConfigError> {
    let (config, worker) = read(name, settings, worker, known)?;
    let tasks = (0..config.tasks_max).map(|number| {
        let consumer = consumer(&config, (name, number), &worker);
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
        let SinkConfig { connection, index, documents, delivery, large, malformed, errors, .. } =
            &*self.config;
        let client = Arc::new(EsClient::new(connection)?);
        let registry = Registry::new(&self.worker.registry)?;
        let indices = Indices::new(Arc::clone(&client), index.clone())
            .of_connector(&self.place.0.to_string());
        let mut documents = Documents::new(registry, indices, index, documents.clone())
            .waiting_for_the_registry(errors.retry);
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
        let mut consumer = SinkConsumer::start(&self.consumer)?;
        consumer.track(control.topics());
        let stations = Stations { documents, writer, sweeper, errors: *errors };
        Pipeline::new(consumer, stations, *delivery).run(stop, control).await
    }
}

impl Task for SinkTask {
    fn run<'a>(&'a mut self, stop: CancellationToken, control: &'a mut TaskControl) -> TaskRun<'a> {
        Box::pin(async move { Ok(self.work(&stop, control).await?) })
    }
}
