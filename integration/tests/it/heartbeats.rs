//! Heartbeats where nothing that is captured changes: records, offsets, and the user's statement.

use serde_json::Value;

use crate::scene::{Scene, records, stop, until, wait_for_log};

/// A connector with a heartbeat every two seconds: a reader finds the end of a topic in between.
async fn scene(name: &str) -> Scene {
    let mut scene = Scene::new(name).await;
    scene.set("heartbeat.interval.ms", "2000");
    scene
}

fn heartbeats(scene: &Scene) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let topic = format!("__debezium-heartbeat.{}", scene.name);
    records(&scene.worker["bootstrap.servers"], &topic)
}

fn gtids(scene: &Scene) -> Value {
    let offsets = scene.offsets();
    let stream = offsets.values().find(|offset| offset.get("gtids").is_some());
    stream.map_or(Value::Null, |offset| offset["gtids"].clone())
}

#[tokio::test]
async fn offsets_follow_what_is_filtered_out_and_the_statement_runs_with_each() {
    let mut scene = scene("beats").await;
    scene.sql("CREATE TABLE beats.alive (at TIMESTAMP(6))").await;
    scene.sql("GRANT INSERT ON beats.alive TO beats").await;
    scene.set("heartbeat.action.query", "INSERT INTO beats.alive VALUES (NOW(6))");
    let rowcast = scene.start().await;
    scene.wait_for_rows(&rowcast, 3).await;

    let before = gtids(&scene);
    let is_beating = || async {
        let statements = scene.count("beats.alive").await.unwrap();
        heartbeats(&scene).len() >= 3 && statements >= 3 && gtids(&scene) != before
    };
    assert!(until(is_beating).await, "{}", rowcast.log().unwrap());

    let log = stop(&rowcast).await;
    assert!(!log.contains(" WARN "), "{log}");
    let (keys, values): (Vec<_>, Vec<_>) = heartbeats(&scene).into_iter().unzip();
    assert!(keys.iter().all(|key| key[5..] == *b"\x0abeats"), "{keys:?}");
    let times: Vec<_> = values.into_iter().map(|value| zigzag(&value.unwrap()[5..])).collect();
    assert!(times.is_sorted() && times[0] > 1_700_000_000_000, "{times:?}");
}

#[tokio::test]
async fn a_statement_that_fails_is_told_of_and_harms_nothing() {
    let mut scene = scene("beats_wrong").await;
    scene.set("heartbeat.action.query", "INSERT INTO beats_wrong.nothing VALUES ('zeile-0815-y')");
    let rowcast = scene.start().await;

    wait_for_log(&rowcast, "heartbeat.action.query failed").await;
    scene.insert(4..=5).await;
    scene.wait_for_rows(&rowcast, 5).await;
    let count = heartbeats(&scene).len();
    let goes_on = || async { heartbeats(&scene).len() > count + 1 };
    assert!(until(goes_on).await, "{}", rowcast.log().unwrap());

    let log = stop(&rowcast).await;
    assert_eq!(log.matches("heartbeat.action.query failed").count(), 1, "{log}");
    let warning = log.lines().find(|line| line.contains("heartbeat.action.query failed")).unwrap();
    assert!(warning.contains("correct heartbeat.action.query"), "{warning}");
    assert!(warning.contains("(error 1146)") || warning.contains("(error 1142)"), "{warning}");
}

/// An Avro `long`.
fn zigzag(bytes: &[u8]) -> u64 {
    let bits = bytes.iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
    bits >> 1
}
