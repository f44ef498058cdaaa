//! Topics in JSON on real servers, as Kafka Connect's `JsonConverter` writes them, and soft deletes.

use std::collections::BTreeMap;
use std::time::Duration;

use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::stack::{Stack, shared, shared_opensearch};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::scenario::{LOG, stop, until_async};

/// A topic and its writer.
pub(crate) struct JsonTopic {
    topic: String,
    producer: BaseProducer,
}

impl JsonTopic {
    pub(crate) async fn new(stack: &Stack, topic: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", stack.kafka.bootstrap());
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
        let made = admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
        assert_eq!(made, [Ok(topic.to_owned())]);
        Self { topic: topic.to_owned(), producer: config.create().unwrap() }
    }

    /// Writes, as Debezium, that all rows are gone.
    fn truncate(&self) {
        let value = json!({"before": null, "after": null, "source": {}, "op": "t"}).to_string();
        let record = BaseRecord::<str, str>::to(&self.topic).payload(&*value);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }

    /// Writes one record as it stands.
    pub(crate) fn write_text(&self, key: &str, value: &str) {
        let record = BaseRecord::<str, str>::to(&self.topic).key(key).payload(value);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }

    /// Writes one record; with a number, as rowcast does.
    pub(crate) fn write(&self, key: &Value, value: Option<&Value>, lsn: Option<u64>) {
        let (key, value) = (key.to_string(), value.map(ToString::to_string));
        let lsn = lsn.map(|lsn| lsn.to_string());
        let mut headers = OwnedHeaders::new();
        if let Some(lsn) = &lsn {
            headers = headers.insert(Header { key: "rowcast.lsn", value: Some(lsn) });
        }
        let mut record = BaseRecord::<str, str>::to(&self.topic).key(&*key).headers(headers);
        record.payload = value.as_deref();
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }
}

pub(crate) fn sink(stack: &Stack, prefix: &str, schemas: &str) -> PipelineFile {
    PipelineFile::new(prefix, &stack.kafka, &stack.registry)
        .sink(prefix, &stack.elasticsearch.url(), prefix)
        .with("index.name", "{topic}")
        .with("key.converter", "json")
        .with("value.converter", "org.apache.kafka.connect.json.JsonConverter")
        .with("key.converter.schemas.enable", schemas)
        .with("value.converter.schemas.enable", schemas)
}

pub(crate) async fn start(pipeline: &PipelineFile, folder: &tempfile::TempDir) -> Rowcast {
    let (file, log) = (folder.path().join("sink.yaml"), folder.path().join("sink.log"));
    pipeline.write(&file).unwrap();
    Rowcast::start(&["run", file.to_str().unwrap()], &[LOG], &log).await.unwrap()
}

/// Documents that a search finds, with their versions.
pub(crate) async fn found(
    stack: &Stack,
    index: &str,
    query: &Value,
) -> BTreeMap<String, (u64, Value)> {
    found_at(&stack.elasticsearch.url(), index, query).await
}

