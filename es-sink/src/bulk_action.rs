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
    /// It is written unless it is there; the next line is the document.
    Create,
    /// It is deleted.
    Delete,
}

/// What one line says.
#[derive(Debug, Clone, Copy)]
pub struct ActionLine<'a> {
    /// What happens to the document.
    pub verb: Verb,
    /// Where it is.
    pub index: &'a Arc<str>,
    /// Its id.
    pub id: &'a str,
    /// Its external version. `external` and not `external_gte`: a repetition is void and changes
    /// nothing, not even a document's segment.
    pub version: Option<u64>,
    /// What most lines do without.
    pub options: LineOptions<'a>,
}

/// What most lines do without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineOptions<'a> {
    /// What decides on the shard, in place of the id.
    pub routing: Option<&'a str>,
    /// The ingest pipeline that the document goes through.
    pub pipeline: Option<&'a str>,
    /// Whether the index's name has to be an alias, so that no index is made by that name.
    pub require_alias: bool,
}

/// Writes the lines of a request. What they say of the index is made anew only when it changes.
#[derive(Debug, Default)]
pub struct ActionLines {
    index: Option<Arc<str>>,
    /// `{"index":{"_index":"…","_id":`
    indexed: Vec<u8>,
    /// `{"create":{"_index":"…","_id":`
    created: Vec<u8>,
    /// `{"delete":{"_index":"…","_id":`
    deleted: Vec<u8>,
}

impl ActionLines {
    /// Appends the line of one action.
    pub fn write(&mut self, line: &ActionLine<'_>, body: &mut Vec<u8>) {
        self.aim_at(line.index);
        body.extend_from_slice(match line.verb {
            Verb::Index => &self.indexed,
            Verb::Create => &self.created,
            Verb::Delete => &self.deleted,
        });
        write_string(line.id, body);
        line.options.write(body);
        match line.version {
            Some(version) => {
                body.extend_from_slice(br#","version":"#);
                write_unsigned(version, body);
                body.extend_from_slice(b",\"version_type\":\"external\"}}\n");
            }
            None => body.extend_from_slice(b"}}\n"),
        }
    }

    fn aim_at(&mut self, index: &Arc<str>) {
        if self.index.as_ref() == Some(index) {
            return;
        }
        let verbs = [
            (&b"index"[..], &mut self.indexed),
            (b"create", &mut self.created),
            (b"delete", &mut self.deleted),
        ];
        for (verb, line) in verbs {
            *line = [br#"{""#, verb, br#"":{"_index":"#].concat();
            write_string(index, line);
            line.extend_from_slice(br#","_id":"#);
        }
        self.index = Some(Arc::clone(index));
    }
}

impl LineOptions<'_> {
    fn write(&self, body: &mut Vec<u8>) {
        for (label, text) in
            [(&br#","routing":"#[..], self.routing), (br#","pipeline":"#, self.pipeline)]
        {
            if let Some(text) = text {
                body.extend_from_slice(label);
                write_string(text, body);
            }
        }
        if self.require_alias {
            body.extend_from_slice(br#","require_alias":true"#);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_no_more_than_it_has_to() {
        let index = Arc::from("i");
        let (mut lines, mut body) = (ActionLines::default(), Vec::new());
        let mut write = |verb, version, options| {
            let line = ActionLine { verb, index: &index, id: "a\"\n", version, options };
            lines.write(&line, &mut body);
        };

        write(Verb::Index, Some(7), LineOptions::default());
        write(Verb::Create, None, LineOptions::default());
        let options =
            LineOptions { routing: Some("r\""), pipeline: Some("p"), require_alias: true };
        write(Verb::Delete, Some(8), options);

        assert_eq!(
            str::from_utf8(&body).unwrap(),
            concat!(
                r#"{"index":{"_index":"i","_id":"a\"\n","version":7,"version_type":"external"}}"#,
                "\n",
                r#"{"create":{"_index":"i","_id":"a\"\n"}}"#,
                "\n",
                r#"{"delete":{"_index":"i","_id":"a\"\n","routing":"r\"","pipeline":"p","#,
                r#""require_alias":true,"version":8,"version_type":"external"}}"#,
                "\n"
            )
        );
    }
}
