//! What a SELECT returns by the binary protocol, as the same values that the log gives.

use std::borrow::Cow;

use schema::types::charset::Charset;
use schema::types::decimal::Unscaled;
use schema::types::temporal::{CivilDate, Clock, epoch_micros};
use schema::types::{ColumnType, MysqlValue, ValueError, json};

use crate::wire::Cell;

/// What the values of a column are read as.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    Integer,
    BigUnsigned,
    Year,
    Float,
    Double,
    Bytes,
    /// Of this type.
    Bit(ColumnType),
    /// Characters of a set.
    Characters(Charset),
    /// With so many digits behind the point.
    Decimal(u8),
    /// Without the blanks that the server prints.
    Json,
    /// As it is: UTF-8.
    Text,
    Date,
    DateTime,
    Timestamp,
    Time,
}

impl Reading {
    /// `blanks_in_json` leaves JSON as the server prints it.
    pub(super) fn of(
        column_type: &ColumnType,
        charset: Option<Charset>,
        blanks_in_json: bool,
    ) -> Self {
        match column_type {
            ColumnType::BigInt { unsigned: true } => Self::BigUnsigned,
            ColumnType::TinyInt { .. }
            | ColumnType::SmallInt { .. }
            | ColumnType::MediumInt { .. }
            | ColumnType::Int { .. }
            | ColumnType::BigInt { .. } => Self::Integer,
            ColumnType::Float => Self::Float,
            ColumnType::Double => Self::Double,
            ColumnType::Decimal { scale, .. } => Self::Decimal(*scale),
            ColumnType::Bit { .. } => Self::Bit(column_type.clone()),
            ColumnType::Binary { .. }
            | ColumnType::Blob
            | ColumnType::Geometry { .. }
            | ColumnType::Vector => Self::Bytes,
            ColumnType::Year => Self::Year,
            ColumnType::Date => Self::Date,
            ColumnType::Time { .. } => Self::Time,
            ColumnType::DateTime { .. } => Self::DateTime,
            ColumnType::Timestamp { .. } => Self::Timestamp,
            ColumnType::Text { .. }
            | ColumnType::Enum { .. }
            | ColumnType::Set { .. }
            | ColumnType::Json => match charset {
                Some(charset) => Self::Characters(charset),
                None if *column_type == ColumnType::Json && !blanks_in_json => Self::Json,
                None => Self::Text,
            },
        }
    }

