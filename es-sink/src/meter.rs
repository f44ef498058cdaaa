//! What the sink counts. Nothing is decided by it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connect::clock::since_epoch;
use connect::control::{IndexStatus, RequestStatus, SinkStatus};

use crate::bulk::{BulkAction, ItemOutcome};
use crate::bulk_action::Verb;

/// Most causes that are told apart: what a server calls its errors is its own business.
const CAUSES_MAX: usize = 50;

/// Counts what all parts of one task do.
#[derive(Default)]
pub(crate) struct Meter(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    indices: BTreeMap<String, IndexStatus>,
    requests: RequestStatus,
}

impl Meter {
    /// A request was answered, or was not: then with the cause.
    pub(crate) fn answered(&self, elapsed: Duration, bytes: usize, cause: Option<&str>) {
        let requests = &mut self.counts().requests;
        requests.bytes += count(bytes);
        requests.seconds.add(elapsed.as_secs_f64());
        let Some(cause) = cause else { return };
        let is_room = requests.retries.len() < CAUSES_MAX || requests.retries.contains_key(cause);
        let cause = if is_room { cause } else { "other" };
        *requests.retries.entry(cause.to_owned()).or_default() += 1;
    }

    /// The items of an answer.
    pub(crate) fn items<'a>(&self, items: impl Iterator<Item = (&'a BulkAction, &'a ItemOutcome)>) {
        let now = since_epoch();
        let mut counts = self.counts();
        for (action, outcome) in items {
            counts.index(&action.document.index, |index| count_item(index, action, outcome, now));
        }
    }

    /// Changes what is counted of an index.
    pub(crate) fn index(&self, index: &str, change: impl FnOnce(&mut IndexStatus)) {
        self.counts().index(index, change);
    }

    /// Adds what was counted to a status.
    pub(crate) fn fill(&self, status: &mut SinkStatus) {
        let Counts { indices, requests } = &*self.counts();
        status.indices.clone_from(indices);
        let RequestStatus { bytes, retries, seconds, .. } = requests.clone();
        status.requests = RequestStatus { bytes, retries, seconds, ..status.requests };
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn index(&mut self, index: &str, change: impl FnOnce(&mut IndexStatus)) {
        match self.indices.get_mut(index) {
            Some(counts) => change(counts),
            None => change(self.indices.entry(index.to_owned()).or_default()),
        }
    }
}

fn count_item(index: &mut IndexStatus, action: &BulkAction, outcome: &ItemOutcome, now: Duration) {
    index.bytes += count(action.line.len());
    match outcome {
        ItemOutcome::Applied => {
            match action.verb {
                Verb::Index | Verb::Create => index.indexed += 1,
                Verb::Delete => index.deleted += 1,
            }
            if let Some(changed_at) = action.changed_at {
                let lag = now.saturating_sub(changed_at);
                index.lag_ms = Some(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX));
            }
        }
        ItemOutcome::Stale => index.stale += 1,
        ItemOutcome::Malformed(_) => index.refused += 1,
        ItemOutcome::Retry { .. } | ItemOutcome::Refused { .. } => {}
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
