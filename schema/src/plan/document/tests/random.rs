//! Random schemas with random values: the plan, the generic path and the value itself agree on the
//! document, and the two paths agree on what is no record.

mod types;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::*;
use types::{Typed, any_fields};

/// A writer schema, a record of it and what is expected of it.
#[derive(Debug, Clone)]
struct Case {
    schema: String,
    body: Vec<u8>,
    document: Option<String>,
    lsn: Option<u64>,
}

/// A record of a flat row.
fn flat_case(fields: &[Typed]) -> Case {
    let schema = types::named(types::record_schema("Value", fields)).to_string();
    let body = encode(&parsed(&schema), types::record_value(fields, 0));
    Case { schema, body, document: Some(types::record_text(fields, 0)), lsn: None }
}

/// The same row in an envelope, in a create, an update or a delete; or one without rows.
fn envelope_case(fields: &[Typed], op: &str, lsn: Option<u64>) -> Case {
    let schema = types::named(envelope_schema(types::record_schema("Value", fields))).to_string();
    let row = |index| types::record_value(fields, index);
    let (before, after) = match op {
        "c" => (None, Some(row(0))),
        "u" => (Some(row(1)), Some(row(0))),
        "t" => (None, None),
        _ => (Some(row(1)), None),
    };
    let document = after.is_some().then(|| types::record_text(fields, 0));
    let body = encode(&parsed(&schema), envelope_value(before, after, op, lsn));
    Case { schema, body, document, lsn }
}

