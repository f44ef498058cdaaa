//! The settings of Kafka Connect's connectors: what rowcast says of them is what Kafka Connect says,
//! what it does with them is what its tables say, and what those say is in `docs/compatibility.md`.
//!
//! `recorded.json` has answers of Kafka Connect 4.3.1 with Debezium 3.6.3, without documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use cdc_source::MySqlConnector;
use connect::config::{Origin, PipelineConfig, Settings, WorkerConfig};
use connect::connector::{ConnectorClass, ConnectorName};
use connect::definition::{ConfigInfos, Definitions, KeyVerdict, Verdict, key_infos, of_workers};
use connect::file_stream::{FileStreamSink, FileStreamSource};
use connect::java_client::{ClientKey, ClientVerdict, client_keys};
use es_sink::{ElasticsearchSink, OpenSearchSink};
use serde_json::{Value, json};

use crate::tidy::{CRATES, read, repository, rust_files};

/// A class, and settings that it does not do without.
type Known = (&'static dyn ConnectorClass, &'static [(&'static str, &'static str)]);

/// The classes with tables, and the settings without which they do not start.
const CLASSES: [Known; 5] = [
    (
        &MySqlConnector,
        &[
            ("database.hostname", "db"),
            ("database.user", "u"),
            ("database.server.id", "5401"),
            ("topic.prefix", "p"),
        ],
    ),
    (&ElasticsearchSink, SINK),
    (&OpenSearchSink, SINK),
    (&FileStreamSource, &[("file", "/x"), ("topic", "a")]),
    (&FileStreamSink, &[("file", "/x"), ("topics", "a")]),
];

const SINK: &[(&str, &str)] = &[("topics", "a"), ("connection.url", "http://es:9200")];

/// Read before a connector's settings are.
const OF_THE_WORKER: [&str; 3] = ["name", "connector.class", "config.action.reload"];

fn worker() -> WorkerConfig {
    let file = "{bootstrap.servers: b, schema.registry.url: http://r, \
                connectors: {x: {connector.class: mysql}}}";
    PipelineConfig::parse(file, &|_| None).unwrap().worker
}

pub(crate) fn recorded(place: usize) -> Value {
    let all: Value = serde_json::from_str(include_str!("compatibility/recorded.json")).unwrap();
    all[place].clone()
}

fn config(request: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(request.clone()).unwrap()
}

/// Takes out what is about the program: documentation, versions, and the converters that there are.
pub(crate) fn without_what_is_ours(mut info: Value) -> Value {
    let (definition, value) = match info.get("definition") {
        Some(_) => ("/definition", "/value"),
        None => ("", "/none"),
    };
    let name = info.pointer(&format!("{definition}/name")).unwrap().as_str().unwrap().to_owned();
    let of_definition = info.pointer_mut(definition).unwrap().as_object_mut().unwrap();
    of_definition.remove("documentation");
    let is_version =
        ["connector.plugin.version", "header.converter.plugin.version"].contains(&&*name);
    if is_version {
        of_definition.remove("default_value");
    }
    if let Some(value) = info.pointer_mut(value).and_then(Value::as_object_mut) {
        if is_version {
            value.remove("value");
        }
        if is_version || name.ends_with("converter") {
            value.remove("recommended_values");
        }
    }
    info
}

fn assert_same(ours: &Value, recorded: &Value) {
    let (ours, recorded) = (ours.as_array().unwrap(), recorded.as_array().unwrap());
    for (ours, recorded) in ours.iter().zip(recorded) {
        assert_eq!(without_what_is_ours(ours.clone()), without_what_is_ours(recorded.clone()));
    }
    assert_eq!(ours.len(), recorded.len());
}

