//! Rows that stand in the log with a rollback behind them.
//!
//! Servers write that when a transaction has changed something in statement format that cannot be
//! rolled back. MySQL 9.7 writes rows of such a transaction at once or not at all, so the real
//! server's log is changed here, byte for byte, before it is read: the last statement of a
//! transaction, or a savepoint, becomes a rollback, and the table gets what it had by statements
//! that are not logged.

use std::path::{Path, PathBuf};

use integration::process::run_rowcast;
use integration::stack::shared;
use integration::topic::Operation;
use serde_json::{Value, json};

use crate::scenario::{DEADLINE, Scenario, WITHOUT_GTIDS, count, own_server, stop, sweeps};

/// The server, its database and its connector.
const NAME: &str = "rolled_back";

#[tokio::test]
async fn rows_with_a_rollback_behind_them_in_the_log_do_not_stay_in_the_topic() {
    let mysql = own_server(NAME, &[&WITHOUT_GTIDS[..], &["--binlog-checksum=NONE"]].concat()).await;
    let mut scenario = Scenario::on(NAME, &mysql).await;
    // Without transactions, because their end is a statement in the log.
    for (table, engine) in [("whole", "MyISAM"), ("partly", "InnoDB"), ("other", "InnoDB")] {
        let columns = "(id INT PRIMARY KEY, a INT)";
        scenario.sql(&format!("CREATE TABLE {table} {columns} ENGINE = {engine}")).await;
        scenario.sql(&format!("INSERT INTO {table} VALUES (1, 1), (2, 2)")).await;
    }
    let pipeline = scenario.source(&mysql);
    let rowcast = scenario.start(&pipeline).await;
    for table in ["whole", "partly", "other"] {
        scenario.topic_is_table(table).await;
    }
    stop(&rowcast).await;

    let log = begin_log(&mut scenario).await;
    for statement in [
        "INSERT INTO whole VALUES (3, 3)",
        "UPDATE whole SET a = 20 WHERE id = 2",
        "DELETE FROM whole WHERE id = 1",
        "BEGIN",
        "INSERT INTO partly VALUES (5, 5)",
        "SAVEPOINT `saved`",
        "INSERT INTO partly VALUES (3, 3)",
        "DELETE FROM partly WHERE id = 1",
        "SAVEPOINT `is_back`",
        "INSERT INTO partly VALUES (4, 4)",
        "INSERT INTO other VALUES (3, 3)",
        "COMMIT",
    ] {
        scenario.sql(statement).await;
    }
    end_log(&mut scenario, &log).await;
    for statement in [
        "DELETE FROM whole WHERE id = 3",
        "UPDATE whole SET a = 2 WHERE id = 2",
        "INSERT INTO whole VALUES (1, 1)",
        "DELETE FROM partly WHERE id = 3",
        "INSERT INTO partly VALUES (1, 1)",
    ] {
        scenario.sql(statement).await;
    }
    scenario.sql("SET sql_log_bin = 1").await;

    assert_eq!(events(&mut scenario, &log).await, expected_events());

    rowcast.start_again().unwrap();
    for table in ["whole", "partly"] {
        scenario.record(table, |it| matches!(it.operation, Operation::Sweep { .. })).await;
    }
    let whole = scenario.topic_is_table("whole").await;
    let partly = scenario.topic_is_table("partly").await;
    let other = scenario.topic_is_table("other").await;
    // Those that are rolled back have come, too.
    assert_eq!((count(&whole, Operation::Create), count(&whole, Operation::Delete)), (1, 1));
    assert_eq!((count(&partly, Operation::Create), count(&partly, Operation::Delete)), (3, 1));
    // Its row came behind the rollback.
    assert_eq!(sweeps(&other), 0);
    stop(&rowcast).await;
}

/// What the server has in the log of the test above.
fn expected_events() -> Vec<&'static str> {
    let rolled_back = |rows| ["Anonymous_Gtid", "BEGIN", "Table_map", rows, "ROLLBACK"];
    [
        &["Format_desc", "Previous_gtids"][..],
        &rolled_back("Write_rows"),
        &rolled_back("Update_rows"),
        &rolled_back("Delete_rows"),
        &["Anonymous_Gtid", "BEGIN", "Table_map", "Write_rows", "SAVEPOINT `saved`"],
        &["Table_map", "Write_rows", "Table_map", "Delete_rows", "ROLLBACK TO `saved`"],
        &["Table_map", "Write_rows", "Table_map", "Write_rows", "Xid", "Rotate"],
    ]
    .concat()
}

