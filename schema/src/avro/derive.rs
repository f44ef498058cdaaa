//! Connect schema → Avro schema, as Confluent's `AvroData` derives it: same attributes, same
//! order, so that the registry answers with the same id.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use crate::value::{Kind, Schema, Value};

/// Name of Connect's decimal type, which Avro has a logical type for.
const CONNECT_DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

/// The Avro schema of a Connect schema, as text.
#[must_use]
pub fn schema_text(schema: &Schema) -> String {
    let mut named = HashSet::new();
    avro(schema, "", &mut named).to_string()
}

/// The Avro form of a schema within `namespace`; `named` holds the records that were spelt out.
fn avro(schema: &Schema, namespace: &str, named: &mut HashSet<String>) -> Json {
    let required = required(schema, namespace, named);
    match (schema.optional, &schema.default) {
        (false, _) => required,
        (true, None) => json!(["null", required]),
        (true, Some(_)) => json!([required, "null"]),
    }
}

fn required(schema: &Schema, namespace: &str, named: &mut HashSet<String>) -> Json {
    if let Kind::Struct(fields) = &schema.kind {
        return record(schema, fields, namespace, named);
    }
    let mut attributes = Map::new();
    attributes.insert("type".into(), base_type(&schema.kind).into());
    if schema.kind == Kind::Int16 && schema.name.is_none() {
        attributes.insert("connect.type".into(), "int16".into());
    }
    if schema.name.as_deref() == Some(CONNECT_DECIMAL) {
        attributes.insert("scale".into(), number_parameter(schema, "scale"));
        attributes
            .insert("precision".into(), number_parameter(schema, "connect.decimal.precision"));
    }
    connect_attributes(schema, &mut attributes);
    if schema.name.as_deref() == Some(CONNECT_DECIMAL) {
        attributes.insert("logicalType".into(), "decimal".into());
    }
    if attributes.len() == 1 { base_type(&schema.kind).into() } else { Json::Object(attributes) }
}

fn record(
    schema: &Schema,
    fields: &[crate::value::Field],
    namespace: &str,
    named: &mut HashSet<String>,
) -> Json {
    let full_name = schema.name.clone().unwrap_or_default();
    let (own_namespace, name) = full_name.rsplit_once('.').unwrap_or(("", &full_name));
    if !named.insert(full_name.clone()) {
        return if own_namespace == namespace { name.into() } else { full_name.into() };
    }
    let mut attributes = Map::new();
    attributes.insert("type".into(), "record".into());
    attributes.insert("name".into(), name.into());
    if own_namespace != namespace {
        attributes.insert("namespace".into(), own_namespace.into());
    }
    let fields = fields.iter().map(|field| {
        let mut attributes = Map::new();
        attributes.insert("name".into(), field.name.clone().into());
        attributes.insert("type".into(), avro(&field.schema, own_namespace, named));
        if let Some(default) = default_of(&field.schema) {
            attributes.insert("default".into(), default);
        }
        Json::Object(attributes)
    });
    attributes.insert("fields".into(), fields.collect());
    connect_attributes(schema, &mut attributes);
    Json::Object(attributes)
}

/// The attributes in which the converter keeps what Avro has no word for.
fn connect_attributes(schema: &Schema, attributes: &mut Map<String, Json>) {
    if let Some(version) = schema.version {
        attributes.insert("connect.version".into(), version.into());
    }
    if !schema.parameters.is_empty() {
        let parameters = schema.parameters.iter().map(|(k, v)| (k.clone(), v.clone().into()));
        attributes.insert("connect.parameters".into(), Json::Object(parameters.collect()));
    }
    if let Some(default) = &schema.default {
        attributes.insert("connect.default".into(), json_of(default));
    }
    if let Some(name) = &schema.name {
        attributes.insert("connect.name".into(), name.clone().into());
    }
}

fn default_of(schema: &Schema) -> Option<Json> {
    match (&schema.default, schema.optional) {
        (Some(default), _) => Some(json_of(default)),
        (None, true) => Some(Json::Null),
        (None, false) => None,
    }
}

fn number_parameter(schema: &Schema, name: &str) -> Json {
    let text = schema.parameters.iter().find(|(parameter, _)| parameter == name);
    text.and_then(|(_, value)| value.parse::<u32>().ok()).unwrap_or_default().into()
}

fn base_type(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int16 | Kind::Int32 => "int",
        Kind::Int64 => "long",
        Kind::Float32 => "float",
        Kind::Float64 => "double",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Struct(_) => "record",
    }
}

/// A default as Avro writes it in a schema: bytes are text of one character each.
fn json_of(value: &Value) -> Json {
    match value {
        Value::Null | Value::Struct(_) => Json::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Int32(value) => (*value).into(),
        Value::Int64(value) => (*value).into(),
        Value::Float32(value) => (*value).into(),
        Value::Float64(value) => (*value).into(),
        Value::String(value) => value.clone().into(),
        Value::Bytes(value) => {
            value.iter().map(|byte| char::from(*byte)).collect::<String>().into()
        }
    }
}
