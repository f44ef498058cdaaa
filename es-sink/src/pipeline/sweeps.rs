//! The sweeps that are under way, and what waits behind them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use connect::kafka::consumer::{Record, TopicPartition};

use crate::error::{Origin, SinkError};
use crate::sweep::{SweepOrder, Sweeper};

/// Sweeps under way: one at most in each topic, as a partition 0 waits for its own.
pub(super) struct Sweeps {
    sweeper: Arc<Sweeper>,
    under_way: Vec<UnderWay>,
    /// Those that have ended, and the documents that they have deleted.
    done: (u64, u64),
}

struct UnderWay {
    origin: Origin,
    /// Records of its partition that came after it. No more are asked for, so these are at most
    /// what was on its way.
    behind: VecDeque<Record>,
    outcome: Pin<Box<dyn Future<Output = Result<u64, SinkError>> + Send>>,
}

/// A sweep that has ended.
pub(super) struct Ended {
    /// Its record.
    pub(super) origin: Origin,
    /// What waited behind it.
    pub(super) behind: VecDeque<Record>,
}

impl Sweeps {
    pub(super) fn new(sweeper: Sweeper) -> Self {
        Self { sweeper: Arc::new(sweeper), under_way: Vec::new(), done: (0, 0) }
    }

    pub(super) fn begin(&mut self, order: SweepOrder) {
        let origin = order.origin.clone();
        let outcome = Box::pin(Arc::clone(&self.sweeper).run(order));
        self.under_way.push(UnderWay { origin, behind: VecDeque::new(), outcome });
    }

    /// How many have ended, and how many documents they have deleted.
    pub(super) fn done(&self) -> (u64, u64) {
        self.done
    }

    /// Whether the records of a partition have to wait.
    pub(super) fn holds(&self, partition: &TopicPartition) -> bool {
        self.under_way.iter().any(|sweep| sweep.origin.partition == *partition)
    }

    /// Keeps a record until the sweep before it has ended.
    pub(super) fn keep(&mut self, record: Option<Record>) {
        let Some(record) = record else { return };
        let mut sweeps = self.under_way.iter_mut();
        if let Some(sweep) = sweeps.find(|sweep| sweep.origin.partition == record.partition) {
            sweep.behind.push_back(record);
        }
    }

    /// Ends the sweeps of partitions that go: their next owner begins again.
    pub(super) fn give_up(&mut self, partitions: &[TopicPartition]) {
        self.under_way.retain(|sweep| !partitions.contains(&sweep.origin.partition));
    }

    /// The next one that ends; never resolves while there is none.
    ///
    /// Cancel safe: sweeps go on when this is asked for again.
    pub(super) async fn next(&mut self) -> Result<Ended, SinkError> {
        std::future::poll_fn(|context| {
            for (number, sweep) in self.under_way.iter_mut().enumerate() {
                if let std::task::Poll::Ready(outcome) = sweep.outcome.as_mut().poll(context) {
                    let UnderWay { origin, behind, .. } = self.under_way.swap_remove(number);
                    return std::task::Poll::Ready(outcome.map(|deleted| {
                        let (sweeps, documents) = self.done;
                        self.done = (sweeps + 1, documents + deleted);
                        Ended { origin, behind }
                    }));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}
