//! Values in JSON with their schema, against documents that were made of the values directly; and
//! values without one.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::plan::document::{
    DocumentOptions, DocumentPlan, IdPlan, Row, RowChange, RowChoice, write_id,
};

/// A type, a value of it as `JsonConverter` writes it, and what it is in a document.
#[derive(Debug, Clone)]
struct Case {
    schema: Value,
    payload: Value,
    document: Value,
}

fn case(schema: Value, payload: Value, document: Value) -> Case {
    Case { schema, payload, document }
}

fn named(kind: &str, name: &str) -> Value {
    json!({"type": kind, "name": name})
}

fn leaf() -> impl Strategy<Value = Case> {
    prop_oneof![
        any::<bool>().prop_map(|v| case(json!({"type": "boolean"}), json!(v), json!(v))),
        any::<i8>().prop_map(|v| case(json!({"type": "int8"}), json!(v), json!(v))),
        any::<i16>().prop_map(|v| case(json!({"type": "int16"}), json!(v), json!(v))),
        any::<i32>().prop_map(|v| case(json!({"type": "int32"}), json!(v), json!(v))),
        any::<i64>().prop_map(|v| case(json!({"type": "int64"}), json!(v), json!(v))),
        // Eighths: serde_json itself reads other numbers back with a last digit off.
        any::<i32>().prop_map(|v| {
            let v = f64::from(v) / 8.0;
            case(json!({"type": "double"}), json!(v), json!(v))
        }),
        ".{0,9}".prop_map(|v| case(json!({"type": "string"}), json!(v), json!(v))),
        Just(case(json!({"type": "bytes"}), json!("AQIDBA=="), json!("AQIDBA=="))),
        Just(case(named("int32", "io.debezium.time.Date"), json!(19_782), json!("2024-02-29"))),
        Just(case(
            named("int64", "org.apache.kafka.connect.data.Timestamp"),
            json!(1_709_210_096_789_u64),
            json!("2024-02-29T12:34:56.789Z")
        )),
        Just(case(
            named("string", "io.debezium.data.Json"),
            json!(r#"{"a": [1]}"#),
            json!({"a": [1]})
        )),
        (any::<i32>(), any::<bool>()).prop_map(|(unscaled, is_number)| {
            let schema = json!({"type": "bytes", "name": "org.apache.kafka.connect.data.Decimal",
                "version": 1, "parameters": {"scale": "2", "connect.decimal.precision": "12"}});
            let number = format!(
                "{}{}.{:02}",
                if unscaled < 0 { "-" } else { "" },
                unscaled.unsigned_abs() / 100,
                unscaled.unsigned_abs() % 100
            );
            let number: Value = serde_json::from_str(&number).unwrap();
            let bytes = base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                unscaled.to_be_bytes(),
            );
            let payload = if is_number { number.clone() } else { json!(bytes) };
            case(schema, payload, number)
        }),
    ]
}

fn with(mut schema: Value, key: &str, value: Value) -> Value {
    schema[key] = value;
    schema
}

fn any_case() -> impl Strategy<Value = Case> {
    leaf().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            (inner.clone(), any::<bool>()).prop_map(|(of, is_null)| {
                let schema = with(of.schema, "optional", json!(true));
                match is_null {
                    true => case(schema, Value::Null, Value::Null),
                    false => case(schema, of.payload, of.document),
                }
            }),
            (inner.clone(), 0_usize..3).prop_map(|(of, count)| case(
                json!({"type": "array", "items": of.schema}),
                Value::from(vec![of.payload; count]),
                Value::from(vec![of.document; count]),
            )),
            (inner.clone(), proptest::collection::btree_set("[a-z]{1,3}", 0..3)).prop_map(
                |(of, keys)| {
                    let object = |value: &Value| {
                        keys.iter().map(|key| (key.clone(), value.clone())).collect::<Map<_, _>>()
                    };
                    let schema =
                        json!({"type": "map", "keys": {"type": "string"}, "values": of.schema});
                    case(schema, object(&of.payload).into(), object(&of.document).into())
                }
            ),
            proptest::collection::vec(inner, 1..4).prop_map(structure),
        ]
    })
}

