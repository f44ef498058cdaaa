//! Documents over Elasticsearch's `http.max_content_length`, on a server that has a small one.

use std::collections::BTreeMap;

use integration::marks::{Kind, absent};
use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::stack::{Elasticsearch, ElasticsearchOptions, Stack, shared};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::hand_written::HandWritten;
use crate::scenario::{DEADLINE, LOG, log_has, stop, until_async};
use crate::scene::{endpoint, metrics_have};

/// More than the server takes, so much that it ends the connection before it has read it.
const TOO_LARGE: usize = 6 << 20;

/// The server that takes a mebibyte.
async fn small_server() -> &'static Elasticsearch {
    static SERVER: OnceCell<Elasticsearch> = OnceCell::const_new();
    SERVER
        .get_or_init(|| async {
            let stack = shared().await.unwrap();
            let mut options = ElasticsearchOptions::default();
            options.settings.push(("http.max_content_length".to_owned(), "1mb".to_owned()));
            let directory = stack.directory().join("elasticsearch-1mb");
            Box::pin(Elasticsearch::start(&stack.installed, &directory, &options)).await.unwrap()
        })
        .await
}

fn sink(stack: &Stack, server: &Elasticsearch, prefix: &str) -> PipelineFile {
    PipelineFile::new(prefix, &stack.kafka, &stack.registry).sink(prefix, &server.url(), prefix)
}

/// The sizes of `body`, in base64, of the documents of an index.
async fn documents(server: &Elasticsearch, index: &str) -> BTreeMap<String, usize> {
    let url = format!("{}/{index}", server.url());
    let client = reqwest::Client::new();
    let refreshed = client.post(format!("{url}/_refresh")).send().await.unwrap();
    if !refreshed.status().is_success() {
        return BTreeMap::new();
    }
    let answer = client.get(format!("{url}/_search?size=1000")).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let hits = answer["hits"]["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| {
            let body = hit["_source"]["body"].as_str().unwrap();
            (hit["_id"].as_str().unwrap().to_owned(), body.len())
        })
        .collect()
}

fn sizes<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.map(|(id, size)| (id.to_owned(), size)).into()
}

async fn start(pipeline: &PipelineFile, folder: &tempfile::TempDir, name: &str) -> Rowcast {
    let file = folder.path().join(format!("{name}.yaml"));
    pipeline.write(&file).unwrap();
    let log = folder.path().join(format!("{name}.log"));
    Rowcast::start(&["run", file.to_str().unwrap()], &[LOG], &log).await.unwrap()
}

