//! `DECIMAL`: MySQL's packed form of nine digits in four bytes, and the unscaled two's complement
//! big-endian integer that Connect and Avro have.
//!
//! The packed form is described in MySQL's `strings/decimal.cc` at `decimal2bin`: the integer part
//! and the fraction are each cut into groups of nine digits, the incomplete group of the integer
//! part standing first and that of the fraction last; the sign is the inverted top bit, and a
//! negative number has all its bits inverted.

use super::ValueError;
use crate::avro::put_bytes;
use crate::value::{Kind, Schema};

/// Bytes that a group of 0 to 9 digits takes.
const GROUP_BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
/// What nine digits, a whole group, are below.
const GROUP_MODULUS: u32 = 1_000_000_000;

/// Unscaled numbers are built from 32-bit limbs, least significant first. 65 digits need 216 bits.
const LIMBS: usize = 7;

/// The required Connect schema of a decimal.
#[must_use]
pub fn schema(precision: u8, scale: u8) -> Schema {
    Schema::semantic(Kind::Bytes, "org.apache.kafka.connect.data.Decimal")
        .parameter("scale", scale.to_string())
        .parameter("connect.decimal.precision", precision.to_string())
}

/// Most digits of a `DECIMAL`, and most of them after the point.
/// <https://dev.mysql.com/doc/refman/9.7/en/precision-math-decimal-characteristics.html>
const PRECISION_MAX: u8 = 65;
const SCALE_MAX: u8 = 30;

/// Bytes that a `DECIMAL(precision, scale)` takes in a row image; `None` if MySQL has no such type.
#[must_use]
pub fn packed_bytes(precision: u8, scale: u8) -> Option<usize> {
    if !(1..=PRECISION_MAX).contains(&precision) || scale > SCALE_MAX {
        return None;
    }
    let integer = usize::from(precision.checked_sub(scale)?);
    let fraction = usize::from(scale);
    let group = |digits: usize| GROUP_BYTES.get(digits % 9).copied();
    Some(integer / 9 * 4 + group(integer)? + fraction / 9 * 4 + group(fraction)?)
}

/// The groups of digits of a `DECIMAL(precision, scale)` in order: bytes and digits of each.
pub(crate) fn groups(precision: u8, scale: u8) -> impl Iterator<Item = (usize, u32)> {
    let integer = usize::from(precision.saturating_sub(scale));
    let fraction = usize::from(scale);
    std::iter::once(integer % 9)
        .chain(std::iter::repeat_n(9, integer / 9 + fraction / 9))
        .chain(std::iter::once(fraction % 9))
        .filter(|digits| *digits > 0)
        .filter_map(|digits| Some((*GROUP_BYTES.get(digits)?, u32::try_from(digits).ok()?)))
}

/// Appends an unsigned number as an unscaled decimal.
pub fn put_u64(number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    if number >> 63 == 1 {
        out.push(0);
        return out.extend_from_slice(&bytes);
    }
    let significant = minimal_start(&bytes, 0);
    out.extend_from_slice(bytes.get(significant..).unwrap_or_default());
}

/// Appends an unsigned number as the Avro bytes of an unscaled decimal.
pub fn write_u64(number: u64, out: &mut Vec<u8>) {
    let significant_bits = 64 - number.leading_zeros();
    // One more bit for the sign, and at least one byte.
    crate::avro::put_long(i64::from(significant_bits / 8 + 1), out);
    put_u64(number, out);
}

/// Appends the exact text of a packed decimal, as MySQL prints it.
///
/// # Errors
///
/// Returns [`ValueError`] when the bytes are not such a decimal.
pub fn text_from_binlog(
    bytes: &[u8],
    precision: u8,
    scale: u8,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    Unscaled::unpack(bytes, precision, scale)?.write_text(scale, out);
    Ok(())
}

