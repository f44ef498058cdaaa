//! Which values a field of a type takes.

use std::net::IpAddr;

use serde_json::Value;

/// The type of an error, and its reason.
type Cause = (&'static str, String);

/// What a keyword may have: Lucene's limit of a term.
const TERM_BYTES_MAX: usize = 32_766;

/// Whether an array is one value of the type.
pub(super) fn takes_arrays(kind: &str) -> bool {
    matches!(kind, "geo_point" | "dense_vector" | "knn_vector" | "flattened" | "flat_object")
}

/// Checks one value that is neither null nor an array.
pub(super) fn check(field: &Value, value: &Value) -> Result<(), Cause> {
    match super::mapping::type_of(field) {
        "long" => integer(value, (i64::MIN.into(), i64::MAX.into()), "long"),
        "unsigned_long" => integer(value, (0, u64::MAX.into()), "unsigned_long"),
        "integer" => integer(value, (i32::MIN.into(), i32::MAX.into()), "integer"),
        "short" => integer(value, (i16::MIN.into(), i16::MAX.into()), "short"),
        "byte" => integer(value, (i8::MIN.into(), i8::MAX.into()), "byte"),
        "double" | "float" | "half_float" | "scaled_float" => floating(value),
        "boolean" => boolean(value),
        "date" | "date_nanos" => date(field, value),
        "ip" => ip(value),
        "keyword" => keyword(field, value),
        "text" | "wildcard" | "constant_keyword" if value.is_object() => Err(no_text()),
        _ => Ok(()),
    }
}

/// The value as an error shows it.
pub(super) fn preview(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(object) => {
            let pairs: Vec<_> =
                object.iter().map(|(key, value)| format!("{key}={}", preview(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

fn no_text() -> Cause {
    ("illegal_argument_exception", "Expected text at 1:7 but found START_OBJECT".to_owned())
}

fn integer(value: &Value, (low, high): (i128, i128), kind: &str) -> Result<(), Cause> {
    let out_of_range = |text: &str| match kind {
        "long" => (
            "x_content_parse_exception",
            format!("[1:7] Numeric value ({text}) out of range of long ({low} - {high})"),
        ),
        _ => ("illegal_argument_exception", format!("Value [{text}] is out of range for a {kind}")),
    };
    let in_range = |number: i128, text: &str| match (low..=high).contains(&number) {
        true => Ok(()),
        false => Err(out_of_range(text)),
    };
    match value {
        Value::String(text) if text.is_empty() => Ok(()),
        Value::String(text) => match (text.parse::<i128>(), text.parse::<f64>()) {
            (Ok(number), _) => in_range(number, text),
            (Err(_), Ok(number)) if number.is_finite() && number.abs() < 9e18 => Ok(()),
            (Err(_), _) => {
                let is_long = kind == "long" || kind == "unsigned_long";
                let cause =
                    if is_long { "illegal_argument_exception" } else { "number_format_exception" };
                Err((cause, format!("For input string: \"{text}\"")))
            }
        },
        Value::Number(number) => match (number.as_i128(), number.as_f64()) {
            (Some(whole), _) => in_range(whole, &number.to_string()),
            // Fractions are cut off (`coerce`).
            (None, Some(fraction)) if fraction.abs() < 9e18 => Ok(()),
            (None, _) => Err(out_of_range(&number.to_string())),
        },
        other => Err(not_numeric(other)),
    }
}

fn floating(value: &Value) -> Result<(), Cause> {
    match value {
        Value::Number(_) => Ok(()),
        Value::String(text) if text.is_empty() || text.parse::<f64>().is_ok() => Ok(()),
        Value::String(text) => {
            Err(("number_format_exception", format!("For input string: \"{text}\"")))
        }
        other => Err(not_numeric(other)),
    }
}

fn not_numeric(value: &Value) -> Cause {
    let token = match value {
        Value::Bool(true) => "VALUE_TRUE",
        Value::Bool(false) => "VALUE_FALSE",
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            "START_OBJECT"
        }
    };
    let reason =
        format!("Current token ({token}) not numeric, can not use numeric value accessors");
    ("x_content_parse_exception", reason)
}

fn boolean(value: &Value) -> Result<(), Cause> {
    match value {
        Value::Bool(_) => Ok(()),
        Value::String(text) if ["true", "false", ""].contains(&text.as_str()) => Ok(()),
        Value::String(text) => Err((
            "illegal_argument_exception",
            format!("Failed to parse value [{text}] as only [true] or [false] are allowed."),
        )),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let reason = "Current token (VALUE_NUMBER_INT) not of boolean type".to_owned();
            Err(("x_content_parse_exception", reason))
        }
    }
}

/// Only the default format is looked at: another one takes everything here.
fn date(field: &Value, value: &Value) -> Result<(), Cause> {
    let refused = |reason: String| Err(("illegal_argument_exception", reason));
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(()),
        Value::String(text) if text.is_empty() => refused("cannot parse empty datetime".to_owned()),
        Value::String(_) if field.get("format").is_some() => Ok(()),
        Value::String(text) if is_date(text) || text.parse::<i64>().is_ok() => Ok(()),
        Value::Object(_) => refused("Cannot parse object or array as a date value".to_owned()),
        other => refused(format!(
            "failed to parse date field [{}] with format \
             [strict_date_optional_time||epoch_millis]",
            preview(other)
        )),
    }
}

/// Whether a text begins as `strict_date_optional_time` wants it.
pub(super) fn is_date(text: &str) -> bool {
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let number = |from: usize, to: usize| date.get(from..to)?.parse::<u8>().ok();
    shape == "0000-00-00"
        && number(5, 7).is_some_and(|month| (1..=12).contains(&month))
        && number(8, 10).is_some_and(|day| (1..=31).contains(&day))
        && time.chars().all(|c| c.is_ascii_digit() || ":.Z+-".contains(c))
}

fn ip(value: &Value) -> Result<(), Cause> {
    let text = preview(value);
    match text.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(("illegal_argument_exception", format!("'{text}' is not an IP string literal.")))
        }
    }
}

/// What begins the reason of a refusal for one term that is too long.
pub(super) const IMMENSE_TERM: &str = "Document contains at least one immense term";

fn keyword(field: &Value, value: &Value) -> Result<(), Cause> {
    match value {
        Value::Object(_) => Err(no_text()),
        Value::String(text)
            if text.len() > TERM_BYTES_MAX && field.get("ignore_above").is_none() =>
        {
            let reason = format!(
                "{IMMENSE_TERM} (whose UTF8 encoding is longer than the max length \
                 {TERM_BYTES_MAX}), all of which were skipped. Original message: bytes can be at \
                 most {TERM_BYTES_MAX} in length; got {}",
                text.len()
            );
            Err(("illegal_argument_exception", reason))
        }
        _ => Ok(()),
    }
}
