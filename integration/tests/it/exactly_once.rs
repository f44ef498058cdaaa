//! Exactly once into Kafka on the real broker: whoever takes over ends what its predecessor left
//! open, and the predecessor, dead or asleep, changes nothing any more.

mod answers;
mod broker;
mod cluster;
mod left_open;
mod proxy;
mod splits;

use std::time::{Duration, Instant};

use integration::marks::ROW;
use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::random::Random;
use integration::stack::{Signal, shared};
use integration::topic::Topics;
use integration::workload::Workload;

use serde_json::json;

use crate::scenario::{DEADLINE, Scenario, log_has, own_server, stop};

/// Rows of the wide transaction, of about 1 KB each.
const WIDE_ROWS: usize = 10_000;

/// How many instances take over, one after the other.
const SUCCESSIONS: usize = 6;

/// About how long a commit takes: the moment of a freeze is drawn from it.
const COMMIT_TIME: Duration = Duration::from_millis(12);

#[tokio::test]
async fn a_zombie_that_wakes_inside_its_transaction_is_fenced_and_leaves_nothing() {
    let (mut scenario, pipeline, zombie) = asleep_inside_transaction("zombie").await;
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
async fn a_zombie_whose_transaction_has_expired_is_fenced_as_well() {
    let (mut scenario, pipeline, zombie) = asleep_inside_transaction("old_zombie").await;

    expires(&scenario).await;
    let successor = scenario.launch("successor", &pipeline).await;
    log_has(&successor, "transaction committed").await;
    zombie.signal(Signal::Resume).unwrap();

    is_fenced(&zombie).await;
    let records = scenario.topic_is_table("t").await;
    assert_eq!(records.len(), WIDE_ROWS);
    stop(&successor).await;
}

#[tokio::test]
async fn of_two_live_instances_the_first_halts_and_the_second_goes_on() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("two_live").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let pipeline = scenario.source(mysql);
    let first = scenario.launch("first", &pipeline).await;
    log_has(&first, "transaction committed").await;

    let second = scenario.launch("second", &pipeline).await;

    is_fenced(&first).await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    scenario.topic_is_table("t").await;
    assert!(!second.log().unwrap().contains("task failed"), "{}", second.log().unwrap());
    stop(&second).await;
}

/// An instance that is frozen inside one wide MySQL transaction, of which it has committed a part,
/// and inside a Kafka transaction, and the pipeline that it runs.
async fn asleep_inside_transaction(name: &'static str) -> (Scenario, PipelineFile, Rowcast) {
    let mut scenario = Scenario::new(name).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, filler VARCHAR(1000))").await;
    let mysql = &scenario.stack.mysql;
    let pipeline = scenario.source(mysql).with("transaction.max.bytes", "2097152");
    let rowcast = scenario.launch("first", &pipeline).await;
    log_has(&rowcast, "table copied").await;
    insert_wide(&mut scenario).await;
    pause_inside_transaction(&rowcast, &scenario.topics, &scenario.topic("t")).await;
    (scenario, pipeline, rowcast)
}

async fn insert_wide(scenario: &mut Scenario) {
    scenario.sql("SET cte_max_recursion_depth = 1000000").await;
    scenario
        .sql(&format!(
            "INSERT INTO t WITH RECURSIVE n (i) AS \
             (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {WIDE_ROWS}) \
             SELECT i, CONCAT('{ROW}', REPEAT(CHAR(65 + i % 26), 994)) FROM n"
        ))
        .await;
}

