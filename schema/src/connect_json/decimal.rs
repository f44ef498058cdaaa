//! A decimal written as a JSON number, as the bytes that Connect's `Decimal` is made of.

/// Most digits, before and after the point: what a document takes.
const DIGITS_MAX: usize = 154;

/// The two's complement, highest byte first, of `number * 10^scale`. `None` if that is not whole,
/// or is too long.
#[must_use]
pub fn unscaled(number: &str, scale: u16) -> Option<Vec<u8>> {
    let (negative, magnitude) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let mut bytes = magnitude_bytes(&digits(magnitude, scale)?)?;
    if negative {
        negate(&mut bytes);
    }
    Some(bytes)
}

/// The digits of the whole number.
fn digits(magnitude: &str, scale: u16) -> Option<String> {
    let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (magnitude, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let zeros = i32::from(scale).checked_sub(places)?;
    match usize::try_from(zeros) {
        Ok(zeros) => {
            // Zero has any exponent.
            if zeros > DIGITS_MAX && digits.bytes().any(|digit| digit != b'0') {
                return None;
            }
            digits.extend(std::iter::repeat_n('0', zeros.min(DIGITS_MAX)));
        }
        Err(_) => {
            let dropped = usize::try_from(zeros.unsigned_abs()).ok()?;
            let kept = digits.len().saturating_sub(dropped);
            if digits.bytes().skip(kept).any(|digit| digit != b'0') {
                return None;
            }
            digits.truncate(kept);
        }
    }
    let digits = digits.trim_start_matches('0');
    (digits.len() <= DIGITS_MAX).then(|| digits.to_owned())
}

/// Highest byte first, and the highest bit clear.
fn magnitude_bytes(digits: &str) -> Option<Vec<u8>> {
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
            bytes.push(u8::try_from(carry).ok()?);
        }
    }
    if bytes.last().is_none_or(|byte| byte & 0x80 != 0) {
        bytes.push(0);
    }
    bytes.reverse();
    Some(bytes)
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (negated, overflow) = (!*byte).overflowing_add(u8::from(carry));
        (*byte, carry) = (negated, overflow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_its_bytes(number: i64, scale in 0_u16..10) {
            let digits = format!("{:0>20}", number.unsigned_abs());
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let sign = if number < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{fraction}0", whole.trim_start_matches('0'));
            let text = text.replace("-.", "-0.");

            let bytes = unscaled(&text, scale).unwrap();

            let mut wide = [if number < 0 { 0xff } else { 0 }; 16];
            wide[16 - bytes.len()..].copy_from_slice(&bytes);
            prop_assert_eq!(i128::from_be_bytes(wide), i128::from(number));
            prop_assert_eq!(unscaled(&format!("{number}e-{scale}"), scale), Some(bytes));
        }
    }

    #[test]
    fn what_has_another_scale_or_no_end_is_refused() {
        assert_eq!(unscaled("1.25", 1), None);
        assert_eq!(unscaled("1e999999999", 0), None);
        assert_eq!(unscaled("1e-999999999", 0), None);
        assert_eq!(unscaled("x", 0), None);
        assert_eq!(unscaled("0e999999999", 2), Some(vec![0]));
        assert_eq!(unscaled("1.50e2", 0), Some(vec![0, 150]));
    }
}
