//! The generic path against the folded one, and the forms of converters.

use std::collections::BTreeMap;

use connect::converter::{Converter, PartWriter, Side};
use connect::kafka::batch::TopicIndex;
use proptest::prelude::*;
use schema::avro::{FRAME_BYTES, SchemaStyle, encode, schema_text};
use schema::change::RowChange;
use schema::envelope::{EventSource, SnapshotMarker, Source};
use schema::lsn::LsnClock;
use schema::names::NameAdjustment;
use schema::plan::record::{
    AddedField, ColumnChoice, DeleteHandling, FlatOptions, Format, PlanOptions, RecordPlan,
};
use schema::registry::{Registry, RegistryConfig};
use schema::table::{Column, TableId, TableSchema};
use schema::types::charset::Charset;
use schema::types::{ColumnType, MysqlValue, Origin, ValueOptions};
use schema::value::{Field, Kind, Schema, Value};
use transform::Part;

use super::drafts::Purpose;
use super::*;
use crate::pipeline::record_writer::{RecordWriter, Scratch};
use crate::tables::TablePlan;

type Cells = Vec<Option<MysqlValue<'static>>>;

fn column_type(number: u8) -> ColumnType {
    match number % 7 {
        0 => ColumnType::BigInt { unsigned: false },
        1 => ColumnType::Text { charset: Charset::Utf8 },
        2 => ColumnType::Double,
        3 => ColumnType::SmallInt { unsigned: false },
        4 => ColumnType::Blob,
        5 => ColumnType::Bit { length: 1 },
        _ => ColumnType::Year,
    }
}

fn cell(number: u8) -> BoxedStrategy<MysqlValue<'static>> {
    match number % 7 {
        0 => any::<i64>().prop_map(MysqlValue::Integer).boxed(),
        1 => "\\PC{0,6}".prop_map(|text| MysqlValue::Text(text.into())).boxed(),
        2 => any::<i32>().prop_map(|n| MysqlValue::Double(f64::from(n) / 8.0)).boxed(),
        3 => any::<i16>().prop_map(|n| MysqlValue::Integer(n.into())).boxed(),
        4 => any::<Vec<u8>>().prop_map(|bytes| MysqlValue::Bytes(bytes.into())).boxed(),
        5 => (0_u64..2).prop_map(MysqlValue::Bits).boxed(),
        _ => (1901..2156).prop_map(MysqlValue::Year).boxed(),
    }
}

/// A table whose first column is the key, and two of its rows.
fn table() -> impl Strategy<Value = (TableSchema, Cells, Cells)> {
    prop::collection::vec(any::<u8>(), 0..6).prop_flat_map(|kinds| {
        let row = |id: i64| {
            let cells: Vec<_> =
                kinds.iter().map(|kind| prop::option::of(cell(*kind)).boxed()).collect();
            cells.prop_map(move |mut cells| {
                cells.insert(0, Some(MysqlValue::Integer(id)));
                cells
            })
        };
        let column = |name: String, column_type, nullable| Column {
            name,
            column_type,
            nullable,
            declaration: None,
        };
        let mut columns = vec![column("id".to_owned(), ColumnType::Int { unsigned: false }, false)];
        for (number, kind) in kinds.iter().enumerate() {
            columns.push(column(format!("c{number}"), column_type(*kind), true));
        }
        let schema = TableSchema { id: TableId::new("shop", "orders"), columns, key: vec![0] };
        (Just(schema), row(1), row(2))
    })
}

fn plan(
    schema: &TableSchema,
    flat: Option<&FlatOptions>,
    drafts: &Drafts,
) -> (TablePlan, TopicIndex) {
    let options = PlanOptions {
        server: "srv",
        values: ValueOptions::debezium(),
        field_names: NameAdjustment::Avro,
        schema_names: NameAdjustment::Avro,
        message_key: None,
        format: flat.map_or(Format::Envelope, Format::Flat),
        origin: Origin::Log,
        choose: &|_| ColumnChoice::plain(),
    };
    let mut record = RecordPlan::compile(schema, options).unwrap();
    let key = record.key_schema().map(|key| drafts.schema(key));
    record.set_ids(key, drafts.schema(record.value_schema()));
    let topic = drafts.topic(record.topic(), Purpose::Table);
    (TablePlan::new(schema.clone(), record, topic), topic)
}

