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
use super::json::write_string;
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
    /// `,"name":`, where it has a name in the document.
    label: Option<Box<[u8]>>,
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
        Self::compile_named(key_schema_text, &|column| Some(column.into()))
    }

    /// As [`Self::compile`], with the names that the columns have in documents.
    ///
    /// # Errors
    ///
    /// As [`Self::compile`].
    pub fn compile_named(
        key_schema_text: &str,
        field: &dyn Fn(&str) -> Option<Box<str>>,
    ) -> Result<Self, PlanError> {
        Self::of_schema(&WriterSchema::parse(key_schema_text)?, field)
    }

    /// As [`Self::compile_named`], for a schema that was parsed.
    ///
    /// # Errors
    ///
    /// As [`Self::compile`].
    pub fn of_schema(
        schema: &WriterSchema,
        field: &dyn Fn(&str) -> Option<Box<str>>,
    ) -> Result<Self, PlanError> {
        let root = schema.root();
        let columns = match root.fields().filter(|fields| !fields.is_empty()) {
            Some(fields) => fields
                .iter()
                .map(|column| {
                    let name = field(&column.name);
                    KeyColumn::compile(&column.name, &column.node, name.as_deref())
                })
                .collect::<Result<Box<[_]>, _>>()?,
            None => Box::new([KeyColumn::compile("key", root, None)?]),
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

    /// Takes an id apart: the texts of the key's columns, `None` for null. `None` for an id that is
    /// none of this key's after `prefix`, and for one that is a digest.
    #[must_use]
    pub fn decode_id(&self, prefix: &str, id: &str) -> Option<Vec<Option<String>>> {
        if id.starts_with(DIGEST_PREFIX) {
            return None;
        }
        let id = id.strip_prefix(prefix)?;
        if !self.escaped {
            return Some(vec![Some(id.to_owned())]);
        }
        let texts: Option<Vec<_>> = id.split(':').map(unescape).collect();
        texts.filter(|texts| texts.len() == self.columns.len())
    }

    /// The place of a column in the key.
    #[must_use]
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|candidate| &*candidate.name == column)
    }

    /// Appends the text of one column of a key, as it is: nothing is escaped. Null is `%N`.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn write_column(
        &self,
        position: usize,
        key_body: &[u8],
        out: &mut String,
    ) -> Result<(), DecodeError> {
        let start = out.len();
        let mut bytes = std::mem::take(out).into_bytes();
        let written = self.decode_column(position, key_body, &mut bytes);
        if written.is_err() {
            bytes.truncate(start);
        }
        *out = String::from_utf8(bytes).map_err(|_| DecodeError::new(None, Problem::NotUtf8))?;
        written
    }

    fn decode_column(
        &self,
        position: usize,
        key_body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let (mut cursor, start) = (Cursor::new(key_body), out.len());
        for column in self.columns.iter().take(position.saturating_add(1)) {
            out.truncate(start);
            column
                .write(false, &mut cursor, out)
                .map_err(|problem| DecodeError::new(Some(&column.name), problem))?;
        }
        Ok(())
    }

    /// Appends the columns of a key as the fields of a JSON object, without its braces. A key that
    /// is one value, and not a row's columns, has none.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn write_fields(&self, key_body: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let (mut cursor, start) = (Cursor::new(key_body), out.len());
        for column in &self.columns {
            let before = out.len();
            column
                .write_field(&mut cursor, out)
                .map_err(|problem| DecodeError::new(Some(&column.name), problem))?;
            if column.label.is_none() {
                out.truncate(before);
            } else if before == start {
                // The comma of the first one.
                out.remove(before);
            }
        }
        Ok(())
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
    fn compile(name: &str, node: &Node, field: Option<&str>) -> Result<Self, PlanError> {
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
        let label = field.map(|field| {
            let mut label = vec![b','];
            write_string(field, &mut label);
            label.push(b':');
            label.into()
        });
        Ok(Self { name: name.into(), label, null_branch, scalar })
    }

    fn write_field(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        out.extend_from_slice(self.label.as_deref().unwrap_or_default());
        if is_null(self.null_branch, cursor)? {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        self.scalar.write_json(cursor, out)
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

/// Appends the id of a key whose columns have these texts; `None` is null. Of several columns, or
/// of one that is null, as [`IdPlan`] makes it.
pub fn write_id<'a>(
    prefix: &str,
    columns: impl ExactSizeIterator<Item = Option<&'a str>>,
    out: &mut String,
) {
    let escaped = columns.len() > 1;
    let mut id = prefix.as_bytes().to_vec();
    for (index, text) in columns.enumerate() {
        if index > 0 {
            id.push(b':');
        }
        let start = id.len();
        match text {
            None => id.extend_from_slice(b"%N"),
            Some(text) => {
                id.extend_from_slice(text.as_bytes());
                if escaped {
                    escape(start, &mut id);
                }
            }
        }
    }
    fit(0, &mut id);
    out.push_str(&String::from_utf8_lossy(&id));
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

/// The inverse of [`escape`] for one text. `None` for what it does not write.
fn unescape(text: &str) -> Option<Option<String>> {
    if text == "%N" {
        return Some(None);
    }
    let mut parts = text.split('%');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (special, rest) = match part.split_at_checked(2)? {
            ("25", rest) => ('%', rest),
            ("3A", rest) => (':', rest),
            _ => return None,
        };
        plain.push(special);
        plain.push_str(rest);
    }
    Some(Some(plain))
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

    #[test]
    fn a_key_gives_its_columns_one_by_one() {
        let body = [avro_text("50%:x\""), vec![0]].concat();
        let plan = IdPlan::compile_named(TWO_TEXTS, &|column| (column == "a").then(|| "A".into()));
        let plan = plan.unwrap();

        let (mut text, mut fields) = (String::new(), Vec::new());
        plan.write_column(plan.position("a").unwrap(), &body, &mut text).unwrap();
        plan.write_fields(&body, &mut fields).unwrap();
        assert_eq!(text, "50%:x\"");
        assert_eq!(str::from_utf8(&fields).unwrap(), r#""A":"50%:x\"""#);
        assert_eq!(plan.position("c"), None);

        let all = IdPlan::compile(TWO_TEXTS).unwrap();
        fields.clear();
        all.write_fields(&body, &mut fields).unwrap();
        assert_eq!(str::from_utf8(&fields).unwrap(), r#""a":"50%:x\"","b":null"#);
        let value = IdPlan::compile(r#""long""#).unwrap();
        fields.clear();
        value.write_fields(&[0x54], &mut fields).unwrap();
        assert_eq!(fields, b"");
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
        fn an_id_that_is_no_digest_says_its_key(
            a in tricky(), b in proptest::option::of(tricky()), prefix in "|t:",
        ) {
            let (two, one) =
                (IdPlan::compile(TWO_TEXTS).unwrap(), IdPlan::compile(ONE_TEXT).unwrap());
            let mut body = avro_text(&a);
            let (mut id_of_one, mut id_of_two) = (String::new(), String::new());
            one.run_after(&prefix, &body, &mut id_of_one).unwrap();
            match &b {
                None => body.push(0),
                Some(b) => body.extend([vec![2], avro_text(b)].concat()),
            }
            two.run_after(&prefix, &body, &mut id_of_two).unwrap();

            let is_digest = |id: &str| id.starts_with("sha256:");
            let key = vec![Some(a.clone()), b];
            let decoded = two.decode_id(&prefix, &id_of_two);
            prop_assert_eq!(decoded, (!is_digest(&id_of_two)).then_some(key));
            let decoded = one.decode_id(&prefix, &id_of_one);
            prop_assert_eq!(decoded, (!is_digest(&id_of_one)).then_some(vec![Some(a)]));
        }

        #[test]
        fn any_text_is_an_id_or_none(id in "[a:%N25A3s]{0,12}") {
            let plan = IdPlan::compile(TWO_TEXTS).unwrap();
            if let Some(key) = plan.decode_id("", &id) {
                let mut again = String::new();
                write_id("", key.iter().map(Option::as_deref), &mut again);
                prop_assert!(again == id || again.starts_with(DIGEST_PREFIX));
            }
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
