//! What becomes of one connector.

use std::collections::BTreeMap;

use cdc_source::MySqlConnector;
use connect::config::PipelineConfig;
use connect::connector::ConnectorClass;
use connect::http::cluster::FoundConnector;
use connect::offsets::{ConnectorOffset, ConnectorOffsets};
use es_sink::ElasticsearchSink;
use schema::offset::{DebeziumCopies, StreamOffset};
use serde_json::Value;

use super::output::pipeline;
use super::worker::WorkerSettings;

/// The converter whose records rowcast's source writes.
const AVRO: &str = "io.confluent.connect.avro.AvroConverter";

/// Transforms of a sink that rowcast's does not need: it reads Debezium's envelope and whole keys.
const NEEDLESS: [&str; 4] = [
    "io.debezium.transforms.ExtractNewRecordState",
    "org.apache.kafka.connect.transforms.ExtractField$Key",
    "org.apache.kafka.connect.transforms.ValueToKey",
    "org.apache.kafka.connect.transforms.ExtractField$Value",
];

/// One connector of the cluster, and what rowcast makes of it.
pub(super) struct Verdict {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) state: String,
    pub(super) becomes: Becomes,
    /// Settings for rowcast; of one that is left out, what there is to be corrected.
    pub(super) config: Option<BTreeMap<String, String>>,
    /// The offset of a source that goes on.
    pub(super) offsets: Option<ConnectorOffsets>,
    /// What is not as it was.
    pub(super) notes: Vec<String>,
}

/// What a connector becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Becomes {
    /// Its stream goes on where it is.
    GoesOn { place: String },
    /// It begins with a copy.
    Copies { why: String },
    /// It fills new indices of this name.
    NewIndex { name: String },
    /// It is not in the pipeline.
    LeftOut { why: String },
}

impl Verdict {
    /// Decides about a connector.
    pub(super) fn of(found: &FoundConnector, worker: &WorkerSettings) -> Self {
        let class = found.config.get("connector.class").cloned().unwrap_or_default();
        let is = |ours: &dyn ConnectorClass| ours.names().contains(&class.as_str());
        let mut verdict = Self {
            name: found.name.clone(),
            state: found.state.clone(),
            becomes: Becomes::LeftOut { why: "rowcast has no connector of this class".to_owned() },
            config: None,
            offsets: None,
            notes: Vec::new(),
            class: class.clone(),
        };
        if is(&MySqlConnector) {
            verdict.source(found, worker);
        } else if is(&ElasticsearchSink) {
            verdict.sink(found, worker);
        }
        verdict
    }

    fn source(&mut self, found: &FoundConnector, worker: &WorkerSettings) {
        let config = own_config(found);
        let converter = |part: &str| config.get(part).or_else(|| worker.converters.get(part));
        let other = ["key.converter", "value.converter"].iter().find_map(|part| {
            converter(part).filter(|class| *class != AVRO).map(|class| (*part, class.clone()))
        });
        self.becomes = match &found.offsets {
            Ok(offsets) => self.place(offsets),
            Err(why) => Becomes::Copies { why: format!("its offset is not known, {why}") },
        };
        if let Some((part, class)) = other {
            let why = format!("`{part}` is {class}, and rowcast's source writes Avro only");
            self.becomes = Becomes::LeftOut { why };
        }
        let checked = check(&self.name, &config, worker, &MySqlConnector);
        self.settle(config, checked);
    }

    /// Where the stream goes on.
    fn place(&mut self, offsets: &ConnectorOffsets) -> Becomes {
        let is_stream =
            |it: &&ConnectorOffset| it.partition.len() == 1 && it.partition.contains_key("server");
        let stream = offsets.offsets.iter().find(is_stream).and_then(|it| it.offset.as_ref());
        let Some(stream) = stream else {
            return Becomes::Copies { why: "it has no offset".to_owned() };
        };
        let json = Value::Object(stream.clone()).to_string();
        let offset = match StreamOffset::from_json(json.as_bytes()) {
            Ok(offset) => offset,
            Err(error) => return Becomes::LeftOut { why: format!("its offset: {error}") },
        };
        self.offsets = Some(offsets.clone());
        let copies = DebeziumCopies::of(json.as_bytes()).unwrap_or_default();
        if copies.is_copying_all {
            return Becomes::Copies { why: "Debezium has not finished its copy".to_owned() };
        }
        for table in &copies.tables {
            self.notes
                .push(format!("{table} is copied again: its incremental snapshot is not over"));
        }
        Becomes::GoesOn { place: offset.position.to_string() }
    }

