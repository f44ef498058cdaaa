//! The bytes of a column in the log → Avro, in one step where a type and its form are common.
//!
//! Each operation does what [`ColumnType::read`] and [`Form::write`] do one after the other; a
//! property holds them equal. What is rare goes that way.

use crate::avro::{put_bytes, put_long};
use crate::bytes::is_utf8;
use crate::types::charset::Charset;
use crate::types::temporal::{self, Fraction};
use crate::types::{BinaryMode, ColumnType, DateForm, DateTimeForm, Form, TimeForm, ValueError};

/// What is done with a column's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    /// A signed number of so many bytes.
    Signed(Width),
    /// A number without a sign that fits into an Avro `long`.
    Unsigned(Width),
    /// Four or eight bytes as they are.
    Float,
    Double,
    /// UTF-8, which is checked.
    Text,
    /// Bytes as they are.
    Bytes,
    /// The members of an ENUM as Avro has them; the first stands for an invalid value.
    Member(Box<[Box<[u8]>]>),
    Date,
    DateTimeMillis(Fraction),
    DateTimeMicros(Fraction),
    TimeMicros(Fraction),
    /// Text in UTC.
    Timestamp(Fraction),
    /// A decimal of at most 18 digits.
    SmallDecimal(SmallDecimal),
    /// Read and write.
    Other,
}

/// Bytes of a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    One,
    Two,
    Three,
    Four,
    Eight,
}

impl Op {
    pub(super) fn new(column_type: &ColumnType, form: &Form) -> Self {
        match (column_type, form) {
            (ColumnType::TinyInt { unsigned }, _) => Self::integer(Width::One, *unsigned),
            (ColumnType::SmallInt { unsigned }, _) => Self::integer(Width::Two, *unsigned),
            (ColumnType::MediumInt { unsigned }, _) => Self::integer(Width::Three, *unsigned),
            (ColumnType::Int { unsigned }, _) => Self::integer(Width::Four, *unsigned),
            (ColumnType::BigInt { unsigned: false }, _) => Self::Signed(Width::Eight),
            (ColumnType::Float, Form::Float32) => Self::Float,
            (ColumnType::Double, Form::Float64) => Self::Double,
            (ColumnType::Text { charset: Charset::Utf8 }, Form::Text) => Self::Text,
            (ColumnType::Blob, Form::Bytes(BinaryMode::Bytes)) => Self::Bytes,
            (ColumnType::Enum { members }, Form::Enum { .. } | Form::Text) => {
                let texts = std::iter::once("").chain(members.iter().map(String::as_str));
                Self::Member(texts.map(encoded).collect())
            }
            (ColumnType::Date, Form::Date(DateForm::Days | DateForm::ConnectDays)) => Self::Date,
            (
                ColumnType::DateTime { fraction },
                Form::DateTime(DateTimeForm::Millis | DateTimeForm::ConnectMillis),
            ) => Self::DateTimeMillis(*fraction),
            (ColumnType::DateTime { fraction }, Form::DateTime(DateTimeForm::Micros)) => {
                Self::DateTimeMicros(*fraction)
            }
            (ColumnType::Time { fraction }, Form::Time(TimeForm::Micros)) => {
                Self::TimeMicros(*fraction)
            }
            (
                ColumnType::Timestamp { fraction },
                Form::ZonedTimestamp { trimmed: false, fraction: shown },
            ) if fraction == shown => Self::Timestamp(*fraction),
            (ColumnType::Decimal { precision, scale }, Form::Decimal { .. }) => {
                SmallDecimal::new(*precision, *scale).map_or(Self::Other, Self::SmallDecimal)
            }
            (_, _) => Self::Other,
        }
    }

    fn integer(width: Width, unsigned: bool) -> Self {
        if unsigned { Self::Unsigned(width) } else { Self::Signed(width) }
    }

    /// Appends the value; `None` if it has to be read and written.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call for each column is a tenth of a row's time")]
    pub(super) fn write(&self, bytes: &[u8], out: &mut Vec<u8>) -> Option<Result<(), ValueError>> {
        Some(match self {
            Self::Signed(width) => put(width.signed(bytes), out),
            Self::Unsigned(width) => put(width.unsigned(bytes), out),
            Self::Float => put_fixed::<4>(bytes, out),
            Self::Double => put_fixed::<8>(bytes, out),
            Self::Text if is_utf8(bytes) => {
                put_bytes(bytes, out);
                Ok(())
            }
            Self::Text => Err(ValueError::Charset),
            Self::Bytes => {
                put_bytes(bytes, out);
                Ok(())
            }
            Self::Member(members) => put_member(bytes, members, out),
            Self::Date => temporal::date_days(bytes).map(|days| put_long(days, out)),
            Self::DateTimeMillis(fraction) => temporal::datetime_micros(bytes, *fraction)
                .map(|micros| put_long(micros.div_euclid(1000), out)),
            Self::DateTimeMicros(fraction) => {
                temporal::datetime_micros(bytes, *fraction).map(|micros| put_long(micros, out))
            }
            Self::TimeMicros(fraction) => {
                temporal::time_micros(bytes, *fraction).map(|micros| put_long(micros, out))
            }
            Self::Timestamp(fraction) => temporal::put_timestamp(bytes, *fraction, out),
            Self::SmallDecimal(decimal) => decimal.write(bytes, out),
            Self::Other => return None,
        })
    }
}

