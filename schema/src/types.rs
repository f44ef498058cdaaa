//! MySQL's column types: what they are in Connect's data model, and how their bytes in the binlog
//! become values. One file a family.
//!
//! Each type has two readers: [`ColumnType::value`] for the generic path, and
//! [`ColumnType::write_avro`], which a plan runs and which allocates nothing for most types.

pub mod charset;
pub mod decimal;
mod float;
mod integer;
pub mod json;
pub mod temporal;
pub mod text;

use crate::avro::put_bytes;
use crate::value::{Kind, Schema, Value};
use charset::Charset;
use temporal::Fraction;

/// The type of a column with all that its values depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// `TINYINT`, 1 byte.
    TinyInt {
        /// Whether it has no sign.
        unsigned: bool,
    },
    /// `SMALLINT`, 2 bytes.
    SmallInt {
        /// Whether it has no sign.
        unsigned: bool,
    },
    /// `MEDIUMINT`, 3 bytes.
    MediumInt {
        /// Whether it has no sign.
        unsigned: bool,
    },
    /// `INT`, 4 bytes.
    Int {
        /// Whether it has no sign.
        unsigned: bool,
    },
    /// `BIGINT`, 8 bytes.
    BigInt {
        /// Whether it has no sign.
        unsigned: bool,
    },
    /// `FLOAT`, 4 bytes.
    Float,
    /// `DOUBLE`, 8 bytes.
    Double,
    /// `DECIMAL(precision, scale)`.
    Decimal {
        /// All digits, 1 to 65.
        precision: u8,
        /// Digits after the point, 0 to 30.
        scale: u8,
    },
    /// `BIT(length)`.
    Bit {
        /// Bits, 1 to 64.
        length: u8,
    },
    /// `CHAR`, `VARCHAR` and the `TEXT` types.
    Text {
        /// The character set of the column's bytes.
        charset: Charset,
    },
    /// `BINARY(length)`, which the binlog carries without its trailing zeros.
    Binary {
        /// Bytes.
        length: usize,
    },
    /// `VARBINARY` and the `BLOB` types.
    Blob,
    /// `ENUM`.
    Enum {
        /// Its members in order.
        members: Vec<String>,
    },
    /// `SET`.
    Set {
        /// Its members in order.
        members: Vec<String>,
    },
    /// `YEAR`.
    Year,
    /// `DATE`.
    Date,
    /// `TIME(fraction)`.
    Time {
        /// Digits after the seconds.
        fraction: Fraction,
    },
    /// `DATETIME(fraction)`.
    DateTime {
        /// Digits after the seconds.
        fraction: Fraction,
    },
    /// `TIMESTAMP(fraction)`.
    Timestamp {
        /// Digits after the seconds.
        fraction: Fraction,
    },
    /// `JSON`.
    Json,
}

/// What an unsigned `BIGINT` becomes (`bigint.unsigned.handling.mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsignedBigInt {
    /// A decimal of 20 digits: exact.
    Precise,
    /// A signed 64-bit number, negative from 2^63: Debezium's default.
    Long,
}

impl ColumnType {
    /// The required Connect schema of the column's values.
    #[must_use]
    pub fn schema(&self, unsigned_bigint: UnsignedBigInt) -> Schema {
        match self {
            Self::TinyInt { .. } | Self::SmallInt { unsigned: false } => Schema::new(Kind::Int16),
            Self::SmallInt { unsigned: true }
            | Self::MediumInt { .. }
            | Self::Int { unsigned: false } => Schema::new(Kind::Int32),
            Self::BigInt { unsigned: true } if unsigned_bigint == UnsignedBigInt::Precise => {
                decimal::schema(20, 0)
            }
            Self::Int { unsigned: true } | Self::BigInt { .. } => Schema::new(Kind::Int64),
            Self::Float => Schema::new(Kind::Float32),
            Self::Double => Schema::new(Kind::Float64),
            Self::Decimal { precision, scale } => decimal::schema(*precision, *scale),
            Self::Bit { length: 1 } => Schema::new(Kind::Boolean),
            Self::Bit { length } => Schema::semantic(Kind::Bytes, "io.debezium.data.Bits")
                .parameter("length", length.to_string()),
            Self::Text { .. } => Schema::new(Kind::String),
            Self::Binary { .. } | Self::Blob => Schema::new(Kind::Bytes),
            Self::Enum { members } => text::member_schema("io.debezium.data.Enum", members),
            Self::Set { members } => text::member_schema("io.debezium.data.EnumSet", members),
            Self::Year => Schema::semantic(Kind::Int32, "io.debezium.time.Year"),
            Self::Date => Schema::semantic(Kind::Int32, "io.debezium.time.Date"),
            Self::Time { .. } => Schema::semantic(Kind::Int64, "io.debezium.time.MicroTime"),
            Self::DateTime { fraction } => Schema::semantic(Kind::Int64, fraction.timestamp_name()),
            Self::Timestamp { .. } => {
                Schema::semantic(Kind::String, "io.debezium.time.ZonedTimestamp")
            }
            Self::Json => Schema::semantic(Kind::String, "io.debezium.data.Json"),
        }
    }

