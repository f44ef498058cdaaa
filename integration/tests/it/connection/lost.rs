//! A connection that is lost in every phase of its life, and one that falls silent.

use std::time::Duration;

use integration::random::Random;
use integration::stack::shared;

use crate::proxy::{Network, Proxy};
use crate::scenario::{Scenario, log_has, stop, until};

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
    // Nobody accepts, then the greeting is cut, then the login.
    let proxy = Proxy::start(mysql.address(), Network::CutAfter(0)).await;
    let pipeline = scenario
        .source(mysql)
        .with("database.port", &proxy.address.port().to_string())
        .with("snapshot.chunk.rows", "500");
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    for limit in [0, 30, 60, 1500, 20_000] {
        let before = proxy.cuts();
        proxy.set(Network::CutAfter(limit));
        assert!(until(|| proxy.cuts() > before + 1).await, "{}", rowcast.log().unwrap());
    }

    // The copy and the stream, each time somewhere else.
    let mut next = COPIED + 1;
    for _ in 0..6 {
        let before = proxy.cuts();
        proxy.set(Network::CutAfter(100_000 + random.below(800_000)));
        while proxy.cuts() < before + 2 {
            insert(&mut scenario, next, next + 19).await;
            next += 20;
            assert!(rowcast.pid().is_some(), "{}", rowcast.log().unwrap());
        }
    }
    proxy.set(Network::Good);
    insert(&mut scenario, next, next).await;

    let records = scenario.topic_is_table("t").await;
    assert_eq!(u64::try_from(records.len()).unwrap(), next);
    let log = rowcast.log().unwrap();
    assert!(!log.contains("panicked") && !log.contains(" ERROR "), "{log}");
    stop(&rowcast).await;
}

async fn insert(scenario: &mut Scenario, first: u64, last: u64) {
    let rows: Vec<_> = (first..=last)
        .map(|id| format!("({id}, REPEAT('{}', 1000))", char::from(b'a' + (id % 26) as u8)))
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
    let pipeline = scenario
        .source(mysql)
        .with("source.heartbeat.period.ms", "200")
        .with("connect.keep.alive.interval.ms", "1000");
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    log_has(&rowcast, "table copied").await;

    tokio::time::sleep(Duration::from_secs(4)).await;
    insert(&mut scenario, 1, 10).await;

    scenario.topic_is_table("t").await;
    let log = rowcast.log().unwrap();
    assert!(!log.contains("did not answer in time"), "{log}");
    stop(&rowcast).await;
}
