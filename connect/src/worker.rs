//! A worker: connectors from a pipeline file, or one of several that share their connectors.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::future::join_all;
use schema::fault::{Disposition, Fault, chain};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::config::{ConfigError, PipelineConfig, WorkerConfig};
use crate::connector::{ConnectorClass, ConnectorName};
use crate::http::{self, Socket};
use crate::kafka::consumer::ConsumerError;
use crate::kafka::group::{Group, Subscriptions};
use crate::kafka::shared_log::{self, LogEvent, LogProducer};
use crate::kafka::{Admin, KafkaError};
use crate::runtime::{
    AfterHalt, Channels, Classes, Cluster, ConfigLog, ConfigRecord, ConnectorSettings, Herder,
    HerderError, Identity, Members, StatusRecord, TaskEnd, build,
};

/// Records that wait to be written in the background.
const WAITING_RECORDS: usize = 1_024;

/// How long a rebalance of the group is waited for, to see who is there: a worker that is missed takes
/// 6 s of it. Our choice.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Records of the status topic that are written at once: a source may meet thousands of topics.
const WRITTEN_AT_ONCE: usize = 256;

/// How long the last of them may take at the end of a process.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(5);

/// Why [`run`] ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// `stop` was cancelled, and all tasks ended in good order.
    Stopped,
    /// A task halted, or did not end in time.
    Failed,
}

/// A worker cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A setting is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The workers' topics are not as they have to be.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// This worker cannot be a member of its group.
    #[error("this worker cannot be a member of group {group}")]
    Group {
        /// `group.id`.
        group: String,
        /// Why.
        #[source]
        source: Box<ConsumerError>,
    },
    /// Workers of another cluster have the same group.
    #[error(
        "workers that do not share this worker's config topic are members of group {group}: they \
             have {topic}, expected {expected}"
    )]
    GroupOfOthers {
        /// `group.id`.
        group: String,
        /// What they have subscribed to.
        topic: String,
        /// What this worker's own cluster subscribes to.
        expected: String,
    },
    /// The topic of the connectors' settings has several partitions.
    #[error("config topic {topic} has {partitions} partitions, expected 1: records have no order")]
    ConfigTopicDivided {
        /// The topic.
        topic: String,
        /// How many it has.
        partitions: i32,
    },
}

impl Fault for WorkerError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Config(error) => error.disposition(),
            Self::Kafka(error) => error.disposition(),
            Self::Group { .. } | Self::GroupOfOthers { .. } | Self::ConfigTopicDivided { .. } => {
                Disposition::Halt
            }
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Kafka(error) => error.hint(),
            Self::Group { source, .. } => source.hint().or(Some(
                "a Kafka Connect cluster that is alive may have this `group.id`: stop it, or \
                 choose another one"
                    .into(),
            )),
            Self::GroupOfOthers { .. } => Some(
                "give each cluster a `group.id` of its own, and all workers of one cluster the same \
                 `config.storage.topic`"
                    .into(),
            ),
            Self::ConfigTopicDivided { .. } => {
                Some("name another topic as `config.storage.topic`, or none that exists".into())
            }
        }
    }
}

impl From<HerderError> for WorkerError {
    fn from(error: HerderError) -> Self {
        match error {
            HerderError::Log(error) => Self::Kafka(error),
            HerderError::Group { group, source } => Self::Group { group, source },
        }
    }
}

/// Runs all connectors of a pipeline until `stop` is cancelled or a task halts.
///
/// # Errors
///
/// Returns [`WorkerError`] when a connector's class or settings are not valid; nothing has been
/// started then.
pub async fn run(
    pipeline: PipelineConfig,
    classes: &'static [&'static dyn ConnectorClass],
    stop: CancellationToken,
) -> Result<Ended, WorkerError> {
    let mut connectors = Vec::new();
    for connector in pipeline.connectors {
        build::build(&connector.name, &connector.given, &pipeline.worker, classes)?;
        connectors.push((connector.name, connector.given));
    }
    let sockets = http::bind(&pipeline.worker.listeners).await?;
    let (log, events) = ConfigLog::in_memory();
    let worker = Worker::new(pipeline.worker, classes, &sockets, (log, events));
    worker.work((Members::Alone, AfterHalt::End), (sockets, connectors), stop).await
}

