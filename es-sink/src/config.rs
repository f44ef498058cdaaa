//! The sink's settings: Confluent's names where it has them.

mod large;

use std::collections::BTreeMap;
use std::time::Duration;

use connect::config::{ConfigError, Settings};
use connect::kafka::consumer::Topics;
use secrecy::SecretString;

use crate::mapping::IndexTemplate;
pub use large::{LargeConfig, LargePolicy, TruncateConfig};

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
    pub batch: BatchConfig,
    /// What an index is made of.
    pub index: IndexConfig,
    /// What becomes of documents that are too large.
    pub large: LargeConfig,
}

/// Where Elasticsearch is and how to log in.
#[derive(Clone)]
pub struct Connection {
    /// `connection.url`: base URLs, taken in turn.
    pub urls: Vec<String>,
    /// `connection.username`: no login without it.
    pub username: Option<String>,
    /// `connection.password`.
    pub password: SecretString,
    /// `connection.timeout.ms` (1,000, 1 to 600,000) and `read.timeout.ms` together: longest time
    /// for one request. The read timeout is 1 ms to 3,600 s; default 60 s and not Confluent's 3 s:
    /// a request that is given up is sent again, so on a slow cluster a short time means for ever.
    pub timeout: Duration,
}

/// When a bulk request is sent: at whichever limit is reached first.
#[derive(Debug, Clone, Copy)]
pub struct BatchConfig {
    /// `batch.size`: actions, 1 to 1,000,000. Default 2,000, Confluent's.
    pub max_actions: usize,
    /// `bulk.size.bytes`: size of the body, 1 KiB to 100 MiB (`http.max_content_length`). Default
    /// 5 MiB, Confluent's.
    pub max_bytes: usize,
    /// `linger.ms`: age of the oldest action while no request is under way, 0 to 60 s. Default
    /// 1 ms, Confluent's. Under load batches grow by themselves while they wait for each other.
    pub linger: Duration,
}

/// What an index is made of.
#[derive(Debug, Clone)]
pub struct IndexConfig {
    /// `index.name`: template with `{topic}`, `{database}` and `{table}`, lower-cased. Default
    /// `{topic}`, Confluent's.
    pub name: IndexTemplate,
    /// `index.shared`: whether several topics write to one index. Then ids begin with the topic and
    /// each document has it in the field `__topic`. Default `false`: two topics whose names make
    /// the same index halt.
    pub shared: bool,
    /// `index.settings.*`: settings of indices that the sink creates. `gc_deletes` is `1h` unless
    /// it is set here: Elasticsearch forgets the version of a deleted document after that time,
    /// and an older write that came later would bring the document back.
    pub settings: BTreeMap<String, String>,
    /// `decimal.type`: what decimals are in the index. Default `double`.
    pub decimal: DecimalType,
    /// `json.type`: what JSON columns are in the index. Default `flattened`.
    pub json: JsonType,
}

/// What decimals are in the index. The document has all digits in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalType {
    /// `double`: numbers that can be compared and added up, exact to 15 digits. Confluent's.
    Double,
    /// `keyword`: compared as texts, exact.
    Keyword,
    /// `scaled_float` with the column's scale: exact to 18 digits.
    ScaledFloat,
}

/// What JSON columns are in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonType {
    /// `flattened`: one field that finds any key, however many keys there are. It takes objects
    /// only, so other values are written as `{"value": …}`.
    Flattened,
    /// `object`, mapped dynamically: full queries, but each new key is a new field, and two
    /// documents that disagree on a key's type stop the sink. Takes objects only, as above.
    Object,
    /// Not indexed, only returned: any JSON value as it is.
    Stored,
}

