//! Sweeps: after a new snapshot of a table, the documents that it has not written again go.
//!
//! A snapshot only adds and replaces. What was deleted in MySQL while nobody looked would stay in
//! the index, so the source ends a new snapshot with a control record in each partition, all in one
//! Kafka transaction. The task that owns partition 0 carries it out:
//!
//! ```text
//! group     the offsets of all partitions have passed the record   → older records are applied
//! refresh   what was written can be searched
//! scan      the documents of the table with their versions         → those below the sweep's number
//! bulk      deletes with the sweep's number as external version
//! ```
//!
//! With `behavior.on.delete` = `soft` the documents are marked instead, and those that are marked
//! already are not looked at.
//!
//! A record of Debezium's that says that a table was truncated is a sweep too, in the one partition
//! that its topic must have then: its number is its Kafka offset, as the documents' versions are.
//!
//! Done twice it is the same as once, so a crash repeats it: the record's own offset is committed
//! at the end only. It harms nobody who writes meanwhile: a row that comes after the record has a
//! higher number than the sweep, and Elasticsearch refuses the delete.

mod group;
mod scan;

use std::sync::Arc;
use std::time::Duration;

use connect::backoff::Backoff;
use connect::clock::since_epoch;
use connect::kafka::consumer::{Ends, KafkaOffset, Record};
use connect::kafka::control::Sweep;
use schema::fault::{self, Disposition, Fault};
use schema::lsn::Lsn;
use tokio::time::{Instant, sleep};

#[cfg(test)]
pub(crate) use group::Group;
pub(crate) use group::{Asked, WatchGroup, watch};

use crate::batch::{Batch, NewAction};
use crate::bulk::{Bulk, DocVersion, Refusal};
use crate::bulk_action::{LineOptions, Verb};
use crate::client::{Method, Request};
use crate::config::IndexConfig;
use crate::document::add_topic;
use crate::document::soft::write_mark;
use crate::error::{IndexError, Origin, SinkError};
use crate::mapping::{ANY_DATE, Indices, VersionKind};
use crate::patience::Patience;
use scan::{Found, Scan, Scanned, Wanted};

/// First pause between two looks at the group's offsets, which are committed once a second.
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often the log says what is waited for.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// Most partitions that it names.
const TOLD_MAX: usize = 10;

/// Carries sweeps out.
pub(crate) struct Sweeper {
    bulk: Arc<Bulk>,
    config: IndexConfig,
    watch: WatchGroup,
}

/// One sweep, and where it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct SweepOrder {
    pub(crate) sweep: Sweep,
    /// The control record in partition 0.
    pub(crate) origin: Origin,
    /// The table's index, or the pattern of all of them if they have dates.
    pub(crate) index: Arc<str>,
    /// What its number is. An offset comes from a record that is in one partition only, and says
    /// nothing of other ones.
    pub(crate) versions: VersionKind,
}

impl SweepOrder {
    /// What a record of Debezium's asks for that says that all rows of its table are gone: the
    /// documents that are older than it by their Kafka offsets.
    pub(crate) fn of_truncate(record: &Record, index: Arc<str>) -> Self {
        let before = Lsn::new(record.offset.0.unsigned_abs()).unwrap_or(Lsn::ZERO);
        let sweep = Sweep { table: Arc::clone(&record.partition.topic), before };
        Self { sweep, origin: Origin::of(record), index, versions: VersionKind::Offset }
    }
}

impl Sweeper {
    pub(crate) fn new(bulk: Arc<Bulk>, config: IndexConfig, watch: WatchGroup) -> Self {
        Self { bulk, config, watch }
    }

