//! Values without parts: what an Avro value of a semantic type is in a document and in an id.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cursor::Cursor;
use super::decimal::{self, write_decimal};
use super::error::{PlanError, Problem};
use super::field::FieldKind;
use super::json::{write_string, write_text};
use super::temporal::{Unit, write_date, write_date_time, write_time};
use crate::avro::{Node, Semantics, Shape};
use crate::digits::write_integer;

/// How to read one value without parts.
#[derive(Debug, Clone)]
pub(super) enum Scalar {
    Boolean,
    Whole(Width),
    Float,
    Double,
    Text(TextKind),
    Symbol(Box<[Box<str>]>),
    Bytes,
    Fixed(usize),
    Uuid,
    Decimal { scale: u16, precision: Option<u16>, fixed: Option<usize> },
    Date,
    DateTime { unit: Unit, utc: bool },
    Time(Unit),
}

/// What a whole number was before Avro made it an `int` or a `long`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Width {
    Byte,
    Short,
    Integer,
    Long,
    Year,
}

/// What a string is.
#[derive(Debug, Clone, Copy)]
pub(super) enum TextKind {
    Free,
    Word,
    /// A date with a time and a zone.
    Moment,
    /// A date with a zone, which Elasticsearch does not take: `2024-02-29Z`.
    Day,
}

impl Scalar {
    /// The scalar that a type is. `None` for types with parts, and for the two strings that are
    /// more than a string in a document: JSON and sets.
    pub(super) fn compile(node: &Node, path: &str) -> Result<Option<Self>, PlanError> {
        let meaning = &node.semantics;
        Ok(Some(match &node.shape {
            Shape::Boolean => Self::Boolean,
            Shape::Int | Shape::Long => Self::whole(node),
            Shape::Float => Self::Float,
            Shape::Double => Self::Double,
            Shape::String => match text_kind(meaning) {
                Some(kind) => Self::Text(kind),
                None => return Ok(None),
            },
            Shape::Enum(symbols) => Self::Symbol(symbols.clone().into_boxed_slice()),
            Shape::Bytes if is_decimal(meaning) => Self::decimal(meaning, None, path)?,
            Shape::Bytes => Self::Bytes,
            Shape::Fixed(size) if is_decimal(meaning) => Self::decimal(meaning, Some(*size), path)?,
            Shape::Fixed(16) if meaning.logical_type.as_deref() == Some("uuid") => Self::Uuid,
            Shape::Fixed(size) => Self::Fixed(*size),
            Shape::Null | Shape::Array(_) | Shape::Map(_) | Shape::Record(_) | Shape::Union(_) => {
                return Ok(None);
            }
        }))
    }

    /// A string that means nothing more.
    pub(super) fn text() -> Self {
        Self::Text(TextKind::Free)
    }

    /// A number by its meaning. Connect's names win over Avro's logical types, which are what is
    /// there when no Connect converter wrote the schema.
    fn whole(node: &Node) -> Self {
        let meaning = &node.semantics;
        let local = |unit| Self::DateTime { unit, utc: false };
        let utc = |unit| Self::DateTime { unit, utc: true };
        match meaning.name.as_deref() {
            Some("io.debezium.time.Date" | "org.apache.kafka.connect.data.Date") => Self::Date,
            Some("io.debezium.time.Timestamp") => local(Unit::Millis),
            Some("io.debezium.time.MicroTimestamp") => local(Unit::Micros),
            Some("io.debezium.time.NanoTimestamp") => local(Unit::Nanos),
            Some("org.apache.kafka.connect.data.Timestamp") => utc(Unit::Millis),
            Some("io.debezium.time.Time" | "org.apache.kafka.connect.data.Time") => {
                Self::Time(Unit::Millis)
            }
            Some("io.debezium.time.MicroTime") => Self::Time(Unit::Micros),
            Some("io.debezium.time.NanoTime") => Self::Time(Unit::Nanos),
            Some("io.debezium.time.Year") => Self::Whole(Width::Year),
            Some(_) | None => match meaning.logical_type.as_deref() {
                Some("date") => Self::Date,
                Some("timestamp-millis") => utc(Unit::Millis),
                Some("timestamp-micros") => utc(Unit::Micros),
                Some("timestamp-nanos") => utc(Unit::Nanos),
                Some("local-timestamp-millis") => local(Unit::Millis),
                Some("local-timestamp-micros") => local(Unit::Micros),
                Some("local-timestamp-nanos") => local(Unit::Nanos),
                Some("time-millis") => Self::Time(Unit::Millis),
                Some("time-micros") => Self::Time(Unit::Micros),
                Some(_) | None => Self::Whole(width(node)),
            },
        }
    }