    /// Confluent's sink has the Kafka offset as its documents' version, and the first record of
    /// rowcast's source has a greater one. So rowcast fills indices of its own, from the beginning,
    /// beside those that are there.
    fn sink(&mut self, found: &FoundConnector, worker: &WorkerSettings) {
        let mut config = own_config(found);
        for (key, value) in &worker.converters {
            config.entry(key.clone()).or_insert_with(|| value.clone());
        }
        config.retain(|key, _| !is_registry(key));
        self.drop_transforms(&mut config);
        self.drop_setting(
            &mut config,
            "write.method",
            "insert",
            "rowcast always writes whole rows",
        );
        self.drop_setting(
            &mut config,
            "behavior.on.null.values",
            "",
            "a row that is gone is a document that is gone",
        );
        self.drop_setting(
            &mut config,
            "external.version.header",
            "",
            "the version is the Lsn, or the Kafka offset of records without one",
        );
        for key in ["topic.to.external.resource.mapping", "external.resource.usage"] {
            self.drop_setting(&mut config, key, "", "the indices there have offset versions");
        }
        let name =
            config.entry("index.name".to_owned()).or_insert_with(|| "{topic}-rowcast".to_owned());
        self.becomes = Becomes::NewIndex { name: name.clone() };
        let group = format!("rowcast-{}", self.name);
        config.insert("consumer.override.group.id".to_owned(), group);
        let checked = check(&self.name, &config, worker, &ElasticsearchSink);
        self.settle(config, checked);
    }

    fn settle(&mut self, config: BTreeMap<String, String>, checked: Result<(), String>) {
        self.config = Some(config);
        if let Err(why) = checked
            && !matches!(self.becomes, Becomes::LeftOut { .. })
        {
            self.becomes = Becomes::LeftOut { why };
        }
    }

    /// Takes transforms away if none of them is needed. Beside others all stay: those see what these
    /// make of a record.
    fn drop_transforms(&mut self, config: &mut BTreeMap<String, String>) {
        let transforms = config.get("transforms").cloned().unwrap_or_default();
        let names = transforms.split(',').map(str::trim).filter(|name| !name.is_empty());
        let classes: Vec<_> = names
            .map(|name| config.get(&format!("transforms.{name}.type")).cloned().unwrap_or_default())
            .collect();
        if !classes.is_empty() && classes.iter().all(|class| NEEDLESS.contains(&class.as_str())) {
            let classes = classes.join(", ");
            self.notes.push(format!("without {classes}: rows and keys are read from the records"));
            config.retain(|key, _| key != "transforms" && !key.starts_with("transforms."));
        }
    }

    /// Takes a setting away, and says so. With a value, only if it has that.
    fn drop_setting(
        &mut self,
        config: &mut BTreeMap<String, String>,
        key: &str,
        only: &str,
        why: &str,
    ) {
        let is_meant = |value: &String| only.is_empty() || value.eq_ignore_ascii_case(only);
        if config.get(key).is_some_and(is_meant) {
            config.remove(key);
            self.notes.push(format!("without `{key}`: {why}"));
        }
    }

    /// Whether it is in the pipeline.
    pub(super) fn is_taken(&self) -> bool {
        !matches!(self.becomes, Becomes::LeftOut { .. })
    }

    /// One line about it.
    pub(super) fn line(&self) -> String {
        format!("{} ({}): {}", self.name, self.class, self.becomes)
    }

