//! Numbers of JSON by their text: whole ones keep all digits.

/// A whole number; `1.0` is one too, as JSON Schema has it.
pub(super) fn whole(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return is_number(text).then_some(number);
    }
    // Whole numbers up to here are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = double(text).filter(|number| number.fract() == 0.0 && number.abs() <= EXACT)?;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    Some(number as i64)
}

/// A number, or one of the words that Jackson writes where JSON has no number.
pub(super) fn double(text: &str) -> Option<f64> {
    match text {
        "\"NaN\"" | "\"Infinity\"" | "\"-Infinity\"" => text.trim_matches('"').parse().ok(),
        _ => text.parse().ok().filter(|_| is_number(text)),
    }
}

/// The same with half the digits.
pub(super) fn single(text: &str) -> Option<f32> {
    match text {
        "\"NaN\"" | "\"Infinity\"" | "\"-Infinity\"" => text.trim_matches('"').parse().ok(),
        _ => text.parse().ok().filter(|_| is_number(text)),
    }
}

/// Whether a JSON value is a number.
pub(super) fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}
