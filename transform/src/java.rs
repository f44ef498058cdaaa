//! What Java does and Rust does otherwise: names of classes, decimals, patterns of dates.

pub(crate) mod date_format;
pub(crate) mod decimal;
pub(crate) mod number;
pub(crate) mod pattern;

use schema::value::{Kind, Schema, Value};

use crate::error::Failure;
use crate::schemas::logical;

/// The Java class of a value, for messages.
pub(crate) fn class_of(schema: Option<&Schema>, value: &Value) -> &'static str {
    let is = |name| logical::is(schema, name);
    let kind = schema.map(|schema| &schema.kind);
    match value {
        Value::Null => "null",
        Value::Date(_) => "java.util.Date",
        Value::Int32(_) | Value::Int64(_)
            if is(logical::DATE) || is(logical::TIME) || is(logical::TIMESTAMP) =>
        {
            "java.util.Date"
        }
        Value::Bytes(_) if is(logical::DECIMAL) => "java.math.BigDecimal",
        Value::Boolean(_) => "java.lang.Boolean",
        Value::Int32(_) if kind == Some(&Kind::Int8) => "java.lang.Byte",
        Value::Int32(_) if kind == Some(&Kind::Int16) => "java.lang.Short",
        Value::Int32(_) => "java.lang.Integer",
        Value::Int64(_) => "java.lang.Long",
        Value::Float32(_) => "java.lang.Float",
        Value::Float64(_) => "java.lang.Double",
        Value::String(_) => "java.lang.String",
        Value::Bytes(_) => "[B",
        Value::Array(_) => "java.util.ArrayList",
        Value::Map(_) => "java.util.HashMap",
        Value::Struct(_) => "org.apache.kafka.connect.data.Struct",
    }
}

/// An object without a schema, or Connect's refusal.
pub(crate) fn require_map<'a>(
    value: &'a Value,
    purpose: &str,
) -> Result<&'a [(Value, Value)], Failure> {
    if let Value::Map(entries) = value {
        return Ok(entries);
    }
    let found = class_of(None, value);
    Err(Failure::data(format!(
        "Only Map objects supported in absence of schema for [{purpose}], found: {found}"
    )))
}

/// Connect's refusal of anything but a struct.
pub(crate) fn no_struct(schema: &Schema, value: &Value, purpose: &str) -> Failure {
    let found = class_of(Some(schema), value);
    Failure::data(format!("Only Struct objects supported for [{purpose}], found: {found}"))
}

/// A value of an object without a schema; null if it is not there.
pub(crate) fn lookup<'a>(entries: &'a [(Value, Value)], name: &str) -> &'a Value {
    let found = entries.iter().find(|(key, _)| is_name(key, name));
    found.map_or(&Value::Null, |(_, value)| value)
}

/// Puts a value into an object without a schema.
pub(crate) fn put(entries: &mut Vec<(Value, Value)>, name: &str, value: Value) {
    match entries.iter_mut().find(|(key, _)| is_name(key, name)) {
        Some((_, old)) => *old = value,
        None => entries.push((Value::String(name.to_owned()), value)),
    }
}

/// Whether a key of a map is this text.
pub(crate) fn is_name(key: &Value, name: &str) -> bool {
    if let Value::String(key) = key { key == name } else { false }
}
