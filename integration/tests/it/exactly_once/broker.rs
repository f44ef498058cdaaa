//! One broker, which stops or dies in the middle of a commit, whose disk is full, or which has
//! forgotten a source that had nothing to write for long.

use std::process::Command;
use std::time::{Duration, Instant};

use integration::random::Random;
use integration::stack::{Kafka, KafkaOptions, Server, Signal, shared};
use integration::topic::Topics;
use integration::workload::Workload;
use tempfile::TempDir;

use super::pause_inside_commit;
use crate::scenario::{DEADLINE, Scenario, log_has, stop, until};

/// A broker of its own, and a scenario whose topics are there.
async fn own_broker(scenario: &mut Scenario, properties: &[(&str, &str)]) -> (Kafka, TempDir) {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut options = KafkaOptions::default();
    options.properties = properties.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let kafka = Kafka::start(&stack.installed, folder.path(), &options).await.unwrap();
    scenario.topics = Topics::new(&kafka.bootstrap(), &stack.registry.url());
    (kafka, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_restarts_in_mid_commit_loses_and_repeats_nothing() {
    let stack = shared().await.unwrap();
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let mysql = &stack.mysql;
    let mut workload = Workload::create(&mysql.url(), "mid_commit", (60, seed)).await.unwrap();
    let mut scenario = Scenario::without_database("mid_commit", mysql).await;
    let (kafka, _folder) = own_broker(&mut scenario, &[]).await;
    let pipeline = scenario.source(mysql).with_worker("bootstrap.servers", &kafka.bootstrap());
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    log_has(&rowcast, "table copied table=mid_commit.texts").await;

    for round in 0..6 {
        let traffic = (&mut workload, &mut random);
        pause_inside_commit(&rowcast, &scenario.topics, traffic, "mid_commit-offsets").await;
        match round % 3 {
            // In good order, and without.
            0 => kafka.server.stop().await.unwrap(),
            _ => kafka.server.kill().unwrap(),
        }
        // The program meets the broker down, or only after it has come back.
        if round % 2 == 0 {
            rowcast.signal(Signal::Resume).unwrap();
            workload.step().await.unwrap();
        }
        kafka.server.start_again().await.unwrap();
        if round % 2 == 1 {
            rowcast.signal(Signal::Resume).unwrap();
        }
        workload.step().await.unwrap();
    }

    for table in ["numbers", "pairs", "texts"] {
        scenario.topic_is_table(table).await;
    }
    stop(&rowcast).await;
}

/// The largest file that the broker may write from now on: further bytes are refused, which is
/// to it the same error as a full disk.
fn limit_files(broker: &Server, bytes: &str) {
    let pid = broker.pid().unwrap().to_string();
    let arguments = ["--pid", &pid, &format!("--fsize={bytes}:")];
    let status = Command::new("prlimit").args(arguments).status().unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_full_disk_of_the_broker_is_told_of_and_nothing_is_lost_when_there_is_space_again() {
    let mut scenario = Scenario::new("full_disk").await;
    let (kafka, _folder) = own_broker(&mut scenario, &[]).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, data BLOB)").await;
    let mysql = &scenario.stack.mysql;
    let pipeline = scenario.source(mysql).with_worker("bootstrap.servers", &kafka.bootstrap());
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    for id in 0..10 {
        scenario.sql(&format!("INSERT INTO t VALUES ({id}, RANDOM_BYTES(1000))")).await;
    }
    scenario.topic_is_table("t").await;

    limit_files(&kafka.server, "1000000");
    for id in 10..3000 {
        scenario.sql(&format!("INSERT INTO t VALUES ({id}, RANDOM_BYTES(1000))")).await;
    }
    // A broker that cannot write to its only disk ends.
    assert!(until(|| kafka.server.pid().is_none()).await, "the broker lives on");
    log_has(&rowcast, "kafka does not answer").await;
    log_has(&rowcast, "starting it again").await;
    kafka.server.start_again().await.unwrap();

    let records = scenario.topic_is_table("t").await;
    assert_eq!(records.len(), 3000);
    let log = rowcast.log().unwrap();
    assert!(log.contains("start Kafka or correct `bootstrap.servers`"), "{log}");
    assert!(!log.contains(" ERROR ") && !log.contains("begins anew"), "{log}");
    assert_eq!(log.matches("first_start=true").count(), 1, "{log}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_source_that_was_idle_until_the_broker_forgot_it_goes_on() {
    let mut scenario = Scenario::new("forgotten").await;
    let expiry = [
        ("transactional.id.expiration.ms", "2000"),
        ("transaction.remove.expired.transaction.cleanup.interval.ms", "500"),
        ("producer.id.expiration.ms", "2000"),
        ("producer.id.expiration.check.interval.ms", "500"),
    ];
    let (kafka, _folder) = own_broker(&mut scenario, &expiry).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let mysql = &scenario.stack.mysql;
    let pipeline = scenario.source(mysql).with_worker("bootstrap.servers", &kafka.bootstrap());
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    for round in 0..3 {
        scenario.sql(&format!("INSERT INTO t VALUES ({round})")).await;
        scenario.topic_is_table("t").await;
        rowcast.signal(Signal::Pause).unwrap();
        is_forgotten(&kafka).await;
        rowcast.signal(Signal::Resume).unwrap();
    }
    scenario.sql("INSERT INTO t VALUES (10)").await;

    let records = scenario.topic_is_table("t").await;
    assert_eq!(records.len(), 4);
    assert!(!rowcast.log().unwrap().contains(" ERROR "), "{}", rowcast.log().unwrap());
    stop(&rowcast).await;
}

/// Waits until the broker has none of our transactional ids any more.
async fn is_forgotten(kafka: &Kafka) {
    let stack = shared().await.unwrap();
    let end = Instant::now() + DEADLINE;
    loop {
        let listed = kafka.transactional_ids(&stack.installed).await.unwrap();
        if listed.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "the broker still knows {listed:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
