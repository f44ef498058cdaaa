//! The rows of the bench: orders of a shop, as Debezium writes them.

use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Decimal, Schema};

pub(super) const KEY_SCHEMA: &str = r#"{"type":"record","name":"Key","namespace":"shop.shop.orders",
    "fields":[{"name":"id","type":"long"}],"connect.name":"shop.shop.orders.Key"}"#;

/// ```sql
/// CREATE TABLE orders (id BIGINT PRIMARY KEY, customer_id INT NOT NULL,
///   status ENUM('new','paid','sent') NOT NULL, quantity SMALLINT NOT NULL,
///   price DECIMAL(10,2) NOT NULL, name VARCHAR(100) NOT NULL, email VARCHAR(100),
///   note VARCHAR(500), ordered_at DATETIME(3) NOT NULL, updated_at TIMESTAMP(6))
/// ```
const COLUMNS: &str = r#"[{"name":"id","type":"long"},
    {"name":"customer_id","type":"int"},
    {"name":"status","type":{"type":"string","connect.version":1,
        "connect.parameters":{"allowed":"new,paid,sent"},"connect.name":"io.debezium.data.Enum"}},
    {"name":"quantity","type":{"type":"int","connect.type":"int16"}},
    {"name":"price","type":{"type":"bytes","scale":2,"precision":10,"connect.version":1,
        "connect.parameters":{"scale":"2","connect.decimal.precision":"10"},
        "connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}},
    {"name":"name","type":"string"},
    {"name":"email","type":["null","string"],"default":null},
    {"name":"note","type":["null","string"],"default":null},
    {"name":"ordered_at","type":{"type":"long","connect.version":1,
        "connect.name":"io.debezium.time.Timestamp"}},
    {"name":"updated_at","type":["null",{"type":"string","connect.version":1,
        "connect.name":"io.debezium.time.ZonedTimestamp"}],"default":null}]"#;

const SOURCE: &str = r#"[{"name":"version","type":"string"},{"name":"connector","type":"string"},
    {"name":"name","type":"string"},{"name":"ts_ms","type":"long"},
    {"name":"snapshot","type":[{"type":"string","connect.version":1,"connect.parameters":{"allowed":
        "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},
        "connect.default":"false","connect.name":"io.debezium.data.Enum"},"null"],
        "default":"false"},
    {"name":"db","type":"string"},
    {"name":"sequence","type":["null","string"],"default":null},
    {"name":"ts_us","type":["null","long"],"default":null},
    {"name":"ts_ns","type":["null","long"],"default":null},
    {"name":"table","type":["null","string"],"default":null},
    {"name":"server_id","type":"long"},
    {"name":"gtid","type":["null","string"],"default":null},
    {"name":"file","type":"string"},{"name":"pos","type":"long"},{"name":"row","type":"int"},
    {"name":"thread","type":["null","long"],"default":null},
    {"name":"query","type":["null","string"],"default":null}]"#;

/// The writer schema of the values, as Debezium registers it.
pub(super) fn value_schema() -> String {
    format!(
        r#"{{"type":"record","name":"Envelope","namespace":"shop.shop.orders","fields":[
    {{"name":"before","type":["null",{{"type":"record","name":"Value","fields":{COLUMNS},
        "connect.name":"shop.shop.orders.Value"}}],"default":null}},
    {{"name":"after","type":["null","Value"],"default":null}},
    {{"name":"source","type":{{"type":"record","name":"Source",
        "namespace":"io.debezium.connector.mysql","fields":{SOURCE},
        "connect.version":1,"connect.name":"io.debezium.connector.mysql.Source"}}}},
    {{"name":"transaction","type":["null",{{"type":"record","name":"block","namespace":"event",
        "fields":[{{"name":"id","type":"string"}},{{"name":"total_order","type":"long"}},
            {{"name":"data_collection_order","type":"long"}}],
        "connect.version":1,"connect.name":"event.block"}}],"default":null}},
    {{"name":"op","type":"string"}},
    {{"name":"ts_ms","type":["null","long"],"default":null}},
    {{"name":"ts_us","type":["null","long"],"default":null}},
    {{"name":"ts_ns","type":["null","long"],"default":null}}],
    "connect.version":2,"connect.name":"shop.shop.orders.Envelope"}}"#
    )
}

