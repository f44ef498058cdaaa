//! Which topics a connector works with, as Kafka Connect tracks them: any worker tells.

use integration::stack::{ConnectOptions, KafkaConnect, shared};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

use super::{Worker, confluent, debezium};
use crate::scenario::{Scenario, connect, own_server, stop, until_async};

#[tokio::test]
async fn every_worker_knows_the_topics_of_a_connector_until_they_are_forgotten() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::new("wk_topics").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    let start = |name: &'static str| Worker::start(stack, "wk-topics", folder.path(), name);
    let (one, other) = (start("one").await, start("other").await);
    one.make("tracked", debezium(&stack.mysql, stack, ("wk_topics", 7040))).await;
    one.make("tracked-sink", confluent(stack, "wk_topics")).await;
    let topic = scenario.topic("t");
    let is = |name: &'static str, topics: Value| {
        move |it: &Value| *it == json!({ name: { "topics": topics } })
    };
    let source = json!([topic.clone()]);

    for worker in [&one, &other] {
        let has = |it: &Value| {
            it["tracked"]["topics"].as_array().unwrap().contains(&topic.clone().into())
        };
        worker.until("/connectors/tracked/topics", has).await;
        let sink = is("tracked-sink", source.clone());
        worker.until("/connectors/tracked-sink/topics", sink).await;
    }

    let reset = "/connectors/tracked-sink/topics/reset";
    assert_eq!(other.ask("PUT", reset, &Value::Null).await.0, 202);
    for worker in [&one, &other] {
        worker.until("/connectors/tracked-sink/topics", is("tracked-sink", json!([]))).await;
    }
    // It comes back with its next record.
    scenario.sql("INSERT INTO t VALUES (2)").await;
    one.until("/connectors/tracked-sink/topics", is("tracked-sink", source)).await;

    assert_eq!(one.ask("DELETE", "/connectors/tracked", &Value::Null).await.0, 204);
    other.until("/connectors/tracked/topics", is("tracked", json!([]))).await;
    for worker in [&one, &other] {
        stop(&worker.process).await;
    }
}

/// Its records in the status topic are ours: a worker that takes its topics over knows what it knew.
#[tokio::test]
async fn what_kafka_connect_has_tracked_is_known() {
    const GROUP: &str = "wk-after-connect";
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Debezium parses every definition in the log, and those of other tests are not all for it.
    let mysql = own_server("mysql-of-topics", &[]).await;
    let mut rows = connect(&mysql).await;
    for statement in [
        "CREATE DATABASE wk_after",
        "CREATE TABLE wk_after.t (id INT PRIMARY KEY)",
        "INSERT INTO wk_after.t VALUES (1)",
    ] {
        rows.query_drop(statement).await.unwrap();
    }
    let (directory, servers) = (stack.directory().join(GROUP), (&stack.kafka, &stack.registry));
    let options = ConnectOptions::new(GROUP);
    let worker = KafkaConnect::start(&stack.installed, &directory, servers, &options);
    let worker = worker.await.unwrap();
    let mut config = debezium(&mysql, stack, ("wk_after", 7041));
    // The broker makes none by itself.
    for setting in ["partitions", "replication.factor"] {
        config[format!("topic.creation.default.{setting}")] = json!("1");
    }
    let made = reqwest::Client::new().post(format!("{}/connectors", worker.url()));
    let made = made.json(&json!({ "name": "taken", "config": config })).send().await.unwrap();
    assert_eq!(made.status(), 201, "{}", made.text().await.unwrap());
    let path = "/connectors/taken/topics";
    let mut known = Value::Null;
    until_async(async || {
        let answer = reqwest::get(format!("{}{path}", worker.url())).await.unwrap();
        known = answer.json().await.unwrap();
        let topics = known["taken"]["topics"].as_array().unwrap();
        topics.contains(&"wk_after.wk_after.t".into()) && topics.contains(&"wk_after".into())
    })
    .await;
    worker.server.stop().await.unwrap();

    let worker = Worker::start(stack, GROUP, folder.path(), "worker").await;

    let sorted = |it: &Value| {
        let mut topics = it["taken"]["topics"].as_array().cloned().unwrap_or_default();
        topics.sort_by_key(Value::to_string);
        topics
    };
    worker.until(path, |it| sorted(it) == sorted(&known)).await;
    stop(&worker.process).await;
}
