//! `Cast`: fields, or the whole, of another type.
//!
//! Numbers are narrowed as Java does it: bits that do not fit are lost without an error. Only a text
//! that is no such number is refused.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schema::value::{Field, Kind, Schema, Value};

use super::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::java::date_format::DateFormat;
use crate::java::number::Number;
use crate::java::{class_of, lookup, no_struct, put, require_map};
use crate::options::Options;
use crate::record::{Part, Record, Side};
use crate::schemas::{SchemaCache, StructRef, fields_of, logical, read, with_fields};

const DAY_MS: i64 = 86_400_000;

struct Cast {
    side: Side,
    /// The type of the whole.
    whole: Option<Kind>,
    /// Names of fields and their types.
    fields: Vec<(String, Kind)>,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

const TYPES: [(&str, Option<Kind>); 12] = [
    ("int8", Some(Kind::Int8)),
    ("int16", Some(Kind::Int16)),
    ("int32", Some(Kind::Int32)),
    ("int64", Some(Kind::Int64)),
    ("float32", Some(Kind::Float32)),
    ("float64", Some(Kind::Float64)),
    ("boolean", Some(Kind::Boolean)),
    ("string", Some(Kind::String)),
    // Types of Connect that nothing can be cast to.
    ("bytes", None),
    ("array", None),
    ("map", None),
    ("struct", None),
];

const OUTPUTS: &str = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]";
const INPUTS: &str = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]";

pub(super) fn make(
    side: Side,
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let spec = options.required_list("spec")?;
    if spec.is_empty() {
        return Err(options.problem("spec", "Must specify at least one field to cast."));
    }
    let (mut whole, mut fields) = (None, Vec::new());
    for entry in &spec {
        let parts: Vec<_> = entry.split(':').map(str::trim).collect();
        match parts.as_slice() {
            [kind] => whole = Some(kind_named(kind, options)?),
            [name, kind] => fields.push(((*name).to_owned(), kind_named(kind, options)?)),
            _ => {
                let all = format!("[{}]", spec.join(", "));
                return Err(options.invalid(
                    "spec",
                    &all,
                    &format!("Invalid rename mapping: {entry}"),
                ));
            }
        }
    }
    if whole.is_some() && spec.len() > 1 {
        let problem = "Cast transformations that specify a type to cast the entire value to may only \
                       specify a single cast in their spec";
        return Err(options.problem("spec", problem));
    }
    let defaults = options.defaults()?;
    Ok(Box::new(Cast { side, whole, fields, defaults, schemas: SchemaCache::default() }))
}

fn kind_named(name: &str, options: &Options<'_>) -> Result<Kind, ConfigProblem> {
    let lower = name.to_ascii_lowercase();
    let known = TYPES.iter().find(|(word, _)| *word == lower);
    match known {
        Some((_, Some(kind))) => Ok(kind.clone()),
        Some((_, None)) => Err(options.problem(
            "spec",
            format!(
                "Cast transformation does not support casting to {}; supported types are {OUTPUTS}",
                name.to_ascii_uppercase()
            ),
        )),
        None => Err(options.problem("spec", format!("Invalid type found in casting spec: {name}"))),
    }
}

impl Transform for Cast {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let part = self.side.of_mut(&mut record);
        let Part { schema, value } = &*part;
        if *value == Value::Null {
            return Ok(Some(record));
        }
        *part = match (schema, &self.whole) {
            (None, Some(kind)) => Part::free(cast(None, value, kind)?),
            (None, None) => {
                let old = require_map(value, "cast types")?;
                let mut entries = old.to_vec();
                for (name, _) in &self.fields {
                    let kind = self.kind_of(name).unwrap_or(&Kind::String);
                    put(&mut entries, name, cast(None, lookup(old, name), kind)?);
                }
                Part::free(Value::Map(entries))
            }
            (Some(schema), Some(kind)) => {
                let new = self.schemas.get(schema, |old| whole_schema(old, kind))?;
                Part::new(new, cast(Some(schema), value, kind)?)
            }
            (Some(schema), None) => {
                fields_of(schema)?;
                let found = StructRef::of(schema, value)
                    .ok_or_else(|| no_struct(schema, value, "cast types"))?;
                let values = found.iter().map(|(field, value)| {
                    let value = read(field, value, self.defaults);
                    match self.kind_of(&field.name) {
                        Some(kind) => cast(Some(&field.schema), &value, kind),
                        None => Ok(value),
                    }
                });
                let values = values.collect::<Result<_, _>>()?;
                let casts = &self.fields;
                let new = self.schemas.get(schema, |old| struct_schema(old, casts))?;
                Part::new(new, Value::Struct(values))
            }
        };
        Ok(Some(record))
    }
}

impl Cast {
    fn kind_of(&self, name: &str) -> Option<&Kind> {
        kind_of(&self.fields, name)
    }
}

fn kind_of<'a>(casts: &'a [(String, Kind)], name: &str) -> Option<&'a Kind> {
    casts.iter().rev().find(|(field, _)| field == name).map(|(_, kind)| kind)
}

