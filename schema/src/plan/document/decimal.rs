//! Decimals as exact numbers in text.

use super::error::Problem;
use crate::avro::{Field, Node, Shape};
use crate::digits::{write_fixed_point, write_unsigned};

/// Longest unscaled value: 64 bytes, 154 digits. MySQL's 65 digits take 28 bytes.
const BYTES_MAX: usize = 64;
/// Most digits after the point. MySQL has 30; our choice for other databases.
pub(super) const SCALE_MAX: u16 = 200;
/// Decimal digits that one step of the division gives.
const DIGITS_PER_STEP: usize = 9;
const STEP: u64 = 1_000_000_000;
/// Steps of nine digits, each of which takes more than 29 bits away.
const STEPS_MAX: usize = BYTES_MAX * 8 / 29 + 1;

/// Writes `unscaled * 10^-scale` as a JSON number without an exponent. `unscaled` is a two's
/// complement, highest byte first; no bytes are zero.
pub(super) fn write_decimal(unscaled: &[u8], scale: u16, out: &mut Vec<u8>) -> Result<(), Problem> {
    if unscaled.len() > BYTES_MAX {
        return Err(Problem::DecimalTooLong);
    }
    let negative = unscaled.first().is_some_and(|byte| byte & 0x80 != 0);
    if negative {
        out.push(b'-');
    }
    if let Some(number) = small(unscaled, negative) {
        write_small(number.unsigned_abs(), scale, out);
        return Ok(());
    }
    write_long(unscaled, negative, scale, out);
    Ok(())
}

fn write_long(unscaled: &[u8], negative: bool, scale: u16, out: &mut Vec<u8>) {
    let mut limbs = magnitude(unscaled, negative);
    let mut digits = [b'0'; STEPS_MAX * DIGITS_PER_STEP];
    write_digits(&mut limbs, &mut digits);
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    push_point(&digits, leading, usize::from(scale), out);
}

/// Whether a record is Debezium's decimal with a scale of its own: a number whose column does not
/// say how many digits it has.
pub(super) fn is_variable(node: &Node, fields: &[Field]) -> bool {
    let parts = fields.iter().map(|field| (&*field.name, &field.node.shape));
    node.semantics.name.as_deref() == Some("io.debezium.data.VariableScaleDecimal")
        && matches!(&*parts.collect::<Vec<_>>(), [("scale", Shape::Int), ("value", Shape::Bytes)])
}

/// As [`write_decimal`] for any scale: with one below zero, zeros follow the digits.
pub(super) fn write_scaled(unscaled: &[u8], scale: i64, out: &mut Vec<u8>) -> Result<(), Problem> {
    let digits = u16::try_from(scale.unsigned_abs()).ok().filter(|digits| *digits <= SCALE_MAX);
    let digits = digits.ok_or(Problem::DecimalTooLong)?;
    if scale >= 0 {
        return write_decimal(unscaled, digits, out);
    }
    let start = out.len();
    write_decimal(unscaled, 0, out)?;
    if out.get(start..) != Some(b"0") {
        out.extend(std::iter::repeat_n(b'0', usize::from(digits)));
    }
    Ok(())
}

/// The digits before the point and those after it are two numbers, unless there are too many.
fn write_small(number: u64, scale: u16, out: &mut Vec<u8>) {
    if write_fixed_point(number, scale, out) {
        return;
    }
    // Of a greater one, twice would not fit.
    if let Some(power) = 10_u64.checked_pow(scale.into()).filter(|power| *power < 1 << 62) {
        write_unsigned(number / power, out);
        if scale > 0 {
            let point = out.len();
            // The one in front keeps the zeros after the point.
            write_unsigned(number % power + power, out);
            if let Some(one) = out.get_mut(point) {
                *one = b'.';
            }
        }
        return;
    }
    let mut digits = Vec::with_capacity(DIGITS_PER_STEP * 3);
    write_unsigned(number, &mut digits);
    // Zero has no digits of its own: those that are shown come from the scale.
    push_point(&digits, usize::from(number == 0), usize::from(scale), out);
}

/// A number of up to 64 bits: nearly all are.
fn small(unscaled: &[u8], negative: bool) -> Option<i64> {
    let mut bytes = [if negative { 0xff } else { 0 }; 8];
    let start = bytes.len().checked_sub(unscaled.len())?;
    bytes.get_mut(start..)?.copy_from_slice(unscaled);
    Some(i64::from_be_bytes(bytes))
}

