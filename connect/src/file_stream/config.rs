//! The settings of both, by Kafka Connect's names.

use super::chain::{ChainConfig, tolerates};
use crate::config::{ConfigError, Delivery, Settings, TopicCreation, WorkerConfig, read_topics};
use crate::connector::ConnectorName;
use crate::converter::{Converter, Converters};
use crate::definition;
use crate::kafka::consumer::Topics;

/// The settings of a source.
#[derive(Debug, Clone)]
pub(super) struct SourceConfig {
    /// `file`: the file's path, which is also its name in the offset.
    pub(super) file: String,
    /// `topic`: where its lines go.
    pub(super) topic: String,
    /// `batch.size`: most lines that are handed over at once. Default 2,000, Connect's.
    pub(super) batch_size: usize,
    /// `value.converter`: what the records' bytes are.
    pub(super) converter: Converter,
    /// `exactly.once`: whether lines and position are one Kafka transaction.
    pub(super) delivery: Delivery,
    /// `topic.creation.*`: how the topic is made.
    pub(super) creation: TopicCreation,
    /// `transforms` and what belongs to them; none without.
    pub(super) chain: Option<ChainConfig>,
    /// `errors.tolerance`: whether a line that fails on its way through transforms is skipped.
    pub(super) tolerates: bool,
}

impl SourceConfig {
    pub(super) fn read(
        connector: &ConnectorName,
        mut settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Self, ConfigError> {
        let Some(file) = settings.optional("file").filter(|file| !file.is_empty()) else {
            let problem = "is required: rowcast does not read its standard input, whose lines have no \
                           position to go on at; write them to a file and name it";
            return Err(settings.error("file", problem));
        };
        let Some(topic) = settings.topic_name("topic")? else {
            return Err(settings.error("topic", "is required"));
        };
        let (converters, chain) = converters(connector, &mut settings, worker)?;
        let config = Self {
            file,
            topic,
            batch_size: settings.integer("batch.size", 2_000, 1..=1_000_000)?,
            converter: converters.value,
            chain,
            tolerates: tolerates(&mut settings)?,
            delivery: Delivery::read(worker, &mut settings)?,
            creation: TopicCreation::read(&mut settings, &worker.topics)?,
        };
        read_tasks_max(&mut settings)?;
        definition::of_file_stream_sources().finish(settings)?;
        Ok(config)
    }
}

/// The settings of a sink.
#[derive(Debug, Clone)]
pub(super) struct SinkConfig {
    /// `file`: the file's path. Without it, standard output.
    pub(super) file: Option<String>,
    /// `topics` or `topics.regex`: whose records become lines.
    pub(super) topics: Topics,
    /// `consumer.override.group.id`. Default `connect-<name>`, as Kafka Connect has it.
    pub(super) group_id: String,
    /// `value.converter`: what the records' bytes are.
    pub(super) converter: Converter,
    /// `transforms` and what belongs to them; none without.
    pub(super) chain: Option<ChainConfig>,
    /// `errors.tolerance`: whether a record that is no line is skipped.
    pub(super) tolerates: bool,
}

impl SinkConfig {
    pub(super) fn read(
        connector: &ConnectorName,
        mut settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Self, ConfigError> {
        let group_id = settings.optional("consumer.override.group.id");
        let (converters, chain) = converters(connector, &mut settings, worker)?;
        let config = Self {
            file: settings.optional("file").filter(|file| !file.is_empty()),
            topics: read_topics(&mut settings)?,
            group_id: group_id.unwrap_or_else(|| format!("connect-{connector}")),
            converter: converters.value,
            chain,
            tolerates: tolerates(&mut settings)?,
        };
        read_tasks_max(&mut settings)?;
        definition::of_file_stream_sinks().finish(settings)?;
        Ok(config)
    }
}

/// What keys and values are, and what they go through. Without transforms a line has no key, and the
/// keys' converter is only looked at.
fn converters(
    connector: &ConnectorName,
    settings: &mut Settings,
    worker: &WorkerConfig,
) -> Result<(Converters, Option<ChainConfig>), ConfigError> {
    worker.converters.fill(settings);
    let converters = Converters::read(settings)?;
    for (name, converter) in
        [("key.converter", converters.key), ("value.converter", converters.value)]
    {
        if matches!(converter, Converter::Registered(_)) {
            let problem = "must be `avro`, `json`, `string` or `bytes`: a line is one text";
            return Err(settings.error(name, problem));
        }
    }
    if converters.value == Converter::Avro {
        worker.require_registry(connector)?;
    }
    let chain = ChainConfig::read(connector, converters, settings, worker)?;
    Ok((converters, chain))
}

/// `tasks.max` allows more tasks than there are.
fn read_tasks_max(settings: &mut Settings) -> Result<(), ConfigError> {
    settings.integer("tasks.max", 1, 1..=1_000).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, PipelineConfig};

