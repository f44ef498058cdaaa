//! Plans against what Debezium really wrote, and against `apache-avro`.

mod chosen;
mod random;
mod types;

use std::collections::BTreeMap;

use apache_avro::types::Value as Avro;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// Records of Debezium 3.6.3 with Confluent's converter. The expected documents were derived
/// from what fastavro decoded, by a script of its own.
#[derive(Deserialize)]
struct Golden {
    schemas: BTreeMap<String, String>,
    records: Vec<Recorded>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    topic: String,
    offset: i64,
    value_schema: u32,
    value: String,
    key_schema: Option<u32>,
    key: Option<String>,
    id: Option<String>,
    op: String,
    #[serde(rename = "ts_us")]
    ts_us: Option<u64>,
    document: Option<String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/golden/documents.json")).unwrap()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn plan(schema: &str) -> DocumentPlan {
    DocumentPlan::compile(schema, DocumentOptions::default()).unwrap()
}

#[test]
fn recorded_rows_become_the_expected_documents() {
    let golden = golden();
    for record in &golden.records {
        let place = format!("{}@{}", record.topic, record.offset);
        let mut out = b"before".to_vec();

        let row = plan(&golden.schemas[&record.value_schema.to_string()])
            .run(&bytes_of(&record.value), &mut out)
            .unwrap_or_else(|error| panic!("{place}: {error}"));

        assert_eq!(row.lsn, None, "{place}");
        assert_eq!(row.changed_at, record.ts_us.map(Duration::from_micros), "{place}");
        match row.change {
            RowChange::Upsert { document } => {
                let document = str::from_utf8(&out[document]).unwrap();
                assert_eq!(document, record.document.as_deref().unwrap(), "{place}");
            }
            RowChange::Delete => assert_eq!((record.op.as_str(), &*out), ("d", &b"before"[..])),
            RowChange::Truncate => panic!("no table was truncated"),
        }
    }
}

#[test]
fn recorded_keys_become_the_expected_ids() {
    let golden = golden();
    for record in &golden.records {
        let (Some(schema), Some(key)) = (record.key_schema, &record.key) else { continue };
        let mut id = String::new();

        IdPlan::compile(&golden.schemas[&schema.to_string()])
            .unwrap()
            .run(&bytes_of(key), &mut id)
            .unwrap();

        assert_eq!(Some(id), record.id, "{}@{}", record.topic, record.offset);
    }
}

/// Every prefix of every record is refused, and so is every record with a byte more.
#[test]
fn cut_and_lengthened_records_are_errors() {
    let golden = golden();
    for record in &golden.records {
        let plan = plan(&golden.schemas[&record.value_schema.to_string()]);
        let body = bytes_of(&record.value);
        let mut out = Vec::new();
        for length in 0..body.len() {
            assert!(plan.run(&body[..length], &mut out).is_err());
            assert!(out.is_empty());
        }
        let longer = [body, vec![0]].concat();
        let error = plan.run(&longer, &mut out).unwrap_err();
        assert_eq!(*error.problem(), Problem::TrailingBytes { count: 1 });
    }
}

#[test]
fn the_fields_carry_the_semantic_types() {
    let golden = golden();
    let record = golden.records.iter().find(|record| record.topic == "srv1.gold.t_all").unwrap();
    let plan = plan(&golden.schemas[&record.value_schema.to_string()]);
    let kind =
        |name: &str| plan.fields().iter().find(|field| &*field.name == name).unwrap().kind.clone();

    assert_eq!(kind("id"), FieldKind::Long);
    assert_eq!(kind("c_tinyint"), FieldKind::Short);
    assert_eq!(kind("c_decimal"), FieldKind::Decimal { precision: Some(10), scale: Some(2) });
    assert_eq!(kind("c_datetime6"), FieldKind::Date);
    assert_eq!(kind("c_timestamp"), FieldKind::Date);
    assert_eq!(kind("c_time"), FieldKind::Time);
    assert_eq!(kind("c_year"), FieldKind::Year);
    assert_eq!(kind("c_set"), FieldKind::Keyword);
    assert_eq!(kind("c_json"), FieldKind::Json);
    assert_eq!(kind("c_bit10"), FieldKind::Bytes);
    assert_eq!(kind("c_vector"), FieldKind::Array(Box::new(FieldKind::Float)));
    assert!(matches!(kind("c_point"), FieldKind::Object(fields) if fields.len() == 4));
}

/// An envelope of one column, as rowcast writes it: `sequence` holds the Lsn.
const ENVELOPE: &str = r#"{"type":"record","name":"Envelope","namespace":"a.b","fields":[
    {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"n","type":"int"}]}],"default":null},
    {"name":"after","type":["null","Value"],"default":null},
    {"name":"source","type":{"type":"record","name":"Source","fields":[
        {"name":"sequence","type":["null","string"],"default":null}]}},
    {"name":"op","type":"string"}]}"#;

