//! Whole numbers: little-endian, two's complement, as wide as their type.

use super::ValueError;

/// Reads 1 to 8 bytes. Eight unsigned bytes wrap into the sign, as Debezium's `long` mode does.
pub(super) fn read(bytes: &[u8], unsigned: bool) -> Result<i64, ValueError> {
    let number = read_u64(bytes)?;
    // At most 8 bytes were read, so the shift is from 0 to 56.
    let unused_bits = 64 - 8 * u32::try_from(bytes.len()).map_err(|_| ValueError::Length)?;
    let shifted = number << unused_bits;
    Ok(if unsigned {
        (shifted >> unused_bits).cast_signed()
    } else {
        shifted.cast_signed() >> unused_bits
    })
}

/// Reads 1 to 8 bytes as an unsigned number.
pub(super) fn read_u64(bytes: &[u8]) -> Result<u64, ValueError> {
    if bytes.is_empty() || bytes.len() > 8 {
        return Err(ValueError::Length);
    }
    Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Reads BIT: 1 to 8 bytes, the highest first.
pub(super) fn read_bits(bytes: &[u8]) -> Result<u64, ValueError> {
    if bytes.is_empty() || bytes.len() > 8 {
        return Err(ValueError::Length);
    }
    Ok(bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_signed_mediumint_keeps_its_sign() {
        assert_eq!(read(&[0xfb, 0xff, 0xff], false), Ok(-5));
        assert_eq!(read(&[0x00, 0x00, 0x80], false), Ok(-8_388_608));
        assert_eq!(read(&[0x00, 0x00, 0x80], true), Ok(8_388_608));
    }

    proptest! {
        #[test]
        fn every_number_of_every_width_comes_back(number: i64, width in 1_usize..=8) {
            let bytes = &number.to_le_bytes()[..width];
            let bits = 64 - 8 * u32::try_from(width).unwrap();

            prop_assert_eq!(read(bytes, false).unwrap(), number << bits >> bits);
            let unsigned = number.cast_unsigned() << bits >> bits;
            prop_assert_eq!(read(bytes, true).unwrap(), unsigned.cast_signed());
        }
    }
}
