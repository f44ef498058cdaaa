//! `MaskField`: a value that says nothing instead of one that does.

use schema::value::{Kind, Schema, Value};

use super::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::fold::{Folded, Origin, Row, nulls_stay};
use crate::java::decimal::Decimal;
use crate::java::number::Number;
use crate::java::{class_of, lookup, no_struct, put, require_map};
use crate::options::Options;
use crate::record::{Part, Record, Side};
use crate::schemas::{StructRef, logical, read};

const PURPOSE: &str = "mask fields";

struct MaskField {
    side: Side,
    fields: Vec<String>,
    replacement: Option<String>,
    defaults: bool,
}

pub(super) fn make(
    side: Side,
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let fields = options.non_empty_list("fields")?;
    let replacement = options.text("replacement");
    if replacement.as_deref() == Some("") {
        return Err(options.invalid("replacement", "", "String must be non-empty"));
    }
    Ok(Box::new(MaskField { side, fields, replacement, defaults: options.defaults()? }))
}

impl Transform for MaskField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let part = self.side.of_mut(&mut record);
        let Part { schema, value } = &*part;
        part.value = match schema {
            None => {
                let mut entries = require_map(value, PURPOSE)?.to_vec();
                for name in &self.fields {
                    let masked = self.mask(None, lookup(&entries, name))?;
                    put(&mut entries, name, masked);
                }
                Value::Map(entries)
            }
            Some(schema) => {
                let found = StructRef::of(schema, value)
                    .ok_or_else(|| no_struct(schema, value, PURPOSE))?;
                let values = found.iter().map(|(field, value)| {
                    let value = read(field, value, self.defaults);
                    let is_masked = self.fields.contains(&field.name);
                    if is_masked { self.mask(Some(&field.schema), &value) } else { Ok(value) }
                });
                Value::Struct(values.collect::<Result<_, _>>()?)
            }
        };
        Ok(Some(record))
    }

    fn fold(&self, mut row: Row) -> Option<Row> {
        if self.side != Side::Value || !nulls_stay(&row.fields, self.defaults) {
            return None;
        }
        let masked = |field: Folded| {
            if !self.fields.contains(&field.name) {
                return Some(field);
            }
            let (Origin::Row(column) | Origin::Masked(column, _)) = field.origin else {
                return None;
            };
            // What a value becomes, if it is not null, hangs on its type alone.
            let value = self.mask(Some(&field.schema), &any_of(&field.schema.kind)).ok()?;
            Some(Folded { origin: Origin::Masked(column, value), ..field })
        };
        let fields = std::mem::take(&mut row.fields);
        let fields = fields.into_iter().map(masked).collect::<Option<_>>()?;
        row.with(fields)
    }
}

impl MaskField {
    fn mask(&self, schema: Option<&Schema>, value: &Value) -> Result<Value, Failure> {
        if *value == Value::Null {
            return Ok(Value::Null);
        }
        let class = class_of(schema, value);
        match &self.replacement {
            None => nothing(schema, value)
                .ok_or_else(|| Failure::data(format!("Cannot mask value of type: class {class}"))),
            Some(text) => replace(schema, value, text),
        }
    }
}

/// The value of a type that says nothing.
fn nothing(schema: Option<&Schema>, value: &Value) -> Option<Value> {
    Some(match value {
        Value::Boolean(_) => Value::Boolean(false),
        Value::Int32(_) => Value::Int32(0),
        Value::Int64(_) => Value::Int64(0),
        Value::Float32(_) => Value::Float32(0.0),
        Value::Float64(_) => Value::Float64(0.0),
        Value::String(_) => Value::String(String::new()),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(Vec::new()),
        Value::Date(_) => Value::Date(0),
        // Connect writes a zero without digits after the point, which its converters then refuse.
        Value::Bytes(_) if logical::is(schema, logical::DECIMAL) => Value::Bytes(vec![0]),
        Value::Bytes(_) | Value::Struct(_) | Value::Null => return None,
    })
}

/// Some value of a type that is not null.
fn any_of(kind: &Kind) -> Value {
    match kind {
        Kind::Boolean => Value::Boolean(true),
        Kind::Int8 | Kind::Int16 | Kind::Int32 => Value::Int32(1),
        Kind::Int64 => Value::Int64(1),
        Kind::Float32 => Value::Float32(1.0),
        Kind::Float64 => Value::Float64(1.0),
        Kind::String => Value::String(String::new()),
        Kind::Bytes => Value::Bytes(Vec::new()),
        Kind::Array(_) => Value::Array(Vec::new()),
        Kind::Map(..) => Value::Map(Vec::new()),
        Kind::Struct(_) => Value::Struct(Vec::new()),
    }
}

fn replace(schema: Option<&Schema>, value: &Value, text: &str) -> Result<Value, Failure> {
    let class = class_of(schema, value);
    if class == "java.lang.String" {
        return Ok(Value::String(text.to_owned()));
    }
    if class == "java.math.BigDecimal" {
        let scale = schema.map(Decimal::scale_of).unwrap_or_default();
        let refused = || {
            Failure::data(format!("Unable to convert {text} (class java.lang.String) to number"))
        };
        return Ok(Value::Bytes(Decimal::parse(text, scale).ok_or_else(refused)?));
    }
    let kind = match value {
        Value::Int32(_) if class != "java.util.Date" => {
            schema.map_or(Kind::Int32, |schema| schema.kind.clone())
        }
        Value::Int64(_) if class != "java.util.Date" => Kind::Int64,
        Value::Float32(_) => Kind::Float32,
        Value::Float64(_) => Kind::Float64,
        Value::Int32(_)
        | Value::Int64(_)
        | Value::Null
        | Value::Boolean(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Array(_)
        | Value::Map(_)
        | Value::Date(_)
        | Value::Struct(_) => {
            return Err(Failure::data(format!(
                "Cannot mask value of type class {class} with custom replacement."
            )));
        }
    };
    let number = text.parse::<i64>().map(Number::Whole).ok();
    let number = number.or_else(|| Number::parse_double(text).map(Number::Double));
    let number = number.ok_or_else(|| {
        Failure::data(format!("Unable to convert {text} (class java.lang.String) to a number"))
    })?;
    Ok(number.to_kind(&kind))
}