    /// Waits for the group, then sweeps; how many documents are gone now. Cancel safe: whoever
    /// begins again finds less to do.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] when the index has documents of another topic or with other versions,
    /// and when a server refuses for good.
    pub(crate) async fn run(self: Arc<Self>, order: SweepOrder) -> Result<u64, SinkError> {
        let begun = Instant::now();
        let SweepOrder { sweep, origin, index, .. } = &order;
        let table = &*sweep.table;
        if self.config.append {
            tracing::debug!(table, "no sweep: every change is kept");
            return Ok(0);
        }
        tracing::info!(table, record = %origin, index = &**index, before = %sweep.before, "sweep begins");
        self.wait_for_group(&order).await?;
        let waited_ms = millis(begun);
        let (mut scanned, mut deleted) = (0, 0);
        for index in self.indices(&order).await? {
            let part = SweepOrder { index, ..order.clone() };
            scanned += loop {
                if let Some(scanned) = self.sweep(&part, &mut deleted).await? {
                    break scanned;
                }
                tracing::debug!(table, "the search context is gone, sweeping from the beginning");
            };
        }
        let took_ms = millis(begun);
        tracing::info!(
            table,
            index = &**index,
            scanned,
            deleted,
            waited_ms,
            took_ms,
            "sweep done: documents that are not in the table any more are deleted"
        );
        Ok(deleted)
    }

    /// The indices that have documents of the table. Nothing older than the order is on its way, so
    /// one that is made from now on has nothing to sweep.
    async fn indices(&self, order: &SweepOrder) -> Result<Vec<Arc<str>>, SinkError> {
        let SweepOrder { origin, index, .. } = order;
        if !index.contains(ANY_DATE) {
            return Ok(vec![Arc::clone(index)]);
        }
        let indices = Indices::new(Arc::clone(self.bulk.client()), self.config.clone());
        indices.of_topic(index, &origin.partition.topic).await
    }

    /// Waits until all that was written before the control records is applied, by whichever task.
    ///
    /// The control records are one Kafka transaction and the one in partition 0 has been read, so
    /// the others are before where their partitions end now.
    async fn wait_for_group(&self, order: &SweepOrder) -> Result<(), SinkError> {
        let group = (self.watch)(&order.origin.partition.topic)?;
        let mut left = ask(|| group.ends()).await?;
        if order.versions == VersionKind::Offset && left.len() > 1 {
            let (origin, partitions) = (order.origin.clone(), left.len());
            return Err(SinkError::Truncated { origin, partitions });
        }
        for (partition, end) in &mut left {
            // Its own partition waits at the record.
            if *partition == order.origin.partition {
                *end = KafkaOffset(order.origin.offset.0);
            }
        }
        let mut backoff = Backoff::new(FIRST_LOOK, LONGEST_PAUSE);
        let mut told = Instant::now();
        loop {
            left = ask(|| group.not_passed(left.clone())).await?;
            if left.is_empty() {
                return Ok(());
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                tell_what_is_waited_for(&order.sweep.table, &left);
            }
            sleep(backoff.next_delay()).await;
        }
    }

    /// How many documents the table has, those that are deleted now included; `None` when the scan
    /// has to begin again.
    async fn sweep(&self, order: &SweepOrder, deleted: &mut u64) -> Result<Option<u64>, SinkError> {
        let SweepOrder { sweep, origin, index, versions } = order;
        let mut indices = Indices::new(Arc::clone(self.bulk.client()), self.config.clone());
        if !indices.has_documents_of(index, *versions, &origin.partition.topic).await?
            || !self.refresh(index).await?
        {
            indices.make_missing(index, *versions, &origin.partition.topic).await?;
            tracing::info!(
                index = &**index,
                "nothing to sweep: rowcast has written nothing to the index"
            );
            return Ok(Some(0));
        }
        let topic = self.config.shared.then_some(&*origin.partition.topic);
        let wanted = Wanted { topic, unmarked: self.config.soft_delete };
        let Some(mut scan) = Scan::open(self.bulk.client(), index, wanted).await? else {
            return Ok(Some(0));
        };
        let mut scanned = 0;
        let ended = loop {
            match scan.next().await? {
                Scanned::Documents(documents) => {
                    scanned += count(documents.len());
                    let older = documents
                        .into_iter()
                        .filter(|document| document.version < sweep.before.value());
                    match self.delete(older, order).await? {
                        Some(gone) => *deleted += gone,
                        None => break Some(scanned),
                    }
                }
                Scanned::End => break Some(scanned),
                Scanned::Lost => break None,
            }
        };
        scan.close().await;
        Ok(ended)
    }

