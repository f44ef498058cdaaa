//! Copies of tables on real servers, beside changes: by which keys, how often, and when told to.

mod faults;
mod keyless;
mod keys;
mod modes;
mod orders;
mod replica;

use integration::process::Rowcast;
use integration::stack::shared;
use integration::topic::{ChangeRecord, Operation};
use integration::workload::Workload;

use crate::scenario::{Scenario, count, log_has, stop, work_until};

/// A truncated table, one whose rows a definition has changed, and one that an online schema change
/// has put another in the place of: all of them are what MySQL has, and nothing is parked.
#[tokio::test]
async fn what_changes_rows_without_row_events_is_followed() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("followed").await;
    for table in ["truncated", "altered", "swapped"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, a INT)")).await;
        scenario.sql(&format!("INSERT INTO {table} VALUES (1, 1), (2, 2), (3, 3)")).await;
    }
    let only = scenario
        .source(mysql)
        .with("table.include.list", "followed.truncated,followed.altered,followed.swapped");
    let rowcast = scenario.start(&only).await;
    for table in ["truncated", "altered", "swapped"] {
        scenario.topic_is_table(table).await;
    }

    scenario.sql("TRUNCATE truncated").await;
    scenario.sql("INSERT INTO truncated VALUES (2, 20), (9, 9)").await;
    scenario.sql("ALTER TABLE altered ADD COLUMN b INT NOT NULL DEFAULT 7").await;
    scenario.sql("UPDATE altered SET a = 10 WHERE id = 1").await;
    scenario.sql("CREATE TABLE _swapped_gho LIKE swapped").await;
    scenario.sql("INSERT INTO _swapped_gho VALUES (1, 100), (4, 400)").await;
    scenario.sql("RENAME TABLE swapped TO _swapped_del, _swapped_gho TO swapped").await;
    scenario.sql("INSERT INTO swapped VALUES (5, 500)").await;

    for table in ["truncated", "altered", "swapped"] {
        scenario.copied_again(table, 1).await;
    }
    assert!(!rowcast.log().unwrap().contains("parked"), "{}", rowcast.log().unwrap());
    stop(&rowcast).await;
}

/// The copy of a table whose rows are larger than a chunk may be.
#[tokio::test]
async fn large_rows_make_small_chunks() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("large_rows").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)").await;
    for id in 0..12 {
        scenario
            .sql(&format!("INSERT INTO t VALUES ({id}, CONCAT('zeile-', REPEAT('x', 1199994)))"))
            .await;
    }

    let rowcast = scenario.start(&scenario.source(mysql)).await;

    scenario.topic_is_table("t").await;
    log_has(&rowcast, "table copied table=large_rows.t rows=12").await;
    stop(&rowcast).await;
    let log = rowcast.log().unwrap();
    assert!(log.matches("chunk emitted").count() >= 3, "{log}");
}

/// A restart goes on at the chunk where the copy stood: no finished chunk is read again.
#[tokio::test]
async fn a_killed_copy_goes_on_where_it_stood() {
    let mysql = &shared().await.unwrap().mysql;
    let seed = integration::random::Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut workload = Workload::create(&mysql.url(), "resumed", (400, seed)).await.unwrap();
    let mut scenario = Scenario::without_database("resumed", mysql).await;
    let slow = scenario
        .source(mysql)
        .with("snapshot.chunk.rows", "7")
        .with("snapshot.max.threads", "3")
        .with("snapshot.max.rows.per.second", "300");
    let rowcast = scenario.start(&slow).await;

    // How many chunks there are depends on the seed; a copy that is over is not killed.
    let mut kills = 0;
    for round in 1..5 {
        let emitted = |log: &str| log.matches("chunk emitted").count() >= round * 4;
        work_until(&mut workload, &rowcast, |log| emitted(log) || are_copied(log, 3)).await;
        if all_copied(&rowcast, 3) {
            break;
        }
        rowcast.kill().unwrap();
        rowcast.start_again().unwrap();
        kills += 1;
    }
    assert!(kills > 1, "killed {kills} times");
    work_until(&mut workload, &rowcast, |log| are_copied(log, 3)).await;

    let mut rows_read = 0;
    for table in ["numbers", "pairs", "texts"] {
        // Among others: no row was read twice.
        rows_read += reads(&scenario.topic_is_table(table).await);
    }
    assert!(rows_read > 0);
    stop(&rowcast).await;
}

fn all_copied(rowcast: &Rowcast, tables: usize) -> bool {
    are_copied(&rowcast.log().unwrap(), tables)
}

fn are_copied(log: &str, tables: usize) -> bool {
    log.matches("table copied").count() >= tables
}

fn reads(records: &[ChangeRecord]) -> usize {
    count(records, Operation::Read)
}