/// Field names that Avro does not allow are none of its business here.
fn structure(fields: Vec<Case>) -> Case {
    let name = |place: usize| format!("{place} odd-nämé$");
    let object = |part: fn(&Case) -> &Value| {
        let fields = fields.iter().enumerate();
        fields.map(|(place, of)| (name(place), part(of).clone())).collect::<Map<_, _>>()
    };
    let schemas = fields.iter().enumerate();
    let schemas: Vec<_> =
        schemas.map(|(place, of)| with(of.schema.clone(), "field", json!(name(place)))).collect();
    let schema =
        json!({"type": "struct", "fields": schemas, "optional": false, "name": "a.b.Value"});
    case(schema, object(|of| &of.payload).into(), object(|of| &of.document).into())
}

fn run(schema: &ConnectSchema, payload: &str) -> (Row, Value) {
    let choice = RowChoice::everything(DocumentOptions::default());
    let plan = DocumentPlan::of_schema(schema.writer(), &choice).unwrap();
    let (mut avro, mut document) = (Vec::new(), Vec::new());
    schema.encode(payload, &mut avro).unwrap();
    let row = plan.run(&avro, &mut document).unwrap();
    let document = serde_json::from_slice(&document).unwrap_or_default();
    (row, document)
}

proptest! {
    #[test]
    fn a_value_in_json_becomes_the_document_that_it_is(
        fields in proptest::collection::vec(any_case(), 1..4), reversed: bool,
    ) {
        let Case { schema, mut payload, document } = structure(fields);
        if reversed {
            // The payload's order is nobody's promise.
            let fields = payload.as_object().unwrap().clone();
            payload = fields.into_iter().rev().collect::<Map<_, _>>().into();
        }
        let record = json!({"schema": schema, "payload": payload}).to_string();

        let parts = Enveloped::parse(record.as_bytes()).unwrap();
        let (row, found) = run(&ConnectSchema::parse(parts.schema.unwrap()).unwrap(), parts.payload);

        let is_upsert = matches!(row.change, RowChange::Upsert { .. });
        prop_assert!(is_upsert);
        prop_assert_eq!(found, document);
    }

    /// The same key has the same id, however it was written.
    #[test]
    fn a_key_has_the_same_id_in_avro_and_in_json(
        texts in proptest::collection::vec("[a:%N]{1,4}", 1..4), number: i64,
    ) {
        let mut fields: Vec<Value> = (0..texts.len())
            .map(|place| json!({"field": format!("c{place}"), "type": "string"}))
            .collect();
        fields.push(json!({"field": "n", "type": "int64"}));
        let mut payload: Map<String, Value> = texts
            .iter()
            .enumerate()
            .map(|(place, text)| (format!("c{place}"), json!(text)))
            .collect();
        payload.insert("n".to_owned(), json!(number));
        let payload = Value::from(payload).to_string();
        let schema = json!({"type": "struct", "fields": fields}).to_string();
        let schema = ConnectSchema::parse(&schema).unwrap();
        let mut avro = Vec::new();
        schema.encode(&payload, &mut avro).unwrap();
        let plan = IdPlan::of_schema(schema.writer(), &|_| None).unwrap();
        let (mut id, mut of_json, mut of_texts) = (String::new(), String::new(), String::new());

        plan.run_after("t:", &avro, &mut id).unwrap();

        JsonKey::parse(payload.as_bytes()).unwrap().unwrap().write_id("t:", &mut of_json);
        let number = number.to_string();
        let columns: Vec<_> =
            texts.iter().map(String::as_str).chain([&*number]).map(Some).collect();
        write_id("t:", columns.into_iter(), &mut of_texts);
        prop_assert_eq!(&id, &of_json);
        prop_assert_eq!(&id, &of_texts);
    }

    #[test]
    fn a_value_without_a_schema_is_its_own_document(
        fields in proptest::collection::vec(any_case(), 0..4), pretty: bool,
    ) {
        let payload = structure(fields).payload;
        let text = if pretty {
            serde_json::to_string_pretty(&payload).unwrap()
        } else {
            payload.to_string()
        };
        let mut out = Vec::new();

        let choice = RowChoice::everything(DocumentOptions::default());
        let row = JsonRow::parse(text.as_bytes()).unwrap().run(&choice, &mut out).unwrap();

        prop_assert_eq!(row.change, RowChange::Upsert { document: 0..out.len() });
        prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), payload);
        prop_assert!(!out.contains(&b'\n'));
    }

    #[test]
    fn nothing_panics(text in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,60}") {
        (crate::fuzzing::CONNECT_JSON.run)(text.as_bytes());
    }
}