    fn worker(extra: &str) -> WorkerConfig {
        let text =
            format!("bootstrap.servers: k:1\n{extra}connectors:\n  x: {{connector.class: y}}\n");
        PipelineConfig::parse(&text, &|_| None).unwrap().worker
    }

    const JSON: &str = "value.converter: json\nkey.converter: json\n";
    const REGISTRY: &str = "schema.registry.url: http://r\n";

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::new("connector `f`", Origin::PipelineFile, values)
    }

    fn source(worker: &WorkerConfig, pairs: &[(&str, &str)]) -> Result<SourceConfig, String> {
        SourceConfig::read(&ConnectorName::new("f"), settings(pairs), worker)
            .map_err(|error| error.to_string())
    }

    fn sink(worker: &WorkerConfig, pairs: &[(&str, &str)]) -> Result<SinkConfig, String> {
        SinkConfig::read(&ConnectorName::new("f"), settings(pairs), worker)
            .map_err(|error| error.to_string())
    }

    /// `connect-file-source.properties` and `connect-file-sink.properties` of Kafka's own folder.
    #[test]
    fn the_first_example_is_enough() {
        let worker = worker(JSON);

        let source =
            source(&worker, &[("tasks.max", "1"), ("file", "test.txt"), ("topic", "connect-test")]);
        let sink = sink(
            &worker,
            &[("tasks.max", "1"), ("file", "test.sink.txt"), ("topics", "connect-test")],
        );

        let (source, sink) = (source.unwrap(), sink.unwrap());
        assert_eq!(
            (&*source.file, &*source.topic, source.batch_size),
            ("test.txt", "connect-test", 2_000)
        );
        assert_eq!(source.converter, Converter::Json { schemas: true });
        assert_eq!(source.delivery, Delivery::ExactlyOnce);
        assert_eq!(sink.topics, Topics::List(vec!["connect-test".to_owned()]));
        assert_eq!((sink.file.as_deref(), &*sink.group_id), (Some("test.sink.txt"), "connect-f"));
    }

    #[test]
    fn mistakes_are_named_with_what_is_expected() {
        let json = worker(JSON);
        let whole = [("file", "a"), ("topic", "t")];
        let with = |pair| [whole[0], whole[1], pair];

        for (pairs, expected) in [
            (vec![whole[1]], "`file` is required: rowcast does not read its standard input"),
            (vec![("file", ""), whole[1]], "`file` is required"),
            (vec![whole[0]], "`topic` is required"),
            (vec![whole[0], ("topic", "a,b")], "`topic` expected letters"),
            (with(("batch.size", "0")).to_vec(), "`batch.size` expected a number from 1"),
            (with(("tasks.max", "x")).to_vec(), "`tasks.max` expected a number"),
            (with(("topics", "t")).to_vec(), "`topics` is not a known setting"),
            (with(("exactly.once", "yes")).to_vec(), "`exactly.once` expected one of"),
        ] {
            let found = source(&json, &pairs).unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
        assert!(sink(&json, &[("file", "a")]).unwrap_err().contains("`topics` is required"));
        assert!(sink(&json, &[("topics", "t"), ("topic", "t")]).is_err());
        assert_eq!(sink(&json, &[("topics", "t")]).unwrap().file, None);
    }

    #[test]
    fn avro_needs_a_registry_and_nothing_else_does() {
        let whole = [("file", "a"), ("topic", "t"), ("value.converter", "avro")];

        let without = source(&worker(""), &whole).unwrap_err();

        assert!(without.contains("`schema.registry.url` is required: connector `f`"), "{without}");
        assert!(source(&worker(REGISTRY), &whole).is_ok());
        assert!(source(&worker(REGISTRY), &whole[..2]).unwrap().converter == Converter::Avro);
        assert!(sink(&worker(""), &[("topics", "t"), ("value.converter", "string")]).is_ok());
    }
}
