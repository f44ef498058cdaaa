//! The header converters against what Kafka Connect's own answered (`golden/Headers.java`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use schema::value::{Kind, Schema, Value};
use serde_json::{Value as Json, json};

use super::{Golden, golden, is_same};
use crate::java::class_of;
use crate::java::decimal::Decimal;
use crate::schemas::logical;
use crate::*;

/// Answers that are other than Connect's on purpose.
///
/// Digits of other scripts are none; JSON is one value that fits its schema; dates have no text of
/// Java's, which hangs on the machine; a list of times and dates is none of dates, nor one of decimals
/// with several scales one of decimals; and lists in a list are of one type, or of none.
const OTHERWISE: [&str; 12] = [
    "٣",
    "２",
    "5 6",
    r#""payload": "x"}"#,
    " UTC 1970",
    " UTC 2019",
    " UTC 1969",
    "[14:34:54.346Z, 2019-08-24]",
    "[1e400,9223372036854775808]",
    "[[1],[\"a\"]]",
    "[[1],[2.5]]",
    "[[1],[300]]",
];

fn converter(name: &str) -> HeaderConverter {
    match name {
        "SimpleHeaderConverter" => HeaderConverter::Simple,
        "StringConverter" => HeaderConverter::Text,
        "ByteArrayConverter" => HeaderConverter::Bytes,
        "JsonConverter" => HeaderConverter::Json { schemas: true },
        "JsonConverter false" => HeaderConverter::Json { schemas: false },
        _ => panic!("{name}"),
    }
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    match json {
        Json::Null => None,
        Json::String(text) => Some(text.clone().into_bytes()),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            Some(STANDARD.decode(json["base64"].as_str().unwrap()).unwrap())
        }
    }
}

/// A schema in the words of the file; none if a part of it has none.
fn schema_text(schema: &Schema) -> Json {
    let full = schema_json(schema);
    let mut json = json!({ "type": full["type"] });
    for (from, to) in [("type", "float"), ("type", "double")] {
        if full[from] == to {
            json["type"] = json!(if to == "float" { "float32" } else { "float64" });
        }
    }
    if schema.optional {
        json["optional"] = json!(true);
    }
    for key in ["name", "version", "parameters"] {
        if !full[key].is_null() {
            json[key] = full[key].clone();
        }
    }
    match &schema.kind {
        Kind::Array(entry) => json["items"] = schema_text(entry),
        Kind::Map(keys, values) => {
            json["keys"] = schema_text(keys);
            json["values"] = schema_text(values);
        }
        Kind::Struct(fields) => {
            for field in fields {
                json[format!("field {}", field.name)] = schema_text(&field.schema);
            }
        }
        Kind::Boolean
        | Kind::Int8
        | Kind::Int16
        | Kind::Int32
        | Kind::Int64
        | Kind::Float32
        | Kind::Float64
        | Kind::String
        | Kind::Bytes => {}
    }
    json
}

/// A value in the words of the file: its Java class and its text.
fn value_text(schema: Option<&Schema>, value: &Value) -> Json {
    let name = schema.and_then(|schema| schema.name.as_deref());
    let class = class_of(schema, value).rsplit(['.', '$']).next().unwrap();
    match value {
        Value::Null => Json::Null,
        Value::Array(entries) => {
            let entry = schema
                .and_then(|it| if let Kind::Array(it) = &it.kind { Some(&**it) } else { None });
            let entries: Vec<_> = entries.iter().map(|it| value_text(entry, it)).collect();
            json!(["List", entries])
        }
        Value::Map(entries) => {
            let types = schema
                .and_then(|it| if let Kind::Map(k, v) = &it.kind { Some((k, v)) } else { None });
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| {
                    let key = value_text(types.map(|it| &**it.0), key);
                    json!([key, value_text(types.map(|it| &**it.1), value)])
                })
                .collect();
            json!(["Map", sorted(entries)])
        }
        Value::Struct(values) => {
            let Kind::Struct(fields) = &schema.unwrap().kind else { panic!() };
            let values = fields.iter().zip(values);
            let values: Vec<_> =
                values.map(|(it, value)| value_text(Some(&it.schema), value)).collect();
            json!(["Struct", values])
        }
        Value::Date(ms) => json!(["Date", ms]),
        Value::Int32(days) if name == Some(logical::DATE) => {
            json!(["Date", i64::from(*days) * 86_400_000])
        }
        Value::Int32(ms) if name == Some(logical::TIME) => json!(["Date", ms]),
        Value::Int64(ms) if name == Some(logical::TIMESTAMP) => json!(["Date", ms]),
        Value::Bytes(bytes) if name == Some(logical::DECIMAL) => {
            json!([class, Decimal::new(bytes, Decimal::scale_of(schema.unwrap())).to_string()])
        }
        Value::Bytes(bytes) => json!(["bytes", STANDARD.encode(bytes)]),
        Value::Boolean(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::String(_) => json!([class, java_text(schema, value).unwrap()]),
    }
}

/// The order of a map is that of Java.
fn sorted(mut entries: Vec<Json>) -> Vec<Json> {
    entries.sort_by_key(Json::to_string);
    entries
}

