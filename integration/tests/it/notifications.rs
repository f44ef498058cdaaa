//! What happens to copies and tables is told in the log, in a topic and to a webhook; signals come
//! from a file.

use std::sync::{Arc, Mutex};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use integration::process::Rowcast;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::scenario::{Scenario, stop, until, until_async};
use crate::scene::records;

/// A server that takes what is posted, but for the first, which it is too busy for; its URL.
async fn webhook(bodies: Arc<Mutex<Vec<Value>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/told?token=geheim-4711-x", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut asked = 0;
        while let Ok((mut client, _)) = listener.accept().await {
            let (mut request, mut length) = (vec![0; 65_536], 0);
            let body = loop {
                length += client.read(&mut request[length..]).await.unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
                if let Some(Ok(json)) = body.map(|body| serde_json::from_str::<Value>(&body)) {
                    break json;
                }
            };
            asked += 1;
            let status = if asked == 1 { 503 } else { 200 };
            if status == 200 {
                bodies.lock().unwrap().push(body);
            }
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            client.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

fn kinds(told: &[Value]) -> Vec<String> {
    let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    told.iter().map(|it| format!("{} {}", text(it, "aggregate_type"), text(it, "type"))).collect()
}

#[tokio::test]
async fn what_happens_to_tables_is_told_in_each_channel_and_signals_come_from_a_file() {
    let mut scenario = Scenario::new("notified").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO t VALUES (1), (2)").await;
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let url = webhook(Arc::clone(&bodies)).await;
    let folder = tempfile::tempdir().unwrap();
    let signals = folder.path().join("signals.txt");
    let pipeline = scenario
        .source(&scenario.stack.mysql)
        .with("notification.enabled.channels", "log,sink,webhook")
        .with("notification.sink.topic.name", "notified.notifications")
        .with("notification.webhook.url", &url)
        .with("signal.enabled.channels", "file")
        .with("signal.file", signals.to_str().unwrap())
        .with("signal.poll.interval.ms", "100");
    let rowcast = scenario.start(&pipeline).await;

    let mut expected = vec![
        "Initial Snapshot STARTED",
        "Initial Snapshot TABLE_SCAN_COMPLETED",
        "Initial Snapshot COMPLETED",
    ];
    has_told(&bodies, &expected).await;
    let again =
        r#"{"id":"1","type":"execute-snapshot","data":{"data-collections":["notified.t"]}}"#;
    std::fs::write(&signals, again).unwrap();
    expected.extend([
        "Incremental Snapshot STARTED",
        "Incremental Snapshot TABLE_SCAN_COMPLETED",
        "Incremental Snapshot COMPLETED",
    ]);
    has_told(&bodies, &expected).await;
    scenario.topic_is_table("t").await;
    assert!(!signals.exists());
    std::fs::write(&signals, r#"{"type":"set-binlog-position","data":{}}"#).unwrap();
    let refused = || rowcast.log().unwrap().contains("a signal does not move the source");
    assert!(until(refused).await, "{}", rowcast.log().unwrap());

    scenario.sql("DROP TABLE t").await;
    expected.push("Table PARKED");
    has_told(&bodies, &expected).await;
    // A restart repeats none.
    stop(&rowcast).await;
    rowcast.start_again().unwrap();
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    expected.extend(["Table RESUMED", "Incremental Snapshot STARTED"]);
    expected
        .extend(["Incremental Snapshot TABLE_SCAN_COMPLETED", "Incremental Snapshot COMPLETED"]);
    has_told(&bodies, &expected).await;

    let told = bodies.lock().unwrap().clone();
    assert_eq!(told[1]["additional_data"]["scanned_collection"], "notified.t");
    assert_eq!(told[1]["additional_data"]["total_rows_scanned"], "2");
    assert_eq!(told[1]["additional_data"]["connector_name"], "notified");
    assert_eq!(told[6]["additional_data"]["reason"], "it was dropped or renamed");
    assert!(told.iter().all(|it| it["timestamp"].as_i64() > Some(1_700_000_000_000)));
    is_in_topic(&scenario, &told).await;
    is_in_log(&rowcast, &told);
    stop(&rowcast).await;
}

async fn has_told(bodies: &Mutex<Vec<Value>>, expected: &[&str]) {
    let is_told = || bodies.lock().unwrap().len() >= expected.len();
    assert!(until(is_told).await, "{:?}", kinds(&bodies.lock().unwrap()));
    assert_eq!(kinds(&bodies.lock().unwrap()), expected);
}

/// Each is one record, whose key is its id, in Debezium's schema.
async fn is_in_topic(scenario: &Scenario, told: &[Value]) {
    let stack = scenario.stack;
    let read = || records(&stack.kafka.bootstrap(), "notified.notifications");
    until_async(async || read().len() >= told.len()).await;
    let found = read();
    assert_eq!(found.len(), told.len());
    let schema =
        format!("{}/subjects/notified.notifications-value/versions/1", stack.registry.url());
    let schema: Value = reqwest::get(schema).await.unwrap().json().await.unwrap();
    let schema = apache_avro::Schema::parse_str(schema["schema"].as_str().unwrap()).unwrap();
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    for ((key, value), told) in found.iter().zip(told) {
        let id = told["id"].as_str().unwrap();
        assert!(key.ends_with(id.as_bytes()), "{key:?}");
        let Avro::Record(fields) = reader.read_value(&mut &value.as_ref().unwrap()[5..]).unwrap()
        else {
            panic!("it is a record");
        };
        let text = |name: &str| match fields.iter().find(|(field, _)| field == name) {
            Some((_, Avro::String(text))) => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!((text("id"), text("type")), (id.into(), told["type"].as_str().unwrap().into()));
    }
}

fn is_in_log(rowcast: &Rowcast, told: &[Value]) {
    let log = rowcast.log().unwrap();
    for it in told {
        assert!(log.contains(it["id"].as_str().unwrap()), "{it}");
    }
    assert!(!log.contains("geheim-4711-x"), "the webhook's URL is secret");
}
