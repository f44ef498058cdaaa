//! Connect's data as JSON, with and without a schema, as `JsonConverter` has them.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schema::value::{Field, Kind, Schema, Value};
use serde_json::{Map, Value as Json, json};

use crate::record::Part;

/// Deepest nesting, as of the other readers of JSON.
const DEPTH_MAX: usize = 64;

/// JSON is not what a schema says, or the other way round. Names the field, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", if path.is_empty() { (*what).to_owned() } else { format!("field `{path}`: {what}") })]
pub struct JsonProblem {
    path: String,
    what: &'static str,
}

impl JsonProblem {
    fn new(what: &'static str) -> Self {
        Self { path: String::new(), what }
    }

    fn within(self, field: &str) -> Self {
        let path =
            if self.path.is_empty() { field.to_owned() } else { format!("{field}.{}", self.path) };
        Self { path, ..self }
    }
}

/// Reads data by their schema; null is null, whatever the default.
///
/// # Errors
///
/// Returns [`JsonProblem`] when they are not of this schema.
pub fn part_of(schema: Option<&Arc<Schema>>, json: &Json) -> Result<Part, JsonProblem> {
    match schema {
        Some(schema) => Ok(Part::new(Arc::clone(schema), typed(schema, json)?)),
        None => Ok(Part::free(free(json, 0)?)),
    }
}

fn free(json: &Json, depth: usize) -> Result<Value, JsonProblem> {
    if depth > DEPTH_MAX {
        return Err(JsonProblem::new("nests deeper than 64 levels"));
    }
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Boolean(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int64(number),
            None => Value::Float64(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(entries) => Value::Array(
            entries.iter().map(|entry| free(entry, depth + 1)).collect::<Result<_, _>>()?,
        ),
        Json::Object(entries) => {
            let entries = entries.iter().map(|(name, value)| {
                let value = free(value, depth + 1).map_err(|problem| problem.within(name))?;
                Ok((Value::String(name.clone()), value))
            });
            Value::Map(entries.collect::<Result<_, JsonProblem>>()?)
        }
    })
}

fn typed(schema: &Schema, json: &Json) -> Result<Value, JsonProblem> {
    if json.is_null() {
        let is_allowed = schema.optional || schema.default.is_some();
        return is_allowed.then_some(Value::Null).ok_or(JsonProblem::new("is null, and required"));
    }
    let whole = |least: i64, most: i64| {
        let number = json.as_i64().filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| i32::try_from(number).ok()).map(Value::Int32);
        number.ok_or(JsonProblem::new("is no whole number of its size"))
    };
    let float = || {
        let words = [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", -f64::INFINITY)];
        let word = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, n)| *n);
        json.as_f64().or_else(|| word(json.as_str()?)).ok_or(JsonProblem::new("is no number"))
    };
    Ok(match &schema.kind {
        Kind::Boolean => Value::Boolean(json.as_bool().ok_or(JsonProblem::new("is no boolean"))?),
        Kind::Int8 => whole(i8::MIN.into(), i8::MAX.into())?,
        Kind::Int16 => whole(i16::MIN.into(), i16::MAX.into())?,
        Kind::Int32 => whole(i32::MIN.into(), i32::MAX.into())?,
        Kind::Int64 => Value::Int64(json.as_i64().ok_or(JsonProblem::new("is no whole number"))?),
        #[expect(clippy::cast_possible_truncation, reason = "a single was written as a number")]
        Kind::Float32 => Value::Float32(float()? as f32),
        Kind::Float64 => Value::Float64(float()?),
        Kind::String => {
            Value::String(json.as_str().ok_or(JsonProblem::new("is no text"))?.to_owned())
        }
        Kind::Bytes => {
            let bytes = json.as_str().and_then(|text| STANDARD.decode(text).ok());
            Value::Bytes(bytes.ok_or(JsonProblem::new("is no text in base 64"))?)
        }
        Kind::Array(entry) => {
            let entries = json.as_array().ok_or(JsonProblem::new("is no array"))?;
            Value::Array(entries.iter().map(|json| typed(entry, json)).collect::<Result<_, _>>()?)
        }
        Kind::Map(_, entry) => {
            let entries = json.as_object().ok_or(JsonProblem::new("is no object"))?.iter();
            let entries = entries.map(|(name, json)| {
                let value = typed(entry, json).map_err(|problem| problem.within(name))?;
                Ok((Value::String(name.clone()), value))
            });
            Value::Map(entries.collect::<Result<_, JsonProblem>>()?)
        }
        Kind::Struct(fields) => {
            let found = json.as_object().ok_or(JsonProblem::new("is no object"))?;
            let values = fields.iter().map(|field| {
                let json = found.get(&field.name).unwrap_or(&Json::Null);
                typed(&field.schema, json).map_err(|problem| problem.within(&field.name))
            });
            Value::Struct(values.collect::<Result<_, _>>()?)
        }
    })
}

