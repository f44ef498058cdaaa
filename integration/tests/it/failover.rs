//! Two servers, and what one of them has that the other has not: nothing is skipped or repeated
//! unseen.

use integration::cell::Cell;
use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::stack::MySql;
use integration::topic::Operation;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::scenario::{Scenario, connect, log_has, own_server, replica, stop, until, until_async};
use crate::scene::metrics_have;

/// A source, its replica, and a table `t` on both with the rows 1 and 2, which are in the topic. All
/// is read from `first`, and compared with `second`.
struct Pair {
    first: MySql,
    second: MySql,
    on_first: Conn,
    on_second: Conn,
    scenario: Scenario,
    pipeline: PipelineFile,
    rowcast: Rowcast,
}

impl Pair {
    async fn start(name: &'static str, mode: &str) -> Self {
        let first = own_server(&format!("mysql-{name}-1"), &[]).await;
        let second = replica(&format!("mysql-{name}-2"), &first).await;
        let (mut on_first, mut on_second) = (connect(&first).await, connect(&second).await);
        for statement in [
            &format!("CREATE DATABASE {name}"),
            &format!("USE {name}"),
            "CREATE TABLE t (id INT PRIMARY KEY, a INT)",
            "INSERT INTO t VALUES (1, 1), (2, 2)",
        ] {
            on_first.query_drop(statement).await.unwrap();
        }
        has_executed(&mut on_first, &mut on_second).await;
        on_second.query_drop(format!("USE {name}")).await.unwrap();
        let mut scenario = Scenario::without_database(name, &second).await;
        let hosts = format!("{},{}", first.address(), second.address());
        let pipeline =
            scenario.source(&first).with("database.hostname", &hosts).with("snapshot.mode", mode);
        let rowcast = scenario.start(&pipeline).await;
        scenario.topic_is_table("t").await;
        log_has(&rowcast, "table copied").await;
        Self { first, second, on_first, on_second, scenario, pipeline, rowcast }
    }

    /// The first server is gone, and the second one is on its own.
    async fn fail_over(&mut self) {
        self.first.server.kill().unwrap();
        self.promote().await;
    }

    async fn promote(&mut self) {
        self.on_second.query_drop("STOP REPLICA").await.unwrap();
        self.on_second.query_drop("RESET REPLICA ALL").await.unwrap();
    }

    async fn is_followed(&self) {
        let followed = format!("server={} position", self.second.address());
        assert!(until(|| self.log().contains(&followed)).await, "{}", self.log());
    }

    fn log(&self) -> String {
        self.rowcast.log().unwrap()
    }

    async fn emitted(&mut self, id: i64) {
        let key = Cell::Number(id.to_string());
        self.scenario.record("t", |it| it.key.get("id") == Some(&key)).await;
    }
}

/// Waits until the second one has executed all that the first one has.
async fn has_executed(first: &mut Conn, second: &mut Conn) {
    let executed: Option<String> =
        first.query_first("SELECT @@GLOBAL.gtid_executed").await.unwrap();
    let wait = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{}', 60)", executed.unwrap());
    assert_eq!(second.query_first(wait).await.unwrap(), Some(0), "it has not caught up");
}

#[tokio::test]
async fn what_only_the_replica_has_executed_comes_after_the_failover() {
    let mut pair = Pair::start("errant", "initial").await;
    // By somebody who took the replica for the source, before anything failed.
    pair.on_second.query_drop("INSERT INTO t VALUES (100, 1)").await.unwrap();
    pair.on_first.query_drop("INSERT INTO t VALUES (3, 3)").await.unwrap();
    has_executed(&mut pair.on_first, &mut pair.on_second).await;
    pair.emitted(3).await;

    pair.fail_over().await;
    pair.on_second.query_drop("INSERT INTO t VALUES (4, 4)").await.unwrap();

    pair.is_followed().await;
    let records = pair.scenario.topic_is_table("t").await;
    assert_eq!(records.len(), 5, "none is repeated");
    stop(&pair.rowcast).await;
}

