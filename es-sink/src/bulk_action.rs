//! The line that says what happens to a document, before the document's own.
//! <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk>

use std::io::Write;

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
    let verb = match verb {
        Verb::Index => "index",
        Verb::Delete => "delete",
    };
    let (index, id) = (json(index), json(id));
    writeln!(
        body,
        r#"{{"{verb}":{{"_index":{index},"_id":{id},"version":{version},"version_type":"external"}}}}"#
    )
    .expect("a Vec takes any bytes");
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