/// The records of an insert, an update, an update of the key, and a delete.
fn written(plan: &TablePlan, before: &Cells, after: &Cells) -> RecordBatch {
    let (mut batch, mut lsn) = (RecordBatch::default(), LsnClock::start(None, 1));
    let mut event = EventSource::default();
    event.begin(1_700_000_000_000_000);
    let source = Source {
        ts_us: 1_690_000_000_000_000,
        snapshot: SnapshotMarker::No,
        lsn: lsn.last(),
        server_id: 7,
        gtid: None,
        file: "binlog.000001",
        pos: 4,
        row: 0,
        thread: Some(5),
        transaction: None,
    };
    let mut writer = RecordWriter {
        plan,
        record: &plan.record,
        batch: &mut batch,
        lsn: &mut lsn,
        order: None,
        source,
        event: &mut event,
        tombstones: true,
    };
    let mut same_key = after.clone();
    same_key[0] = before[0].clone();
    let (first, second, third) = (before.as_slice(), same_key.as_slice(), after.as_slice());
    let mut scratch = Scratch::default();
    for change in [
        RowChange::Create(first),
        RowChange::Update { before: first, after: second },
        RowChange::Update { before: second, after: third },
        RowChange::Delete(third),
    ] {
        writer.change(&change, &mut scratch, None).unwrap();
    }
    batch
}

/// A record without the numbers of schemas and changes.
#[derive(Debug, PartialEq)]
struct Plain {
    topic: String,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    schemas: (String, Option<String>),
    headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What Debezium's transform adds to a tombstone is in an object that it shares with the delete before
/// it, by accident: the plans imitate that, and the generic path does not.
fn is_compared(header: &str, has_value: bool) -> bool {
    has_value || !["__op", "__db"].contains(&header)
}

fn folded(batch: &RecordBatch, plan: &RecordPlan, topic: &str) -> Vec<Plain> {
    let plain = |record: BatchRecord<'_>| Plain {
        topic: topic.to_owned(),
        key: record.key[FRAME_BYTES..].to_vec(),
        value: record.value.map(|value| value[FRAME_BYTES..].to_vec()),
        schemas: (
            plan.key_schema().unwrap().to_owned(),
            record.value.map(|_| plan.value_schema().to_owned()),
        ),
        headers: record
            .headers()
            .filter(|(name, _)| name.as_str() != LSN_HEADER)
            .filter(|(name, _)| is_compared(name.as_str(), record.value.is_some()))
            .map(|(name, value)| (name.as_str().to_owned(), value.map(<[u8]>::to_vec)))
            .collect(),
    };
    batch.iter().map(plain).collect()
}

fn generic(batch: &RecordBatch, drafts: &Drafts, chain: &mut Chain) -> Vec<Plain> {
    let bytes = |part: &Part| {
        let schema = part.schema.as_ref().filter(|_| part.value != Value::Null)?;
        let mut bytes = Vec::new();
        encode(schema, &part.value, &mut bytes).unwrap();
        Some((bytes, schema_text(schema, SchemaStyle::Debezium)))
    };
    let done = batch.iter().filter_map(|draft| {
        let record = chain.apply(drafts.record(&draft).unwrap()).unwrap()?;
        let (key, key_schema) = bytes(&record.key).unwrap();
        let value = bytes(&record.value);
        let headers = record.headers.iter();
        Some(Plain {
            topic: record.topic.to_string(),
            key,
            schemas: (key_schema, value.as_ref().map(|(_, schema)| schema.clone())),
            value: value.map(|(bytes, _)| bytes),
            headers: headers
                .filter(|it| is_compared(&it.name, record.value.value != Value::Null))
                .map(|it| {
                    (it.name.clone(), transform::HeaderConverter::Simple.write(&it.part).unwrap())
                })
                .collect(),
        })
    });
    done.collect()
}