fn envelope(after: Option<i32>, sequence: Option<&str>, op: &str) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(ENVELOPE).unwrap();
    let union = |value: Option<Avro>| match value {
        None => Avro::Union(0, Box::new(Avro::Null)),
        Some(value) => Avro::Union(1, Box::new(value)),
    };
    let row = after.map(|n| Avro::Record(vec![("n".to_owned(), Avro::Int(n))]));
    let sequence = union(sequence.map(|text| Avro::String(text.to_owned())));
    let value = Avro::Record(vec![
        ("before".to_owned(), union(None)),
        ("after".to_owned(), union(row)),
        ("source".to_owned(), Avro::Record(vec![("sequence".to_owned(), sequence)])),
        ("op".to_owned(), Avro::String(op.to_owned())),
    ]);
    encode(&schema, value)
}

fn encode(schema: &apache_avro::Schema, value: Avro) -> Vec<u8> {
    let mut bytes = Vec::new();
    apache_avro::writer::datum::GenericDatumWriter::builder(schema)
        .build()
        .unwrap()
        .write_value(&mut bytes, value)
        .unwrap();
    bytes
}

fn run(schema: &str, body: &[u8]) -> Result<(Row, String), DecodeError> {
    let mut out = Vec::new();
    let row = plan(schema).run(body, &mut out)?;
    Ok((row, String::from_utf8(out).unwrap()))
}

#[test]
fn the_lsn_is_read_from_the_sequence() {
    let (row, document) = run(ENVELOPE, &envelope(Some(7), Some("1790000000000001"), "u")).unwrap();

    assert_eq!(document, r#"{"n":7}"#);
    assert_eq!(row.lsn, Lsn::new(1_790_000_000_000_001));

    let (row, _) = run(ENVELOPE, &envelope(None, Some("3"), "d")).unwrap();
    assert_eq!((row.change, row.lsn), (RowChange::Delete, Lsn::new(3)));
    let (row, _) = run(ENVELOPE, &envelope(None, Some("4"), "t")).unwrap();
    assert_eq!((row.change, row.lsn), (RowChange::Truncate, Lsn::new(4)));
    let (row, _) = run(ENVELOPE, &envelope(None, None, "t")).unwrap();
    assert_eq!((row.change, row.lsn), (RowChange::Truncate, None));
    let error = run(ENVELOPE, &envelope(Some(7), None, "t")).unwrap_err();
    assert_eq!(*error.problem(), Problem::ImageMismatch { op: 't' });
}

/// In Protobuf any message may be missing.
#[test]
fn a_source_that_may_be_null_is_read() {
    let source = r#"{"type":"record","name":"Source","fields":[
        {"name":"sequence","type":["null","string"],"default":null}]}"#;
    let schema = ENVELOPE.replace(source, &format!(r#"["null",{source}]"#));
    assert_ne!(schema, ENVELOPE);
    // `before`, and `after` with its branch and its column, are three bytes.
    let mut there = envelope(Some(7), Some("3"), "u");
    there.insert(3, 2);
    let missing = [0, 2, 14, 0, 2, b'u'];

    let (row, document) = run(&schema, &there).unwrap();
    assert_eq!((row.lsn, document.as_str()), (Lsn::new(3), r#"{"n":7}"#));
    let (row, document) = run(&schema, &missing).unwrap();
    assert_eq!((row.lsn, document.as_str()), (None, r#"{"n":7}"#));
}

#[test]
fn envelopes_that_are_no_row_changes_are_errors() {
    let problem = |body: &[u8]| *run(ENVELOPE, body).unwrap_err().problem();

    assert_eq!(problem(&envelope(None, None, "m")), Problem::UnknownOperation { op: 'm' });
    assert_eq!(problem(&envelope(None, None, "c")), Problem::ImageMismatch { op: 'c' });
    assert_eq!(problem(&envelope(Some(1), None, "d")), Problem::ImageMismatch { op: 'd' });
    assert_eq!(problem(&envelope(Some(1), Some("x"), "c")), Problem::InvalidLsn);
}

/// The bytes of an array of 2^40 entries, in a record of a few bytes.
#[test]
fn a_count_beyond_the_bytes_is_refused_at_once() {
    const ARRAY: &str = r#"{"type":"record","name":"r","fields":[
        {"name":"a","type":{"type":"array","items":"int"}}]}"#;
    let body = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x02];
    assert_eq!(*run(ARRAY, &body).unwrap_err().problem(), Problem::Truncated);

    let empty_entries = ARRAY.replace("\"int\"", "\"null\"");
    let refused = DocumentPlan::compile(&empty_entries, DocumentOptions::default());
    assert!(matches!(refused, Err(PlanError::Unsupported { .. })));
}

/// Avro's own logical types, nulls in both orders, and every type with parts.
const ALL_SHAPES: &str = r#"{"type":"record","name":"r","fields":[
    {"name":"long","type":["null","long"]},
    {"name":"text","type":["string","null"]},
    {"name":"double","type":"double"},
    {"name":"float","type":"float"},
    {"name":"boolean","type":"boolean"},
    {"name":"fixed","type":{"type":"fixed","name":"f","size":3}},
    {"name":"symbol","type":{"type":"enum","name":"e","symbols":["A","B"]}},
    {"name":"array","type":{"type":"array","items":["null","int"]}},
    {"name":"map","type":{"type":"map","values":"string"}},
    {"name":"day","type":{"type":"int","logicalType":"date"}},
    {"name":"inner","type":{"type":"record","name":"i","fields":[]}}]}"#;

