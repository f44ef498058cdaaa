//! The path of one record, from the consumer to the committed offset.
//!
//! ```text
//! consumer      record                → bytes, in the order of its partition
//! document      + plans of its schemas → document, id, version, delete?
//! batch         by document           → the last action only
//! large, bulk   requests              → applied, void, or what its policy says
//! offsets       unbroken run          → committed
//! ```
//!
//! A control record goes to `sweeps` instead, and what is behind it in its partition waits.
//!
//! One batch is under way while the next one fills, so there is never more than one action on a
//! document in flight. When both are full no more records are taken, and the consumer pauses.

mod offsets;
mod parked;
mod sweeps;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use connect::kafka::consumer::{ConsumerEvent, Record, RevokeDone, SinkConsumer, TopicPartition};
use connect::kafka::control::Control;
use schema::fault;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::config::BatchConfig;
use crate::document::Documents;
use crate::error::{Origin, SinkError};
use crate::large::{Writer, Written};
use crate::sweep::{SweepOrder, Sweeper};
use offsets::Offsets;
use parked::Parked;
use sweeps::Sweeps;

/// How often offsets are committed: what a restart repeats at most, beside what is under way.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long a stop or a rebalance waits for what has been taken. Below the consumer's
/// `REVOKE_DEADLINE` of 20 s, so that the offsets can still be committed within it.
const FLUSH_DEADLINE: Duration = Duration::from_secs(10);

/// One sink task at work.
pub(crate) struct Pipeline {
    consumer: SinkConsumer,
    documents: Documents,
    writer: Arc<Writer>,
    limits: BatchConfig,
    /// Taken from the consumer, not yet in a batch.
    waiting: VecDeque<Record>,
    batch: Batch,
    in_flight: Option<InFlight>,
    sweeps: Sweeps,
    parked: Parked,
    offsets: Offsets,
}

/// What a pipeline is made of beside its consumer.
pub(crate) struct Stations {
    pub(crate) documents: Documents,
    pub(crate) writer: Writer,
    pub(crate) sweeper: Sweeper,
}

/// The batch that is under way.
struct InFlight {
    batch: Arc<Batch>,
    outcome: Pin<Box<dyn Future<Output = Result<Written, SinkError>> + Send>>,
}

/// What the pipeline wakes up for.
enum Event {
    Stop,
    Settled(Result<Written, SinkError>),
    Swept(Result<sweeps::Ended, SinkError>),
    Consumer(ConsumerEvent),
    BatchDue,
    CommitDue,
    TellParked,
}

impl Pipeline {
    pub(crate) fn new(consumer: SinkConsumer, stations: Stations, limits: BatchConfig) -> Self {
        let Stations { documents, writer, sweeper } = stations;
        Self {
            consumer,
            documents,
            writer: Arc::new(writer),
            limits,
            waiting: VecDeque::new(),
            batch: Batch::default(),
            in_flight: None,
            sweeps: Sweeps::new(sweeper),
            parked: Parked::default(),
            offsets: Offsets::new(COMMIT_EVERY),
        }
    }

    /// Runs until `stop` is cancelled or an error ends it, and leaves the group in both cases.
    pub(crate) async fn run(mut self, stop: &CancellationToken) -> Result<(), SinkError> {
        let ended = match self.flow(stop).await {
            Ok(()) => self.finish().await,
            Err(error) => {
                // What came before the error is settled all the same, so that the next start
                // meets it at once. A second error adds nothing to the first.
                drop(self.finish().await);
                Err(error)
            }
        };
        self.consumer.close().await;
        ended
    }