    fn decimal(meaning: &Semantics, fixed: Option<usize>, path: &str) -> Result<Self, PlanError> {
        let scale = meaning.scale.unwrap_or(0);
        let scale = u16::try_from(scale)
            .ok()
            .filter(|scale| *scale <= decimal::SCALE_MAX)
            .ok_or_else(|| PlanError::Unsupported {
                path: path.to_owned(),
                found: format!("a decimal of scale {scale}").into(),
                expected: "a scale from 0 to 200",
            })?;
        let precision = meaning.precision.and_then(|precision| u16::try_from(precision).ok());
        Ok(Self::Decimal { scale, precision, fixed })
    }

    pub(super) fn kind(&self) -> FieldKind {
        match self {
            Self::Boolean => FieldKind::Boolean,
            Self::Whole(Width::Byte) => FieldKind::Byte,
            Self::Whole(Width::Short) => FieldKind::Short,
            Self::Whole(Width::Integer) => FieldKind::Integer,
            Self::Whole(Width::Long) => FieldKind::Long,
            Self::Whole(Width::Year) => FieldKind::Year,
            Self::Float => FieldKind::Float,
            Self::Double => FieldKind::Double,
            Self::Text(TextKind::Free) => FieldKind::Text,
            Self::Text(TextKind::Word) | Self::Symbol(_) | Self::Uuid => FieldKind::Keyword,
            Self::Bytes | Self::Fixed(_) => FieldKind::Bytes,
            Self::Decimal { scale, precision, .. } => {
                FieldKind::Decimal { precision: *precision, scale: Some(*scale) }
            }
            Self::DateTime { unit: Unit::Nanos, .. } => FieldKind::DateNanos,
            Self::Text(TextKind::Moment | TextKind::Day) | Self::Date | Self::DateTime { .. } => {
                FieldKind::Date
            }
            Self::Time(_) => FieldKind::Time,
        }
    }

    /// Writes the value as JSON.
    #[inline(always)]
    pub(super) fn write_json(
        &self,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        match self {
            Self::Text(kind) => write_text(kind.shown(cursor.bytes()?), out)?,
            Self::Symbol(symbols) => write_string(symbol(symbols, cursor)?, out),
            Self::Whole(_) => write_integer(cursor.long()?, out),
            Self::Boolean | Self::Float | Self::Double | Self::Decimal { .. } => {
                self.write_plain(cursor, out)?;
            }
            Self::Bytes
            | Self::Fixed(_)
            | Self::Uuid
            | Self::Date
            | Self::DateTime { .. }
            | Self::Time(_) => {
                out.push(b'"');
                self.write_plain(cursor, out)?;
                out.push(b'"');
            }
        }
        Ok(())
    }

