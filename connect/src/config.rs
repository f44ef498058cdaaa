//! Configuration: the pipeline file, and the flat settings that every connector reads.
//!
//! A connector's settings are what Kafka Connect has: a map from dotted names to text. The YAML
//! file may nest them; nesting is joined by dots, lists by commas. So a Connect JSON and a
//! pipeline file end up as the same [`Settings`].

mod bearer;
mod clients;
mod cluster;
mod connector_registry;
mod delivery;
mod listener;
mod metric_names;
mod pipeline;
mod properties;
mod providers;
mod registry;
mod security;
mod settings;
mod sink_topics;
mod topics;
mod transforms;
mod variables;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schema::registry::RegistryConfig;

use crate::connector::ConnectorName;
use crate::converter::ConverterDefaults;
use crate::java_client::Client;

pub use clients::ClientOverrides;
pub use cluster::ClusterConfig;
pub use delivery::Delivery;
pub use listener::{Listener, Listeners};
pub use metric_names::MetricNames;
pub use pipeline::{ConnectorConfig, PipelineConfig};
pub use providers::Providers;
pub use security::{Authentication, HttpSecurity, HttpsFiles, KeyStore, TrustStore};
pub use settings::{ConfigError, Leftover, Origin, Settings};
pub use sink_topics::read_topics;
pub use topics::{TopicCreation, TopicRules};
pub use transforms::read_transforms;
use variables::Variables;
pub use variables::properties;

/// What all connectors of a process share.
#[derive(Clone)]
pub struct WorkerConfig {
    /// `group.id`: names consumer groups and transactional ids. Default `rowcast`.
    pub group_id: String,
    /// Properties for every Kafka client, `bootstrap.servers` among them, by librdkafka's names.
    pub kafka: BTreeMap<String, String>,
    /// What single kinds of clients are told beside these.
    pub clients: ClientOverrides,
    /// `offset.storage.topic`: compacted topic with the source offsets. Default `rowcast-offsets`.
    pub offset_topic: String,
    /// `offset.storage.partitions`: its partitions if rowcast makes it, 1 to 1,000. Default 1, not
    /// Kafka Connect's 25: each commit writes a few offsets, and each partition that it touches
    /// costs a marker.
    pub offset_partitions: i32,
    /// `offset.storage.replication.factor`: its copies if rowcast makes it. Default: those of all
    /// other topics.
    pub offset_replication: i32,
    /// `exactly.once.source.support`: whether sources write in transactions. Default `enabled`.
    pub delivery: Delivery,
    /// `topic.creation.*`: how topics are made.
    pub topics: TopicCreation,
    /// The schema registry. It has no addresses if none were given.
    pub registry: RegistryConfig,
    /// `key.converter` and `value.converter`: those of connectors that name none.
    pub converters: ConverterDefaults,
    /// `listeners`: where the HTTP endpoint listens.
    pub listeners: Listeners,
    /// `metrics.names`: under whose names metrics are told. Default: ours.
    pub metrics_names: MetricNames,
    /// What it shares with the other workers of its cluster.
    pub cluster: ClusterConfig,
    /// `config.providers`: who has values for variables in the settings of connectors.
    pub providers: Arc<Providers>,
}

impl WorkerConfig {
    /// The properties of a client for records: those of all, and over them those of its kind.
    #[must_use]
    pub fn client(&self, client: Client) -> BTreeMap<String, String> {
        self.clients.over(client, &self.kafka)
    }

    /// The same with what a connector may have of its own: the registry of its converters, and its
    /// clients.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for the first setting that is out of its range.
    pub fn for_connector(&self, settings: &mut Settings) -> Result<Self, ConfigError> {
        let registry = connector_registry::read(settings, &self.registry, &self.kafka)?;
        let clients = self.clients.of_connector(settings)?;
        Ok(Self { registry, clients, ..self.clone() })
    }

    /// Reads them as they were given; `named` says in errors where that was.
    pub(crate) fn of_given(
        named: Settings,
        mut given: BTreeMap<String, String>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let providers = Providers::take(&named, &mut given, environment)?;
        let variables = Variables { environment, providers: &providers };
        let config = Self::from_settings(named.resolved(&given, variables)?)?;
        Ok(Self { providers: Arc::new(providers), ..config })
    }

    /// Reads the settings that are not any connector's.
    pub(crate) fn from_settings(mut settings: Settings) -> Result<Self, ConfigError> {
        let registry = registry::read(&mut settings)?;
        let mut kafka = settings.with_prefix("kafka.");
        crate::kafka::check_properties(&kafka)
            .map_err(|found| settings.error(&format!("kafka.{}", found.property), found.problem))?;
        kafka.insert("bootstrap.servers".to_owned(), settings.required("bootstrap.servers")?);
        let topics = TopicCreation::of_worker(&mut settings)?;
        let config = Self {
            group_id: settings.text("group.id", "rowcast"),
            kafka,
            clients: ClientOverrides::of_worker(&mut settings)?,
            offset_topic: settings
                .topic_name("offset.storage.topic")?
                .unwrap_or_else(|| "rowcast-offsets".to_owned()),
            offset_partitions: settings.integer("offset.storage.partitions", 1, 1..=1_000)?,
            offset_replication: settings.integer(
                "offset.storage.replication.factor",
                topics.replication(),
                -1..=i16::MAX.into(),
            )?,
            delivery: settings.choice(
                "exactly.once.source.support",
                Delivery::ExactlyOnce,
                &[
                    ("enabled", Delivery::ExactlyOnce),
                    ("disabled", Delivery::AtLeastOnce),
                    // Connect's half-way state while its workers are changed one by one.
                    ("preparing", Delivery::AtLeastOnce),
                ],
            )?,
            cluster: ClusterConfig::read(&mut settings, topics.replication())?,
            topics,
            registry,
            converters: ConverterDefaults::read(&mut settings)?,
            listeners: Listeners::read(&mut settings)?,
            metrics_names: MetricNames::read(&mut settings)?,
            providers: Arc::default(),
        };
        settings.finish()?;
        Ok(config)
    }

    /// Looks whether there is a registry, for a connector that cannot do without.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] if there is none.
    pub fn require_registry(&self, connector: &ConnectorName) -> Result<(), ConfigError> {
        if self.registry.urls.is_empty() {
            let problem = format!("is required: connector `{connector}` writes or reads Avro");
            return Err(ConfigError::new("schema.registry.url", problem));
        }
        Ok(())
    }
}

/// Longest wait for one answer of a Kafka broker before the call counts as failed.
pub const KAFKA_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
