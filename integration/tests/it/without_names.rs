//! `binlog_row_metadata=MINIMAL`, MySQL's default: rows are logged without the names of their
//! columns.

use std::time::Duration;

use integration::cell::Cell;
use integration::process::Rowcast;
use integration::stack::MySql;
use integration::topic::Operation;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::proxy::{Network, Proxy};
use crate::scenario::{
    Scenario, connect, count, log_has, many_rows, own_server, replica_with, stop, until,
    until_async,
};
use crate::scene::endpoint;
use crate::types;
use mysql_async::prelude::Queryable;

const MINIMAL: &str = "--binlog-row-metadata=MINIMAL";

/// A server whose log has no names, which these tests share.
async fn server() -> &'static MySql {
    static SERVER: OnceCell<MySql> = OnceCell::const_new();
    SERVER.get_or_init(|| Box::pin(own_server("mysql-without-names", &[MINIMAL]))).await
}

/// What the log says of a parked table.
fn parked(rowcast: &Rowcast, table: &str) -> Option<String> {
    let log = rowcast.log().unwrap();
    let is_it = |line: &&str| line.contains("table parked") && line.contains(table);
    log.lines().find(is_it).map(str::to_owned)
}

async fn waits_until_parked(rowcast: &Rowcast, table: &str) -> String {
    let found = until(|| parked(rowcast, table).is_some() || rowcast.pid().is_none()).await;
    assert!(found, "{}", rowcast.log().unwrap());
    parked(rowcast, table).unwrap_or_else(|| panic!("{}", rowcast.log().unwrap()))
}

async fn resume(rowcast: &Rowcast, connector: &str, table: &str) {
    let path = format!("/connectors/{connector}/tables/{table}/resume");
    let (status, answer) = endpoint(rowcast).await.ask("POST", &path, &Value::Null).await;
    assert_eq!(status, 202, "{answer}");
}

#[tokio::test]
async fn every_type_is_read_as_it_is_streamed_without_names() {
    types::every_type_on("nameless_types", server().await).await;
}

#[tokio::test]
async fn a_table_is_altered_while_it_is_streamed_without_names() {
    let mysql = server().await;
    let mut scenario = Scenario::on("nameless_ddl", mysql).await;
    scenario.sql("CREATE TABLE t (id INT UNSIGNED PRIMARY KEY, a INT, e ENUM('x', 'y'))").await;
    scenario.sql("INSERT INTO t VALUES (1, 10, 'x'), (2, 20, 'y')").await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    log_has(&rowcast, "the log does not name columns (binlog_row_metadata)").await;
    scenario.topic_is_table("t").await;

    scenario.sql("INSERT INTO t VALUES (3, 30, 'x')").await;
    scenario.topic_is_table("t").await;
    for (id, ddl) in [
        (4, "ALTER TABLE t ADD COLUMN b VARCHAR(10) NULL AFTER id"),
        (5, "ALTER TABLE t RENAME COLUMN a TO c"),
        (6, "ALTER TABLE t MODIFY COLUMN e ENUM('y', 'x', 'z')"),
        (7, "ALTER TABLE t DROP COLUMN b"),
    ] {
        scenario.sql(ddl).await;
        scenario.sql(&format!("INSERT INTO t (id, e) VALUES ({id}, 'x')")).await;
        scenario.topic_equals_table("t").await;
    }
    // A new file of the log, and a new number of the table: its names are still the same.
    scenario.sql("FLUSH BINARY LOGS").await;
    scenario.sql("FLUSH TABLES").await;
    scenario.sql("UPDATE t SET c = 70").await;
    scenario.topic_equals_table("t").await;
    scenario.sql("CREATE TABLE later (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO later VALUES (1, 1)").await;
    scenario.topic_is_table("later").await;
    scenario.sql("TRUNCATE TABLE t").await;
    scenario.sql("INSERT INTO t VALUES (1, 1, 'z')").await;
    scenario.topic_equals_table("t").await;

    assert_eq!(parked(&rowcast, "nameless_ddl"), None);
    stop(&rowcast).await;
    rowcast.start_again().unwrap();
    scenario.sql("DELETE FROM t").await;
    scenario.topic_equals_table("t").await;
    stop(&rowcast).await;
}

