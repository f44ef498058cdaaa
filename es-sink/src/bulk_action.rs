//! The line that says what happens to a document, before the document's own.
//! <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk>

use schema::plan::document::{write_string, write_unsigned};

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is written as a whole; the next line is the document.
    Index,
    /// It is deleted.
    Delete,
}

/// Appends the line of one action.
///
/// `external` and not `external_gte`: a repetition is void and changes nothing, not even a
/// document's segment.
pub fn write_action(verb: Verb, index: &str, id: &str, version: u64, body: &mut Vec<u8>) {
    body.extend_from_slice(match verb {
        Verb::Index => br#"{"index":{"_index":"#,
        Verb::Delete => br#"{"delete":{"_index":"#,
    });
    write_string(index, body);
    body.extend_from_slice(br#","_id":"#);
    write_string(id, body);
    body.extend_from_slice(br#","version":"#);
    write_unsigned(version, body);
    body.extend_from_slice(b",\"version_type\":\"external\"}}\n");
}
