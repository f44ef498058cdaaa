//! Definitions that change while they are captured: after each, the topic is what the table is.

use integration::process::Rowcast;
use integration::stack::shared;
use integration::topic::{ChangeRecord, Operation};
use serde_json::json;

use crate::scenario::{Scenario, log_has, own_server, stop, sweeps, until_async};

/// A source of a database with a table `t`, whose schemas may be of any kind.
async fn captured(name: &'static str, definition: &str) -> (Scenario, Rowcast) {
    let mut scenario = Scenario::new(name).await;
    scenario.sql(&format!("CREATE TABLE t {definition}")).await;
    scenario.sql("INSERT INTO t (id, a) VALUES (1, 10), (2, 20), (13, 30), (24, 40)").await;
    let rowcast = scenario.start(&scenario.source(&scenario.stack.mysql)).await;
    scenario.topic_is_table("t").await;
    allow_all(&scenario, "t").await;
    (scenario, rowcast)
}

/// What the registry calls compatible is another test's matter.
async fn allow_all(scenario: &Scenario, table: &str) {
    let registry = shared().await.unwrap().registry.url();
    for part in ["key", "value"] {
        let url = format!("{registry}/config/{}-{part}", scenario.topic(table));
        let all = json!({"compatibility": "NONE"});
        let answer = reqwest::Client::new().put(url).json(&all).send().await.unwrap();
        assert!(answer.status().is_success());
    }
}

/// Statements with how many copies or truncations of the table follow, and rows behind each.
async fn follow(scenario: &mut Scenario, statements: &[(&str, usize)]) {
    let mut expected = sweeps(&scenario.records("t").await);
    for (number, (statement, copies)) in statements.iter().enumerate() {
        println!("{statement}");
        scenario.sql(statement).await;
        let id = 3 + number;
        scenario.sql(&format!("REPLACE INTO t (id, a) VALUES ({id}, {id})")).await;
        expected += copies;
        let records = scenario.topic_is_table("t").await;
        until_async(async || sweeps(&scenario.records("t").await) >= expected).await;
        assert!(sweeps(&records) <= expected, "{statement}");
    }
}

const BY_RANGE: &str = "PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 \
                        VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN (30))";

/// A new partition each week must not copy a large table each week.
#[tokio::test]
async fn partitions_are_maintained_without_a_copy() {
    let table = "(id INT PRIMARY KEY, a INT)";
    let (mut scenario, rowcast) = captured("def_parts", table).await;

    let reorganize =
        "ALTER TABLE t REORGANIZE PARTITION p0, p1 INTO (PARTITION p01 VALUES LESS THAN (20))";
    follow(
        &mut scenario,
        &[
            (&format!("ALTER TABLE t {BY_RANGE}"), 0),
            ("ALTER TABLE t ADD PARTITION (PARTITION p3 VALUES LESS THAN (40))", 0),
            (reorganize, 0),
            ("ALTER TABLE t REBUILD PARTITION p01, p2", 0),
            ("ALTER TABLE t ANALYZE PARTITION ALL", 0),
            ("ALTER TABLE t CHECK PARTITION p01, p2", 0),
            ("ALTER TABLE t OPTIMIZE PARTITION p01", 0),
            ("ALTER TABLE t REPAIR PARTITION p01", 0),
            ("ALTER TABLE t ADD COLUMN b INT NULL PARTITION BY HASH (id) PARTITIONS 3", 0),
            ("ALTER TABLE t ADD PARTITION PARTITIONS 2", 0),
            ("ALTER TABLE t COALESCE PARTITION 3", 0),
            ("ALTER TABLE t REMOVE PARTITIONING", 0),
        ],
    )
    .await;

    stop(&rowcast).await;
}

