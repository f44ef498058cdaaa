//! Whole numbers as text and back, and short texts, without a call for each.
//!
//! The standard ways are made for any length: copying a text of unknown length is a call, and so
//! is a number's text. A row has twenty of each, all of them short, so here a copy has a length
//! that the compiler knows, and the bytes too many are taken away again.

/// Writes a whole number.
#[inline]
pub(crate) fn write_integer(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    write_unsigned(number.unsigned_abs(), out);
}

/// Appends a whole number that is not negative to a text.
#[inline]
pub fn push_unsigned(number: u64, text: &mut String) {
    if number >= EIGHT {
        push_unsigned(number / EIGHT, text);
    }
    let word = digits(number % EIGHT);
    let leading = if number < EIGHT { (word.trailing_zeros() / 8).min(7) } else { 0 };
    let bytes = (word | ZEROS).to_le_bytes();
    let shown = usize::try_from(leading).ok().and_then(|leading| bytes.get(leading..));
    // Digits are text.
    text.push_str(shown.and_then(|shown| std::str::from_utf8(shown).ok()).unwrap_or_default());
}

/// Writes a whole number that is not negative, eight digits in one word.
#[inline]
pub fn write_unsigned(number: u64, out: &mut Vec<u8>) {
    if number < EIGHT {
        return write_trimmed(number, out);
    }
    let (more, last) = (number / EIGHT, number % EIGHT);
    let (first, middle) = (more / EIGHT, more % EIGHT);
    if first == 0 {
        write_trimmed(middle, out);
    } else {
        write_trimmed(first, out);
        out.extend_from_slice(&(digits(middle) | ZEROS).to_le_bytes());
    }
    out.extend_from_slice(&(digits(last) | ZEROS).to_le_bytes());
}

/// 10^8.
const EIGHT: u64 = 100_000_000;
/// What makes eight digits characters.
pub(crate) const ZEROS: u64 = 0x3030_3030_3030_3030;

/// A number below 10^8 without leading zeros: they are the lowest bytes of the word.
#[inline]
fn write_trimmed(number: u64, out: &mut Vec<u8>) {
    // Counted beside the digits, not from them: where the next value begins hangs on it.
    let count = count(number);
    let shown = (digits(number) | ZEROS) >> (8 * (8 - count));
    let end = out.len() + usize::try_from(count).unwrap_or_default();
    out.extend_from_slice(&shown.to_le_bytes());
    out.truncate(end);
}

/// How many digits a number below 10^8 has, one at least.
#[inline]
fn count(number: u64) -> u32 {
    /// For each power of two the digits of the numbers from it to the next one, in the upper half.
    /// If a power of ten is among them, the lower half overflows from it on.
    const DIGITS: [u64; 32] = {
        let mut table = [0; 32];
        let mut rest: &mut [u64] = &mut table;
        let (mut power, mut digits, mut ten) = (1_u64, 1, 10);
        while let Some((entry, tail)) = rest.split_first_mut() {
            if power >= ten {
                (digits, ten) = (digits + 1, ten * 10);
            }
            let overflows = ten < 2 * power;
            *entry = if overflows { ((digits + 1) << 32) - ten } else { digits << 32 };
            power *= 2;
            rest = tail;
        }
        table
    };
    let number = number & 0xffff_ffff;
    let entry = DIGITS.get(usize::try_from((number | 1).ilog2()).unwrap_or_default());
    let count = (number + entry.copied().unwrap_or_default()) >> 32;
    u32::try_from(count & 0xf).unwrap_or_default()
}

/// Writes a number below 10^8 with a point before the last `scale` of its digits, up to seven, and
/// one digit at least before the point. `false` for another number or scale: nothing is written.
#[inline]
pub(crate) fn write_fixed_point(number: u64, scale: u16, out: &mut Vec<u8>) -> bool {
    let scale = u32::from(scale);
    if number >= EIGHT || !(1..8).contains(&scale) {
        return false;
    }
    let digits = digits(number);
    let leading = (digits.trailing_zeros() / 8).min(7 - scale);
    let push = |word: u64, length: u32, out: &mut Vec<u8>| {
        let end = out.len() + usize::try_from(length).unwrap_or_default();
        out.extend_from_slice(&word.to_le_bytes());
        out.truncate(end);
    };
    let shown = digits | ZEROS;
    push(shown >> (leading * 8), 8 - scale - leading, out);
    // A point comes before the digits after it, in the byte below theirs.
    push(((shown >> (64 - 8 * scale)) << 8) | u64::from(b'.'), scale + 1, out);
    true
}

/// Writes the last `N` digits of a number below 10^8, with their leading zeros.
#[inline]
pub(crate) fn push_padded<const N: usize>(number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&((digits(number) | ZEROS) >> (64 - 8 * N)).to_le_bytes());
    out.truncate(start + N);
}

/// The digits of a number below 10^8, the first one in the lowest byte: the number is cut in
/// halves of four digits, both at once into pairs, all at once into digits. Multiplying by
/// 10,486 / 2^20 divides a number below 10,000 by 100, and by 103 / 2^10 one below 100 by 10.
#[inline]
pub(crate) fn digits(number: u64) -> u64 {
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((pairs - tens * 10) << 8)
}

/// The number that eight digits stand for: neighbours are joined to pairs, to fours, to eight.
pub(crate) fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(text);
    let digits = word.wrapping_sub(0x3030_3030_3030_3030);
    // A byte that is no digit has its high bit set here, or there when 0x76 makes it overflow.
    if (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers of all lengths, which few numbers of 64 random bits have.
    fn any_length() -> impl Strategy<Value = i64> {
        (any::<i64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift)
    }

    proptest! {
        #[test]
        fn integers_are_written_as_everywhere(number in any_length()) {
            let (mut signed, mut unsigned) = (b"x".to_vec(), Vec::new());
            write_integer(number, &mut signed);
            write_unsigned(number.cast_unsigned(), &mut unsigned);
            let below = number.unsigned_abs() % EIGHT;
            prop_assert_eq!(count(below), below.checked_ilog10().unwrap_or(0) + 1);

            let mut text = "x".to_owned();
            push_unsigned(number.cast_unsigned(), &mut text);
            prop_assert_eq!(text, format!("x{}", number.cast_unsigned()));
            prop_assert_eq!(String::from_utf8(signed).unwrap(), format!("x{number}"));
            prop_assert_eq!(String::from_utf8(unsigned).unwrap(), number.cast_unsigned().to_string());
        }

        #[test]
        fn the_point_is_before_the_last_digits(number in 0_u64..EIGHT, shift in 0_u32..27, scale in 1_u16..8) {
            let number = number >> shift;
            let mut out = Vec::new();
            prop_assert!(write_fixed_point(number, scale, &mut out));

            let scale = usize::from(scale);
            let digits = format!("{number:0>width$}", width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{whole}.{fraction}"));
        }
    }
}