/// Types and their number stay, names change places: the log does not show it.
#[tokio::test]
async fn what_was_redefined_while_rowcast_was_down_is_parked_and_not_guessed() {
    let mysql = server().await;
    let mut scenario = Scenario::on("nameless_down", mysql).await;
    for table in ["swapped", "longer", "other", "early"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, a INT, b INT)")).await;
        scenario.sql(&format!("INSERT INTO {table} VALUES (1, 1, -1)")).await;
    }
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    for table in ["swapped", "longer", "other", "early"] {
        scenario.topic_is_table(table).await;
    }
    stop(&rowcast).await;

    for table in ["swapped", "longer", "other"] {
        scenario.sql(&format!("INSERT INTO {table} VALUES (2, 2, -2)")).await;
    }
    scenario.sql("ALTER TABLE swapped RENAME COLUMN a TO b, RENAME COLUMN b TO a").await;
    scenario.sql("ALTER TABLE longer ADD COLUMN c INT").await;
    // No row of it lies before: there is nothing that could be named wrongly.
    scenario.sql("ALTER TABLE early ADD COLUMN c INT").await;
    for table in ["swapped", "other", "early"] {
        scenario.sql(&format!("INSERT INTO {table} (id, a, b) VALUES (3, 3, -3)")).await;
    }
    rowcast.start_again().unwrap();

    // Before anything is written under a name that may be another column's.
    for table in ["swapped", "longer"] {
        let reason = waits_until_parked(&rowcast, &format!("nameless_down.{table}")).await;
        assert!(reason.contains("its definition was changed later, at binlog."), "{reason}");
        assert!(reason.contains("set binlog_row_metadata=FULL"), "{reason}");
    }
    scenario.topic_is_table("other").await;
    scenario.topic_equals_table("early").await;
    assert_eq!(parked(&rowcast, "nameless_down.early"), None);
    for table in ["swapped", "longer"] {
        assert_eq!(scenario.records(table).await.len(), 1);
        resume(&rowcast, "nameless_down", &format!("nameless_down.{table}")).await;
        scenario.topic_equals_table(table).await;
        scenario.record(table, |it| matches!(it.operation, Operation::Sweep { .. })).await;
    }
    stop(&rowcast).await;
}

/// The setting was changed while rowcast was down, so that nothing says at the start that rows have no
/// names. A row is emitted under the names of now, then the source is killed; what comes next of the
/// table is the statement that has changed the names. The offset remembers.
#[tokio::test]
async fn a_kill_between_rows_and_their_tables_new_definition_does_not_hide_it() {
    let mysql = own_server("mysql-names-later", &[MINIMAL]).await;
    let mut scenario = Scenario::on("nameless_kill", &mysql).await;
    scenario.sql("SET SESSION cte_max_recursion_depth = 1000000").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)").await;
    scenario.sql("CREATE TABLE u (id INT PRIMARY KEY, a INT)").await;
    let filler = "CREATE TABLE filler (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b INT, c TEXT)";
    scenario.sql(filler).await;
    let proxy = Proxy::start(mysql.address(), Network::Good).await;
    let pipeline = scenario.source(&mysql).with("database.port", &proxy.address.port().to_string());
    let rowcast = scenario.start(&pipeline).await;
    scenario.sql("INSERT INTO t VALUES (1, 1, -1)").await;
    scenario.topic_is_table("t").await;
    stop(&rowcast).await;

    scenario.sql("INSERT INTO t VALUES (2, 2, -2)").await;
    scenario.sql("INSERT INTO u VALUES (2, 2)").await;
    scenario.sql(&format!("INSERT INTO filler (a, b, c) {}", many_rows(20_000))).await;
    scenario.sql("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a").await;
    scenario.sql("ALTER TABLE u ADD COLUMN c INT").await;
    scenario.sql("SET GLOBAL binlog_row_metadata = FULL").await;
    // Within the filler's 3 MB: however fast it is, it does not see the statements behind them.
    proxy.set(Network::SilentAfter(1_500_000));
    rowcast.start_again().unwrap();
    scenario.record("t", |record| record.key["id"] == Cell::Number("2".to_owned())).await;
    rowcast.kill().unwrap();
    rowcast.wait(Duration::from_secs(60)).await.unwrap();
    proxy.set(Network::Good);
    assert_eq!(parked(&rowcast, "nameless_kill.t"), None, "it was killed too late");
    rowcast.start_again().unwrap();

    let reason = waits_until_parked(&rowcast, "nameless_kill.t").await;

    assert!(reason.contains("some may have been written under wrong names"), "{reason}");
    let other = parked(&rowcast, "nameless_kill.u").unwrap();
    assert!(other.contains("the log has 2 columns, its definition 3"), "{other}");
    stop(&rowcast).await;
}