    /// Writes the value as text without quotes or escapes.
    pub(super) fn write_plain(
        &self,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        match self {
            Self::Boolean => {
                let text: &[u8] = if cursor.boolean()? { b"true" } else { b"false" };
                out.extend_from_slice(text);
            }
            Self::Whole(_) => write_integer(cursor.long()?, out),
            Self::Float => {
                let value = f32::from_le_bytes(cursor.array()?);
                write_number(finite(value, value.is_finite())?, out);
            }
            Self::Double => {
                let value = f64::from_le_bytes(cursor.array()?);
                write_number(finite(value, value.is_finite())?, out);
            }
            Self::Text(kind) => {
                out.extend_from_slice(kind.shown(cursor.text()?.as_bytes()));
            }
            Self::Symbol(symbols) => out.extend_from_slice(symbol(symbols, cursor)?.as_bytes()),
            Self::Bytes => write_base64(cursor.bytes()?, out),
            Self::Fixed(size) => write_base64(cursor.take(*size)?, out),
            Self::Uuid => write_uuid(cursor.array()?, out),
            Self::Decimal { scale, fixed, .. } => {
                let unscaled = match fixed {
                    Some(size) => cursor.take(*size)?,
                    None => cursor.bytes()?,
                };
                write_decimal(unscaled, *scale, out)?;
            }
            Self::Date => write_date(cursor.long()?, out)?,
            Self::DateTime { unit, utc } => {
                write_date_time(cursor.long()?, *unit, out)?;
                if *utc {
                    out.push(b'Z');
                }
            }
            Self::Time(unit) => write_time(cursor.long()?, *unit, out),
        }
        Ok(())
    }
}

impl TextKind {
    fn shown(self, text: &[u8]) -> &[u8] {
        match self {
            Self::Free | Self::Word | Self::Moment => text,
            Self::Day => text.strip_suffix(b"Z").unwrap_or(text),
        }
    }
}

fn is_decimal(meaning: &Semantics) -> bool {
    match meaning.name.as_deref() {
        Some(name) => name == "org.apache.kafka.connect.data.Decimal",
        None => meaning.logical_type.as_deref() == Some("decimal"),
    }
}

fn width(node: &Node) -> Width {
    match (node.semantics.connect_type.as_deref(), &node.shape) {
        (Some("int8"), _) => Width::Byte,
        (Some("int16"), _) => Width::Short,
        (_, Shape::Int) => Width::Integer,
        (_, _) => Width::Long,
    }
}

fn text_kind(meaning: &Semantics) -> Option<TextKind> {
    Some(match meaning.name.as_deref() {
        Some("io.debezium.data.Json" | "io.debezium.data.EnumSet") => return None,
        Some("io.debezium.time.ZonedTimestamp" | "io.debezium.time.IsoTimestamp") => {
            TextKind::Moment
        }
        Some("io.debezium.time.IsoDate") => TextKind::Day,
        Some(
            "io.debezium.data.Enum"
            | "io.debezium.data.Uuid"
            | "io.debezium.time.Interval"
            | "io.debezium.time.ZonedTime"
            | "io.debezium.time.IsoTime",
        ) => TextKind::Word,
        Some(_) | None if meaning.logical_type.as_deref() == Some("uuid") => TextKind::Word,
        Some(_) | None => TextKind::Free,
    })
}

fn symbol<'a>(symbols: &'a [Box<str>], cursor: &mut Cursor<'_>) -> Result<&'a str, Problem> {
    let position = cursor.position()?;
    symbols.get(position).map(|symbol| &**symbol).ok_or(Problem::UnknownSymbol)
}

fn finite<T>(value: T, is_finite: bool) -> Result<T, Problem> {
    if is_finite { Ok(value) } else { Err(Problem::NotFinite) }
}

/// The shortest text that reads back as the same number.
fn write_number(number: impl serde::Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, &number).expect("a number always has a form in a Vec");
}

/// <https://avro.apache.org/docs/1.12.0/specification/#uuid>
fn write_uuid(bytes: [u8; 16], out: &mut Vec<u8>) {
    let mut text = uuid::Uuid::encode_buffer();
    out.extend_from_slice(
        uuid::Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut text).as_bytes(),
    );
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + base64::encoded_len(bytes.len(), true).unwrap_or(0), 0);
    if let Some(room) = out.get_mut(start..) {
        STANDARD.encode_slice(bytes, room).expect("the room was made for exactly these bytes");
    }
}
