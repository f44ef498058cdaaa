//! A commit that is in the binary log, and streamed, before any SELECT sees its rows.
//!
//! Semi-synchronous replication with `AFTER_SYNC` and no replica holds every commit between the
//! binary log and the engine. A chunk that is read at that moment has the old rows; written behind
//! the streamed ones, with newer Lsns, they would bring the old rows back for good. So a chunk
//! waits: with GTIDs for what the stream has processed (step 2 of `cdc-source/src/snapshot.rs`),
//! without them for the locks of the rows (`FOR SHARE`).
//!
//! With both waits taken out of `cdc-source/src/snapshot/chunk.rs`, all six tests failed on 9.7:
//! the changed row was `old` in the topic and the deleted one was back, and at a first start
//! without GTIDs the inserted row was missing too, because the stream began behind it.

use integration::cell::Cell;
use integration::process::Rowcast;
use integration::stack::MySql;
use integration::topic::{ChangeRecord, Operation};
use mysql_async::prelude::Queryable;
use tokio::task::JoinHandle;

use crate::scenario::{Scenario, WITHOUT_GTIDS, connect, log_has, own_server, stop, until_async};

const UNORDERED: [&str; 1] = ["--binlog-order-commits=OFF"];

#[tokio::test]
async fn a_chunk_waits_for_a_stalled_commit() {
    a_chunk_after_the_stream("stalled", &[]).await;
}

#[tokio::test]
async fn a_chunk_waits_for_a_stalled_commit_whatever_the_order_of_commits() {
    a_chunk_after_the_stream("stalled_unordered", &UNORDERED).await;
}

#[tokio::test]
async fn a_chunk_waits_for_a_stalled_commit_without_gtids() {
    a_chunk_after_the_stream("stalled_plain", &WITHOUT_GTIDS).await;
}

#[tokio::test]
async fn a_chunk_waits_for_a_stalled_commit_without_gtids_whatever_the_order_of_commits() {
    let arguments = [&WITHOUT_GTIDS[..], &UNORDERED[..]].concat();
    a_chunk_after_the_stream("stalled_plain_unordered", &arguments).await;
}

#[tokio::test]
async fn a_first_start_during_a_stalled_commit_loses_nothing() {
    first_start("stalled_first", &[]).await;
}

#[tokio::test]
async fn a_first_start_during_a_stalled_commit_loses_nothing_without_gtids() {
    first_start("stalled_first_plain", &WITHOUT_GTIDS).await;
}

/// A source that streams is given two more tables while a commit is stalled. The copy of `first`
/// ends when the stream has passed the stalled transaction; only then the copy of `t` begins, so
/// the rows of `t` have been streamed that its SELECT cannot see.
async fn a_chunk_after_the_stream(name: &'static str, arguments: &[&str]) {
    let mysql = own_server(name, arguments).await;
    let mut scenario = prepared(name, &mysql).await;
    let only = scenario.source(&mysql).with("table.include.list", &format!("{name}\\.streamed"));
    let rowcast = scenario.start(&only).await;
    scenario.topic_is_table("streamed").await;
    stop(&rowcast).await;
    let stalled = stall(&mysql, name).await;

    // One table after another, so that the stream is behind the transaction when `t` begins.
    let one_by_one = scenario.source(&mysql).with("snapshot.max.threads", "1");
    let rowcast = scenario.launch("all", &one_by_one).await;
    let update = scenario.record("t", |record| record.operation == Operation::Update).await;
    log_has(&rowcast, &format!("chunk begins table={name}.t")).await;
    chunk_waits_or_is_done(&mysql, &rowcast, name).await;
    let copied = reads(&scenario.records("t").await);
    let is_visible = value(&mut scenario).await == "new";
    release(&mysql).await;
    stalled.await.unwrap();

    let records = scenario.topic_is_table("t").await;
    assert!(!is_visible, "the commit was not stalled");
    assert_eq!(copied, 0, "the chunk did not wait");
    assert_eq!(update.after.unwrap().cells["v"], Cell::Text("new".to_owned()));
    assert!(reads(&records) > 0);
    stop(&rowcast).await;
}

