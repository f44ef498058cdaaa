//! Types with their values: what `apache-avro` writes, and the JSON that it means.

mod structs;
mod temporal;

use apache_avro::Decimal;
use apache_avro::types::Value as Avro;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::strategy::Union;
use serde_json::{Value, json, to_string};

use structs::structs;
use temporal::{dates, times};

/// Values of each type: as many as the longest array has.
const VALUES: usize = 3;

/// A type and some values of it, each with its text in a document.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    schema: Value,
    default: Option<Value>,
    values: Vec<(Avro, String)>,
}

/// The fields of a record.
pub(super) fn any_fields() -> impl Strategy<Value = Vec<Typed>> {
    prop::collection::vec(maybe_null(any_type().boxed()), 1..6)
}

pub(super) fn record_schema(name: &str, fields: &[Typed]) -> Value {
    let fields = fields.iter().enumerate().map(|(index, field)| {
        let mut json = json!({"name": field_name(index), "type": field.schema});
        if let Some(default) = &field.default {
            json["default"] = default.clone();
        }
        json
    });
    json!({"type": "record", "name": name, "fields": fields.collect::<Vec<_>>()})
}

pub(super) fn record_value(fields: &[Typed], index: usize) -> Avro {
    let value = |field: &Typed| field.values[index].0.clone();
    Avro::Record(
        fields.iter().enumerate().map(|(n, field)| (field_name(n), value(field))).collect(),
    )
}

pub(super) fn record_text(fields: &[Typed], index: usize) -> String {
    let text =
        |(n, field): (usize, &Typed)| format!("\"{}\":{}", field_name(n), field.values[index].1);
    format!("{{{}}}", fields.iter().enumerate().map(text).collect::<Vec<_>>().join(","))
}

fn field_name(index: usize) -> String {
    format!("f{index}")
}

