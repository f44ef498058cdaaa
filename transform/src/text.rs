//! Connect's data as text, in the two forms that its converters have: Java's `toString` and Connect's
//! `Values.convertToString`; and as the bytes that they are.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schema::avro::java_decimal;
use schema::calendar::timestamp_text;
use schema::value::{Kind, Schema, Value};

use crate::java::decimal::Decimal;
use crate::record::Part;
use crate::schemas::logical;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Types of Connect whose Java text hangs on the machine.
const LOCAL: [&str; 3] = [logical::DATE, logical::TIME, logical::TIMESTAMP];

/// The bytes that `ByteArrayConverter` makes, none of a null. Those of a decimal are a number in Java,
/// and no array.
///
/// # Errors
///
/// Returns what is refused, in Connect's words and without the value.
pub fn byte_array(part: &Part) -> Result<Option<&[u8]>, Box<str>> {
    let schema = part.schema.as_deref();
    if let Some(schema) = schema.filter(|schema| schema.kind != Kind::Bytes) {
        let kind = kind_name(&schema.kind);
        return Err(format!("Invalid schema type for ByteArrayConverter: {kind}").into());
    }
    if part.is_null() {
        return Ok(None);
    }
    if let (Value::Bytes(bytes), false) = (&part.value, logical::is(schema, logical::DECIMAL)) {
        return Ok(Some(bytes));
    }
    Err("ByteArrayConverter is not compatible with objects of this type".into())
}

/// As Java's `toString`, which `StringConverter` takes: a text as it is. What Java prints an address
/// for, or a form that hangs on the machine, is refused.
///
/// # Errors
///
/// Returns what is refused, without the value.
pub fn java_text(schema: Option<&Schema>, value: &Value) -> Result<String, &'static str> {
    let mut text = String::new();
    put(schema, value, &mut text)?;
    Ok(text)
}

fn put(schema: Option<&Schema>, value: &Value, out: &mut String) -> Result<(), &'static str> {
    let name = schema.and_then(|schema| schema.name.as_deref());
    if *value != Value::Null && name.is_some_and(|name| LOCAL.contains(&name)) {
        return Err("a date or time has no text of its own; cast it before");
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(truth) => display(out, truth),
        Value::Int32(number) => display(out, number),
        Value::Int64(number) => display(out, number),
        Value::Float32(number) => out.push_str(&java_decimal((*number).into(), number)),
        Value::Float64(number) => out.push_str(&java_decimal(*number, number)),
        Value::String(text) => out.push_str(text),
        Value::Bytes(bytes) => match schema.filter(|_| name == Some(logical::DECIMAL)) {
            Some(schema) => display(out, Decimal::new(bytes, Decimal::scale_of(schema))),
            None => return Err("bytes have no text; choose ByteArrayConverter"),
        },
        Value::Date(_) => return Err("a date or time has no text of its own; cast it before"),
        Value::Array(values) => {
            let entry = schema.and_then(|schema| {
                if let Kind::Array(entry) = &schema.kind { Some(&**entry) } else { None }
            });
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                put(entry, value, out)?;
            }
            out.push(']');
        }
        Value::Map(entries) => {
            let entry = schema.and_then(|schema| {
                if let Kind::Map(_, entry) = &schema.kind { Some(&**entry) } else { None }
            });
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                put(None, key, out)?;
                out.push('=');
                put(entry, value, out)?;
            }
            out.push('}');
        }
        Value::Struct(values) => put_struct(schema, values, out)?,
    }
    Ok(())
}

/// As `Struct.toString`: fields without a value are left out.
fn put_struct(
    schema: Option<&Schema>,
    values: &[Value],
    out: &mut String,
) -> Result<(), &'static str> {
    let Some(Kind::Struct(fields)) = schema.map(|schema| &schema.kind) else {
        return Err("a struct, and its schema is none");
    };
    out.push_str("Struct{");
    let there = fields.iter().zip(values).filter(|(_, value)| **value != Value::Null);
    for (index, (field, value)) in there.enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str(&field.name);
        out.push('=');
        put(Some(&field.schema), value, out)?;
    }
    out.push('}');
    Ok(())
}

fn display(out: &mut String, value: impl std::fmt::Display) {
    // Writing into a String cannot fail.
    write!(out, "{value}").unwrap_or_default();
}

/// As Connect's `Values.convertToString`: what [`crate::values::parse`] reads. None for null.
pub(crate) fn connect_text(part: &Part) -> Option<String> {
    if part.is_null() {
        return None;
    }
    if let Value::String(text) = &part.value {
        return Some(text.clone());
    }
    let mut text = String::new();
    append(part.schema.as_deref(), &part.value, &mut text);
    // Only within another value bytes are in quotes.
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    Some(bare.map(str::to_owned).unwrap_or(text))
}

