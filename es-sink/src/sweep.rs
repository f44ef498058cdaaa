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
//! Done twice it is the same as once, so a crash repeats it: the record's own offset is committed
//! at the end only. It harms nobody who writes meanwhile: a row that comes after the record has a
//! higher number than the sweep, and Elasticsearch refuses the delete.

mod group;
mod scan;

use std::sync::Arc;
use std::time::Duration;

use connect::backoff::Backoff;
use connect::kafka::consumer::{Ends, KafkaOffset};
use connect::kafka::control::Sweep;
use schema::fault::{self, Disposition, Fault};
use tokio::time::{Instant, sleep};

#[cfg(test)]
pub(crate) use group::Group;
pub(crate) use group::{Asked, WatchGroup, watch};

use crate::batch::Batch;
use crate::bulk::{
    ActionKind, BulkAction, DocVersion, DocumentKey, EsClient, Method, Request, TooLarge, settle,
};
use crate::config::IndexConfig;
use crate::error::{Origin, SinkError};
use crate::mapping::Indices;
use crate::patience::Patience;
use scan::{Scan, Scanned};

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
    client: Arc<EsClient>,
    config: IndexConfig,
    watch: WatchGroup,
}

/// One sweep, and where it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct SweepOrder {
    pub(crate) sweep: Sweep,
    /// The control record in partition 0.
    pub(crate) origin: Origin,
    pub(crate) index: Arc<str>,
}

/// What a sweep has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Documents of the table.
    pub(crate) scanned: u64,
    /// Those that are gone now.
    pub(crate) deleted: u64,
}

impl Sweeper {
    pub(crate) fn new(client: Arc<EsClient>, config: IndexConfig, watch: WatchGroup) -> Self {
        Self { client, config, watch }
    }

    /// Waits for the group, then sweeps. Cancel safe: whoever begins again finds less to do.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] when the index has documents of another topic or with other versions,
    /// and when a server refuses for good.
    pub(crate) async fn run(self: Arc<Self>, order: SweepOrder) -> Result<Swept, SinkError> {
        let begun = Instant::now();
        let SweepOrder { sweep, origin, index } = &order;
        let table = &*sweep.table;
        tracing::info!(table, record = %origin, index = &**index, before = %sweep.before, "sweep begins");
        self.wait_for_group(&order).await?;
        let waited_ms = millis(begun);
        let swept = loop {
            if let Some(swept) = self.sweep(&order).await? {
                break swept;
            }
            tracing::debug!(table, "the search context is gone, sweeping from the beginning");
        };
        let Swept { scanned, deleted } = swept;
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
        Ok(swept)
    }

    /// Waits until all that was written before the control records is applied, by whichever task.
    ///
    /// The control records are one Kafka transaction and the one in partition 0 has been read, so
    /// the others are before where their partitions end now.
    async fn wait_for_group(&self, order: &SweepOrder) -> Result<(), SinkError> {
        let group = (self.watch)(&order.origin.partition.topic)?;
        let mut left = ask(|| group.ends()).await?;
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

    /// `None` when the scan has to begin again.
    async fn sweep(&self, order: &SweepOrder) -> Result<Option<Swept>, SinkError> {
        let SweepOrder { sweep, origin, index } = order;
        let mut indices = Indices::new(Arc::clone(&self.client), self.config.clone());
        if !indices.has_documents_of(index, &origin.partition.topic).await?
            || !self.refresh(index).await?
        {
            tracing::info!(index = &**index, "nothing to sweep: there is no index");
            return Ok(Some(Swept::default()));
        }
        let topic = self.config.shared.then_some(&*origin.partition.topic);
        let Some(mut scan) = Scan::open(&self.client, index, topic).await? else {
            return Ok(Some(Swept::default()));
        };
        let mut swept = Swept::default();
        let ended = loop {
            match scan.next().await? {
                Scanned::Documents(documents) => {
                    swept.scanned += count(documents.len());
                    let older = documents
                        .into_iter()
                        .filter(|(_, version)| *version < sweep.before.value());
                    match self.delete(older.map(|(id, _)| id), order).await? {
                        Some(deleted) => swept.deleted += deleted,
                        None => break Some(swept),
                    }
                }
                Scanned::End => break Some(swept),
                Scanned::Lost => break None,
            }
        };
        scan.close().await;
        Ok(ended)
    }

    /// Makes all that was written visible to a search; `false` if there is no such index.
    async fn refresh(&self, index: &str) -> Result<bool, SinkError> {
        let action = "refresh";
        let request = Request::json(Method::Post, format!("/{index}/_refresh"), None);
        let mut patience = Patience::with_elasticsearch();
        loop {
            let answer = self.client.ask(&request, action, index).await?;
            match answer.status {
                200 if scan::failed_shards(&answer.body) == Some(0) => return Ok(true),
                200 => patience.wait(self.client.urls(), "some shards are not refreshed").await,
                404 => return Ok(false),
                _ => return Err(self.client.refusal(&answer, action, index)),
            }
        }
    }

    /// Deletes documents unless they have become newer. `None` if the index is gone.
    async fn delete(
        &self,
        ids: impl Iterator<Item = String>,
        order: &SweepOrder,
    ) -> Result<Option<u64>, SinkError> {
        let SweepOrder { sweep, origin, index } = order;
        let mut batch = Batch::default();
        for id in ids {
            batch.push(BulkAction {
                document: DocumentKey::new(Arc::clone(index), &id),
                version: DocVersion(sweep.before.value()),
                kind: ActionKind::Delete,
                origin: origin.clone(),
            });
        }
        if batch.is_empty() {
            return Ok(Some(0));
        }
        let settled = match settle(&self.client, &batch).await {
            Ok(settled) => settled,
            Err(SinkError::Rejected { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Not even a delete: whatever stands before the server takes nothing.
        if let Some(TooLarge { bytes, .. }) = settled.too_large.first() {
            return Err(SinkError::TooLarge { origin: origin.clone(), bytes: *bytes });
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
