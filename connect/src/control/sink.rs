//! How far a sink task is.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a sink task has done with the documents of its tables since it began.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SinkStatus {
    /// Records that were read from Kafka; for metrics.
    #[serde(skip)]
    pub records: u64,
    /// Sweeps that were carried out to their end.
    pub sweeps: u64,
    /// Documents that these sweeps have deleted.
    pub swept_documents: u64,
    /// The records that its parked partitions stop at, `topic/partition@offset`.
    pub parked: Vec<String>,
    /// Records that failed by themselves and were tolerated, by Connect's names of the stages.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tolerated: BTreeMap<String, ToleratedStatus>,
    /// What was done in each index.
    pub indices: BTreeMap<String, IndexStatus>,
    /// Its bulk requests.
    pub requests: RequestStatus,
}

/// Records that failed at one stage, which `errors.tolerance` lets a task go on without.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ToleratedStatus {
    /// Those that are in the dead-letter topic.
    pub dead_letters: u64,
    /// Those that are nowhere but in their own topic.
    pub skipped: u64,
}

/// What was done in one index.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct IndexStatus {
    /// Documents that were written.
    pub indexed: u64,
    /// Documents that were deleted, or were not there.
    pub deleted: u64,
    /// Actions that were void: the index had the same version or a later one.
    pub stale: u64,
    /// Documents that the index does not take as they are.
    pub refused: u64,
    /// Of these, those that were written without the column that the index did not take, or with
    /// columns that were cut.
    pub mended: u64,
    /// Of these, those whose records are in the dead-letter topic.
    pub dead_letters: u64,
    /// Bytes of the actions that were sent and answered.
    pub bytes: u64,
    /// From the commit in MySQL to the answer of Elasticsearch, of the last document that says when
    /// it was changed; a read by its id finds it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// The same to the moment when a search found it, of the last document that was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub searchable_lag_ms: Option<u64>,
}

/// Bulk requests of a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RequestStatus {
    /// Those that are under way.
    pub in_flight: u64,
    /// How many may be under way now.
    pub in_flight_limit: u64,
    /// How large one may be now.
    pub bytes_limit: u64,
    /// Bytes of actions that wait for a request.
    pub waiting_bytes: u64,
    /// Bytes that were sent.
    pub bytes: u64,
    /// How often something had to be sent again, by cause: an `error.type` of the server's, or
    /// `no answer`.
    pub retries: BTreeMap<String, u64>,
    /// How long answers took.
    pub seconds: Seconds,
}

/// How often something took how long.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// How many there were.
    pub count: u64,
    /// All of them together.
    pub sum: f64,
    /// How many took no longer than each of [`Seconds::BOUNDS`] and longer than the one before;
    /// those that took longer than all of them are the last.
    pub buckets: [u64; Self::BOUNDS.len() + 1],
}

impl Seconds {
    /// From 5 ms, a small request on a fast server, to 30 s, where requests begin to end by
    /// themselves.
    pub const BOUNDS: [f64; 12] =
        [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

    /// Counts one.
    pub fn add(&mut self, seconds: f64) {
        self.count += 1;
        self.sum += seconds;
        let place = Self::BOUNDS.iter().position(|bound| seconds <= *bound);
        let place = place.unwrap_or(Self::BOUNDS.len());
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_in_the_first_bucket_that_takes_it() {
        let mut seconds = Seconds::default();
        for time in [0.005, 0.006, 31.0] {
            seconds.add(time);
        }

        assert_eq!((seconds.count, seconds.buckets[0], seconds.buckets[1]), (3, 1, 1));
        assert_eq!(seconds.buckets[Seconds::BOUNDS.len()], 1);
        assert!((seconds.sum - 31.011).abs() < 1e-9);
    }
}
