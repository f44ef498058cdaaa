//! Topics in Protobuf and by a JSON Schema, written by Confluent's client, become documents; and what
//! the registry is asked for.

mod written;

use std::process::Stdio;

use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::stack::{RegistryClient, Stack, shared};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::scenario::{LOG, stop, until_async};

const PRODUCE: &str = include_str!("formats/produce.py");

async fn produce(stack: &Stack, folder: &std::path::Path, topics: [&str; 2]) {
    let client = RegistryClient::fetch(&stack.installed).await.unwrap();
    let script = folder.join("produce.py");
    std::fs::write(&script, PRODUCE).unwrap();
    let mut command = Command::new("python3");
    command.arg(&script).args([&stack.kafka.bootstrap(), &stack.registry.url()]).args(topics);
    command.env("PYTHONPATH", &client.python).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{wrong}");
}

/// Documents that a search finds, by their ids.
async fn found(stack: &Stack, index: &str, query: &Value) -> Vec<(String, Value)> {
    let url = format!("{}/{index}", stack.elasticsearch.url());
    let client = reqwest::Client::new();
    let refreshed = client.post(format!("{url}/_refresh")).send().await.unwrap();
    if !refreshed.status().is_success() {
        return Vec::new();
    }
    let search = json!({ "query": query, "sort": ["id"] });
    let answer = client.post(format!("{url}/_search")).json(&search).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let hits = answer["hits"]["hits"].as_array().cloned().unwrap_or_default();
    let document = |hit: &Value| (hit["_id"].as_str().unwrap().to_owned(), hit["_source"].clone());
    hits.iter().map(document).collect()
}

/// Waits until these documents are found; tells what is found instead.
async fn until_found(stack: &Stack, index: &str, query: &Value, expected: &[(String, Value)]) {
    let mut last = Vec::new();
    until_async(async || {
        let now = found(stack, index, query).await;
        if now != last {
            eprintln!("{index}: {now:?}");
            last.clone_from(&now);
        }
        now == expected
    })
    .await;
}

async fn start(pipeline: &PipelineFile, folder: &std::path::Path, name: &str) -> Rowcast {
    let (file, log) = (folder.join(format!("{name}.yaml")), folder.join(format!("{name}.log")));
    pipeline.write(&file).unwrap();
    Rowcast::start(&["run", file.to_str().unwrap()], &[LOG], &log).await.unwrap()
}

fn sink(stack: &Stack, topic: &str, converter: &str) -> PipelineFile {
    PipelineFile::new(topic, &stack.kafka, &stack.registry)
        .sink(topic, &stack.elasticsearch.url(), topic)
        .with("topics.regex", &topic.replace('.', "[.]"))
        .with("index.name", "{topic}")
        .with("key.converter", "string")
        .with("value.converter", converter)
}

#[tokio::test]
async fn what_confluents_client_writes_becomes_documents_with_their_types() {
    let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
    let (protobuf, schema) = ("formats.protobuf", "formats.jsonschema");
    produce(stack, folder.path(), [protobuf, schema]).await;
    let java = "io.confluent.connect.protobuf.ProtobufConverter";
    let first = start(&sink(stack, protobuf, java), folder.path(), "protobuf").await;
    let second = start(&sink(stack, schema, "jsonschema"), folder.path(), "json").await;

    let price = json!({ "units": 12, "currency": "EUR" });
    let at = "2023-11-14T22:13:20.000Z";
    let one = json!({"id": 1, "name": "Ada", "price": price, "at": at, "tags": ["a", "b"]});
    let two = json!({"id": 2, "name": "", "price": null, "at": null, "tags": []});
    let expected = [("1".to_owned(), one.clone()), ("2".to_owned(), two)];
    let all = json!({ "match_all": {} });
    until_found(stack, protobuf, &all, &expected).await;
    let after = json!({ "range": { "at": { "gte": "2023-11-01" } } });
    assert_eq!(found(stack, protobuf, &after).await, [("1".to_owned(), one)]);
    let document = json!({"id": 1, "name": null, "on": "2024-02-29", "part": {"n": 7}});
    let expected = [("j1".to_owned(), document)];
    until_found(stack, schema, &all, &expected).await;
    stop(&first).await;
    stop(&second).await;
}

/// Without registering, a schema has to be under its subject, whatever that is called; then it is
/// found there.
#[tokio::test]
async fn a_schema_that_is_not_to_be_registered_has_to_be_there() {
    let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
    let (topic, text) = ("formats_lines", folder.path().join("in.txt"));
    std::fs::write(&text, "foo\n").unwrap();
    let pipeline = PipelineFile::new(topic, &stack.kafka, &stack.registry)
        .of_class(topic, "FileStreamSource")
        .with("file", text.to_str().unwrap())
        .with("topic", topic)
        .with("value.converter", "io.confluent.connect.avro.AvroConverter")
        .with("value.converter.auto.register.schemas", "false");
    let refused = start(&pipeline, folder.path(), "refused").await;

    let told = crate::scene::refusal(&refused).await;
    let subject = format!("{topic}-value");
    assert!(
        told.error.contains(&format!("subject {subject} does not have the schema")),
        "{told:?}"
    );
    assert!(told.hint.contains("`auto.register.schemas` of the converter"), "{told:?}");
    let url = format!("{}/subjects/{subject}/versions", stack.registry.url());
    let schema = json!({ "schema": "\"string\"" });
    let registered = reqwest::Client::new().post(url).json(&schema).send().await.unwrap();
    assert!(registered.status().is_success(), "{registered:?}");
    let rowcast = start(&pipeline, folder.path(), "found").await;
    let written = || crate::scene::records(&stack.kafka.bootstrap(), topic);
    until_async(async || written().len() == 1).await;
    let (_, value) = written().remove(0);
    assert!(value.unwrap().ends_with(b"\x06foo"));
    stop(&rowcast).await;
}
