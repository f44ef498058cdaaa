//! The fields of a JSON object in their order, each as the text that it is: numbers keep all of
//! their digits.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::DEPTH_MAX;
use super::error::{JsonError, JsonProblem};

/// An object.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// A field that is expected at a place, as schema and payload have the same order.
    pub(super) fn find(&self, place: usize, name: &str) -> Option<&'a RawValue> {
        let at_its_place = self.0.get(place).filter(|(found, _)| found == name);
        let found = at_its_place.or_else(|| self.0.iter().find(|(found, _)| found == name));
        found.map(|(_, value)| *value)
    }

    /// The same for one that is not null.
    pub(super) fn find_some(&self, name: &str) -> Option<&'a RawValue> {
        self.find(0, name).filter(|value| value.get() != "null")
    }
}

/// Reads an object.
pub(super) fn fields(text: &str) -> Result<Fields<'_>, JsonError> {
    let wrong = JsonError::whole(JsonProblem::WrongType { expected: "object" });
    if text.starts_with('{') {
        serde_json::from_str(text).map_err(|e| JsonError::syntax(&e))
    } else {
        Err(wrong)
    }
}

/// Refuses what nests too deep, before anything recurses into it. A text that is no JSON passes.
pub(super) fn check_depth(text: &str) -> Result<(), JsonError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(JsonError::whole(JsonProblem::TooDeep));
        }
    }
    Ok(())
}

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
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// A name, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
