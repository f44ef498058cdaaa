//! The body of a bulk request.

use bytes::Bytes;

use crate::batch::Batch;
use crate::bulk::{ActionKind, DocumentKey};
use crate::bulk_action::{ActionLines, Verb};

/// Writes the actions of a part, each with its document.
pub(super) fn body(batch: &Batch, part: &[usize]) -> Bytes {
    let (mut body, mut lines) = (Vec::new(), ActionLines::default());
    for action in part.iter().filter_map(|index| batch.actions().get(*index)) {
        let verb = match action.kind {
            ActionKind::Index(_) => Verb::Index,
            ActionKind::Delete => Verb::Delete,
        };
        let DocumentKey { index, id } = &action.document;
        lines.write(verb, (index, id), action.version.0, &mut body);
        if let ActionKind::Index(range) = &action.kind {
            body.extend_from_slice(batch.document(range));
            body.push(b'\n');
        }
    }
    body.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::{BulkAction, DocVersion};
    use crate::error::Origin;
    use connect::kafka::consumer::{KafkaOffset, TopicPartition};

    #[test]
    fn a_body_has_a_line_for_each_action_and_each_document() {
        let mut batch = Batch::default();
        for (id, document) in [("a\"\n", Some(&br#"{"n":1}"#[..])), ("b", None)] {
            let kind = match document {
                None => ActionKind::Delete,
                Some(document) => {
                    let start = batch.documents_mut().len();
                    batch.documents_mut().extend_from_slice(document);
                    ActionKind::Index(start..start + document.len())
                }
            };
            let partition = TopicPartition { topic: "t".into(), partition: 0 };
            batch.push(BulkAction {
                document: DocumentKey::new("i".into(), id),
                version: DocVersion(7),
                kind,
                origin: Origin { partition, offset: KafkaOffset(0) },
            });
        }

        let body = body(&batch, &[0, 1]);

        assert_eq!(
            str::from_utf8(&body).unwrap(),
            concat!(
                r#"{"index":{"_index":"i","_id":"a\"\n","version":7,"version_type":"external"}}"#,
                "\n{\"n\":1}\n",
                r#"{"delete":{"_index":"i","_id":"b","version":7,"version_type":"external"}}"#,
                "\n"
            )
        );
    }
}