const MODES: [(&str, DeleteHandling); 5] = [
    ("drop", DeleteHandling::Drop),
    ("tombstone", DeleteHandling::Tombstone),
    ("rewrite", DeleteHandling::Rewrite),
    ("rewrite-with-tombstone", DeleteHandling::RewriteWithTombstone),
    ("delete-to-tombstone", DeleteHandling::DeleteToTombstone),
];

proptest! {
    /// What folds is the same either way: routers and `ExtractNewRecordState`, byte for byte.
    #[test]
    fn the_generic_path_writes_what_the_folded_one_writes(
        (schema, before, after) in table(), mode in 0_usize..5,
    ) {
        let (mode, deletes) = MODES[mode];
        let settings = [
            ("transforms", "route,unwrap"),
            ("transforms.route.type", "RegexRouter"),
            ("transforms.route.regex", r"srv\.(.*)\.(.*)"),
            ("transforms.route.replacement", "$1-$2"),
            ("transforms.unwrap.type", "ExtractNewRecordState"),
            ("transforms.unwrap.delete.tombstone.handling.mode", mode),
            ("transforms.unwrap.add.fields", "op,source.ts_ms"),
            ("transforms.unwrap.add.headers", "db"),
        ];
        let settings = settings.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let (mut chain, _) = Chain::read(&settings).unwrap();
        let added = |text: &str| AddedField::parse(text, "__");
        let flat = FlatOptions {
            deletes,
            fields: vec![added("op"), added("source.ts_ms")],
            headers: vec![added("db")],
            header_prefix: "__".to_owned(),
        };
        let drafts = Drafts::default();
        let (flat, _) = plan(&schema, Some(&flat), &drafts);
        let (envelope, _) = plan(&schema, None, &drafts);

        let folded = folded(&written(&flat, &before, &after), &flat.record, "shop-orders");
        let generic = generic(&written(&envelope, &before, &after), &drafts, &mut chain);

        prop_assert_eq!(folded, generic);
    }
}

/// A registry that nobody asks.
fn registry() -> Registry {
    let config = RegistryConfig {
        urls: vec!["http://127.0.0.1:1".to_owned()],
        basic_auth: None,
        timeout: Duration::from_secs(1),
        ..RegistryConfig::default()
    };
    Registry::new(&config).unwrap()
}

/// The bytes that a converter makes of data, or its refusal.
async fn bytes(converter: Converter, part: &Part) -> Result<Option<String>, String> {
    let mut writer = PartWriter::new(Side::Value, converter, SchemaStyle::Debezium);
    let mut out = Vec::new();
    match writer.write((&"t".into(), part), &registry(), &mut out).await {
        Ok(is_there) => Ok(is_there.then(|| String::from_utf8(out).unwrap())),
        Err(error) => Err(error.to_string()),
    }
}

fn part(kind: Kind, value: Value) -> Part {
    Part::new(Arc::new(Schema::new(kind)), value)
}

fn row() -> Part {
    let optional = |kind| Schema::new(kind).optional();
    let fields = vec![
        Field::new("id", Schema::new(Kind::Int64)),
        Field::new("note", optional(Kind::String)),
        Field::new("none", optional(Kind::Int32)),
        Field::new("ratio", Schema::new(Kind::Float64)),
    ];
    let text = Value::String("a\"b".to_owned());
    let values = vec![Value::Int64(7), text, Value::Null, Value::Float64(1.5)];
    Part::new(Arc::new(Schema::record("s".to_owned(), Some(1), fields)), Value::Struct(values))
}