async fn found_at(server: &str, index: &str, query: &Value) -> BTreeMap<String, (u64, Value)> {
    let url = format!("{server}/{index}");
    let client = reqwest::Client::new();
    let refreshed = client.post(format!("{url}/_refresh")).send().await.unwrap();
    if !refreshed.status().is_success() {
        return BTreeMap::new();
    }
    let search = json!({ "size": 100, "version": true, "query": query });
    let answer = client.post(format!("{url}/_search")).json(&search).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let hits = answer["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
    let document = |hit: &Value| (hit["_version"].as_u64().unwrap(), hit["_source"].clone());
    hits.map(|hit| (hit["_id"].as_str().unwrap().to_owned(), document(hit))).collect()
}

pub(crate) fn all() -> Value {
    json!({ "match_all": {} })
}

#[tokio::test]
async fn json_with_a_schema_has_the_mapping_of_its_types() {
    let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
    let topic = JsonTopic::new(stack, "json_schema.orders").await;
    let key = json!({"type": "struct", "fields": [
        {"field": "region", "type": "string"}, {"field": "id", "type": "int64"}]});
    let row = json!({"type": "struct", "fields": [
        {"field": "id", "type": "int64"},
        {"field": "day", "type": "int32", "name": "org.apache.kafka.connect.data.Date"},
        {"field": "price", "type": "bytes", "optional": true,
            "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "2"}}]});
    let write = |id: i64, payload: Option<Value>| {
        let key = json!({"schema": key, "payload": {"region": "a:b", "id": id}});
        let value = payload.map(|payload| json!({"schema": row, "payload": payload}));
        topic.write(&key, value.as_ref(), None);
    };
    write(1, Some(json!({"id": 1, "day": 19_782, "price": "BNI="})));
    write(2, Some(json!({"id": 2, "day": 19_782, "price": null})));
    write(2, None);
    let rowcast = start(&sink(stack, "json_schema", "true"), &folder).await;

    let expected = json!({"id": 1, "day": "2024-02-29", "price": 12.34});
    let expected = BTreeMap::from([("a%3Ab:1".to_owned(), (0, expected))]);
    let query = json!({ "range": { "day": { "gte": "2024-02-29", "lt": "2024-03-01" } } });
    until_async(async || found(stack, "json_schema.orders", &query).await == expected).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn json_without_a_schema_is_mapped_by_elasticsearch() {
    let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
    let topic = JsonTopic::new(stack, "json_plain.orders").await;
    topic.write(&json!("k1"), Some(&json!({"n": 7, "who": {"name": "zeile-Ada"}})), None);
    topic.write(&json!({"a": 1, "b": 2}), Some(&json!({"n": 8})), None);
    topic.write(&json!(3), Some(&json!({"n": 9})), None);
    topic.write(&json!(3), None, None);
    let rowcast = start(&sink(stack, "json_plain", "false"), &folder).await;

    let ids = async |query: Value| {
        let found = found(stack, "json_plain.orders", &query).await;
        found.into_keys().collect::<Vec<_>>()
    };
    until_async(async || ids(all()).await == ["1:2", "k1"]).await;
    assert_eq!(ids(json!({ "range": { "n": { "gt": 7 } } })).await, ["1:2"]);
    assert_eq!(ids(json!({ "match": { "who.name": "ada" } })).await, ["k1"]);
    stop(&rowcast).await;
}

/// The delete's version is forgotten at once here, and the older write comes after that.
#[tokio::test]
async fn a_soft_deleted_row_stays_gone() {
    /// The alias does not show marks.
    const BEHIND: &str = "soft.rows-000001";

    let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
    let topic = JsonTopic::new(stack, "soft.rows").await;
    let pipeline = sink(stack, "soft", "false")
        .with("behavior.on.delete", "soft")
        .with("index.settings.gc_deletes", "0ms");
    topic.write(&json!({"id": 1}), Some(&json!({"id": 1, "n": 1})), Some(10));
    topic.write(&json!({"id": 1}), None, Some(20));
    let rowcast = start(&pipeline, &folder).await;
    let marked = json!({ "term": { "__deleted": true } });
    until_async(async || found(stack, BEHIND, &marked).await.contains_key("1")).await;

    // As a zombie would, behind a delete that nobody remembers.
    topic.write(&json!({"id": 1}), Some(&json!({"id": 1, "n": 1})), Some(15));
    topic.write(&json!({"id": 2}), Some(&json!({"id": 2})), Some(30));
    until_async(async || found(stack, "soft.rows", &all()).await.contains_key("2")).await;

    let documents = found(stack, BEHIND, &all()).await;
    let (version, mark) = &documents["1"];
    assert_eq!((version, &mark["id"], &mark["__deleted"]), (&20, &json!(1), &json!(true)));
    assert!(mark.get("n").is_none());
    assert!(found(stack, "soft.rows", &all()).await.keys().eq(["2"]));
    stop(&rowcast).await;
}

/// OpenSearch: the Elasticsearch that runs here has no data streams.
#[tokio::test]
async fn every_change_is_in_a_data_stream_once() {
    let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
    let server = shared_opensearch().await.unwrap().url();
    let topic = JsonTopic::new(stack, "stream.shop.orders").await;
    let pipeline = sink(stack, "stream", "false")
        .with("connection.url", &server)
        .with("write.method", "append")
        .with("data.stream.type", "logs")
        .with("data.stream.dataset", "shop")
        .with("data.stream.namespace", "all")
        .with("data.stream.timestamp.field", "at");
    let key = json!({"id": 7});
    let row = |n: i64| json!({"id": 7, "n": n, "at": "2024-02-29T12:34:56Z"});
    topic.write(&key, Some(&row(1)), Some(10));
    topic.write(&key, Some(&row(2)), Some(11));
    // Again, as after a crash of the source.
    topic.write(&key, Some(&row(2)), Some(11));
    topic.write(&key, Some(&json!({"id": 7, "__deleted": "true"})), Some(12));
    topic.write(&key, None, Some(12));
    let rowcast = start(&pipeline, &folder).await;

    let ids = ["10:7", "11:7", "12:7"].map(|id| format!("stream.shop.orders:{id}"));
    let is_there = async || {
        assert!(rowcast.pid().is_some(), "{}", rowcast.log().unwrap());
        found_at(&server, "logs-shop-all", &all()).await.keys().eq(&ids)
    };
    until_async(is_there).await;
    let range = json!({ "range": { "@timestamp": { "lt": "2024-03-01" } } });
    let dated = found_at(&server, "logs-shop-all", &range).await;
    assert_eq!(dated.len(), 2);
    assert_eq!(dated[&ids[1]].1["n"], 2);
    let streams = reqwest::get(format!("{server}/_data_stream/logs-shop-all")).await.unwrap();
    assert!(streams.status().is_success());
    stop(&rowcast).await;
}

/// A table whose rows are in an index for each day: a delete finds its row, a sweep all of them and
/// no other, and who deletes an old day stops nothing.
async fn rows_are_in_an_index_for_each_day(stack: &Stack, server: &str, prefix: &str) {
    let folder = tempfile::tempdir().unwrap();
    let topic = JsonTopic::new(stack, &format!("{prefix}.rows")).await;
    let pipeline = sink(stack, prefix, "false")
        .with("connection.url", server)
        .with("index.name", "{topic}-{column:day:yyyy.MM.dd}");
    let (first, second) =
        (format!("{prefix}.rows-2024.02.29"), format!("{prefix}.rows-2024.03.01"));
    let key = |id: i64, day: &str| json!({"id": id, "day": day});
    let write = |key: &Value| topic.write(key, Some(key), None);
    let has = async |index: &str, ids: &[&str]| {
        until_async(async || found_at(server, index, &all()).await.keys().eq(ids)).await;
    };
    let client = reqwest::Client::new();
    let foreign = format!("{server}/{prefix}.rows-2024.03.02");
    let made = client.put(format!("{foreign}/_doc/1")).json(&json!({})).send().await.unwrap();
    assert!(made.status().is_success());
    write(&key(1, "2024-02-29T08:00:00Z"));
    write(&key(2, "2024-03-01T00:30:00+01:00"));
    write(&key(3, "2024-03-01"));
    topic.write(&key(1, "2024-02-29T08:00:00Z"), None, None);
    let rowcast = start(&pipeline, &folder).await;

    has(&first, &["2:2024-03-01T00%3A30%3A00+01%3A00"]).await;
    has(&second, &["3:2024-03-01"]).await;

    topic.truncate();
    write(&key(4, "2024-03-01"));
    has(&second, &["4:2024-03-01"]).await;
    has(&first, &[]).await;
    has(&format!("{prefix}.rows-2024.03.02"), &["1"]).await;

    let deleted = client.delete(format!("{server}/{first}-000001")).send().await.unwrap();
    assert!(deleted.status().is_success());
    write(&key(5, "2024-02-29"));
    has(&first, &["5:2024-02-29"]).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn elasticsearch_has_an_index_for_each_day() {
    let stack = shared().await.unwrap();
    let server = stack.elasticsearch.url();
    rows_are_in_an_index_for_each_day(stack, &server, "daily_es").await;
}

#[tokio::test]
async fn opensearch_has_an_index_for_each_day() {
    let stack = shared().await.unwrap();
    let server = shared_opensearch().await.unwrap().url();
    rows_are_in_an_index_for_each_day(stack, &server, "daily_os").await;
}
