//! Which offset of a partition may be committed.

use std::collections::VecDeque;

use super::KafkaOffset;

/// Follows the records of one partition from delivery to settlement, in whatever order they
/// settle.
///
/// What may be committed is the end of the unbroken run of settled records *in delivery order*.
/// Offsets themselves have holes: a transaction's markers and its aborted records take some that
/// are never delivered, so counting by one would wait for ever.
///
/// Bounded by what the pipeline has under way, as records leave when the run reaches them.
#[derive(Debug, Default)]
pub struct OffsetTracker {
    /// Delivered and not yet in the run: offset, and whether it is settled.
    waiting: VecDeque<(KafkaOffset, bool)>,
    run_end: Option<KafkaOffset>,
}

impl OffsetTracker {
    /// A record was delivered. Offsets that do not grow are a repetition and are left alone.
    pub fn delivered(&mut self, offset: KafkaOffset) {
        if self.waiting.back().is_none_or(|(last, _)| *last < offset) {
            self.waiting.push_back((offset, false));
        }
    }

    /// A record needs no more work. Records that were never delivered are left alone.
    pub fn settled(&mut self, offset: KafkaOffset) {
        if let Ok(index) = self.waiting.binary_search_by_key(&offset, |(offset, _)| *offset)
            && let Some((_, settled)) = self.waiting.get_mut(index)
        {
            *settled = true;
        }
        while let Some((offset, true)) = self.waiting.front() {
            self.run_end = Some(*offset);
            self.waiting.pop_front();
        }
    }

    /// The offset to commit: one more than the last record of the run. `None` before there is one.
    #[must_use]
    pub fn committable(&self) -> Option<KafkaOffset> {
        self.run_end.map(|offset| KafkaOffset(offset.0.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The one promise: everything below the committed offset has settled; and the commit
        /// does not lag behind what is allowed.
        #[test]
        fn never_commits_past_an_unsettled_record(
            holes in prop::collection::vec(1_i64..4, 40),
            settle_order in Just((0..40).collect::<Vec<usize>>()).prop_shuffle(),
            stop_at in 0_usize..=40,
        ) {
            let offsets: Vec<_> = holes
                .iter()
                .scan(0, |next, hole| { *next += hole; Some(KafkaOffset(*next)) })
                .collect();
            let mut tracker = OffsetTracker::default();
            offsets.iter().for_each(|offset| tracker.delivered(*offset));
            let settled = &settle_order[..stop_at];
            for index in settled {
                tracker.settled(offsets[*index]);
            }

            let run = (0..40).take_while(|index| settled.contains(index)).count();
            let expected = run.checked_sub(1).map(|last| KafkaOffset(offsets[last].0 + 1));
            prop_assert_eq!(tracker.committable(), expected);
        }

        /// A partition that goes and comes back has a new tracker, which hears of settlements
        /// from before: they must not count for records that were delivered again.
        #[test]
        fn settlements_of_an_earlier_assignment_do_not_move_the_next_one(
            early in 1_i64..20, redelivered in 20_i64..40,
        ) {
            let mut tracker = OffsetTracker::default();
            tracker.delivered(KafkaOffset(redelivered));

            tracker.settled(KafkaOffset(early));

            prop_assert_eq!(tracker.committable(), None);
        }
    }

    #[test]
    fn a_record_that_is_delivered_twice_is_tracked_once() {
        let mut tracker = OffsetTracker::default();
        for offset in [3, 5, 5, 3] {
            tracker.delivered(KafkaOffset(offset));
        }

        tracker.settled(KafkaOffset(3));
        tracker.settled(KafkaOffset(5));

        assert_eq!(tracker.committable(), Some(KafkaOffset(6)));
        assert!(tracker.waiting.is_empty());
    }
}