/// The payload of data.
///
/// # Errors
///
/// Returns [`JsonProblem`] for a `java.util.Date` without a schema, which Connect does not write
/// either, and for data that are not of their schema.
pub fn json_of(schema: Option<&Schema>, value: &Value) -> Result<Json, JsonProblem> {
    let each = |schema: Option<&Schema>, values: &[Value]| {
        values.iter().map(|value| json_of(schema, value)).collect::<Result<Vec<_>, _>>()
    };
    let float = |number: f64, json: Json| match number {
        _ if number.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        _ => json,
    };
    Ok(match value {
        Value::Null => Json::Null,
        Value::Boolean(truth) => json!(truth),
        Value::Int32(number) => json!(number),
        Value::Int64(number) => json!(number),
        Value::Float32(number) => float((*number).into(), single(*number)),
        Value::Float64(number) => float(*number, json!(number)),
        Value::String(text) => json!(text),
        Value::Bytes(bytes) => json!(STANDARD.encode(bytes)),
        Value::Date(_) => {
            let what = "class java.util.Date does not have corresponding schema type";
            return Err(JsonProblem::new(what));
        }
        Value::Array(values) => {
            let entry = schema.and_then(|schema| {
                if let Kind::Array(entry) = &schema.kind { Some(&**entry) } else { None }
            });
            Json::Array(each(entry, values)?)
        }
        Value::Map(entries) => {
            let entry = schema.and_then(|schema| {
                if let Kind::Map(_, entry) = &schema.kind { Some(&**entry) } else { None }
            });
            let mut object = Map::new();
            for (key, value) in entries {
                let Value::String(name) = key else {
                    return Err(JsonProblem::new("has a map whose keys are no texts"));
                };
                let value = json_of(entry, value).map_err(|problem| problem.within(name))?;
                object.insert(name.clone(), value);
            }
            Json::Object(object)
        }
        Value::Struct(values) => {
            let Some(Kind::Struct(fields)) = schema.map(|schema| &schema.kind) else {
                return Err(JsonProblem::new("is a struct, and its schema is none"));
            };
            let mut object = Map::new();
            for (field, value) in fields.iter().zip(values) {
                let value = json_of(Some(&field.schema), value);
                object.insert(field.name.clone(), value.map_err(|p| p.within(&field.name))?);
            }
            Json::Object(object)
        }
    })
}

/// The fewest digits that tell a single from its neighbours, as Java prints it.
fn single(number: f32) -> Json {
    json!(number.to_string().parse::<f64>().unwrap_or_else(|_| number.into()))
}

