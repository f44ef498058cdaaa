//! What becomes of records that are too large where they do not park their table.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use integration::cell::Cell;
use integration::marks::{Kind, absent};
use integration::pipeline::PipelineFile;
use integration::random::Random;
use integration::topic::{ChangeRecord, Operation, problems};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::Value;

use crate::scenario::{DEADLINE, Scenario, log_has, stop, until_async};

/// Of every topic in these tests: Kafka's `max.message.bytes`.
const LIMIT: usize = 40_000;

/// A source whose topics take records of 40,000 bytes.
fn limited(scenario: &Scenario) -> PipelineFile {
    let limit = LIMIT.to_string();
    let mysql = &scenario.stack.mysql;
    scenario.source(mysql).with("topic.creation.default.max.message.bytes", &limit)
}

/// A committed record: key, value and headers.
struct Raw {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    headers: BTreeMap<String, String>,
}

/// The committed records of a topic of one partition.
fn raw(scenario: &Scenario, topic: &str) -> Vec<Raw> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", scenario.stack.kafka.bootstrap())
        .set("group.id", "large")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&assignment).unwrap();
    let mut records = Vec::new();
    while let Ok(message) = consumer.poll(DEADLINE).expect("an answer") {
        let headers = message.headers().map(|headers| {
            let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
            headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
        });
        let headers: BTreeMap<_, _> = headers.unwrap_or_default();
        absent(Kind::Letter, &format!("{headers:?}"));
        records.push(Raw {
            key: message.key().unwrap_or_default().to_vec(),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
        });
    }
    records
}

fn text<'a>(record: &'a ChangeRecord, column: &str) -> &'a str {
    let Cell::Text(text) = &record.after.as_ref().unwrap().cells[column] else {
        panic!("{column} is no text")
    };
    text
}

fn bytes<'a>(record: &'a ChangeRecord, column: &str) -> &'a [u8] {
    let Cell::Bytes(bytes) = &record.after.as_ref().unwrap().cells[column] else {
        panic!("{column} is no bytes")
    };
    bytes
}

#[tokio::test]
async fn named_columns_are_cut_to_what_fits_and_images_before_are_left_out() {
    let mut scenario = Scenario::new("cut").await;
    scenario
        .sql(
            "CREATE TABLE t (id INT PRIMARY KEY, short TEXT, body LONGTEXT, data LONGBLOB, \
             kept LONGTEXT)",
        )
        .await;
    // Copied: one that fits, and one of which body and data are cut.
    scenario
        .sql(
            "INSERT INTO t VALUES (1, 'é', 'b', 'd', 'k'), \
             (2, 'é', REPEAT('é', 50000), REPEAT(x'ff', 70000), 'k')",
        )
        .await;
    let pipeline = limited(&scenario)
        .with("record.too.large", "truncate")
        .with("record.too.large.truncate.columns", "cut.t.(body|data|short)");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("INSERT INTO t VALUES (3, 'ä', REPEAT('😀', 30000), NULL, 'k')").await;
    // Both images together are too large, each alone is not.
    scenario.sql("INSERT INTO t VALUES (4, 's', REPEAT('x', 30000), NULL, 'k')").await;
    scenario.sql("UPDATE t SET kept = 'k2' WHERE id = 4").await;
    // The row before it is too large alone.
    scenario.sql("DELETE FROM t WHERE id = 3").await;
    scenario.sql("INSERT INTO t VALUES (5, 's', 'b', 'd', 'end')").await;

    until_async(async || scenario.records("t").await.len() >= 8).await;
    let records = scenario.records("t").await;
    let headers = raw(&scenario, &scenario.topic("t"));
    let lost: Vec<_> = headers
        .iter()
        .map(|r| r.headers.get("rowcast.truncated").map_or("", String::as_str))
        .collect();
    assert_eq!(lost, ["", "body,data", "body", "", "before", "before", "", ""]);
    for (record, found) in records.iter().zip(&headers) {
        let size = found.key.len() + found.value.as_ref().map_or(0, Vec::len);
        assert!(size < LIMIT, "{size} of {:?}", record.operation);
    }
    // What fits is used: the two share it, and a character is never broken.
    let (body, data) = (text(&records[1], "body"), bytes(&records[1], "data"));
    assert!(body.chars().all(|c| c == 'é') && data.iter().all(|byte| *byte == 0xff));
    assert!(body.len() + data.len() > LIMIT - 1000, "{} and {}", body.len(), data.len());
    assert!(body.len().abs_diff(data.len()) <= 2, "{} and {}", body.len(), data.len());
    assert_eq!((text(&records[1], "short"), text(&records[1], "kept")), ("é", "k"));
    let body = text(&records[2], "body");
    assert!(body.chars().all(|c| c == '😀') && body.len() > LIMIT - 1000, "{}", body.len());
    // An update and a delete without what was before.
    assert_eq!(records[4].operation, Operation::Update);
    assert_eq!((&records[4].before, text(&records[4], "kept")), (&None, "k2"));
    assert_eq!(text(&records[4], "body").len(), 30_000);
    assert_eq!(records[5].operation, Operation::Delete);
    assert_eq!((&records[5].before, &records[5].after), (&None, &None));
    assert_eq!(records[6].operation, Operation::Tombstone);

    stop(&rowcast).await;
    let log = rowcast.log().unwrap();
    assert!(log.contains("records were too large and were truncated table=cut.t"), "{log}");
    assert!(!log.contains("parked") && !log.contains("task failed"), "{log}");
}

