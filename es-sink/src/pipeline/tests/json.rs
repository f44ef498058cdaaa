//! Topics that Kafka Connect's `JsonConverter` and `StringConverter` wrote.

use bytes::Bytes;

use super::*;

const JSON: [(&str, &str); 2] =
    [("key.converter", "json"), ("value.converter", "org.apache.kafka.connect.json.JsonConverter")];
const SCHEMALESS: [(&str, &str); 4] = [
    JSON[0],
    JSON[1],
    ("key.converter.schemas.enable", "false"),
    ("value.converter.schemas.enable", "false"),
];

fn json_record(offset: i64, key: &Value, value: Option<&Value>) -> Record {
    Record {
        key: Some(Bytes::from(key.to_string())),
        value: value.map(|value| Bytes::from(value.to_string())),
        ..record(&partition(0), offset, 0, Change::Delete, None)
    }
}

fn with_schema(schema: &Value, payload: &Value) -> Value {
    json!({ "schema": schema, "payload": payload })
}

fn key_schema() -> Value {
    json!({"type": "struct", "name": "k", "fields": [{"field": "id", "type": "int64"}]})
}

fn value_schema() -> Value {
    let row = |field: &str| {
        json!({"field": field, "type": "struct", "optional": true, "name": "Value", "fields": [
            {"field": "id", "type": "int64"},
            {"field": "day", "type": "int32", "optional": true, "name": "io.debezium.time.Date"}]})
    };
    let source = json!({"field": "source", "type": "struct", "fields": [
        {"field": "ts_us", "type": "int64"}]});
    json!({"type": "struct", "name": "Envelope", "fields": [
        row("before"), row("after"), source, {"field": "op", "type": "string"}]})
}

async fn after(extra: &[(&str, &str)], records: Vec<Record>) -> FakeServer {
    let mut bench = Bench::start(FakeServer::start().await, extra);
    let next = records.last().unwrap().offset.0 + 1;
    bench.feed.assigned(vec![partition(0)]).await;
    bench.deliver(records).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&next)).await;
    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    server
}

async fn error_of(extra: &[(&str, &str)], record: Record) -> SinkError {
    let mut bench = Bench::start(FakeServer::start().await, extra);
    bench.feed.assigned(vec![partition(0)]).await;
    bench.deliver(vec![record]).await;
    failure(bench).await
}

#[tokio::test]
async fn json_with_a_schema_is_what_avro_would_be() {
    let key = |id: i64| with_schema(&key_schema(), &json!({ "id": id }));
    let change = |op: &str, before: Value, after: Value| {
        let source = json!({ "ts_us": 1_709_210_096_789_000_u64 });
        let payload = json!({"before": before, "after": after, "source": source, "op": op});
        with_schema(&value_schema(), &payload)
    };
    let row = |id: i64| json!({ "id": id, "day": 19_782 });

    let records = vec![
        json_record(5, &key(1), Some(&change("c", Value::Null, row(1)))),
        json_record(6, &key(2), Some(&change("c", Value::Null, row(2)))),
        json_record(7, &key(1), Some(&change("d", row(1), Value::Null))),
        json_record(8, &key(1), None),
    ];
    let server = after(&JSON, records).await;

    let expected = json!({"id": 2, "day": "2024-02-29"});
    assert_eq!(server.documents(TOPIC), BTreeMap::from([("2".to_owned(), expected)]));
    assert_eq!((server.version(TOPIC, "2"), server.version(TOPIC, "1")), (Some(6), Some(8)));
    let mapping = server.mapping(TOPIC);
    assert_eq!(mapping["properties"]["day"], json!({"type": "date"}));
    assert_eq!(mapping["dynamic"], false);
    assert_eq!(mapping["_meta"]["rowcast"]["versions"], "kafka offset");
}

/// What `ExtractNewRecordState` leaves of a deleted row, by way of `JsonConverter`.
#[tokio::test]
async fn a_null_that_has_a_schema_deletes() {
    let key = with_schema(&key_schema(), &json!({ "id": 1 }));
    let (row, null) = (json!({ "id": 1, "day": 19_782 }), Value::Null);
    let mut schema = value_schema()["fields"][1].clone();
    schema["optional"] = json!(true);

    let records = vec![
        json_record(5, &key, Some(&with_schema(&schema, &row))),
        json_record(6, &key, Some(&with_schema(&schema, &null))),
    ];
    let server = after(&JSON, records).await;

    assert_eq!(server.documents(TOPIC), BTreeMap::new());
    assert_eq!(server.version(TOPIC, "1"), Some(6));
}

