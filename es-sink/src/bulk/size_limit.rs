//! How large a request may be, as far as refusals have told.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What is known about the largest request that the server takes.
///
/// A refusal costs the whole body's way, so requests are kept below what was refused. Only a
/// restart forgets it; until then batches are smaller than they may be if the server's limit is
/// raised, and nothing else.
#[derive(Debug)]
pub(crate) struct SizeLimit {
    /// The largest body that was taken.
    accepted: AtomicUsize,
    /// How large a body of several actions is made at most.
    target: AtomicUsize,
}

impl SizeLimit {
    pub(crate) fn unknown() -> Self {
        Self { accepted: AtomicUsize::new(0), target: AtomicUsize::new(usize::MAX) }
    }

    /// How large a body of several actions may be.
    pub(crate) fn target(&self) -> usize {
        self.target.load(Ordering::Relaxed)
    }

    pub(crate) fn accepted(&self, bytes: usize) {
        self.accepted.fetch_max(bytes, Ordering::Relaxed);
    }

    /// A body was refused for its size: half of it is tried, or what was taken already.
    pub(crate) fn refused(&self, bytes: usize) {
        let accepted = self.accepted.load(Ordering::Relaxed).min(bytes.saturating_sub(1));
        self.target.fetch_min(accepted.max(bytes / 2), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is sent, requests end below the server's limit, and not far below.
        #[test]
        fn the_target_comes_to_lie_between_half_of_the_limit_and_the_limit(
            limit in 1_000_usize..1_000_000, sizes in prop::collection::vec(1_usize..5_000_000, 1..50),
        ) {
            let known = SizeLimit::unknown();
            let mut send = |bytes: usize| {
                let bytes = bytes.min(known.target());
                if bytes <= limit { known.accepted(bytes) } else { known.refused(bytes) }
            };
            sizes.into_iter().for_each(&mut send);
            for _ in 0..20 {
                send(10_000_000);
            }

            prop_assert!(known.target() <= limit);
            prop_assert!(known.target() >= limit / 2);
        }
    }
}
