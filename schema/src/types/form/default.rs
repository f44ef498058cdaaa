//! A column's declared default, as the default of its schema.

use std::borrow::Cow;

use super::Form;
use crate::table::{Declaration, Default};
use crate::types::decimal::Unscaled;
use crate::types::options::{Fidelity, ValueOptions};
use crate::types::temporal::{CivilDate, Clock, days_from_civil};
use crate::types::{ColumnType, MysqlValue};
use crate::value::Value;

impl Form {
    /// The default of a column of this form. None for expressions, whose value differs from row to
    /// row, and for what the form cannot hold.
    #[must_use]
    pub fn default(
        &self,
        column_type: &ColumnType,
        declaration: &Declaration,
        nullable: bool,
        options: &ValueOptions,
    ) -> Option<Value> {
        match &declaration.default {
            Default::None | Default::Expression => None,
            // Debezium: the epoch, and NULL for a TIMESTAMP that can be NULL.
            Default::CurrentTimestamp => {
                if nullable && matches!(column_type, ColumnType::Timestamp { .. }) {
                    return None;
                }
                self.epoch()
            }
            Default::Literal(text) => {
                let value = self.literal(column_type, text, options.fidelity);
                // Debezium: a date that no calendar has is NULL, or else the epoch.
                let needs_epoch = options.fidelity == Fidelity::Debezium && !nullable;
                value.or_else(|| self.epoch().filter(|_| needs_epoch))
            }
        }
    }

    /// What Debezium writes for a date that no calendar has, where NULL cannot be: the epoch.
    #[must_use]
    pub fn epoch(&self) -> Option<Value> {
        let date = CivilDate { year: 1970, month: 1, day: 1 };
        if matches!(self, Self::ZonedTimestamp { .. }) {
            return Some(Value::String("1970-01-01T00:00:00Z".to_owned()));
        }
        let values =
            [MysqlValue::Date(date), MysqlValue::DateTime(date, 0), MysqlValue::Timestamp(Some(0))];
        let is_moment = matches!(self, Self::Date(_) | Self::DateTime(_) | Self::Instant);
        values.iter().filter(|_| is_moment).find_map(|value| self.value(value).ok())
    }

    fn literal(&self, column_type: &ColumnType, text: &str, fidelity: Fidelity) -> Option<Value> {
        match (self, fidelity) {
            // Debezium reads the number as a double and cuts it to 64 bits.
            (Self::Wrapped, _) => {
                let number: u64 = text.parse().ok()?;
                Some(Value::Int64(i64::try_from(number).unwrap_or(i64::MAX)))
            }
            (Self::Year { .. }, Fidelity::Debezium) if text.parse() == Ok(0) => {
                Some(Value::Int32(2000))
            }
            // The text and not the single that is nearest to it.
            (Self::Widened, _) => text.parse().ok().map(Value::Float64),
            (Self::Bytes(_), Fidelity::Debezium) => {
                let bytes = match text.strip_prefix("0x") {
                    Some(digits) => binary_in_statement(&hex_bytes(digits)?),
                    None => text_in_statement(text),
                };
                self.value(&MysqlValue::Bytes(Cow::Owned(bytes.into_bytes()))).ok()
            }
            (Self::Text | Self::Enum { .. } | Self::Set { .. }, Fidelity::Debezium) => {
                Some(Value::String(text_in_statement(text)))
            }
            _ => self.value(&parse(column_type, text)?).ok(),
        }
    }
}

/// Binary as `SHOW CREATE TABLE` prints it and Debezium takes it, which is not what it stands for:
/// text where it can be, with its escapes, else hexadecimal digits without the last one.
fn binary_in_statement(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text_in_statement(text),
        Err(_) => cut_hex(bytes),
    }
}

/// The same for text, which becomes digits too if it has characters of four bytes: the statement
/// is in MySQL's utf8mb3.
fn text_in_statement(text: &str) -> String {
    if text.chars().any(|c| c > '\u{ffff}') {
        return cut_hex(text.as_bytes());
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' => escaped.push_str("''"),
            '\\' => escaped.push_str("\\\\"),
            '\0' => escaped.push_str("\\0"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn cut_hex(bytes: &[u8]) -> String {
    let mut digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    digits.pop();
    digits
}

/// The literal as `information_schema` prints it.
fn parse(column_type: &ColumnType, text: &str) -> Option<MysqlValue<'static>> {
    Some(match column_type {
        ColumnType::BigInt { unsigned: true } => MysqlValue::Unsigned(text.parse().ok()?),
        ColumnType::TinyInt { .. }
        | ColumnType::SmallInt { .. }
        | ColumnType::MediumInt { .. }
        | ColumnType::Int { .. }
        | ColumnType::BigInt { .. } => MysqlValue::Integer(text.parse().ok()?),
        ColumnType::Float => MysqlValue::Float(text.parse().ok()?),
        ColumnType::Double => MysqlValue::Double(text.parse().ok()?),
        ColumnType::Decimal { scale, .. } => {
            MysqlValue::Decimal(Unscaled::parse(text.trim_start_matches('+'), *scale).ok()?)
        }
        ColumnType::Bit { .. } => {
            let bits = text.strip_prefix("b'")?.strip_suffix('\'')?;
            MysqlValue::Bits(u64::from_str_radix(bits, 2).ok()?)
        }
        ColumnType::Text { .. } | ColumnType::Enum { .. } | ColumnType::Set { .. } => {
            MysqlValue::Text(Cow::Owned(text.to_owned()))
        }
        ColumnType::Binary { .. } | ColumnType::Blob => {
            let bytes = match text.strip_prefix("0x") {
                Some(digits) => hex_bytes(digits)?,
                None => text.as_bytes().to_vec(),
            };
            MysqlValue::Bytes(Cow::Owned(bytes))
        }
        ColumnType::Year => MysqlValue::Year(text.parse().ok()?),
        ColumnType::Date => MysqlValue::Date(date(text)?),
        ColumnType::Time { .. } => MysqlValue::Time(time(text)?),
        ColumnType::DateTime { .. } => {
            let (day, clock) = text.split_once(' ')?;
            MysqlValue::DateTime(date(day)?, time(clock)?)
        }
        ColumnType::Timestamp { .. } => {
            let (day, clock) = text.split_once(' ')?;
            let day = date(day)?;
            let days = days_from_civil(day.year, day.month, day.day).ok()?;
            let micros = days * crate::types::temporal::MICROS_PER_DAY + time(clock)?;
            MysqlValue::Timestamp(Some(micros))
        }
        ColumnType::Json | ColumnType::Geometry { .. } | ColumnType::Vector => return None,
    })
}

/// `2020-01-02`.
fn date(text: &str) -> Option<CivilDate> {
    let mut parts = text.split('-').map(|part| part.parse().ok());
    Some(CivilDate { year: parts.next()??, month: parts.next()??, day: parts.next()?? })
}

/// `[-]01:02:03[.4]` in microseconds.
fn time(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<u32>().ok());
    let (hours, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let micros = format!("{fraction:0<6}").parse().ok()?;
    let rest = Clock { hour: 0, minute, second, micros }.micros_of_day().ok()?;
    let total = i64::from(hours) * 3_600_000_000 + rest;
    Some(if negative { -total } else { total })
}

fn hex_bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}
