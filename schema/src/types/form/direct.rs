//! Value → Avro bytes, without anything in between.

use super::generic::{iso_timestamp, nanos, up_to_a_day, within_a_day};
use super::{DateForm, DateTimeForm, Form, TimeForm};
use crate::avro::{self, put_bytes, put_count, put_long};
use crate::types::options::BinaryMode;
use crate::types::spatial::{self, Geometry};
use crate::types::temporal::TimestampText;
use crate::types::{MysqlValue, ValueError, decimal};

impl Form {
    /// Appends the value as Avro, without a union's branch.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError`] when this form cannot hold it; what was appended by then is of no
    /// use.
    pub fn write(&self, value: &MysqlValue<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
        match (self, value) {
            (Self::Int64, MysqlValue::Integer(number)) => put_long(*number, out),
            (Self::Int16 | Self::Int32, MysqlValue::Integer(number)) => {
                put_long(i32::try_from(*number).map_err(|_| ValueError::Length)?.into(), out);
            }
            (Self::Wrapped, MysqlValue::Unsigned(number)) => put_long(number.cast_signed(), out),
            (Self::UnsignedDecimal, MysqlValue::Unsigned(number)) => {
                decimal::write_u64(*number, out);
            }
            (Self::Float32, MysqlValue::Float(number)) => {
                out.extend_from_slice(&number.to_le_bytes());
            }
            (Self::Widened, MysqlValue::Float(number)) => {
                out.extend_from_slice(&f64::from(*number).to_le_bytes());
            }
            (Self::Float64, MysqlValue::Double(number)) => {
                out.extend_from_slice(&number.to_le_bytes());
            }
            (Self::Decimal { .. }, MysqlValue::Decimal(unscaled)) => unscaled.write(out),
            (_, MysqlValue::Bits(bits)) => return self.write_bits(*bits, out),
            (
                Self::Text | Self::Enum { .. } | Self::Set { .. } | Self::Json | Self::PlainJson,
                _,
            ) => put_bytes(value.text()?.as_bytes(), out),
            (Self::SetArray, _) => write_members(value.text()?, out),
            (Self::Bytes(BinaryMode::Bytes), _) => put_bytes(value.bytes()?, out),
            (Self::Year { zero }, MysqlValue::Year(0)) => put_long((*zero).into(), out),
            (Self::Year { .. } | Self::PlainYear, MysqlValue::Year(year)) => {
                put_long((*year).into(), out);
            }
            (Self::Date(DateForm::Days | DateForm::ConnectDays), _) => put_long(value.days()?, out),
            (Self::Time(form), MysqlValue::Time(micros)) => return form.write(*micros, out),
            (Self::DateTime(form), _) => return form.write(value.local_micros()?, out),
            (Self::ZonedTimestamp { fraction, trimmed }, _) => {
                let text = TimestampText::new(value.instant_micros()?, *fraction)?;
                let text = if *trimmed { text.trimmed() } else { text };
                put_bytes(text.as_bytes(), out);
            }
            (Self::Instant, _) => put_long(value.instant_micros()?, out),
            (Self::Geometry, _) => write_geometry(Geometry::new(value.bytes()?)?, out)?,
            (Self::Point, _) => write_point(Geometry::new(value.bytes()?)?, out)?,
            (Self::Vector, _) => {
                let entries = value.bytes()?;
                write_vector(spatial::vector_entries(entries)?, entries.len() / 4, out);
            }
            // Forms that nobody takes for speed: text of numbers, dates and bytes.
            (
                Self::DecimalDouble { .. }
                | Self::DecimalText { .. }
                | Self::Bytes(_)
                | Self::Date(DateForm::Iso),
                _,
            ) => return self.write_generic(value, out),
            (_, _) => return Err(ValueError::Form),
        }
        Ok(())
    }

    fn write_bits(&self, bits: u64, out: &mut Vec<u8>) -> Result<(), ValueError> {
        if *self == Self::Boolean {
            out.push(u8::from(bits != 0));
        } else if let Self::Bits { length } = self {
            let bytes = bits.to_le_bytes();
            put_bytes(bytes.get(..length.div_ceil(8).into()).unwrap_or_default(), out);
        } else if let Self::PlainBits { length } = self {
            let bytes = bits.to_be_bytes();
            let unused = 8_usize.saturating_sub(length.div_ceil(8).into());
            put_bytes(bytes.get(unused..).unwrap_or_default(), out);
        } else {
            return Err(ValueError::Form);
        }
        Ok(())
    }

    fn write_generic(&self, value: &MysqlValue<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
        let value = self.value(value)?;
        avro::encode(&self.schema(), &value, out).map_err(|_| ValueError::Form)
    }
}

impl TimeForm {
    fn write(self, micros: i64, out: &mut Vec<u8>) -> Result<(), ValueError> {
        match self {
            Self::Micros => put_long(micros, out),
            Self::Nanos => put_long(nanos(micros)?, out),
            Self::ConnectMillis => put_long(up_to_a_day(micros)? / 1000, out),
            Self::MicrosOfDay => put_long(within_a_day(micros)?, out),
            Self::Iso => {
                return Form::Time(self).write_generic(&MysqlValue::Time(micros), out);
            }
        }
        Ok(())
    }
}

impl DateTimeForm {
    fn write(self, micros: i64, out: &mut Vec<u8>) -> Result<(), ValueError> {
        match self {
            Self::Millis | Self::ConnectMillis => put_long(micros.div_euclid(1000), out),
            Self::Micros => put_long(micros, out),
            Self::Nanos => put_long(nanos(micros)?, out),
            Self::Iso => put_bytes(iso_timestamp(micros)?.as_bytes(), out),
        }
        Ok(())
    }
}

fn write_members(members: &str, out: &mut Vec<u8>) {
    let chosen = || members.split(',').filter(|member| !member.is_empty());
    let count = chosen().count();
    if count > 0 {
        put_count(count, out);
        chosen().for_each(|member| put_bytes(member.as_bytes(), out));
    }
    put_long(0, out);
}

fn write_geometry(geometry: Geometry<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
    put_bytes(geometry.wkb, out);
    write_srid(geometry, out)
}

fn write_point(geometry: Geometry<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let (x, y) = geometry.point()?;
    out.extend_from_slice(&x.to_le_bytes());
    out.extend_from_slice(&y.to_le_bytes());
    put_long(1, out);
    put_bytes(geometry.wkb, out);
    write_srid(geometry, out)
}

fn write_srid(geometry: Geometry<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
    match geometry.optional_srid()? {
        None => put_long(0, out),
        Some(srid) => {
            put_long(1, out);
            put_long(srid.into(), out);
        }
    }
    Ok(())
}

fn write_vector(entries: impl Iterator<Item = [u8; 4]>, count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        put_count(count, out);
        entries.for_each(|entry| out.extend_from_slice(&entry));
    }
    put_long(0, out);
}
