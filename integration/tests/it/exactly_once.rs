//! Exactly once into Kafka on the real broker: whoever takes over ends what its predecessor left
//! open, and the predecessor, dead or asleep, changes nothing any more.

use std::time::Instant;

use integration::process::Rowcast;
use integration::stack::{Signal, shared};
use integration::topic::Topics;

use crate::scenario::{DEADLINE, Scenario, log_has, stop};

/// Rows of the wide transaction, of about 1 KB each.
const WIDE_ROWS: usize = 20_000;

#[tokio::test]
async fn a_zombie_that_wakes_inside_its_transaction_is_fenced_and_leaves_nothing() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("zombie").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, filler VARCHAR(1000))").await;
    let pipeline = scenario.source(mysql).with("transaction.max.bytes", "4194304");
    let zombie = scenario.launch("zombie", &pipeline).await;
    log_has(&zombie, "table copied").await;

    insert_wide(&mut scenario).await;
    let topic = scenario.topic("t");
    pause_inside_transaction(&zombie, &scenario.topics, &topic).await;
    let successor = scenario.launch("successor", &pipeline).await;
    log_has(&successor, "transaction committed").await;
    scenario.sql("INSERT INTO t VALUES (-1, 'after the change')").await;
    scenario.topic_is_table("t").await;
    zombie.signal(Signal::Resume).unwrap();

    is_fenced(&zombie).await;
    scenario.sql("INSERT INTO t VALUES (-2, 'after the end of the zombie')").await;
    let records = scenario.topic_is_table("t").await;
    assert_eq!(records.len(), WIDE_ROWS + 2);
    stop(&successor).await;
}

#[tokio::test]
async fn of_two_live_instances_the_first_halts_and_the_second_goes_on() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("two_live").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let pipeline = scenario.source(mysql);
    let first = scenario.launch("first", &pipeline).await;
    log_has(&first, "table copied").await;

    let second = scenario.launch("second", &pipeline).await;

    is_fenced(&first).await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    scenario.topic_is_table("t").await;
    assert!(!second.log().unwrap().contains("task failed"), "{}", second.log().unwrap());
    stop(&second).await;
}

async fn insert_wide(scenario: &mut Scenario) {
    scenario.sql("SET cte_max_recursion_depth = 1000000").await;
    scenario
        .sql(&format!(
            "INSERT INTO t WITH RECURSIVE n (i) AS \
             (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {WIDE_ROWS}) \
             SELECT i, REPEAT(CHAR(65 + i % 26), 1000) FROM n"
        ))
        .await;
}

/// Freezes the program at a moment when the broker has an open transaction on the topic, inside
/// the wide MySQL transaction.
async fn pause_inside_transaction(rowcast: &Rowcast, topics: &Topics, topic: &str) {
    log_has(rowcast, "split=true").await;
    let end = Instant::now() + DEADLINE;
    loop {
        rowcast.signal(Signal::Pause).unwrap();
        if topics.is_transaction_open(topic).await.unwrap() {
            break;
        }
        rowcast.signal(Signal::Resume).unwrap();
        assert!(Instant::now() < end, "no open transaction was met");
    }
}

/// Waits until the program has ended because another instance has taken over, and says so.
async fn is_fenced(rowcast: &Rowcast) {
    let status = rowcast.wait(DEADLINE).await;
    let log = rowcast.log().unwrap();
    let status = status.unwrap_or_else(|error| panic!("{error}:\n{log}"));
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().rfind(|line| line.contains("ERROR")).unwrap_or_default();
    assert!(last.contains("another instance has taken over"), "{log}");
    assert!(last.contains("hint=") && last.contains("stop one of the two instances"), "{log}");
    assert_eq!(log.matches("source starts").count(), 1, "{log}");
}
