//! `exactly.once: disabled`: no Kafka transactions, offsets behind the records that they cover.
//! Whatever dies when, nothing is lost and a row's changes keep their order; records may be there
//! twice.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use integration::pipeline::PipelineFile;
use integration::random::Random;
use integration::stack::{Kafka, KafkaOptions, shared};
use integration::topic::{ChangeRecord, Operation, Topics, wait_until_equal};
use integration::workload::Workload;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::scenario::{DEADLINE, Scenario, log_has, stop, until_async};

/// How often the process is killed.
const KILLS: usize = 12;

/// Longest time from a start to the kill.
const AIM: Duration = Duration::from_millis(400);

/// The pipeline with the setting that a user of Kafka Connect knows.
fn disabled(scenario: &Scenario) -> PipelineFile {
    let mysql = &scenario.stack.mysql;
    scenario.source(mysql).with_worker("exactly.once.source.support", "disabled")
}

/// The topic of `table` becomes the table, and its last record of each key is the row's newest: what
/// is written once more after a kill may be on its way while the topic equals the table already.
async fn becomes_table(scenario: &mut Scenario, table: &str) -> Vec<ChangeRecord> {
    let (topic, url) = (scenario.topic(table), scenario.stack.mysql.url());
    let full = format!("{}.{table}", scenario.name);
    let names = (full.as_str(), topic.as_str());
    let end = Instant::now() + DEADLINE;
    loop {
        let records = wait_until_equal(&mut scenario.topics, &url, names, DEADLINE).await.unwrap();
        let Some(key) = older_at_last(&records) else { return records };
        assert!(Instant::now() < end, "the last record of {key} is not the newest");
    }
}

/// A key whose last record is not its newest.
fn older_at_last(records: &[ChangeRecord]) -> Option<String> {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut highest: BTreeMap<String, u64> = BTreeMap::new();
    for record in records {
        let key = format!("{:?}", record.key);
        let known = highest.entry(key.clone()).or_default();
        *known = (*known).max(record.lsn);
        last.insert(key, record.lsn);
    }
    last.into_iter().find_map(|(key, lsn)| (lsn != highest[&key]).then_some(key))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kills_nothing_is_lost_and_the_order_of_each_key_is_kept() {
    let stack = shared().await.unwrap();
    let mysql = &stack.mysql;
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let mut workload = Workload::create(&mysql.url(), "twice", (60, seed)).await.unwrap();
    let mut scenario = Scenario::without_database("twice", mysql).await;
    scenario.sql("CREATE TABLE twice.counted (id INT PRIMARY KEY)").await;
    let pipeline = disabled(&scenario).with("snapshot.chunk.rows", "7");
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    log_has(&rowcast, "source starts").await;
    let mut id = 0;
    for _ in 0..KILLS {
        let end = Instant::now() + random.duration_below(AIM);
        while Instant::now() < end {
            workload.step().await.unwrap();
            id += 1;
            scenario.sql(&format!("INSERT INTO twice.counted VALUES ({id})")).await;
        }
        rowcast.kill().unwrap();
        workload.step().await.unwrap();
        rowcast.start_again().unwrap();
    }
    for table in ["numbers", "pairs", "texts"] {
        becomes_table(&mut scenario, table).await;
    }
    let records = becomes_table(&mut scenario, "counted").await;

    // Each row was inserted once, so each has to be there, and nothing else.
    let keys: HashSet<_> = records.iter().map(|record| format!("{:?}", record.key)).collect();
    assert_eq!(keys.len(), id);
    assert!(records.iter().all(|record| record.after.is_some()));
    eprintln!("{} records of {id} rows after {KILLS} kills", records.len());
    stop(&rowcast).await;

    // After a stop in good order the offsets cover all that was written.
    let count = scenario.records("counted").await.len();
    rowcast.start_again().unwrap();
    scenario.sql("INSERT INTO twice.counted VALUES (-1)").await;
    until_async(async || scenario.records("counted").await.len() > count).await;
    assert_eq!(scenario.records("counted").await.len(), count + 1);
    stop(&rowcast).await;
}

#[tokio::test]
async fn there_is_no_transaction_and_the_offset_is_behind_its_records() {
    let mut scenario = Scenario::new("no_transaction").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let mysql = &scenario.stack.mysql;
    let pipeline = scenario.source(mysql).with("exactly.once", "disabled");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    for id in 0..50 {
        scenario.sql(&format!("INSERT INTO t VALUES ({id})")).await;
    }
    let records = scenario.topic_is_table("t").await;
    stop(&rowcast).await;

    assert_eq!(records.len(), 50);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", scenario.stack.kafka.bootstrap())
        .create()
        .unwrap();
    let wait = Duration::from_secs(10);
    let (_, end) = consumer.fetch_watermarks(&scenario.topic("t"), 0, wait).unwrap();
    // The end of a transaction would take a place of its own.
    assert_eq!(end, 50);
    let offsets = scenario.topics.read_texts("no_transaction-offsets").await.unwrap();
    let stream = offsets.iter().rfind(|(key, _)| !key.contains("\"table\"")).unwrap();
    let last: serde_json::Value = serde_json::from_str(&stream.1).unwrap();
    let last_record = records.last().unwrap().origin.gtid.clone().unwrap();
    let number: u64 = last_record.rsplit(':').next().unwrap().parse().unwrap();
    let covered = last["gtids"].as_str().unwrap().replace('\n', "");
    let upto: u64 = covered.rsplit(['-', ':']).next().unwrap().parse().unwrap();
    assert!(upto >= number, "{covered} does not cover {last_record}");
}

#[tokio::test]
async fn a_broker_that_is_away_for_a_while_is_waited_for_without_a_duplicate() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = KafkaOptions::default();
    let kafka = Kafka::start(&stack.installed, folder.path(), &options).await.unwrap();
    let mut scenario = Scenario::new("away").await;
    scenario.topics = Topics::new(&kafka.bootstrap(), &stack.registry.url());
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let pipeline = disabled(&scenario).with_worker("bootstrap.servers", &kafka.bootstrap());
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    scenario.topic_is_table("t").await;

    kafka.server.pause().unwrap();
    for id in 2..200 {
        scenario.sql(&format!("INSERT INTO t VALUES ({id})")).await;
    }
    kafka.server.kill().unwrap();
    kafka.server.start_again().await.unwrap();

    let records = scenario.topic_is_table("t").await;
    assert_eq!(records.iter().filter(|record| record.operation == Operation::Create).count(), 199);
    let log = rowcast.log().unwrap();
    assert!(!log.contains("task failed"), "{log}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_connector_that_requires_exactly_once_is_refused_without() {
    let scenario = Scenario::new("requires").await;
    let pipeline = disabled(&scenario).with("exactly.once.support", "required");

    let rowcast = scenario.launch("rowcast", &pipeline).await;
    let status = rowcast.wait(DEADLINE).await.unwrap();

    let log = rowcast.log().unwrap();
    assert!(!status.success(), "{log}");
    assert!(log.contains("`exactly.once.support` is required, but"), "{log}");
}
