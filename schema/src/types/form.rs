//! In which form the values of a column are written: what the settings make of its type.
//!
//! A form turns a value into Connect's data model by [`Form::value`] and straight into Avro by
//! [`Form::write`]. The two are written independently; a property holds them equal.

mod default;
mod direct;
mod generic;

use super::options::{
    BinaryMode, DecimalMode, Origin, SchemaStyle, TimePrecision, UnsignedBigInt, ValueOptions,
};
use super::temporal::Fraction;
use super::{ColumnType, decimal, spatial, text};
use crate::avro::INSTANT;
use crate::table::Declaration;
use crate::value::{Kind, Schema};

/// The form of a column's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// 16 bits.
    Int16,
    /// 32 bits.
    Int32,
    /// 64 bits.
    Int64,
    /// BIGINT UNSIGNED in 64 bits with a sign: wrong from 2^63 on.
    Wrapped,
    /// BIGINT UNSIGNED as a decimal.
    UnsignedDecimal,
    /// IEEE single.
    Float32,
    /// IEEE double.
    Float64,
    /// `FLOAT(M,D)`, which Debezium takes for a double.
    Widened,
    /// Connect's decimal.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// A decimal rounded to a double.
    DecimalDouble {
        /// Digits after the point.
        scale: u8,
    },
    /// A decimal's digits.
    DecimalText {
        /// Digits after the point.
        scale: u8,
    },
    /// `BIT(1)`.
    Boolean,
    /// `BIT(length)`, the lowest byte first.
    Bits {
        /// Bits.
        length: u8,
    },
    /// `BIT(length)`, the highest byte first, as MySQL prints it.
    PlainBits {
        /// Bits.
        length: u8,
    },
    /// Text.
    Text,
    /// One of some words.
    Enum {
        /// The words.
        allowed: Vec<String>,
    },
    /// Some of some words, joined by commas.
    Set {
        /// The words.
        allowed: Vec<String>,
    },
    /// Some words, as an array.
    SetArray,
    /// JSON text.
    Json,
    /// JSON text without a semantic type.
    PlainJson,
    /// Bytes, or their text.
    Bytes(BinaryMode),
    /// A year.
    Year {
        /// What MySQL's year 0000 is written as.
        zero: i32,
    },
    /// A year without a semantic type.
    PlainYear,
    /// A DATE.
    Date(DateForm),
    /// A TIME.
    Time(TimeForm),
    /// A DATETIME.
    DateTime(DateTimeForm),
    /// A TIMESTAMP as text in UTC.
    ZonedTimestamp {
        /// Digits after the seconds.
        fraction: Fraction,
        /// Whether zeros at the end of the fraction are left out.
        trimmed: bool,
    },
    /// A TIMESTAMP in microseconds since 1970 UTC.
    Instant,
    /// Any geometry.
    Geometry,
    /// A point with its coordinates.
    Point,
    /// Single floats.
    Vector,
}

/// How a DATE is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateForm {
    /// Days since 1970, Debezium's type.
    Days,
    /// Days since 1970, Connect's type.
    ConnectDays,
    /// Text.
    Iso,
}

/// How a TIME is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// Microseconds with their sign.
    Micros,
    /// Nanoseconds with their sign.
    Nanos,
    /// Milliseconds within one day, Connect's type.
    ConnectMillis,
    /// Microseconds within one day, Avro's type.
    MicrosOfDay,
    /// Text within one day.
    Iso,
}

/// How a DATETIME is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateTimeForm {
    /// Milliseconds since 1970, Debezium's type.
    Millis,
    /// Microseconds since 1970.
    Micros,
    /// Nanoseconds since 1970.
    Nanos,
    /// Milliseconds since 1970, Connect's type.
    ConnectMillis,
    /// Text.
    Iso,
}