impl SinkConfig {
    /// Reads the settings of one sink.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for the first setting that is missing, unknown or out of its range.
    pub fn from_settings(mut settings: Settings) -> Result<Self, ConfigError> {
        refuse_what_loses_rows(&mut settings)?;
        let config = Self {
            topics: topics(&mut settings)?,
            tasks_max: settings.integer("tasks.max", 1, 1..=1_000)?,
            group_id: settings.optional("consumer.override.group.id"),
            connection: connection(&mut settings)?,
            batch: BatchConfig {
                max_actions: settings.integer("batch.size", 2_000, 1..=1_000_000)?,
                max_bytes: settings.integer("bulk.size.bytes", 5 << 20, 1 << 10..=100 << 20)?,
                linger: settings.duration_ms("linger.ms", 1, 0..=60_000)?,
            },
            index: index(&mut settings)?,
            large: LargeConfig::from_settings(&mut settings)?,
        };
        settings.finish()?;
        Ok(config)
    }
}

/// Settings of Confluent's sink with values under which an index does not become its table.
fn refuse_what_loses_rows(settings: &mut Settings) -> Result<(), ConfigError> {
    for (key, only, remedy) in [
        (
            "write.method",
            "upsert",
            "must be `upsert`: leave it out, whole rows are written under their primary key",
        ),
        (
            "key.ignore",
            "false",
            "must be `false`: leave it out, the row's key is the document's id",
        ),
        (
            "behavior.on.null.values",
            "delete",
            "must be `delete`: leave it out, a deleted row is a deleted document",
        ),
    ] {
        if settings.optional(key).is_some_and(|value| !value.eq_ignore_ascii_case(only)) {
            return Err(settings.error(key, remedy));
        }
    }
    Ok(())
}

fn topics(settings: &mut Settings) -> Result<Topics, ConfigError> {
    let list = settings.list("topics");
    match (list.is_empty(), settings.optional("topics.regex")) {
        (false, None) => Ok(Topics::List(list)),
        (true, Some(regex)) if !regex.is_empty() => Ok(Topics::Regex(regex)),
        (true, _) => Err(settings.error("topics", "is required, or `topics.regex` instead")),
        (false, Some(_)) => Err(settings.error("topics", "cannot be set beside `topics.regex`")),
    }
}

fn connection(settings: &mut Settings) -> Result<Connection, ConfigError> {
    let connect = settings.duration_ms("connection.timeout.ms", 1_000, 1..=600_000)?;
    let read = settings.duration_ms("read.timeout.ms", 60_000, 1..=3_600_000)?;
    Ok(Connection {
        urls: settings.required_list("connection.url")?,
        username: settings.optional("connection.username").filter(|name| !name.is_empty()),
        password: settings.secret("connection.password"),
        timeout: connect + read,
    })
}

fn index(settings: &mut Settings) -> Result<IndexConfig, ConfigError> {
    let template = settings.text("index.name", "{topic}");
    let name =
        IndexTemplate::parse(&template).map_err(|problem| settings.error("index.name", problem))?;
    Ok(IndexConfig {
        name,
        shared: settings.boolean("index.shared", false)?,
        settings: settings.with_prefix("index.settings."),
        decimal: settings.choice(
            "decimal.type",
            DecimalType::Double,
            &[
                ("double", DecimalType::Double),
                ("keyword", DecimalType::Keyword),
                ("scaled_float", DecimalType::ScaledFloat),
            ],
        )?,
        json: settings.choice(
            "json.type",
            JsonType::Flattened,
            &[
                ("flattened", JsonType::Flattened),
                ("object", JsonType::Object),
                ("stored", JsonType::Stored),
            ],
        )?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

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
        assert_eq!(config.batch.max_actions, 2_000);
        assert_eq!(config.connection.timeout, Duration::from_secs(61));
    }

    #[test]
    fn settings_that_lose_rows_are_refused_with_the_remedy() {
        let with = |pair| parse(&[MINIMAL[0], MINIMAL[1], pair]).err().unwrap();

        assert!(with(("write.method", "INSERT")).contains("must be `upsert`: leave it out"));
        assert!(with(("key.ignore", "true")).contains("must be `false`"));
        assert!(with(("behavior.on.null.values", "ignore")).contains("must be `delete`"));
        assert!(with(("topics.regex", "x")).contains("beside `topics.regex`"));
        assert!(parse(&[MINIMAL[0], MINIMAL[1], ("write.method", "UPSERT")]).is_ok());
    }
}