/// Where a two's complement big-endian number begins that has no byte too many: `fill` is the byte
/// of its sign.
fn minimal_start(bytes: &[u8], fill: u8) -> usize {
    let superfluous = |pair: &[u8]| match pair {
        [first, second] => *first == fill && second & 0x80 == fill & 0x80,
        _ => false,
    };
    bytes.windows(2).take_while(|pair| superfluous(pair)).count()
}

/// An unscaled number of up to 65 digits with its sign.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Unscaled {
    limbs: [u32; LIMBS],
    negative: bool,
}

impl Unscaled {
    /// Reads a decimal's text, as a SELECT gives it.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError::Decimal`] when the text is not a decimal of this scale.
    pub fn parse(text: &str, scale: u8) -> Result<Self, ValueError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (integer, fraction) = at_point(digits.as_bytes(), scale).ok_or(ValueError::Decimal)?;
        let mut unscaled = Self { limbs: [0; LIMBS], negative };
        // Digits are put together to groups, because to push one takes as long as to push nine.
        let (mut modulus, mut group) = (1, 0);
        for digit in integer.iter().chain(fraction) {
            if !digit.is_ascii_digit() {
                return Err(ValueError::Decimal);
            }
            (modulus, group) = (modulus * 10, group * 10 + u32::from(digit - b'0'));
            if modulus == GROUP_MODULUS {
                unscaled.push_digits(modulus, group)?;
                (modulus, group) = (1, 0);
            }
        }
        unscaled.push_digits(modulus, group)?;
        unscaled.negative &= unscaled.limbs != [0; LIMBS];
        Ok(unscaled)
    }

    /// Reads a packed decimal, as the log has it.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError`] when the bytes are not a decimal of this precision and scale.
    pub fn unpack(bytes: &[u8], precision: u8, scale: u8) -> Result<Self, ValueError> {
        if packed_bytes(precision, scale) != Some(bytes.len()) {
            return Err(ValueError::Length);
        }
        let first = *bytes.first().ok_or(ValueError::Length)?;
        let negative = first & 0x80 == 0;
        let invert = if negative { 0xff } else { 0 };
        let mut unscaled = Self { limbs: [0; LIMBS], negative };
        let mut rest = bytes;
        // The sign is the top bit of the first byte, inverted: it is not part of the number.
        let mut sign_bit = 0x80;
        for (width, digits) in groups(precision, scale) {
            let (group, after) = rest.split_at_checked(width).ok_or(ValueError::Length)?;
            rest = after;
            let mut number = 0_u32;
            for byte in group {
                number = number << 8 | u32::from((byte ^ sign_bit) ^ invert);
                sign_bit = 0;
            }
            let modulus = 10_u32.pow(digits);
            if number >= modulus {
                return Err(ValueError::Decimal);
            }
            unscaled.push_digits(modulus, number)?;
        }
        // MySQL never stores a negative zero; two zeros would not be equal.
        unscaled.negative &= unscaled.limbs != [0; LIMBS];
        Ok(unscaled)
    }

    /// Appends the exact text with the point before the last `scale` digits, as MySQL prints it.
    pub fn write_text(mut self, scale: u8, out: &mut Vec<u8>) {
        let start = out.len();
        let scale = usize::from(scale);
        let mut count = 0;
        while count <= scale || self.limbs != [0; LIMBS] {
            if count == scale && scale > 0 {
                out.push(b'.');
            }
            out.push(b'0' + self.pop_digit());
            count += 1;
        }
        if self.negative {
            out.push(b'-');
        }
        out.get_mut(start..).unwrap_or_default().reverse();
    }

    /// The nearest double of the number with its point before the last `scale` digits.
    #[must_use]
    pub fn to_f64(self, scale: u8) -> f64 {
        let mut text = Vec::new();
        self.write_text(scale, &mut text);
        // A decimal's text is always a number.
        std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// Appends two's complement, big-endian, as short as it can be.
    pub fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_bytes().as_slice());
    }

    /// Appends the same as Avro bytes.
    pub fn write(self, out: &mut Vec<u8>) {
        put_bytes(self.to_bytes().as_slice(), out);
    }

    /// `self = self * modulus + digits`.
    fn push_digits(&mut self, modulus: u32, digits: u32) -> Result<(), ValueError> {
        let mut carry = u64::from(digits);
        // Most numbers need one or two limbs of the seven.
        let used = self.limbs.iter().rposition(|limb| *limb != 0).map_or(0, |last| last + 1);
        let (used, unused) = self.limbs.split_at_mut(used);
        for limb in used {
            let wide = u64::from(*limb) * u64::from(modulus) + carry;
            *limb = low_limb(wide);
            carry = wide >> 32;
        }
        if let Some(next) = unused.first_mut() {
            *next = low_limb(carry);
            carry = 0;
        }
        // The top bit is the sign's in two's complement.
        let has_room = self.limbs.last().is_none_or(|top| *top < 1 << 31);
        if carry == 0 && has_room { Ok(()) } else { Err(ValueError::Decimal) }
    }

    /// `self / 10`, giving the remainder.
    fn pop_digit(&mut self) -> u8 {
        let mut remainder = 0_u64;
        for limb in self.limbs.iter_mut().rev() {
            let wide = remainder << 32 | u64::from(*limb);
            *limb = low_limb(wide / 10);
            remainder = wide % 10;
        }
        u8::try_from(remainder).unwrap_or_default()
    }

    /// Two's complement, big-endian, as short as it can be.
    fn to_bytes(self) -> UnscaledBytes {
        let mut bytes = [0_u8; LIMBS * 4];
        let mut carry = self.negative;
        for (chunk, limb) in bytes.rchunks_exact_mut(4).zip(self.limbs) {
            let (limb, overflow) = if self.negative {
                (!limb).overflowing_add(u32::from(carry))
            } else {
                (limb, false)
            };
            carry = overflow;
            chunk.copy_from_slice(&limb.to_be_bytes());
        }
        let fill = if self.negative { 0xff } else { 0 };
        UnscaledBytes { start: minimal_start(&bytes, fill), bytes }
    }
}

