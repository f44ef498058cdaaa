//! Wide tables, long rows, and values that no record can hold.

mod policies;

use integration::stack::shared;

use crate::scenario::{Scenario, log_has, stop};
use crate::topics::make;
use crate::types::read_as_streamed;

/// Most columns of a table of `InnoDB`.
const INNODB_COLUMNS: usize = 1017;

/// Most columns of any table of MySQL.
const COLUMNS: usize = 4096;

#[tokio::test]
async fn a_table_of_1017_columns_is_read_as_it_is_streamed() {
    // All of them together may take 8,126 bytes.
    let kinds = ["TINYINT", "VARCHAR(1) CHARACTER SET latin1", "DATE", "BIGINT UNSIGNED", "BIT(2)"];
    let values = ["-1", "'ä'", "'2024-02-29'", "18446744073709551615", "b'10'"];
    let (create, inserts) = wide(INNODB_COLUMNS, "InnoDB", &kinds, &values);

    read_as_streamed("wide_innodb", &create, inserts).await;
}

#[tokio::test]
async fn a_table_of_4096_columns_is_read_as_it_is_streamed() {
    let kinds = ["TINYINT", "SMALLINT UNSIGNED", "CHAR(3)"];
    let (create, inserts) = wide(COLUMNS, "MyISAM", &kinds, &["-1", "65535", "'ä'"]);

    read_as_streamed("wide_myisam", &create, inserts).await;
}

/// A table of so many columns, and three rows: full, empty, and every second one.
fn wide(columns: usize, engine: &str, kinds: &[&str], values: &[&str]) -> (String, Vec<String>) {
    let around = |all: &[&str], index: usize| all[index % all.len()].to_owned();
    let rest = 1..columns;
    let definitions: Vec<_> =
        rest.clone().map(|index| format!("c{index} {}", around(kinds, index))).collect();
    let create = format!(
        "CREATE TABLE t (id INT PRIMARY KEY, {}) ENGINE = {engine}",
        definitions.join(", ")
    );
    let row = |id: usize, is_set: fn(usize) -> bool| {
        let value = |index| if is_set(index) { around(values, index) } else { "NULL".to_owned() };
        let values: Vec<_> = rest.clone().map(value).collect();
        format!("INSERT INTO t VALUES ({id}, {})", values.join(", "))
    };
    (create, vec![row(1, |_| true), row(2, |_| false), row(3, |index| index % 2 == 0)])
}

#[tokio::test]
async fn rows_of_64_kib_are_read_as_they_are_streamed() {
    // 65,535 bytes are the most that a row may have beside its BLOBs.
    let create = "CREATE TABLE t (id INT PRIMARY KEY, a VARBINARY(32000), \
                  b VARCHAR(33400) CHARACTER SET latin1, c LONGTEXT) ENGINE = MyISAM";
    let insert = |id: u32| {
        format!(
            "INSERT INTO t VALUES ({id}, REPEAT(x'00ff', 16000), REPEAT('é', 33400), \
                 REPEAT('😀', 100000))"
        )
    };

    read_as_streamed("long_rows", create, (0..5).map(insert).collect()).await;
}

#[tokio::test]
async fn a_value_beyond_the_limit_parks_its_table_with_size_and_setting_and_the_others_go_on() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("too_large").await;
    for table in ["streamed", "copied", "good"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, b LONGBLOB)")).await;
    }
    scenario
        .sql("INSERT INTO copied VALUES (1, RANDOM_BYTES(1024)), (2, CONCAT('zeile-', REPEAT('x', 20971514)))")
        .await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;

    let parked = |table: &str| format!("table=too_large.{table} reason=");
    log_has(&rowcast, &parked("copied")).await;
    log_has(&rowcast, "table copied table=too_large.streamed").await;
    scenario.sql("INSERT INTO streamed VALUES (1, 'zeile-1')").await;
    scenario.sql("INSERT INTO streamed VALUES (2, CONCAT('zeile-', REPEAT('x', 20971514)))").await;
    log_has(&rowcast, &parked("streamed")).await;
    scenario.sql("INSERT INTO good VALUES (1, CONCAT('zeile-', REPEAT('y', 4999994)))").await;

    scenario.topic_is_table("good").await;
    let log = rowcast.log().unwrap();
    for table in ["streamed", "copied"] {
        let line = log.lines().find(|line| line.contains(&parked(table))).unwrap();
        assert!(line.contains("a record of 20971"), "{line}");
        assert!(line.contains("larger than the 10485760 of `kafka: message.max.bytes`"), "{line}");
        assert!(line.contains("exclude the large column"), "{line}");
    }
    assert_eq!(scenario.records("streamed").await.len(), 1);
    assert_eq!(scenario.records("copied").await, []);
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_topic_that_takes_less_than_the_producer_sends_decides() {
    let mut scenario = Scenario::new("small_topic").await;
    let mysql = &scenario.stack.mysql;
    let (topic, bootstrap) = (scenario.topic("t"), scenario.stack.kafka.bootstrap());
    make(&bootstrap, &topic, &[("max.message.bytes", "99999")]).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB)").await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    log_has(&rowcast, "table copied table=small_topic.t").await;

    scenario.sql("INSERT INTO t VALUES (1, RANDOM_BYTES(1024)), (2, CONCAT('zeile-', REPEAT('x', 99993)))").await;

    log_has(&rowcast, "table=small_topic.t reason=").await;
    let log = rowcast.log().unwrap();
    assert!(log.contains("larger than the 99999 of the topic's `max.message.bytes`"), "{log}");
    stop(&rowcast).await;
    let keys: Vec<_> = scenario.records("t").await.into_iter().map(|record| record.key).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
}
