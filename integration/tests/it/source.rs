//! The source on real servers: what it writes makes the table, in every situation.

use integration::cell::Cell;
use integration::random::Random;
use integration::stack::{MySql, shared};
use integration::topic::Operation;
use integration::workload::Workload;

use crate::scenario::{Scenario, count, log_has, server_without_gtids, stop, work_until};

#[tokio::test]
async fn snapshot_and_stream_make_the_table() {
    copy_beside_traffic("copy_gtid", &shared().await.unwrap().mysql).await;
}

#[tokio::test]
async fn snapshot_and_stream_make_the_table_without_gtids() {
    copy_beside_traffic("copy_plain", server_without_gtids().await).await;
}

/// Three tables with different keys are copied in chunks of seven rows while all of their rows
/// change.
async fn copy_beside_traffic(name: &'static str, mysql: &MySql) {
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut workload = Workload::create(&mysql.url(), name, (600, seed)).await.unwrap();
    let mut scenario = Scenario::without_database(name, mysql).await;

    let rowcast = scenario.start(&scenario.source(mysql).with("snapshot.chunk.rows", "7")).await;
    work_until(&mut workload, &rowcast, |log| log.matches("table copied").count() >= 3).await;
    for _ in 0..50 {
        workload.step().await.unwrap();
    }

    let mut chunk_rows = 0;
    for table in ["numbers", "pairs", "texts"] {
        let records = scenario.topic_is_table(table).await;
        chunk_rows += count(&records, Operation::Read);
        assert!(count(&records, Operation::Update) > 0);
    }
    assert!(chunk_rows > 30, "{chunk_rows}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_restart_repeats_nothing_and_copies_nothing_again() {
    let mysql = &shared().await.unwrap().mysql;
    let mut workload = Workload::create(&mysql.url(), "restart", (40, 1)).await.unwrap();
    let mut scenario = Scenario::without_database("restart", mysql).await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    for table in ["numbers", "pairs", "texts"] {
        scenario.topic_is_table(table).await;
    }
    let before = scenario.records("numbers").await;

    for round in 2..5 {
        stop(&rowcast).await;
        for _ in 0..20 {
            workload.step().await.unwrap();
        }
        rowcast.start_again().unwrap();
        let has_started = |log: &str| log.matches("source starts").count() >= round;
        work_until(&mut workload, &rowcast, has_started).await;
    }

    for table in ["pairs", "texts", "numbers"] {
        scenario.topic_is_table(table).await;
    }
    let after = scenario.records("numbers").await;
    assert_eq!(count(&before, Operation::Read), count(&after, Operation::Read));
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_column_is_added_while_rows_change() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("add_column").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (1, 10), (2, 20)").await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    scenario.topic_is_table("t").await;

    scenario.sql("INSERT INTO t VALUES (3, 30)").await;
    scenario.sql("ALTER TABLE t ADD COLUMN b VARCHAR(10) NULL").await;
    scenario.sql("INSERT INTO t VALUES (4, 40, 'zeile-4')").await;
    scenario.sql("UPDATE t SET b = 'one' WHERE id = 1").await;

    let records = scenario.topic_is_table("t").await;
    let update = records.iter().find(|record| record.operation == Operation::Update).unwrap();
    let before = &update.before.as_ref().unwrap().cells;
    assert_eq!(before["b"], Cell::Null);
    assert!(!rowcast.log().unwrap().contains("parked"), "{}", rowcast.log().unwrap());
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_changed_key_is_a_delete_a_tombstone_and_a_create() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("key_change").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;

    scenario.sql("INSERT INTO t VALUES (1, 10)").await;
    scenario.sql("UPDATE t SET id = 2").await;
    scenario.sql("UPDATE t SET a = 11").await;
    scenario.sql("DELETE FROM t").await;
    scenario.sql("INSERT INTO t VALUES (5, 50)").await;

    let records = scenario.topic_is_table("t").await;
    let number = |cell: &Cell| cell.clone();
    let found: Vec<_> =
        records.iter().map(|record| (record.operation, number(&record.key["id"]))).collect();
    let key = |id: u32| Cell::Number(id.to_string());
    assert_eq!(
        found,
        [
            (Operation::Create, key(1)),
            (Operation::Delete, key(1)),
            (Operation::Tombstone, key(1)),
            (Operation::Create, key(2)),
            (Operation::Update, key(2)),
            (Operation::Delete, key(2)),
            (Operation::Tombstone, key(2)),
            (Operation::Create, key(5)),
        ]
    );
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_transaction_comes_whole_and_one_that_is_rolled_back_does_not_come() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("rollback").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;

    scenario.sql("BEGIN").await;
    scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)").await;
    scenario.sql("ROLLBACK").await;
    scenario.sql("BEGIN").await;
    scenario.sql("INSERT INTO t VALUES (4, 4), (5, 5)").await;
    scenario.sql("SAVEPOINT s").await;
    scenario.sql("INSERT INTO t VALUES (6, 6)").await;
    scenario.sql("ROLLBACK TO s").await;
    scenario.sql("UPDATE t SET a = 40 WHERE id = 4").await;
    scenario.sql("COMMIT").await;

    let records = scenario.topic_is_table("t").await;
    let gtids: Vec<_> = records.iter().map(|record| record.origin.gtid.clone()).collect();
    assert_eq!(records.len(), 3);
    assert!(gtids[0].is_some() && gtids.iter().all(|gtid| *gtid == gtids[0]), "{gtids:?}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_table_that_is_added_to_the_list_is_copied_beside_the_stream() {
    let mysql = &shared().await.unwrap().mysql;
    let mut workload = Workload::create(&mysql.url(), "added", (300, 3)).await.unwrap();
    let mut scenario = Scenario::without_database("added", mysql).await;
    let only = |table: &str| {
        scenario.source(mysql).with("table.include.list", table).with("snapshot.chunk.rows", "7")
    };
    let (first, both) = (only("added.numbers"), only("added.numbers,added.pairs"));
    let rowcast = scenario.start(&first).await;
    let before = scenario.topic_is_table("numbers").await;
    stop(&rowcast).await;

    for _ in 0..20 {
        workload.step().await.unwrap();
    }
    let rowcast = scenario.launch("both", &both).await;
    work_until(&mut workload, &rowcast, |log| log.contains("table copied")).await;

    let pairs = scenario.topic_is_table("pairs").await;
    let numbers = scenario.topic_is_table("numbers").await;
    // On a busy machine the stream may have written each of them before its chunk could.
    assert!(!pairs.is_empty());
    assert_eq!(count(&before, Operation::Read), count(&numbers, Operation::Read));
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_table_that_is_dropped_is_parked_and_no_other() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("parked").await;
    for table in ["dropped", "other"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, a INT, b INT)")).await;
        scenario.sql(&format!("INSERT INTO {table} VALUES (1, 1, 1)")).await;
    }
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    for table in ["dropped", "other"] {
        scenario.topic_is_table(table).await;
    }

    scenario.sql("DROP TABLE dropped").await;
    scenario.sql("INSERT INTO other (id, a) VALUES (2, 2)").await;

    scenario.topic_is_table("other").await;
    assert_eq!(scenario.records("dropped").await.len(), 1);
    log_has(&rowcast, "it was dropped or renamed").await;
    stop(&rowcast).await;
    let offsets = scenario.topics.read_texts("parked-offsets").await.unwrap();
    let last = |table: &str| offsets.iter().rev().find(|(key, _)| key.contains(table)).unwrap();
    assert!(last("dropped").1.contains("parked"), "{:?}", last("dropped"));
    assert!(!last("other").1.contains("parked"), "{:?}", last("other"));
}