/// Runs the connectors that this worker has of all those of its cluster, until `stop` is cancelled.
///
/// # Errors
///
/// Returns [`WorkerError`] when it cannot be a member of its cluster.
pub async fn run_distributed(
    config: WorkerConfig,
    classes: &'static [&'static dyn ConnectorClass],
    stop: CancellationToken,
) -> Result<Ended, WorkerError> {
    let sockets = http::bind(&config.listeners).await?;
    let made = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(Ended::Stopped),
        made = until_prepared(&config) => made,
    };
    made?;
    let log = ConfigLog::in_topic(&config.cluster.config_topic, &config)?;
    let members = Members::join(&config, &config.cluster.slots_topic);
    let group = config.group_id.clone();
    let members = members.map_err(|error| HerderError::Group { group, source: Box::new(error) })?;
    let mut worker = Worker::new(config, classes, &sockets, log);
    worker.read_statuses()?;
    worker.work((members, AfterHalt::TryAgain), (sockets, Vec::new()), stop).await
}

/// Makes the workers' topics and looks at who is there; waits for Kafka.
async fn until_prepared(config: &WorkerConfig) -> Result<(), WorkerError> {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    loop {
        let prepared = async {
            make_topics(config).await?;
            check_group(config).await
        };
        match prepared.await {
            Err(WorkerError::Kafka(error)) if error.disposition() == Disposition::Retry => {
                let (error, hint) = (chain(&error), error.hint());
                tracing::warn!(error, hint = hint.as_deref(), "kafka is waited for");
                tokio::time::sleep(backoff.next_delay()).await;
            }
            made => return made,
        }
    }
}

async fn make_topics(config: &WorkerConfig) -> Result<(), WorkerError> {
    let admin = Admin::new(config)?;
    let cluster = &config.cluster;
    let compacted = [("cleanup.policy", "compact")];
    let (topic, copies) = (&cluster.config_topic, cluster.config_replication);
    let partitions = admin.ensure_topic(topic, 1, copies, &compacted).await?;
    if partitions != 1 {
        return Err(WorkerError::ConfigTopicDivided { topic: topic.clone(), partitions });
    }
    admin.check_offset_topic(topic).await?;
    let (topic, copies) = (&cluster.status_topic, cluster.status_replication);
    admin.ensure_topic(topic, cluster.status_partitions, copies, &compacted).await?;
    let (topic, copies) = (&cluster.slots_topic, cluster.config_replication);
    admin.ensure_topic(topic, cluster.slots, copies, &[]).await?;
    Ok(())
}

/// Refuses a group that workers with another config topic have: connectors of one name would have the
/// same transactional ids and consumer groups, and fence each other. The worker that comes later ends.
async fn check_group(config: &WorkerConfig) -> Result<(), WorkerError> {
    let group = Group::new(config, config.group_id.clone());
    let end = Instant::now() + SETTLED_WITHIN;
    loop {
        match group.subscriptions().await? {
            Subscriptions::Settled(topics) => {
                let expected = &config.cluster.slots_topic;
                let Some(topic) = topics.into_iter().find(|topic| topic != expected) else {
                    return Ok(());
                };
                let (group, expected) = (config.group_id.clone(), expected.clone());
                return Err(WorkerError::GroupOfOthers { group, topic, expected });
            }
            Subscriptions::Rebalancing if Instant::now() < end => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            // It ends in a rebalance for this worker in any case.
            Subscriptions::Rebalancing => return Ok(()),
        }
    }
}

/// What a worker is made of.
struct Worker {
    channels: Channels,
    cluster: Arc<Cluster>,
    records: mpsc::Receiver<ConfigRecord>,
    told: mpsc::Receiver<StatusRecord>,
    /// To the status topic; none in a process of its own.
    status_log: Option<LogProducer>,
}

impl Worker {
    fn new(
        config: WorkerConfig,
        classes: Classes,
        sockets: &[Socket],
        (log, events): (ConfigLog, mpsc::Receiver<LogEvent>),
    ) -> Self {
        let identity =
            Identity { id: worker_id(&config, sockets), config: Arc::new(config), classes };
        let (records_sender, records) = mpsc::channel(WAITING_RECORDS);
        let (told_sender, to_be_told) = mpsc::channel(WAITING_RECORDS);
        let (view, viewed) = watch::channel(Arc::default());
        let (local, located) = watch::channel(Arc::default());
        let (seen, statuses) = watch::channel(Arc::default());
        let channels = Channels {
            log: events,
            statuses: None,
            records: records_sender,
            told: told_sender,
            view,
            local,
            seen,
        };
        let requests = AtomicU64::new(0);
        let (view, local) = (viewed, located);
        let told = channels.told.downgrade();
        let cluster = Cluster { identity, log, view, local, statuses, told, requests };
        let cluster = Arc::new(cluster);
        Self { channels, cluster, records, told: to_be_told, status_log: None }
    }

