//! Debezium's schema-history topic: what is recorded there, and what rowcast makes of it.

use std::path::PathBuf;

use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

use super::Takeover;
use super::worker::{self, Worker};
use crate::scenario::{connect, own_server, stop, until, until_async};

/// Recorded by the test below. The tests of the parser read it.
fn recording() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.join("../cdc-source/src/history/recorded.jsonl")
}

/// The topic of the table that Debezium copies last.
const COPIED_LAST: &str = "history.history.without_key";

/// What a record says beside its time and place, which are others in each run.
fn said(record: &Value) -> Value {
    json!([record["databaseName"], record["ddl"], record["tableChanges"]])
}

/// `ROWCAST_WRITE_DOCS=1` writes the recording anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debezium_records_definitions_as_it_did_for_the_parsers_tests() {
    let (name, worker) = ("history", Worker::shared(false).await);
    let mysql = own_server("mysql-history", &["--binlog-row-metadata=MINIMAL"]).await;
    let mut connection = connect(&mysql).await;
    let statements = include_str!("statements.sql").lines();
    let (mut seen, mut last) = (Vec::new(), String::new());
    for line in statements {
        if line.starts_with("-- the stream") {
            let mut source = super::configuration(name, &mysql, worker.bootstrap());
            source["database.include.list"] = json!("history,history_2");
            source["schema.history.internal.store.only.captured.databases.ddl"] = json!("false");
            worker.create(name, &source).await;
            until_async(async || !worker::envelopes(COPIED_LAST).await.is_empty()).await;
        } else if !line.starts_with("--") {
            connection.query_drop(line).await.unwrap();
            line.clone_into(&mut last);
        }
    }
    connection.disconnect().await.unwrap();
    until_async(async || {
        seen = records(worker);
        seen.iter().any(|record| record["ddl"].as_str().is_some_and(|ddl| ddl.contains(&last)))
    })
    .await;
    worker.stop(name).await;

    let lines: Vec<_> = seen.iter().map(|record| format!("{record}\n")).collect();
    if std::env::var_os("ROWCAST_WRITE_DOCS").is_some() {
        std::fs::write(recording(), lines.concat()).unwrap();
    }
    let recorded = std::fs::read_to_string(recording()).unwrap();
    let recorded: Vec<Value> =
        recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (seen, recorded): (Vec<_>, Vec<_>) =
        (seen.iter().map(said).collect(), recorded.iter().map(said).collect());
    assert_eq!(seen, recorded);
}

fn records(worker: &Worker) -> Vec<Value> {
    let values = worker::values(worker.bootstrap(), "history-history");
    values.iter().map(|value| serde_json::from_slice(value).unwrap()).collect()
}

/// The ids of the schemas that a topic's records were written with, each as often as it changed.
fn schema_ids(kafka: &str, topic: &str) -> Vec<u32> {
    let values = worker::values(kafka, topic);
    let id = |value: &Vec<u8>| u32::from_be_bytes(value[1..5].try_into().unwrap());
    let mut ids: Vec<_> = values.iter().map(id).collect();
    ids.dedup();
    ids
}

/// The recorded tables with most types. Where Debezium reads BOOL or REAL in a statement it has
/// another schema than where it copies the same table, and rowcast always has the latter.
fn recorded_tables() -> impl Iterator<Item = String> {
    let statements = include_str!("statements.sql").lines();
    let is_it = |line: &&str| {
        line.starts_with("CREATE TABLE copied") || line.starts_with("CREATE TABLE written")
    };
    statements.filter(is_it).map(|line| {
        let line = line.replace("flag BOOL, yes BOOLEAN DEFAULT TRUE", "flag INT, yes INT");
        line.replace("r REAL", "r DOUBLE")
    })
}

/// Rows of the recorded tables, by which all their types are read; `id` tells them apart.
fn rows_of_all_types(id: u32) -> [String; 2] {
    [
        format!(
            "INSERT INTO copied (id, tiny, small, medium, zero, price, single, sized, number, one, \
             bits, fixed, name, latin, exact, old, raw, raws, t1, t2, t3, t4, b1, b2, b3, b4, color, \
             flags, y, d, t, t_3, dt, dt_6, ts, j, p, g) VALUES ({id}, -1, 65535, -8388608, 42, 1.5, \
             0.5, 1.25, 0.1, b'1', b'101', 'é', 'ü', 'ä', 'ß', 'ç', x'0001', x'ff', 'a', 'b', 'c', \
             'd', x'01', x'02', x'03', x'04', 'it''s', 'x,z', 2024, '2024-02-29', '-12:00:00', \
             '01:02:03.456', '2024-02-29 01:02:03', '2024-02-29 01:02:03.456789', \
             '2024-02-29 01:02:03', '{{\"a\":1}}', ST_GeomFromText('POINT(1 2)'), \
             ST_GeomFromText('LINESTRING(0 0,1 1)'))"
        ),
        format!(
            "INSERT INTO written (id, flag, yes, n, dec_0, f, r, dp, c, nc, nv, cv, bin, small_text, \
             middle_text, small_blob, long_one, l, at, i) VALUES ({id}, 1, 0, 12345, 7, 0.1, 0.2, \
             0.3, 'ü', 'abc', 'defgh', 'ijklm', x'01', 'text', 'more', x'0203', 'long', 'äöü', \
             '2024-02-29 01:02:03', 9)"
        ),
    ]
}