#[test]
fn the_list_of_settings_is_the_recorded_one() {
    let infos = key_infos(&MySqlConnector);

    assert_same(&serde_json::to_value(&infos).unwrap(), &recorded(0)["response"]);
    let text = serde_json::to_string(&infos).unwrap();
    let first = r#"[{"name":"topic.prefix","type":"STRING","required":false,"default_value":null,"importance":"HIGH","documentation":""#;
    assert!(text.starts_with(first), "{text}");
    assert!(text.contains(
        r#","group":"MySQL","order_in_group":1,"width":"MEDIUM","display_name":"Topic prefix","dependents":[]},"#
    ));
    for (class, _) in CLASSES {
        let infos = serde_json::to_value(key_infos(class)).unwrap();
        let is_bare = |info: &&Value| info["documentation"] == "";
        let bare: Vec<_> = infos.as_array().unwrap().iter().filter(is_bare).collect();
        assert!(bare.is_empty(), "without documentation: {bare:?}");
    }
}

#[test]
fn the_answers_to_validations_are_the_recorded_ones() {
    for place in [1, 2] {
        let recorded = recorded(place);

        let infos = ConfigInfos::of(&MySqlConnector, &config(&recorded["request"]), &worker());

        let ours = serde_json::to_value(&infos).unwrap();
        for field in ["name", "error_count", "groups"] {
            assert_eq!(ours[field], recorded["response"][field]);
        }
        assert_same(&ours["configs"], &recorded["response"]["configs"]);
    }
}

#[test]
fn the_messages_about_wrong_settings_are_the_recorded_ones() {
    let mut bad = config(&recorded(3)["request"]["config"]);
    bad.insert("name".to_owned(), "bad".to_owned());
    let mut changed = config(&recorded(4)["request"]);
    changed.insert("name".to_owned(), "srv1".to_owned());

    for (place, config) in [(3, bad), (4, changed)] {
        let refusal = ConfigInfos::of(&MySqlConnector, &config, &worker()).refusal().unwrap();
        assert_eq!(refusal, recorded(place)["response"]["message"]);
    }
}

/// Debezium's tutorial, and the sink of its example for Elasticsearch.
#[test]
fn the_configurations_of_the_tutorials_are_taken_as_they_are() {
    let source = json!({
        "name": "inventory-connector",
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "tasks.max": "1",
        "database.hostname": "mysql",
        "database.port": "3306",
        "database.user": "debezium",
        "database.password": "dbz",
        "database.server.id": "184054",
        "topic.prefix": "dbserver1",
        "database.include.list": "inventory",
        "schema.history.internal.kafka.bootstrap.servers": "kafka:9092",
        "schema.history.internal.kafka.topic": "schema-changes.inventory",
        "key.converter": "io.confluent.connect.avro.AvroConverter",
        "value.converter": "io.confluent.connect.avro.AvroConverter",
        "key.converter.schema.registry.url": "http://registry:8081",
        "value.converter.schema.registry.url": "http://registry:8081"
    });
    let sink = json!({
        "name": "elastic-sink",
        "connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
        "tasks.max": "1",
        "topics": "customers",
        "connection.url": "http://elastic:9200",
        "transforms": "unwrap,key",
        "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
        "transforms.unwrap.drop.tombstones": "false",
        "transforms.key.type": "org.apache.kafka.connect.transforms.ExtractField$Key",
        "transforms.key.field": "id",
        "key.ignore": "false",
        "type.name": "customer",
        "behavior.on.null.values": "delete",
        "write.method": "insert",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": "dead",
        "behavior.on.malformed.documents": "WARN",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false"
    });
    let classes: [(&dyn ConnectorClass, Value); 2] =
        [(&MySqlConnector, source), (&ElasticsearchSink, sink)];

    for (class, request) in classes {
        let infos = ConfigInfos::of(class, &config(&request), &worker());
        assert_eq!(infos.refusal(), None);
    }
}