    /// What is left to do about it.
    pub(super) fn steps(&self, worker: &WorkerSettings, folder: &str) -> Vec<String> {
        let name = &self.name;
        match &self.becomes {
            Becomes::LeftOut { .. } if self.config.is_some() => {
                vec![format!("correct {folder}/connectors/{name}.json, and add it to the pipeline")]
            }
            Becomes::LeftOut { .. } => vec!["leave it in Kafka Connect".to_owned()],
            Becomes::GoesOn { .. } | Becomes::Copies { .. } => {
                let mut steps = Vec::new();
                if self.state != "STOPPED" {
                    steps.push(format!(
                        "stop it in Kafka Connect (PUT /connectors/{name}/stop), which stores its \
                         last offset; two must not write one topic"
                    ));
                }
                if self.offsets.is_some() && !worker.shares_offsets {
                    let again = if self.state == "STOPPED" {
                        ""
                    } else {
                        ", after you have migrated again with it stopped: its offset moves till then"
                    };
                    steps.push(format!(
                        "rowcast offsets set {folder}/pipeline.yaml --connector {name} --from \
                         {folder}/offsets/{name}.json{again}"
                    ));
                }
                steps
            }
            Becomes::NewIndex { name: index } => vec![format!(
                "let readers use {index} when it is filled, then delete the connector in Kafka \
                 Connect and its indices; until then both are kept"
            )],
        }
    }
}

/// The configuration without its name, which is said elsewhere.
fn own_config(found: &FoundConnector) -> BTreeMap<String, String> {
    let mut config = found.config.clone();
    config.remove("name");
    config
}

/// The registry is the worker's setting.
fn is_registry(key: &str) -> bool {
    key.contains("converter.schema.registry.") || key.contains("converter.basic.auth.")
}

