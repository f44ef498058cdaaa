//! Documents that do not fit their index, from MySQL to Elasticsearch: a text where the index has been
//! told to have numbers. No log and no header has the text.

use integration::process::{Rowcast, run_rowcast};
use integration::stack::shared;
use serde_json::{Value, json};

use crate::indices::{ask, found, has_documents};
use crate::scene::{DEADLINE, ROW_MARK, Scene, endpoint, metrics_have, stop, until, wait_for_log};
use crate::too_large::letters;

/// A table `t` of three rows that fit, and a sink for which `note` is a number.
async fn scene(name: &str) -> (Scene, String) {
    let url = shared().await.unwrap().elasticsearch.url();
    let mut scene = Scene::new(name).await;
    scene.sql(&format!("UPDATE {name}.t SET note = '1'")).await;
    scene.add_sink(&url);
    let field = format!("index.mapping.override.{name}.t.note");
    scene.sink.insert(field, "long".to_owned());
    (scene, url)
}

async fn document(url: &str, index: &str, id: u32) -> Value {
    let answer = ask("GET", format!("{url}/{index}/_doc/{id}"), &Value::Null).await;
    answer["_source"].clone()
}

#[tokio::test]
async fn a_table_is_parked_at_a_document_that_does_not_fit_and_mended_without_its_field() {
    let (mut scene, url) = scene("malformed_park").await;
    scene.sql("CREATE TABLE malformed_park.u (id INT PRIMARY KEY, note VARCHAR(99))").await;
    scene.set("table.include.list", "malformed_park.t,malformed_park.u");
    let rowcast = scene.start().await;
    has_documents(&url, "malformed_park.t", 3).await;

    scene.insert(10..=10).await;
    wait_for_log(&rowcast, "document does not fit its index, its partition is parked").await;
    scene.sql("INSERT INTO malformed_park.t VALUES (11, '5')").await;
    scene.sql("INSERT INTO malformed_park.u VALUES (1, 'x')").await;
    has_documents(&url, "malformed_park.u", 1).await;
    let parked = r#"rowcast_sink_parked_partitions{connector="malformed_park-sink",task="0"} 1.0"#;
    metrics_have(&rowcast, &[parked]).await;
    let log = stop(&rowcast).await;
    let line = log.lines().find(|line| line.contains("its partition is parked")).unwrap();
    for told in ["malformed_park.malformed_park.t/0@", "document_parsing_exception", "\"note\""] {
        assert!(line.contains(told), "no {told}: {line}");
    }
    assert_eq!(found(&url, "malformed_park.t", &json!({ "match_all": {} })).await, 3);

    scene.sink.insert("malformed.documents.drop.field".to_owned(), "true".to_owned());
    let rowcast = scene.start().await;
    has_documents(&url, "malformed_park.t", 5).await;
    assert_eq!(document(&url, "malformed_park.t", 10).await, json!({ "id": 10 }));
    wait_for_log(&rowcast, "it is written without these columns").await;
    stop(&rowcast).await;
}

/// The dead letters as the command lists them.
async fn listed(scene: &Scene) -> Vec<Value> {
    let file = scene.write_pipeline();
    let output = run_rowcast(&["dlq", "list", &file, "--output", "json"], &[], DEADLINE).await;
    let output = output.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !text.contains(ROW_MARK), "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    answer["letters"].as_array().unwrap().clone()
}

/// The sink tells how far behind MySQL it is, and what it has done.
async fn has_metrics(rowcast: &Rowcast, index: &str) {
    let sink = format!(r#"{{connector="malformed_letter-sink",task="0",index="{index}""#);
    let total = |outcome: &str, count: u32| {
        format!(r#"rowcast_sink_actions_total{sink},outcome="{outcome}"}} {count}.0"#)
    };
    metrics_have(rowcast, &[&total("indexed", 5), &total("refused", 1)]).await;
    let endpoint = endpoint(rowcast).await;
    for name in ["rowcast_sink_lag_seconds", "rowcast_sink_searchable_lag_seconds"] {
        let start = format!("{name}{sink}}} ");
        let is_told = until(|| async {
            let text = endpoint.text("/metrics").await;
            let lag = text.lines().find_map(|line| line.strip_prefix(&start)?.parse::<f64>().ok());
            lag.is_some_and(|lag| (0.0..60.0).contains(&lag))
        });
        assert!(is_told.await, "no {name}");
    }
}

#[tokio::test]
async fn a_letter_says_why_without_the_row_and_is_healed_by_a_later_write() {
    let (mut scene, url) = scene("malformed_letter").await;
    let topic = "malformed_letter-letters".to_owned();
    scene.sink.insert("errors.deadletterqueue.topic.name".to_owned(), topic.clone());
    let rowcast = scene.start().await;
    has_documents(&url, "malformed_letter.t", 3).await;

    scene.insert(10..=10).await;
    scene.sql("INSERT INTO malformed_letter.t VALUES (11, '5')").await;
    has_documents(&url, "malformed_letter.t", 4).await;
    wait_for_log(&rowcast, "its record is in the dead-letter topic").await;
    let bootstrap = scene.worker["bootstrap.servers"].clone();
    let letters = tokio::task::spawn_blocking(move || letters(&bootstrap, &topic)).await.unwrap();
    let [(_, headers)] = letters.as_slice() else { panic!("{letters:?}") };
    for (name, expected) in [
        ("__connect.errors.topic", "malformed_letter.malformed_letter.t"),
        ("__connect.errors.connector.name", "malformed_letter-sink"),
        ("__connect.errors.stage", "TASK_PUT"),
        ("__connect.errors.exception.class.name", "DocumentMalformed"),
        ("rowcast.dlq.index", "malformed_letter.t"),
        ("rowcast.dlq.id", "10"),
    ] {
        assert_eq!(headers[name], expected, "{name}");
    }
    let error: Value = serde_json::from_str(&headers["rowcast.dlq.error"]).unwrap();
    let why = json!({ "status": 400, "type": "document_parsing_exception", "field": "note" });
    assert_eq!(error, why);
    assert!(headers["rowcast.dlq.version"].parse::<u64>().unwrap() > 0);
    assert!(headers.values().all(|value| !value.contains(ROW_MARK)), "{headers:?}");
    let open = listed(&scene).await;
    assert_eq!((open.len(), &open[0]["state"]), (1, &json!("open")));

    scene.sql("UPDATE malformed_letter.t SET note = '7' WHERE id = 10").await;
    wait_for_log(&rowcast, "dead letter is healed by a later write of its document").await;
    assert_eq!(document(&url, "malformed_letter.t", 10).await["note"], "7");
    assert_eq!(listed(&scene).await[0]["state"], "healed");
    has_metrics(&rowcast, "malformed_letter.t").await;
    stop(&rowcast).await;
}
