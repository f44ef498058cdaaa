//! What a worker does with what should not be: damaged records, a rebalance at every call, another
//! cluster with its group.

use std::time::{Duration, Instant};

use integration::process::Rowcast;
use integration::stack::{Stack, shared};
use serde_json::{Value, json};

use super::{Worker, debezium, launch, properties};
use crate::scenario::{DEADLINE, Scenario, log_has, stop};

const TEXT: &str = "org.apache.kafka.connect.storage.StringConverter";

/// Longest time for an answer, whatever the workers are at: half of what Kafka Connect takes.
const ANSWERED_WITHIN: Duration = Duration::from_secs(45);

fn lines(file: &str, topic: &str) -> Value {
    json!({ "connector.class": "FileStreamSource", "file": file, "topic": topic })
}

/// Records that nobody understands, in a topic of the workers.
async fn damage(stack: &Stack, topic: &str, keys: &[&str]) {
    use rdkafka::producer::{FutureProducer, FutureRecord};

    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", stack.kafka.bootstrap());
    let producer: FutureProducer = config.create().unwrap();
    for key in keys {
        let record = FutureRecord::to(topic).key(*key).payload("{");
        producer.send(record, Duration::from_secs(30)).await.unwrap();
    }
}

/// While it runs, and once more at its start.
#[tokio::test]
async fn damaged_records_in_the_workers_topics_end_no_worker() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start_with(stack, "wk-damaged", folder.path(), ("worker", TEXT)).await;
    std::fs::write(folder.path().join("a.txt"), "a\n").unwrap();
    worker.make("whole", lines("a.txt", "wk-damaged")).await;
    let offsets = "/connectors/whole/offsets";
    worker.until(offsets, |it| it["offsets"][0]["offset"]["position"] == 2).await;

    let config =
        ["connector-x", "target-state-whole", "restart-connector-whole", "rowcast-placement"];
    damage(stack, "wk-damaged-configs", &config).await;
    let status =
        ["status-task-whole-0", "status-connector-whole", "status-topic-t:connector-whole"];
    damage(stack, "wk-damaged-status", &status).await;
    damage(stack, "wk-damaged-offsets", &["no JSON", "[\"whole\"]", "[\"other\",{}]"]).await;

    for topic in ["config", "status"] {
        let said = format!("a record of the {topic} topic is passed over");
        log_has(&worker.process, &said).await;
    }
    worker.until("/connectors/whole/status", |it| it["tasks"][0]["state"] == "RUNNING").await;
    stop(&worker.process).await;
    worker.start_again().await;
    worker.until("/connectors/whole/status", |it| it["tasks"][0]["state"] == "RUNNING").await;
    std::fs::write(folder.path().join("a.txt"), "a\nb\n").unwrap();
    worker.until(offsets, |it| it["offsets"][0]["offset"]["position"] == 4).await;
    assert_eq!(worker.get("/connectors").await, json!(["whole"]));
    stop(&worker.process).await;
}

/// Kafka Connect answers 409 while its workers rebalance. Here a call is a record that needs no
/// leader, so it is carried out.
#[tokio::test]
async fn calls_during_a_rebalance_are_answered_in_time() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let group = "wk-rebalance";
    let worker = Worker::start_with(stack, group, folder.path(), ("worker", TEXT)).await;
    let file = folder.path().join("worker.properties");
    let comes_and_goes = async {
        let other = launch(&file, folder.path(), "other").await;
        for start in 1..=3 {
            joined(&other, start).await;
            // Killed, it is missed after 6 s; until then its slots are nobody's.
            if start == 2 {
                other.kill().unwrap();
            } else {
                stop(&other).await;
            }
            other.start_again().unwrap();
        }
        joined(&other, 4).await;
        stop(&other).await;
    };
    let mut slowest = Duration::ZERO;
    let mut calls = 0;
    let mut comes_and_goes = Box::pin(comes_and_goes);
    loop {
        let begun = Instant::now();
        tokio::select! {
            biased;
            () = &mut comes_and_goes => break,
            asked = round(&worker, calls) => calls += asked,
        }
        slowest = slowest.max(begun.elapsed());
    }

    println!("{calls} calls during rebalances, the slowest five took {slowest:?}");
    assert!(calls > 20 && slowest < ANSWERED_WITHIN, "{calls} calls, {slowest:?}");
    stop(&worker.process).await;
}

/// Waits until it has slots after so many starts.
async fn joined(rowcast: &Rowcast, starts: usize) {
    let told = || rowcast.log().unwrap().matches("slots assigned").count();
    assert!(crate::scenario::until(|| told() >= starts).await, "{}", rowcast.log().unwrap());
}

