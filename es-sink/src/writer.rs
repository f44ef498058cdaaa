//! Writes batches, and does with documents that Elasticsearch does not take what their tables'
//! policies say.
//!
//! Two kinds there are: those that are too large, for `http.max_content_length` or for a proxy before
//! it, and those that do not fit their index. Either is found out for one document (`bulk.rs`), so no
//! other is touched. What a policy cannot do, as cut a document that has nothing to be cut, ends in
//! `park`: so no document is lost without being told.

mod letters;
mod truncate;

use std::sync::Arc;

use connect::kafka::dead_letters::DeadLetters;

use crate::batch::Batch;
use crate::bulk::{Bulk, BulkAction, Malformed, Refusal, Refused, Settled};
use crate::bulk_action::Verb;
use crate::config::{LargeConfig, LargePolicy, MalformedConfig, MalformedPolicy};
use crate::error::{Origin, Poison, SinkError};
use crate::probe::Probe;
use letters::Letters;
use truncate::{Truncation, without};

/// Writes batches.
pub(crate) struct Writer {
    bulk: Arc<Bulk>,
    config: WriterConfig,
    letters: Option<Letters>,
    probe: Probe,
}

/// What is done with documents that are not taken.
#[derive(Clone)]
pub(crate) struct WriterConfig {
    pub(crate) large: LargeConfig,
    pub(crate) malformed: MalformedConfig,
}

/// What has become of a batch.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Actions that changed the index.
    pub(crate) applied: usize,
    /// Actions that were void.
    pub(crate) stale: usize,
    /// Records that cannot go on: their partitions stop at them.
    pub(crate) parked: Vec<Origin>,
}

/// Where a record went that makes no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buried {
    /// To the dead-letter topic.
    Letter,
    /// There is none.
    Nowhere,
}

/// Columns that are left out of one document at most. More mean that the index is another table's.
const DROPPED_MAX: usize = 10;

/// What has become of a document that was not taken.
enum Handled {
    Done,
    /// Its record has to be parked, and why.
    Park(String),
}

impl Writer {
    pub(crate) fn new(
        bulk: Arc<Bulk>,
        config: WriterConfig,
        dead_letters: Option<DeadLetters>,
    ) -> Self {
        let probe = Probe::new(Arc::clone(bulk.client()), Arc::clone(bulk.meter()));
        Self { bulk, config, letters: dead_letters.map(Letters::new), probe }
    }

    pub(crate) fn bulk(&self) -> &Arc<Bulk> {
        &self.bulk
    }

    /// Sends a batch until every action of it is applied, void, a dead letter or parked.
    ///
    /// Cancel safe as [`Bulk::settle`]; a dead letter may be written twice.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] for an error that is not about one document, or is one that ends the
    /// task by its policy.
    pub(crate) async fn write(&self, batch: &Batch) -> Result<Written, SinkError> {
        let Settled { applied, stale, refused } = self.bulk.settle(batch).await?;
        let mut written = Written { applied, stale, parked: Vec::new() };
        if refused.is_empty() {
            self.probe.look_for(batch);
        }
        self.heal(batch, &refused).await;
        for Refused { action, why } in refused {
            let Some(action) = batch.actions().get(action) else { continue };
            let handled = match &why {
                Refusal::TooLarge { bytes } => self.too_large(action, batch, *bytes).await?,
                Refusal::Malformed(malformed) => self.malformed(action, batch, malformed).await?,
            };
            if let Handled::Park(reason) = handled {
                tell_parked(action, &why, &reason);
                written.parked.push(action.origin.clone());
            }
        }
        Ok(written)
    }

    async fn too_large(
        &self,
        action: &BulkAction,
        batch: &Batch,
        bytes: usize,
    ) -> Result<Handled, SinkError> {
        let table = table_of(&action.origin.partition.topic);
        match self.config.large.of(table) {
            LargePolicy::Park => Ok(Handled::Park("the policy is to park it".to_owned())),
            LargePolicy::Truncate => self.truncate(action, batch, (table, bytes)).await,
            LargePolicy::DeadLetter => {
                let error = SinkError::TooLarge { origin: action.origin.clone(), bytes };
                Ok(self.dead_letter(action, "DocumentTooLarge", &error, None).await)
            }
        }
    }

    async fn truncate(
        &self,
        action: &BulkAction,
        batch: &Batch,
        (table, bytes): (&str, usize),
    ) -> Result<Handled, SinkError> {
        if action.verb == Verb::Delete {
            return Ok(Handled::Park("a delete has nothing to be cut".to_owned()));
        }
        let truncation = Truncation { table, config: &self.config.large.truncate };
        let mut shorter = Vec::new();
        let Some(columns) = truncation.apply(batch.document(action), &mut shorter) else {
            return Ok(Handled::Park("no column of it is long and may be cut".to_owned()));
        };
        if self.write_instead((action, batch), &shorter).await?.is_some() {
            let bytes = shorter.len();
            return Ok(Handled::Park(format!("cut to {bytes} bytes it is still not taken")));
        }
        tracing::warn!(
            record = %action.origin,
            bytes,
            shorter_bytes = shorter.len(),
            columns = columns.join(", "),
            "document was too large for elasticsearch, its columns are cut"
        );
        self.bulk.meter().index(&action.document.index, |index| index.mended += 1);
        Ok(Handled::Done)
    }

