//! Dead letters: listed with what has become of each, shown, and sent back once.

use std::collections::BTreeMap;
use std::path::Path;

use connect::config::PipelineConfig;
use connect::connector::ConnectorName;
use connect::kafka::consumer::{KafkaOffset, TopicPartition};
use connect::kafka::dead_letters::{DeadLetterConfig, DeadLetters, Reason};
use integration::marks::{Kind, absent};
use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::stack::{Stack, shared};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::rowcast;
use crate::hand_written::HandWritten;
use crate::scenario::{LOG, stop, until_async};
use crate::scene::DEADLINE;

/// A record: key, value, headers.
type Copied = (Option<Vec<u8>>, Option<Vec<u8>>, BTreeMap<String, String>);

/// The committed records of the only partition of a topic.
fn copies(stack: &Stack, topic: &str) -> Vec<Copied> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", stack.kafka.bootstrap())
        .set("group.id", "dlq-test")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&all).unwrap();
    let mut found = Vec::new();
    while let Ok(message) = consumer.poll(DEADLINE).expect("an answer") {
        let headers = message.headers().into_iter().flat_map(Headers::iter).map(|header| {
            let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
            (header.key.to_owned(), value)
        });
        let headers: BTreeMap<_, _> = headers.collect();
        absent(Kind::Letter, &format!("{headers:?}"));
        let bytes = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        found.push((bytes(message.key()), bytes(message.payload()), headers));
    }
    found
}

/// A topic, the pipeline file of a sink of it, and what writes its dead letters.
struct Post {
    stack: &'static Stack,
    topic: String,
    letters: String,
    file: String,
    writer: DeadLetters,
    rows: HandWritten,
    folder: tempfile::TempDir,
}

impl Post {
    /// Offsets 0 to 2 are rows 1 to 3.
    async fn new(name: &str) -> Self {
        let stack = shared().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (topic, letters) = (format!("{name}.shop.{name}"), format!("{name}-letters"));
        let mut rows = HandWritten::new(stack, &topic, 1).await;
        rows.note = "note";
        rows.rows_in(0, 1..=3, 100);
        let file = folder.path().join("pipeline.yaml");
        PipelineFile::new(name, &stack.kafka, &stack.registry)
            .sink(name, &stack.elasticsearch.url(), name)
            .with("errors.deadletterqueue.topic.name", &letters)
            .with_worker("listeners", "http://127.0.0.1:0")
            .write(&file)
            .unwrap();
        let worker = PipelineConfig::load(Path::new(&file)).unwrap().worker;
        let config =
            DeadLetterConfig { topic: letters.clone(), replication: 1, context_headers: true };
        let writer = DeadLetters::new(worker, config, (ConnectorName::new(name), 0));
        let file = file.to_str().unwrap().to_owned();
        Self { stack, topic, letters, file, writer, rows, folder }
    }

    fn place(&self, offset: i64) -> (TopicPartition, KafkaOffset) {
        let topic = self.topic.as_str().into();
        (TopicPartition { topic, partition: 0 }, KafkaOffset(offset))
    }

    /// Marks the letter of the record at an offset as healed.
    async fn heal(&self, offset: i64) {
        let (partition, offset) = self.place(offset);
        self.writer.heal(&partition, offset).await.unwrap();
    }

