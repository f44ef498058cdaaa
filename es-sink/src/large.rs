//! Documents that Elasticsearch does not take for their size: over `http.max_content_length`, or
//! over what a proxy before it takes.
//!
//! A batch with such a document is split until it is alone (`bulk.rs`). Then the table's policy
//! decides. What the policy cannot do, as cut a document that has nothing to be cut, ends in
//! `park`: so no document ends the task, and none is lost without being told.

mod truncate;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use connect::kafka::dead_letters::{DeadLetterError, DeadLetters, Reason};
use schema::fault::{self, Disposition, Fault};

use crate::batch::Batch;
use crate::bulk::{ActionKind, BulkAction, EsClient, Settled, TooLarge, settle};
use crate::config::{LargeConfig, LargePolicy};
use crate::error::{Origin, SinkError};
use crate::patience::Patience;
use truncate::Truncation;

/// Writes batches, and does with documents that are too large what their tables' policies say.
pub(crate) struct Writer {
    client: Arc<EsClient>,
    config: LargeConfig,
    dead_letters: Option<DeadLetters>,
    counts: Counts,
}

/// How many documents each policy has met.
#[derive(Default)]
struct Counts {
    truncated: AtomicU64,
    dead_letters: AtomicU64,
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

impl Writer {
    pub(crate) fn new(
        client: Arc<EsClient>,
        config: LargeConfig,
        dead_letters: Option<DeadLetters>,
    ) -> Self {
        Self { client, config, dead_letters, counts: Counts::default() }
    }

    /// Sends a batch until every action of it is applied, void, a dead letter or parked.
    ///
    /// Cancel safe as [`settle`]; a dead letter may be written twice.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] for an error that is not about the size of a document.
    pub(crate) async fn write(&self, batch: &Batch) -> Result<Written, SinkError> {
        let Settled { applied, stale, too_large } = settle(&self.client, batch).await?;
        let mut written = Written { applied, stale, parked: Vec::new() };
        for TooLarge { action, bytes } in too_large {
            let Some(action) = batch.actions().get(action) else { continue };
            if let Err(reason) = self.handle(action, batch, bytes).await? {
                tell_parked(&action.origin, bytes, &reason);
                written.parked.push(action.origin.clone());
            }
        }
        Ok(written)
    }

    /// `Err` says why the record has to be parked.
    async fn handle(
        &self,
        action: &BulkAction,
        batch: &Batch,
        bytes: usize,
    ) -> Result<Result<(), String>, SinkError> {
        let table = table_of(&action.origin.partition.topic);
        match self.config.of(table) {
            LargePolicy::Park => Ok(Err("the policy is to park it".to_owned())),
            LargePolicy::Truncate => self.truncate(action, batch, (table, bytes)).await,
            LargePolicy::DeadLetter => Ok(self.dead_letter(action, bytes).await),
        }
    }

    async fn truncate(
        &self,
        action: &BulkAction,
        batch: &Batch,
        (table, bytes): (&str, usize),
    ) -> Result<Result<(), String>, SinkError> {
        let ActionKind::Index(range) = &action.kind else {
            return Ok(Err("a delete has nothing to be cut".to_owned()));
        };
        let truncation = Truncation { table, config: &self.config.truncate };
        let mut shorter = Batch::default();
        let Some(columns) = truncation.apply(batch.document(range), shorter.documents_mut()) else {
            return Ok(Err("no column of it is long and may be cut".to_owned()));
        };
        let document = 0..shorter.documents_mut().len();
        let shorter_bytes = document.len();
        shorter.push(BulkAction { kind: ActionKind::Index(document), ..action.clone() });
        if !settle(&self.client, &shorter).await?.too_large.is_empty() {
            return Ok(Err(format!("cut to {shorter_bytes} bytes it is still too large")));
        }
        let count = self.counts.truncated.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(
            record = %action.origin,
            bytes,
            shorter_bytes,
            columns = columns.join(", "),
            count,
            "document was too large for elasticsearch, its columns are cut"
        );
        Ok(Ok(()))
    }

    async fn dead_letter(&self, action: &BulkAction, bytes: usize) -> Result<(), String> {
        let Some(letters) = &self.dead_letters else {
            return Err("there is no dead-letter topic".to_owned());
        };
        let Origin { partition, offset } = &action.origin;
        let error = SinkError::TooLarge { origin: action.origin.clone(), bytes };
        let reason =
            Reason { stage: "TASK_PUT", class: "DocumentTooLarge", message: error.to_string() };
        let mut patience = Patience::with_kafka();
        loop {
            match letters.write(partition, *offset, &reason).await {
                Ok(()) => break,
                Err(DeadLetterError::Kafka(error)) if error.disposition() == Disposition::Retry => {
                    patience.wait("bootstrap.servers", &fault::chain(&error)).await;
                }
                Err(error) => return Err(fault::chain(&error)),
            }
        }
        let count = self.counts.dead_letters.fetch_add(1, Ordering::Relaxed) + 1;
        let topic = letters.topic();
        tracing::warn!(
            record = %action.origin,
            bytes,
            topic,
            count,
            "document was too large for elasticsearch, its record is in the dead-letter topic"
        );
        Ok(())
    }
}

fn tell_parked(record: &Origin, bytes: usize, reason: &str) {
    tracing::warn!(
        %record,
        bytes,
        reason,
        hint = "raise `http.max_content_length` of Elasticsearch or choose another \
                `document.too.large`, then start the sink again",
        "document is too large for elasticsearch, its partition is parked and all others go on"
    );
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
