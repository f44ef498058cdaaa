//! Configuration: the pipeline file, and the flat settings that every connector reads.
//!
//! A connector's settings are what Kafka Connect has: a map from dotted names to text. The YAML
//! file may nest them; nesting is joined by dots, lists by commas. So a Connect JSON and a
//! pipeline file end up as the same [`Settings`].

mod listener;
mod pipeline;
mod settings;
mod topics;
mod variables;
mod yaml;

use std::collections::BTreeMap;
use std::time::Duration;

use schema::registry::RegistryConfig;

pub use listener::{Listener, Listeners};
pub use pipeline::{ConnectorConfig, PipelineConfig};
pub use settings::{ConfigError, Origin, Settings};
pub use topics::{TopicCreation, TopicRules};
pub use variables::properties;

/// How often a source's record can be in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Records and offsets are one Kafka transaction.
    ExactlyOnce,
    /// Offsets are written after the records that they cover: a crash repeats records.
    AtLeastOnce,
}

/// What all connectors of a process share.
#[derive(Clone)]
pub struct WorkerConfig {
    /// `group.id`: names consumer groups and transactional ids. Default `rowcast`.
    pub group_id: String,
    /// Properties for every Kafka client, `bootstrap.servers` among them, by librdkafka's names.
    pub kafka: BTreeMap<String, String>,
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
    /// The schema registry.
    pub registry: RegistryConfig,
    /// `listeners`: where the HTTP endpoint listens.
    pub listeners: Listeners,
}

impl WorkerConfig {
    /// Reads the settings that are not any connector's.
    fn from_settings(mut settings: Settings) -> Result<Self, ConfigError> {
        let registry = RegistryConfig {
            urls: registry_urls(&mut settings)?,
            basic_auth: basic_auth(&mut settings)?,
            timeout: settings.duration_ms("schema.registry.timeout.ms", 10_000, 100..=600_000)?,
        };
        let mut kafka = settings.with_prefix("kafka.");
        crate::kafka::check_properties(&kafka)
            .map_err(|found| settings.error(&format!("kafka.{}", found.property), found.problem))?;
        kafka.insert("bootstrap.servers".to_owned(), settings.required("bootstrap.servers")?);
        let topics = TopicCreation::read(&mut settings, &TopicCreation::default())?;
        let config = Self {
            group_id: settings.text("group.id", "rowcast"),
            kafka,
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
            topics,
            registry,
            listeners: Listeners::read(&mut settings)?,
        };
        settings.finish()?;
        Ok(config)
    }
}

/// `schema.registry.url`: addresses, which are shown in messages, so they may hold no password.
fn registry_urls(settings: &mut Settings) -> Result<Vec<String>, ConfigError> {
    const KEY: &str = "schema.registry.url";
    let urls = settings.required_list(KEY)?;
    for url in &urls {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let Some(rest) = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/')) else {
            let problem = "expected an address that begins with http:// or https://";
            return Err(settings.error(KEY, problem));
        };
        if rest.split('/').next().is_some_and(|host| host.contains('@')) {
            let problem = "has a user or password in it; give them as \
                           `schema.registry.basic.auth.user.info`";
            return Err(settings.error(KEY, problem));
        }
    }
    Ok(urls)
}

/// `schema.registry.basic.auth.user.info`: `user:password`, as Confluent's clients have it.
fn basic_auth(settings: &mut Settings) -> Result<Option<(String, String)>, ConfigError> {
    const KEY: &str = "schema.registry.basic.auth.user.info";
    let Some(info) = settings.optional(KEY) else { return Ok(None) };
    let (user, password) =
        info.split_once(':').ok_or_else(|| ConfigError::new(KEY, "expected user:password"))?;
    Ok(Some((user.to_owned(), password.to_owned())))
}

/// Longest wait for one answer of a Kafka broker before the call counts as failed.
pub const KAFKA_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