#[tokio::test]
async fn rows_that_leave_or_come_with_a_partition_are_followed() {
    let table = format!("(id INT PRIMARY KEY, a INT) {BY_RANGE}");
    let (mut scenario, rowcast) = captured("def_exchange", &table).await;
    scenario.sql("CREATE TABLE other (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO other VALUES (15, 150), (16, 160)").await;
    scenario.topic_is_table("other").await;

    follow(
        &mut scenario,
        &[
            ("ALTER TABLE t EXCHANGE PARTITION p1 WITH TABLE other", 1),
            ("ALTER TABLE t TRUNCATE PARTITION p1, p2", 1),
            ("ALTER TABLE t DROP PARTITION p2", 1),
        ],
    )
    .await;

    // It has the partition's rows.
    scenario.copied_again("other", 1).await;
    assert!(!rowcast.log().unwrap().contains("parked"), "{}", rowcast.log().unwrap());
    stop(&rowcast).await;
}

#[tokio::test]
async fn columns_and_keys_that_change_are_followed() {
    let table =
        "(id INT PRIMARY KEY, a INT, k INT NOT NULL DEFAULT 1, e ENUM('x', 'y') DEFAULT 'y')";
    let (mut scenario, rowcast) = captured("def_columns", table).await;

    follow(
        &mut scenario,
        &[
            ("ALTER TABLE t ADD COLUMN b VARCHAR(9) NULL FIRST, ALGORITHM=INSTANT", 0),
            ("ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 7 AFTER a, ALGORITHM=INSTANT", 1),
            ("ALTER TABLE t MODIFY b VARCHAR(9) AFTER k", 1),
            ("ALTER TABLE t DROP COLUMN b, ALGORITHM=INSTANT", 1),
            ("ALTER TABLE t ALTER COLUMN c SET DEFAULT 8", 0),
            ("ALTER TABLE t MODIFY e ENUM('x', 'y', 'z') DEFAULT 'z', ALGORITHM=INSTANT", 0),
            ("ALTER TABLE t MODIFY e ENUM('z', 'y', 'x') DEFAULT 'x'", 1),
            ("ALTER TABLE t CHANGE c d VARCHAR(20) CHARACTER SET latin1", 1),
            ("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", 1),
            ("ALTER TABLE t DEFAULT CHARACTER SET latin1, COMMENT = 'DROP COLUMN a'", 0),
            ("ALTER TABLE t RENAME COLUMN d TO f", 1),
            ("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, k)", 1),
            ("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (k, id)", 1),
            ("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id)", 1),
            ("ALTER TABLE t ADD UNIQUE KEY u (k, id), ADD INDEX i (a)", 0),
            ("ALTER TABLE t DROP INDEX u, ENGINE=InnoDB, FORCE", 0),
            ("ALTER TABLE t /*!80000 DROP COLUMN f */", 1),
            ("TRUNCATE TABLE t", 1),
        ],
    )
    .await;

    stop(&rowcast).await;
}

/// The primary key is not all that tells rows apart.
#[tokio::test]
async fn another_unique_key_in_the_place_of_a_primary_key_copies_its_table() {
    let table = "(id INT NOT NULL, a INT NOT NULL, UNIQUE KEY u (id))";
    let (mut scenario, rowcast) = captured("def_unique", table).await;
    let ids = |records: Vec<ChangeRecord>| {
        let last = records.into_iter().rfind(|it| it.operation == Operation::Create).unwrap();
        last.key.into_keys().collect::<Vec<_>>()
    };

    scenario.sql("ALTER TABLE t ADD UNIQUE KEY v (a), DROP INDEX u").await;
    scenario.sql("INSERT INTO t VALUES (3, 3)").await;

    until_async(async || sweeps(&scenario.records("t").await) == 1).await;
    scenario.record("t", |it| it.operation == Operation::Create).await;
    assert_eq!(ids(scenario.records("t").await), ["a"]);
    stop(&rowcast).await;
}

