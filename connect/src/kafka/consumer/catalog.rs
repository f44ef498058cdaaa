//! Which topics there are for a consumer, before it is one.

use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataTopic;
use regex::Regex;

use super::properties::patterns;
use super::{ConsumerConfig, Topics};
use crate::config::KAFKA_REQUEST_TIMEOUT;
use crate::kafka::KafkaError;
use crate::kafka::log::LogContext;

impl ConsumerConfig {
    /// The topics that it names, or those of the broker's that it matches now, in their order.
    ///
    /// # Errors
    ///
    /// Returns [`KafkaError`] when no broker answers.
    pub async fn topics_now(&self) -> Result<Vec<Arc<str>>, KafkaError> {
        match &self.topics {
            Topics::List(names) => Ok(names.iter().map(|name| name.as_str().into()).collect()),
            Topics::Regex(_) => {
                let config = self.clone();
                let asked = tokio::task::spawn_blocking(move || config.matching());
                asked.await.map_err(|_| KafkaError::Gone)?
            }
        }
    }

    /// Blocks its thread.
    fn matching(&self) -> Result<Vec<Arc<str>>, KafkaError> {
        let brokers = self.kafka.get("bootstrap.servers").cloned().unwrap_or_default();
        let failed = |error| KafkaError::of("list the topics", &brokers, error);
        let consumer: BaseConsumer<LogContext> =
            crate::kafka::client_config(&self.client_id, &self.kafka)
                .create_with_context(LogContext)
                .map_err(failed)?;
        let metadata = consumer.fetch_metadata(None, KAFKA_REQUEST_TIMEOUT).map_err(failed)?;
        Ok(select(&self.topics, metadata.topics().iter().map(MetadataTopic::name)))
    }
}

/// What only librdkafka's dialect of patterns can express matches nothing here.
fn select<'a>(topics: &Topics, names: impl Iterator<Item = &'a str>) -> Vec<Arc<str>> {
    let patterns: Vec<Regex> =
        patterns(topics).iter().filter_map(|pattern| Regex::new(pattern).ok()).collect();
    let mut found: Vec<Arc<str>> = names
        .filter(|name| patterns.iter().any(|pattern| pattern.is_match(name)))
        .map(Into::into)
        .collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_selects_whole_names() {
        let found = |pattern: &str| {
            let names = ["shop.db.b", "shop.db.a", "other.shop.db.a", "shop"];
            select(&Topics::Regex(pattern.to_owned()), names.into_iter())
        };

        assert_eq!(found("shop\\..*"), [Arc::from("shop.db.a"), Arc::from("shop.db.b")]);
        assert_eq!(found("^shop$|x"), [Arc::from("shop")]);
        assert!(found("(").is_empty());
    }
}