    /// A value; none for NULL.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "to move values out of a call takes as long as to read them"
    )]
    pub(super) fn value<'a>(&self, cell: Cell<'a>) -> Result<Option<MysqlValue<'a>>, ValueError> {
        Ok(Some(match cell {
            Cell::Null => return Ok(None),
            Cell::Signed(number) => self.signed(number)?,
            Cell::Unsigned(number) => self.unsigned(number)?,
            Cell::Float(number) if matches!(self, Self::Float) => MysqlValue::Float(number),
            Cell::Double(number) if matches!(self, Self::Double) => MysqlValue::Double(number),
            Cell::Bytes(bytes) => self.text(bytes)?,
            Cell::Date(year, month, day, hour, minute, second, micros) => {
                let date = CivilDate { year: year.into(), month: month.into(), day: day.into() };
                let (hour, minute, second) = (hour.into(), minute.into(), second.into());
                self.moment(date, Clock { hour, minute, second, micros })?
            }
            Cell::Time(negative, days, hours, minutes, seconds, micros)
                if matches!(self, Self::Time) =>
            {
                let hours = i64::from(days) * 24 + i64::from(hours);
                let seconds = hours * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
                let total = seconds * 1_000_000 + i64::from(micros);
                MysqlValue::Time(if negative { -total } else { total })
            }
            Cell::Float(_) | Cell::Double(_) | Cell::Time(..) => return Err(ValueError::Form),
        }))
    }

    /// Whether [`value`](Self::value) gives one, for less.
    #[inline]
    pub(super) fn check(&self, cell: Cell<'_>) -> Result<(), ValueError> {
        match (self, cell) {
            (Self::Integer, Cell::Signed(_)) | (Self::Bytes, Cell::Bytes(_)) => Ok(()),
            (Self::Json | Self::Text | Self::Characters(Charset::Utf8), Cell::Bytes(bytes)) => {
                std::str::from_utf8(bytes).map(drop).map_err(|_| ValueError::Charset)
            }
            (_, cell) => self.value(cell).map(drop),
        }
    }

    #[inline]
    fn signed(&self, number: i64) -> Result<MysqlValue<'static>, ValueError> {
        match self {
            Self::Integer => return Ok(MysqlValue::Integer(number)),
            Self::BigUnsigned => u64::try_from(number).map(MysqlValue::Unsigned),
            Self::Year => i32::try_from(number).map(MysqlValue::Year),
            Self::Float
            | Self::Double
            | Self::Bytes
            | Self::Bit(_)
            | Self::Characters(_)
            | Self::Decimal(_)
            | Self::Json
            | Self::Text
            | Self::Date
            | Self::DateTime
            | Self::Timestamp
            | Self::Time => return Err(ValueError::Form),
        }
        .map_err(|_| ValueError::Length)
    }

    #[inline]
    fn unsigned(&self, number: u64) -> Result<MysqlValue<'static>, ValueError> {
        if matches!(self, Self::BigUnsigned) {
            return Ok(MysqlValue::Unsigned(number));
        }
        self.signed(i64::try_from(number).map_err(|_| ValueError::Length)?)
    }

    #[inline]
    fn text<'a>(&self, bytes: &'a [u8]) -> Result<MysqlValue<'a>, ValueError> {
        let utf8 = || std::str::from_utf8(bytes).map_err(|_| ValueError::Charset);
        Ok(match self {
            Self::Bytes => MysqlValue::Bytes(Cow::Borrowed(bytes)),
            Self::Bit(column_type) => column_type.read(bytes)?.into_owned(),
            Self::Characters(charset) => MysqlValue::Text(charset.decode(bytes)?),
            Self::Decimal(scale) => MysqlValue::Decimal(Unscaled::parse(utf8()?, *scale)?),
            Self::Json => {
                let mut compact = Vec::with_capacity(bytes.len());
                json::compact(utf8()?, &mut compact);
                let compact = String::from_utf8(compact).map_err(|_| ValueError::Charset)?;
                MysqlValue::Text(Cow::Owned(compact))
            }
            Self::Text => MysqlValue::Text(Cow::Borrowed(utf8()?)),
            Self::Integer
            | Self::BigUnsigned
            | Self::Year
            | Self::Float
            | Self::Double
            | Self::Date
            | Self::DateTime
            | Self::Timestamp
            | Self::Time => return Err(ValueError::Form),
        })
    }

    #[inline]
    fn moment(&self, date: CivilDate, clock: Clock) -> Result<MysqlValue<'static>, ValueError> {
        Ok(match self {
            Self::Date => MysqlValue::Date(date),
            Self::DateTime => MysqlValue::DateTime(date, clock.micros_of_day()?),
            // The session's time zone is UTC.
            Self::Timestamp => {
                let micros = clock.micros_of_day()?;
                let is_zero = (date.year, date.month, date.day) == (0, 0, 0);
                MysqlValue::Timestamp(if is_zero {
                    None
                } else {
                    Some(epoch_micros(date, micros)?)
                })
            }
            Self::Integer
            | Self::BigUnsigned
            | Self::Year
            | Self::Float
            | Self::Double
            | Self::Bytes
            | Self::Bit(_)
            | Self::Characters(_)
            | Self::Decimal(_)
            | Self::Json
            | Self::Text
            | Self::Time => return Err(ValueError::Form),
        })
    }
}
