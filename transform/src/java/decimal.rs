//! `BigDecimal`: digits and how many of them stand behind the point.

use std::fmt;

use schema::value::Schema;

/// Longest number: what MySQL and Avro's readers have is far below it.
const DIGITS_MAX: usize = 1_000;

/// A decimal number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Without zeros before them; `0` for zero.
    digits: String,
    scale: i32,
}

impl Decimal {
    /// Of the two's complement, highest byte first.
    pub(crate) fn new(bytes: &[u8], scale: i32) -> Self {
        let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
        // Groups of nine digits, the lowest first.
        let mut groups: Vec<u32> = vec![0];
        let mut times_256_plus = |byte: u8| {
            let mut carry = u64::from(byte);
            for group in &mut groups {
                carry += u64::from(*group) << 8;
                *group = u32::try_from(carry % 1_000_000_000).unwrap_or_default();
                carry /= 1_000_000_000;
            }
            if carry > 0 {
                groups.push(u32::try_from(carry).unwrap_or_default());
            }
        };
        magnitude(bytes, negative).into_iter().for_each(&mut times_256_plus);
        let text: String = groups.iter().rev().map(|group| format!("{group:09}")).collect();
        let digits = text.trim_start_matches('0');
        Self { negative, digits: if digits.is_empty() { "0" } else { digits }.to_owned(), scale }
    }

    /// The parameter `scale` of Connect's decimal.
    pub(crate) fn scale_of(schema: &Schema) -> i32 {
        let scale = schema.parameters.iter().find(|(name, _)| name == "scale");
        scale.and_then(|(_, text)| text.parse().ok()).unwrap_or_default()
    }

    /// The unscaled bytes of a text that has at most this many digits behind its point. `None` for
    /// anything else.
    pub(crate) fn parse(text: &str, scale: i32) -> Option<Vec<u8>> {
        let (negative, digits, own_scale) = parts(text)?;
        let zeros = usize::try_from(scale.checked_sub(own_scale)?).ok()?;
        if digits.len() + zeros > DIGITS_MAX {
            return None;
        }
        Some(unscaled(&format!("{digits}{}", "0".repeat(zeros)), negative))
    }

    /// `longValue`: the low bits of what stands before the point.
    pub(crate) fn to_long(&self) -> i64 {
        let scale = usize::try_from(self.scale).unwrap_or_default();
        let whole = self.digits.len().saturating_sub(scale);
        let whole = self.digits.bytes().take(whole);
        let number = whole.fold(0_i64, |number, digit| {
            number.wrapping_mul(10).wrapping_add((digit - b'0').into())
        });
        if self.negative { number.wrapping_neg() } else { number }
    }
}

impl fmt::Display for Decimal {
    /// As `BigDecimal.toString`: with an exponent below a millionth.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let count = i32::try_from(self.digits.len()).unwrap_or(i32::MAX);
        let exponent = i64::from(count) - 1 - i64::from(self.scale);
        if self.scale == 0 {
            return write!(f, "{sign}{}", self.digits);
        }
        if self.scale > 0 && exponent >= -6 {
            let scale = usize::try_from(self.scale).unwrap_or_default();
            let padded = format!("{:0>width$}", self.digits, width = scale + 1);
            let (whole, fraction) =
                padded.split_at_checked(padded.len() - scale).unwrap_or_default();
            return write!(f, "{sign}{whole}.{fraction}");
        }
        let (first, rest) = self.digits.split_at_checked(1).unwrap_or_default();
        let point = if rest.is_empty() { "" } else { "." };
        write!(f, "{sign}{first}{point}{rest}E{exponent:+}")
    }
}

/// Sign, digits without zeros before them, and how many of those are behind the point, less the
/// exponent.
pub(crate) fn parts(text: &str) -> Option<(bool, String, i32)> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number || digits.len() > DIGITS_MAX {
        return None;
    }
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    Some((negative, digits, scale))
}

/// The two's complement of digits, highest byte first.
pub(crate) fn unscaled(digits: &str, negative: bool) -> Vec<u8> {
    // Lowest byte first.
    let mut bytes: Vec<u8> = Vec::new();
    for digit in digits.bytes() {
        let mut carry = u16::from(digit - b'0');
        for byte in &mut bytes {
            carry += u16::from(*byte) * 10;
            let [high, low] = carry.to_be_bytes();
            (*byte, carry) = (low, high.into());
        }
        if carry > 0 {
            bytes.push(u8::try_from(carry).unwrap_or_default());
        }
    }
    if negative {
        let mut carry = true;
        for byte in &mut bytes {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let sign = if negative { 0xff } else { 0 };
    if bytes.last().is_none_or(|highest| (highest ^ sign) & 0x80 != 0) {
        bytes.push(if bytes.is_empty() { 0 } else { sign });
    }
    bytes.reverse();
    bytes
}

fn magnitude(bytes: &[u8], negative: bool) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_and_digits_are_one_number(number: i128, scale in 0_i32..30) {
            let decimal = Decimal::new(&number.to_be_bytes(), 0);

            prop_assert_eq!(decimal.to_string(), number.to_string());
            let bytes = Decimal::parse(&number.to_string(), 0).unwrap();
            prop_assert_eq!(&Decimal::new(&bytes, 0), &decimal);
            let text = Decimal { scale, ..decimal.clone() }.to_string();
            prop_assert_eq!(Decimal::parse(&text, scale).unwrap(), bytes);
        }
    }
}