    async fn flow(&mut self, stop: &CancellationToken) -> Result<(), SinkError> {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                filled = self.fill_batch() => filled?,
            }
            self.send_when_due();
            match self.next_event(stop).await {
                Event::Stop => return Ok(()),
                Event::Settled(outcome) => self.settled(outcome)?,
                Event::Swept(ended) => self.swept(ended?),
                Event::BatchDue => {}
                Event::TellParked => self.parked.tell(),
                Event::CommitDue => self.commit_later(),
                Event::Consumer(ConsumerEvent::Records(records)) => self.waiting.extend(records),
                Event::Consumer(ConsumerEvent::Assigned(partitions)) => {
                    self.offsets.assign(partitions);
                }
                Event::Consumer(ConsumerEvent::Revoked { partitions, lost, done }) => {
                    self.give_up(&partitions, lost, done).await?;
                }
                Event::Consumer(ConsumerEvent::Failed(error)) => return Err(error.into()),
            }
        }
    }

    /// Moves waiting records into the batch while it has room. Waits for the registry and for
    /// indices that have to be made ready.
    ///
    /// Cancel safe: a record stays in `waiting` until it is in the batch.
    async fn fill_batch(&mut self) -> Result<(), SinkError> {
        while !self.batch.is_full(&self.limits) {
            let Some(record) = self.waiting.front() else { break };
            if self.parked.contains(&record.partition) {
                self.waiting.pop_front();
                continue;
            }
            if self.sweeps.holds(&record.partition) {
                self.sweeps.keep(self.waiting.pop_front());
                continue;
            }
            self.offsets.delivered(&record.partition, record.offset);
            match &record.control {
                None => self.documents.add(record, &mut self.batch).await?,
                Some(Control::Sweep(sweep)) => {
                    let index = self.documents.index(&record.partition.topic)?;
                    let (sweep, origin) = (sweep.clone(), Origin::of(record));
                    self.sweep(SweepOrder { sweep, origin, index });
                }
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Begins a sweep if its record is in partition 0, which waits for it. In the others the
    /// record only says, once it is committed, that all before it is applied.
    fn sweep(&mut self, order: SweepOrder) {
        let Origin { partition, offset } = &order.origin;
        if partition.partition == 0 {
            self.consumer.hold(partition.clone());
            self.sweeps.begin(order);
        } else {
            self.offsets.settled(partition, *offset);
        }
    }

    fn swept(&mut self, ended: sweeps::Ended) {
        let sweeps::Ended { origin, behind } = ended;
        self.offsets.settled(&origin.partition, origin.offset);
        self.consumer.release(&origin.partition);
        for record in behind.into_iter().rev() {
            self.waiting.push_front(record);
        }
    }

    /// Starts the next request if none is under way and the batch is full or old enough.
    fn send_when_due(&mut self) {
        let due = self.batch.due(&self.limits).is_some_and(|due| due <= Instant::now());
        if self.in_flight.is_none() && (due || self.batch.is_full(&self.limits)) {
            self.send();
        }
    }

    fn send(&mut self) {
        let batch = Arc::new(std::mem::take(&mut self.batch));
        let (sent, writer) = (Arc::clone(&batch), Arc::clone(&self.writer));
        let outcome = Box::pin(async move { writer.write(&sent).await });
        self.in_flight = Some(InFlight { batch, outcome });
    }

    /// Cancel safe: what is under way stays in `self`.
    async fn next_event(&mut self, stop: &CancellationToken) -> Event {
        let has_room = self.waiting.is_empty();
        let batch_due = self.batch.due(&self.limits).filter(|_| self.in_flight.is_none());
        let (commit_due, parked_due) = (self.offsets.due(), self.parked.due());
        tokio::select! {
            biased;
            () = stop.cancelled() => Event::Stop,
            outcome = outcome(&mut self.in_flight) => Event::Settled(outcome),
            ended = self.sweeps.next() => Event::Swept(ended),
            () = until(commit_due) => Event::CommitDue,
            () = until(batch_due) => Event::BatchDue,
            () = until(parked_due) => Event::TellParked,
            event = consumer_event(&mut self.consumer, has_room) => Event::Consumer(event),
        }
    }

    fn settled(&mut self, outcome: Result<Written, SinkError>) -> Result<(), SinkError> {
        let in_flight = self.in_flight.take();
        let Written { applied, stale, parked } = outcome?;
        let Some(InFlight { batch, .. }) = in_flight else { return Ok(()) };
        for origin in batch.origins().iter().filter(|origin| !parked.contains(origin)) {
            self.offsets.settled(&origin.partition, origin.offset);
        }
        parked.into_iter().for_each(|record| self.park(record));
        let (writes, deletes) = batch.counts();
        tracing::debug!(writes, deletes, applied, stale, "batch settled");
        Ok(())
    }

    /// Stops a partition at a record. What was taken of it already goes on, which a repetition
    /// makes harmless; its offset does not.
    fn park(&mut self, record: Origin) {
        let partition = record.partition.clone();
        self.consumer.hold(partition.clone());
        self.waiting.retain(|waiting| waiting.partition != partition);
        self.sweeps.give_up(std::slice::from_ref(&partition));
        self.parked.add(record);
    }

    /// Settles what is under way, commits, and lets the partitions go.
    ///
    /// If Elasticsearch does not answer in time the request is cancelled: another member may own
    /// the partitions from now on. What of it belongs to partitions that stay has to be read
    /// again, so the task starts over.
    async fn give_up(
        &mut self,
        partitions: &[TopicPartition],
        lost: bool,
        done: RevokeDone,
    ) -> Result<(), SinkError> {
        self.waiting.retain(|record| !partitions.contains(&record.partition));
        self.sweeps.give_up(partitions);
        self.parked.give_up(partitions);
        partitions.iter().for_each(|partition| self.consumer.release(partition));
        let flushed = if lost { false } else { self.flush().await? };
        if flushed {
            self.commit().await;
        }
        let cancelled = !flushed && self.cancel();
        self.offsets.revoke(partitions);
        done.done();
        if cancelled && !self.offsets.is_empty() {
            return Err(SinkError::Interrupted);
        }
        Ok(())
    }

    /// Drops everything that has been taken; whether there was anything.
    fn cancel(&mut self) -> bool {
        let dropped = self.in_flight.take().is_some() || !self.batch.is_empty();
        self.batch = Batch::default();
        dropped
    }

    /// Sends what is in the batch and waits for it, up to a deadline: `false` when it passed.
    async fn flush(&mut self) -> Result<bool, SinkError> {
        let flushed = timeout(FLUSH_DEADLINE, async {
            while self.in_flight.is_some() || !self.batch.is_empty() {
                if self.in_flight.is_none() {
                    self.send();
                }
                let outcome = outcome(&mut self.in_flight).await;
                self.settled(outcome)?;
            }
            Ok(())
        });
        flushed.await.map_or(Ok(false), |result: Result<(), SinkError>| result.map(|()| true))
    }

    /// The orderly end: what has been taken is settled and committed if Elasticsearch answers in
    /// time, else the next start repeats it.
    async fn finish(&mut self) -> Result<(), SinkError> {
        let flushed = self.flush().await;
        self.commit().await;
        if !flushed? {
            tracing::info!("elasticsearch does not answer, the next start repeats the last batch");
        }
        Ok(())
    }

    /// Commits beside the work. A sweep may wait for these offsets, so none is forgotten.
    fn commit_later(&mut self) {
        let offsets = self.offsets.take_committable();
        if !self.consumer.commit_later(offsets.clone()) {
            self.offsets.give_back(&offsets);
        }
    }

    /// Commits now. A failure costs a repetition and nothing else.
    async fn commit(&mut self) {
        let offsets = self.offsets.take_committable();
        if offsets.is_empty() {
            return;
        }
        if let Err(error) = self.consumer.commit(offsets).await {
            let error = fault::chain(&error);
            tracing::warn!(error, "offset commit failed, the next start repeats the last records");
        }
    }
}

/// The outcome of what is under way; never resolves while nothing is.
///
/// Cancel safe: the request goes on when it is asked for again.
async fn outcome(in_flight: &mut Option<InFlight>) -> Result<Written, SinkError> {
    match in_flight {
        Some(in_flight) => in_flight.outcome.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Cancel safe, as both of its parts.
async fn consumer_event(consumer: &mut SinkConsumer, has_room: bool) -> ConsumerEvent {
    if has_room { consumer.next().await } else { consumer.next_rebalance().await }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