const JSON: Converter = Converter::Json { schemas: true };
const PLAIN_JSON: Converter = Converter::Json { schemas: false };

#[tokio::test]
async fn json_is_what_kafka_connect_writes() {
    let plain = bytes(PLAIN_JSON, &row()).await.unwrap().unwrap();
    assert_eq!(plain, r#"{"id":7,"note":"a\"b","none":null,"ratio":1.5}"#);
    let whole: serde_json::Value =
        serde_json::from_str(&bytes(JSON, &row()).await.unwrap().unwrap()).unwrap();
    let fields = serde_json::json!([
        {"type": "int64", "optional": false, "field": "id"},
        {"type": "string", "optional": true, "field": "note"},
        {"type": "int32", "optional": true, "field": "none"},
        {"type": "double", "optional": false, "field": "ratio"}]);
    let schema = serde_json::json!({
        "type": "struct", "fields": fields, "optional": false, "name": "s", "version": 1});
    assert_eq!((&whole["schema"], &whole["payload"]["id"]), (&schema, &7.into()));
    // A tombstone has neither schema nor payload; null of a schema has both.
    assert_eq!(bytes(JSON, &Part::NULL).await, Ok(None));
    let null = Part::new(Arc::new(Schema::new(Kind::Int32).optional()), Value::Null);
    let enveloped = r#"{"schema":{"type":"int32","optional":true},"payload":null}"#;
    assert_eq!(bytes(JSON, &null).await.unwrap().as_deref(), Some(enveloped));
    let free = Part::free(Value::Map(vec![(Value::String("a".to_owned()), Value::Int64(1))]));
    let without = r#"{"schema":null,"payload":{"a":1}}"#;
    assert_eq!(bytes(JSON, &free).await.unwrap().as_deref(), Some(without));
}

#[tokio::test]
async fn texts_are_javas_and_bytes_are_bytes() {
    let text = async |part: Part| bytes(Converter::Text, &part).await;
    let some = |text: &str| Ok(Some(text.to_owned()));

    assert_eq!(text(part(Kind::String, Value::String("x".to_owned()))).await, some("x"));
    assert_eq!(text(part(Kind::Int64, Value::Int64(-1))).await, some("-1"));
    assert_eq!(text(part(Kind::Float64, Value::Float64(1e10))).await, some("1.0E10"));
    assert_eq!(text(row()).await, some("Struct{id=7,note=a\"b,ratio=1.5}"));
    assert!(text(part(Kind::Bytes, Value::Bytes(vec![1]))).await.is_err());
    let date = Schema::semantic(Kind::Int32, "org.apache.kafka.connect.data.Date");
    assert!(text(Part::new(Arc::new(date), Value::Int32(1))).await.is_err());

    let raw = part(Kind::Bytes, Value::Bytes(b"raw".to_vec()));
    assert_eq!(bytes(Converter::Bytes, &raw).await, some("raw"));
    let refused = bytes(Converter::Bytes, &row()).await.unwrap_err();
    assert!(refused.contains("Invalid schema type for ByteArrayConverter: STRUCT"), "{refused}");
    let free = bytes(Converter::Avro, &Part::free(Value::Int64(1))).await.unwrap_err();
    assert!(free.contains("it has no schema"), "{free}");
}

#[test]
fn routes_are_those_of_records_without_key_and_value() {
    let settings: BTreeMap<String, String> = [
        ("transforms", "r,drop"),
        ("transforms.r.type", "RegexRouter"),
        ("transforms.r.regex", "a(.*)"),
        ("transforms.r.replacement", "b$1"),
        ("transforms.drop.type", "Filter"),
        ("transforms.drop.predicate", "p"),
        ("predicates", "p"),
        ("predicates.p.type", "TopicNameMatches"),
        ("predicates.p.pattern", "bx"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    let mut chain = chain(&settings);

    assert_eq!(chain.route(&"ay".into()).as_deref(), Some("by"));
    assert_eq!(chain.route(&"ax".into()), None);
}