/// The text of a value without a schema within another one. Two values have one only if they are equal.
pub(crate) fn inner_text(value: &Value) -> String {
    let mut text = String::new();
    append(None, value, &mut text);
    text
}

/// A value within another one: texts are in quotes.
fn append(schema: Option<&Schema>, value: &Value, out: &mut String) {
    let semantic = schema.and_then(|schema| schema.name.as_deref());
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(truth) => display(out, truth),
        Value::Int32(days) if semantic == Some(logical::DATE) => {
            out.push_str(&moment(i64::from(*days) * DAY_MS));
        }
        Value::Int32(ms) if semantic == Some(logical::TIME) => out.push_str(&moment((*ms).into())),
        Value::Int64(ms) if semantic == Some(logical::TIMESTAMP) => out.push_str(&moment(*ms)),
        Value::Date(ms) => out.push_str(&moment(*ms)),
        Value::Int32(number) => display(out, number),
        Value::Int64(number) => display(out, number),
        Value::Float32(number) => out.push_str(&java_decimal((*number).into(), number)),
        Value::Float64(number) => out.push_str(&java_decimal(*number, number)),
        Value::String(text) => quoted(text, out),
        Value::Bytes(bytes) => match schema.filter(|_| semantic == Some(logical::DECIMAL)) {
            Some(schema) => display(out, Decimal::new(bytes, Decimal::scale_of(schema))),
            None => quoted(&STANDARD.encode(bytes), out),
        },
        Value::Array(values) => {
            let entry = schema.and_then(|schema| {
                if let Kind::Array(entry) = &schema.kind { Some(&**entry) } else { None }
            });
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                append(entry, value, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            let types = schema.and_then(|schema| {
                if let Kind::Map(keys, values) = &schema.kind { Some((keys, values)) } else { None }
            });
            let entries = entries.iter().map(|(key, value)| {
                let mut name = String::new();
                append(types.map(|(keys, _)| &**keys), key, &mut name);
                (name, types.map(|(_, values)| &**values), value)
            });
            append_entries(entries, out);
        }
        Value::Struct(values) => {
            let fields = schema.and_then(|schema| {
                if let Kind::Struct(fields) = &schema.kind { Some(fields) } else { None }
            });
            let fields = fields.into_iter().flatten().zip(values).map(|(field, value)| {
                let mut name = String::new();
                quoted(&field.name, &mut name);
                (name, Some(&field.schema), value)
            });
            append_entries(fields, out);
        }
    }
}

fn append_entries<'a>(
    entries: impl Iterator<Item = (String, Option<&'a Schema>, &'a Value)>,
    out: &mut String,
) {
    out.push('{');
    for (index, (name, schema, value)) in entries.enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str(&name);
        out.push(':');
        append(schema, value, out);
    }
    out.push('}');
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// As `Values.dateFormatFor`: a time of the first day or before, a date if it is midnight, else both.
fn moment(ms: i64) -> String {
    let text = timestamp_text(ms).unwrap_or_default();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    if ms < DAY_MS {
        time.to_owned()
    } else if ms % DAY_MS == 0 {
        date.to_owned()
    } else {
        text
    }
}

/// A type, as Java names it.
#[must_use]
pub(crate) fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean => "BOOLEAN",
        Kind::Int8 => "INT8",
        Kind::Int16 => "INT16",
        Kind::Int32 => "INT32",
        Kind::Int64 => "INT64",
        Kind::Float32 => "FLOAT32",
        Kind::Float64 => "FLOAT64",
        Kind::String => "STRING",
        Kind::Bytes => "BYTES",
        Kind::Array(_) => "ARRAY",
        Kind::Map(..) => "MAP",
        Kind::Struct(_) => "STRUCT",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn bytes_are_taken_and_what_only_looks_like_bytes_is_refused() {
        let part =
            |schema: Option<Schema>, value: Value| Part { schema: schema.map(Arc::new), value };
        let bytes = || Value::Bytes(vec![1, 2]);

        for schema in [None, Some(Schema::new(Kind::Bytes))] {
            assert_eq!(byte_array(&part(schema.clone(), bytes())), Ok(Some(&[1, 2][..])));
            assert_eq!(byte_array(&part(schema, Value::Null)), Ok(None));
        }

        let decimal = Schema::semantic(Kind::Bytes, logical::DECIMAL);
        let refusal = byte_array(&part(Some(decimal), bytes())).unwrap_err();
        assert!(refusal.contains("objects of this type"), "{refusal}");
        let null = part(Some(Schema::new(Kind::String)), Value::Null);
        let refusal = byte_array(&null).unwrap_err();
        assert!(refusal.ends_with("ByteArrayConverter: STRING"), "{refusal}");
        assert!(byte_array(&part(None, Value::Int32(1))).is_err());
    }
}
