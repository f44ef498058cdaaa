//! Records that fail by themselves, one at each of Kafka Connect's stages, on real servers: under
//! `errors.tolerance` = all each is a dead letter with Connect's headers, and the rows around them are
//! documents. No header and no log has a value of theirs.

use std::collections::BTreeMap;

use integration::pipeline::PipelineFile;
use integration::stack::{Stack, shared};
use serde_json::json;

use crate::json_topics::{JsonTopic, all, found, sink, start};
use crate::scenario::until_async;
use crate::scene::{ROW_MARK, metrics_have, refusal, stop, wait_for_log};
use crate::too_large::letters;

const LETTERS: &str = "poison-letters";
const CAST: &str = "org.apache.kafka.connect.transforms.Cast$Value";
const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";
const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";

/// A sink whose transform casts `n`, and that maps `m` by its first document.
fn pipeline(stack: &Stack) -> PipelineFile {
    sink(stack, "poison", "false")
        .with("transforms", "c")
        .with("transforms.c.type", CAST)
        .with("transforms.c.spec", "n:int32")
}

/// Two rows and, between them, a poison record for each stage.
fn write(topic: &JsonTopic) {
    topic.write(&json!("k0"), Some(&json!({"n": "1", "m": 1})), None);
    topic.write_text(&format!("{{\"{ROW_MARK}"), "{}");
    topic.write_text("\"k2\"", &format!("{{\"n\": \"{ROW_MARK}"));
    topic.write(&json!("k3"), Some(&json!({"n": ROW_MARK, "m": 1})), None);
    topic.write(&json!("k4"), Some(&json!({"n": "1", "m": ROW_MARK})), None);
    topic.write(&json!("k5"), Some(&json!({"n": "5", "m": 5})), None);
}

#[tokio::test]
async fn a_poison_record_at_each_stage_is_a_dead_letter_and_the_others_are_documents() {
    let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
    let topic = JsonTopic::new(stack, "poison.rows").await;
    write(&topic);
    // Without a word about errors the first one ends the task, as in Kafka Connect.
    let rowcast = start(&pipeline(stack), &folder).await;
    let ended = refusal(&rowcast).await;
    assert!(ended.error.contains("poison.rows/0@1"), "{}", ended.error);

    let tolerant = pipeline(stack)
        .with("errors.tolerance", "all")
        .with("errors.log.enable", "true")
        .with("errors.log.include.messages", "true")
        .with("errors.deadletterqueue.topic.name", LETTERS)
        .with("errors.deadletterqueue.topic.replication.factor", "1");
    let rowcast = start(&tolerant, &folder).await;
    let documents = async || {
        let found = found(stack, "poison.rows", &all()).await;
        found.into_iter().map(|(id, (_, row))| (id, row)).collect::<BTreeMap<_, _>>()
    };
    let expected = BTreeMap::from([
        ("k0".to_owned(), json!({"n": 1, "m": 1})),
        ("k5".to_owned(), json!({"n": 5, "m": 5})),
    ]);
    until_async(async || documents().await == expected).await;
    let bootstrap = stack.kafka.bootstrap().to_owned();
    wait_for_log(&rowcast, "its record is in the dead-letter topic").await;
    let written = tokio::task::spawn_blocking(move || letters(&bootstrap, LETTERS)).await.unwrap();
    are_connects(&written);
    let of = |stage: &str| {
        let labels = format!(r#"connector="poison",task="0",stage="{stage}""#);
        format!(r#"rowcast_sink_tolerated_records_total{{{labels},outcome="dead_letter"}} 1.0"#)
    };
    let counted = ["KEY_CONVERTER", "VALUE_CONVERTER", "TRANSFORMATION"].map(of);
    metrics_have(&rowcast, &counted.each_ref().map(String::as_str)).await;
    let log = stop(&rowcast).await;
    let lines = log.lines().filter(|line| line.contains("record fails and is"));
    assert_eq!(lines.filter(|line| line.contains("timestamp")).count(), 3, "{log}");
}

/// The letters are told apart by their stages; their order between the two ways is open.
fn are_connects(letters: &[(usize, BTreeMap<String, String>)]) {
    let found: BTreeMap<_, _> = letters
        .iter()
        .map(|(_, headers)| {
            let header = |name: &str| headers[&format!("__connect.errors.{name}")].clone();
            assert_eq!(header("topic"), "poison.rows");
            assert_eq!(header("connector.name"), "poison");
            assert_eq!((header("partition"), header("task.id")), ("0".to_owned(), "0".to_owned()));
            assert!(headers.values().all(|value| !value.contains(ROW_MARK)), "{headers:?}");
            let what = ["offset", "class.name", "exception.class.name"].map(header);
            (header("stage"), what)
        })
        .collect();
    let expected = [
        ("KEY_CONVERTER", ["1", JSON_CONVERTER, DATA_EXCEPTION]),
        ("VALUE_CONVERTER", ["2", JSON_CONVERTER, DATA_EXCEPTION]),
        ("TRANSFORMATION", ["3", CAST, DATA_EXCEPTION]),
        ("TASK_PUT", ["4", "org.apache.kafka.connect.sink.SinkTask", "DocumentMalformed"]),
    ];
    let expected = expected.map(|(stage, what)| (stage.to_owned(), what.map(str::to_owned)));
    assert_eq!(found, BTreeMap::from(expected));
    assert_eq!(letters.len(), 4, "{letters:?}");
}