impl Form {
    /// What the settings make of a column's type and declaration.
    #[must_use]
    pub fn new(
        column_type: &ColumnType,
        declaration: Option<&Declaration>,
        options: &ValueOptions,
        origin: Origin,
    ) -> Self {
        let clean = options.style == SchemaStyle::Clean;
        match column_type {
            ColumnType::TinyInt { .. } | ColumnType::SmallInt { unsigned: false } if !clean => {
                Self::Int16
            }
            ColumnType::TinyInt { .. }
            | ColumnType::SmallInt { .. }
            | ColumnType::MediumInt { .. }
            | ColumnType::Int { unsigned: false } => Self::Int32,
            ColumnType::BigInt { unsigned: true } => match options.unsigned_bigint {
                UnsignedBigInt::Precise => Self::UnsignedDecimal,
                UnsignedBigInt::Long => Self::Wrapped,
            },
            ColumnType::Int { unsigned: true } | ColumnType::BigInt { .. } => Self::Int64,
            ColumnType::Float if declaration.is_some_and(Declaration::has_float_digits) => {
                Self::Widened
            }
            ColumnType::Float => Self::Float32,
            ColumnType::Double => Self::Float64,
            ColumnType::Decimal { precision, scale } => {
                let (precision, scale) = (*precision, *scale);
                match options.decimal {
                    DecimalMode::Precise => Self::Decimal { precision, scale },
                    DecimalMode::Double => Self::DecimalDouble { scale },
                    DecimalMode::String => Self::DecimalText { scale },
                }
            }
            ColumnType::Bit { length: 1 } => Self::Boolean,
            ColumnType::Bit { length } if clean => Self::PlainBits { length: *length },
            ColumnType::Bit { length } => Self::Bits { length: *length },
            ColumnType::Text { .. } => Self::Text,
            ColumnType::Binary { .. } | ColumnType::Blob => Self::Bytes(options.binary),
            ColumnType::Enum { .. } if clean => Self::Text,
            ColumnType::Enum { members } => {
                Self::Enum { allowed: options.fidelity.members(members, declaration) }
            }
            ColumnType::Set { .. } if clean => Self::SetArray,
            ColumnType::Set { members } => {
                Self::Set { allowed: options.fidelity.members(members, declaration) }
            }
            ColumnType::Year if clean => Self::PlainYear,
            ColumnType::Year => Self::Year { zero: options.fidelity.year_zero(origin) },
            ColumnType::Json if clean => Self::PlainJson,
            ColumnType::Json => Self::Json,
            ColumnType::Geometry { point: true } => Self::Point,
            ColumnType::Geometry { point: false } => Self::Geometry,
            ColumnType::Vector => Self::Vector,
            ColumnType::Timestamp { .. } if clean => Self::Instant,
            ColumnType::Timestamp { fraction } => Self::ZonedTimestamp {
                fraction: *fraction,
                trimmed: options.fidelity.trims_timestamps(origin),
            },
            ColumnType::Date => Self::Date(DateForm::new(options.time, clean)),
            ColumnType::Time { .. } => Self::Time(TimeForm::new(options.time, clean)),
            ColumnType::DateTime { fraction } => {
                Self::DateTime(DateTimeForm::new(*fraction, options.time, clean))
            }
        }
    }

    /// The required Connect schema of the values.
    #[must_use]
    pub fn schema(&self) -> Schema {
        match self {
            Self::Int16 => Schema::new(Kind::Int16),
            Self::Int32 | Self::PlainYear => Schema::new(Kind::Int32),
            Self::Int64 | Self::Wrapped => Schema::new(Kind::Int64),
            Self::UnsignedDecimal => decimal::schema(20, 0),
            Self::Float32 => Schema::new(Kind::Float32),
            Self::Float64 | Self::Widened | Self::DecimalDouble { .. } => {
                Schema::new(Kind::Float64)
            }
            Self::Decimal { precision, scale } => decimal::schema(*precision, *scale),
            Self::DecimalText { .. } | Self::Text | Self::PlainJson => Schema::new(Kind::String),
            Self::Boolean => Schema::new(Kind::Boolean),
            Self::Bits { length } => Schema::semantic(Kind::Bytes, "io.debezium.data.Bits")
                .parameter("length", length.to_string()),
            Self::PlainBits { .. } | Self::Bytes(BinaryMode::Bytes) => Schema::new(Kind::Bytes),
            Self::Bytes(_) => Schema::new(Kind::String),
            Self::Enum { allowed } => text::member_schema("io.debezium.data.Enum", allowed),
            Self::Set { allowed } => text::member_schema("io.debezium.data.EnumSet", allowed),
            Self::SetArray => Schema::new(Kind::Array(Box::new(Schema::new(Kind::String)))),
            Self::Json => Schema::semantic(Kind::String, "io.debezium.data.Json"),
            Self::Year { .. } => Schema::semantic(Kind::Int32, "io.debezium.time.Year"),
            Self::Date(form) => form.schema(),
            Self::Time(form) => form.schema(),
            Self::DateTime(form) => form.schema(),
            Self::ZonedTimestamp { .. } => {
                Schema::semantic(Kind::String, "io.debezium.time.ZonedTimestamp")
            }
            Self::Instant => Schema::semantic(Kind::Int64, INSTANT),
            Self::Geometry => spatial::geometry_schema(),
            Self::Point => spatial::point_schema(),
            Self::Vector => spatial::vector_schema(),
        }
    }
}

