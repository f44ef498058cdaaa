//! Snapshots on demand: by rows of a signal table and by records of a signal topic.

use std::time::Duration;

use integration::stack::shared;
use integration::topic::Operation;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::reads;
use crate::scenario::{Scenario, log_has, stop};

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_row_in_the_signal_table_copies_a_table_again() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("signal_table").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)").await;
    scenario
        .sql("CREATE TABLE signals (id VARCHAR(42) PRIMARY KEY, type VARCHAR(32), data TEXT)")
        .await;
    let pipeline = scenario
        .source(mysql)
        .with("table.include.list", "signal_table.t")
        .with("signal.data.collection", "signal_table.signals");
    let rowcast = scenario.start(&pipeline).await;
    scenario.topic_is_table("t").await;
    log_has(&rowcast, "table copied").await;

    let insert = |id: u32, kind: &str, data: &str| {
        format!("INSERT INTO signals VALUES ('{id}', '{kind}', '{data}')")
    };
    scenario.sql(&insert(1, "log", r#"{"message": "good day"}"#)).await;
    log_has(&rowcast, "good day").await;
    scenario
        .sql(&insert(2, "execute-snapshot", r#"{"data-collections": ["signal_table.t"]}"#))
        .await;
    let sweep = scenario.record("t", |it| matches!(it.operation, Operation::Sweep { .. })).await;
    assert!(sweep.lsn > 0);
    assert_eq!(reads(&scenario.topic_is_table("t").await), 6);

    let filtered = r#"{"data-collections": ["signal_table.t"], "additional-conditions":
        [{"data-collection": "signal_table.t", "filter": "id > 2"}]}"#;
    scenario.sql(&insert(3, "execute-snapshot", filtered)).await;
    scenario.record("t", |it| it.operation == Operation::Read && it.lsn > sweep.lsn).await;
    log_has(&rowcast, "table copied table=signal_table.t rows=1").await;

    scenario.sql(&insert(4, "execute-snapshot", "{}")).await;
    log_has(&rowcast, "`data-collections` names no table").await;
    let wrong = filtered.replace("id > 2", "no_such_column = 1");
    scenario.sql(&insert(5, "execute-snapshot", &wrong)).await;
    log_has(&rowcast, "the condition cannot be used").await;
    stop(&rowcast).await;
    // What was repeated is not emitted by the stream: the signal table is not captured.
    assert_eq!(scenario.records("signals").await.len(), 0);
}

#[tokio::test]
async fn a_record_in_the_signal_topic_pauses_resumes_and_stops() {
    let stack = shared().await.unwrap();
    let mut scenario = Scenario::new("signal_topic").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    let rows: Vec<_> = (0..300).map(|n| format!("({n}, {n})")).collect();
    scenario.sql(&format!("INSERT INTO t VALUES {}", rows.join(","))).await;
    let pipeline = scenario
        .source(&stack.mysql)
        .with("signal.enabled.channels", "source,kafka")
        .with("snapshot.chunk.rows", "5")
        .with("snapshot.max.rows.per.second", "50");
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", stack.kafka.bootstrap()).create().unwrap();
    let signal = async |kind: &str, data: &str| {
        let value = format!(r#"{{"type": "{kind}", "data": {data}}}"#);
        let record = FutureRecord::to("signal_topic-signal").key("signal_topic").payload(&value);
        producer.send(record, DEADLINE).await.unwrap();
    };

    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "chunk emitted").await;
    signal("pause-snapshot", "{}").await;
    log_has(&rowcast, "waits after").await;
    stop(&rowcast).await;
    // All that was emitted is committed now.
    let paused = reads(&scenario.records("t").await);
    assert!(paused > 0 && paused < 300, "{paused}");
    rowcast.start_again().unwrap();
    // It is still paused, and follows changes.
    scenario.sql("UPDATE t SET a = -1 WHERE id = 299").await;
    scenario.record("t", |record| record.operation == Operation::Update).await;
    assert_eq!(reads(&scenario.records("t").await), paused);

    signal("resume-snapshot", r#"{"data-collections": ["signal_topic.t"]}"#).await;
    log_has(&rowcast, "goes on after").await;
    scenario
        .record("t", |it| {
            it.operation == Operation::Read && it.offset > i64::try_from(paused).unwrap()
        })
        .await;
    signal("stop-snapshot", "{}").await;
    log_has(&rowcast, "has ended after").await;
    signal("stop-snapshot", r#"{"data-collections": ["signal_topic.t"]}"#).await;
    log_has(&rowcast, "is not copied now").await;
    let stopped = reads(&scenario.records("t").await);
    assert!(stopped < 300, "{stopped}");
    stop(&rowcast).await;
}