    async fn malformed(
        &self,
        action: &BulkAction,
        batch: &Batch,
        malformed: &Malformed,
    ) -> Result<Handled, SinkError> {
        if self.config.malformed.drop_field && self.drop_fields(action, batch, malformed).await? {
            return Ok(Handled::Done);
        }
        let error = malformed.error(action.origin.clone(), &action.document.index);
        match self.config.malformed.policy {
            MalformedPolicy::Fail => Err(error),
            MalformedPolicy::Park => Ok(Handled::Park("the policy is to park it".to_owned())),
            MalformedPolicy::DeadLetter => {
                Ok(self.dead_letter(action, "DocumentMalformed", &error, Some(malformed)).await)
            }
        }
    }

    /// Writes the rest of the row, without the columns that the server names one after the other.
    /// `false` if that is not enough.
    async fn drop_fields(
        &self,
        action: &BulkAction,
        batch: &Batch,
        malformed: &Malformed,
    ) -> Result<bool, SinkError> {
        let mut dropped: Vec<Box<str>> = Vec::new();
        let mut document = batch.document(action).to_vec();
        let mut field = malformed.field.clone();
        while dropped.len() < DROPPED_MAX
            && let Some(name) = field
            && let Some(shorter) = without(&document, &name)
        {
            dropped.push(name);
            document = shorter;
            field = match self.write_instead((action, batch), &document).await? {
                None => {
                    let (record, columns) = (&action.origin, dropped.join(", "));
                    tracing::warn!(
                        %record,
                        columns,
                        "document did not fit its index, it is written without these columns"
                    );
                    self.bulk.meter().index(&action.document.index, |index| index.mended += 1);
                    return Ok(true);
                }
                Some(Refusal::Malformed(next)) => next.field,
                Some(Refusal::TooLarge { .. }) => None,
            };
        }
        Ok(false)
    }

    /// Writes another document in place of an action's; why it is not taken either.
    async fn write_instead(
        &self,
        (action, batch): (&BulkAction, &Batch),
        document: &[u8],
    ) -> Result<Option<Refusal>, SinkError> {
        let batch = batch.with_document(action, document);
        let Settled { mut refused, .. } = self.bulk.settle(&batch).await?;
        Ok(refused.pop().map(|refused| refused.why))
    }

    async fn dead_letter(
        &self,
        action: &BulkAction,
        class: &'static str,
        error: &SinkError,
        malformed: Option<&Malformed>,
    ) -> Handled {
        let Some(letters) = &self.letters else {
            return Handled::Park("there is no dead-letter topic".to_owned());
        };
        match letters.write(action, class, (error, malformed)).await {
            Ok(()) => {
                self.bulk.meter().index(&action.document.index, |index| index.dead_letters += 1);
                Handled::Done
            }
            Err(reason) => Handled::Park(reason),
        }
    }

    /// Copies the record of no document to the dead-letter topic, if there is one; why that cannot be.
    ///
    /// Cancel safe as [`Letters::bury`].
    pub(crate) async fn bury(&self, origin: &Origin, poison: &Poison) -> Result<Buried, String> {
        let Some(letters) = &self.letters else { return Ok(Buried::Nowhere) };
        letters.bury(origin, poison).await.map(|()| Buried::Letter)
    }

    /// Marks the letters of documents that are good now.
    async fn heal(&self, batch: &Batch, refused: &[Refused]) {
        let Some(letters) = self.letters.as_ref().filter(|letters| letters.are_open()) else {
            return;
        };
        for (place, action) in batch.actions().iter().enumerate() {
            if !refused.iter().any(|refused| refused.action == place) {
                letters.heal(action).await;
            }
        }
    }
}

fn tell_parked(action: &BulkAction, why: &Refusal, reason: &str) {
    let record = &action.origin;
    match why {
        Refusal::TooLarge { bytes } => tracing::warn!(
            %record,
            bytes,
            reason,
            hint = "raise `http.max_content_length` of Elasticsearch or choose another \
                    `document.too.large`, then start the sink again",
            "document is too large for elasticsearch, its partition is parked and all others go on"
        ),
        Refusal::Malformed(Malformed { status, kind, field }) => tracing::warn!(
            %record,
            index = &*action.document.index,
            status,
            kind = &**kind,
            field = field.as_deref(),
            reason,
            hint = "compare the index's mapping with the table; correct the row, or set \
                    `behavior.on.malformed.documents` to dead_letter or \
                    `malformed.documents.drop.field`, then start the sink again",
            "document does not fit its index, its partition is parked and all others go on"
        ),
    }
}

/// `database.table` of a topic `prefix.database.table`; the whole name of any other.
fn table_of(topic: &str) -> &str {
    let mut dots = topic.rmatch_indices('.').map(|(place, _)| place);
    let second = dots.nth(1);
    second.and_then(|place| topic.get(place + 1..)).unwrap_or(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_the_end_of_its_topic() {
        assert_eq!(table_of("shop.db.orders"), "db.orders");
        assert_eq!(table_of("a.b.db.orders"), "db.orders");
        assert_eq!(table_of("db.orders"), "db.orders");
        assert_eq!(table_of("orders"), "orders");
    }
}
