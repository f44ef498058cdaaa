//! `snapshot.mode`.

use integration::stack::shared;
use integration::topic::Operation;

use super::reads;
use crate::scenario::{Scenario, log_has, own_server, stop};

async fn prepared(name: &'static str) -> Scenario {
    let mut scenario = Scenario::new(name).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)").await;
    scenario
}

#[tokio::test]
async fn initial_only_ends_when_all_is_copied() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = prepared("initial_only").await;
    let pipeline = scenario.source(mysql).with("snapshot.mode", "initial_only");

    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "which is all that `initial_only` asks for").await;
    scenario.topic_is_table("t").await;
    scenario.sql("INSERT INTO t VALUES (4, 4)").await;
    stop(&rowcast).await;

    rowcast.start_again().unwrap();
    log_has(&rowcast, "stopped").await;
    assert_eq!(scenario.records("t").await.len(), 3);
    stop(&rowcast).await;
}

#[tokio::test]
async fn always_copies_at_every_start_and_sweeps() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = prepared("always").await;
    let pipeline = scenario.source(mysql).with("snapshot.mode", "always");
    let rowcast = scenario.start(&pipeline).await;
    let first = scenario.topic_is_table("t").await;
    log_has(&rowcast, "table copied").await;
    stop(&rowcast).await;

    let rowcast = scenario.launch("again", &pipeline).await;
    scenario.record("t", |record| matches!(record.operation, Operation::Sweep { .. })).await;

    let second = scenario.topic_is_table("t").await;
    assert_eq!((reads(&first), reads(&second)), (3, 6));
    stop(&rowcast).await;
}

/// The binary log is purged while nobody reads it: rows that were changed and deleted meanwhile are
/// right all the same.
#[tokio::test]
async fn when_needed_copies_again_if_the_log_is_gone() {
    let mysql = own_server("when_needed", &[]).await;
    let mut scenario = Scenario::on("when_needed", &mysql).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)").await;
    let pipeline = scenario.source(&mysql).with("snapshot.mode", "when_needed");
    let rowcast = scenario.start(&pipeline).await;
    scenario.topic_is_table("t").await;
    log_has(&rowcast, "table copied").await;
    stop(&rowcast).await;

    // A start with the log at hand copies nothing.
    rowcast.start_again().unwrap();
    scenario.sql("INSERT INTO t VALUES (4, 4)").await;
    assert_eq!(reads(&scenario.topic_is_table("t").await), 3);
    stop(&rowcast).await;

    scenario.sql("UPDATE t SET a = 20 WHERE id = 2").await;
    scenario.sql("DELETE FROM t WHERE id = 3").await;
    scenario.sql("FLUSH BINARY LOGS").await;
    scenario.sql("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY").await;
    let rowcast = scenario.launch("again", &pipeline).await;

    scenario.record("t", |record| matches!(record.operation, Operation::Sweep { .. })).await;
    let records = scenario.topic_is_table("t").await;
    assert_eq!(reads(&records), 6);
    log_has(&rowcast, "all tables are copied again").await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn recovery_goes_on_and_never_begins() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = prepared("recovery").await;
    let recovery = scenario.source(mysql).with("snapshot.mode", "recovery");

    let refused = scenario.launch("refused", &recovery).await;
    log_has(&refused, "no position is stored").await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    scenario.topic_is_table("t").await;
    stop(&rowcast).await;
    scenario.sql("INSERT INTO t VALUES (4, 4)").await;
    let rowcast = scenario.launch("recovered", &recovery).await;

    assert_eq!(reads(&scenario.topic_is_table("t").await), 3);
    stop(&rowcast).await;
}