#[tokio::test]
async fn json_without_a_schema_is_the_document_and_elasticsearch_maps_it() {
    let records = vec![
        json_record(0, &json!({"a": "x:y", "b": 7}), Some(&json!({"a": "x:y", "n": [1.50, null]}))),
        json_record(1, &json!("k"), Some(&json!({"n": 12_345_678_901_234_567_890_u64}))),
        json_record(2, &json!(9), Some(&json!({"n": 1}))),
        json_record(3, &json!(9), None),
    ];
    let server = after(&SCHEMALESS, records).await;

    let documents = server.documents(TOPIC);
    assert_eq!(documents["x%3Ay:7"], json!({"a": "x:y", "n": [1.50, null]}));
    assert_eq!(documents["k"], json!({"n": 12_345_678_901_234_567_890_u64}));
    assert_eq!((documents.len(), server.version(TOPIC, "9")), (2, Some(3)));
    assert_eq!(server.mapping(TOPIC)["dynamic"], true);
}

#[tokio::test]
async fn fields_and_marks_are_the_same_for_json_without_a_schema() {
    let extra = [
        &SCHEMALESS[..],
        &[
            ("field.exclude.list", "secret"),
            ("field.renames", "id:key"),
            ("behavior.on.delete", "soft"),
            ("index.routing.column", "id"),
        ],
    ]
    .concat();
    let records = vec![
        json_record(0, &json!({"id": 1}), Some(&json!({"id": 1, "secret": "x"}))),
        json_record(1, &json!({"id": 2}), None),
    ];
    let server = after(&extra, records).await;

    let documents = server.documents(TOPIC);
    assert_eq!(documents["1"], json!({"key": 1}));
    assert_eq!((&documents["2"]["key"], &documents["2"]["__deleted"]), (&json!(2), &json!(true)));
    assert_eq!(server.line(TOPIC, "2")["routing"], "2");
    let mapping = server.mapping(TOPIC);
    assert_eq!(mapping["properties"]["__deleted"], json!({"type": "boolean"}));
}

#[tokio::test]
async fn a_key_can_be_a_text_and_a_schema_can_be_ignored() {
    let extra = [
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("schema.ignore", "true"),
        ("topic.to.external.resource.mapping", "shop.db.orders:renamed"),
    ];
    let mut written = record(&partition(0), 0, 7, Change::Write { n: 5 }, Some(1));
    written.key = Some(Bytes::from_static("schlüssel 1".as_bytes()));

    let server = after(&extra, vec![written]).await;

    assert_eq!(server.documents("renamed")["schlüssel 1"]["n"], 5);
    let mapping = server.mapping("renamed");
    assert_eq!(mapping["dynamic"], true);
    // It is null, so nobody knows yet what it is; the schema would.
    assert!(mapping["properties"].get("u").is_none());
}

#[tokio::test]
async fn what_is_not_the_converters_json_halts_and_names_no_value() {
    let value = json!({"secret": "geheim"});

    let error = error_of(&JSON, json_record(3, &json!({"id": 1}), Some(&value))).await;
    assert_eq!(error.disposition(), Disposition::Halt);
    assert!(error.hint().unwrap().contains("schemas.enable"));

    let mut broken = json_record(3, &json!({"id": 1}), Some(&value));
    broken.value = Some(Bytes::from_static(b"{\"secret\": \"geheim\n"));
    let error = error_of(&SCHEMALESS, broken).await;
    let chain = fault::chain(&error);
    assert!(chain.contains("is not one JSON value, see line 1"), "{chain}");
    assert!(!chain.contains("geheim"), "{chain}");

    let error = error_of(&SCHEMALESS, json_record(3, &Value::Null, Some(&value))).await;
    assert!(matches!(error, SinkError::NoKey { .. }));
    let error = error_of(&SCHEMALESS, json_record(3, &json!(1), Some(&json!([1])))).await;
    assert!(fault::chain(&error).contains("no object"));
}