    fn read_statuses(&mut self) -> Result<(), KafkaError> {
        let config = &self.cluster.identity.config;
        let topic = &config.cluster.status_topic;
        self.channels.statuses = Some(shared_log::read(topic, &config.kafka));
        self.status_log = Some(LogProducer::new(topic, &config.kafka)?);
        Ok(())
    }

    async fn work(
        self,
        (members, after_halt): (Members, AfterHalt),
        (sockets, connectors): (Vec<Socket>, Vec<(ConnectorName, ConnectorSettings)>),
        stop: CancellationToken,
    ) -> Result<Ended, WorkerError> {
        let Self { channels, cluster, records, told, status_log } = self;
        let tracker = TaskTracker::new();
        http::serve(sockets, &cluster, &tracker, &stop);
        tracker.close();
        let first = tokio::spawn(make_first(Arc::clone(&cluster), connectors));
        let records = tokio::spawn(write_records(Arc::clone(&cluster), records));
        let told = tokio::spawn(write_statuses(status_log, told));
        let identity = cluster.identity.clone();
        let herder = Herder::new(identity, channels, members, after_halt);
        let ended = herder.run(&stop).await;
        stop.cancel();
        first.abort();
        for writing in [records, told] {
            last_words(writing).await;
        }
        tracker.wait().await;
        Ok(match ended? {
            TaskEnd::Stopped => Ended::Stopped,
            TaskEnd::Failed => Ended::Failed,
        })
    }
}

/// The connectors of the pipeline file.
async fn make_first(cluster: Arc<Cluster>, connectors: Vec<(ConnectorName, ConnectorSettings)>) {
    let mut local = cluster.local.clone();
    if local.wait_for(|local| local.is_ready).await.is_err() {
        return;
    }
    let record = |(name, settings)| ConfigRecord::Connector {
        name,
        settings: Some(settings),
        creation: None,
    };
    if let Err(error) = cluster.append(connectors.into_iter().map(record)).await {
        tracing::error!(error = chain(&error), "the connectors of the file cannot be started");
    }
}

/// Writes what the herder wants written, each until it is there.
async fn write_records(cluster: Arc<Cluster>, mut records: mpsc::Receiver<ConfigRecord>) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    while let Some(record) = records.recv().await {
        while let Err(error) = cluster.log.append(&record).await {
            tracing::warn!(error = chain(&error), "the config topic cannot be written to");
            tokio::time::sleep(backoff.next_delay()).await;
        }
        backoff.reset();
    }
}

async fn write_statuses(log: Option<LogProducer>, mut told: mpsc::Receiver<StatusRecord>) {
    let mut batch = Vec::new();
    while told.recv_many(&mut batch, WRITTEN_AT_ONCE).await > 0 {
        let Some(log) = &log else {
            batch.clear();
            continue;
        };
        let written = batch.drain(..).map(async |record: StatusRecord| {
            let (key, value) = record.render();
            log.write(&key, value.as_deref()).await
        });
        // They begin in their order, which the producer keeps.
        for error in join_all(written).await.into_iter().filter_map(Result::err) {
            tracing::warn!(error = chain(&error), "the status topic cannot be written to");
        }
    }
}

async fn last_words(mut writing: JoinHandle<()>) {
    if tokio::time::timeout(LAST_WORDS_WITHIN, &mut writing).await.is_err() {
        writing.abort();
    }
}

/// `host:port`, by which Kafka Connect knows a worker: where others reach it.
fn worker_id(config: &WorkerConfig, sockets: &[Socket]) -> Arc<str> {
    let address = sockets.first().and_then(|socket| socket.local_addr().ok());
    let cluster = &config.cluster;
    let host = cluster.advertised_host.clone().or_else(|| {
        let address = address.filter(|address| !address.ip().is_unspecified())?;
        Some(address.ip().to_string())
    });
    let host = host.or_else(host_name).unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = cluster.advertised_port.or_else(|| Some(address?.port()));
    match port {
        Some(port) => format!("{host}:{port}").into(),
        // Without an endpoint several may be on one machine.
        None => format!("{host}/{}", std::process::id()).into(),
    }
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
