//! Tables without a key of their own.

use std::collections::BTreeMap;

use integration::cell::{Cell, Cells};
use integration::process::Rowcast;
use integration::random::Random;
use integration::stack::{MySql, shared};
use integration::topic::{ChangeRecord, Operation};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::reads;
use crate::scenario::{DEADLINE, Scenario, log_has, server_without_gtids, stop, until};

/// Rows of the tables without a key. Each has a number of its own, which MySQL does not know.
const ROWS: u64 = 600;

async fn heap(scenario: &mut Scenario) {
    scenario.sql("CREATE TABLE heap (id INT NOT NULL, v INT NOT NULL)").await;
    let rows: Vec<_> = (0..ROWS).map(|id| format!("({id}, 0)")).collect();
    scenario.sql(&format!("INSERT INTO heap VALUES {}", rows.join(","))).await;
}

/// Changes rows until the other side of `end` is gone, as fast as it can; it counts in `v`.
fn change(mysql: &MySql, name: &'static str, end: watch::Receiver<()>) -> JoinHandle<()> {
    let options = Opts::from_url(&mysql.url()).unwrap();
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let work = async move {
        let mut connection = Conn::new(options).await.unwrap();
        let mut number = 0;
        while end.has_changed().is_ok() {
            number += 1;
            let id = random.below(ROWS);
            let statement = match random.below(4) {
                0 => format!("DELETE FROM {name}.heap WHERE id = {id}"),
                1 => format!("INSERT INTO {name}.heap VALUES ({}, {number})", ROWS + number),
                _ => format!("UPDATE {name}.heap SET v = {number} WHERE id = {id}"),
            };
            connection.query_drop(statement).await.unwrap();
        }
    };
    tokio::spawn(work)
}

fn number(cells: &Cells, column: &str) -> u64 {
    match cells.get(column) {
        Some(Cell::Number(number)) => number.parse().unwrap(),
        other => panic!("{column} is {other:?}"),
    }
}

/// What the last record of each row says: its `v`, if it is alive.
fn last_of_each(records: &[ChangeRecord]) -> BTreeMap<u64, u64> {
    let mut alive = BTreeMap::new();
    for record in records.iter().filter(|record| record.operation != Operation::Tombstone) {
        let image = record.after.as_ref().or(record.before.as_ref()).unwrap();
        let (id, v) = (number(&image.cells, "id"), number(&image.cells, "v"));
        match record.operation {
            Operation::Delete => alive.remove(&id),
            Operation::Read | Operation::Create | Operation::Update => alive.insert(id, v),
            Operation::Tombstone | Operation::Truncate | Operation::Sweep { .. } => {
                panic!("{record:?}")
            }
        };
    }
    alive
}

/// Waits until the last record of each row says what the table says.
async fn ends_as_the_table(scenario: &mut Scenario, rowcast: &Rowcast) -> Vec<ChangeRecord> {
    let rows: Vec<(u64, u64)> = scenario.rows("SELECT id, v FROM heap").await;
    let expected: BTreeMap<_, _> = rows.into_iter().collect();
    let end = std::time::Instant::now() + DEADLINE;
    loop {
        let records = scenario.records("heap").await;
        if last_of_each(&records) == expected {
            assert!(records.iter().all(|record| record.key.is_empty()));
            return records;
        }
        assert!(std::time::Instant::now() < end, "{}", rowcast.log().unwrap());
    }
}

/// While rows change, and on servers with and without GTIDs: nothing is missing, and nothing old
/// comes last. Pieces of seven rows, so that there are many.
async fn is_copied_while_it_changes(name: &'static str, mysql: &MySql) {
    let mut scenario = Scenario::on(name, mysql).await;
    heap(&mut scenario).await;
    let (goes_on, end) = watch::channel(());
    let writer = change(mysql, name, end);
    let pipeline =
        scenario.source(mysql).with("snapshot.chunk.rows", "7").with("table.without.key", "copy");

    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, &format!("table copied table={name}.heap")).await;
    scenario.record("heap", |record| record.operation == Operation::Update).await;
    drop(goes_on);
    writer.await.unwrap();

    let records = ends_as_the_table(&mut scenario, &rowcast).await;
    // The stream waits, so that no row of the copy is left to it.
    assert!(reads(&records) > 0);
    stop(&rowcast).await;
    let log = rowcast.log().unwrap();
    assert!(log.matches("chunk emitted").count() > 20, "{log}");
    assert!(log.contains("it is read as a whole, and the stream waits for it"), "{log}");
}

#[tokio::test]
async fn a_table_without_a_key_is_copied_while_it_changes() {
    is_copied_while_it_changes("heap_gtids", &shared().await.unwrap().mysql).await;
}

#[tokio::test]
async fn a_table_without_a_key_is_copied_without_gtids_while_it_changes() {
    is_copied_while_it_changes("heap_files", server_without_gtids().await).await;
}