struct UnscaledBytes {
    start: usize,
    bytes: [u8; LIMBS * 4],
}

impl UnscaledBytes {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

fn low_limb(wide: u64) -> u32 {
    (wide & 0xffff_ffff) as u32
}

/// The digits before the point and so many behind it.
fn at_point(digits: &[u8], scale: u8) -> Option<(&[u8], &[u8])> {
    let scale = usize::from(scale);
    let (integer, fraction) = digits.split_at_checked(digits.len().checked_sub(scale)?)?;
    let integer = if scale == 0 { integer } else { integer.strip_suffix(b".")? };
    (!integer.is_empty()).then_some((integer, fraction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// MySQL's packing, written down independently: groups of nine digits from the point outwards.
    fn pack(integer: &str, fraction: &str, negative: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (head, tail) = integer.split_at(integer.len() % 9);
        let mut groups = vec![head.as_bytes()];
        groups.extend(tail.as_bytes().chunks(9));
        groups.extend(fraction.as_bytes().chunks(9));
        for group in groups.into_iter().filter(|group| !group.is_empty()) {
            let number: u32 = std::str::from_utf8(group).unwrap().parse().unwrap();
            bytes.extend_from_slice(&number.to_be_bytes()[4 - GROUP_BYTES[group.len()]..]);
        }
        bytes[0] ^= 0x80;
        if negative {
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
        }
        bytes
    }

    #[test]
    fn the_example_of_mysqls_source_unpacks() {
        // strings/decimal.cc: 1234567890.1234 as DECIMAL(14,4).
        let bytes = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        let mut text = Vec::new();

        text_from_binlog(&bytes, 14, 4, &mut text).unwrap();

        assert_eq!(text, b"1234567890.1234");
        let inverted: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        text.clear();
        text_from_binlog(&inverted, 14, 4, &mut text).unwrap();
        assert_eq!(text, b"-1234567890.1234");
    }

    #[test]
    fn numbers_without_room_for_their_sign_are_refused() {
        // 2^223 - 1 is the largest number of 28 bytes.
        let largest = "13479973333575319897333507543509815336818572211270286240551805124607";
        let one_more = "13479973333575319897333507543509815336818572211270286240551805124608";

        assert!(Unscaled::parse(largest, 0).is_ok());
        assert_eq!(Unscaled::parse(one_more, 0).err(), Some(ValueError::Decimal));
    }

    #[test]
    fn a_text_that_is_no_decimal_of_the_scale_is_refused() {
        for (text, scale) in [
            ("", 0),
            ("-", 0),
            (".5", 1),
            ("5", 1),
            ("1.", 1),
            ("1.5", 0),
            ("1.5", 2),
            ("1.55", 1),
            ("1,5", 1),
            ("1.2.3", 1),
            ("+1", 0),
            ("1e1", 0),
            ("\u{e9}.5", 1),
        ] {
            let refused = Unscaled::parse(text, scale).err();
            assert_eq!(refused, Some(ValueError::Decimal), "{text} {scale}");
        }
    }

    #[test]
    fn no_decimal_is_wider_than_mysqls() {
        assert_eq!(packed_bytes(65, 30), Some(30));
        for (precision, scale) in [(0, 0), (66, 0), (65, 31), (5, 6)] {
            assert_eq!(packed_bytes(precision, scale), None, "DECIMAL({precision},{scale})");
        }
    }

    proptest! {
        #[test]
        fn the_binlog_and_the_text_of_a_decimal_give_the_same_number(
            integer in "[0-9]{1,35}", fraction in "[0-9]{0,30}", negative: bool,
        ) {
            let precision = u8::try_from(integer.len() + fraction.len()).unwrap();
            let scale = u8::try_from(fraction.len()).unwrap();
            let is_zero = format!("{integer}{fraction}").bytes().all(|digit| digit == b'0');
            let negative = negative && !is_zero;
            let packed = pack(&integer, &fraction, negative);
            let point = if fraction.is_empty() { "" } else { "." };
            let digits = integer.trim_start_matches('0');
            let digits = if digits.is_empty() { "0" } else { digits };
            let sign = if negative { "-" } else { "" };
            let text = format!("{sign}{digits}{point}{fraction}");

            let (mut from_log, mut from_select, mut printed) = (vec![], vec![], vec![]);
            Unscaled::unpack(&packed, precision, scale).unwrap().put(&mut from_log);
            Unscaled::parse(&text, scale).unwrap().put(&mut from_select);
            text_from_binlog(&packed, precision, scale, &mut printed).unwrap();

            prop_assert_eq!(&from_log, &from_select);
            prop_assert_eq!(String::from_utf8(printed).unwrap(), text.clone());
            if let Ok(small) = text.replace('.', "").parse::<i128>() {
                let bytes = small.to_be_bytes();
                let fill = if small < 0 { 0xff } else { 0 };
                prop_assert_eq!(&from_log[..], &bytes[minimal_start(&bytes, fill)..]);
            }
        }

        #[test]
        fn an_unsigned_number_is_written_like_a_decimal_of_its_digits(number: u64) {
            let (mut direct, mut by_text, mut avro, mut framed) = (vec![], vec![], vec![], vec![]);
            put_u64(number, &mut direct);
            Unscaled::parse(&number.to_string(), 0).unwrap().put(&mut by_text);
            write_u64(number, &mut avro);
            put_bytes(&direct, &mut framed);

            prop_assert_eq!(direct, by_text);
            prop_assert_eq!(avro, framed);
        }

        #[test]
        fn any_bytes_give_a_number_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..40), precision in 0_u8..80, scale in 0_u8..40,
        ) {
            let _result = Unscaled::unpack(&bytes, precision, scale);
        }
    }
}