/// Reads a schema in the form of Connect's `JsonConverter`.
///
/// # Errors
///
/// Returns [`JsonProblem`] when it is none.
pub fn schema_of(json: &Json) -> Result<Schema, JsonProblem> {
    let wrong = || JsonProblem::new("is not a schema of Kafka Connect");
    let text = |key: &str| json.get(key).and_then(Json::as_str);
    let part = |key: &str| schema_of(json.get(key).ok_or_else(wrong)?).map(Box::new);
    let kind = match text("type").ok_or_else(wrong)? {
        "boolean" => Kind::Boolean,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float" => Kind::Float32,
        "double" => Kind::Float64,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        "array" => Kind::Array(part("items")?),
        "map" => Kind::Map(part("keys")?, part("values")?),
        "struct" => {
            let fields = json.get("fields").and_then(Json::as_array).ok_or_else(wrong)?;
            let fields = fields.iter().map(|field| {
                let name = field.get("field").and_then(Json::as_str).ok_or_else(wrong)?;
                Ok(Field::new(name, schema_of(field).map_err(|problem| problem.within(name))?))
            });
            Kind::Struct(fields.collect::<Result<_, JsonProblem>>()?)
        }
        _ => return Err(wrong()),
    };
    let parameters = json.get("parameters").and_then(Json::as_object).into_iter().flatten();
    let parameters =
        parameters.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let mut schema = Schema {
        optional: json.get("optional").and_then(Json::as_bool).unwrap_or(false),
        name: text("name").map(str::to_owned),
        version: json.get("version").and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok()),
        doc: text("doc").map(str::to_owned),
        parameters: parameters.collect(),
        ..Schema::new(kind)
    };
    if let Some(default) = json.get("default").filter(|default| !default.is_null()) {
        schema.default = Some(typed(&schema, default)?);
    }
    Ok(schema)
}

/// A schema in the form of Connect's `JsonConverter`.
#[must_use]
pub fn schema_json(schema: &Schema) -> Json {
    let mut json = Map::new();
    json.insert("type".to_owned(), json!(type_name(&schema.kind)));
    match &schema.kind {
        Kind::Array(entry) => {
            json.insert("items".to_owned(), schema_json(entry));
        }
        Kind::Map(keys, values) => {
            json.insert("keys".to_owned(), schema_json(keys));
            json.insert("values".to_owned(), schema_json(values));
        }
        Kind::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                let mut json = schema_json(&field.schema);
                if let Json::Object(json) = &mut json {
                    json.insert("field".to_owned(), json!(field.name));
                }
                json
            });
            json.insert("fields".to_owned(), fields.collect());
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
    json.insert("optional".to_owned(), json!(schema.optional));
    let mut put = |key: &str, value: Option<Json>| {
        if let Some(value) = value {
            json.insert(key.to_owned(), value);
        }
    };
    put("name", schema.name.as_ref().map(|name| json!(name)));
    put("version", schema.version.map(|version| json!(version)));
    put("doc", schema.doc.as_ref().map(|doc| json!(doc)));
    let parameters = schema.parameters.iter().map(|(name, value)| (name.clone(), json!(value)));
    let parameters: Map<_, _> = parameters.collect();
    put("parameters", (!parameters.is_empty()).then_some(Json::Object(parameters)));
    let default = schema.default.as_ref();
    put("default", default.and_then(|default| json_of(Some(schema), default).ok()));
    Json::Object(json)
}

fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int8 => "int8",
        Kind::Int16 => "int16",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Float32 => "float",
        Kind::Float64 => "double",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Array(_) => "array",
        Kind::Map(..) => "map",
        Kind::Struct(_) => "struct",
    }
}

/// A schema as Java prints it: its name and its type.
pub(crate) fn schema_name(schema: &Schema) -> String {
    let kind = match schema.kind {
        Kind::Float32 => "FLOAT32".to_owned(),
        Kind::Float64 => "FLOAT64".to_owned(),
        Kind::Boolean
        | Kind::Int8
        | Kind::Int16
        | Kind::Int32
        | Kind::Int64
        | Kind::String
        | Kind::Bytes
        | Kind::Array(_)
        | Kind::Map(..)
        | Kind::Struct(_) => type_name(&schema.kind).to_uppercase(),
    };
    match &schema.name {
        Some(name) => format!("Schema{{{name}:{kind}}}"),
        None => format!("Schema{{{kind}}}"),
    }
}
