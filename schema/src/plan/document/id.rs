//! `IdPlan`: from the Avro bytes of a record's key to the id of its document.
//!
//! The id must be injective: two rows with one id would overwrite each other. One column gives its
//! text, the same as in the document without quotes. Several give their texts joined by `:`, in
//! which `%` and `:` inside a text are written `%25` and `%3A`, and null `%N`. So an id can be
//! taken apart again.
//!
//! Elasticsearch accepts ids of 1 to 512 bytes. Outside of that the id is `sha256:` and the
//! digest of the text in hexadecimal. A text that begins with `sha256:` is hashed as well, so that
//! no row can take the id of another one's digest.

use std::io::Write;

use sha2::{Digest, Sha256};

use super::cursor::Cursor;
use super::error::{DecodeError, PlanError, Problem};
use super::scalar::Scalar;
use super::value::is_null;
use crate::avro::{Node, Shape, WriterSchema};

/// Longest id that Elasticsearch accepts, in bytes.
/// <https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/mapping-id-field>
const ID_MAX_BYTES: usize = 512;
const DIGEST_PREFIX: &str = "sha256:";

/// How to turn the keys of one writer schema into document ids.
#[derive(Debug)]
pub struct IdPlan {
    columns: Box<[KeyColumn]>,
    /// Whether texts need their `%` and `:` replaced: not for one column that is never null.
    escaped: bool,
}

#[derive(Debug)]
struct KeyColumn {
    name: Box<str>,
    null_branch: Option<usize>,
    scalar: Scalar,
}

impl IdPlan {
    /// Compiles the plan of a key's writer schema: a record of columns, or one value.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] when the text is not an Avro schema, or has columns that no id can be
    /// made from, as arrays and objects.
    pub fn compile(key_schema_text: &str) -> Result<Self, PlanError> {
        let schema = WriterSchema::parse(key_schema_text)?;
        let root = schema.root();
        let columns = match root.fields().filter(|fields| !fields.is_empty()) {
            Some(fields) => fields
                .iter()
                .map(|field| KeyColumn::compile(&field.name, &field.node))
                .collect::<Result<Box<[_]>, _>>()?,
            None => Box::new([KeyColumn::compile("key", root)?]),
        };
        let escaped =
            columns.len() > 1 || columns.iter().any(|column| column.null_branch.is_some());
        Ok(Self { columns, escaped })
    }

    /// Appends the id of one key to `out`. `key_body` is what follows the five bytes of the
    /// registry's frame.
    ///
    /// # Errors
    ///
    /// Returns [`DecodeError`] when the key does not fit the schema. `out` is then as it was.
    pub fn run(&self, key_body: &[u8], out: &mut String) -> Result<(), DecodeError> {
        self.run_after("", key_body, out)
    }

    /// As [`Self::run`], for an id that begins with a text, as the name of the row's table. It is
    /// part of what is hashed when the id is too long.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn run_after(
        &self,
        prefix: &str,
        key_body: &[u8],
        out: &mut String,
    ) -> Result<(), DecodeError> {
        let start = out.len();
        out.push_str(prefix);
        // As bytes, which numbers are written to, and back: nothing is copied.
        let mut bytes = std::mem::take(out).into_bytes();
        let written = self.decode(key_body, start, &mut bytes);
        if written.is_err() {
            bytes.truncate(start);
        }
        *out = String::from_utf8(bytes).map_err(|_| DecodeError::new(None, Problem::NotUtf8))?;
        written
    }

    fn decode(&self, key_body: &[u8], start: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let mut cursor = Cursor::new(key_body);
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b':');
            }
            column
                .write(self.escaped, &mut cursor, out)
                .map_err(|problem| DecodeError::new(Some(&column.name), problem))?;
        }
        if cursor.remaining() > 0 {
            return Err(DecodeError::new(None, Problem::trailing(cursor.remaining())));
        }
        fit(start, out);
        Ok(())
    }
}

impl KeyColumn {
    fn compile(name: &str, node: &Node) -> Result<Self, PlanError> {
        let unsupported = || PlanError::Unsupported {
            path: name.to_owned(),
            found: "a key without a text".into(),
            expected: "a number, a text, a date or bytes",
        };
        let (null_branch, node) = node.optional().ok_or_else(unsupported)?;
        let scalar = match Scalar::compile(node, name)? {
            Some(scalar) => scalar,
            // A set or JSON: their text, as it is.
            None if matches!(node.shape, Shape::String) => Scalar::text(),
            None => return Err(unsupported()),
        };
        Ok(Self { name: name.into(), null_branch, scalar })
    }