    /// What stands in place of a row that is gone. Which key it had its id says.
    fn mark(&self, topic: &str) -> Vec<u8> {
        let mut document = Vec::new();
        write_mark(b"", since_epoch(), &mut document);
        if self.config.shared {
            add_topic(topic, &mut document);
        }
        document
    }

    /// Makes all that was written visible to a search; `false` if there is no such index.
    async fn refresh(&self, index: &str) -> Result<bool, SinkError> {
        let action = "refresh";
        let request = Request::json(Method::Post, format!("/{index}/_refresh"), None);
        let mut patience = Patience::with_elasticsearch();
        let client = self.bulk.client();
        loop {
            let answer = client.ask(&request, action, index).await?;
            match answer.status {
                200 if scan::failed_shards(&answer.body) == Some(0) => return Ok(true),
                200 => {
                    patience.wait(client.urls(), "some shards are not refreshed").await;
                }
                404 => return Ok(false),
                _ => return Err(client.refusal(&answer, action, index)),
            }
        }
    }

    /// Deletes documents, or marks them, unless they have become newer. `None` if the index is gone.
    async fn delete(
        &self,
        documents: impl Iterator<Item = Found>,
        order: &SweepOrder,
    ) -> Result<Option<u64>, SinkError> {
        let SweepOrder { sweep, origin, index, .. } = order;
        let (verb, body) = match self.config.soft_delete {
            true => (Verb::Index, self.mark(&origin.partition.topic)),
            false => (Verb::Delete, Vec::new()),
        };
        let documents: Vec<Found> = documents.collect();
        let batch = Batch::of(documents.iter().map(|Found { id, routing, .. }| NewAction {
            index,
            id,
            version: DocVersion(sweep.before.value()),
            verb,
            line: LineOptions { routing: routing.as_deref(), ..LineOptions::default() },
            body: &body,
            origin: origin.clone(),
            changed_at: None,
        }));
        if batch.is_empty() {
            return Ok(Some(0));
        }
        let settled = match self.bulk.settle(&batch).await {
            Ok(settled) => settled,
            Err(SinkError::Index(IndexError::IndexLost { .. })) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Not even a delete: whatever stands before the server takes nothing.
        match settled.refused.first().map(|refused| &refused.why) {
            None => {}
            Some(Refusal::TooLarge { bytes }) => {
                return Err(SinkError::TooLarge { origin: origin.clone(), bytes: *bytes });
            }
            Some(Refusal::Malformed(malformed)) => {
                return Err(malformed.error(origin.clone(), index));
            }
        }
        Ok(Some(count(settled.applied)))
    }
}

fn tell_what_is_waited_for(table: &str, left: &Ends) {
    let partitions: Vec<_> = left
        .iter()
        .take(TOLD_MAX)
        .map(|(partition, end)| format!("{}/{}@{}", partition.topic, partition.partition, end.0))
        .collect();
    tracing::warn!(
        table,
        count = left.len(),
        partitions = partitions.join(", "),
        hint = "look whether each of these partitions has a task that is alive, and whether one is \
                parked",
        "sweep still waits until all records before it are applied"
    );
}

/// Asks Kafka until it answers.
async fn ask<'a>(mut question: impl FnMut() -> Asked<'a>) -> Result<Ends, SinkError> {
    let mut patience = Patience::with_kafka();
    loop {
        match question().await {
            Ok(ends) => return Ok(ends),
            Err(error) if error.disposition() == Disposition::Retry => {
                patience.wait("bootstrap.servers", &fault::chain(&error)).await;
            }
            Err(error) => {
                return Err(SinkError::Consumer(error.into()));
            }
        }
    }
}

fn count(documents: usize) -> u64 {
    u64::try_from(documents).unwrap_or(u64::MAX)
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