/// The same in what the file has.
fn sorted_maps(value: &Json) -> Json {
    let Json::Array(parts) = value else { return value.clone() };
    let parts: Vec<_> = parts.iter().map(sorted_maps).collect();
    match (parts.first(), parts.get(1)) {
        (Some(Json::String(class)), Some(Json::Array(entries))) if class == "Map" => {
            json!(["Map", sorted(entries.clone())])
        }
        _ => Json::Array(parts),
    }
}

/// Whether a type of the file has a part without one: ours then has none at all.
fn is_partial(schema: &Json) -> bool {
    ["items", "keys", "values"]
        .iter()
        .any(|key| schema.get(key).is_some_and(|it| it.is_null() || is_partial(it)))
}

/// Values whose types do not count: widths of numbers, and decimals, which are texts.
fn plain(value: &Json) -> Json {
    match (value[0].as_str(), &value[1]) {
        (Some("List" | "Map"), Json::Array(entries)) => {
            let pair = |it: &Json| match it[0].is_string() {
                true => plain(it),
                false => json!([plain(&it[0]), plain(&it[1])]),
            };
            entries.iter().map(|it| if it.is_null() { Json::Null } else { pair(it) }).collect()
        }
        (_, Json::Array(_) | Json::Null) => value.clone(),
        (_, text) => text.clone(),
    }
}

/// Two numbers of Java are one, however many digits it wrote.
fn is_same_value(ours: &Json, theirs: &Json) -> bool {
    match (ours, theirs) {
        (Json::Array(ours), Json::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| is_same_value(a, b))
        }
        (Json::String(ours), Json::String(theirs)) => {
            ours == theirs || ours.parse::<f32>().ok().is_some_and(|it| theirs.parse() == Ok(it))
        }
        _ => ours == theirs,
    }
}

fn answer(golden: &Golden, case: &Json) -> Result<Json, HeaderProblem> {
    let converter = converter(case["converter"].as_str().unwrap());
    if let Some(part) = case.get("part") {
        let written = converter.write(&golden.part(part))?;
        return Ok(written.map_or(Json::Null, |it| match String::from_utf8(it) {
            Ok(text) => json!(text),
            Err(error) => json!({ "base64": STANDARD.encode(error.as_bytes()) }),
        }));
    }
    let part = converter.read(bytes(&case["bytes"]).as_deref())?;
    let schema = part.schema.as_deref();
    Ok(json!([schema.map(schema_text), value_text(schema, &part.value)]))
}

fn is_answer(case: &Json, ours: &Json) -> bool {
    let theirs = &case["is"];
    if case.get("part").is_none() {
        if is_partial(&theirs[0]) {
            return ours[0].is_null()
                && is_same_value(&plain(&ours[1]), &plain(&sorted_maps(&theirs[1])));
        }
        return ours[0] == theirs[0] && is_same_value(&ours[1], &sorted_maps(&theirs[1]));
    }
    let is_json = case["converter"].as_str().unwrap().starts_with("Json");
    let parsed = |text: &Json| serde_json::from_str::<Json>(text.as_str()?).ok();
    match (parsed(ours), parsed(theirs)) {
        (Some(ours), Some(theirs)) if is_json => is_same(&ours, &theirs),
        _ => ours == theirs,
    }
}

#[test]
fn header_converters_answer_as_kafka_connects_own() {
    let golden = golden(include_str!("../golden/headers.json"));
    let mut wrong = Vec::new();
    for case in &golden.cases {
        let ours = answer(&golden, case);
        let is_same = match &ours {
            Ok(ours) => case.get("fails").is_none() && is_answer(case, ours),
            Err(_) => case.get("fails").is_some(),
        };
        let text = case.to_string().replace("\\\"", "\"");
        if !is_same && !OTHERWISE.iter().any(|known| text.contains(known)) {
            wrong.push(format!("{text}\n  ours {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), golden.cases.len(), wrong.join("\n"));
}

proptest! {
    /// A header is whatever somebody wrote: nothing panics, and what was read is written.
    #[test]
    fn no_header_panics(text in "[\\[\\]{}:,\"\\\\ a1.eE+TZ-]{0,24}|.{0,24}") {
        for converter in [HeaderConverter::Simple, HeaderConverter::Json { schemas: true }] {
            let Ok(part) = converter.read(Some(text.as_bytes())) else { continue };
            prop_assert!(converter.write(&part).is_ok());
        }
    }

    /// Texts in a list are read as they were, but for what is behind a backslash, as in Connect.
    #[test]
    fn what_is_written_is_read(texts in prop::collection::vec("[a-z ,:{}0-9]{1,8}x", 1..5)) {
        let schema = Schema::new(Kind::Array(Box::new(Schema::new(Kind::String))));
        let list = Value::Array(texts.into_iter().map(Value::String).collect());
        let part = Part::new(schema.into(), list);

        let bytes = HeaderConverter::Simple.write(&part).unwrap();

        prop_assert_eq!(HeaderConverter::Simple.read(bytes.as_deref()).unwrap(), part);
    }
}