#[tokio::test]
async fn an_errant_transaction_that_was_purged_is_named_and_a_copy_mends_it() {
    let mut pair = Pair::start("errant_purged", "initial").await;
    pair.on_second.query_drop("INSERT INTO t VALUES (100, 1)").await.unwrap();
    pair.on_second.query_drop("FLUSH BINARY LOGS").await.unwrap();
    pair.on_second.query_drop("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY").await.unwrap();
    let uuid: Option<String> =
        pair.on_second.query_first("SELECT @@GLOBAL.server_uuid").await.unwrap();

    pair.fail_over().await;

    let purged = format!("1 transactions were purged before they were read: {}:1", uuid.unwrap());
    assert!(until(|| pair.log().contains(&purged)).await, "{}", pair.log());
    until_async(async || pair.rowcast.pid().is_none()).await;
    let rowcast = copies_again(&mut pair).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_replica_that_lags_behind_the_position_is_waited_for() {
    let mut pair = Pair::start("lagging", "initial").await;
    pair.on_second.query_drop("STOP REPLICA SQL_THREAD").await.unwrap();
    pair.on_first.query_drop("INSERT INTO t VALUES (3, 3)").await.unwrap();
    pair.on_first.query_drop("UPDATE t SET a = 10 WHERE id = 1").await.unwrap();
    pair.emitted(3).await;
    // The relay log has it, the table has not.
    let queued = "SELECT RECEIVED_TRANSACTION_SET FROM \
                  performance_schema.replication_connection_status";
    let executed: Option<String> =
        pair.on_first.query_first("SELECT @@GLOBAL.gtid_executed").await.unwrap();
    let subset = format!("SELECT GTID_SUBSET('{}', ({queued}))", executed.unwrap());
    until_async(async || pair.on_second.query_first(&subset).await.unwrap() == Some(1)).await;

    pair.first.server.kill().unwrap();

    let is_told = || pair.log().contains("has not executed") && pair.log().contains("keeps trying");
    assert!(until(is_told).await, "{}", pair.log());
    pair.on_second.query_drop("START REPLICA SQL_THREAD").await.unwrap();
    pair.is_followed().await;
    pair.promote().await;
    pair.on_second.query_drop("INSERT INTO t VALUES (4, 4)").await.unwrap();
    let records = pair.scenario.topic_is_table("t").await;
    assert_eq!(records.len(), 5, "none is repeated");
    stop(&pair.rowcast).await;
}

#[tokio::test]
async fn a_server_that_never_got_what_was_emitted_is_not_followed() {
    let mut pair = Pair::start("diverged", "initial").await;
    pair.on_second.query_drop("STOP REPLICA").await.unwrap();
    pair.on_first.query_drop("INSERT INTO t VALUES (3, 3)").await.unwrap();
    pair.on_first.query_drop("DELETE FROM t WHERE id = 1").await.unwrap();
    pair.emitted(3).await;

    pair.fail_over().await;
    pair.on_second.query_drop("INSERT INTO t VALUES (4, 4)").await.unwrap();

    assert!(until(|| pair.log().contains("has never executed")).await, "{}", pair.log());
    assert!(pair.log().contains("when_needed"), "{}", pair.log());
    until_async(async || pair.rowcast.pid().is_none()).await;
    let rowcast = copies_again(&mut pair).await;
    // And goes on from there.
    pair.on_second.query_drop("INSERT INTO t VALUES (5, 5)").await.unwrap();
    pair.emitted(5).await;
    pair.scenario.topic_is_table("t").await;
    stop(&rowcast).await;
}

/// What the hint says: with `when_needed`, all is copied again, with a sweep.
async fn copies_again(pair: &mut Pair) -> Rowcast {
    let needed = pair.pipeline.clone().with("snapshot.mode", "when_needed");
    let rowcast = pair.scenario.launch("needed", &needed).await;
    pair.scenario.record("t", |it| matches!(it.operation, Operation::Sweep { .. })).await;
    pair.scenario.topic_is_table("t").await;
    rowcast
}

/// The server's data folder is put back as it was, and goes on from there under the same uuid.
#[tokio::test]
async fn a_server_that_was_restored_from_an_old_backup_is_not_taken_for_the_same() {
    let mysql = own_server("mysql-restored", &[]).await;
    let mut scenario = Scenario::on("restored", &mysql).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    let pipeline = scenario.source(&mysql);
    let rowcast = scenario.start(&pipeline).await;
    scenario.topic_is_table("t").await;
    stop(&rowcast).await;
    mysql.server.stop().await.unwrap();
    let (data, backup) =
        (mysql.server.directory().join("data"), mysql.server.directory().join("backup"));
    copy(&data, &backup);
    mysql.server.start_again().await.unwrap();
    rowcast.start_again().unwrap();
    let mut connection = connect(&mysql).await;
    connection.query_drop("INSERT INTO restored.t VALUES (3, 3)").await.unwrap();
    let third = Cell::Number("3".to_owned());
    scenario.record("t", |it| it.key.get("id") == Some(&third)).await;
    stop(&rowcast).await;

    mysql.server.stop().await.unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&backup, &data).unwrap();
    mysql.server.start_again().await.unwrap();
    let mut connection = connect(&mysql).await;
    // More than before, of other rows.
    for id in 10..60 {
        connection.query_drop(format!("INSERT INTO restored.t VALUES ({id}, 0)")).await.unwrap();
    }
    rowcast.start_again().unwrap();

    let refused = || rowcast.log().unwrap().contains("mysql cannot send the binary log from where");
    assert!(until(refused).await, "{}", rowcast.log().unwrap());
    until_async(async || rowcast.pid().is_none()).await;
    let mut restored = Scenario::without_database("restored", &mysql).await;
    let needed = pipeline.with("snapshot.mode", "when_needed");
    let rowcast = restored.launch("needed", &needed).await;
    restored.record("t", |it| matches!(it.operation, Operation::Sweep { .. })).await;
    restored.topic_is_table("t").await;
    stop(&rowcast).await;
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(status.success());
}

