//! `rowcast migrate` against a Kafka Connect that says what a test wants, and against what is none.
//! `takeover` has the real one.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use integration::stack::shared;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::rowcast;
use crate::scene::SECRET;

/// Answers requests by their paths; `whole` is how much of each body is sent.
async fn worker(answers: Vec<(&'static str, u16, Value)>, whole: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            let path = request.split(' ').nth(1).unwrap();
            let found = answers.iter().find(|(known, ..)| *known == path);
            let (status, body) = found.map_or((404, json!({})), |(_, s, b)| (*s, b.clone()));
            let body = body.to_string();
            let sent = if whole { body.len() } else { body.len() / 2 };
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let answer = [head.as_bytes(), &body.as_bytes()[..sent]].concat();
            // Whoever asked may be gone.
            drop(stream.write_all(&answer).await);
        }
    });
    format!("http://{address}")
}

fn connector(name: &str, config: &Value) -> Value {
    json!({
        "info": { "name": name, "config": config, "tasks": [], "type": "source" },
        "status": { "name": name, "connector": { "state": "RUNNING" }, "tasks": [] },
    })
}

/// A cluster with a source, a sink and something else.
async fn cluster() -> String {
    let source = json!({
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "database.hostname": "db",
        "database.user": "u",
        "database.password": SECRET,
        "name": "shop",
        "topic.prefix": "s",
        "schema.history.internal.kafka.bootstrap.servers": "k:9092",
        "value.converter": "io.confluent.connect.avro.AvroConverter",
        "value.converter.schema.registry.url": "http://r:8081",
    });
    let sink = json!({
        "connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
        "connection.url": "http://es:9200",
        "connection.password": SECRET,
        "connection.username": "elastic",
        "name": "shop-sink",
        "topics": "s.d.t",
        "behavior.on.null.values": "ignore",
    });
    let other = json!({ "connector.class": "x.y.S3SinkConnector", "name": "archive" });
    let offset = json!({ "ts_sec": 1, "file": "b.000001", "pos": 4, "gtids": "" });
    let offsets = json!({ "offsets": [{ "partition": { "server": "s" }, "offset": offset }] });
    let all = json!({
        "shop": connector("shop", &source),
        "shop-sink": connector("shop-sink", &sink),
        "archive": connector("archive", &other),
    });
    let about = json!({ "version": "4.3.1", "commit": "c", "kafka_cluster_id": "k" });
    let answers = vec![
        ("/", 200, about),
        ("/connectors?expand=info&expand=status", 200, all),
        ("/connectors/shop/offsets", 200, offsets),
        ("/connectors/shop-sink/offsets", 200, json!({ "offsets": [] })),
        ("/connectors/archive/offsets", 500, json!({ "error_code": 500, "message": "no" })),
    ];
    worker(answers, true).await
}

fn in_folder(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn every_connector_is_told_what_becomes_of_it_and_passwords_are_in_files_only() {
    let (folder, url) = (tempfile::tempdir().unwrap(), cluster().await);
    let output = in_folder(&folder, "out");

    let answer = rowcast(&["migrate", "--from", &url, "--output", &output]).await;

    assert!(answer.is_success, "{answer:?}");
    for line in [
        "goes on at b.000001:4, copies nothing",
        "fills new indices {topic}-rowcast from the beginning",
        "left out: rowcast has no connector of this class",
        "shop-sink: without `behavior.on.null.values`",
        "stop it in Kafka Connect (PUT /connectors/shop/stop)",
    ] {
        assert!(answer.out.contains(line), "no {line:?} in\n{}", answer.out);
    }
    let output = Path::new(&output);
    let pipeline = std::fs::read_to_string(output.join("pipeline.yaml")).unwrap();
    assert!(pipeline.contains("bootstrap.servers: \"k:9092\""), "{pipeline}");
    assert!(pipeline.contains("schema.registry.url: \"http://r:8081\""), "{pipeline}");
    assert_eq!(pipeline.matches(SECRET).count(), 2, "{pipeline}");
    assert!(!pipeline.contains("archive"), "{pipeline}");
    for file in
        ["pipeline.yaml", "connectors/shop.json", "connectors/shop-sink.json", "offsets/shop.json"]
    {
        assert_eq!(mode(&output.join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(output), 0o700);
    assert!(!output.join("connectors/archive.json").exists());
    // What was written is what the program reads.
    let file = in_folder(&folder, "out/pipeline.yaml");
    let shown = rowcast(&["offsets", "set", &file, "--connector", "nobody"]).await;
    shown.refused("has no source nobody, only shop", "--connector");
}

#[tokio::test]
async fn what_is_no_cluster_and_what_cannot_be_written_is_refused_and_nothing_is_left() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = in_folder(&folder, "out");
    let migrate =
        async |from: &str| rowcast(&["migrate", "--from", from, "--output", &output]).await;
    let about = || json!({ "version": "4.3.1", "commit": "c", "kafka_cluster_id": "k" });
    const ALL: &str = "/connectors?expand=info&expand=status";

    migrate("http://127.0.0.1:1").await.refused("nothing answers", "REST address");
    migrate("127.0.0.1:8083").await.refused("expected http://host:port", "REST address");
    let other = stack.elasticsearch.url();
    migrate(&other).await.refused("is not kafka connect", "REST address");
    let cut = worker(vec![("/", 200, about())], false).await;
    migrate(&cut).await.refused("could not be asked", "worker's log");
    let busy = json!({ "error_code": 409, "message": "a rebalance is expected" });
    let busy = worker(vec![("/", 200, about()), (ALL, 409, busy)], true).await;
    migrate(&busy).await.refused("a rebalance is expected", "try again");
    let broken =
        worker(vec![("/", 200, about()), (ALL, 200, json!({ "x": { "info": {} } }))], true).await;
    migrate(&broken).await.refused("is not kafka connect", "REST address");
    let empty = worker(vec![("/", 200, about()), (ALL, 200, json!({}))], true).await;
    migrate(&empty).await.refused("it runs no connectors", "docs/migration.md");
    assert!(!Path::new(&output).exists());

    let url = cluster().await;
    let there = folder.path().to_str().unwrap();
    let taken = rowcast(&["migrate", "--from", &url, "--output", there]).await;
    taken.refused("is there already", "nothing is overwritten");
    let nowhere = in_folder(&folder, "no/such");
    let nowhere = rowcast(&["migrate", "--from", &url, "--output", &nowhere]).await;
    nowhere.refused("cannot be written", "whose parent exists");
    let worker = ["--worker", "no-such-file"];
    let absent = [&["migrate", "--from", &url, "--output", &output][..], &worker].concat();
    rowcast(&absent).await.refused("no-such-file cannot be read", "--worker");
    assert!(!Path::new(&output).exists());
}