    /// The character set of its values in a row image, if they are text there.
    #[must_use]
    pub fn charset(&self) -> Option<Charset> {
        if let Self::Text { charset } = self { Some(*charset) } else { None }
    }

    /// Whether its values are dates with a time of day.
    #[must_use]
    pub fn is_moment(&self) -> bool {
        matches!(self, Self::DateTime { .. } | Self::Timestamp { .. })
    }

    /// Whether its values are bytes that are not text.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        matches!(self, Self::Binary { .. } | Self::Blob)
    }

    /// The generic value of a column's bytes in a row image.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError`] when the bytes are not a value of this type.
    pub fn value(
        &self,
        bytes: &[u8],
        unsigned_bigint: UnsignedBigInt,
    ) -> Result<Value, ValueError> {
        Ok(match self {
            Self::TinyInt { unsigned }
            | Self::SmallInt { unsigned }
            | Self::MediumInt { unsigned }
            | Self::Int { unsigned: unsigned @ false } => {
                let number = integer::read(bytes, *unsigned)?;
                Value::Int32(i32::try_from(number).map_err(|_| ValueError::Length)?)
            }
            Self::BigInt { unsigned: true } if unsigned_bigint == UnsignedBigInt::Precise => {
                let mut unscaled = Vec::new();
                decimal::put_u64(integer::read_u64(bytes)?, &mut unscaled);
                Value::Bytes(unscaled)
            }
            Self::Int { unsigned: true } | Self::BigInt { .. } => {
                Value::Int64(integer::read(bytes, matches!(self, Self::Int { .. }))?)
            }
            Self::Float => Value::Float32(float::single(bytes)?),
            Self::Double => Value::Float64(float::double(bytes)?),
            Self::Decimal { precision, scale } => {
                let mut unscaled = Vec::new();
                decimal::from_binlog(bytes, *precision, *scale, &mut unscaled)?;
                Value::Bytes(unscaled)
            }
            Self::Bit { length: 1 } => Value::Boolean(bytes != [0]),
            Self::Bit { .. } => Value::Bytes(bytes.iter().rev().copied().collect()),
            Self::Text { charset } => Value::String(charset.decode(bytes)?.into_owned()),
            Self::Binary { length } => Value::Bytes(padded(bytes, *length)?),
            Self::Blob => Value::Bytes(bytes.to_vec()),
            Self::Enum { members } => Value::String(text::enum_member(bytes, members)?.to_owned()),
            Self::Set { members } => Value::String(text::set_members(bytes, members)?),
            Self::Year => Value::Int32(temporal::year(bytes)?),
            Self::Date => Value::Int32(temporal::date(bytes)?),
            Self::Time { fraction } => Value::Int64(temporal::time(bytes, *fraction)?),
            Self::DateTime { fraction } => Value::Int64(temporal::datetime(bytes, *fraction)?),
            Self::Timestamp { fraction } => {
                Value::String(temporal::timestamp(bytes, *fraction)?.as_str().to_owned())
            }
            Self::Json => {
                let mut json = Vec::new();
                json::write_text(bytes, &mut json)?;
                Value::String(String::from_utf8(json).map_err(|_| ValueError::Json)?)
            }
        })
    }

    /// Appends a column's bytes in a row image as Avro, without the union's branch.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError`] when the bytes are not a value of this type; what was appended by
    /// then is of no use.
    pub fn write_avro(
        &self,
        bytes: &[u8],
        unsigned_bigint: UnsignedBigInt,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        use crate::avro::put_long;
        match self {
            Self::TinyInt { unsigned }
            | Self::SmallInt { unsigned }
            | Self::MediumInt { unsigned }
            | Self::Int { unsigned } => put_long(integer::read(bytes, *unsigned)?, out),
            Self::BigInt { unsigned: true } if unsigned_bigint == UnsignedBigInt::Precise => {
                decimal::write_u64(integer::read_u64(bytes)?, out);
            }
            Self::BigInt { .. } => put_long(integer::read(bytes, false)?, out),
            Self::Float => out.extend_from_slice(&float::single(bytes)?.to_le_bytes()),
            Self::Double => out.extend_from_slice(&float::double(bytes)?.to_le_bytes()),
            Self::Decimal { precision, scale } => {
                decimal::write_binlog(bytes, *precision, *scale, out)?;
            }
            Self::Bit { length: 1 } => out.push(u8::from(bytes != [0])),
            Self::Bit { .. } => {
                put_bytes(bytes, out);
                let start = out.len().saturating_sub(bytes.len());
                out.get_mut(start..).unwrap_or_default().reverse();
            }
            Self::Text { charset } => write_text(*charset, bytes, out)?,
            Self::Binary { length } => write_padded(bytes, *length, out)?,
            Self::Blob => put_bytes(bytes, out),
            Self::Enum { members } => {
                put_bytes(text::enum_member(bytes, members)?.as_bytes(), out);
            }
            Self::Set { members } => put_bytes(text::set_members(bytes, members)?.as_bytes(), out),
            Self::Year => put_long(temporal::year(bytes)?.into(), out),
            Self::Date => put_long(temporal::date(bytes)?.into(), out),
            Self::Time { fraction } => put_long(temporal::time(bytes, *fraction)?, out),
            Self::DateTime { fraction } => put_long(temporal::datetime(bytes, *fraction)?, out),
            Self::Timestamp { fraction } => {
                put_bytes(temporal::timestamp(bytes, *fraction)?.as_str().as_bytes(), out);
            }
            Self::Json => {
                let mut json = Vec::new();
                json::write_text(bytes, &mut json)?;
                put_bytes(&json, out);
            }
        }
        Ok(())
    }
}