fn whole_schema(old: &Schema, kind: &Kind) -> Result<Arc<Schema>, Failure> {
    // Connect's keeps the name of a date even on a text, which its converters then refuse.
    let is_logical = [logical::DATE, logical::TIME, logical::TIMESTAMP, logical::DECIMAL]
        .iter()
        .any(|name| logical::is(Some(old), name));
    let default = old.default.as_ref().map(|default| cast(Some(old), default, kind)).transpose()?;
    let basis = Schema { kind: kind.clone(), default, ..old.clone() };
    if !is_logical {
        return Ok(Arc::new(basis));
    }
    Ok(Arc::new(Schema { name: None, version: None, parameters: Vec::new(), ..basis }))
}

fn struct_schema(old: &Schema, casts: &[(String, Kind)]) -> Result<Arc<Schema>, Failure> {
    let fields = fields_of(old)?.iter().map(|field| {
        let Some(kind) = kind_of(casts, &field.name) else { return Ok(field.clone()) };
        let old = &field.schema;
        let default = old.default.as_ref().map(|value| cast(Some(old), value, kind)).transpose()?;
        let new = Schema { optional: old.optional, default, ..Schema::new(kind.clone()) };
        Ok(Field::new(&field.name, new))
    });
    with_fields(old, fields.collect::<Result<_, Failure>>()?)
}

/// A value of another type.
fn cast(schema: Option<&Schema>, value: &Value, target: &Kind) -> Result<Value, Failure> {
    let refused = |what: &str| {
        Failure::data(format!(
            "Cast transformation does not support casting from {what}; supported types are {INPUTS}"
        ))
    };
    match value {
        Value::Null => return Ok(Value::Null),
        Value::Array(_) => return Err(refused("ARRAY")),
        Value::Map(_) => return Err(refused("MAP")),
        Value::Struct(_) => return Err(refused("STRUCT")),
        Value::Date(_) => {
            let problem = "Cast transformation was passed a value of type class java.util.Date which is \
                           not supported by Connect's data API";
            return Err(Failure::data(problem));
        }
        Value::Boolean(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::String(_)
        | Value::Bytes(_) => {}
    }
    if *target == Kind::String {
        return Ok(Value::String(text(schema, value)));
    }
    if let Some(number) = Number::of(schema, value) {
        return Ok(number.to_kind(target));
    }
    if let Value::Boolean(truth) = value {
        return Ok(Number::Whole((*truth).into()).to_kind(target));
    }
    if let Value::String(text) = value {
        return parse(text, target);
    }
    let class = class_of(schema, value);
    Err(Failure::data(format!("Unexpected type in Cast transformation: class {class}")))
}

/// What `toString` makes of a value, of times what Connect makes.
fn text(schema: Option<&Schema>, value: &Value) -> String {
    let name = schema.and_then(|schema| schema.name.as_deref());
    let millis = match (name, value) {
        (Some(logical::DATE), Value::Int32(days)) => Some(i64::from(*days) * DAY_MS),
        (Some(logical::TIME), Value::Int32(millis)) => Some((*millis).into()),
        (Some(logical::TIMESTAMP), Value::Int64(millis)) => Some(*millis),
        _ => None,
    };
    if let Some(millis) = millis {
        // Connect tells the forms apart by the value, whatever its type.
        let pattern = match millis {
            _ if millis < DAY_MS => "HH:mm:ss.SSS'Z'",
            _ if millis % DAY_MS == 0 => "yyyy-MM-dd",
            _ => "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
        };
        return DateFormat::new(pattern).map(|format| format.format(millis)).unwrap_or_default();
    }
    match (Number::of(schema, value), value) {
        (Some(number), _) => number.text(),
        (None, Value::String(text)) => text.clone(),
        (None, Value::Boolean(truth)) => truth.to_string(),
        (None, Value::Bytes(bytes)) => STANDARD.encode(bytes),
        (None, _) => String::new(),
    }
}

fn parse(text: &str, target: &Kind) -> Result<Value, Failure> {
    let int = |least: i32, most: i32| {
        text.parse::<i32>().ok().filter(|n| (least..=most).contains(n)).map(Value::Int32)
    };
    let value = match target {
        Kind::Boolean => Some(Value::Boolean(text.eq_ignore_ascii_case("true"))),
        Kind::Int8 => int(i8::MIN.into(), i8::MAX.into()),
        Kind::Int16 => int(i16::MIN.into(), i16::MAX.into()),
        Kind::Int32 => int(i32::MIN, i32::MAX),
        Kind::Float32 => Number::parse_float(text).map(Value::Float32),
        Kind::Float64 => Number::parse_double(text).map(Value::Float64),
        Kind::Int64
        | Kind::String
        | Kind::Bytes
        | Kind::Array(_)
        | Kind::Map(..)
        | Kind::Struct(_) => text.parse().ok().map(Value::Int64),
    };
    value.ok_or_else(|| Failure::data("Value was out of range for requested data type"))
}