impl Takeover {
    /// Runs statements in its database.
    async fn run_all<T: AsRef<str>>(&self, statements: impl IntoIterator<Item = T>) {
        let mut connection = connect(self.mysql).await;
        connection.query_drop(format!("USE {}", self.name)).await.unwrap();
        for statement in statements {
            connection.query_drop(statement.as_ref()).await.unwrap();
        }
        connection.disconnect().await.unwrap();
    }
}

/// A row of a topic without what tells it apart.
fn without_id(envelope: &Value) -> Value {
    let mut row = envelope["after"].clone();
    for own in ["id", "s", "ts_3"] {
        row[own] = Value::Null;
    }
    row
}

/// Rows of all types and a transaction that is gone on with after a kill, and behind them statements
/// that change the tables: what the rows were called then only Debezium's history knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_that_were_changed_before_the_takeover_are_debeziums() {
    let (name, worker) = ("handed_over_renamed", Worker::shared(false).await);
    let mysql = Box::leak(Box::new(
        own_server("mysql-takeover-history", &["--binlog-row-metadata=MINIMAL"]).await,
    ));
    let takeover = Takeover::new(name, mysql, worker).await;
    worker.create(name, &takeover.source()).await;
    until_async(async || takeover.changes().await.len() >= 40).await;
    takeover.run_all(recorded_tables()).await;
    takeover.run_all(rows_of_all_types(1)).await;
    takeover.run_all(["ALTER TABLE t ADD early VARCHAR(9) CHARACTER SET latin1 AFTER id"]).await;
    takeover.run_all(["UPDATE t SET n = 1, early = 'ä' WHERE id = 1"]).await;
    let topic = |table: &str| format!("{name}.{name}.{table}");
    let of_debezium = |table| schema_ids(worker.bootstrap(), &topic(table));
    until_async(async || takeover.changes().await.len() >= 41 && of_debezium("written").len() == 1)
        .await;
    worker.stop(name).await;
    let schemas = ["t", "copied", "written"].map(|table| of_debezium(table).last().copied());

    takeover.run_all(rows_of_all_types(2)).await;
    takeover
        .run_all([
            "INSERT /*+ SET_VAR(cte_max_recursion_depth = 100000) */ INTO t (id, n, early) \
             WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 30000) \
             SELECT 1000 + i, 0, 'zeile-xxx' FROM r",
            "UPDATE t SET n = 2, early = 'ö' WHERE id = 1",
            "ALTER TABLE t ADD late INT FIRST, DROP COLUMN early, RENAME COLUMN note TO noted",
            "ALTER TABLE copied DROP COLUMN tiny, DROP COLUMN name",
            "ALTER TABLE written MODIFY c VARCHAR(20), CHANGE l other CHAR(4)",
            "INSERT INTO t VALUES (7, 100, 3, 'noted')",
        ])
        .await;
    let file = takeover.pipeline(&[("transaction.max.bytes", "65536")]).await;
    let rowcast = takeover.run(&file).await;
    let parts = || rowcast.log().unwrap().matches("split=true").count();
    assert!(until(|| parts() >= 2).await, "{}", rowcast.log().unwrap());
    rowcast.kill().unwrap();
    let log = rowcast.log().unwrap();
    assert!(!log.contains("table parked"), "{log}");
    let rowcast = takeover.run(&file).await;
    let changes = takeover.topic_is_table().await;
    stop(&rowcast).await;

    super::has_every_change_once(&changes);
    assert_eq!(super::by_writer(&changes), (41, 30_002, 0));
    for table in ["copied", "written"] {
        let rows = worker::envelopes(&topic(table)).await;
        assert_eq!(rows.len(), 2, "{table}");
        assert_eq!(without_id(&rows[0]), without_id(&rows[1]), "{table}");
    }
    let ours = ["t", "copied", "written"].map(of_debezium);
    println!("{schemas:?} {ours:?}");
    assert_eq!((ours[1].len(), ours[2].len()), (1, 1), "the schemas are debezium's");
    assert_eq!(
        ours[0].iter().rev().nth(1).copied(),
        schemas[0],
        "and this one's, until it changes"
    );
}
