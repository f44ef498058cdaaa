//! The line that says what happens to a document, before the document's own.
//! <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk>

use std::sync::Arc;

use schema::digits::write_unsigned;
use schema::plan::document::write_string;

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is written as a whole; the next line is the document.
    Index,
    /// It is deleted.
    Delete,
}

/// Writes the lines of a request. What they say of the index is made anew only when it changes.
#[derive(Debug, Default)]
pub struct ActionLines {
    index: Option<Arc<str>>,
    /// `{"index":{"_index":"…","_id":`
    indexed: Vec<u8>,
    /// `{"delete":{"_index":"…","_id":`
    deleted: Vec<u8>,
}

impl ActionLines {
    /// Appends the line of one action.
    ///
    /// `external` and not `external_gte`: a repetition is void and changes nothing, not even a
    /// document's segment.
    pub fn write(
        &mut self,
        verb: Verb,
        (index, id): (&Arc<str>, &str),
        version: u64,
        body: &mut Vec<u8>,
    ) {
        self.aim_at(index);
        body.extend_from_slice(match verb {
            Verb::Index => &self.indexed,
            Verb::Delete => &self.deleted,
        });
        write_string(id, body);
        body.extend_from_slice(br#","version":"#);
        write_unsigned(version, body);
        body.extend_from_slice(b",\"version_type\":\"external\"}}\n");
    }

    fn aim_at(&mut self, index: &Arc<str>) {
        if self.index.as_ref() == Some(index) {
            return;
        }
        let verbs = [(&b"index"[..], &mut self.indexed), (b"delete", &mut self.deleted)];
        for (verb, line) in verbs {
            *line = [br#"{""#, verb, br#"":{"_index":"#].concat();
            write_string(index, line);
            line.extend_from_slice(br#","_id":"#);
        }
        self.index = Some(Arc::clone(index));
    }
}
