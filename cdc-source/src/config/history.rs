//! Where Debezium keeps its schema history.

use connect::config::{ConfigError, Settings};

/// The topic of Debezium's schema history, which is read where a stream is taken over.
#[derive(Debug, Clone)]
pub(crate) struct HistoryTopic {
    /// `schema.history.internal.kafka.topic`.
    pub(crate) topic: String,
    /// `schema.history.internal.kafka.bootstrap.servers`. Default the worker's brokers.
    pub(crate) bootstrap: Option<String>,
}

impl HistoryTopic {
    /// Reads the settings; the inner error is why there is no topic.
    pub(super) fn read(settings: &mut Settings) -> Result<Result<Self, &'static str>, ConfigError> {
        const KAFKA: &str = "KafkaSchemaHistory";
        let class = settings.optional("schema.history.internal");
        let topic = settings.topic_name("schema.history.internal.kafka.topic")?;
        let bootstrap = settings.optional("schema.history.internal.kafka.bootstrap.servers");
        if class.is_some_and(|class| !class.ends_with(KAFKA)) {
            return Ok(Err(
                "debezium's schema history is not in kafka (`schema.history.internal`)",
            ));
        }
        let none = "`schema.history.internal.kafka.topic` does not name debezium's schema history";
        Ok(topic.map(|topic| Self { topic, bootstrap }).ok_or(none))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    fn read(values: &[(&str, &str)]) -> Result<HistoryTopic, &'static str> {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut settings = Settings::new("x", Origin::Connect, values.collect());
        HistoryTopic::read(&mut settings).unwrap()
    }

    #[test]
    fn the_history_is_read_from_kafka_and_nowhere_else() {
        let (class, topic) = ("schema.history.internal", "schema.history.internal.kafka.topic");
        let brokers = ("schema.history.internal.kafka.bootstrap.servers", "k:9092");

        let found = read(&[(topic, "history"), brokers]).unwrap();
        let kafka = "io.debezium.storage.kafka.history.KafkaSchemaHistory";
        let file = "io.debezium.storage.file.history.FileSchemaHistory";

        assert_eq!((found.topic.as_str(), found.bootstrap.as_deref()), ("history", Some("k:9092")));
        assert_eq!(read(&[(topic, "h"), (class, kafka)]).unwrap().bootstrap, None);
        assert!(read(&[(topic, "h"), (class, file)]).unwrap_err().contains("not in kafka"));
        assert!(read(&[brokers]).unwrap_err().contains(topic));
    }
}
