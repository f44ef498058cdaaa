//! Numbers and times.

use schema::value::{Kind, Schema, Value};

use crate::java::date_format::DateFormat;
use crate::java::decimal::{parts, unscaled};
use crate::schemas::logical;

/// The smallest type that a number has a place in.
pub(super) fn number(text: &str) -> Option<(Schema, Value)> {
    let (negative, digits, scale) = parts(text)?;
    if let Some(long) = whole(&digits, scale, negative) {
        let int = i32::try_from(long).map(Value::Int32);
        return Some(match int {
            Ok(int) if i8::try_from(long).is_ok() => (Schema::new(Kind::Int8), int),
            Ok(int) if i16::try_from(long).is_ok() => (Schema::new(Kind::Int16), int),
            Ok(int) => (Schema::new(Kind::Int32), int),
            Err(_) => (Schema::new(Kind::Int64), Value::Int64(long)),
        });
    }
    if scale != 0 {
        let single: f32 = text.parse().ok()?;
        if single.is_finite() {
            return Some((Schema::new(Kind::Float32), Value::Float32(single)));
        }
        let double: f64 = text.parse().ok()?;
        if double.is_finite() {
            return Some((Schema::new(Kind::Float64), Value::Float64(double)));
        }
    }
    let schema =
        Schema::semantic(Kind::Bytes, logical::DECIMAL).parameter("scale", scale.to_string());
    Some((schema, Value::Bytes(unscaled(&digits, negative))))
}

/// The number if it is a whole one of 64 bits, whatever its form.
fn whole(digits: &str, scale: i32, negative: bool) -> Option<i64> {
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let zeros = i64::try_from(digits.len() - significant.len()).ok()? - i64::from(scale);
    let zeros = usize::try_from(zeros).ok().filter(|zeros| *zeros <= 19)?;
    let sign = if negative { "-" } else { "" };
    format!("{sign}{significant}{}", "0".repeat(zeros)).parse().ok()
}

/// The forms in which Connect writes times: each is as long as its pattern without quotes. A colon may
/// have a backslash before it.
pub(super) fn time(text: &str) -> Option<(Schema, Value)> {
    let text = text.replace("\\:", ":");
    let parse = |pattern: &str, length: usize| {
        let fits = text.len() == length;
        DateFormat::new(pattern).ok().filter(|_| fits)?.parse(&text)
    };
    if let Some(millis) = parse("yyyy-MM-dd", 10) {
        let days = i32::try_from(millis.div_euclid(86_400_000)).ok()?;
        return Some((Schema::semantic(Kind::Int32, logical::DATE), Value::Int32(days)));
    }
    if let Some(millis) = parse("HH:mm:ss.SSS'Z'", 13) {
        let millis = i32::try_from(millis).ok()?;
        return Some((Schema::semantic(Kind::Int32, logical::TIME), Value::Int32(millis)));
    }
    let millis = parse("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", 24)?;
    Some((logical::timestamp(), Value::Int64(millis)))
}