impl Form {
    /// Whether Debezium's schema takes NULL even if the column does not: only that of a geometry
    /// that is not declared a point.
    #[must_use]
    pub fn is_always_optional(&self, style: SchemaStyle) -> bool {
        style == SchemaStyle::Debezium && *self == Self::Geometry
    }
}

impl DateForm {
    fn new(mode: TimePrecision, clean: bool) -> Self {
        match mode {
            _ if clean => Self::Days,
            TimePrecision::Connect => Self::ConnectDays,
            TimePrecision::IsoString => Self::Iso,
            TimePrecision::Adaptive | TimePrecision::Microseconds | TimePrecision::Nanoseconds => {
                Self::Days
            }
        }
    }

    fn schema(self) -> Schema {
        match self {
            Self::Days => Schema::semantic(Kind::Int32, "io.debezium.time.Date"),
            Self::ConnectDays => {
                Schema::semantic(Kind::Int32, "org.apache.kafka.connect.data.Date")
            }
            Self::Iso => Schema::semantic(Kind::String, "io.debezium.time.IsoDate"),
        }
    }
}

impl TimeForm {
    fn new(mode: TimePrecision, clean: bool) -> Self {
        match mode {
            _ if clean => Self::MicrosOfDay,
            TimePrecision::Connect => Self::ConnectMillis,
            TimePrecision::IsoString => Self::Iso,
            TimePrecision::Nanoseconds => Self::Nanos,
            TimePrecision::Adaptive | TimePrecision::Microseconds => Self::Micros,
        }
    }

    fn schema(self) -> Schema {
        match self {
            Self::Micros | Self::MicrosOfDay => {
                Schema::semantic(Kind::Int64, "io.debezium.time.MicroTime")
            }
            Self::Nanos => Schema::semantic(Kind::Int64, "io.debezium.time.NanoTime"),
            Self::ConnectMillis => {
                Schema::semantic(Kind::Int32, "org.apache.kafka.connect.data.Time")
            }
            Self::Iso => Schema::semantic(Kind::String, "io.debezium.time.IsoTime"),
        }
    }
}

impl DateTimeForm {
    fn new(fraction: Fraction, mode: TimePrecision, clean: bool) -> Self {
        match mode {
            _ if clean => Self::Micros,
            TimePrecision::Adaptive if fraction.fits_millis() => Self::Millis,
            TimePrecision::Adaptive | TimePrecision::Microseconds => Self::Micros,
            TimePrecision::Nanoseconds => Self::Nanos,
            TimePrecision::Connect => Self::ConnectMillis,
            TimePrecision::IsoString => Self::Iso,
        }
    }

    fn schema(self) -> Schema {
        match self {
            Self::Millis => Schema::semantic(Kind::Int64, "io.debezium.time.Timestamp"),
            Self::Micros => Schema::semantic(Kind::Int64, "io.debezium.time.MicroTimestamp"),
            Self::Nanos => Schema::semantic(Kind::Int64, "io.debezium.time.NanoTimestamp"),
            Self::ConnectMillis => {
                Schema::semantic(Kind::Int64, "org.apache.kafka.connect.data.Timestamp")
            }
            Self::Iso => Schema::semantic(Kind::String, "io.debezium.time.IsoTimestamp"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
