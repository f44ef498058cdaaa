//! Connect's data as text: what `StringConverter` and `SimpleHeaderConverter` make of them.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schema::avro::java_decimal;
use schema::calendar::timestamp_text;
use schema::value::{Kind, Schema, Value};
use transform::{Part, json_of};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Names of Connect's types that Java has objects for.
const OBJECTS: [&str; 4] = [
    "org.apache.kafka.connect.data.Date",
    "org.apache.kafka.connect.data.Time",
    "org.apache.kafka.connect.data.Timestamp",
    "org.apache.kafka.connect.data.Decimal",
];

/// As Java's `toString`, which `StringConverter` takes: a text as it is. What Java prints an address
/// for, or a form that hangs on the machine, is refused.
pub(super) fn java_text(schema: Option<&Schema>, value: &Value) -> Result<String, &'static str> {
    let mut text = String::new();
    put(schema, value, &mut text)?;
    Ok(text)
}

fn put(schema: Option<&Schema>, value: &Value, out: &mut String) -> Result<(), &'static str> {
    let name = schema.and_then(|schema| schema.name.as_deref());
    if *value != Value::Null && name.is_some_and(|name| OBJECTS.contains(&name)) {
        return Err("a date, time or decimal has no text of its own; cast it before");
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(truth) => display(out, truth),
        Value::Int32(number) => display(out, number),
        Value::Int64(number) => display(out, number),
        Value::Float32(number) => out.push_str(&java_decimal((*number).into(), number)),
        Value::Float64(number) => out.push_str(&java_decimal(*number, number)),
        Value::String(text) => out.push_str(text),
        Value::Bytes(_) => return Err("bytes have no text; choose ByteArrayConverter"),
        Value::Date(_) => return Err("a date has no text of its own; cast it before"),
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

/// A header's value, as `SimpleHeaderConverter` writes it.
pub(super) fn header(part: &Part) -> Option<Vec<u8>> {
    let schema = part.schema.as_deref();
    let semantic = schema.and_then(|schema| schema.name.as_deref());
    let text = match &part.value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Int32(days) if semantic == Some(OBJECTS[0]) => moment(i64::from(*days) * DAY_MS),
        Value::Int32(ms) if semantic == Some(OBJECTS[1]) => moment(i64::from(*ms)),
        Value::Int64(ms) if semantic == Some(OBJECTS[2]) => moment(*ms),
        Value::Date(ms) => moment(*ms),
        Value::Int32(number) => number.to_string(),
        Value::Int64(number) => number.to_string(),
        Value::Float32(number) => java_decimal((*number).into(), number),
        Value::Float64(number) => java_decimal(*number, number),
        Value::Bytes(bytes) => STANDARD.encode(bytes),
        Value::Array(_) | Value::Map(_) | Value::Struct(_) => {
            json_of(schema, &part.value).map(|json| json.to_string()).unwrap_or_default()
        }
    };
    Some(text.into_bytes())
}

/// As `Values.dateFormatFor`: a time of the first day, a date if it is midnight, else both.
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
pub(super) fn kind_name(kind: &Kind) -> &'static str {
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
