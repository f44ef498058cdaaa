//! The sink's settings: Confluent's names where it has them.

mod append;
mod connection;
mod converters;
mod definitions;
mod delivery;
mod documents;
mod errors;
mod index;
mod large;
mod malformed;
mod opensearch;
mod transforms;

use connect::config::{ConfigError, Settings, read_topics};
use connect::definition::Definitions;
use connect::kafka::consumer::Topics;

pub use append::AppendConfig;
pub(crate) use connection::{Connection, Login, Proxy, TlsFiles};
pub use converters::{Converter, Converters};
pub(crate) use definitions::{aivens, confluents};
pub(crate) use delivery::DeliveryConfig;
pub use documents::{DocumentsConfig, DynamicTopics, FieldsConfig, TopicIndex};
pub(crate) use errors::{ErrorsConfig, RetryConfig, Tolerance};
pub(crate) use index::IndexConfig;
pub use index::{
    DecimalType, GeometryType, JsonType, Overrides, StringType, TypeChoices, VectorType,
};
pub use large::{LargeConfig, LargePolicy, TruncateConfig};
pub use malformed::{MalformedConfig, MalformedPolicy};
pub(crate) use opensearch::translate;

/// The settings of one sink.
#[derive(Clone)]
pub struct SinkConfig {
    /// `topics` or `topics.regex`, exactly one of them.
    pub topics: Topics,
    /// `tasks.max`: members of the consumer group in this process, 1 to 1,000. Default 1.
    pub tasks_max: usize,
    /// `consumer.override.group.id`. Default `connect-<name>`, as Kafka Connect has it.
    pub group_id: Option<String>,
    /// Where Elasticsearch is.
    pub connection: Connection,
    /// When a bulk request is sent.
    pub delivery: DeliveryConfig,
    /// What an index is made of.
    pub index: IndexConfig,
    /// What documents are made of.
    pub documents: DocumentsConfig,
    /// What becomes of documents that are too large.
    pub large: LargeConfig,
    /// What becomes of documents that do not fit their index.
    pub malformed: MalformedConfig,
    /// What becomes of records that cannot be read or transformed.
    pub(crate) errors: ErrorsConfig,
}

impl SinkConfig {
    /// Reads the settings of one sink.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for the first setting that is missing, unknown or out of its range.
    pub fn from_settings(settings: Settings) -> Result<Self, ConfigError> {
        Self::read(settings, confluents())
    }

    /// Reads the settings of a sink whose other settings `known` knows.
    pub(crate) fn read(mut settings: Settings, known: &Definitions) -> Result<Self, ConfigError> {
        refuse_what_loses_rows(&mut settings)?;
        let large = LargeConfig::from_settings(&mut settings)?;
        let index = IndexConfig::from_settings(&mut settings)?;
        let config = Self {
            topics: read_topics(&mut settings)?,
            tasks_max: settings.integer("tasks.max", 1, 1..=1_000)?,
            group_id: settings.optional("consumer.override.group.id"),
            connection: Connection::from_settings(&mut settings)?,
            delivery: DeliveryConfig::from_settings(&mut settings)?,
            documents: DocumentsConfig::from_settings(&mut settings, index.append)?,
            index,
            malformed: MalformedConfig::from_settings(&mut settings, large.dead_letters.is_some())?,
            large,
            errors: ErrorsConfig::from_settings(&mut settings)?,
        };
        if config.index.shared && !config.documents.transforms.is_empty() {
            let problem = "cannot be set beside `transforms`: a sweep would not find the documents \
                           of its topic";
            return Err(settings.error("index.shared", problem));
        }
        known.finish(settings)?;
        Ok(config)
    }
}

/// Settings of Confluent's sink with values under which an index does not become its table.
fn refuse_what_loses_rows(settings: &mut Settings) -> Result<(), ConfigError> {
    for (key, only, remedy) in [
        (
            "behavior.on.null.values",
            "delete",
            "must be `delete`: leave it out, a deleted row is a deleted document",
        ),
        (
            "external.version.header",
            "",
            "is not supported: leave it out, the version is the row's Lsn or its Kafka offset, which \
             never go back",
        ),
    ] {
        if settings.optional(key).is_some_and(|value| !value.eq_ignore_ascii_case(only)) {
            return Err(settings.error(key, remedy));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;
    use std::time::Duration;

    fn parse(pairs: &[(&str, &str)]) -> Result<SinkConfig, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let settings = Settings::new("connector `s`", Origin::PipelineFile, values);
        SinkConfig::from_settings(settings).map_err(|error| error.to_string())
    }

    const MINIMAL: [(&str, &str); 2] = [("topics", "a, b"), ("connection.url", "http://es:9200")];

    #[test]
    fn topics_and_a_url_are_enough() {
        let config = parse(&MINIMAL).unwrap();

        assert_eq!(config.topics, Topics::List(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(config.delivery.max_actions, 5_000);
        assert_eq!(config.connection.timeout, Duration::from_secs(61));
    }

    #[test]
    fn times_and_limits_are_read_as_confluent_has_them() {
        let idle = ("max.connection.idle.time.ms", "60000");
        let config = parse(&[MINIMAL[0], MINIMAL[1], idle, ("max.in.flight.requests", "500")]);
        let config = config.unwrap();

        assert_eq!(config.connection.max_idle, Duration::from_secs(60));
        assert_eq!(config.delivery.max_in_flight, 500);
    }

    #[test]
    fn settings_that_lose_rows_are_refused_with_the_remedy() {
        let with = |pair| parse(&[MINIMAL[0], MINIMAL[1], pair]).err().unwrap();

        assert!(with(("external.version.header", "v")).contains("is not supported"));
        assert!(with(("behavior.on.null.values", "ignore")).contains("must be `delete`"));
        assert!(with(("topics.regex", "x")).contains("beside `topics.regex`"));
        assert!(parse(&[MINIMAL[0], MINIMAL[1], ("write.method", "UPSERT")]).is_ok());
    }
}
