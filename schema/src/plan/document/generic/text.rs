//! A value of the tree as JSON text, by what its type means.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::error::{PlanError, Problem};
use super::super::geometry::{is_geometry, is_on_earth, write_point, write_shape};
use super::super::skip::refuse_empty;
use super::super::value::unnamed;
use super::super::{DocumentOptions, GeometryForm, JsonForm};
use super::is_envelope;
use super::temporal::{date, date_time, time};
use crate::avro::{Datum, Field, Node, Shape};

/// Most bytes of a decimal's digits, and most zeros that its scale may add.
const DECIMAL_BYTES_MAX: usize = 64;
const SCALE_MAX: u64 = 200;

/// Refuses what no document can be made of.
pub(super) fn check_root(root: &Node) -> Result<(), PlanError> {
    let Some(fields) = root.fields() else { return Err(unsupported("", "no record")) };
    if !is_envelope(fields) {
        return check_fields(fields, "");
    }
    for field in fields {
        let node = field.node.optional().map_or(&*field.node, |(_, node)| node);
        match (&*field.name, node.fields()) {
            ("after", Some(columns)) => check_fields(columns, "")?,
            ("source", Some(_)) => check_entries(&field.node)?,
            ("after" | "source", _) => return Err(unsupported(&field.name, "no record")),
            _ => check_entries(&field.node)?,
        }
    }
    Ok(())
}

fn check_fields(fields: &[Field], path: &str) -> Result<(), PlanError> {
    fields.iter().try_for_each(|field| check(&field.node, &format!("{path}.{}", field.name)))
}

fn check(node: &Node, path: &str) -> Result<(), PlanError> {
    let Some((_, node)) = node.optional() else { return Err(unsupported(path, "a union")) };
    match &node.shape {
        Shape::Null | Shape::Union(_) => Err(unsupported(path, "null")),
        Shape::Array(entry) => {
            refuse_empty(entry, path)?;
            check(entry, path)
        }
        Shape::Map(entry) => check(entry, path),
        Shape::Record(fields) => check_fields(fields, path),
        Shape::Bytes | Shape::Fixed(_)
            if is_decimal(node) && !(0..=200).contains(&node.semantics.scale.unwrap_or(0)) =>
        {
            Err(unsupported(path, "a decimal of another scale"))
        }
        Shape::Boolean
        | Shape::Int
        | Shape::Long
        | Shape::Float
        | Shape::Double
        | Shape::Bytes
        | Shape::String
        | Shape::Fixed(_)
        | Shape::Enum(_) => Ok(()),
    }
}

/// What is passed over may be anything but an array of nothing.
fn check_entries(node: &Node) -> Result<(), PlanError> {
    match &node.shape {
        Shape::Array(entry) => {
            refuse_empty(entry, "")?;
            check_entries(entry)
        }
        Shape::Map(entry) => check_entries(entry),
        Shape::Record(fields) => fields.iter().try_for_each(|field| check_entries(&field.node)),
        Shape::Union(branches) => branches.iter().try_for_each(|branch| check_entries(branch)),
        Shape::Null
        | Shape::Boolean
        | Shape::Int
        | Shape::Long
        | Shape::Float
        | Shape::Double
        | Shape::Bytes
        | Shape::String
        | Shape::Fixed(_)
        | Shape::Enum(_) => Ok(()),
    }
}

fn unsupported(path: &str, found: &'static str) -> PlanError {
    let path = path.trim_start_matches('.').to_owned();
    PlanError::Unsupported { path, found: found.into(), expected: "a type that a row can have" }
}

/// Appends a field of an object, and a second one for a geometry that has no place on earth.
pub(super) fn write_member(
    field: &Field,
    datum: &Datum,
    options: DocumentOptions,
    out: &mut String,
) -> Result<(), Problem> {
    write_string(&field.name, out);
    out.push(':');
    let node = field.node.optional().map_or(&*field.node, |(_, node)| node);
    if options.geometry == GeometryForm::Object || *datum == Datum::Null {
        return write_datum(&field.node, datum, options, out);
    }
    match place(node, datum) {
        None => return write_datum(&field.node, datum, options, out),
        Some(Some(text)) => out.push_str(&text),
        Some(None) => {
            out.push_str("null,");
            write_string(&format!("{}__geometry", field.name), out);
            out.push(':');
            write_datum(&field.node, datum, options, out)?;
        }
    }
    Ok(())
}

