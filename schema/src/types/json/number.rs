//! Doubles as MySQL prints them inside JSON.

use crate::types::ValueError;

/// Largest exponent that is printed without `e`: `MAX_DECPT_FOR_F_FORMAT` in `strings/dtoa.cc`.
const PLAIN_EXPONENT_MAX: i32 = 15;

/// Two decimals of so few digits never read as the same double (`DBL_DIG`).
const UNAMBIGUOUS_DIGITS: usize = 15;

/// Digits behind the last one that are looked at to find a tie. A double that is not exactly half
/// way between two decimals of 17 digits differs from the middle within the next 20 digits.
const TIE_CHECK_DIGITS: usize = 30;

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
    let scientific = shortest(number.abs());
    let (mantissa, exponent) = scientific.split_once('e').ok_or(ValueError::Json)?;
    let exponent: i32 = exponent.parse().map_err(|_| ValueError::Json)?;
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    if number < 0.0 {
        out.push(b'-');
    }
    let has_fraction = i32::try_from(digits.len()).is_ok_and(|count| count > exponent + 1);
    if exponent >= -PLAIN_EXPONENT_MAX && (exponent < PLAIN_EXPONENT_MAX || has_fraction) {
        plain(&digits, exponent, out);
    } else {
        out.extend_from_slice(mantissa.as_bytes());
        out.extend_from_slice(format!("e{exponent}").as_bytes());
    }
    Ok(())
}

/// The shortest digits that read back. Where two such are equally near, MySQL's `dtoa` takes the
/// one with an even last digit and Rust the larger one: 0.125 with two digits is 0.12 or 0.13.
fn shortest(number: f64) -> String {
    let text = format!("{number:e}");
    let digits = text.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    if digits <= UNAMBIGUOUS_DIGITS {
        return text;
    }
    let exact = format!("{number:.precision$e}", precision = digits + TIE_CHECK_DIGITS);
    let point = usize::from(digits > 1);
    let (kept, beyond) = exact.split_at_checked(digits + point).unwrap_or((&exact, ""));
    let beyond = beyond.split_once('e').map_or(beyond, |(beyond, _)| beyond);
    let is_tie = beyond.strip_prefix('5').is_some_and(|rest| rest.bytes().all(|b| b == b'0'));
    let is_even = kept.bytes().last().is_some_and(|byte| byte % 2 == 0);
    let exponent = text.split_once('e').map_or("", |(_, exponent)| exponent);
    let below = format!("{kept}e{exponent}");
    if is_tie && is_even && below.parse() == Ok(number) { below } else { text }
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
    #[expect(
        clippy::excessive_precision,
        reason = "halves beyond the printed digits are the point"
    )]
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
            (1e15, "1e15"),
            (0.000_000_000_000_001, "0.000000000000001"),
            // A fraction keeps the point where it is, however many digits stand before it.
            (1_111_564_911_583_994.5, "1111564911583994.5"),
            (-1_339_250_029_760_665.5, "-1339250029760665.5"),
            // Half way between two texts that both read back: the even one.
            (838_462_040_645_549.25, "838462040645549.2"),
            (87_556_530_687_541.625, "87556530687541.62"),
            (632_667_625_777_943.75, "632667625777943.8"),
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
