//! The offsets of all partitions that are ours.

use std::time::Duration;

use connect::kafka::consumer::{CommitOffsets, KafkaOffset, OffsetTracker, TopicPartition};
use tokio::time::Instant;

use crate::fast::FastMap;

/// Follows each partition and says what is to be committed, and when.
pub(super) struct Offsets {
    partitions: FastMap<TopicPartition, Followed>,
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
        Self { partitions: FastMap::default(), interval, due: None }
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

    /// These were taken and could not be committed: they are due again.
    pub(super) fn give_back(&mut self, offsets: &CommitOffsets) {
        for (partition, _) in offsets {
            if let Some(followed) = self.partitions.get_mut(partition) {
                followed.committed = None;
                self.due.get_or_insert_with(|| Instant::now() + self.interval);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn offsets_that_are_given_back_are_due_again_and_as_new_as_they_are_then() {
        let partition = TopicPartition { topic: "t".into(), partition: 0 };
        let mut offsets = Offsets::new(Duration::from_secs(1));
        offsets.assign(vec![partition.clone()]);
        for offset in [KafkaOffset(3), KafkaOffset(7)] {
            offsets.delivered(&partition, offset);
        }
        offsets.settled(&partition, KafkaOffset(3));
        let taken = offsets.take_committable();
        assert_eq!(taken, [(partition.clone(), KafkaOffset(4))]);
        assert_eq!((offsets.due(), offsets.take_committable().len()), (None, 0));

        offsets.give_back(&taken);
        assert!(offsets.due().is_some());
        offsets.settled(&partition, KafkaOffset(7));
        assert_eq!(offsets.take_committable(), [(partition, KafkaOffset(8))]);
    }
}