/// Gives every named type without a name of its own one that no other has.
pub(super) fn named(mut schema: Value) -> Value {
    fn walk(schema: &mut Value, count: &mut usize) {
        match schema {
            Value::Object(attributes) => {
                if attributes.get("name").is_some_and(|name| name == "?") {
                    *count += 1;
                    attributes.insert("name".to_owned(), json!(format!("t{count}")));
                }
                attributes.values_mut().for_each(|value| walk(value, count));
            }
            Value::Array(entries) => entries.iter_mut().for_each(|entry| walk(entry, count)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    walk(&mut schema, &mut 0);
    schema
}

fn any_type() -> impl Strategy<Value = Typed> {
    any_leaf().prop_recursive(3, 16, 3, |inner| {
        let entry = maybe_null(inner.boxed());
        prop_oneof![
            (entry.clone(), lengths()).prop_map(|(entry, lengths)| array_of(entry, &lengths)),
            (entry.clone(), lengths()).prop_map(|(entry, lengths)| map_of(entry, &lengths)),
            prop::collection::vec(entry, 1..4).prop_map(|fields| record_of(&fields)),
        ]
    })
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..=VALUES, VALUES)
}

/// A union with null in either order, with the default that goes first; or no union.
fn maybe_null(of: BoxedStrategy<Typed>) -> impl Strategy<Value = Typed> + Clone {
    let nulls = prop::collection::vec(any::<bool>(), VALUES);
    (of, 0_u8..3, nulls).prop_map(|(typed, form, nulls)| {
        if form == 0 {
            return typed;
        }
        let (null, branch) = if form == 1 { (0, 1) } else { (1, 0) };
        let values = typed.values.into_iter().zip(nulls).map(|((value, text), is_null)| {
            if is_null {
                (Avro::Union(null, Box::new(Avro::Null)), "null".to_owned())
            } else {
                (Avro::Union(branch, Box::new(value)), text)
            }
        });
        let values = values.collect();
        if null == 0 {
            let schema = json!(["null", typed.schema]);
            Typed { schema, default: Some(Value::Null), values }
        } else {
            Typed { schema: json!([typed.schema, "null"]), default: typed.default, values }
        }
    })
}

fn array_of(entry: Typed, lengths: &[usize]) -> Typed {
    let values = lengths.iter().map(|length| {
        let (values, texts): (Vec<_>, Vec<_>) = entry.values[..*length].iter().cloned().unzip();
        (Avro::Array(values), format!("[{}]", texts.join(",")))
    });
    Typed {
        values: values.collect(),
        schema: json!({"type": "array", "items": entry.schema}),
        default: Some(json!([])),
    }
}

/// At most one entry: `apache-avro` writes them in any order.
fn map_of(entry: Typed, lengths: &[usize]) -> Typed {
    let values = lengths.iter().zip(&entry.values).map(|(length, (value, text))| {
        if *length == 0 {
            return (Avro::Map([].into()), "{}".to_owned());
        }
        let key = "k\"\n".repeat(*length);
        let text = format!("{{{}:{text}}}", to_string(&key).unwrap());
        (Avro::Map([(key, value.clone())].into()), text)
    });
    Typed {
        values: values.collect(),
        schema: json!({"type": "map", "values": entry.schema}),
        default: None,
    }
}

fn record_of(fields: &[Typed]) -> Typed {
    let values = (0..VALUES).map(|index| (record_value(fields, index), record_text(fields, index)));
    Typed { values: values.collect(), schema: record_schema("?", fields), default: None }
}

/// A type without parts, or one of Debezium's records.
fn any_leaf() -> impl Strategy<Value = Typed> {
    Union::new(
        [numbers(), texts(), bytes(), dates(), times(), decimals(), structs()].map(Strategy::boxed),
    )
}

/// Values of one type.
fn typed<V: std::fmt::Debug + Clone + 'static>(
    schema: Value,
    default: Option<Value>,
    values: impl Strategy<Value = V> + 'static,
    pair: fn(V) -> (Avro, String),
) -> BoxedStrategy<Typed> {
    prop::collection::vec(values, VALUES)
        .prop_map(move |values| Typed {
            schema: schema.clone(),
            default: default.clone(),
            values: values.into_iter().map(pair).collect(),
        })
        .boxed()
}

fn connect(of: &str, name: &str) -> Value {
    json!({"type": of, "connect.version": 1, "connect.name": name})
}

fn logical(of: &str, logical_type: &str) -> Value {
    json!({"type": of, "logicalType": logical_type})
}

fn numbers() -> Union<BoxedStrategy<Typed>> {
    Union::new([
        typed(json!("boolean"), Some(json!(true)), any::<bool>(), |v| {
            (Avro::Boolean(v), v.to_string())
        }),
        typed(json!("int"), Some(json!(7)), any::<i32>(), |v| (Avro::Int(v), v.to_string())),
        typed(json!({"type": "int", "connect.type": "int8"}), None, any::<i8>(), |v| {
            (Avro::Int(v.into()), v.to_string())
        }),
        typed(json!({"type": "int", "connect.type": "int16"}), None, any::<i16>(), |v| {
            (Avro::Int(v.into()), v.to_string())
        }),
        typed(connect("int", "io.debezium.time.Year"), None, 0..10_000, |v| {
            (Avro::Int(v), v.to_string())
        }),
        typed(json!("long"), Some(json!(-1)), any::<i64>(), |v| (Avro::Long(v), v.to_string())),
        typed(connect("long", "io.debezium.time.MicroDuration"), None, any::<i64>(), |v| {
            (Avro::Long(v), v.to_string())
        }),
        typed(json!("float"), None, proptest::num::f32::NORMAL | proptest::num::f32::ZERO, |v| {
            (Avro::Float(v), to_string(&v).unwrap())
        }),
        typed(json!("double"), None, proptest::num::f64::NORMAL | proptest::num::f64::ZERO, |v| {
            (Avro::Double(v), to_string(&v).unwrap())
        }),
    ])
}

fn text_of(text: String) -> (Avro, String) {
    let json = to_string(&text).unwrap();
    (Avro::String(text), json)
}

fn texts() -> Union<BoxedStrategy<Typed>> {
    let named =
        |name| typed(connect("string", name), Some(json!("")), "[a-z0-9:T+-]{0,24}", text_of);
    let json = prop::sample::select(vec![
        r#"{"b": 1.50, "a": {}, "a": 1e400}"#,
        r#"[1, "a\nb\u0000", true]"#,
        "12345678901234567890123",
        "null",
    ]);
    Union::new([
        typed(json!("string"), Some(json!("d")), any::<String>(), text_of),
        typed(json!("string"), None, "[ -~\\x00-\\x1f]{0,70}", text_of),
        typed(logical("string", "uuid"), None, any::<[u8; 16]>(), |v| {
            let uuid = uuid::Uuid::from_bytes(v);
            (Avro::Uuid(uuid), format!("\"{uuid}\""))
        }),
        named("io.debezium.data.Enum"),
        named("io.debezium.data.Uuid"),
        named("io.debezium.data.Xml"),
        named("io.debezium.time.ZonedTimestamp"),
        named("io.debezium.time.ZonedTime"),
        named("io.debezium.time.IsoTime"),
        named("io.debezium.time.IsoTimestamp"),
        named("io.debezium.time.Interval"),
        typed(
            connect("string", "io.debezium.time.IsoDate"),
            None,
            "[0-9]{4}-[0-9]{2}-[0-9]{2}",
            |v| (Avro::String(format!("{v}Z")), format!("\"{v}\"")),
        ),
        typed(connect("string", "io.debezium.data.Json"), None, json, |v| {
            (Avro::String(v.to_owned()), v.to_owned())
        }),
        typed(
            connect("string", "io.debezium.data.EnumSet"),
            None,
            prop::collection::vec("[a-z\"]{1,3}", 0..4),
            |v| (Avro::String(v.join(",")), to_string(&v).unwrap()),
        ),
        typed(json!({"type": "enum", "name": "?", "symbols": ["A", "B"]}), None, 0_u32..2, |v| {
            let symbol = ["A", "B"][v as usize];
            (Avro::Enum(v, symbol.to_owned()), format!("\"{symbol}\""))
        }),
    ])
}

fn base64_of(bytes: &[u8]) -> String {
    format!("\"{}\"", STANDARD.encode(bytes))
}

fn bytes() -> Union<BoxedStrategy<Typed>> {
    let any_bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let bytes = |v: Vec<u8>| (Avro::Bytes(v.clone()), base64_of(&v));
    Union::new([
        typed(json!("bytes"), None, any_bytes(), bytes),
        typed(connect("bytes", "io.debezium.data.Bits"), None, any_bytes(), bytes),
        typed(json!({"type": "fixed", "name": "?", "size": 3}), None, any::<[u8; 3]>(), |v| {
            (Avro::Fixed(3, v.to_vec()), base64_of(&v))
        }),
        typed(
            json!({"type": "fixed", "name": "?", "size": 16, "logicalType": "uuid"}),
            None,
            any::<[u8; 16]>(),
            |v| {
                let uuid = uuid::Uuid::from_bytes(v);
                (Avro::Uuid(uuid), format!("\"{uuid}\""))
            },
        ),
    ])
}

/// The digits with a point before the last `scale` of them.
fn decimal_text(unscaled: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let (sign, point) = (if unscaled < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" });
    format!("{sign}{whole}{point}{fraction}")
}

fn decimals() -> Union<BoxedStrategy<Typed>> {
    fn small() -> impl Strategy<Value = i128> + 'static {
        prop_oneof![any::<i128>().prop_map(|v| v / 2), (-1_000_i128..1_000)]
    }
    let connect_decimal = json!({"type": "bytes", "scale": 2, "precision": 39, "connect.version": 1,
        "connect.parameters": {"scale": "2", "connect.decimal.precision": "39"},
        "connect.name": "org.apache.kafka.connect.data.Decimal", "logicalType": "decimal"});
    Union::new([
        typed(connect_decimal, None, small(), |v| {
            (Avro::Decimal(Decimal::from(v.to_be_bytes())), decimal_text(v, 2))
        }),
        typed(
            json!({"type": "bytes", "connect.name": "org.apache.kafka.connect.data.Decimal",
                "connect.parameters": {"scale": "30"}}),
            None,
            small(),
            |v| (Avro::Bytes(v.to_be_bytes().to_vec()), decimal_text(v, 30)),
        ),
        typed(
            json!({"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 4}),
            None,
            small(),
            |v| (Avro::Decimal(Decimal::from(v.to_be_bytes())), decimal_text(v, 4)),
        ),
        typed(
            json!({"type": "fixed", "name": "?", "size": 16, "logicalType": "decimal",
                "precision": 38, "scale": 5}),
            None,
            small(),
            |v| (Avro::Decimal(Decimal::from(v.to_be_bytes())), decimal_text(v, 5)),
        ),
    ])
}