/// Rows of a table without transactions stay when the transaction around them is rolled back, wholly
/// or to a savepoint; rows of the others do not come, and transactions without rows are passed over.
#[tokio::test]
async fn mixed_engines_are_followed_through_rollbacks_and_savepoints() {
    let mysql = server_without_gtids().await;
    let mut scenario = Scenario::on("mixed_engines", mysql).await;
    scenario.sql("CREATE TABLE safe (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("CREATE TABLE plain (id INT PRIMARY KEY, a INT) ENGINE = MyISAM").await;
    scenario.sql("INSERT INTO plain VALUES (1, 1), (2, 2)").await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    scenario.topic_is_table("plain").await;

    for statement in [
        "BEGIN",
        "INSERT INTO safe VALUES (1, 1)",
        "SAVEPOINT s",
        "INSERT INTO safe VALUES (2, 2)",
        "INSERT INTO plain VALUES (3, 3)",
        "ROLLBACK TO s",
        "UPDATE plain SET a = 20 WHERE id = 2",
        "COMMIT",
        "BEGIN",
        "INSERT INTO safe VALUES (4, 4)",
        "DELETE FROM plain WHERE id = 1",
        "ROLLBACK",
        "BEGIN",
        "COMMIT",
        "UPDATE safe SET a = 10",
    ] {
        scenario.sql(statement).await;
    }

    let safe = scenario.topic_is_table("safe").await;
    let plain = scenario.topic_is_table("plain").await;
    assert_eq!((count(&safe, Operation::Create), count(&safe, Operation::Update)), (1, 1));
    assert_eq!(count(&plain, Operation::Delete), 1);
    assert!(!rowcast.log().unwrap().contains("parked"), "{}", rowcast.log().unwrap());
    stop(&rowcast).await;
}