    fn write(
        &self,
        escaped: bool,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        if is_null(self.null_branch, cursor)? {
            out.extend_from_slice(b"%N");
            return Ok(());
        }
        let start = out.len();
        self.scalar.write_plain(cursor, out)?;
        if escaped {
            escape(start, out);
        }
        Ok(())
    }
}

/// Replaces `%` and `:` in what begins at `start`, where there are any.
fn escape(start: usize, out: &mut Vec<u8>) {
    let is_special = |byte: &u8| *byte == b'%' || *byte == b':';
    let Some(first) = out.get(start..).and_then(|text| text.iter().position(is_special)) else {
        return;
    };
    for byte in out.split_off(start + first) {
        match byte {
            b'%' => out.extend_from_slice(b"%25"),
            b':' => out.extend_from_slice(b"%3A"),
            _ => out.push(byte),
        }
    }
}

/// Replaces the id that begins at `start` by its digest where Elasticsearch would not take it.
fn fit(start: usize, out: &mut Vec<u8>) {
    let id = out.get(start..).unwrap_or_default();
    if (1..=ID_MAX_BYTES).contains(&id.len()) && !id.starts_with(DIGEST_PREFIX.as_bytes()) {
        return;
    }
    let digest = Sha256::digest(id);
    out.truncate(start);
    out.extend_from_slice(DIGEST_PREFIX.as_bytes());
    for byte in digest {
        write!(out, "{byte:02x}").expect("a Vec takes any bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO_TEXTS: &str = r#"{"type":"record","name":"Key","fields":[
        {"name":"a","type":"string"},{"name":"b","type":["null","string"]}]}"#;
    const ONE_TEXT: &str =
        r#"{"type":"record","name":"Key","fields":[{"name":"a","type":"string"}]}"#;

    fn avro_text(text: &str) -> Vec<u8> {
        let mut length = text.len() << 1;
        let mut bytes = Vec::new();
        while length >= 0x80 {
            bytes.push(length.to_le_bytes()[0] | 0x80);
            length >>= 7;
        }
        bytes.push(length.to_le_bytes()[0]);
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    fn two(a: &str, b: Option<&str>) -> String {
        let mut body = avro_text(a);
        match b {
            None => body.push(0),
            Some(b) => {
                body.push(2);
                body.extend(avro_text(b));
            }
        }
        run(TWO_TEXTS, &body)
    }

    fn run(schema: &str, body: &[u8]) -> String {
        let mut id = String::new();
        IdPlan::compile(schema).unwrap().run(body, &mut id).unwrap();
        id
    }

    #[test]
    fn one_column_is_its_text_and_several_are_joined() {
        assert_eq!(run(ONE_TEXT, &avro_text("50%:x")), "50%:x");
        assert_eq!(run(r#""long""#, &[0x54]), "42");
        assert_eq!(two("a", Some("b")), "a:b");
        assert_eq!(two("50%:x", None), "50%25%3Ax:%N");
    }

    #[test]
    fn ids_that_elasticsearch_refuses_are_hashed() {
        let longest = "x".repeat(512);
        assert_eq!(run(ONE_TEXT, &avro_text(&longest)), longest);

        let hashed = run(ONE_TEXT, &avro_text(&"x".repeat(513)));
        assert_eq!(hashed.len(), 71);
        assert!(hashed.starts_with("sha256:"));
        assert_eq!(
            run(ONE_TEXT, &avro_text("")),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_ne!(run(ONE_TEXT, &avro_text(&hashed)), hashed);
    }

    /// Short texts of few letters, so that joined ones meet often.
    fn tricky() -> impl Strategy<Value = String> {
        prop_oneof!["[a:%N]{0,3}", "[a%253A:]{0,6}", "x{510,514}", "sha256:?[0-9a-f]{0,4}"]
    }

    proptest! {
        #[test]
        fn different_keys_have_different_ids(
            a1 in tricky(), b1 in proptest::option::of(tricky()),
            a2 in tricky(), b2 in proptest::option::of(tricky()),
        ) {
            let same_key = (&a1, &b1) == (&a2, &b2);
            let first = two(&a1, b1.as_deref());
            let second = two(&a2, b2.as_deref());

            prop_assert_eq!(same_key, first == second);
            prop_assert!((1..=512).contains(&first.len()));
            prop_assert_eq!(
                a1 == a2,
                run(ONE_TEXT, &avro_text(&a1)) == run(ONE_TEXT, &avro_text(&a2))
            );
        }

        #[test]
        fn any_bytes_give_an_id_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..40)) {
            let plan = IdPlan::compile(TWO_TEXTS).unwrap();
            let mut id = "before".to_owned();

            if plan.run(&body, &mut id).is_err() {
                prop_assert_eq!(id, "before");
            }
        }
    }
}