/// The absolute value in limbs of 32 bits, highest first.
fn magnitude(unscaled: &[u8], negative: bool) -> [u32; BYTES_MAX / 4] {
    let mut bytes = [if negative { 0xff } else { 0 }; BYTES_MAX];
    for (to, from) in bytes.iter_mut().rev().zip(unscaled.iter().rev()) {
        *to = *from;
    }
    let mut limbs = [0_u32; BYTES_MAX / 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *limb = u32::from_be_bytes(*chunk);
    }
    if negative {
        let mut carry = true;
        for limb in limbs.iter_mut().rev() {
            let (sum, overflow) = (!*limb).overflowing_add(u32::from(carry));
            *limb = sum;
            carry = overflow;
        }
    }
    limbs
}

/// Divides by 10^9 until nothing is left; the digits stand at the end of `digits`.
fn write_digits(limbs: &mut [u32], digits: &mut [u8]) {
    for chunk in digits.rchunks_mut(DIGITS_PER_STEP) {
        if limbs.iter().all(|limb| *limb == 0) {
            return;
        }
        let mut remainder = 0_u64;
        for limb in limbs.iter_mut() {
            let dividend = (remainder << 32) | u64::from(*limb);
            // The quotient fits: the remainder before is below 10^9, which is below 2^32.
            *limb = u32::try_from(dividend / STEP).unwrap_or(u32::MAX);
            remainder = dividend % STEP;
        }
        for digit in chunk.iter_mut().rev() {
            *digit = b'0' + (remainder % 10).to_le_bytes()[0];
            remainder /= 10;
        }
    }
}

/// Writes the digits after `leading` zeros with a point before the last `scale` of them, and one
/// zero at least before the point.
fn push_point(digits: &[u8], leading: usize, scale: usize, out: &mut Vec<u8>) {
    let significant = digits.get(leading..).unwrap_or_default();
    let (whole, fraction) = significant.split_at(significant.len().saturating_sub(scale));
    if whole.is_empty() {
        out.push(b'0');
    } else {
        out.extend_from_slice(whole);
    }
    if scale > 0 {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', scale - fraction.len()));
        out.extend_from_slice(fraction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(unscaled: &[u8], scale: u16) -> String {
        let mut out = Vec::new();
        write_decimal(unscaled, scale, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn zero_keeps_its_scale_and_small_values_their_zeros() {
        assert_eq!(text(&[], 0), "0");
        assert_eq!(text(&[0], 2), "0.00");
        assert_eq!(text(&[0xff], 3), "-0.001");
        assert_eq!(text(&[5], 1), "0.5");
    }

    #[test]
    fn the_longest_decimal_of_mysql_is_exact() {
        // 10^65 - 1 in two's complement.
        let nines = [
            0x00, 0xf3, 0x16, 0x27, 0x1c, 0x7f, 0xc3, 0x90, 0x8a, 0x8b, 0xef, 0x46, 0x4e, 0x39,
            0x45, 0xef, 0x7a, 0x25, 0x36, 0x09, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ];
        assert_eq!(text(&nines, 0), "9".repeat(65));
        assert_eq!(text(&nines, 30), format!("{}.{}", "9".repeat(35), "9".repeat(30)));
    }

    #[test]
    fn the_largest_accepted_value_fits_its_digits() {
        let mut largest = [0xff; BYTES_MAX];
        largest[0] = 0x7f;
        assert_eq!(text(&largest, 0).len(), 154);

        let mut lowest = [0; BYTES_MAX];
        lowest[0] = 0x80;
        assert_eq!(text(&lowest, 0).len(), 155);
        assert_eq!(
            write_decimal(&[0; BYTES_MAX + 1], 0, &mut Vec::new()),
            Err(Problem::DecimalTooLong)
        );
    }

    proptest! {
        #[test]
        fn short_and_long_forms_of_a_number_are_the_same(value: i64, scale in 0_u16..25) {
            let fill = if value < 0 { 0xff } else { 0 };
            let long = [vec![fill; 9], value.to_be_bytes().to_vec()].concat();

            prop_assert_eq!(text(&value.to_be_bytes(), scale), text(&long, scale));
        }

        #[test]
        fn digits_are_those_of_the_integer(value: i128, padding in 0_usize..20) {
            let fill = if value < 0 { 0xff } else { 0 };
            let mut bytes = vec![fill; padding];
            bytes.extend(value.to_be_bytes());

            prop_assert_eq!(text(&bytes, 0), value.to_string());
        }

        #[test]
        fn the_point_moves_no_digit(value: i128, scale in 0_u16..45) {
            let shown = text(&value.to_be_bytes(), scale);
            let (whole, fraction) = shown.split_once('.').unwrap_or((&shown, ""));

            prop_assert_eq!(fraction.len(), usize::from(scale));
            prop_assert!(whole.trim_start_matches('-') == "0" || !whole.trim_start_matches('-').starts_with('0'));
            let digits = format!("{whole}{fraction}");
            prop_assert_eq!(digits.parse::<i128>().unwrap(), value);
        }
    }
}