/// Waits until the broker has ended the transaction of a program that sleeps, for its age.
async fn expires(scenario: &Scenario) {
    let end = Instant::now() + DEADLINE;
    while scenario.topics.is_transaction_open(&scenario.topic("t")).await.unwrap() {
        assert!(Instant::now() < end, "the broker did not end the transaction");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
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

#[tokio::test]
async fn a_successor_ends_the_open_commit_of_the_dead_and_of_the_sleeping() {
    let mysql = &shared().await.unwrap().mysql;
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let mut workload = Workload::create(&mysql.url(), "succession", (60, seed)).await.unwrap();
    let mut scenario = Scenario::without_database("succession", mysql).await;
    let pipeline = scenario.source(mysql);
    let mut current = scenario.launch("instance-0", &pipeline).await;
    for table in ["numbers", "pairs", "texts"] {
        scenario.topic_is_table(table).await;
    }

    for round in 1..=SUCCESSIONS {
        let traffic = (&mut workload, &mut random);
        let offsets = "succession-offsets";
        pause_inside_commit(&current, &scenario.topics, traffic, offsets).await;
        if round % 2 == 0 {
            current.kill().unwrap();
        }
        let is_open = scenario.topics.is_transaction_open(offsets).await.unwrap();
        assert!(is_open, "the commit ended by itself");
        let successor = scenario.launch(&format!("instance-{round}"), &pipeline).await;
        log_has(&successor, "source starts").await;
        workload.step().await.unwrap();
        if round % 2 == 1 {
            current.signal(Signal::Resume).unwrap();
            is_fenced(&current).await;
        }
        current = successor;
    }

    workload.step().await.unwrap();
    for table in ["numbers", "pairs", "texts"] {
        scenario.topic_is_table(table).await;
    }
    stop(&current).await;
}

/// Freezes the program at a moment when its records and offsets are on the broker and its
/// transaction has not ended. `offsets` is its offsets topic.
async fn pause_inside_commit(
    rowcast: &Rowcast,
    topics: &Topics,
    (workload, random): (&mut Workload, &mut Random),
    offsets: &str,
) {
    let end = Instant::now() + DEADLINE;
    loop {
        let begun = commits_begun(rowcast);
        workload.step().await.unwrap();
        let until_commit = Instant::now() + Duration::from_millis(500);
        while commits_begun(rowcast) == begun && Instant::now() < until_commit {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(random.duration_below(COMMIT_TIME)).await;
        rowcast.signal(Signal::Pause).unwrap();
        // Asked twice: what was on its way to the broker when the program froze has arrived then.
        if topics.is_transaction_open(offsets).await.unwrap()
            && topics.is_transaction_open(offsets).await.unwrap()
        {
            return;
        }
        rowcast.signal(Signal::Resume).unwrap();
        assert!(rowcast.pid().is_some(), "{}", rowcast.log().unwrap());
        assert!(Instant::now() < end, "no open commit was met");
    }
}

fn commits_begun(rowcast: &Rowcast) -> usize {
    rowcast.log().unwrap().matches("transaction commit begins").count()
}

#[tokio::test]
async fn each_commit_has_one_stream_offset_and_the_last_is_where_the_server_is() {
    let mysql = own_server("mysql-exactly-once", &[]).await;
    let mut workload = Workload::create(&mysql.url(), "last_offset", (60, 3)).await.unwrap();
    let mut scenario = Scenario::without_database("last_offset", &mysql).await;
    let pipeline = scenario.source(&mysql).with("snapshot.chunk.rows", "7");
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    for _ in 0..100 {
        workload.step().await.unwrap();
    }
    for table in ["numbers", "pairs", "texts"] {
        scenario.topic_is_table(table).await;
    }

    stop(&rowcast).await;

    let texts = scenario.topics.read_texts("last_offset-offsets").await.unwrap();
    let stream: Vec<_> = texts.iter().filter(|(key, _)| !key.contains("\"table\"")).collect();
    let log = rowcast.log().unwrap();
    assert_eq!(stream.len(), log.matches("transaction committed").count(), "{log}");
    let last: serde_json::Value = serde_json::from_str(&stream.last().unwrap().1).unwrap();
    let status = "SHOW BINARY LOG STATUS";
    let status: Vec<(String, u64, String, String, String)> = scenario.rows(status).await;
    let (file, position, _, _, executed) = &status[0];
    assert_eq!(last["gtids"], executed.as_str());
    assert_eq!((&last["file"], &last["pos"]), (&json!(file), &json!(position)), "{last}");
}

#[tokio::test]
async fn one_that_slept_longer_than_its_transaction_goes_on_if_nobody_took_over() {
    let (mut scenario, _, rowcast) = asleep_inside_transaction("sleeper").await;

    expires(&scenario).await;
    rowcast.signal(Signal::Resume).unwrap();
    log_has(&rowcast, "kafka ended the transaction for its age").await;

    let records = scenario.topic_is_table("t").await;
    assert_eq!(records.len(), WIDE_ROWS);
    stop(&rowcast).await;
}
