//! Value → Connect's data model.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::{DateForm, DateTimeForm, Form, TimeForm};
use crate::types::decimal::Unscaled;
use crate::types::options::BinaryMode;
use crate::types::temporal::{self, Fraction, MICROS_PER_DAY, TimestampText};
use crate::types::{MysqlValue, ValueError, decimal, spatial};
use crate::value::Value;

impl Form {
    /// The value in Connect's data model.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError`] when this form cannot hold it.
    pub fn value(&self, value: &MysqlValue<'_>) -> Result<Value, ValueError> {
        Ok(match (self, value) {
            (Self::Int16 | Self::Int32, MysqlValue::Integer(number)) => {
                Value::Int32(i32::try_from(*number).map_err(|_| ValueError::Length)?)
            }
            (Self::Int64, MysqlValue::Integer(number)) => Value::Int64(*number),
            (Self::Wrapped, MysqlValue::Unsigned(number)) => Value::Int64(number.cast_signed()),
            (Self::UnsignedDecimal, MysqlValue::Unsigned(number)) => {
                let mut unscaled = Vec::new();
                decimal::put_u64(*number, &mut unscaled);
                Value::Bytes(unscaled)
            }
            (Self::Float32, MysqlValue::Float(number)) => Value::Float32(*number),
            (Self::Widened, MysqlValue::Float(number)) => Value::Float64(f64::from(*number)),
            (Self::Float64, MysqlValue::Double(number)) => Value::Float64(*number),
            (_, MysqlValue::Decimal(unscaled)) => self.decimal_value(*unscaled)?,
            (_, MysqlValue::Bits(bits)) => self.bits_value(*bits)?,
            (Self::SetArray, _) => {
                let members = value.text()?.split(',').filter(|member| !member.is_empty());
                Value::Array(members.map(|member| Value::String(member.to_owned())).collect())
            }
            (
                Self::Text | Self::Enum { .. } | Self::Set { .. } | Self::Json | Self::PlainJson,
                _,
            ) => Value::String(value.text()?.to_owned()),
            (Self::Bytes(mode), _) => binary(*mode, value.bytes()?),
            (Self::Year { zero }, MysqlValue::Year(0)) => Value::Int32(*zero),
            (Self::Year { .. } | Self::PlainYear, MysqlValue::Year(year)) => Value::Int32(*year),
            (Self::Date(form), _) => form.value(value.days()?)?,
            (Self::Time(form), MysqlValue::Time(micros)) => form.value(*micros)?,
            (Self::DateTime(form), _) => form.value(value.local_micros()?)?,
            (Self::ZonedTimestamp { fraction, trimmed }, _) => {
                let text = TimestampText::new(value.instant_micros()?, *fraction)?;
                let text = if *trimmed { text.trimmed() } else { text };
                Value::String(text.as_str().to_owned())
            }
            (Self::Instant, _) => Value::Int64(value.instant_micros()?),
            (Self::Geometry, _) => spatial::geometry_value(value.bytes()?)?,
            (Self::Point, _) => spatial::point_value(value.bytes()?)?,
            (Self::Vector, _) => {
                let entries = spatial::vector_entries(value.bytes()?)?;
                Value::Array(
                    entries.map(|entry| Value::Float32(f32::from_le_bytes(entry))).collect(),
                )
            }
            (_, _) => return Err(ValueError::Form),
        })
    }
}

impl Form {
    fn decimal_value(&self, unscaled: Unscaled) -> Result<Value, ValueError> {
        if let Self::DecimalDouble { scale } = self {
            return Ok(Value::Float64(unscaled.to_f64(*scale)));
        }
        let mut bytes = Vec::new();
        if let Self::DecimalText { scale } = self {
            unscaled.write_text(*scale, &mut bytes);
            return String::from_utf8(bytes).map(Value::String).map_err(|_| ValueError::Decimal);
        }
        if !matches!(self, Self::Decimal { .. }) {
            return Err(ValueError::Form);
        }
        unscaled.put(&mut bytes);
        Ok(Value::Bytes(bytes))
    }

    fn bits_value(&self, bits: u64) -> Result<Value, ValueError> {
        if *self == Self::Boolean {
            return Ok(Value::Boolean(bits != 0));
        }
        if let Self::Bits { length } = self {
            let bytes = usize::from(length.div_ceil(8));
            return Ok(Value::Bytes(bits.to_le_bytes().into_iter().take(bytes).collect()));
        }
        let Self::PlainBits { length } = self else { return Err(ValueError::Form) };
        let unused = 8_usize.saturating_sub(usize::from(length.div_ceil(8)));
        Ok(Value::Bytes(bits.to_be_bytes().into_iter().skip(unused).collect()))
    }
}

fn binary(mode: BinaryMode, bytes: &[u8]) -> Value {
    match mode {
        BinaryMode::Bytes => Value::Bytes(bytes.to_vec()),
        BinaryMode::Base64 => Value::String(STANDARD.encode(bytes)),
        BinaryMode::Base64UrlSafe => Value::String(URL_SAFE.encode(bytes)),
        BinaryMode::Hex => Value::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

impl DateForm {
    pub(super) fn value(self, days: i64) -> Result<Value, ValueError> {
        Ok(match self {
            Self::Days | Self::ConnectDays => {
                Value::Int32(i32::try_from(days).map_err(|_| ValueError::DateRange)?)
            }
            Self::Iso => Value::String(temporal::iso_date(days)),
        })
    }
}

impl TimeForm {
    pub(super) fn value(self, micros: i64) -> Result<Value, ValueError> {
        Ok(match self {
            Self::Micros => Value::Int64(micros),
            Self::Nanos => Value::Int64(nanos(micros)?),
            Self::ConnectMillis => {
                let millis = up_to_a_day(micros)? / 1000;
                Value::Int32(i32::try_from(millis).map_err(|_| ValueError::Range)?)
            }
            Self::MicrosOfDay => Value::Int64(within_a_day(micros)?),
            Self::Iso => Value::String(temporal::iso_time(up_to_a_day(micros)?)),
        })
    }
}

impl DateTimeForm {
    pub(super) fn value(self, micros: i64) -> Result<Value, ValueError> {
        Ok(match self {
            Self::Millis | Self::ConnectMillis => Value::Int64(micros.div_euclid(1000)),
            Self::Micros => Value::Int64(micros),
            Self::Nanos => Value::Int64(nanos(micros)?),
            Self::Iso => Value::String(iso_timestamp(micros)?.as_str().to_owned()),
        })
    }
}

pub(super) fn iso_timestamp(micros: i64) -> Result<TimestampText, ValueError> {
    Ok(TimestampText::new(micros, Fraction::LONGEST)?.trimmed())
}

/// Only days that are in range as a whole are, as Debezium has it.
pub(super) fn nanos(micros: i64) -> Result<i64, ValueError> {
    let midnight = micros.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY;
    let fits = midnight.checked_mul(1000).is_some();
    micros.checked_mul(1000).filter(|_| fits).ok_or(ValueError::Range)
}

/// Debezium also takes 24:00:00 for a time of day.
pub(super) fn up_to_a_day(micros: i64) -> Result<i64, ValueError> {
    if micros == MICROS_PER_DAY { Ok(micros) } else { within_a_day(micros) }
}

/// TIME also holds spans of up to 838 hours and negative ones, which no time of day is.
pub(super) fn within_a_day(micros: i64) -> Result<i64, ValueError> {
    if (0..MICROS_PER_DAY).contains(&micros) { Ok(micros) } else { Err(ValueError::Range) }
}
