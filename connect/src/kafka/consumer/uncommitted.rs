//! Offsets whose commit has failed.
//!
//! Whoever reads on commits again soon. But where nothing comes any more, the offset would stay
//! behind, and a sweep in another task would wait for it for ever.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{CommitOffsets, KafkaOffset, TopicPartition};

/// Pause before a commit is repeated: as often as the pipeline commits.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

/// What is to be committed again, and when.
#[derive(Debug, Default)]
pub(super) struct Uncommitted {
    offsets: HashMap<TopicPartition, KafkaOffset>,
    due: Option<Instant>,
}

impl Uncommitted {
    /// A commit has failed. A later one for the same partition counts more.
    pub(super) fn failed(&mut self, offsets: &CommitOffsets) {
        for (partition, offset) in offsets {
            let known = self.offsets.entry(partition.clone()).or_insert(*offset);
            *known = (*known).max(*offset);
        }
        self.due = Some(Instant::now() + REPEAT_AFTER);
    }

    /// The broker has these.
    pub(super) fn committed(&mut self, offsets: &CommitOffsets) {
        for (partition, offset) in offsets {
            if self.offsets.get(partition).is_some_and(|known| known <= offset) {
                self.offsets.remove(partition);
            }
        }
    }

    /// Partitions that are ours no longer.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.offsets.remove(partition);
        }
    }

    /// What is to be repeated now; it counts as failed until [`Self::committed`].
    pub(super) fn due(&mut self) -> Option<CommitOffsets> {
        if self.offsets.is_empty() || self.due.is_none_or(|due| Instant::now() < due) {
            return None;
        }
        self.due = None;
        Some(self.offsets.iter().map(|(partition, offset)| (partition.clone(), *offset)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_repeated_until_it_or_a_later_offset_is_committed() {
        let at = |number: i32, offset: i64| {
            (TopicPartition { topic: "t".into(), partition: number }, KafkaOffset(offset))
        };
        let mut uncommitted = Uncommitted::default();
        uncommitted.failed(&vec![at(0, 5), at(1, 5), at(2, 5)]);
        uncommitted.failed(&vec![at(0, 7)]);
        assert_eq!(uncommitted.due(), None);

        uncommitted.due = Some(Instant::now());
        uncommitted.committed(&vec![at(0, 5), at(1, 6)]);
        let mut repeated = uncommitted.due().unwrap();
        repeated.sort();
        assert_eq!(repeated, [at(0, 7), at(2, 5)]);
        uncommitted.failed(&vec![at(0, 7), at(2, 5)]);
        uncommitted.forget(&[at(2, 0).0]);
        uncommitted.committed(&vec![at(0, 7)]);
        uncommitted.due = Some(Instant::now());
        assert_eq!(uncommitted.due(), None);
    }
}
