//! Connect's data as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schema::value::{Kind, Schema, Value};
use serde_json::json;

use super::write::is_name;
use super::{JsonSchemaOptions, is_union};
use crate::error::FormatError;
use crate::{DEPTH_MAX, decimal, names, parameter};

/// The text of a value.
pub(crate) fn text(
    schema: &Schema,
    value: &Value,
    options: JsonSchemaOptions,
) -> Result<String, FormatError> {
    let mut out = String::new();
    Writer { options }.value(schema, value, 0, &mut out)?;
    Ok(out)
}

#[derive(Clone, Copy)]
struct Writer {
    options: JsonSchemaOptions,
}

impl Writer {
    fn value(
        self,
        of: &Schema,
        value: &Value,
        depth: usize,
        out: &mut String,
    ) -> Result<(), FormatError> {
        if depth > DEPTH_MAX {
            return Err(FormatError::record("nests deeper than 64 levels"));
        }
        let default = of.default.as_ref().filter(|_| !self.options.ignores_defaults);
        let value = match (value, default) {
            (Value::Null, Some(default)) => default,
            (value, _) => value,
        };
        let is_number = self.options.numeric_decimals && of.name.as_deref() == Some(names::DECIMAL);
        match (&of.kind, value) {
            (_, Value::Null) if of.optional => out.push_str("null"),
            (_, Value::Null) => return Err(FormatError::record("is null, and required")),
            (_, Value::Boolean(truth)) => out.push_str(if *truth { "true" } else { "false" }),
            (_, Value::Int32(number)) => out.push_str(&number.to_string()),
            (_, Value::Int64(number) | Value::Date(number)) => out.push_str(&number.to_string()),
            (_, Value::Float32(number)) => float((*number).into(), &single(*number), out),
            (_, Value::Float64(number)) => float(*number, &json!(number).to_string(), out),
            (_, Value::String(text)) => string(text, out),
            (_, Value::Bytes(bytes)) if is_number => {
                let scale = parameter(of, names::SCALE).and_then(|scale| scale.parse().ok());
                out.push_str(&decimal::text(bytes, scale.unwrap_or_default()));
            }
            (_, Value::Bytes(bytes)) => string(&STANDARD.encode(bytes), out),
            (Kind::Array(each), Value::Array(values)) => {
                let all = values.iter().map(|value| (None, &**each, value));
                self.all(all, ('[', ']'), depth, out)?;
            }
            (Kind::Map(key, each), Value::Map(entries)) => {
                self.map((key, each), entries, depth, out)?;
            }
            (Kind::Struct(fields), Value::Struct(values)) if is_union(of) => {
                let mut both = fields.iter().zip(values);
                match both.find(|(_, value)| **value != Value::Null) {
                    Some((field, value)) => self.value(&field.schema, value, depth + 1, out)?,
                    None if of.optional => out.push_str("null"),
                    None => return Err(FormatError::record("is a choice without a value")),
                }
            }
            (Kind::Struct(fields), Value::Struct(values)) => {
                let both = fields.iter().zip(values);
                let all = both.map(|(field, value)| (Some(&*field.name), &field.schema, value));
                self.all(all, ('{', '}'), depth, out)?;
            }
            _ => return Err(FormatError::record("is not of its schema")),
        }
        Ok(())
    }

    /// The parts of an object or of an array.
    fn all<'a>(
        self,
        parts: impl Iterator<Item = (Option<&'a str>, &'a Schema, &'a Value)>,
        (open, close): (char, char),
        depth: usize,
        out: &mut String,
    ) -> Result<(), FormatError> {
        out.push(open);
        for (place, (name, of, value)) in parts.enumerate() {
            if place > 0 {
                out.push(',');
            }
            if let Some(name) = name {
                string(name, out);
                out.push(':');
            }
            let written = self.value(of, value, depth + 1, out);
            written.map_err(|error| name.map_or(error.clone(), |name| error.within(name)))?;
        }
        out.push(close);
        Ok(())
    }

    fn map(
        self,
        (key, each): (&Schema, &Schema),
        entries: &[(Value, Value)],
        depth: usize,
        out: &mut String,
    ) -> Result<(), FormatError> {
        if !is_name(key) {
            out.push('[');
            for (place, (found, value)) in entries.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                let entry = [(Some("key"), key, found), (Some("value"), each, value)];
                self.all(entry.into_iter(), ('{', '}'), depth + 1, out)?;
            }
            out.push(']');
            return Ok(());
        }
        let named = entries.iter().map(|(found, value)| {
            let Value::String(name) = found else {
                return Err(FormatError::record("has a map whose keys are no texts"));
            };
            Ok((Some(&**name), each, value))
        });
        let named: Vec<_> = named.collect::<Result<_, _>>()?;
        self.all(named.into_iter(), ('{', '}'), depth, out)
    }
}

fn string(text: &str, out: &mut String) {
    out.push_str(&json!(text).to_string());
}

/// A number, or the word that Jackson writes where JSON has none.
fn float(number: f64, text: &str, out: &mut String) {
    out.push_str(match number {
        _ if number.is_nan() => "\"NaN\"",
        f64::INFINITY => "\"Infinity\"",
        f64::NEG_INFINITY => "\"-Infinity\"",
        _ => text,
    });
}

/// The fewest digits that tell a single from its neighbours, as Java prints it.
fn single(number: f32) -> String {
    let double = number.to_string().parse::<f64>().unwrap_or_else(|_| number.into());
    json!(double).to_string()
}
