//! A payload as Avro bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::decimal::unscaled;
use super::error::{JsonError, JsonProblem};
use super::object;
use super::schema::{Kind, Type};
use crate::avro::{put_bytes, put_count, put_long};

/// Appends a value.
pub(super) fn value(of: &Type, json: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
    if of.optional {
        let is_null = json == "null";
        put_long(i64::from(!is_null), out);
        if is_null {
            return Ok(());
        }
        return present(&of.kind, json, out);
    }
    // Null is what the writer of a field without a value leaves.
    match (json, &of.default) {
        ("null", Some(default)) => present(&of.kind, default, out),
        ("null", None) => Err(JsonError::whole(JsonProblem::Missing)),
        _ => present(&of.kind, json, out),
    }
}

fn present(kind: &Kind, json: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
    match kind {
        Kind::Boolean => match json {
            "true" => out.push(1),
            "false" => out.push(0),
            _ => return Err(wrong("boolean")),
        },
        Kind::Whole(least, most) => {
            let number: i64 = json.parse().map_err(|_| wrong("whole number of its size"))?;
            if !(*least..=*most).contains(&number) {
                return Err(wrong("whole number of its size"));
            }
            put_long(number, out);
        }
        Kind::Float => {
            let number: f32 = number(json).ok_or_else(|| wrong("number"))?;
            out.extend_from_slice(&number.to_le_bytes());
        }
        Kind::Double => {
            let number: f64 = number(json).ok_or_else(|| wrong("number"))?;
            out.extend_from_slice(&number.to_le_bytes());
        }
        Kind::String => put_bytes(text(json)?.as_bytes(), out),
        Kind::Bytes => put_bytes(&base64(json)?, out),
        // `decimal.format`: BASE64, Connect's default, or NUMERIC.
        Kind::Decimal(_) if json.starts_with('"') => put_bytes(&base64(json)?, out),
        Kind::Decimal(scale) => {
            let digits = unscaled(json, *scale).ok_or_else(|| wrong("decimal of its scale"))?;
            put_bytes(&digits, out);
        }
        Kind::Array(entry) => array(entry, json, out)?,
        Kind::Map(entry) => map(entry, json, out)?,
        Kind::Struct(fields) => structure(fields, json, out)?,
    }
    Ok(())
}

fn array(entry: &Type, json: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let entries: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| wrong("array"))?;
    if !entries.is_empty() {
        put_count(entries.len(), out);
    }
    for json in entries {
        value(entry, json.get(), out)?;
    }
    put_long(0, out);
    Ok(())
}

fn map(entry: &Type, json: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let entries = object::fields(json)?;
    match entries.iter().count() {
        0 => {}
        count => put_count(count, out),
    }
    for (key, json) in entries.iter() {
        put_bytes(key.as_bytes(), out);
        value(entry, json.get(), out)?;
    }
    put_long(0, out);
    Ok(())
}

fn structure(fields: &[(Box<str>, Type)], json: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let found = object::fields(json)?;
    for (place, (name, of)) in fields.iter().enumerate() {
        let json = found.find(place, name).map_or("null", RawValue::get);
        value(of, json, out).map_err(|error| error.within(name))?;
    }
    Ok(())
}

/// A number, or one of the words that Jackson writes where JSON has no number.
fn number<N: std::str::FromStr>(json: &str) -> Option<N> {
    match json {
        "\"NaN\"" | "\"Infinity\"" | "\"-Infinity\"" => json.trim_matches('"').parse().ok(),
        _ if json.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) => {
            json.parse().ok()
        }
        _ => None,
    }
}

fn text(json: &str) -> Result<String, JsonError> {
    serde_json::from_str(json).map_err(|_| wrong("text"))
}

fn base64(json: &str) -> Result<Vec<u8>, JsonError> {
    STANDARD.decode(text(json)?).map_err(|_| wrong("text in base 64"))
}

fn wrong(expected: &'static str) -> JsonError {
    JsonError::whole(JsonProblem::WrongType { expected })
}
