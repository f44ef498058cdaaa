//! XA transactions: their rows count when they are committed, and in that order.

use integration::marks::ROW;
use integration::stack::{MySql, shared};
use integration::topic::Operation;

use crate::scenario::{Scenario, count, log_has, own_server, server_without_gtids, stop};

#[tokio::test]
async fn rows_of_xa_transactions_come_with_their_commit() {
    xa_beside_others("xa_gtid", &shared().await.unwrap().mysql).await;
}

#[tokio::test]
async fn rows_of_xa_transactions_come_with_their_commit_without_gtids() {
    xa_beside_others("xa_plain", server_without_gtids().await).await;
}

/// Prepared, with other transactions and a new file of the log before the outcome, which is a commit
/// or a rollback; in one phase; over a restart; larger than a Kafka transaction.
async fn xa_beside_others(name: &'static str, mysql: &MySql) {
    let mut scenario = Scenario::on(name, mysql).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(2000))").await;
    scenario.sql("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')").await;
    let pipeline = scenario.source(mysql).with("transaction.max.bytes", "65536");
    let rowcast = scenario.start(&pipeline).await;
    scenario.topic_is_table("t").await;

    prepare(&mut scenario, "committed", "UPDATE t SET a = 'prepared' WHERE id = 1").await;
    prepare(&mut scenario, "dropped", "DELETE FROM t WHERE id = 2").await;
    scenario.sql("UPDATE t SET a = 'between' WHERE id = 3").await;
    scenario.sql("FLUSH BINARY LOGS").await;
    scenario.record("t", |record| record.operation == Operation::Update).await;
    assert_eq!(count(&scenario.records("t").await, Operation::Update), 1);
    stop(&rowcast).await;
    rowcast.start_again().unwrap();
    scenario.sql("XA COMMIT 'committed'").await;
    scenario.sql("XA ROLLBACK 'dropped'").await;
    scenario.sql("UPDATE t SET a = 'behind' WHERE id = 1").await;
    let records = scenario.topic_is_table("t").await;
    assert_eq!(count(&records, Operation::Update), 3);
    assert_eq!(count(&records, Operation::Delete), 0);

    scenario.sql("XA START 'one-phase'").await;
    scenario.sql("INSERT INTO t VALUES (4, 'four')").await;
    scenario.sql("XA END 'one-phase'").await;
    scenario.sql("XA COMMIT 'one-phase' ONE PHASE").await;
    scenario.topic_is_table("t").await;

    let rows: Vec<_> =
        (100..400).map(|id| format!("({id}, CONCAT('{ROW}', REPEAT('x', 1894)))")).collect();
    prepare(&mut scenario, "large", &format!("INSERT INTO t VALUES {}", rows.join(","))).await;
    scenario.sql("XA COMMIT 'large'").await;
    let records = scenario.topic_is_table("t").await;
    assert_eq!(count(&records, Operation::Create), 301);
    assert!(!rowcast.log().unwrap().contains("copied again"), "{}", rowcast.log().unwrap());
    stop(&rowcast).await;
}

/// Its rows are before the first thing that was read, so the table is copied again; and every table
/// of every connector is, which is why it has a server of its own.
#[tokio::test]
async fn a_commit_of_what_was_prepared_before_the_start_is_followed() {
    let mysql = own_server("xa_before", &[]).await;
    let mut scenario = Scenario::on("xa_before", &mysql).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20))").await;
    scenario.sql("INSERT INTO t VALUES (1, 'one'), (2, 'two')").await;
    prepare(&mut scenario, "before", "DELETE FROM t WHERE id = 2").await;
    let rowcast = scenario.start(&scenario.source(&mysql)).await;
    log_has(&rowcast, "table copied").await;

    scenario.sql("XA COMMIT 'before'").await;

    let records = scenario.topic_is_table("t").await;
    assert!(records.iter().any(|record| matches!(record.operation, Operation::Sweep { .. })));
    stop(&rowcast).await;
}

async fn prepare(scenario: &mut Scenario, xid: &str, statement: &str) {
    for statement in [
        &format!("XA START '{xid}'"),
        statement,
        &format!("XA END '{xid}'"),
        &format!("XA PREPARE '{xid}'"),
    ] {
        scenario.sql(statement).await;
    }
}