/// `BINARY(length)` with the zeros that the binlog leaves out.
fn padded(bytes: &[u8], length: usize) -> Result<Vec<u8>, ValueError> {
    if bytes.len() > length {
        return Err(ValueError::Length);
    }
    let mut whole = bytes.to_vec();
    whole.resize(length, 0);
    Ok(whole)
}

fn write_padded(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let missing = length.checked_sub(bytes.len()).ok_or(ValueError::Length)?;
    crate::avro::put_long(i64::try_from(length).map_err(|_| ValueError::Length)?, out);
    out.extend_from_slice(bytes);
    out.resize(out.len() + missing, 0);
    Ok(())
}

/// Text with its length. How long it is, is known when it is converted, so the length is written
/// behind it and put before it then: cheaper than memory for each value.
fn write_text(charset: Charset, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    if let Some(text) = charset.borrow(bytes) {
        put_bytes(text?.as_bytes(), out);
        return Ok(());
    }
    let start = out.len();
    charset.decode_into(bytes, out)?;
    let end = out.len();
    crate::avro::put_long(i64::try_from(end - start).map_err(|_| ValueError::Length)?, out);
    let length_bytes = out.len() - end;
    out.get_mut(start..).unwrap_or_default().rotate_right(length_bytes);
    Ok(())
}

/// The bytes of a column are not a value of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Too few or too many bytes.
    #[error("value has an impossible length")]
    Length,
    /// Characters that the column's character set does not have.
    #[error("text is not valid in the character set of its column")]
    Charset,
    /// A date that no calendar has: zero or with a zero month or day.
    #[error("date is zero or incomplete, which no date type of Avro or Elasticsearch can hold")]
    ZeroDate,
    /// A day, month, hour, minute or second out of its range.
    #[error("date or time is out of its range")]
    DateRange,
    /// A member that the column's ENUM or SET does not have.
    #[error("enum or set value has no member of its number")]
    Member,
    /// Binary JSON that contradicts itself.
    #[error("binary JSON is damaged")]
    Json,
    /// More digits than the column declares, or digits that are none.
    #[error("decimal is damaged or wider than its column")]
    Decimal,
}
