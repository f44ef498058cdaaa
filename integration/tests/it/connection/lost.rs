//! A connection that is lost in every phase of its life, and one that falls silent.

use integration::marks::ROW;
use integration::random::Random;
use integration::stack::shared;

use crate::proxy::{Network, Proxy};
use crate::scenario::{Scenario, log_has, stop, until, until_async};

/// Rows that are copied: a few megabytes.
const COPIED: u64 = 4_000;

#[tokio::test]
async fn a_connection_that_is_cut_in_any_phase_is_made_again_and_nothing_is_lost_or_doubled() {
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("lost").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, filler VARCHAR(1000))").await;
    insert(&mut scenario, 1, COPIED).await;
    // Before the greeting, in the login, and in the SELECT of a chunk, which has 500 KB. Pauses
    // grow with each, so that there are few.
    let proxy = Proxy::start(mysql.address(), Network::CutAfter(0)).await;
    let pipeline = scenario
        .source(mysql)
        .with("database.port", &proxy.address.port().to_string())
        .with("snapshot.chunk.rows", "500");
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    for limit in [0, 60, 200_000 + random.below(200_000)] {
        let before = proxy.cuts();
        proxy.set(Network::CutAfter(limit));
        assert!(until(|| proxy.cuts() > before).await, "{}", rowcast.log().unwrap());
    }
    log_has(&rowcast, "could not read a chunk").await;
    proxy.set(Network::Good);
    log_has(&rowcast, "table copied").await;

    // The stream, within a row event.
    let mut next = COPIED + 1;
    for _ in 0..2 {
        let before = proxy.cuts();
        insert(&mut scenario, next, next + 999).await;
        next += 1000;
        proxy.set(Network::CutAfter(random.below(900_000)));
        assert!(until(|| proxy.cuts() > before).await, "{}", rowcast.log().unwrap());
        proxy.set(Network::Good);
    }
    insert(&mut scenario, next, next).await;

    let records = scenario.topic_is_table("t").await;
    assert_eq!(u64::try_from(records.len()).unwrap(), next);
    let log = rowcast.log().unwrap();
    assert!(!log.contains("panicked") && !log.contains(" ERROR "), "{log}");
    stop(&rowcast).await;
}

async fn insert(scenario: &mut Scenario, first: u64, last: u64) {
    let rows: Vec<_> = (first..=last)
        .map(|id| format!("({id}, CONCAT('{ROW}', REPEAT(CHAR({}), 994)))", 65 + id % 26))
        .collect();
    scenario.sql(&format!("INSERT INTO t VALUES {}", rows.join(", "))).await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_and_connected_to_again() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("silent").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, filler VARCHAR(1000))").await;
    let proxy = Proxy::start(mysql.address(), Network::Good).await;
    let pipeline = scenario
        .source(mysql)
        .with("database.port", &proxy.address.port().to_string())
        .with("source.heartbeat.period.ms", "200")
        .with("connect.keep.alive.interval.ms", "2000")
        .with("connect.timeout.ms", "2000");
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    log_has(&rowcast, "table copied").await;

    proxy.set(Network::Silent);
    insert(&mut scenario, 1, 10).await;
    log_has(&rowcast, "did not answer in time to send the binary log").await;
    log_has(&rowcast, "did not answer in time to connect").await;
    proxy.set(Network::Good);

    let records = scenario.topic_is_table("t").await;
    assert_eq!(records.len(), 10);
    stop(&rowcast).await;
}

#[tokio::test]
async fn an_idle_server_is_not_taken_for_a_silent_one() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("idle").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, filler VARCHAR(1000))").await;
    scenario.sql("CREATE USER idle").await;
    for privilege in ["SELECT", "REPLICATION SLAVE", "REPLICATION CLIENT"] {
        scenario.sql(&format!("GRANT {privilege} ON *.* TO idle")).await;
    }
    let pipeline = scenario
        .source(mysql)
        .with("database.user", "idle")
        .with("source.heartbeat.period.ms", "200")
        .with("connect.keep.alive.interval.ms", "1000");
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    log_has(&rowcast, "table copied").await;

    // Longer than the silence that is allowed.
    let stream = "SELECT TIME FROM performance_schema.processlist \
                  WHERE USER = 'idle' AND COMMAND LIKE 'Binlog Dump%'";
    until_async(async || {
        let seconds: Vec<u32> = scenario.rows(stream).await;
        seconds.iter().any(|seconds| *seconds >= 4)
    })
    .await;
    insert(&mut scenario, 1, 10).await;

    scenario.topic_is_table("t").await;
    let log = rowcast.log().unwrap();
    assert!(!log.contains("did not answer in time"), "{log}");
    stop(&rowcast).await;
}