/// The verdicts of a class, and those of all connectors that it does not change.
fn verdicts(definitions: &'static Definitions) -> Vec<&'static KeyVerdict> {
    let own = definitions.verdicts();
    let base = definitions.base().unwrap().verdicts();
    let is_left = |verdict: &&KeyVerdict| own.iter().all(|own| own.name != verdict.name);
    own.iter().chain(base.iter().filter(is_left)).collect()
}

#[test]
fn every_setting_has_a_verdict() {
    let recorded = recorded(0);
    let recorded = recorded["response"].as_array().unwrap().iter();
    let recorded: Vec<&str> = recorded.map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(recorded.len(), 148);

    let verdict = |definitions: &Definitions, key: &str| definitions.verdict(key).is_some();
    let missing: Vec<_> =
        recorded.iter().filter(|key| !verdict(MySqlConnector.definitions(), key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (class, _) in CLASSES {
        let definitions = class.definitions();
        assert_eq!(definitions.unreadable(), Vec::<&str>::new());
        let keys = definitions.keys().iter().chain(definitions.base().unwrap().keys());
        let missing: Vec<_> =
            keys.map(|key| key.name).filter(|key| !verdict(definitions, key)).collect();
        assert!(missing.is_empty(), "{:?}: {missing:?}", class.names());
        let names: Vec<_> = definitions.verdicts().iter().map(|verdict| verdict.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "one is there twice");
    }
}

#[test]
fn every_honoured_setting_names_a_test_that_exists() {
    let files: Vec<(String, String)> = CRATES
        .iter()
        .flat_map(|name| rust_files(&repository().join(name)))
        .map(|path| (path.display().to_string(), read(&path)))
        .collect();

    let of_classes = CLASSES.iter().flat_map(|(class, _)| verdicts(class.definitions()));
    for verdict in of_classes.chain(of_workers().verdicts()) {
        let Verdict::Honoured { test } = &verdict.verdict else { continue };
        let (module, name) = test.split_once("::").unwrap();
        let is_there = files.iter().any(|(path, text)| {
            path.ends_with(&format!("/{module}.rs")) && text.contains(&format!("fn {name}("))
        });
        assert!(is_there, "{}: no test is called {test}", verdict.name);
    }
}

fn start(
    (class, base): (&dyn ConnectorClass, &[(&str, &str)]),
    origin: Origin,
    sample: &[(&str, &str)],
) -> Result<(), String> {
    let all = base.iter().chain(sample);
    let values = all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let settings = Settings::new("connector `x`", origin, values).for_trial();
    let tasks = class.tasks(&ConnectorName::new("x"), settings, &worker());
    tasks.map(drop).map_err(|error| error.to_string())
}

/// Where a verdict is not what the parsers of its class do.
fn contradiction(
    class: (&dyn ConnectorClass, &[(&str, &str)]),
    verdict: &KeyVerdict,
) -> Option<String> {
    let sample = verdict.sample();
    let started = start(class, Origin::Connect, &sample);
    let is_right = match &verdict.verdict {
        Verdict::Honoured { .. } => {
            // A pipeline file tells what no parser has read.
            let in_file = start(class, Origin::PipelineFile, &sample).err().unwrap_or_default();
            let unread = format!("`{}` is not a known setting", sample[0].0);
            started.is_ok() && !in_file.contains(&unread)
        }
        Verdict::Harmless { .. } => started.is_ok(),
        Verdict::Refused { remedy, except } => {
            let takes = |value: &&str| start(class, Origin::Connect, &[(sample[0].0, *value)]);
            started.as_ref().is_err_and(|refused| refused.contains(remedy))
                && except.iter().all(|value| takes(value).is_ok())
        }
    };
    let names = class.0.names();
    (!is_right)
        .then(|| format!("{names:?}: {} is {:?}, {started:?}", verdict.name, verdict.verdict))
}

#[test]
fn verdicts_are_what_the_parsers_do() {
    let mut wrong = Vec::new();
    for class in CLASSES {
        assert_eq!(start(class, Origin::Connect, &[]), Ok(()));
        let of_class = verdicts(class.0.definitions())
            .into_iter()
            .filter(|verdict| !OF_THE_WORKER.contains(&verdict.name))
            .filter_map(|verdict| contradiction(class, verdict));
        wrong.extend(of_class);
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const HEAD: &str = "\
# What becomes of the settings of Kafka Connect's connectors

A configuration of Kafka Connect can be posted as it is. Each setting of a connector that rowcast takes
the place of has one of three verdicts:

- **honoured**: it does what it does there; a test shows it.
- **harmless**: it is taken and changes nothing, for the reason that is given.
- **refused**: it is an error that says what to do. Its default is taken, and so is what is named.

A setting that is not in these tables is warned of and ignored, as in Kafka Connect, unless it is one of
rowcast's own ([config.md](config.md)). Where rowcast is stricter than what a setting asks for, as about
records that may be skipped, the setting is harmless: nothing is lost by it.

`GET /connector-plugins/CLASS/config` and `PUT …/validate` answer with the definitions of Debezium 3.6,
Kafka Connect 4.3, Confluent's sink 15 and Aiven's sink 3, but for descriptions, versions and the
converters that there are. A test makes this page from the tables that the program has
(`ROWCAST_WRITE_DOCS=1 cargo test -p integration --test it -- compatibility::`).
";

fn document() -> String {
    let mut text = HEAD.to_owned();
    for (class, _) in CLASSES {
        let name = class.names().iter().find(|name| name.contains('.')).unwrap();
        write!(text, "\n## {name}\n\n| setting | verdict | why, or what to do |\n|---|---|---|\n")
            .unwrap();
        for verdict in verdicts(class.definitions()) {
            text.push_str(&line(verdict));
        }
    }
    text.push_str(WORKERS);
    text.extend(of_workers().verdicts().iter().map(line));
    text.push_str(CLIENTS);
    text.extend(client_keys().iter().map(client_line));
    text
}

const WORKERS: &str = "
## The worker

What stands in a `worker.properties`, for `connect-distributed` or `connect-standalone`.

| setting | verdict | why, or what to do |
|---|---|---|
";

const CLIENTS: &str = "
## Clients of Kafka

Settings of Java's clients, behind `producer.`, `consumer.` and `admin.` of a worker and `producer.override.`,
`consumer.override.` and `admin.override.` of a connector (ADR 0092). Those that are given to librdkafka have its name in
the last column.

| setting | clients | verdict | why, what to do, or librdkafka's name |
|---|---|---|---|
";

fn refused(except: &[&str]) -> String {
    let except: Vec<_> = except.iter().filter(|value| !value.is_empty()).copied().collect();
    match except.is_empty() {
        true => "refused".to_owned(),
        false => format!("refused but `{}`", except.join("`, `")),
    }
}

fn line(verdict: &KeyVerdict) -> String {
    let (word, why) = match &verdict.verdict {
        Verdict::Honoured { test } => ("honoured".to_owned(), format!("`{test}`")),
        Verdict::Harmless { reason } => ("harmless".to_owned(), (*reason).to_owned()),
        Verdict::Refused { remedy, except } => (refused(except), (*remedy).to_owned()),
    };
    format!("| `{}` | {word} | {why} |\n", verdict.name)
}

fn client_line(key: &ClientKey) -> String {
    let letters = key.clients.chars().map(|letter| match letter {
        'p' => "producer",
        'c' => "consumer",
        _ => "admin",
    });
    let clients = letters.collect::<Vec<_>>().join(", ");
    let (word, why) = match &key.verdict {
        ClientVerdict::Passed(name) => ("honoured".to_owned(), format!("`{name}`")),
        ClientVerdict::Translated => {
            ("honoured".to_owned(), "its values are turned into librdkafka's".to_owned())
        }
        ClientVerdict::Honoured => ("honoured".to_owned(), "rowcast reads it itself".to_owned()),
        ClientVerdict::Harmless(reason) => ("harmless".to_owned(), (*reason).to_owned()),
        ClientVerdict::Refused(remedy, except) => (refused(except), (*remedy).to_owned()),
    };
    format!("| `{}` | {clients} | {word} | {why} |\n", key.name)
}

#[test]
fn the_document_has_all_verdicts() {
    let path = repository().join("docs/compatibility.md");
    if std::env::var_os("ROWCAST_WRITE_DOCS").is_some() {
        std::fs::write(&path, document()).unwrap();
    }

    let written = read(&path);
    for (ours, written) in document().lines().zip(written.lines()) {
        assert_eq!(written, ours);
    }
    assert_eq!(written.lines().count(), document().lines().count());
}