/// There is no place to go on from: the copy begins again, and says so by its rows.
#[tokio::test]
async fn a_killed_copy_of_a_table_without_a_key_begins_again() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("heap_killed").await;
    heap(&mut scenario).await;
    let pipeline = scenario
        .source(mysql)
        .with("snapshot.chunk.rows", "20")
        .with("snapshot.max.rows.per.second", "200")
        .with("table.without.key", "copy");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "chunk emitted table=heap_killed.heap chunk=3 ").await;
    rowcast.kill().unwrap();
    scenario.sql("UPDATE heap SET v = 1 WHERE id < 100").await;
    rowcast.start_again().unwrap();
    let log = || rowcast.log().unwrap();
    let has_begun_again = || {
        let log = log();
        let (_, since) = log.split_once("table=heap_killed.heap chunk=3 ").unwrap();
        since.contains("chunk emitted table=heap_killed.heap chunk=2 ")
    };
    assert!(until(has_begun_again).await, "{}", log());
    scenario.sql("DELETE FROM heap WHERE id < 50").await;

    log_has(&rowcast, "table copied table=heap_killed.heap rows=600 chunks=30").await;
    let records = ends_as_the_table(&mut scenario, &rowcast).await;
    assert!(reads(&records) > 600, "{}", reads(&records));
    stop(&rowcast).await;
}

/// Columns that tell rows apart, as only their owner knows: the table is divided by them, and its
/// records have a key.
#[tokio::test]
async fn a_declared_key_divides_a_table_if_it_has_an_index() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("declared").await;
    let columns = "k VARCHAR(9) NOT NULL, n INT NOT NULL, v INT";
    scenario.sql(&format!("CREATE TABLE indexed ({columns}, KEY by_key (k, n))")).await;
    scenario.sql(&format!("CREATE TABLE plain ({columns})")).await;
    scenario.sql(&format!("CREATE TABLE ties ({columns}, KEY by_k (k))")).await;
    let rows: Vec<_> =
        (0..60).map(|n| format!("('{}', {n}, {n})", ["a", "B", "b"][n % 3])).collect();
    for table in ["indexed", "plain", "ties"] {
        scenario.sql(&format!("INSERT INTO {table} VALUES {}", rows.join(","))).await;
    }
    let keys = "declared.(indexed|plain):n,k;declared.ties:k";
    let pipeline =
        scenario.source(mysql).with("snapshot.chunk.rows", "7").with("message.key.columns", keys);

    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied table=declared.indexed rows=60 chunks=9").await;
    log_has(&rowcast, "table copied table=declared.plain rows=60 chunks=9").await;
    log_has(&rowcast, "table copied table=declared.ties rows=60").await;
    scenario.sql("UPDATE indexed SET v = 100 WHERE k = 'a' AND n < 9").await;
    scenario.sql("UPDATE plain SET v = 100 WHERE k = 'a' AND n < 9").await;
    scenario.sql("DELETE FROM plain WHERE n > 55").await;

    for table in ["indexed", "plain"] {
        let is_last = |record: &ChangeRecord| {
            let cells = record.after.as_ref().map(|after| &after.cells);
            cells.is_some_and(|cells| (number(cells, "n"), number(cells, "v")) == (6, 100))
        };
        scenario.record(table, is_last).await;
        let records = scenario.records(table).await;
        assert_eq!(reads(&records), 60, "{table}");
        assert!(records.iter().all(|record| record.key.keys().eq(["k", "n"])), "{records:?}");
    }
    // All rows of a key come in one chunk, whose end is looked for by the column's collation.
    let records = scenario.records("ties").await;
    let mut read: Vec<_> = records.iter().filter_map(|record| record.after.as_ref()).collect();
    read.sort_by_key(|image| number(&image.cells, "n"));
    assert!(read.iter().map(|image| number(&image.cells, "n")).eq(0..60), "{records:?}");
    stop(&rowcast).await;
    let log = rowcast.log().unwrap();
    let is_whole = "cannot be divided into chunks: it is read as a whole, and the stream waits";
    assert_eq!(log.matches(is_whole).count(), 1, "{log}");
}

/// Its rows are told apart by the whole column, as everywhere, and copied as a whole: the index
/// does not have them in the order of that.
#[tokio::test]
async fn a_primary_key_on_the_beginning_of_a_column_is_a_key() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("prefix_keys").await;
    scenario.sql("CREATE TABLE t (k VARCHAR(99), v INT, PRIMARY KEY (k(9)))").await;
    let rows: Vec<_> = (0..40).map(|n| format!("('{:09} and more', {n})", n * 7 % 40)).collect();
    scenario.sql(&format!("INSERT INTO t VALUES {}", rows.join(","))).await;

    let rowcast = scenario.start(&scenario.source(mysql).with("snapshot.chunk.rows", "7")).await;
    log_has(&rowcast, "table copied table=prefix_keys.t rows=40 chunks=6").await;
    scenario.sql("UPDATE t SET v = v + 100 WHERE v < 10").await;
    scenario.sql("DELETE FROM t WHERE v = 20").await;

    let records = scenario.topic_is_table("t").await;
    assert_eq!(reads(&records), 40);
    stop(&rowcast).await;
}

/// Without being asked for, no rows are written that no document could have an id from.
#[tokio::test]
async fn a_table_that_comes_without_a_key_is_parked() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("heap_refused").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;

    scenario.sql("CREATE TABLE heap (id INT)").await;
    scenario.sql("INSERT INTO heap VALUES (1)").await;
    scenario.sql("INSERT INTO t VALUES (1)").await;

    log_has(&rowcast, "any more table=heap_refused.heap reason=\"it has no key; add one").await;
    scenario.topic_is_table("t").await;
    stop(&rowcast).await;
}
