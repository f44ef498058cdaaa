//! Keys of every kind that a table can be copied along.

use integration::stack::shared;
use integration::topic::Operation;

use super::reads;
use crate::scenario::{Scenario, log_has, stop};

/// Definitions of keys, and expressions that make different ones from a number `n` below 60.
const KEYS: [(&str, &str, &str); 16] = [
    ("tiny", "k TINYINT", "n - 30"),
    ("big", "k BIGINT UNSIGNED", "18446744073709551615 - n * 1000000007"),
    ("deci", "k DECIMAL(30,10)", "n * 1.0000000001 - 30"),
    ("dbl", "k DOUBLE", "(n - 30) / 7"),
    ("flt", "k FLOAT", "(n - 30) / 7"),
    ("bits", "k BIT(60)", "n * 16385"),
    ("en", "k ENUM('z','a','m','b','y','c','x','d') , l INT", "1 + n % 8, n"),
    ("st", "k SET('z','a','m','b','y','c')", "n"),
    ("tm", "k TIME(3)", "SEC_TO_TIME(n * 12345.678 - 400000)"),
    ("dt", "k DATETIME(6)", "TIMESTAMP'2026-03-29 01:59:59.5' + INTERVAL n * 600 SECOND"),
    ("yr", "k YEAR", "1950 + n"),
    ("ci", "k VARCHAR(40) COLLATE utf8mb4_0900_ai_ci", "CONCAT(CHAR(97 + n % 26), 'é', n)"),
    ("sjis", "k VARCHAR(40) CHARACTER SET cp932", "CONCAT(_cp932 x'ed40', n)"),
    ("bin", "k BINARY(16)", "UNHEX(REPLACE(UUID(), '-', ''))"),
    ("vb", "k VARBINARY(20)", "CONCAT(CHAR(n * 4), x'00', n)"),
    ("pair", "k INT, l VARCHAR(20)", "n % 5, CONCAT('v', n)"),
];

/// Chunks of seven rows, read by three at a time, so that every chunk but the first has bounds.
#[tokio::test]
async fn tables_are_copied_along_keys_of_every_type() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("copied_keys").await;
    scenario.sql("CREATE TABLE numbers (n INT PRIMARY KEY)").await;
    let numbers: Vec<_> = (0..60).map(|n| format!("({n})")).collect();
    scenario.sql(&format!("INSERT INTO numbers VALUES {}", numbers.join(","))).await;
    for (name, key, expression) in KEYS {
        let columns = if key.contains(", l ") { "k, l" } else { "k" };
        scenario.sql(&format!("CREATE TABLE {name} ({key}, PRIMARY KEY ({columns}))")).await;
        let insert = format!("INSERT INTO {name} SELECT {expression} FROM numbers");
        scenario.sql(&insert).await;
    }
    let pipeline = scenario
        .source(mysql)
        .with("snapshot.chunk.rows", "7")
        .with("snapshot.max.threads", "3")
        .with("table.exclude.list", "copied_keys.numbers");

    let rowcast = scenario.start(&pipeline).await;

    for (name, ..) in KEYS {
        let records = scenario.topic_is_table(name).await;
        assert_eq!(reads(&records), records.len(), "{name}");
        log_has(&rowcast, &format!("table copied table=copied_keys.{name} rows=60 chunks=9")).await;
    }
    stop(&rowcast).await;
}

/// The key that MySQL makes where there is none, and a unique key without NULL.
#[tokio::test]
async fn tables_without_a_primary_key_have_another() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("other_keys").await;
    let generated = "SET sql_generate_invisible_primary_key = ON";
    scenario.sql(generated).await;
    scenario.sql("CREATE TABLE invisible (v INT)").await;
    scenario.sql("SET sql_generate_invisible_primary_key = OFF").await;
    scenario.sql("CREATE TABLE only_unique (a INT NOT NULL, v INT, UNIQUE (a))").await;
    let rows: Vec<_> = (0..40).map(|n| format!("({n})")).collect();
    scenario.sql(&format!("INSERT INTO invisible (v) VALUES {}", rows.join(","))).await;
    scenario.sql("INSERT INTO only_unique SELECT v, v FROM invisible").await;

    let rowcast = scenario.start(&scenario.source(mysql).with("snapshot.chunk.rows", "7")).await;
    scenario.sql("UPDATE invisible SET v = v + 100 WHERE v < 10").await;
    scenario.sql("DELETE FROM only_unique WHERE a < 10").await;

    let records = scenario.topic_is_table("invisible").await;
    assert!(records.iter().any(|record| record.operation == Operation::Update));
    log_has(&rowcast, "table copied table=other_keys.only_unique").await;
    let alive: Vec<u64> = scenario.rows("SELECT COUNT(*) FROM only_unique").await;
    let records = scenario.records("only_unique").await;
    let played = integration::topic::replay(&records);
    assert_eq!(alive, [u64::try_from(played.len()).unwrap()]);
    stop(&rowcast).await;
}