/// The place of a geometry, if it has one on earth; `None` for what is no geometry.
fn place(node: &Node, datum: &Datum) -> Option<Option<String>> {
    let Datum::Record(values) = datum else { return None };
    if !is_geometry(node) {
        return None;
    }
    let names: Vec<&str> = node.fields()?.iter().map(|field| &*field.name).collect();
    let srid = |datum: &Datum| if let Datum::Long(srid) = datum { Some(*srid) } else { None };
    let mut text = Vec::new();
    let (srid, is_written) = match (node.semantics.name.as_deref()?, &*names, &**values) {
        (
            "io.debezium.data.geometry.Point",
            ["x", "y", "wkb", "srid"],
            [Datum::Double(x), Datum::Double(y), Datum::Bytes(_) | Datum::Null, number],
        ) => (srid(number), write_point((*x, *y), &mut text)),
        ("io.debezium.data.geometry.Geometry", ["wkb", "srid"], [Datum::Bytes(wkb), number]) => {
            (srid(number), write_shape(wkb, &mut text))
        }
        _ => return None,
    };
    let text = String::from_utf8(text).ok()?;
    Some((is_written && is_on_earth(srid)).then_some(text))
}

/// Appends a value as JSON.
fn write_datum(
    node: &Node,
    datum: &Datum,
    options: DocumentOptions,
    out: &mut String,
) -> Result<(), Problem> {
    let node = node.optional().map_or(node, |(_, node)| node);
    match datum {
        Datum::Null => out.push_str("null"),
        Datum::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Datum::Long(value) => write_number(node, *value, out)?,
        Datum::Float(value) if value.is_finite() => out.push_str(&json_text(value)),
        Datum::Double(value) if value.is_finite() => out.push_str(&json_text(value)),
        Datum::Float(_) | Datum::Double(_) => return Err(Problem::NotFinite),
        Datum::Bytes(bytes) => write_bytes(node, bytes, out)?,
        Datum::String(text) => write_text(node, text, options, out)?,
        Datum::Symbol(symbol) => write_string(symbol, out),
        Datum::Array(entries) => {
            let Shape::Array(entry) = &node.shape else { return Ok(()) };
            let options = unnamed(options);
            join(['[', ']'], entries, out, |value, out| write_datum(entry, value, options, out))?;
        }
        Datum::Map(entries) => {
            let Shape::Map(entry) = &node.shape else { return Ok(()) };
            let options = unnamed(options);
            join(['{', '}'], entries, out, |(key, value), out| {
                write_string(key, out);
                out.push(':');
                write_datum(entry, value, options, out)
            })?;
        }
        Datum::Record(values) => {
            let fields = node.fields().unwrap_or_default();
            if let Some((scale, unscaled)) = variable_decimal(node, fields, values) {
                return write_decimal(unscaled, scale, out);
            }
            let members: Vec<_> = fields.iter().zip(values).collect();
            join(['{', '}'], &members, out, |(field, value), out| {
                write_member(field, value, options, out)
            })?;
        }
    }
    Ok(())
}

pub(super) fn write_string(text: &str, out: &mut String) {
    out.push_str(&json_text(&text));
}

fn json_text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn join<T>(
    [open, close]: [char; 2],
    entries: &[T],
    out: &mut String,
    mut write: impl FnMut(&T, &mut String) -> Result<(), Problem>,
) -> Result<(), Problem> {
    out.push(open);
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(entry, out)?;
    }
    out.push(close);
    Ok(())
}

/// A whole number, or what it counts.
fn write_number(node: &Node, value: i64, out: &mut String) -> Result<(), Problem> {
    let text = match meaning(node) {
        "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" | "date" => date(value)?,
        "io.debezium.time.Timestamp" | "local-timestamp-millis" => date_time(value, 3)?,
        "io.debezium.time.MicroTimestamp" | "local-timestamp-micros" => date_time(value, 6)?,
        "io.debezium.time.NanoTimestamp" | "local-timestamp-nanos" => date_time(value, 9)?,
        "org.apache.kafka.connect.data.Timestamp" | "timestamp-millis" => {
            date_time(value, 3)? + "Z"
        }
        "timestamp-micros" => date_time(value, 6)? + "Z",
        "timestamp-nanos" => date_time(value, 9)? + "Z",
        "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" | "time-millis" => {
            time(i128::from(value) * 1_000, 6)
        }
        "io.debezium.time.MicroTime" | "time-micros" => time(value.into(), 6),
        "io.debezium.time.NanoTime" => time(value.into(), 9),
        _ => {
            out.push_str(&value.to_string());
            return Ok(());
        }
    };
    write_string(&text, out);
    Ok(())
}

