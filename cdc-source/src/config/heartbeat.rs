//! The settings of heartbeats.

use std::time::Duration;

use connect::config::{ConfigError, Settings};

/// What the settings say of heartbeats.
#[derive(Debug, Clone)]
pub(crate) struct HeartbeatConfig {
    /// `heartbeat.interval.ms`.
    pub(crate) interval: Duration,
    /// `heartbeat.topics.prefix`, a dot and `topic.prefix`.
    pub(crate) topic: String,
    /// `heartbeat.action.query`.
    pub(crate) query: Option<String>,
}

impl HeartbeatConfig {
    /// Reads the settings; `None` without an interval.
    pub(crate) fn read(
        topic_prefix: &str,
        settings: &mut Settings,
    ) -> Result<Option<Self>, ConfigError> {
        let interval = settings.duration_ms("heartbeat.interval.ms", 0, 0..=86_400_000)?;
        // The second name is that of Debezium's naming strategies.
        let prefix = settings.topic_name("heartbeat.topics.prefix")?;
        let prefix = settings.topic_name("topic.heartbeat.prefix")?.or(prefix);
        let query = settings.optional("heartbeat.action.query");
        let prefix = prefix.as_deref().unwrap_or("__debezium-heartbeat");
        let topic = format!("{prefix}.{topic_prefix}");
        Ok((!interval.is_zero()).then_some(Self { interval, topic, query }))
    }
}