/// The setting is global, and the next description of a table has names or has none.
#[tokio::test]
async fn names_may_come_and_go_within_a_log() {
    let mysql = own_server("mysql-some-names", &[MINIMAL]).await;
    let mut scenario = Scenario::on("nameless_switch", &mysql).await;
    scenario
        .sql("CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY, a VARCHAR(20), s SET('p', 'q'))")
        .await;
    let rowcast = scenario.start(&scenario.source(&mysql)).await;
    let mut root = connect(&mysql).await;
    for id in 0..20 {
        let metadata = if id % 2 == 0 { "FULL" } else { "MINIMAL" };
        root.query_drop(format!("SET GLOBAL binlog_row_metadata = {metadata}")).await.unwrap();
        scenario.sql(&format!("INSERT INTO t (id, a, s) VALUES ({id}, 'text {id}', 'q,p')")).await;
        if id % 5 == 4 {
            // Else it may lie between rows and the moment when they get their names.
            scenario.topic_equals_table("t").await;
            scenario.sql(&format!("ALTER TABLE t ADD COLUMN c{id} INT FIRST")).await;
            scenario.topic_equals_table("t").await;
        }
        if id == 12 {
            stop(&rowcast).await;
        }
        if id == 13 {
            rowcast.start_again().unwrap();
        }
    }

    let records = scenario.topic_equals_table("t").await;

    assert!(count(&records, Operation::Create) >= 20);
    assert_eq!(parked(&rowcast, "nameless_switch"), None);
    stop(&rowcast).await;
}

/// The source is down while rows and their table's new definition reach the replica, which takes over:
/// the replica's log is looked through from where the transactions were read.
#[tokio::test]
async fn a_server_that_takes_over_does_not_hide_a_new_definition() {
    let first = own_server("mysql-nameless-first", &[MINIMAL]).await;
    let second = replica_with("mysql-nameless-second", &first, &[MINIMAL]).await;
    let mut scenario = Scenario::on("nameless_failover", &first).await;
    for table in ["t", "other"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, a INT, b INT)")).await;
        scenario.sql(&format!("INSERT INTO {table} VALUES (1, 1, -1)")).await;
    }
    let list = format!("{},{}", first.address(), second.address());
    let pipeline = scenario.source(&first).with("database.hostname", &list);
    let rowcast = scenario.start(&pipeline).await;
    for table in ["t", "other"] {
        scenario.topic_is_table(table).await;
    }
    stop(&rowcast).await;
    scenario.sql("INSERT INTO t VALUES (2, 2, -2)").await;
    scenario.sql("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a").await;
    scenario.sql("INSERT INTO other VALUES (2, 2, -2)").await;
    let mut on_second = connect(&second).await;
    until_async(async || {
        let count = on_second.query_first("SELECT COUNT(*) FROM nameless_failover.other").await;
        count.ok().flatten() == Some(2)
    })
    .await;
    first.server.kill().unwrap();

    rowcast.start_again().unwrap();

    let reason = waits_until_parked(&rowcast, "nameless_failover.t").await;
    assert!(reason.contains("its definition was changed later"), "{reason}");
    scenario.record("other", |record| record.operation == Operation::Create).await;
    assert_eq!(scenario.records("t").await.len(), 1);
    stop(&rowcast).await;
}