/// GTIDs are switched on, off and on again under a source that stops and starts in between.
#[tokio::test]
async fn a_server_may_switch_gtids_on_and_off_step_by_step() {
    let off = ["--gtid-mode=OFF", "--enforce-gtid-consistency=ON"];
    let mysql = own_server("mysql-permissive", &off).await;
    let mut scenario = Scenario::on("permissive", &mysql).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT)").await;
    scenario.sql("INSERT INTO t (a) VALUES (0)").await;
    let pipeline = scenario.source(&mysql);
    let rowcast = scenario.start(&pipeline).await;
    scenario.topic_is_table("t").await;
    let up = ["OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"];
    let down = ["ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"];
    let again = ["OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"];
    for (round, mode) in up.iter().chain(&down).chain(&again).enumerate() {
        scenario.sql(&format!("SET GLOBAL gtid_mode = {mode}")).await;
        scenario.sql("INSERT INTO t (a) VALUES (1), (2)").await;
        scenario.sql("UPDATE t SET a = a + 1").await;
        scenario.topic_is_table("t").await;
        stop(&rowcast).await;
        // While nobody reads.
        scenario.sql("INSERT INTO t (a) VALUES (3)").await;
        if round % 2 == 0 {
            scenario.sql("FLUSH BINARY LOGS").await;
            scenario.sql("DELETE FROM t ORDER BY id LIMIT 1").await;
        }
        rowcast.start_again().unwrap();
        scenario.topic_is_table("t").await;
    }
    log_has(&rowcast, "the place in the log is known by GTIDs from here on").await;
    let log = rowcast.log().unwrap();
    assert!(!log.contains("all tables are copied again"), "{log}");
    stop(&rowcast).await;
}

/// Transactions with tags (MySQL 8.3) are told apart from those without by both servers.
#[tokio::test]
async fn tagged_transactions_are_followed_to_another_server() {
    let mut pair = Pair::start("tagged", "initial").await;
    for (gtid, row) in [("AUTOMATIC:blue", 3), ("AUTOMATIC", 4), ("AUTOMATIC:red", 5)] {
        pair.on_first.query_drop(format!("SET gtid_next = '{gtid}'")).await.unwrap();
        pair.on_first.query_drop(format!("INSERT INTO t VALUES ({row}, 0)")).await.unwrap();
    }
    has_executed(&mut pair.on_first, &mut pair.on_second).await;
    pair.emitted(5).await;

    pair.fail_over().await;
    pair.on_second.query_drop("SET gtid_next = 'AUTOMATIC:blue'").await.unwrap();
    pair.on_second.query_drop("INSERT INTO t VALUES (6, 0)").await.unwrap();

    pair.is_followed().await;
    let records = pair.scenario.topic_is_table("t").await;
    assert_eq!(records.len(), 6, "none is repeated");
    stop(&pair.rowcast).await;
}

#[tokio::test]
async fn the_time_until_what_is_needed_is_purged_is_a_metric_and_little_is_warned_of() {
    let mysql = own_server("mysql-headroom", &["--binlog-expire-logs-seconds=7200"]).await;
    let mut scenario = Scenario::on("headroom", &mysql).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let rowcast = scenario.start(&scenario.source(&mysql)).await;
    // It has read everything.
    let line = "rowcast_source_binlog_headroom_seconds{connector=\"headroom\"} 7200.0";
    metrics_have(&rowcast, &[line]).await;
    assert!(!rowcast.log().unwrap().contains("mysql will soon purge"));
    stop(&rowcast).await;

    // What it has to read next is of 100 minutes ago.
    let committed = "UNIX_TIMESTAMP(NOW() - INTERVAL 100 MINUTE) * 1000000";
    scenario.sql(&format!("SET SESSION original_commit_timestamp = {committed}")).await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    rowcast.start_again().unwrap();
    scenario.topic_is_table("t").await;
    log_has(&rowcast, "mysql will soon purge binary log that is not read yet").await;
    stop(&rowcast).await;
}