#[tokio::test]
async fn a_parked_table_waits_for_its_policy_and_the_others_go_on() {
    let (stack, server) = (shared().await.unwrap(), small_server().await);
    let folder = tempfile::tempdir().unwrap();
    let mut files = HandWritten::new(stack, "parked_doc.parked_doc.files", 1).await;
    let mut good = HandWritten::new(stack, "parked_doc.parked_doc.good", 1).await;
    files.rows(1..=3, 1);
    files.large_row(0, 4, (TOO_LARGE, 10));
    files.rows(5..=6, 20);
    let pipeline = sink(stack, server, "parked_doc");
    let rowcast = start(&pipeline, &folder, "parks").await;
    log_has(&rowcast, "its partition is parked").await;
    let parked = r#"rowcast_sink_parked_partitions{connector="parked_doc",task="0"} 1.0"#;
    metrics_have(&rowcast, &[parked]).await;
    let status = endpoint(&rowcast).await.get("/connectors/parked_doc/status").await;
    // Three rows and the mark of their transaction are before it.
    let parked = &status["tasks"][0]["sink"]["parked"];
    assert_eq!(*parked, json!(["parked_doc.parked_doc.files/0@4"]), "{status}");

    // Rows that are not too large go on being written, also in batches that are.
    good.rows(1..=500, 1);
    good.large_row(0, 501, (600 << 10, 600));
    good.large_row(0, 502, (600 << 10, 601));
    until_async(async || documents(server, "parked_doc.good").await.len() == 502).await;
    stop(&rowcast).await;
    assert!(!documents(server, "parked_doc.files").await.contains_key("4"));

    let pipeline = pipeline
        .with("document.too.large", "truncate")
        .with("document.too.large.truncate.columns", "parked_doc\\.files\\.body")
        .with("document.too.large.truncate.to.chars", "1001");
    let rowcast = start(&pipeline, &folder, "truncates").await;
    let expected = sizes([("1", 0), ("2", 0), ("3", 0), ("4", 1000), ("5", 0), ("6", 0)]);
    until_async(async || documents(server, "parked_doc.files").await == expected).await;
    log_has(&rowcast, "its columns are cut").await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_dead_letter_is_the_record_with_connects_headers_and_comes_before_its_offset() {
    let (stack, server) = (shared().await.unwrap(), small_server().await);
    let folder = tempfile::tempdir().unwrap();
    let mut files = HandWritten::new(stack, "letters.letters.files", 1).await;
    files.rows(1..=1, 1);
    // The server ends the connection of such a request, and not each refusal is heard.
    for id in 100..108 {
        files.large_row(0, id, (TOO_LARGE, 2));
    }
    files.rows(3..=3, 3);
    let pipeline = sink(stack, server, "letters")
        .with("document.too.large", "dead_letter")
        .with("errors.deadletterqueue.topic.name", "letters-dlq");
    let rowcast = start(&pipeline, &folder, "sink").await;
    let expected = sizes([("1", 0), ("3", 0)]);
    until_async(async || documents(server, "letters.files").await == expected).await;
    log_has(&rowcast, "its record is in the dead-letter topic").await;
    stop(&rowcast).await;

    // The offset behind it is committed: another start has nothing to do with it.
    rowcast.start_again().unwrap();
    files.rows(4..=4, 4);
    let expected = sizes([("1", 0), ("3", 0), ("4", 0)]);
    until_async(async || documents(server, "letters.files").await == expected).await;
    stop(&rowcast).await;

    let bootstrap = stack.kafka.bootstrap();
    let letters = tokio::task::spawn_blocking(move || letters(&bootstrap, "letters-dlq"));
    let letters = letters.await.unwrap();
    assert_eq!(letters.len(), 8);
    // Several requests are under way at once, and any of them may be refused first.
    let is_first = |headers: &BTreeMap<String, String>| headers["__connect.errors.offset"] == "2";
    let (value, headers) = letters.iter().find(|(_, headers)| is_first(headers)).unwrap();
    assert!(*value > TOO_LARGE);
    let error = "record letters.letters.files/0@2 makes a request of ";
    for (name, expected) in [
        ("rowcast.lsn", "2"),
        ("__connect.errors.topic", "letters.letters.files"),
        ("__connect.errors.partition", "0"),
        ("__connect.errors.offset", "2"),
        ("__connect.errors.connector.name", "letters"),
        ("__connect.errors.task.id", "0"),
        ("__connect.errors.stage", "TASK_PUT"),
        ("__connect.errors.class.name", "org.apache.kafka.connect.sink.SinkTask"),
        ("__connect.errors.exception.class.name", "DocumentTooLarge"),
        ("__connect.errors.exception.message", error),
        ("__connect.errors.exception.stacktrace", error),
        ("rowcast.dlq.index", "letters.files"),
        ("rowcast.dlq.id", "100"),
        ("rowcast.dlq.version", "2"),
        ("rowcast.dlq.error", r#"{"status":413}"#),
    ] {
        assert!(headers[name].starts_with(expected), "{name}: {}", headers[name]);
    }
    assert_eq!(headers.len(), 15);
}

/// The sizes of a topic's values, and the headers.
pub(crate) fn letters(bootstrap: &str, topic: &str) -> Vec<(usize, BTreeMap<String, String>)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "letters")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&all).unwrap();
    let mut letters = Vec::new();
    while let Ok(message) = consumer.poll(DEADLINE).expect("an answer") {
        let headers = message.headers().unwrap().iter().map(|header| {
            let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
            (header.key.to_owned(), value)
        });
        let headers: BTreeMap<_, _> = headers.collect();
        absent(Kind::Letter, &format!("{headers:?}"));
        letters.push((message.payload_len(), headers));
    }
    letters
}