fn parsed(schema: &str) -> apache_avro::Schema {
    apache_avro::Schema::parse_str(schema).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

fn envelope_schema(row: serde_json::Value) -> serde_json::Value {
    let maybe = |name: &str, of: serde_json::Value| json!({"name": name, "type": ["null", of], "default": null});
    json!({"type": "record", "name": "Envelope", "namespace": "a.b.c", "fields": [
        maybe("before", row),
        maybe("after", json!("Value")),
        {"name": "source", "type": {"type": "record", "name": "Source", "namespace": "io.debezium.connector.mysql",
            "fields": [
                {"name": "version", "type": "string"},
                {"name": "snapshot", "type": [{"type": "string", "connect.default": "false"}, "null"], "default": "false"},
                maybe("sequence", json!("string")),
                maybe("ts_us", json!("long")),
                {"name": "server_id", "type": "long"},
            ]}},
        maybe("transaction", json!({"type": "record", "name": "block", "namespace": "event", "fields": [
            {"name": "id", "type": "string"}]})),
        {"name": "op", "type": "string"},
        maybe("ts_ms", json!("long")),
    ]})
}

fn envelope_value(before: Option<Avro>, after: Option<Avro>, op: &str, lsn: Option<u64>) -> Avro {
    let text = |text: &str| Avro::String(text.to_owned());
    let maybe = |value: Option<Avro>| match value {
        None => Avro::Union(0, Box::new(Avro::Null)),
        Some(value) => Avro::Union(1, Box::new(value)),
    };
    let record = |fields: Vec<(&str, Avro)>| {
        Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let source = record(vec![
        ("version", text("3.6.3.Final")),
        ("snapshot", Avro::Union(0, Box::new(text("false")))),
        ("sequence", maybe(lsn.map(|lsn| text(&lsn.to_string())))),
        ("ts_us", maybe(Some(Avro::Long(1_795_227_115_352_401)))),
        ("server_id", Avro::Long(1)),
    ]);
    let transaction = maybe(Some(record(vec![("id", text("file=1,pos=4"))])));
    record(vec![
        ("before", maybe(before)),
        ("after", maybe(after)),
        ("source", source),
        ("transaction", transaction),
        ("op", text(op)),
        ("ts_ms", maybe(None)),
    ])
}

fn any_case() -> impl Strategy<Value = Case> {
    let lsn = proptest::option::of(1_u64..1 << 53);
    (any_fields(), prop::sample::select(vec!["flat", "c", "u", "d", "t"]), lsn).prop_map(
        |(fields, form, lsn)| match form {
            "flat" => flat_case(&fields),
            op => envelope_case(&fields, op, lsn),
        },
    )
}

/// What both paths make of a record, if they agree on it with either form of JSON.
fn both(schema: &str, body: &[u8]) -> Result<(Row, Vec<u8>), DecodeError> {
    let (json, geometry) = (JsonForm::ObjectsOnly, GeometryForm::Geo);
    drop(both_with(schema, body, DocumentOptions { json, geometry }));
    both_with(schema, body, DocumentOptions::default())
}

fn both_with(
    schema: &str,
    body: &[u8],
    options: DocumentOptions,
) -> Result<(Row, Vec<u8>), DecodeError> {
    let (mut planned, mut generic) = (b"x".to_vec(), b"x".to_vec());
    let plan = DocumentPlan::compile(schema, options).unwrap().run(body, &mut planned);
    let oracle = GenericDocument::new(schema, options).unwrap().run(body, &mut generic);
    assert_eq!(
        String::from_utf8_lossy(&planned),
        String::from_utf8_lossy(&generic),
        "{plan:?} {oracle:?}"
    );
    match (plan, oracle) {
        (Ok(plan), Ok(oracle)) => {
            assert_eq!(plan, oracle);
            Ok((plan, planned))
        }
        (Err(plan), Err(_)) => Err(plan),
        (plan, oracle) => panic!("the plan gives {plan:?}, the generic path {oracle:?}"),
    }
}

/// Changes a record in one of the ways in which records go wrong.
fn damage(body: &[u8], place: Index, kind: u8, byte: u8) -> Vec<u8> {
    const HUGE: [u8; 9] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let at = place.index(body.len());
    let (head, tail) = body.split_at(at);
    match kind {
        0 => head.to_vec(),
        1 => [body, &[byte]].concat(),
        // A length, a branch or a count below zero, as often as not.
        2 => [head, &[byte | 1 & 0x7f], &tail[1..]].concat(),
        3 => [head, &HUGE, &tail[1..]].concat(),
        4 => [head, tail.get(1..).unwrap_or_default()].concat(),
        _ => [head, &[byte], &tail[1..]].concat(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn plan_and_generic_path_make_of_a_record_what_its_value_is(case in any_case()) {
        let (row, out) = both(&case.schema, &case.body).unwrap();

        let document = out.strip_prefix(b"x").unwrap();
        prop_assert_eq!(str::from_utf8(document).unwrap(), case.document.clone().unwrap_or_default());
        prop_assert_eq!(row.lsn.map(Lsn::value), case.lsn);
        let is_gone = matches!(row.change, RowChange::Delete | RowChange::Truncate);
        prop_assert_eq!(is_gone, case.document.is_none());
        if case.document.is_some() {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(document).is_ok());
        }
    }

    #[test]
    fn plan_and_generic_path_agree_on_damaged_records(
        case in any_case(), place: Index, kind in 0_u8..6, byte: u8,
    ) {
        drop(both(&case.schema, &damage(&case.body, place, kind, byte)));
    }

    #[test]
    fn plan_and_generic_path_agree_on_any_bytes(
        case in any_case(), body in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        drop(both(&case.schema, &body));
    }
}

#[test]
fn plan_and_generic_path_agree_on_what_debezium_wrote() {
    let golden = golden();
    for record in &golden.records {
        both(&golden.schemas[&record.value_schema.to_string()], &bytes_of(&record.value)).unwrap();
    }
}

/// Blocks with a size before them, which Java never writes and which every reader has to take.
#[test]
fn plan_and_generic_path_agree_on_blocks_with_their_size() {
    const SCHEMA: &str = r#"{"type":"record","name":"r","fields":[
        {"name":"a","type":{"type":"array","items":"int"}},
        {"name":"m","type":{"type":"map","values":"string"}}]}"#;
    let body = [3, 4, 2, 4, 2, 6, 0, 1, 8, 2, b'k', 2, b'v', 0];

    let (_, out) = both(SCHEMA, &body).unwrap();

    assert_eq!(out, br#"x{"a":[1,2,3],"m":{"k":"v"}}"#);
}

/// Schemas that make no document are refused by both.
#[test]
fn plan_and_generic_path_refuse_the_same_schemas() {
    let field = |of: &str| {
        format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{of}}}]}}"#)
    };
    let schemas = [
        r#""long""#.to_owned(),
        field(r#""null""#),
        field(r#"["null","int","string"]"#),
        field(r#"["int","string"]"#),
        field(r#"{"type":"array","items":"null"}"#),
        field(r#"{"type":"array","items":{"type":"record","name":"e","fields":[]}}"#),
        field(r#"{"type":"map","values":["int","string"]}"#),
        field(
            r#"{"type":"bytes","connect.name":"org.apache.kafka.connect.data.Decimal",
            "connect.parameters":{"scale":"201"}}"#,
        ),
        ENVELOPE.replace(
            r#""name":"after","type":["null","Value"]"#,
            r#""name":"after","type":["null","int"]"#,
        ),
        ENVELOPE.replace(
            r#""name":"op","type":"string""#,
            r#""name":"op","type":{"type":"array","items":"null"}"#,
        ),
    ];
    for schema in schemas {
        let options = DocumentOptions::default();
        assert!(DocumentPlan::compile(&schema, options).is_err(), "{schema}");
        assert!(GenericDocument::new(&schema, options).is_err(), "{schema}");
    }
}
