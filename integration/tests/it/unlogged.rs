//! What the log has no rows of, or none that can be emitted: nothing of it goes unseen.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use integration::process::{Rowcast, run_rowcast};
use integration::stack::shared;
use integration::topic::Operation;
use serde_json::Value;

use crate::scenario::{DEADLINE, Scenario, log_has, own_server, stop, until_async};
use crate::scene::{endpoint, metrics_have};

/// What statements reach the tables through.
const BEHIND: [&str; 6] = [
    "CREATE DATABASE unlogged_other",
    "CREATE TABLE unlogged_other.plain (id INT PRIMARY KEY)",
    "CREATE TABLE unlogged_other.source (id INT PRIMARY KEY)",
    "CREATE VIEW unlogged_other.outer_view AS SELECT * FROM unlogged.viewed",
    "CREATE TRIGGER unlogged_other.copies AFTER INSERT ON unlogged_other.source FOR EACH ROW \
     INSERT INTO unlogged.triggered VALUES (NEW.id)",
    "CREATE FUNCTION called_by_name() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN \
     INSERT INTO called VALUES (1); RETURN 1; END",
];

#[tokio::test]
async fn rows_that_are_changed_by_statements_park_the_tables_that_they_reach() {
    let arguments = ["--log-bin-trust-function-creators=ON", "--secure-file-priv="];
    let mysql = own_server("unlogged", &arguments).await;
    let mut scenario = Scenario::on("unlogged", &mysql).await;
    let tables = ["named", "viewed", "triggered", "called", "loaded", "calm"];
    for table in tables {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY)")).await;
    }
    for statement in BEHIND {
        scenario.sql(statement).await;
    }
    let rowcast = scenario.start(&scenario.source(&mysql)).await;
    for table in tables {
        log_has(&rowcast, &format!("table copied table=unlogged.{table} ")).await;
    }
    metrics_have(&rowcast, &[&skipped(&scenario, "statement", 0)]).await;

    scenario.sql("SET SESSION binlog_format = 'STATEMENT'").await;
    scenario.sql("INSERT INTO unlogged_other.plain VALUES (1)").await;
    metrics_have(&rowcast, &[&skipped(&scenario, "statement", 1)]).await;
    assert!(parked(&rowcast).await.is_empty(), "none is reached");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows");
    std::fs::write(&file, "1\n").unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let load = format!("LOAD DATA INFILE '{}' INTO TABLE loaded", file.display());
    let reached = [
        (&*load, "unlogged.loaded"),
        ("INSERT INTO named VALUES (1)", "unlogged.named"),
        ("INSERT INTO unlogged_other.outer_view VALUES (1)", "unlogged.viewed"),
        ("INSERT INTO unlogged_other.source VALUES (1)", "unlogged.triggered"),
        ("DO called_by_name()", "unlogged.called"),
    ];
    let mut expected = Vec::new();
    for (statement, table) in reached {
        scenario.sql(statement).await;
        expected.push(table.to_owned());
        expected.sort();
        until_async(async || parked(&rowcast).await == expected).await;
    }
    metrics_have(&rowcast, &[&skipped(&scenario, "statement", 6)]).await;
    scenario.sql("SET SESSION binlog_format = 'ROW'").await;
    scenario.sql("INSERT INTO named VALUES (2)").await;
    scenario.sql("INSERT INTO calm VALUES (1)").await;
    scenario.sql("INSERT INTO unlogged_other.plain VALUES (2)").await;
    metrics_have(
        &rowcast,
        &[&skipped(&scenario, "parked", 1), &skipped(&scenario, "not_captured", 1)],
    )
    .await;

    // Each says what to do, and doing it makes the topic the table again.
    let endpoint = endpoint(&rowcast).await;
    command_line_tells_what_to_do(endpoint.for_others(), &expected).await;
    for table in tables {
        let resume = format!("/connectors/unlogged/tables/unlogged.{table}/resume");
        if expected.contains(&format!("unlogged.{table}")) {
            let (status, answer) = endpoint.ask("POST", &resume, &Value::Null).await;
            assert_eq!(status, 202, "{table}: {answer}");
        }
        scenario.topic_is_table(table).await;
    }
    stop(&rowcast).await;
}

