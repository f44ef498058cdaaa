//! Compressed transactions (`binlog_transaction_compression=ON`): the same records as from plain
//! ones, in any mixture, of any size, whatever dies in the middle. All rows of one have the same
//! place in the log, that of the one event: Debezium's `pos`. So what comes twice is found by
//! counting.

use integration::marks::ROW;
use integration::process::Rowcast;
use integration::random::Random;
use integration::stack::{MySql, shared};
use integration::topic::Operation;

use crate::scenario::{Scenario, count, log_has, own_server, stop, until};

/// Transactions of the mixture.
const TRANSACTIONS: u64 = 60;

/// Rows of the wide transaction, of 1,000 bytes each.
const WIDE_ROWS: usize = 20_000;

/// How often the program is killed within it.
const KILLS: usize = 4;

/// Rows of 1 MiB in the transaction that is far larger than the memory it may take.
const LONG_ROWS: usize = 256;

#[tokio::test]
async fn compressed_and_plain_transactions_in_any_mixture_make_the_table() {
    mixture("compressed", &shared().await.unwrap().mysql).await;
}

/// The highest level has the largest window; inner events have no checksums, here outer ones
/// neither.
#[tokio::test]
async fn compressed_transactions_without_gtids_and_checksums_make_the_table() {
    let arguments = [
        "--gtid-mode=OFF",
        "--enforce-gtid-consistency=OFF",
        "--binlog-checksum=NONE",
        "--binlog-transaction-compression-level-zstd=22",
    ];
    let mysql = own_server("mysql-compressed", &arguments).await;
    mixture("compressed_plain", &mysql).await;
}

async fn mixture(name: &'static str, mysql: &MySql) {
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let mut scenario = Scenario::on(name, mysql).await;
    for table in ["t", "u"] {
        let columns = "id INT PRIMARY KEY, n INT, note VARCHAR(200), doc JSON, b LONGBLOB";
        scenario.sql(&format!("CREATE TABLE {table} ({columns})")).await;
        scenario.sql(&format!("INSERT INTO {table} (id) VALUES (-1)")).await;
    }
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    for table in ["t", "u"] {
        log_has(&rowcast, &format!("table copied table={name}.{table}")).await;
    }

    for number in 0..TRANSACTIONS {
        let is_compressed = number == 0 || random.chance(60);
        let switch = if is_compressed { "ON" } else { "OFF" };
        scenario.sql(&format!("SET SESSION binlog_transaction_compression = {switch}")).await;
        transaction(&mut scenario, &mut random).await;
        if number == TRANSACTIONS / 2 {
            // A restart between any two.
            stop(&rowcast).await;
            rowcast.start_again().unwrap();
        }
    }

    for table in ["t", "u"] {
        let records = scenario.topic_equals_table(table).await;
        assert!(records.is_sorted_by_key(|record| record.lsn));
        assert!(count(&records, Operation::Update) > 0);
        assert!(count(&records, Operation::Delete) > 0);
    }
    assert!(payloads(&mut scenario).await > 0);
    stop(&rowcast).await;
}

/// A few changes of both tables, some of them large.
async fn transaction(scenario: &mut Scenario, random: &mut Random) {
    scenario.sql("BEGIN").await;
    for _ in 0..random.between(1, 6) {
        let table = random.pick(&["t", "u"]);
        let id = random.below(40);
        let statement = match random.below(5) {
            0 => format!("DELETE FROM {table} WHERE id = {id}"),
            1 => format!("UPDATE {table} SET n = n + 1, note = 'changed {id}' WHERE id > {id}"),
            2 => format!("UPDATE {table} SET b = RANDOM_BYTES(1000) WHERE id = {id}"),
            3 => {
                format!("REPLACE INTO {table} VALUES ({id}, 1, 'long', '[1]', REPEAT('x', 300000))")
            }
            _ => format!("REPLACE INTO {table} VALUES ({id}, 1, NULL, '{{\"a\": {id}}}', NULL)"),
        };
        scenario.sql(&statement).await;
    }
    scenario.sql("COMMIT").await;
}

/// Compressed transactions that the server has logged.
async fn payloads(scenario: &mut Scenario) -> u64 {
    let counters: Vec<u64> = scenario
        .rows(
            "SELECT TRANSACTION_COUNTER FROM \
             performance_schema.binary_log_transaction_compression_stats \
             WHERE LOG_TYPE = 'BINARY' AND COMPRESSION_TYPE = 'ZSTD'",
        )
        .await;
    counters.iter().sum()
}

#[tokio::test]
async fn a_split_compressed_transaction_survives_kills_in_its_middle() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("compressed_kill").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, filler VARCHAR(1000))").await;
    let pipeline = scenario.source(mysql).with("transaction.max.bytes", "524288");
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("SET SESSION binlog_transaction_compression = ON").await;
    scenario.sql("SET cte_max_recursion_depth = 1000000").await;

    insert(&mut scenario, "RPAD(i, 1000, CHAR(65 + i % 26))", WIDE_ROWS).await;
    for _ in 0..KILLS {
        let before = splits(&rowcast);
        let is_inside = until(|| splits(&rowcast) > before + 1).await;
        assert!(is_inside, "{}", rowcast.log().unwrap());
        rowcast.kill().unwrap();
        rowcast.start_again().unwrap();
    }
    scenario.sql("UPDATE t SET filler = 'later' WHERE id = 7").await;

    let records = scenario.topic_equals_table("t").await;
    assert_eq!(records.len(), WIDE_ROWS + 1);
    assert_eq!(count(&records, Operation::Create), WIDE_ROWS);
    assert!(records.is_sorted_by_key(|record| record.lsn));
    let (first, last) = (&records[0].origin, &records[WIDE_ROWS - 1].origin);
    assert_eq!(first.gtid, last.gtid);
    stop(&rowcast).await;
}

/// Commits within one transaction that the log tells of.
fn splits(rowcast: &Rowcast) -> usize {
    rowcast.log().unwrap().matches("split=true").count()
}

async fn insert(scenario: &mut Scenario, filler: &str, rows: usize) {
    let statement = format!(
        "INSERT INTO t WITH RECURSIVE n (i) AS \
         (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i, {filler} FROM n"
    );
    scenario.sql(&statement).await;
}

/// 256 MiB that compress to almost nothing.
#[tokio::test]
async fn a_compressed_transaction_is_never_in_memory_as_a_whole() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("compressed_memory").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, filler LONGTEXT)").await;
    let rowcast = scenario.launch("rowcast", &scenario.source(mysql)).await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("SET SESSION binlog_transaction_compression = ON").await;

    let long = format!("CONCAT('{ROW}', REPEAT(CHAR(65 + i % 26), 1048570))");
    insert(&mut scenario, &long, LONG_ROWS).await;

    let records = scenario.topic_equals_table("t").await;
    assert_eq!(records.len(), LONG_ROWS);
    let peak = peak_bytes(&rowcast);
    assert!(peak < 192 << 20, "{peak} bytes for {LONG_ROWS} MiB of rows");
    stop(&rowcast).await;
}

/// The most memory that the program has had.
fn peak_bytes(rowcast: &Rowcast) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", rowcast.pid().unwrap()));
    let status = status.unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}
