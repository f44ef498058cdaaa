//! What is stored as text and is none.

use std::path::PathBuf;

use crate::scenario::{Scenario, log_has, stop};

/// The columns of the tables, of which one is damaged.
const COLUMNS: &str = "id INT PRIMARY KEY, number INT";

#[tokio::test]
async fn a_character_without_unicode_parks_its_table() {
    let mut scenario = Scenario::new("charset_parked").await;
    let charsets = [("gbk", "a140"), ("big5", "a15a"), ("swe7", "7f"), ("ujis", "8ea0")];
    let mut tables = Vec::new();
    for (charset, bytes) in charsets {
        scenario
            .sql(&format!("CREATE TABLE {charset} ({COLUMNS}, note TEXT CHARACTER SET {charset})"))
            .await;
        scenario.sql(&format!("INSERT INTO {charset} VALUES (1, 1, x'{bytes}')")).await;
        tables.push(charset);
    }

    parks(&mut scenario, &tables).await;
}

/// No statement of this version stores such bytes, but older ones did, so the table's file is
/// written here.
#[tokio::test]
async fn damaged_utf8_parks_its_table() {
    let mut scenario = Scenario::new("charset_damaged").await;
    scenario.sql(&format!("CREATE TABLE t ({COLUMNS}, note VARCHAR(20)) ENGINE = MyISAM")).await;
    scenario.sql("INSERT INTO t VALUES (1, 1, 'damaged-text')").await;
    scenario.sql("FLUSH TABLES t").await;
    let folder: Vec<String> = scenario.rows("SELECT @@datadir").await;
    let file = PathBuf::from(&folder[0]).join("charset_damaged/t.MYD");
    let mut data = std::fs::read(&file).unwrap();
    let at = data.windows(12).position(|window| window == b"damaged-text").unwrap();
    data[at + 7] = 0xff;
    std::fs::write(&file, data).unwrap();

    parks(&mut scenario, &["t"]).await;
}

/// The tables are parked by the copy and by the stream, each with its column; another one goes on.
async fn parks(scenario: &mut Scenario, tables: &[&str]) {
    let name = scenario.name;
    scenario.sql(&format!("CREATE TABLE good ({COLUMNS})")).await;
    scenario.sql("INSERT INTO good VALUES (1, 1)").await;
    let mysql = &scenario.stack.mysql;
    let pipeline = |prefix: &str| {
        integration::pipeline::PipelineFile::new(
            prefix,
            &scenario.stack.kafka,
            &scenario.stack.registry,
        )
        .source(prefix, mysql, (prefix, &format!("{name}\\..*")))
    };
    let (stream, copy) = (format!("{name}_stream"), format!("{name}_copy"));
    let streaming = pipeline(&stream).with("snapshot.mode", "no_data");
    let copying = pipeline(&copy);
    let streamer = scenario.launch(&stream, &streaming).await;
    log_has(&streamer, "source starts").await;
    let copier = scenario.launch(&copy, &copying).await;

    for table in tables {
        log_has(&copier, &format!("table={name}.{table} reason=")).await;
        scenario.sql(&format!("UPDATE {table} SET number = 2")).await;
    }
    scenario.sql("INSERT INTO good VALUES (2, 2)").await;

    for (rowcast, prefix) in [(&copier, &copy), (&streamer, &stream)] {
        for table in tables {
            let parked = format!("table={name}.{table} reason=");
            log_has(rowcast, &parked).await;
            let log = rowcast.log().unwrap();
            let line = log.lines().find(|line| line.contains(&parked)).unwrap();
            assert!(line.contains("column note"), "{line}");
            assert!(line.contains("not valid in the character set of its column"), "{line}");
            let records = scenario.topics.read(&format!("{prefix}.{name}.{table}")).await.unwrap();
            assert_eq!(records, []);
        }
        stop(rowcast).await;
    }
    scenario.topic_of_table(&format!("{copy}.{name}.good"), "good").await;
}