/// The server's log is changed before it is read, as no server writes these when it is asked to: an
/// event that only comments on a statement becomes another.
#[tokio::test]
async fn a_gap_that_the_server_reports_copies_all_tables_and_what_may_be_ignored_is_counted() {
    let mysql = own_server("gap", &["--binlog-checksum=NONE"]).await;
    let mut scenario = Scenario::on("gap", &mysql).await;
    for table in ["t", "u"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY)")).await;
        scenario.sql(&format!("INSERT INTO {table} VALUES (1), (2)")).await;
    }
    let rowcast = scenario.start(&scenario.source(&mysql)).await;
    for table in ["t", "u"] {
        scenario.topic_is_table(table).await;
    }
    stop(&rowcast).await;
    scenario.sql("FLUSH BINARY LOGS").await;
    let status: Vec<(String, u64, String, String, String)> =
        scenario.rows("SHOW BINARY LOG STATUS").await;
    let log = shared().await.unwrap().directory().join("gap/data").join(&status[0].0);
    scenario.sql("SET binlog_rows_query_log_events = ON").await;
    scenario.sql("INSERT INTO t VALUES (3) /* ignorable */").await;
    scenario.sql("INSERT INTO t VALUES (4) /* incident */").await;
    scenario.sql("INSERT INTO u VALUES (5)").await;
    scenario.sql("FLUSH BINARY LOGS").await;
    // What a gap hides.
    scenario.sql("SET sql_log_bin = OFF").await;
    scenario.sql("DELETE FROM u WHERE id = 1").await;
    scenario.sql("INSERT INTO u VALUES (9)").await;
    change(&log, "ignorable", UNKNOWN, IGNORABLE);
    change(&log, "incident", INCIDENT, 0);

    rowcast.start_again().unwrap();

    for table in ["t", "u"] {
        scenario.record(table, |it| matches!(it.operation, Operation::Sweep { .. })).await;
        scenario.topic_is_table(table).await;
    }
    let counted = [&*skipped(&scenario, "ignorable", 1), &skipped(&scenario, "incident", 1)];
    metrics_have(&rowcast, &counted).await;
    log_has(&rowcast, "the server reports a gap in its log").await;
    stop(&rowcast).await;
}

/// An event that nobody knows and that may not be ignored stops the source before it is passed.
#[tokio::test]
async fn an_event_of_an_unknown_type_stops_the_source_and_is_not_passed() {
    let mysql = own_server("unknown_event", &["--binlog-checksum=NONE"]).await;
    let mut scenario = Scenario::on("unknown_event", &mysql).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let rowcast = scenario.start(&scenario.source(&mysql)).await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    scenario.topic_is_table("t").await;
    stop(&rowcast).await;
    scenario.sql("FLUSH BINARY LOGS").await;
    let status: Vec<(String, u64, String, String, String)> =
        scenario.rows("SHOW BINARY LOG STATUS").await;
    let log = shared().await.unwrap().directory().join("unknown_event/data").join(&status[0].0);
    scenario.sql("SET binlog_rows_query_log_events = ON").await;
    scenario.sql("INSERT INTO t VALUES (2) /* unknown */").await;
    scenario.sql("FLUSH BINARY LOGS").await;
    change(&log, "unknown", UNKNOWN, 0);

    rowcast.start_again().unwrap();

    log_has(&rowcast, "its type is unknown").await;
    assert_eq!(scenario.records("t").await.len(), 1);
    stop_failed(&rowcast).await;
}

/// Waits until the process has ended by itself.
async fn stop_failed(rowcast: &Rowcast) {
    until_async(async || rowcast.pid().is_none()).await;
}

/// `INCIDENT_EVENT`.
const INCIDENT: u8 = 26;

/// No event's type.
const UNKNOWN: u8 = 200;

/// `LOG_EVENT_IGNORABLE_F`.
const IGNORABLE: u8 = 0x80;

/// Makes the comment on the statement that has a text another event.
fn change(log: &Path, text: &str, kind: u8, flags: u8) {
    const ROWS_QUERY: u8 = 29;
    let path: PathBuf = log.to_owned();
    let mut bytes = std::fs::read(&path).unwrap();
    let (mut at, mut changed) = (4, 0);
    while at < bytes.len() {
        let size = u32::from_le_bytes(bytes[at + 9..at + 13].try_into().unwrap());
        let end = at + usize::try_from(size).unwrap();
        let has_text = bytes[at..end].windows(text.len()).any(|part| part == text.as_bytes());
        if bytes[at + 4] == ROWS_QUERY && has_text {
            bytes[at + 4] = kind;
            bytes[at + 17] = flags;
            changed += 1;
        }
        at = end;
    }
    assert_eq!(changed, 1, "{text}");
    std::fs::write(path, bytes).unwrap();
}

/// `rowcast tables` says of each parked table what to do.
async fn command_line_tells_what_to_do(url: &str, parked: &[String]) {
    let shown = run_rowcast(&["tables", "--url", url], &[], DEADLINE).await.unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let (_, to_do) = shown.split_once("to do:").unwrap();
    for table in parked {
        assert!(to_do.contains(&format!("{table}: let no session set binlog_format")), "{shown}");
    }
}

fn skipped(scenario: &Scenario, reason: &str, count: u32) -> String {
    let name = "rowcast_source_skipped_events_total";
    format!("{name}{{connector=\"{}\",reason=\"{reason}\"}} {count}.0", scenario.name)
}

/// The tables that are parked, each of which says what to do.
async fn parked(rowcast: &Rowcast) -> Vec<String> {
    let all = endpoint(rowcast).await.get("/tables").await;
    let tables = all["connectors"][0]["source"]["tables"].as_array().cloned().unwrap_or_default();
    let parked = tables.iter().filter(|table| table["state"] == "parked");
    parked
        .map(|table| {
            assert!(table["remedy"].is_string() && table["reason"].is_string(), "{table}");
            table["table"].as_str().unwrap().to_owned()
        })
        .collect()
}
