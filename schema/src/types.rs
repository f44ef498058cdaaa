//! MySQL's column types, their values, and the forms in which values are written. One file a
//! family.
//!
//! A [`ColumnType`] says what a column's bytes in the log mean: they are read as a [`MysqlValue`],
//! which is also what a snapshot's SELECT gives. A [`Form`] is what the settings make of a type: it
//! has a schema, and it turns values into Connect's data model (the generic path) or straight
//! into Avro (what a plan runs).

pub mod charset;
pub mod decimal;
mod float;
mod form;
mod integer;
pub mod json;
mod mysql_value;
mod options;
mod spatial;
pub mod temporal;
pub mod text;

use std::borrow::Cow;

pub use form::{DateForm, DateTimeForm, Form, TimeForm};
pub use mysql_value::MysqlValue;
pub use options::{
    BinaryMode, ConversionFailure, DecimalMode, Fidelity, Origin, SchemaStyle, TimePrecision,
    UnsignedBigInt, ValueOptions,
};

use charset::Charset;
use decimal::Unscaled;
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
    /// `GEOMETRY` and its kinds.
    Geometry {
        /// Whether the column only takes points.
        point: bool,
    },
    /// `VECTOR`.
    Vector,
}

impl ColumnType {
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

    /// Whether this is what `information_schema` says of a column that the log has as `logged`.
    /// Members of ENUM and SET have a question mark there for each character of four bytes.
    #[must_use]
    pub fn shows(&self, logged: &Self) -> bool {
        let (Self::Enum { members } | Self::Set { members }) = self else { return self == logged };
        let (Self::Enum { members: others } | Self::Set { members: others }) = logged else {
            return false;
        };
        let shown = |c: char| if c > '\u{ffff}' { '?' } else { c };
        let is_same = |(member, other): (&String, &String)| {
            member == other || member.chars().eq(other.chars().map(shown))
        };
        std::mem::discriminant(self) == std::mem::discriminant(logged)
            && members.len() == others.len()
            && members.iter().zip(others).all(is_same)
    }

    /// Whether its values are bytes that are not text.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        matches!(self, Self::Binary { .. } | Self::Blob)
    }

    /// The value of a column's bytes in a row image.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError`] when the bytes are not a value of this type.
    pub fn read<'a>(&'a self, bytes: &'a [u8]) -> Result<MysqlValue<'a>, ValueError> {
        Ok(match self {
            Self::BigInt { unsigned: true } => MysqlValue::Unsigned(integer::read_u64(bytes)?),
            Self::TinyInt { unsigned }
            | Self::SmallInt { unsigned }
            | Self::MediumInt { unsigned }
            | Self::Int { unsigned }
            | Self::BigInt { unsigned } => MysqlValue::Integer(integer::read(bytes, *unsigned)?),
            Self::Float => MysqlValue::Float(float::single(bytes)?),
            Self::Double => MysqlValue::Double(float::double(bytes)?),
            Self::Decimal { precision, scale } => {
                MysqlValue::Decimal(Unscaled::unpack(bytes, *precision, *scale)?)
            }
            Self::Bit { .. } => MysqlValue::Bits(integer::read_bits(bytes)?),
            Self::Text { charset } => MysqlValue::Text(charset.decode(bytes)?),
            Self::Binary { length } => MysqlValue::Bytes(padded(bytes, *length)?),
            Self::Blob | Self::Geometry { .. } | Self::Vector => {
                MysqlValue::Bytes(Cow::Borrowed(bytes))
            }
            Self::Enum { members } => {
                MysqlValue::Text(Cow::Borrowed(text::enum_member(bytes, members)?))
            }
            Self::Set { members } => {
                MysqlValue::Text(Cow::Owned(text::set_members(bytes, members)?))
            }
            Self::Year => MysqlValue::Year(temporal::year(bytes)?),
            Self::Date => MysqlValue::Date(temporal::date(bytes)?),
            Self::Time { fraction } => MysqlValue::Time(temporal::time(bytes, *fraction)?),
            Self::DateTime { fraction } => {
                let (date, micros) = temporal::datetime(bytes, *fraction)?;
                MysqlValue::DateTime(date, micros)
            }
            Self::Timestamp { fraction } => {
                MysqlValue::Timestamp(temporal::timestamp(bytes, *fraction)?)
            }
            Self::Json => {
                let mut json = Vec::new();
                json::write_text(bytes, &mut json)?;
                let json = String::from_utf8(json).map_err(|_| ValueError::Json)?;
                MysqlValue::Text(Cow::Owned(json))
            }
        })
    }
}

/// `BINARY(length)` with the zeros that the log leaves out.
fn padded(bytes: &[u8], length: usize) -> Result<Cow<'_, [u8]>, ValueError> {
    if bytes.len() == length {
        return Ok(Cow::Borrowed(bytes));
    }
    if bytes.len() > length {
        return Err(ValueError::Length);
    }
    let mut whole = bytes.to_vec();
    whole.resize(length, 0);
    Ok(Cow::Owned(whole))
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
    /// A partial update that is damaged, or of another document than the row's.
    #[error("partial update of JSON is damaged or does not fit the document before it")]
    JsonDiff,
    /// More digits than the column declares, or digits that are none.
    #[error("decimal is damaged or wider than its column")]
    Decimal,
    /// A geometry that is not well-known binary, or not the point that its column asks for.
    #[error("geometry is damaged or of another kind than its column's")]
    Geometry,
    /// A value that exists and that the chosen form cannot hold, as a TIME beyond a day.
    #[error(
        "value is out of the range of its form; choose another time.precision.mode or decimal.handling.mode"
    )]
    Range,
    /// A value of another type than its column's.
    #[error("value is not of its column's type")]
    Form,
    /// NULL in a column that does not take it.
    #[error("value is NULL, which its column does not take")]
    Null,
}