fn encoded(text: &str) -> Box<[u8]> {
    let mut bytes = Vec::new();
    put_bytes(text.as_bytes(), &mut bytes);
    bytes.into()
}

#[inline]
fn put(number: Option<i64>, out: &mut Vec<u8>) -> Result<(), ValueError> {
    put_long(number.ok_or(ValueError::Length)?, out);
    Ok(())
}

#[inline]
fn put_fixed<const N: usize>(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let bytes: [u8; N] = bytes.try_into().map_err(|_| ValueError::Length)?;
    out.extend_from_slice(&bytes);
    Ok(())
}

fn put_member(bytes: &[u8], members: &[Box<[u8]>], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let number = match *bytes {
        [low] => usize::from(low),
        [low, high] => usize::from(low) | usize::from(high) << 8,
        _ => return Err(ValueError::Length),
    };
    out.extend_from_slice(members.get(number).ok_or(ValueError::Member)?);
    Ok(())
}

impl Width {
    #[inline]
    fn signed(self, bytes: &[u8]) -> Option<i64> {
        Some(match self {
            Self::One => i64::from(i8::from_le_bytes(bytes.try_into().ok()?)),
            Self::Two => i64::from(i16::from_le_bytes(bytes.try_into().ok()?)),
            Self::Three => {
                let [low, middle, high]: [u8; 3] = bytes.try_into().ok()?;
                i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8)
            }
            Self::Four => i64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
            Self::Eight => i64::from_le_bytes(bytes.try_into().ok()?),
        })
    }

    #[inline]
    fn unsigned(self, bytes: &[u8]) -> Option<i64> {
        Some(match self {
            Self::One => i64::from(u8::from_le_bytes(bytes.try_into().ok()?)),
            Self::Two => i64::from(u16::from_le_bytes(bytes.try_into().ok()?)),
            Self::Three => {
                let [low, middle, high]: [u8; 3] = bytes.try_into().ok()?;
                i64::from(u32::from_le_bytes([low, middle, high, 0]))
            }
            Self::Four => i64::from(u32::from_le_bytes(bytes.try_into().ok()?)),
            Self::Eight => i64::from_le_bytes(bytes.try_into().ok()?),
        })
    }
}

/// A decimal whose unscaled number fits into 64 bits: the widths and sizes of its groups of
/// digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SmallDecimal {
    bytes: usize,
    /// For each group the bytes it takes and ten to the power of its digits.
    groups: Box<[(usize, u32)]>,
}

impl SmallDecimal {
    /// Most digits of which every number fits into 64 bits with a sign.
    const DIGITS_MAX: u8 = 18;

    fn new(precision: u8, scale: u8) -> Option<Self> {
        if precision > Self::DIGITS_MAX {
            return None;
        }
        let bytes = crate::types::decimal::packed_bytes(precision, scale)?;
        let groups = crate::types::decimal::groups(precision, scale);
        let groups = groups.map(|(width, digits)| (width, 10_u32.pow(digits))).collect();
        Some(Self { bytes, groups })
    }

    fn write(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
        if bytes.len() != self.bytes {
            return Err(ValueError::Length);
        }
        let first = bytes.first().copied().unwrap_or_default();
        let invert = if first & 0x80 == 0 { 0xff } else { 0 };
        // The sign is the top bit, inverted: it is not part of the number.
        let mut sign_bit = 0x80;
        let mut rest = bytes;
        let mut number = 0_i64;
        for (width, modulus) in &self.groups {
            let (group, after) = rest.split_at_checked(*width).ok_or(ValueError::Length)?;
            rest = after;
            let digits = match *group {
                [a] => u32::from(a ^ sign_bit ^ invert),
                [a, b] => u32::from_be_bytes([0, 0, a ^ sign_bit ^ invert, b ^ invert]),
                [a, b, c] => u32::from_be_bytes([0, a ^ sign_bit ^ invert, b ^ invert, c ^ invert]),
                [a, b, c, d] => {
                    u32::from_be_bytes([a ^ sign_bit ^ invert, b ^ invert, c ^ invert, d ^ invert])
                }
                _ => return Err(ValueError::Length),
            };
            sign_bit = 0;
            if digits >= *modulus {
                return Err(ValueError::Decimal);
            }
            number = number * i64::from(*modulus) + i64::from(digits);
        }
        put_unscaled(if invert == 0 { number } else { -number }, out);
        Ok(())
    }
}

/// A number in two's complement, big-endian, as short as it can be, as Avro bytes.
fn put_unscaled(number: i64, out: &mut Vec<u8>) {
    // Bits that only repeat the sign are left out but for one.
    let repeated = if number < 0 { number.leading_ones() } else { number.leading_zeros() };
    let significant = 65 - repeated;
    let length = usize::try_from(significant.div_ceil(8)).unwrap_or(8);
    put_long(i64::try_from(length).unwrap_or(8), out);
    let start = out.len();
    // Moved to the front, so that a constant number of bytes is copied.
    let shifted = number.cast_unsigned() << (64 - 8 * length);
    out.extend_from_slice(&shifted.to_be_bytes());
    out.truncate(start + length);
}
