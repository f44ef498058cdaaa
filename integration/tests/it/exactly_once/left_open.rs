//! A transaction that the broker says is complete, and whose markers it has not written: what one may do
//! that is killed in the middle of a commit (ADR 0130). It happens to one kill in five, so the
//! markers are taken out of the broker's files here.

use std::fs::OpenOptions;
use std::path::Path;

use integration::stack::{Kafka, KafkaOptions, shared};
use integration::topic::Topics;

use crate::scenario::{Scenario, log_has, stop};

/// Where a batch of records in a partition's file has its length, behind its first offset, and how many
/// bytes are before what the length counts.
const LENGTH_AT: usize = 8;
const BEFORE_LENGTH: usize = 12;

/// Where its attributes are, and the bit of those that are a marker.
const ATTRIBUTES_AT: usize = 22;
const IS_CONTROL: u8 = 0x20;

/// Takes the last batch out of a partition's file, which has to be a marker.
fn lose_last_marker(data: &Path, topic: &str) {
    let file = data.join(format!("{topic}-0")).join("00000000000000000000.log");
    let bytes = std::fs::read(&file).unwrap();
    let (mut last, mut next) = (0, 0);
    while next + BEFORE_LENGTH < bytes.len() {
        last = next;
        let length = &bytes[next + LENGTH_AT..next + BEFORE_LENGTH];
        let length = u32::from_be_bytes(length.try_into().unwrap());
        next += BEFORE_LENGTH + usize::try_from(length).unwrap();
    }
    assert_ne!(bytes[last + ATTRIBUTES_AT] & IS_CONTROL, 0, "{topic} ends with records");
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(u64::try_from(last).unwrap()).unwrap();
}

/// Whether rows had to be sent again after the last markers of these topics were lost. They come once in
/// any case.
async fn is_sent_again(name: &'static str, topics: &[&str]) -> bool {
    let mut scenario = Scenario::new(name).await;
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kafka =
        Kafka::start(&stack.installed, folder.path(), &KafkaOptions::default()).await.unwrap();
    scenario.topics = Topics::new(&kafka.bootstrap(), &stack.registry.url());
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    let pipeline =
        scenario.source(&stack.mysql).with_worker("bootstrap.servers", &kafka.bootstrap());
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("UPDATE t SET a = a + 10").await;
    scenario.topic_is_table("t").await;
    rowcast.kill().unwrap();
    kafka.server.kill().unwrap();
    for topic in topics {
        lose_last_marker(&folder.path().join("data"), &topic.replace("NAME", name));
    }

    kafka.server.start_again().await.unwrap();
    rowcast.start_again().unwrap();
    scenario.sql("INSERT INTO t VALUES (3, 3)").await;

    let records = scenario.topic_is_table("t").await;
    assert_eq!(records.len(), 5);
    let log = rowcast.log().unwrap();
    assert!(!log.contains(" ERROR "), "{log}");
    stop(&rowcast).await;
    log.contains("the brokers had left open was aborted")
}

#[tokio::test]
async fn a_transaction_that_nobody_else_ends_is_aborted_and_its_rows_come_once() {
    let topics = ["NAME-offsets", "NAME.NAME.t"];
    assert!(is_sent_again("left_open", &topics).await);
}

/// The next commit ends it: an abort would lose rows that the offset says are there.
#[tokio::test]
async fn rows_that_the_offset_covers_are_not_aborted() {
    assert!(!is_sent_again("left_covered", &["NAME.NAME.t"]).await);
}
