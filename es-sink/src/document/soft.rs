//! Soft deletes: the document of a row that is gone, as a mark in its place.
//!
//! Elasticsearch forgets the version of a deleted document after `index.gc_deletes` and with a
//! restart of the node, and then an older write would bring the document back. A mark is a document
//! like any other, so its version is never forgotten.

use std::time::Duration;

use schema::plan::document::{DocumentField, FieldKind, write_instant};

/// Says of a document that its row is gone.
pub(crate) const DELETED_FIELD: &str = "__deleted";
/// When that was.
pub(crate) const DELETED_AT_FIELD: &str = "__deleted_at";

/// Adds the fields of marks to those of a mapping. A flattened record that brings one of them along
/// fits them: `"false"` is a boolean for Elasticsearch too.
pub(crate) fn add_fields(fields: &mut Vec<DocumentField>) {
    for (name, kind) in [(DELETED_FIELD, FieldKind::Boolean), (DELETED_AT_FIELD, FieldKind::Date)] {
        fields.push(DocumentField { name: name.into(), kind, nullable: true });
    }
}

/// Appends a mark. `key` are the fields of the row's key, without braces.
pub(crate) fn write_mark(key: &[u8], deleted_at: Duration, out: &mut Vec<u8>) {
    out.push(b'{');
    out.extend_from_slice(key);
    if !key.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(b"\"__deleted\":true,\"__deleted_at\":");
    write_instant(deleted_at, out);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_mark_says_what_was_there_and_when_it_went() {
        let written = |key: &[u8]| {
            let mut out = Vec::new();
            write_mark(key, Duration::from_millis(1_709_210_096_789), &mut out);
            serde_json::from_slice::<Value>(&out).unwrap()
        };

        let at = "2024-02-29T12:34:56.789Z";
        assert_eq!(written(b""), json!({DELETED_FIELD: true, DELETED_AT_FIELD: at}));
        assert_eq!(
            written(br#""id":7,"k":"a""#),
            json!({"id": 7, "k": "a", DELETED_FIELD: true, DELETED_AT_FIELD: at})
        );
    }
}
