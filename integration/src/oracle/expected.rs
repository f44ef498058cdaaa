//! What a value of a row should be in its document.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

/// The expected form of one value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expected {
    /// `null`, or no field at all.
    Null,
    /// A number with exactly this text.
    Number(String),
    /// A number that reads as this one.
    Float(f32),
    /// A number that reads as this one.
    Double(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A string.
    Text(String),
    /// A string with the bytes in base 64.
    Bytes(Vec<u8>),
    /// An array of strings.
    List(Vec<String>),
    /// A JSON value of the same structure.
    Json(String),
}

impl Expected {
    /// Whether a document's value is this one. `takes_any_json` says that the index has JSON
    /// values as they are; otherwise what is no object is in one, under `value`.
    pub(super) fn is(&self, found: Option<&str>, takes_any_json: bool) -> bool {
        let Some(found) = found.filter(|text| *text != "null") else {
            return match self {
                Self::Null => true,
                Self::Json(text) => text == "null",
                Self::Number(_)
                | Self::Float(_)
                | Self::Double(_)
                | Self::Bool(_)
                | Self::Text(_)
                | Self::Bytes(_)
                | Self::List(_) => false,
            };
        };
        match self {
            Self::Null => false,
            Self::Number(text) => found == text,
            Self::Float(number) => is_number(found) && found.parse() == Ok(*number),
            Self::Double(number) => is_number(found) && found.parse() == Ok(*number),
            Self::Bool(value) => found == value.to_string(),
            Self::Text(text) => serde_json::from_str::<String>(found).is_ok_and(|f| f == *text),
            Self::Bytes(bytes) => {
                serde_json::from_str::<String>(found).is_ok_and(|f| f == STANDARD.encode(bytes))
            }
            Self::List(list) => {
                serde_json::from_str::<Vec<String>>(found).is_ok_and(|f| f == *list)
            }
            Self::Json(text) if takes_any_json || text.starts_with('{') => is_same(text, found),
            Self::Json(text) => is_same(&format!("{{\"value\":{text}}}"), found),
        }
    }

    /// What the value is in a document's id.
    pub(super) fn id_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Number(text) | Self::Text(text) | Self::Json(text) => Some(text.clone()),
            Self::Float(number) => serde_json::to_string(number).ok(),
            Self::Double(number) => serde_json::to_string(number).ok(),
            Self::Bool(value) => Some(value.to_string()),
            Self::Bytes(bytes) => Some(STANDARD.encode(bytes)),
            Self::List(list) => Some(list.join(",")),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "null"),
            Self::Number(text) | Self::Json(text) => write!(f, "{text}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Double(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "{:?}", STANDARD.encode(bytes)),
            Self::List(list) => write!(f, "{list:?}"),
        }
    }
}

/// `parse` takes `inf` and `+1` too, which are not JSON.
fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// Whether two JSON texts have the same structure: the order of keys does not count, nor does the
/// way in which a number is written. Numbers are compared digit by digit, since `f64` would call
/// two large ones equal.
fn is_same(left: &str, right: &str) -> bool {
    let (left, right) = (left.trim(), right.trim());
    match (left.bytes().next(), right.bytes().next()) {
        (Some(b'{'), Some(b'{')) => {
            let (Ok(left), Ok(right)) = (
                serde_json::from_str::<BTreeMap<String, &RawValue>>(left),
                serde_json::from_str::<BTreeMap<String, &RawValue>>(right),
            ) else {
                return false;
            };
            left.len() == right.len()
                && left.iter().zip(&right).all(|((left_key, left), (right_key, right))| {
                    left_key == right_key && is_same(left.get(), right.get())
                })
        }
        (Some(b'['), Some(b'[')) => {
            let (Ok(left), Ok(right)) = (
                serde_json::from_str::<Vec<&RawValue>>(left),
                serde_json::from_str::<Vec<&RawValue>>(right),
            ) else {
                return false;
            };
            left.len() == right.len()
                && left.iter().zip(&right).all(|(left, right)| is_same(left.get(), right.get()))
        }
        (Some(b'"'), Some(b'"')) => {
            let texts =
                (serde_json::from_str::<String>(left), serde_json::from_str::<String>(right));
            matches!(texts, (Ok(left), Ok(right)) if left == right)
        }
        _ => match (canonical(left), canonical(right)) {
            (Some(left), Some(right)) => left == right,
            _ => left == right,
        },
    }
}

/// A number as sign, digits without zeros around them, and the power of ten of the last digit.
fn canonical(number: &str) -> Option<(bool, String, i64)> {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let shortened = digits.trim_end_matches('0');
    if shortened.trim_start_matches('0').is_empty() {
        return Some((false, "0".to_owned(), 0));
    }
    let zeros = i64::try_from(digits.len() - shortened.len()).ok()?;
    Some((negative, shortened.trim_start_matches('0').to_owned(), exponent.checked_add(zeros)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_has_lost_a_digit_is_different() {
        let exact = Expected::Number("18446744073709551615".to_owned());

        assert!(exact.is(Some("18446744073709551615"), false));
        assert!(!exact.is(Some("18446744073709551616"), false));
        assert!(!exact.is(Some("1.8446744073709552e19"), false));
        assert!(!exact.is(Some("\"18446744073709551615\""), false));
        assert!(!Expected::Number("0.50".to_owned()).is(Some("0.5"), false));
    }

    #[test]
    fn null_is_no_field_and_nothing_else() {
        assert!(Expected::Null.is(None, false) && Expected::Null.is(Some("null"), false));
        assert!(!Expected::Null.is(Some("\"\""), false));
        assert!(!Expected::Text(String::new()).is(None, false));
        assert!(Expected::Json("null".to_owned()).is(None, false));
    }

    #[test]
    fn json_is_compared_by_structure_and_exactly() {
        let json = |text: &str| Expected::Json(text.to_owned());

        assert!(
            json(r#"{"b": [1, 2.50], "a": "가"}"#).is(Some(r#"{"a":"\uac00","b":[1,2.5]}"#), false)
        );
        assert!(json("1e2").is(Some("100"), true));
        assert!(!json(r#"{"a": 9007199254740993}"#).is(Some(r#"{"a":9007199254740992}"#), false));
        assert!(!json(r#"{"a": 1}"#).is(Some(r#"{"a":1,"b":null}"#), false));
        assert!(!json("[1, 2]").is(Some("[2,1]"), true));
        assert!(!json("\"1\"").is(Some("1"), true) && !json("true").is(Some("false"), true));
    }

    #[test]
    fn json_that_is_no_object_is_wrapped_where_the_index_wants_objects() {
        let json = Expected::Json("[1]".to_owned());

        assert!(json.is(Some(r#"{"value":[1]}"#), false) && !json.is(Some("[1]"), false));
        assert!(json.is(Some("[1]"), true) && !json.is(Some(r#"{"value":[1]}"#), true));
    }

    #[test]
    fn floats_are_equal_as_floats_and_never_texts() {
        assert!(Expected::Float(0.1).is(Some("0.1"), false));
        assert!(Expected::Double(-1e300).is(Some("-1e300"), false));
        assert!(!Expected::Double(0.1).is(Some("0.10000000149011612"), false));
        assert!(!Expected::Double(1.0).is(Some("\"1.0\""), false));
    }
}
