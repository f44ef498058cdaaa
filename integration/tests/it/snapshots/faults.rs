//! What can happen to a copy while it is under way.

use integration::oracle;
use integration::stack::shared;
use integration::topic::Operation;
use mysql_async::prelude::Queryable;

use super::reads;
use crate::scenario::{Scenario, connect, log_has, own_server, stop, until_async};

/// The server ends a statement of a copy: the chunk is read again, and the stream has gone on.
#[tokio::test]
async fn a_chunk_whose_query_is_killed_is_read_again() {
    let mysql = own_server("killed_query", &[]).await;
    let mut scenario = Scenario::on("killed_query", &mysql).await;
    scenario.sql("CREATE TABLE locked (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO locked VALUES (1, 1), (2, 2), (3, 3)").await;
    scenario.sql("CREATE TABLE other (id INT PRIMARY KEY, a INT)").await;
    let slow = scenario
        .source(&mysql)
        .with("snapshot.chunk.rows", "1")
        .with("snapshot.max.rows.per.second", "1");
    let rowcast = scenario.start(&slow).await;
    scenario.record("locked", |record| record.operation == Operation::Read).await;
    let mut locker = connect(&mysql).await;
    locker.query_drop("LOCK TABLES killed_query.locked WRITE").await.unwrap();

    let mut watch = connect(&mysql).await;
    let waiting = "SELECT id FROM performance_schema.processlist \
                   WHERE state LIKE 'Waiting for table%' AND info LIKE '%locked%'";
    until_async(async || {
        let Some(id) = watch.query_first::<u64, _>(waiting).await.unwrap() else { return false };
        watch.query_drop(format!("KILL QUERY {id}")).await.unwrap();
        true
    })
    .await;
    log_has(&rowcast, "a chunk could not be read, it is read again").await;
    scenario.sql("INSERT INTO other VALUES (1, 1)").await;
    scenario.topic_is_table("other").await;
    locker.query_drop("UNLOCK TABLES").await.unwrap();

    let records = scenario.topic_is_table("locked").await;
    assert_eq!(reads(&records), 3);
    stop(&rowcast).await;
}

/// While one table is copied it is dropped, and the key of another is ordered otherwise: the first is
/// parked, the second is copied again by its new key.
#[tokio::test]
async fn a_table_may_go_or_change_its_key_while_it_is_copied() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("changed_copy").await;
    let rows: Vec<_> = (0..300).map(|n| format!("({n}, {})", 1000 - n)).collect();
    for table in ["gone", "rekeyed"] {
        scenario.sql(&format!("CREATE TABLE {table} (a INT, b INT, PRIMARY KEY (a, b))")).await;
        scenario.sql(&format!("INSERT INTO {table} VALUES {}", rows.join(","))).await;
    }
    let slow = scenario
        .source(mysql)
        .with("snapshot.chunk.rows", "10")
        .with("snapshot.max.rows.per.second", "100");
    let rowcast = scenario.start(&slow).await;
    for table in ["gone", "rekeyed"] {
        scenario.record(table, |record| record.operation == Operation::Read).await;
    }

    scenario.sql("DROP TABLE gone").await;
    scenario.sql("ALTER TABLE rekeyed DROP PRIMARY KEY, ADD PRIMARY KEY (b, a)").await;
    scenario.sql("DELETE FROM rekeyed WHERE a < 100").await;

    log_has(&rowcast, "table parked").await;
    scenario.record("rekeyed", |it| matches!(it.operation, Operation::Sweep { .. })).await;
    scenario.topic_is_table("rekeyed").await;
    stop(&rowcast).await;
}

/// As long as the server has more to do than the settings allow, nothing is copied.
#[tokio::test]
async fn a_copy_waits_while_the_server_is_busy() {
    let mysql = own_server("busy", &[]).await;
    let mut scenario = Scenario::on("busy", &mysql).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    let mut busy = Vec::new();
    for _ in 0..12 {
        let mut connection = connect(&mysql).await;
        let id = connection.id();
        let sleeping = tokio::spawn(async move {
            connection.query_drop("DO SLEEP(600)").await.unwrap_or_default();
        });
        busy.push((id, sleeping));
    }

    let pipeline = scenario.source(&mysql).with("snapshot.max.threads.running", "10");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "threads run, at most 10 may").await;
    scenario.sql("INSERT INTO t VALUES (3, 3)").await;
    scenario.record("t", |record| record.operation == Operation::Create).await;
    assert_eq!(reads(&scenario.records("t").await), 0);
    for (id, sleeping) in busy {
        scenario.sql(&format!("KILL {id}")).await;
        sleeping.await.unwrap();
    }

    log_has(&rowcast, "the server is quiet enough").await;
    assert_eq!(reads(&scenario.topic_is_table("t").await), 3);
    stop(&rowcast).await;
}

/// From MySQL to the index: a truncated table empties it, and what is written behind stays.
#[tokio::test]
async fn a_sweep_of_the_source_empties_the_index() {
    let stack = shared().await.unwrap();
    let mut scenario = Scenario::new("swept").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)").await;
    let elasticsearch = stack.elasticsearch.url();
    let pipeline = scenario.source(&stack.mysql).sink("swept-sink", &elasticsearch, "swept");
    let rowcast = scenario.start(&pipeline).await;
    let documents = async |expected: u64| {
        until_async(async || {
            oracle::document_count(&elasticsearch, "swept.t").await.is_ok_and(|it| it == expected)
        })
        .await;
    };
    documents(3).await;

    scenario.sql("TRUNCATE t").await;
    scenario.sql("INSERT INTO t VALUES (9, 9)").await;

    documents(1).await;
    stop(&rowcast).await;
}