/// The Avro bytes of a record, without the registry's frame.
pub(super) struct Record {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Record {
    /// The insert of the order of a number. Numbers, texts and nulls vary with it.
    pub(super) fn new(number: u32) -> Self {
        let id = 4_000_000 + i64::from(number);
        let key = record([("id", Avro::Long(id))]);
        Self { key: encode(KEY_SCHEMA, key), value: encode(&value_schema(), envelope(number, id)) }
    }
}

fn envelope(number: u32, id: i64) -> Avro {
    let micros = 1_795_227_115_352_401 + id * 997;
    let moment = |micros: i64| maybe(Some(Avro::Long(micros)));
    record([
        ("before", maybe(None)),
        ("after", maybe(Some(row(number, id, micros)))),
        ("source", source(number, micros)),
        ("transaction", maybe(None)),
        ("op", text("c")),
        ("ts_ms", moment(micros / 1_000 + 12)),
        ("ts_us", moment(micros + 12_345)),
        ("ts_ns", moment(micros * 1_000 + 12_345_678)),
    ])
}

fn row(number: u32, id: i64, micros: i64) -> Avro {
    const STATUS: [&str; 3] = ["new", "paid", "sent"];
    const NOTE: &str = "please leave it with the neighbour, the bell is out of order; second floor, \
        left of the stairs, and mind the dog";
    let small = i32::try_from(number).unwrap_or_default();
    let cents = i64::from(number) * 7_919 % 1_000_000;
    let note = NOTE.get(..80 + usize::try_from(number % 32).unwrap_or_default());
    record([
        ("id", Avro::Long(id)),
        ("customer_id", Avro::Int(small * 37 + 10_000)),
        ("status", text(STATUS.get(number as usize % 3).unwrap_or(&"new"))),
        ("quantity", Avro::Int(small % 20 + 1)),
        ("price", Avro::Decimal(Decimal::from(minimal(cents)))),
        ("name", text(&format!("Customer Number {number}"))),
        ("email", maybe(Some(text(&format!("customer.{number}@mail.example.com"))))),
        ("note", maybe(note.filter(|_| !number.is_multiple_of(10)).map(text))),
        ("ordered_at", Avro::Long(micros / 1_000)),
        ("updated_at", maybe(Some(text(&format!("2026-11-21T02:11:55.{:06}Z", number * 991))))),
    ])
}

fn source(number: u32, micros: i64) -> Avro {
    let maybe_text = |value: String| maybe(Some(Avro::String(value)));
    record([
        ("version", text("3.6.3.Final")),
        ("connector", text("mysql")),
        ("name", text("shop")),
        ("ts_ms", Avro::Long(micros / 1_000)),
        ("snapshot", Avro::Union(0, Box::new(text("false")))),
        ("db", text("shop")),
        ("sequence", maybe_text((micros + i64::from(number)).to_string())),
        ("ts_us", maybe(Some(Avro::Long(micros)))),
        ("ts_ns", maybe(Some(Avro::Long(micros * 1_000)))),
        ("table", maybe_text("orders".to_owned())),
        ("server_id", Avro::Long(223_344)),
        ("gtid", maybe_text(format!("7b40b903-e54c-11f1-9537-02fc00000001:{number}"))),
        ("file", text("binlog.000003")),
        ("pos", Avro::Long(17_000_000 + i64::from(number) * 811)),
        ("row", Avro::Int(i32::try_from(number % 100).unwrap_or_default())),
        ("thread", maybe(Some(Avro::Long(1_234)))),
        ("query", maybe(None)),
    ])
}

/// The shortest two's complement of a number that is not negative.
fn minimal(number: i64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let start = zeros.min(bytes.len() - 1);
    let mut shortest = bytes.get(start..).unwrap_or_default().to_vec();
    if shortest.first().is_some_and(|byte| *byte >= 0x80) {
        shortest.insert(0, 0);
    }
    shortest
}

fn record<const N: usize>(fields: [(&str, Avro); N]) -> Avro {
    Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn maybe(value: Option<Avro>) -> Avro {
    match value {
        None => Avro::Union(0, Box::new(Avro::Null)),
        Some(value) => Avro::Union(1, Box::new(value)),
    }
}

fn text(text: &str) -> Avro {
    Avro::String(text.to_owned())
}

fn encode(schema: &str, value: Avro) -> Vec<u8> {
    let schema = Schema::parse_str(schema).expect("the bench's own schema is one");
    let writer = GenericDatumWriter::builder(&schema).build();
    let mut bytes = Vec::new();
    writer
        .and_then(|writer| writer.write_value(&mut bytes, value))
        .expect("the bench's own values fit their schema");
    bytes
}
