//! Actions that wait for the next bulk request: the last one for each document.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use tokio::time::Instant;

use crate::bulk::{ActionKind, BulkAction, DocumentKey};
use crate::config::BatchConfig;
use crate::error::Origin;

/// One request's worth of actions.
///
/// Of several actions on one document only the one with the highest version is sent: it makes the
/// others void. All their records settle together with it.
#[derive(Default)]
pub(crate) struct Batch {
    actions: Vec<BulkAction>,
    by_document: HashMap<DocumentKey, usize>,
    /// The documents, one after the other. Bytes of a replaced one stay until the batch is sent.
    documents: Vec<u8>,
    origins: Vec<Origin>,
    /// Size of the body without the documents.
    header_bytes: usize,
    oldest: Option<Instant>,
}

/// About what an action's line takes beside index and id.
const HEADER_BYTES: usize = 100;

fn header_bytes(document: &DocumentKey) -> usize {
    HEADER_BYTES + document.index.len() + document.id.len()
}

impl Batch {
    /// Where the next document is to be appended.
    pub(crate) fn documents_mut(&mut self) -> &mut Vec<u8> {
        &mut self.documents
    }

    /// Adds an action whose document, if it has one, was just appended.
    pub(crate) fn push(&mut self, action: BulkAction) {
        self.oldest.get_or_insert_with(Instant::now);
        self.origins.push(action.origin.clone());
        self.header_bytes += header_bytes(&action.document);
        if let Some(index) = self.by_document.get(&action.document)
            && let Some(waiting) = self.actions.get_mut(*index)
        {
            // An older one can come later: from another partition, or after a rewind.
            if waiting.version < action.version {
                *waiting = action;
            }
            return;
        }
        self.by_document.insert(action.document.clone(), self.actions.len());
        self.actions.push(action);
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether a limit is reached.
    pub(crate) fn is_full(&self, limits: &BatchConfig) -> bool {
        self.actions.len() >= limits.max_actions
            || self.documents.len() + self.header_bytes >= limits.max_bytes
    }

    /// When the batch is to be sent even though it is not full.
    pub(crate) fn due(&self, limits: &BatchConfig) -> Option<Instant> {
        self.oldest.map(|oldest| oldest + limits.linger)
    }

    /// The actions in the order in which their documents came first.
    pub(crate) fn actions(&self) -> &[BulkAction] {
        &self.actions
    }

    /// The bytes of one document.
    pub(crate) fn document(&self, range: &Range<usize>) -> &[u8] {
        self.documents.get(range.clone()).unwrap_or_default()
    }

    /// About what an action adds to a body, and not less.
    pub(crate) fn bytes_of(&self, action: &BulkAction) -> usize {
        let document = match &action.kind {
            ActionKind::Index(range) => self.document(range).len() + 1,
            ActionKind::Delete => 0,
        };
        header_bytes(&action.document) + document
    }

    /// The records that settle with this batch.
    pub(crate) fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// How many documents are written and how many are deleted.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let writes = self.actions.iter().filter(|a| matches!(a.kind, ActionKind::Index(_))).count();
        (writes, self.actions.len() - writes)
    }
}

impl DocumentKey {
    /// The key of a document.
    pub(crate) fn new(index: Arc<str>, id: &str) -> Self {
        Self { index, id: id.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::DocVersion;
    use connect::kafka::consumer::{KafkaOffset, TopicPartition};
    use proptest::prelude::*;
    use std::time::Duration;

    fn action(id: u8, version: u64, offset: i64) -> BulkAction {
        let partition = TopicPartition { topic: "t".into(), partition: 0 };
        BulkAction {
            document: DocumentKey::new("i".into(), &id.to_string()),
            version: DocVersion(version),
            kind: ActionKind::Delete,
            origin: Origin { partition, offset: KafkaOffset(offset) },
        }
    }

    proptest! {
        #[test]
        fn the_highest_version_of_each_document_is_kept(
            pushed in prop::collection::vec((0_u8..5, 0_u64..50), 0..60),
        ) {
            let mut batch = Batch::default();
            let mut model = std::collections::BTreeMap::new();
            for (offset, (id, version)) in pushed.iter().enumerate() {
                batch.push(action(*id, *version, i64::try_from(offset).unwrap()));
                let highest: &mut u64 = model.entry(id.to_string()).or_default();
                *highest = (*highest).max(*version);
            }

            let found: std::collections::BTreeMap<_, _> = batch
                .actions()
                .iter()
                .map(|action| (action.document.id.to_string(), action.version.0))
                .collect();
            prop_assert_eq!(found, model);
            prop_assert_eq!(batch.actions().len(), batch.by_document.len());
            prop_assert_eq!(batch.origins().len(), pushed.len());
        }
    }

    #[test]
    fn a_batch_is_full_at_either_limit() {
        let limits =
            |max_actions, max_bytes| BatchConfig { max_actions, max_bytes, linger: Duration::ZERO };
        let mut batch = Batch::default();
        assert!(!batch.is_full(&limits(1, 100)));

        batch.push(action(1, 1, 1));

        assert!(batch.is_full(&limits(1, 10_000)));
        assert!(!batch.is_full(&limits(2, 10_000)));
        assert!(batch.is_full(&limits(2, 80)));
    }
}
