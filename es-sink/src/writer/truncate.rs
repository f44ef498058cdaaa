//! Cuts named columns of a document, or leaves them out.

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use schema::plan::document::write_string;

use crate::config::TruncateConfig;

/// What is cut, and of which table.
pub(super) struct Truncation<'a> {
    pub(super) table: &'a str,
    pub(super) config: &'a TruncateConfig,
}

/// The fields of a document in their order, each as the text that it is: numbers keep all of
/// their digits.
struct Fields<'a>(Vec<(std::borrow::Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

impl Truncation<'_> {
    /// Writes the document with the columns that are named and long cut, and says which they are.
    /// `None` if there are none.
    ///
    /// A text keeps its beginning. Anything else, as JSON or a list, cannot be cut and be itself,
    /// so it is null.
    pub(super) fn apply(&self, document: &[u8], out: &mut Vec<u8>) -> Option<Vec<String>> {
        let Fields(fields) = serde_json::from_slice(document).ok()?;
        let mut cut = Vec::new();
        for (number, (name, value)) in fields.iter().enumerate() {
            out.push(if number == 0 { b'{' } else { b',' });
            write_string(name, out);
            out.push(b':');
            let value = value.get();
            if value.len() <= self.config.to_chars || !self.may_cut(name) {
                out.extend_from_slice(value.as_bytes());
                continue;
            }
            match serde_json::from_str::<String>(value) {
                Ok(text) => match self.beginning(&text) {
                    Some(beginning) => write_string(beginning, out),
                    // Long only by how it is written.
                    None => {
                        out.extend_from_slice(value.as_bytes());
                        continue;
                    }
                },
                Err(_) => out.extend_from_slice(b"null"),
            }
            cut.push(name.clone().into_owned());
        }
        out.extend_from_slice(if fields.is_empty() { b"{}" } else { b"}" });
        (!cut.is_empty()).then_some(cut)
    }

    fn may_cut(&self, column: &str) -> bool {
        let name = format!("{}.{column}", self.table);
        self.config.columns.iter().any(|pattern| pattern.is_match(&name))
    }

    /// What is left of a text; `None` if it is short enough. Four characters of base64 are three
    /// bytes.
    fn beginning<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (end, _) = text.char_indices().nth(self.config.to_chars)?;
        if !is_base64(text) {
            return text.get(..end);
        }
        text.get(..end - end % 4)
    }
}

/// A document without one of its fields; `None` if it does not have it, or is no document.
pub(super) fn without(document: &[u8], field: &str) -> Option<Vec<u8>> {
    let Fields(mut fields) = serde_json::from_slice(document).ok()?;
    let place = fields.iter().position(|(name, _)| name == field)?;
    fields.remove(place);
    let mut out = vec![b'{'];
    for (number, (name, value)) in fields.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_string(name, &mut out);
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.push(b'}');
    Some(out)
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;
    use serde_json::Value;

    fn cut(document: &str, columns: &str, to_chars: usize) -> Option<(String, Vec<String>)> {
        let config = TruncateConfig {
            columns: vec![Regex::new(&format!("^(?:{columns})$")).unwrap()],
            to_chars,
        };
        let mut out = Vec::new();
        let columns =
            Truncation { table: "d.t", config: &config }.apply(document.as_bytes(), &mut out);
        Some((String::from_utf8(out).unwrap(), columns?))
    }

    #[test]
    fn only_what_is_named_and_long_is_cut() {
        let document = r#"{"id":12345678901234567890.120,"a":"ä\n\"cdefgh","b":"abcdefgh+","c":{"k":[1,2,3]},"d":"x"}"#;

        let (short, columns) = cut(document, r"d\.t\.[abcd]", 3).unwrap();

        assert_eq!(
            short,
            r#"{"id":12345678901234567890.120,"a":"ä\n\"","b":"abc","c":null,"d":"x"}"#
        );
        assert_eq!(columns, ["a", "b", "c"]);
        assert_eq!(cut(document, r"d\.other\..*", 3), None);
        assert_eq!(cut(document, r"d\.t\.d", 3), None);
        // Six bytes that are one character.
        assert_eq!(cut(r#"{"a":"\u0007"}"#, "d.t.a", 3), None);
    }

    #[test]
    fn a_field_is_left_out_and_the_others_stay_as_they_are() {
        let document = br#"{"id":12345678901234567890.120,"a":{"b":1},"c":"x"}"#;
        let left = |field| without(document, field).map(|text| String::from_utf8(text).unwrap());

        assert_eq!(left("a").unwrap(), r#"{"id":12345678901234567890.120,"c":"x"}"#);
        assert_eq!(left("b"), None);
        assert_eq!(without(b"[1]", "a"), None);
        assert_eq!(without(br#"{"a":1}"#, "a").unwrap(), b"{}");
    }

    #[test]
    fn base64_stays_base64() {
        let (short, _) = cut(r#"{"a":"AAECAwQFBgcICQ=="}"#, "d.t.a", 7).unwrap();

        assert_eq!(short, r#"{"a":"AAEC"}"#);
    }

    proptest! {
        #[test]
        fn a_document_stays_one(
            texts in prop::collection::vec(("[a-z]{1,3}", ".{0,20}"), 0..6), to_chars in 0_usize..12,
        ) {
            let fields: serde_json::Map<String, Value> =
                texts.into_iter().map(|(name, text)| (name, Value::from(text))).collect();
            let document = Value::from(fields.clone()).to_string();

            let Some((short, columns)) = cut(&document, ".*", to_chars) else {
                prop_assert!(fields.values().all(|v| v.as_str().unwrap().chars().count() <= to_chars));
                return Ok(());
            };

            let short: serde_json::Map<String, Value> = serde_json::from_str(&short).unwrap();
            prop_assert!(short.keys().eq(fields.keys()));
            for (name, text) in &short {
                let (text, whole) = (text.as_str().unwrap(), fields[name].as_str().unwrap());
                prop_assert!(whole.starts_with(text));
                prop_assert!(text.chars().count() <= to_chars);
                prop_assert_eq!(text != whole, columns.contains(name));
            }
        }
    }
}