/// The stream of a first start begins where the log ends, which may be behind the transaction.
async fn first_start(name: &'static str, arguments: &[&str]) {
    let mysql = own_server(name, arguments).await;
    let mut scenario = prepared(name, &mysql).await;
    let stalled = stall(&mysql, name).await;

    let rowcast = scenario.launch("all", &scenario.source(&mysql)).await;
    chunk_waits_or_is_done(&mysql, &rowcast, name).await;
    let is_visible = value(&mut scenario).await == "new";
    release(&mysql).await;
    stalled.await.unwrap();

    assert!(!is_visible, "the commit was not stalled");
    for table in ["first", "streamed", "t"] {
        scenario.topic_is_table(table).await;
    }
    stop(&rowcast).await;
}

/// Three tables, copied in the order of their names, and the plugin that stalls commits.
async fn prepared(name: &'static str, mysql: &MySql) -> Scenario {
    let mut scenario = Scenario::on(name, mysql).await;
    for table in ["first", "streamed", "t"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, v VARCHAR(9))")).await;
        scenario
            .sql(&format!("INSERT INTO {table} VALUES (1, 'zeile-1'), (2, 'zeile-2'), (3, 'x')"))
            .await;
    }
    scenario.sql("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'").await;
    scenario.sql("SET GLOBAL rpl_semi_sync_source_timeout = 3600000").await;
    scenario.sql("SET GLOBAL rpl_semi_sync_source_wait_point = 'AFTER_SYNC'").await;
    scenario
}

/// Changes, deletes and inserts rows of `t` in a commit that does not come to its end, and waits
/// until the binary log has it.
async fn stall(mysql: &MySql, name: &str) -> JoinHandle<()> {
    let mut watch = connect(mysql).await;
    watch.query_drop("SET GLOBAL rpl_semi_sync_source_enabled = ON").await.unwrap();
    let mut connection = connect(mysql).await;
    let database = name.to_owned();
    let stalled = tokio::spawn(async move {
        let t = format!("{database}.t");
        connection.query_drop("BEGIN").await.unwrap();
        connection.query_drop(format!("UPDATE {t} SET v = 'new' WHERE id = 1")).await.unwrap();
        connection.query_drop(format!("DELETE FROM {t} WHERE id = 2")).await.unwrap();
        connection.query_drop(format!("INSERT INTO {t} VALUES (9, 'zeile-9')")).await.unwrap();
        connection.query_drop("COMMIT").await.unwrap();
    });
    let waiting = "SELECT COUNT(*) FROM performance_schema.processlist \
                   WHERE state LIKE 'Waiting for semi-sync%'";
    until_async(async || watch.query_first::<u32, _>(waiting).await.unwrap() == Some(1)).await;
    stalled
}

async fn release(mysql: &MySql) {
    let mut connection = connect(mysql).await;
    connection.query_drop("SET GLOBAL rpl_semi_sync_source_enabled = OFF").await.unwrap();
}

/// Waits until the server has a statement of a chunk that waits; a source that does not wait has
/// copied the table by then.
async fn chunk_waits_or_is_done(mysql: &MySql, rowcast: &Rowcast, name: &str) {
    let mut connection = connect(mysql).await;
    let waiting = format!(
        "SELECT COUNT(*) FROM performance_schema.processlist WHERE time >= 1 AND \
         (info LIKE 'SELECT WAIT_FOR_EXECUTED_GTID_SET%' OR info LIKE '%`{name}`.`t`%FOR SHARE')"
    );
    let copied = format!("table copied table={name}.t");
    until_async(async || {
        let count = connection.query_first::<u32, _>(&waiting).await.unwrap();
        count == Some(1) || rowcast.log().unwrap().contains(&copied)
    })
    .await;
}

async fn value(scenario: &mut Scenario) -> String {
    scenario.rows("SELECT v FROM t WHERE id = 1").await.remove(0)
}

fn reads(records: &[ChangeRecord]) -> usize {
    records.iter().filter(|record| record.operation == Operation::Read).count()
}
