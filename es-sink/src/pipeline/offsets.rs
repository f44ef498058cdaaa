//! The offsets of all partitions that are ours.

use std::collections::HashMap;
use std::time::Duration;

use connect::kafka::consumer::{CommitOffsets, KafkaOffset, OffsetTracker, TopicPartition};
use tokio::time::Instant;

/// Follows each partition and says what is to be committed, and when.
pub(super) struct Offsets {
    partitions: HashMap<TopicPartition, Followed>,
    interval: Duration,
    /// When the next commit is due; `None` while nothing has settled since the last one.
    due: Option<Instant>,
}

#[derive(Default)]
struct Followed {
    tracker: OffsetTracker,
    committed: Option<KafkaOffset>,
}

impl Offsets {
    pub(super) fn new(interval: Duration) -> Self {
        Self { partitions: HashMap::new(), interval, due: None }
    }

    /// Partitions that come are followed from nothing: what is known about an earlier time says
    /// nothing about where they go on.
    pub(super) fn assign(&mut self, partitions: Vec<TopicPartition>) {
        for partition in partitions {
            self.partitions.insert(partition, Followed::default());
        }
    }

    pub(super) fn revoke(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    pub(super) fn delivered(&mut self, partition: &TopicPartition, offset: KafkaOffset) {
        if let Some(followed) = self.partitions.get_mut(partition) {
            followed.tracker.delivered(offset);
        }
    }

    pub(super) fn settled(&mut self, partition: &TopicPartition, offset: KafkaOffset) {
        if let Some(followed) = self.partitions.get_mut(partition) {
            followed.tracker.settled(offset);
            self.due.get_or_insert_with(|| Instant::now() + self.interval);
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What has become committable since the last call.
    pub(super) fn take_committable(&mut self) -> CommitOffsets {
        self.due = None;
        let mut offsets = CommitOffsets::new();
        for (partition, followed) in &mut self.partitions {
            let committable = followed.tracker.committable();
            if committable > followed.committed
                && let Some(offset) = committable
            {
                followed.committed = committable;
                offsets.push((partition.clone(), offset));
            }
        }
        offsets
    }
}