/// `serde_json` does not read floats exactly unless asked to by a feature; `parse` does.
fn number(value: &serde_json::Value) -> Option<f64> {
    value.is_number().then(|| value.to_string().parse().unwrap())
}

prop_compose! {
    fn any_row()(
        long: Option<i64>, text: Option<String>, double in proptest::num::f64::NORMAL,
        float in -100_000_i32..100_000, boolean: bool, fixed: [u8; 3], symbol in 0_u32..2,
        array: Vec<Option<i32>>, map: std::collections::HashMap<String, String>,
        day in -700_000_i32..2_900_000,
    ) -> (Avro, serde_json::Value) {
        use base64::Engine;
        let name = ["A", "B"][symbol as usize];
        let maybe = |null: u32, value: Option<Avro>| match value {
            None => Avro::Union(null, Box::new(Avro::Null)),
            Some(value) => Avro::Union(1 - null, Box::new(value)),
        };
        let mut date = Vec::new();
        temporal::write_date(day.into(), &mut date).unwrap();
        let expected = serde_json::json!({
            "long": long, "text": text, "double": double, "float": f64::from(float) / 8.0, "boolean": boolean,
            "fixed": base64::engine::general_purpose::STANDARD.encode(fixed), "symbol": name,
            "array": array, "map": map, "day": String::from_utf8(date).unwrap(), "inner": {},
        });
        let strings = map.into_iter().map(|(key, value)| (key, Avro::String(value))).collect();
        let fields = vec![
            ("long", maybe(0, long.map(Avro::Long))),
            ("text", maybe(1, text.map(Avro::String))),
            ("double", Avro::Double(double)),
            ("float", Avro::Float(float as f32 / 8.0)),
            ("boolean", Avro::Boolean(boolean)),
            ("fixed", Avro::Fixed(3, fixed.to_vec())),
            ("symbol", Avro::Enum(symbol, name.to_owned())),
            ("array", Avro::Array(array.into_iter().map(|n| maybe(0, n.map(Avro::Int))).collect())),
            ("map", Avro::Map(strings)),
            ("day", Avro::Date(day)),
            ("inner", Avro::Record(vec![])),
        ];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        (Avro::Record(fields), expected)
    }
}

proptest! {
    #[test]
    fn what_apache_avro_writes_is_read_as_it_was_meant((row, expected) in any_row()) {
        let schema = apache_avro::Schema::parse_str(ALL_SHAPES).unwrap();

        let (_, document) = run(ALL_SHAPES, &encode(&schema, row)).unwrap();

        let found: BTreeMap<String, &serde_json::value::RawValue> =
            serde_json::from_str(&document).unwrap();
        for (name, expected) in expected.as_object().unwrap() {
            prop_assert_eq!(found[name].get().parse::<f64>().ok(), number(expected), "{}", name);
            if number(expected).is_none() {
                let found: serde_json::Value = serde_json::from_str(found[name].get()).unwrap();
                prop_assert_eq!(&found, expected);
            }
        }
    }

    /// Whatever the bytes are: no panic, and a whole document or none.
    #[test]
    fn any_bytes_give_a_document_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        for schema in [ALL_SHAPES, ENVELOPE] {
            let mut out = b"before".to_vec();
            match plan(schema).run(&body, &mut out) {
                Ok(Row { change: RowChange::Upsert { document }, .. }) => {
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&out[document]).is_ok());
                }
                Ok(Row { change: RowChange::Delete | RowChange::Truncate, .. }) | Err(_) => {
                    prop_assert_eq!(&*out, b"before");
                }
            }
        }
    }

    /// Records that are nearly right reach further than random bytes.
    #[test]
    fn damaged_records_never_panic(index in 0_usize..40, position: prop::sample::Index, byte: u8) {
        let golden = golden();
        let record = &golden.records[index];
        let mut body = bytes_of(&record.value);
        let position = position.index(body.len());
        body[position] = byte;

        let mut out = Vec::new();
        let plan = plan(&golden.schemas[&record.value_schema.to_string()]);
        if let Ok(Row { change: RowChange::Upsert { document }, .. }) = plan.run(&body, &mut out) {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&out[document]).is_ok());
        }
    }
}
