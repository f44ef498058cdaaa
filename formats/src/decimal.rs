//! The two's complement of decimals, highest byte first, as Connect's `Decimal` has it.

/// Longest decimal, in bytes: some 150 digits.
const BYTES_MAX: usize = 64;

/// A decimal of one scale as one of another. `None` if digits would be lost, or it is too long.
pub(crate) fn rescaled(unscaled: &[u8], scale: i64, wanted: i64) -> Option<Vec<u8>> {
    let steps = wanted.checked_sub(scale)?;
    let mut bytes = shortest(unscaled)?;
    if steps == 0 || bytes == [0] {
        return Some(bytes);
    }
    if steps.unsigned_abs() > 200 {
        return None;
    }
    for _ in 0..steps.max(0) {
        bytes = times_ten(&bytes)?;
    }
    for _ in 0..(-steps).max(0) {
        bytes = tenth(&bytes)?;
    }
    Some(bytes)
}

/// How many digits a decimal has, leading zeros apart; zero has one.
pub(crate) fn digits(unscaled: &[u8]) -> u32 {
    let mut magnitude = magnitude(unscaled);
    let mut digits = 0;
    loop {
        divide(&mut magnitude);
        digits += 1;
        if magnitude.iter().all(|byte| *byte == 0) {
            return digits;
        }
    }
}

/// A decimal in digits, with as many behind the point as its scale says.
pub(crate) fn text(unscaled: &[u8], scale: u16) -> String {
    let is_negative = unscaled.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = magnitude(unscaled);
    let mut digits = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) || digits.len() <= usize::from(scale) {
        digits.push(b'0' + u8::try_from(divide(&mut magnitude)).unwrap_or_default());
        if digits.len() == usize::from(scale) {
            digits.push(b'.');
        }
    }
    if digits.last() == Some(&b'.') {
        digits.push(b'0');
    }
    if is_negative {
        digits.push(b'-');
    }
    digits.reverse();
    digits.into_iter().map(char::from).collect()
}

/// Without bytes that only repeat the sign; none are zero.
pub(crate) fn shortest(unscaled: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = unscaled;
    while let [first, rest @ ..] = bytes {
        let sign = rest.first().is_some_and(|next| next & 0x80 != 0);
        if rest.is_empty() || *first != if sign { 0xff } else { 0 } {
            break;
        }
        bytes = rest;
    }
    match bytes {
        [] => Some(vec![0]),
        bytes => (bytes.len() <= BYTES_MAX).then(|| bytes.to_vec()),
    }
}

fn times_ten(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = vec![if is_negative { 0xff } else { 0 }];
    wide.extend_from_slice(bytes);
    let mut carry = 0_u16;
    for byte in wide.iter_mut().rev() {
        let [high, low] = (u16::from(*byte) * 10 + carry).to_be_bytes();
        (*byte, carry) = (low, high.into());
    }
    shortest(&wide)
}

fn tenth(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = magnitude(bytes);
    if divide(&mut magnitude) != 0 {
        return None;
    }
    let mut signed = vec![0];
    signed.extend_from_slice(&magnitude);
    if is_negative {
        negate(&mut signed);
    }
    shortest(&signed)
}

fn magnitude(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        negate(&mut bytes);
    }
    bytes
}

/// Divides by ten and returns what is left over.
fn divide(magnitude: &mut [u8]) -> u16 {
    let mut left = 0_u16;
    for byte in magnitude {
        let all = left * 256 + u16::from(*byte);
        *byte = u8::try_from(all / 10).unwrap_or_default();
        left = all % 10;
    }
    left
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

    fn number(bytes: &[u8]) -> i128 {
        let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
        let mut wide = [sign; 16];
        wide[16 - bytes.len()..].copy_from_slice(bytes);
        i128::from_be_bytes(wide)
    }

    proptest! {
        #[test]
        fn a_decimal_keeps_its_value(unscaled: i64, scale in -5_i64..5, more in 0_i64..10) {
            let bytes = unscaled.to_be_bytes();

            let wider = rescaled(&bytes, scale, scale + more).unwrap();

            prop_assert_eq!(number(&wider), i128::from(unscaled) * 10_i128.pow(u32::try_from(more).unwrap()));
            prop_assert_eq!(number(&rescaled(&wider, scale + more, scale).unwrap()), i128::from(unscaled));
            let text = unscaled.unsigned_abs().to_string();
            prop_assert_eq!(usize::try_from(digits(&bytes)).unwrap(), text.len());
        }
    }

    #[test]
    fn a_decimal_has_its_digits() {
        for (unscaled, scale, expected) in [
            (&[0x04, 0xd2][..], 2, "12.34"),
            (&[0xfb, 0x2e], 2, "-12.34"),
            (&[5], 3, "0.005"),
            (&[5], 0, "5"),
            (&[0], 0, "0"),
            (&[0], 1, "0.0"),
            (&[100], 2, "1.00"),
        ] {
            assert_eq!(text(unscaled, scale), expected);
        }
    }

    #[test]
    fn lost_digits_and_long_ones_are_refused() {
        assert_eq!(rescaled(&[15], 1, 0), None);
        assert_eq!(rescaled(&[1], 0, 1000), None);
        assert_eq!(rescaled(&[0x7f; 64], 0, 9), None);
        assert_eq!(rescaled(&[], 0, 3), Some(vec![0]));
        assert_eq!(rescaled(&[], i64::MIN, i64::MAX), None);
        assert_eq!(rescaled(&[0xff, 0xff, 0xf6], 0, -1), Some(vec![0xff]));
    }
}
