//! Partitions that stop at a document until the next start.

use std::collections::BTreeMap;
use std::time::Duration;

use connect::kafka::consumer::TopicPartition;
use tokio::time::Instant;

use crate::error::Origin;

/// How often the log says that they are still parked.
const TELL_EVERY: Duration = Duration::from_secs(600);
/// Most of them that it names.
const TOLD_MAX: usize = 10;

/// The parked partitions of this task, each with the record that it stops at.
#[derive(Default)]
pub(super) struct Parked {
    records: BTreeMap<TopicPartition, Origin>,
    tell: Option<Instant>,
}

impl Parked {
    pub(super) fn add(&mut self, record: Origin) {
        self.tell.get_or_insert_with(|| Instant::now() + TELL_EVERY);
        // A second one of the same batch is behind the first, or before it.
        let first = self.records.entry(record.partition.clone()).or_insert_with(|| record.clone());
        if record.offset < first.offset {
            *first = record;
        }
    }

    pub(super) fn contains(&self, partition: &TopicPartition) -> bool {
        self.records.contains_key(partition)
    }

    /// Their next owner tries again.
    pub(super) fn give_up(&mut self, partitions: &[TopicPartition]) {
        self.records.retain(|partition, _| !partitions.contains(partition));
        if self.records.is_empty() {
            self.tell = None;
        }
    }

    /// The records that they stop at.
    pub(super) fn records(&self) -> Vec<String> {
        self.records.values().map(Origin::to_string).collect()
    }

    /// When [`Self::tell`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.tell
    }

    /// Says what is still parked.
    pub(super) fn tell(&mut self) {
        self.tell = Some(Instant::now() + TELL_EVERY);
        let records: Vec<_> = self.records.values().take(TOLD_MAX).map(Origin::to_string).collect();
        tracing::warn!(
            count = self.records.len(),
            records = records.join(", "),
            hint = "where the log says why each was parked it also says what to do; then start the \
                    sink again",
            "partitions are parked at documents that elasticsearch does not take"
        );
    }
}