/// The process ends when the rows are in the topic, and starts again before it has read the rollback.
#[tokio::test]
async fn rows_before_a_restart_and_a_rollback_behind_it_do_not_stay_either() {
    const NAME: &str = "rolled_back_later";
    let mysql = own_server(NAME, &[&WITHOUT_GTIDS[..], &["--binlog-checksum=NONE"]].concat()).await;
    let mut scenario = Scenario::on(NAME, &mysql).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT) ENGINE = MyISAM").await;
    scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    let pipeline = scenario.source(&mysql);
    let rowcast = scenario.start(&pipeline).await;
    scenario.topic_is_table("t").await;
    let log = begin_log(&mut scenario).await;
    scenario.sql("INSERT INTO t VALUES (3, 3)").await;
    assert_eq!(count(&scenario.topic_is_table("t").await, Operation::Create), 1);
    stop(&rowcast).await;
    end_log(&mut scenario, &log).await;
    scenario.sql("DELETE FROM t WHERE id = 3").await;
    scenario.sql("SET sql_log_bin = 1").await;

    // The offset that is true between the two: three events of the transaction are done.
    let events = events(&mut scenario, &log).await;
    assert_eq!(events[2..7], ["Anonymous_Gtid", "BEGIN", "Table_map", "Write_rows", "ROLLBACK"]);
    let begin = json!(begin_of_first(&std::fs::read(&log).unwrap()));
    let (folder, file) = (tempfile::tempdir().unwrap(), log.file_name().unwrap().to_str().unwrap());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (yaml, from) = (path("pipeline.yaml"), path("offsets.json"));
    pipeline.write(Path::new(&yaml)).unwrap();
    let mut offsets: Value =
        serde_json::from_slice(&command(&["offsets", "export", &yaml]).await).unwrap();
    let offsets_of = offsets["offsets"].as_array_mut().unwrap();
    let stream = offsets_of.iter_mut().find(|it| it["offset"].get("pos").is_some()).unwrap();
    for (key, value) in
        [("file", json!(file)), ("pos", begin), ("event", json!(3)), ("row", json!(0))]
    {
        stream["offset"][key] = value;
    }
    std::fs::write(&from, offsets.to_string()).unwrap();
    command(&["offsets", "set", &yaml, "--from", &from, "--unsafe-allow-loss"]).await;

    rowcast.start_again().unwrap();

    scenario.record("t", |it| matches!(it.operation, Operation::Sweep { .. })).await;
    scenario.topic_is_table("t").await;
    stop(&rowcast).await;
}

async fn command(arguments: &[&str]) -> Vec<u8> {
    let output = run_rowcast(arguments, &[], DEADLINE).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Begins a file of the log; its path.
async fn begin_log(scenario: &mut Scenario) -> PathBuf {
    scenario.sql("FLUSH BINARY LOGS").await;
    let status: Vec<(String, u64, String, String, String)> =
        scenario.rows("SHOW BINARY LOG STATUS").await;
    let folder = shared().await.unwrap().directory().join(scenario.name).join("data");
    folder.join(&status[0].0)
}

/// Ends the file and puts the rollbacks into it. What follows in this session is not logged.
async fn end_log(scenario: &mut Scenario, log: &Path) {
    scenario.sql("FLUSH BINARY LOGS").await;
    scenario.sql("SET sql_log_bin = 0").await;
    let mut bytes = std::fs::read(log).unwrap();
    roll_back(&mut bytes);
    std::fs::write(log, bytes).unwrap();
}

/// Changes the statements of a log, none of which gets longer or shorter.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html>
fn roll_back(log: &mut [u8]) {
    const QUERY: u8 = 2;
    const HEADER: usize = 19;
    let mut at = 4;
    while at < log.len() {
        let size = u32::from_le_bytes(log[at + 9..at + 13].try_into().unwrap());
        let (event, end) = (at, at + usize::try_from(size).unwrap());
        at = end;
        if log[event + 4] != QUERY {
            continue;
        }
        // Thread and time of 4 bytes, length of the database's name, error, length of variables.
        let body = event + HEADER;
        let variables = u16::from_le_bytes([log[body + 11], log[body + 12]]);
        let database = body + 13 + usize::from(variables);
        let statement = database + usize::from(log[body + 8]) + 1;
        match &log[statement..end] {
            b"COMMIT" => {
                // Its two bytes more are the last two of the database's name.
                log[body + 8] -= 2;
                log[statement - 3..end].copy_from_slice(b"\0ROLLBACK");
            }
            b"SAVEPOINT `is_back`" => {
                log[statement..end].copy_from_slice(b"ROLLBACK TO `saved`");
            }
            _ => {}
        }
    }
}

/// Where the first transaction of a log begins: behind its two first events.
fn begin_of_first(log: &[u8]) -> u32 {
    let end_of = |event: usize| u32::from_le_bytes(log[event + 13..event + 17].try_into().unwrap());
    end_of(usize::try_from(end_of(4)).unwrap())
}

/// The events of a file as the server has them: statements, or else their types.
async fn events(scenario: &mut Scenario, log: &Path) -> Vec<String> {
    let file = log.file_name().unwrap().to_str().unwrap();
    let events: Vec<(String, u64, String, u64, u64, String)> =
        scenario.rows(&format!("SHOW BINLOG EVENTS IN '{file}'")).await;
    let shown = events.into_iter();
    shown.map(|(_, _, kind, _, _, info)| if kind == "Query" { info } else { kind }).collect()
}