#[tokio::test]
async fn tables_that_change_their_names_are_followed() {
    let table = "(id INT PRIMARY KEY, a INT)";
    let (mut scenario, rowcast) = captured("def_names", table).await;
    scenario.sql("CREATE DATABASE def_names_other").await;
    scenario.sql("CREATE TABLE b LIKE t").await;
    scenario.sql("INSERT INTO b VALUES (1, 100), (7, 700)").await;
    scenario.topic_is_table("b").await;

    scenario.sql("RENAME TABLE t TO tmp, b TO t, tmp TO b").await;
    scenario.sql("INSERT INTO b VALUES (8, 8)").await;
    for table in ["t", "b"] {
        scenario.copied_again(table, 1).await;
    }
    scenario.sql("RENAME TABLE t TO def_names_other.t").await;
    scenario.sql("DELETE FROM def_names_other.t WHERE id = 7").await;
    scenario.sql("RENAME TABLE def_names_other.t TO t").await;
    scenario.copied_again("t", 2).await;
    scenario.sql("ALTER TABLE t ADD COLUMN n INT NULL, RENAME TO `a.``b`").await;
    scenario.sql("RENAME TABLE `a.``b` TO t").await;
    scenario.sql("INSERT INTO t VALUES (9, 9, 9)").await;
    scenario.copied_again("t", 3).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn tables_that_are_made_in_each_way_are_captured_from_their_first_row_on() {
    let table = "(id INT PRIMARY KEY, a INT)";
    let (mut scenario, rowcast) = captured("def_made", table).await;

    scenario.sql("CREATE TABLE alike LIKE t").await;
    scenario.sql("INSERT INTO alike SELECT * FROM t").await;
    scenario.sql("CREATE TABLE chosen (PRIMARY KEY (id)) SELECT * FROM t").await;
    scenario.sql("CREATE TABLE IF NOT EXISTS chosen (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO chosen VALUES (5, 5)").await;

    for table in ["alike", "chosen"] {
        let records = scenario.topic_is_table(table).await;
        assert!(records.iter().all(|it| it.operation == Operation::Create), "{table}");
        // Each is one transaction.
        let rows = records.iter().filter(|it| it.origin.gtid == records[0].origin.gtid).count();
        assert_eq!(rows, 4, "{table}");
    }
    assert!(!rowcast.log().unwrap().contains("parked"), "{}", rowcast.log().unwrap());
    stop(&rowcast).await;
}

/// A view is renamed by the statement that renames a table.
#[tokio::test]
async fn a_view_that_is_renamed_is_no_table() {
    let table = "(id INT PRIMARY KEY, a INT)";
    let (mut scenario, rowcast) = captured("def_view", table).await;

    scenario.sql("CREATE VIEW v AS SELECT * FROM t").await;
    scenario.sql("RENAME TABLE v TO w").await;
    scenario.sql("INSERT INTO t VALUES (5, 5)").await;

    scenario.topic_is_table("t").await;
    stop(&rowcast).await;
    let log = rowcast.log().unwrap();
    assert!(!log.contains("parked") && !log.contains("def_view.w"), "{log}");
}

/// Its tables are parked for what has happened to them, and copied when they are there again.
#[tokio::test]
async fn a_database_that_is_dropped_parks_its_tables_until_they_are_made_again() {
    let table = "(id INT PRIMARY KEY, a INT)";
    let (mut scenario, rowcast) = captured("def_database", table).await;

    scenario.sql("DROP DATABASE def_database").await;
    log_has(&rowcast, "reason=\"its database was dropped\"").await;
    scenario.sql("CREATE DATABASE def_database").await;
    scenario.sql("USE def_database").await;
    scenario.sql("CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (9, 9)").await;

    scenario.copied_again("t", 1).await;
    stop(&rowcast).await;
}

/// A table that is parked for its rows is not copied again because somebody makes sure that it exists.
#[tokio::test]
async fn a_table_without_its_key_is_parked_until_it_has_one() {
    let table = "(id INT PRIMARY KEY, a INT)";
    let (mut scenario, rowcast) = captured("def_key", table).await;

    scenario.sql("ALTER TABLE t DROP PRIMARY KEY").await;
    log_has(&rowcast, "table parked").await;
    scenario.sql("CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("ALTER TABLE t ADD PRIMARY KEY (id)").await;
    scenario.sql("INSERT INTO t VALUES (9, 9)").await;

    scenario.copied_again("t", 1).await;
    assert_eq!(rowcast.log().unwrap().matches("table parked").count(), 1);
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_tablespace_that_is_imported_is_copied() {
    let table = "(id INT PRIMARY KEY, a INT)";
    let (mut scenario, rowcast) = captured("def_import", table).await;
    let folder = scenario.rows::<String>("SELECT @@datadir").await.remove(0);
    let file = |name: &str| format!("{folder}/def_import/{name}");
    scenario.sql("CREATE TABLE other LIKE t").await;
    scenario.sql("INSERT INTO other VALUES (1, 1), (50, 50)").await;

    scenario.sql("ALTER TABLE t DISCARD TABLESPACE").await;
    log_has(&rowcast, "reason=\"its tablespace was discarded\"").await;
    scenario.sql("FLUSH TABLES other FOR EXPORT").await;
    for ending in ["ibd", "cfg"] {
        std::fs::copy(file(&format!("other.{ending}")), file(&format!("t.{ending}"))).unwrap();
    }
    scenario.sql("UNLOCK TABLES").await;
    scenario.sql("ALTER TABLE t IMPORT TABLESPACE").await;
    scenario.sql("INSERT INTO t VALUES (60, 60)").await;

    scenario.copied_again("t", 1).await;
    stop(&rowcast).await;
}

/// Bytes of another character set, and quotes that the session's mode reads otherwise, hide nothing.
#[tokio::test]
async fn a_statement_in_another_character_set_or_mode_is_read_to_its_end() {
    use mysql_async::prelude::Queryable;

    let table = "(id INT PRIMARY KEY, a INT, b INT, c INT, d INT)";
    let (mut scenario, rowcast) = captured("def_charset", table).await;
    let mut session = crate::scenario::connect(&scenario.stack.mysql).await;
    for statement in [
        &b"USE def_charset"[..],
        b"SET NAMES latin1",
        b"ALTER TABLE t COMMENT '\xe9', DROP COLUMN b",
        b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
        b"ALTER TABLE t COMMENT '\\', DROP COLUMN c, COMMENT ''",
        b"SET sql_mode = 'ANSI_QUOTES'",
        b"ALTER TABLE \"t\" COMMENT '', DROP COLUMN \"d\"",
    ] {
        session.query_drop(statement).await.unwrap();
    }
    scenario.sql("INSERT INTO t VALUES (3, 3)").await;

    let copied = || rowcast.log().unwrap().matches("effect=RowsChange").count() == 3;
    assert!(crate::scenario::until(copied).await, "{}", rowcast.log().unwrap());
    scenario.topic_is_table("t").await;
    stop(&rowcast).await;
}

/// Such a server keeps in its log what was typed.
#[tokio::test]
async fn statements_of_a_server_that_makes_names_small_are_followed() {
    let mysql = own_server("def_small", &["--lower-case-table-names=1"]).await;
    let mut scenario = Scenario::on("def_small", &mysql).await;
    scenario.sql("CREATE TABLE T (id INT PRIMARY KEY, a INT, b INT)").await;
    scenario.sql("INSERT INTO T VALUES (1, 10, 100), (2, 20, 200)").await;
    let rowcast = scenario.start(&scenario.source(&mysql)).await;
    scenario.topic_is_table("t").await;

    scenario.sql("ALTER TABLE DEF_SMALL.T DROP COLUMN B").await;
    scenario.sql("INSERT INTO T VALUES (3, 30)").await;
    scenario.record("t", |it| matches!(it.operation, Operation::Sweep { .. })).await;
    scenario.topic_is_table("t").await;
    scenario.sql("DROP DATABASE DEF_SMALL").await;
    log_has(&rowcast, "reason=\"its database was dropped\"").await;

    stop(&rowcast).await;
}