#[tokio::test]
async fn what_cannot_be_cut_enough_parks_its_table() {
    let mut scenario = Scenario::new("uncut").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, body LONGTEXT, doc JSON)").await;
    let pipeline = limited(&scenario)
        .with("record.too.large", "truncate")
        .with("record.too.large.truncate.columns", "uncut.t.doc");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;

    scenario.sql("INSERT INTO t VALUES (1, 'b', JSON_OBJECT('a', REPEAT('x', 50000)))").await;

    // A JSON document without its end is none.
    log_has(&rowcast, "table=uncut.t reason=\"a record of 50").await;
    stop(&rowcast).await;
    assert_eq!(scenario.records("t").await, []);
}

#[tokio::test]
async fn a_dead_letter_says_what_is_missing_and_the_rows_around_it_go_on() {
    let mut scenario = Scenario::new("buried").await;
    for table in ["t", "parked"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, b LONGTEXT)")).await;
    }
    scenario.sql("INSERT INTO t VALUES (1, 'b'), (2, REPEAT('x', 50000))").await;
    let pipeline = limited(&scenario)
        .with("record.too.large.park.tables", "buried.parked")
        .with("record.too.large.dead_letter.tables", "buried.*")
        .with("errors.deadletterqueue.topic.name", "buried-dlq");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied table=buried.t").await;
    scenario.sql("INSERT INTO t VALUES (3, REPEAT('y', 60000)), (4, 'b')").await;
    scenario.sql("DELETE FROM t WHERE id = 2").await;
    scenario.sql("UPDATE t SET b = REPEAT('z', 45000) WHERE id = 1").await;
    scenario.sql("INSERT INTO parked VALUES (1, REPEAT('y', 60000))").await;
    log_has(&rowcast, "table=buried.parked reason=").await;
    scenario.sql("INSERT INTO t VALUES (5, 'end')").await;

    until_async(async || raw(&scenario, &scenario.topic("t")).len() >= 4).await;
    let records = scenario.records("t").await;
    let operations: Vec<_> = records.iter().map(|record| record.operation).collect();
    // The delete's own image is too large, its tombstone is not.
    let expected = [Operation::Read, Operation::Create, Operation::Tombstone, Operation::Create];
    assert_eq!(operations, expected);
    assert_eq!(problems(&records), Vec::<String>::new());

    let letters = raw(&scenario, "buried-dlq");
    let about: Vec<Value> = letters
        .iter()
        .map(|letter| serde_json::from_slice(letter.value.as_ref().unwrap()).unwrap())
        .collect();
    let ops: Vec<_> = about.iter().map(|letter| letter["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["r", "c", "d", "u"]);
    let streamed = &about[1];
    assert_eq!(
        (&streamed["connector"], &streamed["table"]),
        (&"buried".into(), &"buried.t".into())
    );
    assert_eq!(streamed["topic"], "buried.buried.t");
    assert!(streamed["bytes"].as_u64().unwrap() > 60_000, "{streamed}");
    assert_eq!((&streamed["limit"], &streamed["row"]), (&LIMIT.into(), &0.into()));
    assert!(streamed["gtid"].is_string() && streamed["pos"].as_u64() > Some(0), "{streamed}");
    assert!(streamed["file"].as_str().unwrap().contains("bin"), "{streamed}");
    let headers = &letters[1].headers;
    assert_eq!(headers["__connect.errors.topic"], "buried.buried.t");
    assert_eq!(headers["__connect.errors.connector.name"], "buried");
    assert_eq!(
        headers["__connect.errors.exception.class.name"],
        "org.apache.kafka.common.errors.RecordTooLargeException"
    );
    assert!(headers["__connect.errors.exception.message"].contains("larger than the 40000"));
    // The key is the row's own: that of the second row, and of its tombstone.
    let tombstone = &raw(&scenario, &scenario.topic("t"))[2];
    assert_eq!(letters[0].key, tombstone.key);
    assert_eq!(letters[2].key, tombstone.key);

    stop(&rowcast).await;
    let log = rowcast.log().unwrap();
    let told = "records were too large and went to the dead-letter topic table=buried.t";
    assert!(log.contains(told) && !log.contains("task failed"), "{log}");
    for value in ["xxxxx", "yyyyy", "zzzzz"] {
        assert!(!log.contains(value), "a row's value is in the log");
    }
}

#[tokio::test]
async fn dead_letters_are_written_once_whatever_is_killed() {
    const ROWS: usize = 60;
    let mut scenario = Scenario::new("buried_once").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, b LONGTEXT)").await;
    let pipeline = limited(&scenario)
        .with("record.too.large", "dead_letter")
        .with("errors.deadletterqueue.topic.name", "buried_once-dlq");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    let mut random = Random::new(Random::seed("ROWCAST_SEED"));
    for id in 0..ROWS {
        scenario.sql(&format!("INSERT INTO t VALUES ({id}, REPEAT('x', 50000))")).await;
        scenario.sql(&format!("INSERT INTO t VALUES (-1 - {id}, 'short')")).await;
        if id % 10 == 9 {
            let end = Instant::now() + random.duration_below(Duration::from_millis(30));
            while Instant::now() < end {
                tokio::task::yield_now().await;
            }
            rowcast.kill().unwrap();
            rowcast.start_again().unwrap();
        }
    }

    until_async(async || scenario.records("t").await.len() >= ROWS).await;
    until_async(async || raw(&scenario, "buried_once-dlq").len() >= ROWS).await;
    stop(&rowcast).await;
    let records = scenario.records("t").await;
    assert_eq!((records.len(), problems(&records)), (ROWS, Vec::new()));
    let mut keys: Vec<_> =
        raw(&scenario, "buried_once-dlq").into_iter().map(|letter| letter.key).collect();
    assert_eq!(keys.len(), ROWS);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), ROWS);
}
