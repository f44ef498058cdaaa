//! What the workers of a cluster share, by Kafka Connect's names where it has them.

use super::settings::{ConfigError, Settings};

/// The topics of a cluster's workers, and how others reach this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    /// `config.storage.topic`: the connectors' settings. Default `rowcast-configs`. One partition.
    pub config_topic: String,
    /// `config.storage.replication.factor`: its copies if rowcast makes it.
    pub config_replication: i32,
    /// `status.storage.topic`: how connectors and tasks are. Default `rowcast-status`.
    pub status_topic: String,
    /// `status.storage.partitions`: its partitions if rowcast makes it, 1 to 1,000. Default 5, Kafka
    /// Connect's.
    pub status_partitions: i32,
    /// `status.storage.replication.factor`: its copies if rowcast makes it.
    pub status_replication: i32,
    /// The topic whose partitions are the slots: the config topic's name and `-slots`.
    pub slots_topic: String,
    /// `worker.slots`: partitions of that topic if rowcast makes it, 1 to 1,000. Default 64: more than
    /// workers, so that each has about as many as any other.
    pub slots: i32,
    /// `topic.tracking.enable`: whether it is known which topics a connector works with. Default
    /// `true`, Kafka Connect's.
    pub tracks_topics: bool,
    /// `topic.tracking.allow.reset`: whether they can be forgotten. Default `true`, Kafka Connect's.
    pub forgets_topics: bool,
    /// `rest.advertised.host.name`: this worker's name for others. Default: the listener's address.
    pub advertised_host: Option<String>,
    /// `rest.advertised.port`. Default: the listener's.
    pub advertised_port: Option<u16>,
}

impl ClusterConfig {
    /// Reads the settings; `replication` is that of all other topics.
    pub(super) fn read(settings: &mut Settings, replication: i32) -> Result<Self, ConfigError> {
        let mut copies = |key: &str| settings.integer(key, replication, -1..=i16::MAX.into());
        let config_replication = copies("config.storage.replication.factor")?;
        let status_replication = copies("status.storage.replication.factor")?;
        let topic = settings.topic_name("config.storage.topic")?;
        let config_topic = topic.unwrap_or_else(|| "rowcast-configs".to_owned());
        let topic = settings.topic_name("status.storage.topic")?;
        let port = settings.integer("rest.advertised.port", 0, 0..=u16::MAX)?;
        Ok(Self {
            slots_topic: format!("{config_topic}-slots"),
            config_topic,
            config_replication,
            status_topic: topic.unwrap_or_else(|| "rowcast-status".to_owned()),
            status_partitions: settings.integer("status.storage.partitions", 5, 1..=1_000)?,
            status_replication,
            slots: settings.integer("worker.slots", 64, 1..=1_000)?,
            tracks_topics: settings.boolean("topic.tracking.enable", true)?,
            forgets_topics: settings.boolean("topic.tracking.allow.reset", true)?,
            advertised_host: settings
                .optional("rest.advertised.host.name")
                .filter(|host| !host.is_empty()),
            advertised_port: Some(port).filter(|port| *port != 0),
        })
    }
}
