//! A column's value before anything is decided about its form.

use std::borrow::Cow;

use super::ValueError;
use super::decimal::Unscaled;
use super::temporal::{CivilDate, days_from_civil, epoch_micros};

/// What a row holds in one column, read from the log or by a SELECT: the same value either way.
#[derive(Clone, PartialEq)]
pub enum MysqlValue<'a> {
    /// A whole number, but for BIGINT UNSIGNED.
    Integer(i64),
    /// BIGINT UNSIGNED.
    Unsigned(u64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// DECIMAL, without its point, whose place the column knows.
    Decimal(Unscaled),
    /// BIT, the last bit lowest.
    Bits(u64),
    /// Characters, ENUM, SET (joined by commas) and JSON.
    Text(Cow<'a, str>),
    /// BINARY with all its zeros, VARBINARY, BLOB, geometry and VECTOR.
    Bytes(Cow<'a, [u8]>),
    /// YEAR; 0 is MySQL's 0000.
    Year(i32),
    /// DATE, with whatever parts are zero.
    Date(CivilDate),
    /// DATETIME: the date, and microseconds since midnight.
    DateTime(CivilDate, i64),
    /// TIMESTAMP: microseconds since 1970 UTC, or `None` for MySQL's zero.
    Timestamp(Option<i64>),
    /// TIME in microseconds.
    Time(i64),
}

impl MysqlValue<'_> {
    /// The same value without a borrow.
    #[must_use]
    pub fn into_owned(self) -> MysqlValue<'static> {
        match self {
            Self::Integer(number) => MysqlValue::Integer(number),
            Self::Unsigned(number) => MysqlValue::Unsigned(number),
            Self::Float(number) => MysqlValue::Float(number),
            Self::Double(number) => MysqlValue::Double(number),
            Self::Decimal(unscaled) => MysqlValue::Decimal(unscaled),
            Self::Bits(bits) => MysqlValue::Bits(bits),
            Self::Text(text) => MysqlValue::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => MysqlValue::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Year(year) => MysqlValue::Year(year),
            Self::Date(date) => MysqlValue::Date(date),
            Self::DateTime(date, micros) => MysqlValue::DateTime(date, micros),
            Self::Timestamp(micros) => MysqlValue::Timestamp(micros),
            Self::Time(micros) => MysqlValue::Time(micros),
        }
    }

    /// The days since 1970 of a DATE.
    pub(super) fn days(&self) -> Result<i64, ValueError> {
        let Self::Date(date) = self else { return Err(ValueError::Form) };
        days_from_civil(date.year, date.month, date.day)
    }

    /// The microseconds since 1970 of a DATETIME, as if it were UTC.
    pub(super) fn local_micros(&self) -> Result<i64, ValueError> {
        let Self::DateTime(date, micros) = self else { return Err(ValueError::Form) };
        epoch_micros(*date, *micros)
    }

    /// The microseconds since 1970 of a TIMESTAMP.
    pub(super) fn instant_micros(&self) -> Result<i64, ValueError> {
        let Self::Timestamp(micros) = self else { return Err(ValueError::Form) };
        micros.ok_or(ValueError::ZeroDate)
    }

    pub(super) fn text(&self) -> Result<&str, ValueError> {
        if let Self::Text(text) = self { Ok(text) } else { Err(ValueError::Form) }
    }

    pub(super) fn bytes(&self) -> Result<&[u8], ValueError> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(ValueError::Form) }
    }
}

impl std::fmt::Debug for MysqlValue<'_> {
    /// Values of rows are never printed, so only the kind is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Integer(_) => "Integer(..)",
            Self::Unsigned(_) => "Unsigned(..)",
            Self::Float(_) => "Float(..)",
            Self::Double(_) => "Double(..)",
            Self::Decimal(_) => "Decimal(..)",
            Self::Bits(_) => "Bits(..)",
            Self::Text(_) => "Text(..)",
            Self::Bytes(_) => "Bytes(..)",
            Self::Year(_) => "Year(..)",
            Self::Date(_) => "Date(..)",
            Self::DateTime(..) => "DateTime(..)",
            Self::Timestamp(_) => "Timestamp(..)",
            Self::Time(_) => "Time(..)",
        })
    }
}
