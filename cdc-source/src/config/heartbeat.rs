//! The settings of heartbeats.

use std::time::Duration;

use connect::config::{ConfigError, Origin, Settings};

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
        // Debezium takes it and never runs it.
        if interval.is_zero() && query.is_some() && settings.origin() == Origin::PipelineFile {
            let problem = "needs `heartbeat.interval.ms`, without which it would never run";
            return Err(settings.error("heartbeat.action.query", problem));
        }
        Ok((!interval.is_zero()).then_some(Self { interval, topic, query }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        origin: Origin,
        values: &[(&str, &str)],
    ) -> Result<Option<HeartbeatConfig>, ConfigError> {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        HeartbeatConfig::read("shop", &mut Settings::new("x", origin, values.collect()))
    }

    #[test]
    fn the_topic_has_debeziums_name_or_the_chosen_one() {
        let topic = |chosen: &[(&str, &str)]| {
            let values = [&[("heartbeat.interval.ms", "5")], chosen].concat();
            read(Origin::PipelineFile, &values).unwrap().unwrap().topic
        };

        assert_eq!(topic(&[]), "__debezium-heartbeat.shop");
        assert_eq!(topic(&[("heartbeat.topics.prefix", "beat")]), "beat.shop");
        assert_eq!(topic(&[("topic.heartbeat.prefix", "beat")]), "beat.shop");
        assert!(read(Origin::PipelineFile, &[]).unwrap().is_none());
    }

    #[test]
    fn a_statement_that_would_never_run_is_refused_in_a_file_of_ours() {
        let query = [("heartbeat.action.query", "SELECT 1")];

        let refused = read(Origin::PipelineFile, &query).unwrap_err().to_string();
        assert!(refused.contains("heartbeat.interval.ms"), "{refused}");
        assert!(read(Origin::Connect, &query).unwrap().is_none());
    }
}