    /// Writes the letter of the record at an offset.
    async fn write(&self, offset: i64) {
        let reason = Reason {
            stage: "TASK_PUT",
            class: "org.apache.kafka.connect.sink.SinkTask",
            exception: "Rejected",
            message: "elasticsearch refuses it".to_owned(),
            headers: vec![
                ("rowcast.dlq.id", format!("id-{offset}")),
                ("rowcast.dlq.index", "orders".to_owned()),
                ("rowcast.dlq.error", r#"{"type":"document_parsing_exception"}"#.to_owned()),
            ],
        };
        let (partition, offset) = self.place(offset);
        self.writer.write(&partition, offset, &reason).await.unwrap();
    }

    /// Each letter's place and state.
    async fn states(&self) -> Vec<(String, String)> {
        let listed = rowcast(&["dlq", "list", &self.file, "--output", "json"]).await.json();
        let letters = listed["letters"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        letters.map(|it| (text(&it["letter"]), text(&it["state"]))).collect()
    }

    async fn redrive(&self, arguments: &[&str]) -> super::Answer {
        rowcast(&[&["dlq", "redrive", &self.file], arguments].concat()).await
    }
}

fn states(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(place, state)| ((*place).to_owned(), (*state).to_owned())).collect()
}

#[tokio::test]
async fn letters_are_listed_with_where_they_are_from_and_what_became_of_them() {
    let mut post = Post::new("dlq_list").await;
    // Debezium's, without a number. A transaction's end is offset 3.
    post.rows.debezium_rows(10..=10);
    let none = rowcast(&["dlq", "list", &post.file]).await;
    assert_eq!(none.out, "dlq_list-letters: no dead letters\n");
    for offset in [0, 1, 4] {
        post.write(offset).await;
    }
    for offset in [1, 77] {
        post.heal(offset).await;
    }

    let listed = rowcast(&["dlq", "list", &post.file, "--output", "json"]).await.json();
    let table = rowcast(&["dlq", "list", &post.file]).await;
    let others =
        rowcast(&["dlq", "list", &post.file, "--connector", "other", "--topic", "x"]).await;

    let first = &listed["letters"][0];
    for (name, expected) in [
        ("letter", "0@0"),
        ("state", "open"),
        ("record", &*format!("{}/0@0", post.topic)),
        ("connector", "dlq_list"),
        ("index", "orders"),
        ("id", "id-0"),
        ("lsn", "100"),
        ("error", r#"{"type":"document_parsing_exception"}"#),
    ] {
        assert_eq!(first[name], expected, "{name}");
    }
    assert!(first["time"].as_str().unwrap().starts_with("20"), "{first}");
    assert_eq!(listed["letters"][2]["lsn"], json!(null));
    let all = states(&[("0@0", "open"), ("0@1", "healed"), ("0@2", "open")]);
    assert_eq!(post.states().await, all);
    assert!(table.out.contains(&format!("0@1     healed  {}/0@1", post.topic)), "{table:?}");
    assert_eq!(others.out, "x: no dead letters\n");
    rowcast(&["dlq", "list", &post.file, "--connector", "other"])
        .await
        .refused("no sink that is meant", "--topic");
}

#[tokio::test]
async fn a_letter_is_shown_with_its_row_only_when_that_is_asked_for() {
    let post = Post::new("dlq_show").await;
    post.write(2).await;

    let shown = rowcast(&["dlq", "show", &post.file, "0@0"]).await;
    let values = rowcast(&["dlq", "show", &post.file, "0@0", "--values"]).await;

    assert!(shown.out.starts_with("0@0: open\n"), "{shown:?}");
    for line in
        ["  rowcast.lsn: 102\n", "  __connect.errors.offset: 2\n", "  rowcast.dlq.id: id-2\n"]
    {
        assert!(shown.out.contains(line), "{line}: {shown:?}");
    }
    assert!(shown.out.contains("\nkey: 3\nvalue: 12 bytes, shown with --values\n"), "{shown:?}");
    assert!(!shown.out.contains("note"), "{shown:?}");
    let document = r#"value: {"id":3,"note":"note","body":""}"#;
    assert!(values.out.contains(document), "{values:?}");
    let missing = rowcast(&["dlq", "show", &post.file, "0@9"]).await;
    missing.refused("has no dead letter at 0@9", "`rowcast dlq list`");
}

#[tokio::test]
async fn a_letter_goes_back_once_as_it_was_and_is_marked() {
    let mut post = Post::new("dlq_redrive").await;
    post.rows.debezium_rows(10..=10);
    for offset in [0, 1, 2, 4] {
        post.write(offset).await;
    }
    post.heal(1).await;
    // A later version of row 1, of which nobody has told the letter.
    post.rows.rows_in(0, 1..=1, 500);
    let before = copies(post.stack, &post.topic);

    let healed = post.redrive(&["0@0", "0@1"]).await;
    healed.refused("dead letter 0@1 is not sent back: it is healed", "allow it");
    assert_eq!(copies(post.stack, &post.topic), before, "one of them went back");

    let all = post.redrive(&["--all"]).await;
    assert!(all.is_success, "{all:?}");
    for line in [
        format!("0@0 was written to {}/0\n", post.topic),
        "0@1 was left: it is healed".to_owned(),
        "0@3 was left: it has no Lsn".to_owned(),
        "2 written, 2 left\n".to_owned(),
        "where the index has a later version they are void".to_owned(),
    ] {
        assert!(all.out.contains(&line), "{line}: {all:?}");
    }
    let after = copies(post.stack, &post.topic);
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(after[before.len()..], [before[0].clone(), before[2].clone()]);
    let marked =
        states(&[("0@0", "redriven"), ("0@1", "healed"), ("0@2", "redriven"), ("0@3", "open")]);
    assert_eq!(post.states().await, marked);

    let again = post.redrive(&["--all"]).await;
    assert!(again.out.contains("0 written, 4 left"), "{again:?}");
    post.redrive(&["0@0"]).await.refused("it was sent back before", "allow it");
    let forced = post.redrive(&["0@0", "0@1", "--force"]).await;
    assert!(forced.out.contains("2 written, 0 left"), "{forced:?}");
    let unsafely = post.redrive(&["0@3", "--unsafe-allow-overwrite"]).await;
    assert!(unsafely.out.contains("1 written, 0 left"), "{unsafely:?}");
    assert_eq!(copies(post.stack, &post.topic).len(), before.len() + 5);
    assert_eq!(copies(post.stack, &post.letters).len(), 4 + 1 + 5);
}

/// Most records have their number in their value, and only tombstones in a header.
#[tokio::test]
async fn two_commands_at_once_send_each_letter_back_once() {
    let mut post = Post::new("dlq_twice").await;
    // Each in a transaction of its own, whose end takes an offset too.
    for (id, lsn) in (20..30).zip(700..) {
        post.rows.rowcast_row(id, lsn);
    }
    let offsets: Vec<i64> = (0..10).map(|number| 4 + 2 * number).collect();
    for offset in &offsets {
        post.write(*offset).await;
    }
    let listed = rowcast(&["dlq", "list", &post.file, "--output", "json"]).await.json();
    assert_eq!(listed["letters"][3]["lsn"], json!("703"));
    let before = copies(post.stack, &post.topic);

    let (one, other) = tokio::join!(post.redrive(&["--all"]), post.redrive(&["--all"]));

    // Each has waited for the other, or was put off by it.
    assert!(one.is_success || other.is_success, "{one:?} {other:?}");
    let last = post.redrive(&["--all"]).await;
    assert!(last.out.contains("left"), "{last:?}");
    let after = copies(post.stack, &post.topic);
    assert_eq!(after[before.len()..], before[3..]);
    assert_eq!(copies(post.stack, &post.letters).len(), 20);
}

/// The sink runs all the time.
#[tokio::test]
async fn a_record_that_goes_back_does_not_undo_what_came_later() {
    let mut post = Post::new("dlq_void").await;
    let log = post.folder.path().join("sink.log");
    let running = Rowcast::start(&["run", &post.file], &[LOG], &log).await.unwrap();
    post.write(0).await;
    post.rows.rows_in(0, 1..=1, 500);
    let url = format!("{}/shop.dlq_void/_doc", post.stack.elasticsearch.url());
    let version = async |id: i64| {
        let answer: Value =
            reqwest::get(format!("{url}/{id}")).await.unwrap().json().await.unwrap();
        answer["_version"].as_u64()
    };
    until_async(async || version(1).await == Some(500)).await;

    let sent = post.redrive(&["0@0"]).await;
    assert!(sent.out.contains("1 written, 0 left"), "{sent:?}");

    // Behind it.
    post.rows.rows_in(0, 99..=99, 600);
    until_async(async || version(99).await == Some(600)).await;
    assert_eq!(version(1).await, Some(500));
    stop(&running).await;
}
