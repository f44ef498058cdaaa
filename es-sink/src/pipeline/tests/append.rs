//! Every change as a document of its own, in an index and in a data stream.

use super::*;
use crate::testing::sweep_record;

const APPEND: (&str, &str) = ("write.method", "append");

async fn after(extra: &[(&str, &str)], records: Vec<Record>) -> FakeServer {
    let mut bench = Bench::start(FakeServer::start().await, extra);
    let next = records.last().unwrap().offset.0 + 1;
    *bench.group.ends.lock().unwrap() = vec![(partition(0), KafkaOffset(next))];
    bench.feed.assigned(vec![partition(0)]).await;
    bench.deliver(records).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&next)).await;
    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    server
}

/// The documents without when they were made.
fn untimed(server: &FakeServer, index: &str) -> BTreeMap<String, Value> {
    let mut documents = server.documents(index);
    for document in documents.values_mut() {
        let timestamp = document.as_object_mut().unwrap().shift_remove("@timestamp");
        assert!(timestamp.unwrap().as_str().unwrap().ends_with('Z'));
    }
    documents
}

#[tokio::test]
async fn each_change_is_a_document_and_a_repeated_one_is_the_same() {
    let p = partition(0);
    let tombstone = Record { value: None, ..record(&p, 3, 7, Change::Delete, None) };
    let records = vec![
        record(&p, 0, 7, Change::Write { n: 1 }, Some(10)),
        record(&p, 1, 7, Change::Write { n: 2 }, Some(11)),
        record(&p, 2, 7, Change::Delete, Some(12)),
        tombstone,
        // A source that was killed writes it again.
        record(&p, 4, 7, Change::Write { n: 2 }, Some(11)),
        // All rows that are there are older; none is deleted.
        sweep_record(&p, 5, 1_000),
    ];
    let server = after(&[APPEND], records).await;

    let expected = [
        ("10:7", json!({"id": 7, "n": 1, "u": null, "__op": "u"})),
        ("11:7", json!({"id": 7, "n": 2, "u": null, "__op": "u"})),
        ("12:7", json!({"id": 7, "__op": "d"})),
    ];
    let expected = expected.map(|(id, document)| (format!("{TOPIC}:{id}"), document));
    assert_eq!(untimed(&server, TOPIC), expected.into());
    let line = server.line(TOPIC, &format!("{TOPIC}:10:7"));
    assert!(line.get("version").is_none() && line.get("version_type").is_none());
    let properties = &server.mapping(TOPIC)["properties"];
    assert_eq!(properties["@timestamp"], json!({"type": "date"}));
    assert_eq!(properties["__op"], json!({"type": "keyword"}));
}

#[tokio::test]
async fn a_change_without_a_number_is_named_by_its_place_and_a_field_can_be_its_time() {
    let p = partition(0);
    let extra = [
        APPEND,
        ("key.ignore", "true"),
        ("value.converter", "json"),
        ("value.converter.schemas.enable", "false"),
        ("data.stream.timestamp.field", "made, at"),
    ];
    let mut written = record(&p, 41, 7, Change::Delete, None);
    written.value = Some(bytes::Bytes::from_static(br#"{"made":null,"at":"2024-02-29","n":1}"#));
    written.key = None;

    let server = after(&extra, vec![written]).await;

    let id = format!("{TOPIC}+0+41");
    let expected = json!({"made": null, "at": "2024-02-29", "n": 1, "@timestamp": "2024-02-29"});
    assert_eq!(server.documents(TOPIC), BTreeMap::from([(id, expected)]));
}

#[tokio::test]
async fn a_data_stream_is_made_from_a_template_with_the_fields() {
    let p = partition(0);
    let extra = [
        APPEND,
        ("data.stream.type", "logs"),
        ("data.stream.dataset", "shop"),
        ("data.stream.namespace", "all"),
    ];
    let records = vec![record(&p, 0, 7, Change::Write { n: 1 }, Some(10))];

    let server = after(&extra, records).await;

    let behind = server.indices().into_iter().find(|name| name.contains("logs-shop-all")).unwrap();
    assert!(behind.starts_with(".ds-"), "{behind}");
    assert_eq!(untimed(&server, &behind).len(), 1);
    let properties = &server.mapping(&behind)["properties"];
    assert_eq!(properties["n"], json!({"type": "long"}));
    assert_eq!(properties["@timestamp"], json!({"type": "date"}));
}
