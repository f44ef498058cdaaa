//! Configuration: the pipeline file, and the flat settings that every connector reads.
//!
//! A connector's settings are what Kafka Connect has: a map from dotted names to text. The YAML
//! file may nest them; nesting is joined by dots, lists by commas. So a Connect JSON and a
//! pipeline file end up as the same [`Settings`].

mod listener;
mod pipeline;
mod settings;
mod variables;
mod yaml;

use std::collections::BTreeMap;
use std::time::Duration;

use schema::registry::RegistryConfig;

pub use listener::{Listener, Listeners};
pub use pipeline::{ConnectorConfig, PipelineConfig};
pub use settings::{ConfigError, Origin, Settings};

/// What all connectors of a process share.
#[derive(Clone)]
pub struct WorkerConfig {
    /// `group.id`: names consumer groups and transactional ids. Default `rowcast`.
    pub group_id: String,
    /// Properties for every Kafka client, `bootstrap.servers` among them, by librdkafka's names.
    pub kafka: BTreeMap<String, String>,
    /// `offset.storage.topic`: compacted topic with the source offsets. Default `rowcast-offsets`.
    pub offset_topic: String,
    /// `topic.creation.default.partitions`: partitions of the topics that rowcast creates, 1 to
    /// 10,000. Default 1, as Kafka's `num.partitions`.
    pub topic_partitions: i32,
    /// `topic.creation.default.replication.factor`: -1 for the broker's default, which is ours.
    pub topic_replication: i32,
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
        let config = Self {
            group_id: settings.text("group.id", "rowcast"),
            kafka,
            offset_topic: settings
                .topic_name("offset.storage.topic")?
                .unwrap_or_else(|| "rowcast-offsets".to_owned()),
            topic_partitions: settings.integer(
                "topic.creation.default.partitions",
                1,
                1..=10_000,
            )?,
            topic_replication: settings.integer(
                "topic.creation.default.replication.factor",
                -1,
                -1..=32_767,
            )?,
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