/// Whether rowcast would take the settings. Connects to nothing.
fn check(
    name: &str,
    config: &BTreeMap<String, String>,
    worker: &WorkerSettings,
    class: &dyn ConnectorClass,
) -> Result<(), String> {
    let text = pipeline(worker, [(name, config)]);
    // What is still to be set is taken for an address.
    let environment =
        |name: &str| std::env::var(name).ok().or_else(|| Some("http://to-be-set:1".to_owned()));
    let mut pipeline = PipelineConfig::parse(&text, &environment).map_err(|it| it.to_string())?;
    let Some(connector) = pipeline.connectors.pop() else { return Ok(()) };
    let tasks = class.tasks(&connector.name, connector.settings, &pipeline.worker);
    tasks.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::http::cluster::Cluster;
    use serde_json::json;

    fn worker() -> WorkerSettings {
        let cluster = Cluster { version: "4.3.1".to_owned(), connectors: Vec::new() };
        WorkerSettings::new(None, &cluster)
    }

    fn verdict(config: &[(&str, &str)], offset: Value) -> Verdict {
        let offsets = json!({ "offsets": [{ "partition": { "server": "s" }, "offset": offset }] });
        let found = FoundConnector {
            name: "shop".to_owned(),
            config: config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            state: "RUNNING".to_owned(),
            offsets: serde_json::from_value(offsets).map_err(|error| error.to_string()),
        };
        Verdict::of(&found, &worker())
    }

    const SOURCE: [(&str, &str); 5] = [
        ("connector.class", "io.debezium.connector.mysql.MySqlConnector"),
        ("name", "shop"),
        ("database.hostname", "db"),
        ("database.user", "u"),
        ("topic.prefix", "s"),
    ];
    const SINK: [(&str, &str); 3] = [
        ("connector.class", "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector"),
        ("connection.url", "http://es:9200"),
        ("topics", "s.d.t"),
    ];

    #[test]
    fn a_source_goes_on_at_its_offset_unless_its_copy_is_not_over() {
        let place = json!({ "ts_sec": 1, "file": "b.000001", "pos": 4 });
        let goes_on = verdict(&SOURCE, place).becomes;
        assert_eq!(goes_on, Becomes::GoesOn { place: "b.000001:4".to_owned() });

        let unfinished =
            json!({ "ts_sec": 1, "file": "b.000001", "pos": 4, "snapshot": "INITIAL" });
        let copies = verdict(&SOURCE, unfinished).becomes;
        assert_eq!(
            copies,
            Becomes::Copies { why: "Debezium has not finished its copy".to_owned() }
        );

        let none = verdict(&SOURCE, Value::Null).becomes;
        assert_eq!(none, Becomes::Copies { why: "it has no offset".to_owned() });
    }

    #[test]
    fn a_source_that_rowcast_would_refuse_is_left_out_with_the_reason() {
        let json_converter = ("value.converter", "org.apache.kafka.connect.json.JsonConverter");
        for (pair, expected) in [
            (json_converter, "rowcast's source writes Avro only"),
            (("snapshot.mode", "sometimes"), "`snapshot.mode` expected one of"),
        ] {
            let verdict = verdict(&[&SOURCE[..], &[pair]].concat(), Value::Null);

            assert!(!verdict.is_taken());
            assert!(verdict.line().contains(expected), "{}", verdict.line());
            assert!(verdict.config.is_some(), "there is something to be corrected");
        }
    }

    #[test]
    fn a_sink_fills_indices_of_its_own_from_the_beginning() {
        let unwrap = "io.debezium.transforms.ExtractNewRecordState";
        let extra = [
            ("behavior.on.null.values", "ignore"),
            ("write.method", "INSERT"),
            ("transforms", "unwrap"),
            ("transforms.unwrap.type", unwrap),
            ("value.converter.schema.registry.url", "http://r"),
        ];

        let verdict = verdict(&[&SINK[..], &extra].concat(), Value::Null);

        assert_eq!(verdict.becomes, Becomes::NewIndex { name: "{topic}-rowcast".to_owned() });
        let config = verdict.config.as_ref().unwrap();
        let keys: Vec<_> = config.keys().map(String::as_str).collect();
        let expected = [
            "connection.url",
            "connector.class",
            "consumer.override.group.id",
            "index.name",
            "topics",
        ];
        assert_eq!(keys, expected);
        assert_eq!(config["consumer.override.group.id"], "rowcast-shop");
        assert_eq!(verdict.notes.len(), 3, "{:?}", verdict.notes);
    }

    #[test]
    fn transforms_of_a_sink_come_along_unless_all_are_needless() {
        let transforms = [
            ("transforms", "u,r"),
            ("transforms.u.type", "io.debezium.transforms.ExtractNewRecordState"),
            ("transforms.r.type", "org.apache.kafka.connect.transforms.RegexRouter"),
            ("transforms.r.regex", ".*"),
            ("transforms.r.replacement", "all"),
        ];

        let sink = verdict(&[&SINK[..], &transforms].concat(), Value::Null);

        assert!(sink.is_taken(), "{}", sink.line());
        let config = sink.config.as_ref().unwrap();
        for (key, value) in transforms {
            assert_eq!(config[key], value, "{key}");
        }
    }

    #[test]
    fn what_rowcast_cannot_be_is_left_out() {
        let own = [("transforms", "r"), ("transforms.r.type", "com.example.Mine")];
        let sink = verdict(&[&SINK[..], &own].concat(), Value::Null);
        assert!(sink.line().contains("Class com.example.Mine"), "{}", sink.line());
        let script = [
            ("transforms", "f"),
            ("transforms.f.type", "io.debezium.transforms.Filter"),
            ("transforms.f.language", "jsr223.groovy"),
            ("transforms.f.condition", "value.op == 'u'"),
        ];
        let sink = verdict(&[&SINK[..], &script].concat(), Value::Null);
        assert!(!sink.is_taken() && sink.line().contains("set it to `cel`"), "{}", sink.line());

        let other = verdict(&[("connector.class", "a.b.S3SinkConnector")], Value::Null);
        assert!(other.line().contains("no connector of this class"), "{}", other.line());
        assert_eq!(other.config, None);
    }
}