/// Connect's name for a type, or Avro's where it has none that says what a number is.
fn meaning(node: &Node) -> &str {
    let name = node.semantics.name.as_deref().unwrap_or_default();
    if name.starts_with("io.debezium.time.") || name.starts_with("org.apache.kafka.connect.data.") {
        return name;
    }
    node.semantics.logical_type.as_deref().unwrap_or_default()
}

fn write_text(
    node: &Node,
    text: &str,
    options: DocumentOptions,
    out: &mut String,
) -> Result<(), Problem> {
    match node.semantics.name.as_deref() {
        Some("io.debezium.data.Json") => return write_json(text, options, out),
        Some("io.debezium.data.EnumSet") => {
            let members: Vec<&str> = text.split(',').filter(|member| !member.is_empty()).collect();
            out.push_str(&json_text(&members));
        }
        Some("io.debezium.time.IsoDate") => {
            write_string(text.strip_suffix('Z').unwrap_or(text), out);
        }
        Some(_) | None => write_string(text, out),
    }
    Ok(())
}

/// The text itself: another form of it would lose digits and order.
fn write_json(text: &str, options: DocumentOptions, out: &mut String) -> Result<(), Problem> {
    let value: &serde_json::value::RawValue =
        serde_json::from_str(text).map_err(|_| Problem::NotJson)?;
    let text = value.get().replace(['\r', '\n'], " ");
    if options.json == JsonForm::Verbatim || text.starts_with('{') || text == "null" {
        out.push_str(&text);
    } else {
        out.push_str("{\"value\":");
        out.push_str(&text);
        out.push('}');
    }
    Ok(())
}

fn write_bytes(node: &Node, bytes: &[u8], out: &mut String) -> Result<(), Problem> {
    if is_decimal(node) {
        return write_decimal(bytes, node.semantics.scale.unwrap_or(0), out);
    }
    let uuid = (node.semantics.logical_type.as_deref() == Some("uuid"))
        .then(|| uuid::Uuid::from_slice(bytes).ok())
        .flatten()
        .filter(|_| matches!(node.shape, Shape::Fixed(_)));
    match uuid {
        Some(uuid) => write_string(&uuid.to_string(), out),
        None => write_string(&STANDARD.encode(bytes), out),
    }
    Ok(())
}

fn is_decimal(node: &Node) -> bool {
    let name = node.semantics.name.as_deref();
    name == Some("org.apache.kafka.connect.data.Decimal")
        || (name.is_none() && node.semantics.logical_type.as_deref() == Some("decimal"))
}

fn variable_decimal<'d>(
    node: &Node,
    fields: &[Field],
    values: &'d [Datum],
) -> Option<(i64, &'d [u8])> {
    let [scale, value] = fields else { return None };
    let is_it = node.semantics.name.as_deref() == Some("io.debezium.data.VariableScaleDecimal")
        && *scale.name == *"scale"
        && *value.name == *"value";
    match values {
        [Datum::Long(scale), Datum::Bytes(value)] if is_it => Some((*scale, value)),
        _ => None,
    }
}

/// `unscaled * 10^-scale`, all digits, no exponent.
fn write_decimal(unscaled: &[u8], scale: i64, out: &mut String) -> Result<(), Problem> {
    if unscaled.len() > DECIMAL_BYTES_MAX || scale.unsigned_abs() > SCALE_MAX {
        return Err(Problem::DecimalTooLong);
    }
    let negative = unscaled.first().is_some_and(|byte| *byte >= 0x80);
    let mut digits = decimal_digits(&magnitude(unscaled, negative));
    let places = usize::try_from(scale.unsigned_abs()).unwrap_or_default();
    if scale < 0 && digits != "0" {
        digits.push_str(&"0".repeat(places));
    }
    if scale > 0 {
        // A digit stands before the point, whatever the scale.
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        digits = format!("{whole}.{fraction}");
    }
    if negative {
        out.push('-');
    }
    out.push_str(&digits);
    Ok(())
}

/// The absolute value of a two's complement, highest byte first.
fn magnitude(unscaled: &[u8], negative: bool) -> Vec<u8> {
    if !negative {
        return unscaled.to_vec();
    }
    let mut bytes: Vec<u8> = unscaled.iter().map(|byte| !byte).collect();
    for byte in bytes.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            break;
        }
    }
    bytes
}

/// The digits of a number in base 256: each byte in turn is added to 256 times what came before.
fn decimal_digits(bytes: &[u8]) -> String {
    let mut digits = vec![0_u32];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let value = *digit * 256 + carry;
            *digit = value % 10;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().filter_map(|digit| char::from_digit(*digit, 10)).collect()
}
