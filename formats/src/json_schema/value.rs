//! JSON as a value of Connect.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schema::connect_json::unscaled;
use schema::value::{Field, Kind, Schema, Value};
use serde_json::value::RawValue;

use super::number::{double, is_number, single, whole};
use super::{ANY, is_union};
use crate::error::FormatError;
use crate::{DEPTH_MAX, decimal, names, parameter};

type Object<'a> = BTreeMap<String, &'a RawValue>;

/// Reads one value; the text is JSON that does not nest too deep.
pub(super) fn of_text(of: &Schema, text: &str) -> Result<Value, FormatError> {
    let json: &RawValue =
        serde_json::from_str(text).map_err(|_| FormatError::record("is no JSON"))?;
    value(of, Some(json.get()))
}

/// Reads a value; `None` is one that is not there.
fn value(of: &Schema, json: Option<&str>) -> Result<Value, FormatError> {
    let Some(json) = json.filter(|json| *json != "null") else {
        return match &of.default {
            Some(default) => Ok(default.clone()),
            None if of.optional => Ok(Value::Null),
            None if json.is_some() => Err(FormatError::record("is null, and required")),
            None => {
                let what = "is not there, and its schema does not say that it may be null: set \
                            `use.optional.for.nonrequired` of the converter to true, or name null \
                            in the schema";
                Err(FormatError::record(what))
            }
        };
    };
    let range = |least: i64, most: i64| {
        let number = whole(json).filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| i32::try_from(number).ok()).map(Value::Int32);
        number.ok_or(FormatError::record("is no whole number of its size"))
    };
    let not = |what: &'static str| FormatError::record(what);
    Ok(match &of.kind {
        Kind::Boolean => Value::Boolean(match json {
            "true" => true,
            "false" => false,
            _ => return Err(not("is no boolean")),
        }),
        Kind::Int8 => range(i8::MIN.into(), i8::MAX.into())?,
        Kind::Int16 => range(i16::MIN.into(), i16::MAX.into())?,
        Kind::Int32 => range(i32::MIN.into(), i32::MAX.into())?,
        Kind::Int64 => Value::Int64(whole(json).ok_or(not("is no whole number"))?),
        Kind::Float32 => Value::Float32(single(json).ok_or(not("is no number"))?),
        Kind::Float64 => Value::Float64(double(json).ok_or(not("is no number"))?),
        Kind::String if parameter(of, ANY).is_some() => Value::String(json.to_owned()),
        Kind::String => Value::String(text(json).ok_or(not("is no text"))?),
        Kind::Bytes if of.name.as_deref() == Some(names::DECIMAL) && is_number(json) => {
            let scale = parameter(of, names::SCALE).and_then(|scale| scale.parse().ok());
            let bytes = unscaled(json, scale.unwrap_or_default());
            let bytes = bytes.and_then(|bytes| decimal::shortest(&bytes));
            Value::Bytes(bytes.ok_or(not("is no decimal of its scale"))?)
        }
        Kind::Bytes => {
            let bytes = text(json).and_then(|text| STANDARD.decode(text).ok());
            Value::Bytes(bytes.ok_or(not("is no text in base 64"))?)
        }
        Kind::Array(each) => {
            let parts: Vec<&RawValue> = parse(json).ok_or(not("is no array"))?;
            let values = parts.iter().map(|part| value(each, Some(part.get())));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        Kind::Map(key, each) => map(key, each, json)?,
        Kind::Struct(fields) if is_union(of) => choice(fields, json)?,
        Kind::Struct(fields) => {
            let parts: Object<'_> = parse(json).ok_or(not("is no object"))?;
            let values = fields.iter().map(|field| {
                let part = parts.get(&field.name).map(|part| part.get());
                value(&field.schema, part).map_err(|error| error.within(&field.name))
            });
            Value::Struct(values.collect::<Result<_, _>>()?)
        }
    })
}

fn map(key: &Schema, each: &Schema, json: &str) -> Result<Value, FormatError> {
    if key.kind == Kind::String && !key.optional {
        let parts: Object<'_> = parse(json).ok_or(FormatError::record("is no object"))?;
        let entries = parts.into_iter().map(|(name, part)| {
            let value = value(each, Some(part.get())).map_err(|error| error.within(&name))?;
            Ok((Value::String(name), value))
        });
        return Ok(Value::Map(entries.collect::<Result<_, FormatError>>()?));
    }
    let wrong = || FormatError::record("is no array of objects of `key` and `value`");
    let parts: Vec<Object<'_>> = parse(json).ok_or_else(wrong)?;
    let mut entries: Vec<(Value, Value)> = Vec::new();
    for part in parts {
        if part.len() != 2 {
            return Err(wrong());
        }
        let found = value(key, part.get("key").map(|key| key.get()))?;
        let of_it = value(each, part.get("value").map(|value| value.get()))?;
        match entries.iter_mut().find(|(known, _)| *known == found) {
            Some((_, known)) => *known = of_it,
            None => entries.push((found, of_it)),
        }
    }
    Ok(Value::Map(entries))
}

/// A choice: the first one of its type; of structs the one that has most of the fields.
fn choice(fields: &[Field], json: &str) -> Result<Value, FormatError> {
    let simple = fields.iter().position(|field| is_simple(&field.schema, json));
    let place = simple.or_else(|| {
        let matching = fields
            .iter()
            .enumerate()
            .map(|(place, field)| (matching(&field.schema, json, 0), std::cmp::Reverse(place)));
        matching.max().filter(|(count, _)| *count > 0).map(|(_, place)| place.0)
    });
    let chosen = place.and_then(|place| Some((place, fields.get(place)?)));
    let (place, field) =
        chosen.ok_or(FormatError::record("is none of the types that it may be"))?;
    let mut values = vec![Value::Null; fields.len()];
    if let Some(slot) = values.get_mut(place) {
        *slot = value(&field.schema, Some(json))?;
    }
    Ok(Value::Struct(values))
}

fn is_simple(of: &Schema, json: &str) -> bool {
    match &of.kind {
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
            is_number(json) && !json.contains(['.', 'e', 'E'])
        }
        Kind::Float32 | Kind::Float64 => is_number(json),
        Kind::Boolean => json == "true" || json == "false",
        Kind::String => parameter(of, ANY).is_some() || json.starts_with('"'),
        // Java looks for bytes and big decimals, which no text has; ours can at least be those.
        Kind::Bytes => json.starts_with('"') || is_number(json),
        Kind::Array(_) => json.starts_with('['),
        Kind::Map(..) => json.starts_with(['[', '{']),
        Kind::Struct(_) => false,
    }
}

/// How many of a struct's fields an object has, those of inner structs too.
fn matching(of: &Schema, json: &str, depth: usize) -> usize {
    let Kind::Struct(fields) = &of.kind else { return 0 };
    if depth > DEPTH_MAX {
        return 0;
    }
    let Some(parts) = parse::<Object<'_>>(json) else { return 0 };
    let both = fields.iter().filter_map(|field| Some((field, parts.get(&field.name)?)));
    both.map(|(field, part)| 1 + matching(&field.schema, part.get(), depth + 1)).sum()
}

fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

fn parse<'a, T: serde::Deserialize<'a>>(json: &'a str) -> Option<T> {
    serde_json::from_str(json).ok()
}