/// A connector is made, looked at, changed and taken away; how many calls that were.
async fn round(worker: &Worker, number: usize) -> usize {
    let name = format!("r{number}");
    let config = lines("none.txt", "wk-rebalance");
    let (one, settings) = (format!("/connectors/{name}"), format!("/connectors/{name}/config"));
    let made = json!({ "name": name, "config": config });
    let calls = [
        ("POST", "/connectors".to_owned(), made, 201),
        ("GET", format!("{one}/status"), Value::Null, 200),
        ("PUT", settings, config, 200),
        ("PUT", format!("{one}/pause"), Value::Null, 202),
        ("DELETE", one, Value::Null, 204),
    ];
    let count = calls.len();
    for (method, path, body, expected) in calls {
        let (status, answer) = worker.ask(method, &path, &body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
    }
    count
}

/// The end of a partition is told only to whoever finds nothing new there.
#[tokio::test]
async fn offsets_of_a_connector_that_is_busy_are_told() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::new("wk_busy").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (1, 0)").await;
    let worker = Worker::start(stack, "wk-busy", folder.path(), "worker").await;
    worker.make("busy", debezium(&stack.mysql, stack, ("wk_busy", 7061))).await;
    scenario.topic_is_table("t").await;

    let asked = worker.ask("GET", "/connectors/busy/offsets", &Value::Null);
    let mut asked = std::pin::pin!(tokio::time::timeout(ANSWERED_WITHIN, asked));
    let (status, offsets) = loop {
        tokio::select! {
            biased;
            answer = &mut asked => break answer.expect("an answer in time"),
            () = scenario.sql("UPDATE t SET a = a + 1") => {}
        }
    };

    assert_eq!(status, 200, "{offsets}");
    assert!(offsets["offsets"][0]["offset"]["file"].is_string(), "{offsets}");
    stop(&worker.process).await;
}

#[tokio::test]
async fn a_second_cluster_with_the_same_group_is_refused() {
    let stack = shared().await.unwrap();
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let worker = Worker::start_with(stack, "wk-one-group", folder.path(), ("worker", TEXT)).await;
    // It answers before it is a member.
    joined(&worker.process, 1).await;
    let file = other.path().join("worker.properties");
    let elsewhere = properties(stack, "wk-one-group", TEXT)
        .replace("wk-one-group-configs", "wk-other-configs")
        .replace("wk-one-group-status", "wk-other-status");
    std::fs::write(&file, elsewhere).unwrap();

    let late = launch(&file, other.path(), "late").await;

    let ended = late.wait(DEADLINE).await;
    let log = late.log().unwrap();
    let ended = ended.unwrap_or_else(|error| panic!("{error}\n{log}"));
    assert_eq!(ended.code(), Some(1), "{log}");
    let said = "the worker cannot begin or go on";
    let line = log.lines().find(|line| line.contains(said)).unwrap_or_else(|| panic!("{log}"));
    for part in [
        "do not share this worker's config topic are members of group wk-one-group",
        "they have wk-one-group-configs-slots, expected wk-other-configs-slots",
        "give each cluster a `group.id` of its own",
    ] {
        assert!(line.contains(part), "{line}");
    }
    // The first one goes on, and others of its own cluster may come.
    let second = Worker::start_with(stack, "wk-one-group", folder.path(), ("second", TEXT)).await;
    assert_eq!(worker.get("/connectors").await, json!([]));
    for worker in [&worker, &second] {
        stop(&worker.process).await;
    }
}

/// A file of secrets that is missing where a task shall run: every worker says so, and nobody has to
/// do more than to bring it back.
#[tokio::test]
async fn settings_that_make_nothing_are_failed_on_every_worker_until_the_file_is_back() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = |name| Worker::start_with(stack, "wk-broken", folder.path(), (name, TEXT));
    let (mut one, other) = (start("one").await, start("other").await);
    let secrets = folder.path().join("secrets.properties");
    let write = || std::fs::write(&secrets, "topic=wk-broken\n").unwrap();
    write();
    let topic = format!("${{file:{}:topic}}", secrets.display());
    one.make("broken", lines("none.txt", &topic)).await;
    let status = "/connectors/broken/status";
    let task_is = |state: &'static str| move |it: &Value| it["tasks"][0]["state"] == state;
    one.until(status, task_is("RUNNING")).await;

    other.ask("PUT", "/connectors/broken/stop", &Value::Null).await;
    std::fs::remove_file(&secrets).unwrap();
    other.ask("PUT", "/connectors/broken/resume", &Value::Null).await;
    for worker in [&one, &other] {
        let failed = worker.until(status, task_is("FAILED")).await;
        let trace = failed["tasks"][0]["trace"].as_str().unwrap();
        assert!(trace.contains("secrets.properties"), "{trace}");
    }
    write();
    for worker in [&one, &other] {
        worker.until(status, task_is("RUNNING")).await;
    }

    // Nobody is left who knows how many tasks there were.
    std::fs::remove_file(&secrets).unwrap();
    stop(&other.process).await;
    stop(&one.process).await;
    one.start_again().await;
    let failed = one.until(status, |it| it["connector"]["state"] == "FAILED").await;
    assert!(failed["connector"]["trace"].as_str().unwrap().contains("secrets.properties"));
    write();
    let is_mended = |it: &Value| it["connector"]["state"] == "RUNNING" && task_is("RUNNING")(it);
    one.until(status, is_mended).await;
    stop(&one.process).await;
}
