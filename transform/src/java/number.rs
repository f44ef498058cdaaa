//! Java's numbers: narrowed without a word, as `Number.byteValue` and its like do.

use schema::value::{Kind, Schema, Value};

use super::decimal::Decimal;
use crate::schemas::logical;

/// A number of any of Java's types.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Number {
    Whole(i64),
    Float(f32),
    Double(f64),
    Decimal(Decimal),
}

impl Number {
    /// The number that a value is.
    pub(crate) fn of(schema: Option<&Schema>, value: &Value) -> Option<Self> {
        Some(match value {
            Value::Int32(number) => Self::Whole((*number).into()),
            Value::Int64(number) => Self::Whole(*number),
            Value::Float32(number) => Self::Float(*number),
            Value::Float64(number) => Self::Double(*number),
            Value::Bytes(bytes) if logical::is(schema, logical::DECIMAL) => {
                let scale = schema.map(Decimal::scale_of).unwrap_or_default();
                Self::Decimal(Decimal::new(bytes, scale))
            }
            Value::Bytes(_)
            | Value::Null
            | Value::Boolean(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Map(_)
            | Value::Date(_)
            | Value::Struct(_) => return None,
        })
    }

    /// The value of a numeric type.
    pub(crate) fn to_kind(&self, kind: &Kind) -> Value {
        match kind {
            Kind::Int8 => {
                let [low, ..] = self.int().to_le_bytes();
                Value::Int32(i8::from_le_bytes([low]).into())
            }
            Kind::Int16 => {
                let [a, b, ..] = self.int().to_le_bytes();
                Value::Int32(i16::from_le_bytes([a, b]).into())
            }
            Kind::Int32 => Value::Int32(self.int()),
            Kind::Float32 => Value::Float32(self.float()),
            Kind::Float64 => Value::Float64(self.double()),
            Kind::Boolean => Value::Boolean(self.long() != 0),
            Kind::Int64
            | Kind::String
            | Kind::Bytes
            | Kind::Array(_)
            | Kind::Map(..)
            | Kind::Struct(_) => Value::Int64(self.long()),
        }
    }

    /// `intValue`: the low bits of a whole number, the nearest int of another.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as in Java")]
    fn int(&self) -> i32 {
        let low = |long: i64| {
            let [a, b, c, d, ..] = long.to_le_bytes();
            i32::from_le_bytes([a, b, c, d])
        };
        match self {
            Self::Whole(number) => low(*number),
            Self::Float(number) => *number as i32,
            Self::Double(number) => *number as i32,
            Self::Decimal(number) => low(number.to_long()),
        }
    }

    /// `longValue`.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as in Java")]
    pub(crate) fn long(&self) -> i64 {
        match self {
            Self::Whole(number) => *number,
            Self::Float(number) => *number as i64,
            Self::Double(number) => *number as i64,
            Self::Decimal(number) => number.to_long(),
        }
    }

    /// `floatValue`.
    #[expect(clippy::cast_possible_truncation, reason = "rounds, as in Java")]
    fn float(&self) -> f32 {
        match self {
            Self::Whole(number) => *number as f32,
            Self::Float(number) => *number,
            Self::Double(number) => *number as f32,
            Self::Decimal(number) => number.to_string().parse().unwrap_or(f32::NAN),
        }
    }

    /// `doubleValue`.
    fn double(&self) -> f64 {
        match self {
            Self::Whole(number) => *number as f64,
            Self::Float(number) => (*number).into(),
            Self::Double(number) => *number,
            Self::Decimal(number) => number.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    /// `toString`.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Float(number) => float_text((*number).into(), number),
            Self::Double(number) => float_text(*number, number),
            Self::Decimal(number) => number.to_string(),
        }
    }

    /// `Double.parseDouble`.
    pub(crate) fn parse_double(text: &str) -> Option<f64> {
        java_float(text)?.parse().ok()
    }

    /// `Float.parseFloat`.
    pub(crate) fn parse_float(text: &str) -> Option<f32> {
        java_float(text)?.parse().ok()
    }
}

fn float_text(number: f64, shortest: &(impl std::fmt::Display + std::fmt::LowerExp)) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => schema::avro::java_decimal(number, shortest),
    }
}

/// The number in a text as Java takes it, in a form that Rust takes: blanks around it and a letter
/// for its type do not count. Hexadecimal floating point is left out.
fn java_float(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.trim_start_matches(['+', '-']);
    if unsigned == "NaN" || unsigned == "Infinity" {
        return Some(text);
    }
    let text = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    is_number.then_some(text)
}
