//! Keys in headers, and what schemas tell of a column's type in MySQL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

use super::{ColumnChoice, ColumnPlan, PlanError, Row};
use crate::table::Column;
use crate::types::{ColumnType, Fidelity};
use crate::value::Value;

/// Appends a key as Connect's `SimpleHeaderConverter` prints it: JSON.
pub(super) fn write_json(
    columns: &[ColumnPlan],
    row: &impl Row,
    out: &mut Vec<u8>,
) -> Result<(), PlanError> {
    let mut object = Map::new();
    for column in columns {
        object.insert(column.name.clone(), json(column.generic(row)?));
    }
    out.extend_from_slice(Json::Object(object).to_string().as_bytes());
    Ok(())
}

/// A value as a header has it: text as it is, else JSON. NULL is none.
pub(super) fn header_text(value: Value) -> Option<String> {
    if let Value::String(text) = value {
        return Some(text);
    }
    (value != Value::Null).then(|| json(value).to_string())
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => value.into(),
        Value::Int32(value) => value.into(),
        Value::Int64(value) => value.into(),
        Value::Float32(value) => value.into(),
        Value::Float64(value) => value.into(),
        Value::String(value) => value.into(),
        Value::Bytes(value) => STANDARD.encode(value).into(),
        Value::Date(millis) => millis.into(),
        Value::Map(entries) => entries
            .into_iter()
            .map(|(key, value)| [json(key), json(value)].into_iter().collect::<Json>())
            .collect(),
        Value::Array(values) | Value::Struct(values) => values.into_iter().map(json).collect(),
    }
}

/// The parameters by which `column.propagate.source.type` tells a column's type.
pub(super) fn source_parameters(
    column: &Column,
    choice: &ColumnChoice,
    fidelity: Fidelity,
) -> Vec<(String, String)> {
    let Some(declaration) = &column.declaration else { return Vec::new() };
    let parameter = |name: &str, value: String| (format!("__debezium.source.column.{name}"), value);
    let mut parameters = vec![parameter("type", declaration.type_name())];
    let has_members =
        matches!(column.column_type, ColumnType::Enum { .. } | ColumnType::Set { .. });
    let length = if has_members {
        column.declared_length().map(|length| (length.to_string(), None))
    } else {
        declaration.size()
    };
    if let Some((length, scale)) = length {
        parameters.push(parameter("length", length));
        parameters.extend(scale.map(|scale| parameter("scale", scale)));
    }
    if choice.commented && !declaration.comment.is_empty() {
        parameters.push(parameter("comment", declaration.comment_for(fidelity)));
    }
    parameters.push(parameter("name", column.name.clone()));
    parameters
}
