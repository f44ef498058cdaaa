//! Doubles as MySQL prints them inside JSON.

use crate::types::ValueError;

/// Largest exponent that is printed without `e`: `MAX_DECPT_FOR_F_FORMAT` in `strings/dtoa.cc`.
const PLAIN_EXPONENT_MAX: i32 = 15;

/// Appends the shortest text that reads back as the same double, in the layout of `my_gcvt`, with
/// `.0` where it would look like a whole number.
pub(super) fn write_double(number: f64, out: &mut Vec<u8>) -> Result<(), ValueError> {
    if !number.is_finite() {
        return Err(ValueError::Json);
    }
    if number == 0.0 {
        out.extend_from_slice(if number.is_sign_negative() { b"-0.0" } else { b"0.0" });
        return Ok(());
    }
    // Rust prints the shortest digits as d.ddde±x; only the layout is ours.
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').ok_or(ValueError::Json)?;
    let exponent: i32 = exponent.parse().map_err(|_| ValueError::Json)?;
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    if number < 0.0 {
        out.push(b'-');
    }
    if (-PLAIN_EXPONENT_MAX..PLAIN_EXPONENT_MAX).contains(&exponent) {
        plain(&digits, exponent, out);
    } else {
        out.extend_from_slice(mantissa.as_bytes());
        out.extend_from_slice(format!("e{exponent}").as_bytes());
    }
    Ok(())
}

/// Digits with the point after digit `exponent + 1`.
fn plain(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let Ok(before_point) = usize::try_from(exponent + 1) else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', exponent.unsigned_abs() as usize - 1));
        return out.extend_from_slice(digits);
    };
    if before_point == 0 {
        out.extend_from_slice(b"0.");
        return out.extend_from_slice(digits);
    }
    let (whole, fraction) = digits.split_at(before_point.min(digits.len()));
    out.extend_from_slice(whole);
    out.extend(std::iter::repeat_n(b'0', before_point - whole.len()));
    out.push(b'.');
    out.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(number: f64) -> String {
        let mut out = Vec::new();
        write_double(number, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_look_as_mysql_prints_them() {
        // SELECT CAST('[1.0, …]' AS JSON) on 9.7.
        for (number, expected) in [
            (1.0, "1.0"),
            (1.5, "1.5"),
            (-0.25, "-0.25"),
            (100.0, "100.0"),
            (0.001, "0.001"),
            (1e20, "1e20"),
            (1.5e-20, "1.5e-20"),
        ] {
            assert_eq!(text(number), expected);
        }
    }

    proptest! {
        #[test]
        fn the_text_reads_back_as_the_same_double(number in prop::num::f64::NORMAL) {
            prop_assert_eq!(text(number).parse::<f64>().unwrap(), number);
        }
    }
}
