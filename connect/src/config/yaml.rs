//! YAML as settings need it: every scalar is the text that was written.
//!
//! A password of `0123`, `1.10` or `no` is no number and no boolean, and YAML's readings of them
//! would change it. So scalars that YAML takes for something else than text are cut out of the
//! source again.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{NonFiniteFloatPolicy, Spanned};

/// A node of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Nothing, or `null`.
    Empty,
    Text(String),
    List(Vec<Self>),
    /// In the order of the file; no key stands twice.
    Map(Vec<(String, Self)>),
}

/// Parses a document.
///
/// # Errors
///
/// Returns a message with line and column, and without any line of the document: it may hold
/// passwords.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    let document: Spanned<Raw> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| shown(&error))?;
    document.value.node(text, &document.defined)
}

fn shown(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::DuplicateMappingKey { key, location } = error {
        let key = key.as_deref().unwrap_or("a key");
        let (line, column) = (location.line(), location.column());
        return format!("`{key}` is given twice, again at line {line}, column {column}");
    }
    error.to_string().replace('\n', " ")
}

/// A node whose scalars may have lost how they were written.
enum Raw {
    Empty,
    Text(String),
    /// A number or a boolean.
    Literal,
    List(Vec<Spanned<Self>>),
    Map(Vec<(String, Spanned<Self>)>),
}

impl Raw {
    fn node(self, source: &str, location: &serde_saphyr::Location) -> Result<Node, String> {
        Ok(match self {
            Self::Empty => Node::Empty,
            Self::Text(text) => Node::Text(text),
            Self::Literal => Node::Text(written(source, location)?),
            Self::List(entries) => Node::List(
                entries
                    .into_iter()
                    .map(|entry| entry.value.node(source, &entry.defined))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Map(entries) => Node::Map(
                entries
                    .into_iter()
                    .map(|(key, entry)| Ok((key, entry.value.node(source, &entry.defined)?)))
                    .collect::<Result<_, String>>()?,
            ),
        })
    }
}

/// The source text of a scalar.
fn written(source: &str, location: &serde_saphyr::Location) -> Result<String, String> {
    let span = location.span();
    let range = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
        let start = usize::try_from(start).ok()?;
        source.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    });
    range.map(|text| text.trim().to_owned()).ok_or_else(|| {
        let (line, column) = (location.line(), location.column());
        format!("put the value at line {line} column {column} into quotes")
    })
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a map")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Literal)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Literal)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Literal)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Literal)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Literal)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Literal)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_element()? {
            entries.push(entry);
        }
        Ok(Raw::List(entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        // The parser refuses a key that stands twice.
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(yaml: &str) -> String {
        let Node::Map(entries) = parse(yaml).unwrap() else { panic!("{yaml}") };
        let Node::Text(text) = &entries[0].1 else { panic!("{yaml}") };
        text.clone()
    }

    #[test]
    fn scalars_are_the_texts_that_were_written() {
        for written in [
            "0123",
            "1.10",
            "1e5",
            "no",
            "Yes",
            "0x1F",
            "+5",
            "1_000",
            ".5",
            "-0",
            ".inf",
            "1e999",
            "123456789012345678901234567890123456789012345678901234567890",
            "2026-11-21",
            "ü 1",
        ] {
            assert_eq!(text(&format!("ü: {written} # ü\n")), written);
            assert_eq!(text(&format!("k: '{written}'\n")), written);
            assert_eq!(text(&format!("{{ä: {written}}}")), written);
        }
        assert_eq!(parse("a:\nb: ~\nc: null").unwrap(), {
            let empty = |key: &str| (key.to_owned(), Node::Empty);
            Node::Map(vec![empty("a"), empty("b"), empty("c")])
        });
    }

    #[test]
    fn an_alias_has_the_text_of_its_anchor() {
        let node = parse("a: &x 007\nb: *x\n").unwrap();

        let seven = |key: &str| (key.to_owned(), Node::Text("007".to_owned()));
        assert_eq!(node, Node::Map(vec![seven("a"), seven("b")]));
    }

    #[test]
    fn what_is_wrong_is_said_by_its_place_without_the_text() {
        let broken = parse("password: geheim\nlist: [").unwrap_err();
        let twice = parse("a: 1\npassword: geheim\na: 2").unwrap_err();

        assert!(broken.contains("line 2") && !broken.contains("geheim"), "{broken}");
        assert_eq!(twice, "`a` is given twice, again at line 3, column 1");
    }

    proptest! {
        #[test]
        fn any_text_is_a_node_or_an_error(text in ".{0,200}") {
            drop(parse(&text));
        }

        #[test]
        fn quoted_text_comes_back(value in "[^\\p{C}']{0,40}") {
            prop_assert_eq!(text(&format!("key: '{value}'")), value);
        }
    }
}