fn envelope(op: &str, before: Option<Value>, after: Option<Value>) -> String {
    json!({"before": before, "after": after, "op": op,
        "source": {"sequence": "1709210096789000", "ts_ms": 5}})
    .to_string()
}

#[test]
fn an_envelope_without_a_schema_is_recognised() {
    let choice = RowChoice {
        deleted_rows: true,
        field: &|column| (column != "x").then(|| column.into()),
        ..RowChoice::everything(DocumentOptions::default())
    };
    let run = |text: &str| {
        let mut out = Vec::new();
        let row = JsonRow::parse(text.as_bytes())?.run(&choice, &mut out)?;
        Ok::<_, JsonError>((row, String::from_utf8(out).unwrap()))
    };

    let (row, document) = run(&envelope("u", None, Some(json!({"x": 1, "a": 2})))).unwrap();
    assert_eq!(row.change, RowChange::Upsert { document: 0..7 });
    assert_eq!(document, r#"{"a":2}"#);
    assert_eq!(row.lsn.map(crate::lsn::Lsn::value), Some(1_709_210_096_789_000));
    assert_eq!(row.changed_at, Some(std::time::Duration::from_millis(5)));
    let (row, document) = run(&envelope("d", Some(json!({"a": 2})), None)).unwrap();
    assert_eq!((row.change, row.deleted_row), (RowChange::Delete, Some(0..7)));
    assert_eq!(document, r#"{"a":2}"#);
    assert_eq!(run(&envelope("t", None, None)).unwrap().0.change, RowChange::Truncate);
    assert!(run(&envelope("u", None, None)).is_err());
    assert!(run(&envelope("dd", None, None)).is_err());
    let flat = run(r#"{"a":2,"__deleted":"true"}"#).unwrap();
    assert_eq!(flat.0.change, RowChange::Delete);
    let renamed = RowChoice { field: &|_| Some("same".into()), ..choice };
    let twice = JsonRow::parse(br#"{"a":1,"b":2}"#).unwrap().run(&renamed, &mut Vec::new());
    assert_eq!(twice.unwrap_err().problem(), JsonProblem::Twice);
}

#[test]
fn errors_name_the_place_and_no_value() {
    let schema = r#"{"type":"struct","fields":[{"field":"a","type":"struct","fields":[
        {"field":"b","type":"int8"}]}]}"#;
    let schema = ConnectSchema::parse(schema).unwrap();
    let error = |payload: &str| schema.encode(payload, &mut Vec::new()).unwrap_err().to_string();

    assert_eq!(
        error(r#"{"a":{"b":300}}"#),
        "field `a.b` has a value that is no whole number of its size"
    );
    assert_eq!(error(r#"{"a":{}}"#), "field `a.b` has no value, and its schema asks for one");
    let syntax = Enveloped::parse(b"{\n \"schema\": x}").unwrap_err();
    assert_eq!(syntax.problem(), JsonProblem::Syntax { line: 2, column: 12 });
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    assert_eq!(json_text(deep.as_bytes()).unwrap_err().problem(), JsonProblem::TooDeep);
    assert!(json_text(br#"{"a":"[[[\"[["}"#).is_ok());
    assert_eq!(Enveloped::parse(b"{\"a\":1}").unwrap_err().problem(), JsonProblem::NotEnveloped);
    let map = r#"{"type":"map","keys":{"type":"int32"},"values":{"type":"int32"}}"#;
    assert_eq!(ConnectSchema::parse(map).unwrap_err().problem(), JsonProblem::NotASchema);
}

#[test]
fn a_missing_value_is_its_default() {
    let schema = r#"{"type":"struct","fields":[{"field":"n","type":"int32","default":7}]}"#;

    assert_eq!(run(&ConnectSchema::parse(schema).unwrap(), "{}").1, json!({"n": 7}));
}

#[test]
fn keys_that_are_no_ids_are_none() {
    for text in ["null", "{}", r#"{"a":null}"#] {
        assert!(JsonKey::parse(text.as_bytes()).unwrap().is_none(), "{text}");
    }
    assert!(JsonKey::parse(b"[1]").is_err());
    let key = JsonKey::parse(br#"{"a":"x","b":1}"#).unwrap().unwrap();
    assert_eq!((key.column("a"), key.column("b"), key.column("c")), (Some("x"), Some("1"), None));
    let mut fields = Vec::new();
    key.write_fields(&|column| Some(column.to_uppercase().into()), &mut fields).unwrap();
    assert_eq!(fields, br#""A":"x","B":1"#);
}
