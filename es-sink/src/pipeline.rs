//! The path of one record, from the consumer to the committed offset.
//!
//! ```text
//! consumer      record                → bytes, in the order of its partition
//! document      + plans of its schemas → document, id, version, delete?
//! batch         by document           → the last action only
//! delivery      requests under way    → one action on a document at a time, as fast as it goes
//! writer, bulk  one request           → applied, void, or what its policy says
//! offsets       unbroken run          → committed
//! ```
//!
//! A control record goes to `sweeps` instead, and what is behind it in its partition waits.
//!
//! When what waits is full and no more requests may be under way, no more records are taken, and the
//! consumer pauses.

mod delivery;
mod offsets;
mod parked;
mod sweeps;
#[cfg(test)]
mod tests;
mod tolerance;

use std::collections::VecDeque;
use std::time::Duration;

use connect::control::{SinkStatus, TaskControl};
use connect::kafka::consumer::{ConsumerEvent, Record, RevokeDone, SinkConsumer, TopicPartition};
use connect::kafka::control::Control;
use schema::fault;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::bulk::BulkAction;
use crate::config::{DeliveryConfig, ErrorsConfig};
use crate::document::{Added, Documents};
use crate::error::{Origin, SinkError};
use crate::mapping::VersionKind;
use crate::sweep::{SweepOrder, Sweeper};
use crate::writer::{Writer, Written};
use delivery::{Delivery, Ended};
use offsets::Offsets;
use parked::Parked;
use sweeps::Sweeps;
use tolerance::Tolerated;

/// How often offsets are committed: what a restart repeats at most, beside what is under way.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long a stop or a rebalance waits for what has been taken. Below the consumer's
/// `REVOKE_DEADLINE` of 20 s, so that the offsets can still be committed within it.
const FLUSH_DEADLINE: Duration = Duration::from_secs(10);

/// How often it is looked whether the indices are still the same: how long rows may go into one that
/// was made anew before it is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long that may take, and a change of settings: records wait meanwhile. What is not done by then
/// is tried again.
const INDICES_WITHIN: Duration = Duration::from_secs(2);

/// One sink task at work.
pub(crate) struct Pipeline {
    consumer: SinkConsumer,
    documents: Documents,
    /// Taken from the consumer, not yet an action.
    waiting: VecDeque<Record>,
    /// How many there were since the task began.
    records: u64,
    delivery: Delivery,
    sweeps: Sweeps,
    parked: Parked,
    tolerated: Tolerated,
    offsets: Offsets,
    flush_deadline: Duration,
    /// When the indices are looked at next.
    look_due: Instant,
    /// Until when the settings of a load are left alone, because the server did not answer.
    load_pause: Option<Instant>,
}

/// What a pipeline is made of beside its consumer.
pub(crate) struct Stations {
    pub(crate) documents: Documents,
    pub(crate) writer: Writer,
    pub(crate) sweeper: Sweeper,
    pub(crate) errors: ErrorsConfig,
}

/// What the pipeline wakes up for.
enum Event {
    Stop,
    Ended(Result<Ended, SinkError>),
    Swept(Result<sweeps::Ended, SinkError>),
    Consumer(ConsumerEvent),
    BatchDue,
    CommitDue,
    StatusDue,
    LookDue,
    LoadDue,
    TellParked,
}

impl Pipeline {
    pub(crate) fn new(consumer: SinkConsumer, stations: Stations, config: DeliveryConfig) -> Self {
        let Stations { documents, writer, sweeper, errors } = stations;
        Self {
            consumer,
            documents,
            waiting: VecDeque::new(),
            records: 0,
            delivery: Delivery::new(writer, config),
            sweeps: Sweeps::new(sweeper),
            parked: Parked::default(),
            tolerated: Tolerated::new(errors),
            offsets: Offsets::new(COMMIT_EVERY),
            flush_deadline: FLUSH_DEADLINE,
            look_due: Instant::now() + LOOK_EVERY,
            load_pause: None,
        }
    }

    /// Runs until `stop` is cancelled or an error ends it, and leaves the group in both cases.
    pub(crate) async fn run(
        mut self,
        stop: &CancellationToken,
        control: &mut TaskControl,
    ) -> Result<(), SinkError> {
        let ended = match self.flow(stop, control).await {
            Ok(()) => self.finish().await,
            Err(error) => {
                // What came before the error is settled all the same, so that the next start
                // meets it at once. A second error adds nothing to the first.
                drop(self.finish().await);
                Err(error)
            }
        };
        let ending = self.documents.indices().bulk_load().end();
        drop(timeout(INDICES_WITHIN, ending).await);
        self.consumer.close().await;
        ended
    }

    async fn flow(
        &mut self,
        stop: &CancellationToken,
        control: &mut TaskControl,
    ) -> Result<(), SinkError> {
        loop {
            let status_due = control.publish_sink(|| self.status());
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                filled = self.fill_and_send() => filled?,
            }
            match self.next_event(stop, status_due).await {
                Event::Stop => return Ok(()),
                Event::Ended(ended) => self.settled(ended?)?,
                Event::Swept(ended) => self.swept(ended?),
                Event::BatchDue | Event::StatusDue => {}
                Event::TellParked => self.parked.tell(),
                Event::CommitDue => self.commit_later(),
                Event::Consumer(ConsumerEvent::Records(records)) => {
                    self.records += u64::try_from(records.len()).unwrap_or_default();
                    self.waiting.extend(records);
                }
                Event::Consumer(ConsumerEvent::Assigned { partitions, continued }) => {
                    let topics = continued.into_iter().map(|partition| partition.topic);
                    self.documents.indices().add_history(topics);
                    self.offsets.assign(partitions);
                }
                Event::LookDue => self.look_at_indices().await?,
                Event::LoadDue => self.act_on_load().await,
                Event::Consumer(ConsumerEvent::Revoked { partitions, lost, done }) => {
                    self.give_up(&partitions, lost, done).await?;
                }
                Event::Consumer(ConsumerEvent::Failed(error)) => return Err(error.into()),
            }
        }
    }

    fn status(&self) -> SinkStatus {
        let (sweeps, swept_documents) = self.sweeps.done();
        let (parked, requests) = (self.parked.records(), self.delivery.status());
        let mut status = SinkStatus {
            records: self.records,
            sweeps,
            swept_documents,
            parked,
            requests,
            tolerated: self.tolerated.status(),
            ..SinkStatus::default()
        };
        self.delivery.writer().bulk().meter().fill(&mut status);
        status
    }

    /// Makes actions of waiting records and sends them, until there is no more room or none waits.
    ///
    /// Cancel safe, as its parts.
    async fn fill_and_send(&mut self) -> Result<(), SinkError> {
        loop {
            self.fill().await?;
            let has_room = self.delivery.send_due(Instant::now());
            if !has_room || self.waiting.is_empty() {
                return Ok(());
            }
        }
    }

    /// Makes actions of waiting records while there is room. Waits for the registry and for indices
    /// that have to be made ready.
    ///
    /// Cancel safe: a record stays in `waiting` until it is an action.
    async fn fill(&mut self) -> Result<(), SinkError> {
        while !self.delivery.is_full() {
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
                None => match self.documents.add(record, self.delivery.pending()).await {
                    Ok(Added::Action) => {}
                    // The sweep that goes with it does what it says.
                    Ok(Added::Nothing | Added::Truncate { lsn: Some(_) }) => {
                        self.offsets.settled(&record.partition, record.offset);
                    }
                    Ok(Added::Truncate { lsn: None }) => {
                        let index = self.documents.index_of(record)?;
                        let order = SweepOrder::of_truncate(record, index);
                        self.begin_sweep(order);
                    }
                    Err(error) => {
                        let place = (Origin::of(record), record.meta.timestamp);
                        self.go_on_without(place, error).await?;
                        continue;
                    }
                },
                Some(Control::Sweep(sweep)) => {
                    let index = self.documents.index_of(record)?;
                    let (sweep, origin) = (sweep.clone(), Origin::of(record));
                    let versions = VersionKind::Lsn;
                    self.sweep(SweepOrder { sweep, origin, index, versions });
                }
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Does with the first record that waits, which has failed, what `errors.tolerance` says.
    ///
    /// Cancel safe in this sense: its letter may be there although nobody knows, and is written once
    /// more.
    async fn go_on_without(
        &mut self,
        (origin, timestamp): (Origin, Option<i64>),
        error: SinkError,
    ) -> Result<(), SinkError> {
        let stage = self.documents.stage();
        let Some(poison) = self.tolerated.takes(stage, &error) else { return Err(error) };
        match self.delivery.writer().bury(&origin, &poison).await {
            Ok(buried) => {
                self.offsets.settled(&origin.partition, origin.offset);
                self.tolerated.add((&origin, timestamp), &poison, buried);
                self.waiting.pop_front();
            }
            // Takes it off what waits, with all that is behind it.
            Err(reason) => {
                tell_unburied(&origin, &reason);
                self.park(origin);
            }
        }
        Ok(())
    }

    /// Begins a sweep if its record is in partition 0, which waits for it. In the others the
    /// record only says, once it is committed, that all before it is applied.
    fn sweep(&mut self, order: SweepOrder) {
        let Origin { partition, offset } = &order.origin;
        if partition.partition == 0 {
            self.begin_sweep(order);
        } else {
            self.offsets.settled(partition, *offset);
        }
    }

    fn begin_sweep(&mut self, order: SweepOrder) {
        self.consumer.hold(order.origin.partition.clone());
        self.sweeps.begin(order);
    }

    fn swept(&mut self, ended: sweeps::Ended) {
        let sweeps::Ended { origin, behind } = ended;
        self.offsets.settled(&origin.partition, origin.offset);
        self.consumer.release(&origin.partition);
        for record in behind.into_iter().rev() {
            self.waiting.push_front(record);
        }
    }

    /// Cancel safe: what is under way stays in `self`.
    async fn next_event(&mut self, stop: &CancellationToken, status_due: Option<Instant>) -> Event {
        let has_room = self.waiting.is_empty();
        let (batch_due, overdue) = (self.delivery.due(), self.delivery.overdue());
        let (commit_due, parked_due) = (self.offsets.due(), self.parked.due());
        let load_due = self.documents.indices().bulk_load().due();
        let load_due = load_due.map(|due| self.load_pause.map_or(due, |pause| pause.max(due)));
        let look_due = self.look_due;
        tokio::select! {
            biased;
            () = stop.cancelled() => Event::Stop,
            ended = self.delivery.ended() => Event::Ended(ended),
            ended = self.sweeps.next() => Event::Swept(ended),
            () = until(commit_due) => Event::CommitDue,
            () = until(overdue) => Event::BatchDue,
            () = until(status_due) => Event::StatusDue,
            () = sleep_until(look_due) => Event::LookDue,
            () = until(load_due) => Event::LoadDue,
            () = until(parked_due) => Event::TellParked,
            event = consumer_event(&mut self.consumer, has_room) => Event::Consumer(event),
            // Last: while more records are there a request becomes fuller.
            () = until(batch_due) => Event::BatchDue,
        }
    }

    fn settled(&mut self, ended: Ended) -> Result<(), SinkError> {
        let Ended { batch, outcome } = ended;
        let judged = outcome.map_err(|error| self.documents.indices().judge(error));
        let Written { applied, stale, parked } = judged?;
        let origins = batch.actions().iter().flat_map(BulkAction::origins);
        for origin in origins.filter(|origin| !parked.contains(origin)) {
            self.offsets.settled(&origin.partition, origin.offset);
        }
        parked.into_iter().for_each(|record| self.park(record));
        tracing::debug!(actions = batch.actions().len(), applied, stale, "batch settled");
        Ok(())
    }

    /// Looks whether the indices are still the ones that were written to. A server that does not
    /// answer is asked again later: nothing is written to it meanwhile.
    async fn look_at_indices(&mut self) -> Result<(), SinkError> {
        self.look_due = Instant::now() + LOOK_EVERY;
        let looking = timeout(INDICES_WITHIN, self.documents.indices().verify());
        looking.await.unwrap_or_else(|_| {
            tracing::warn!(
                hint = "look at Elasticsearch's load, or give the tables several connectors; it is \
                        asked again in a moment",
                "elasticsearch does not say in time whether the indices are still the same ones"
            );
            Ok(())
        })
    }

    /// Changes the settings of indices that a snapshot fills, or has filled. Cancelled, it is due
    /// again.
    async fn act_on_load(&mut self) {
        let acting = self.documents.indices().bulk_load().act();
        if timeout(INDICES_WITHIN, acting).await.is_err() {
            self.load_pause = Some(Instant::now() + LOOK_EVERY);
        }
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
        let cancelled = !flushed && !self.delivery.is_idle();
        if cancelled {
            self.delivery.cancel().await;
        }
        self.offsets.revoke(partitions);
        done.done();
        if cancelled && !self.offsets.is_empty() {
            return Err(SinkError::Interrupted);
        }
        Ok(())
    }

    /// Sends all that waits and waits for the answers, up to a deadline: `false` when it passed.
    async fn flush(&mut self) -> Result<bool, SinkError> {
        let flushed = timeout(self.flush_deadline, async {
            while let Some(ended) = self.delivery.drain().await {
                self.settled(ended?)?;
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

fn tell_unburied(record: &Origin, reason: &str) {
    tracing::warn!(
        %record,
        reason,
        hint = "look at the topic of `errors.deadletterqueue.topic.name`, then start the sink again",
        "record fails and cannot be a dead letter, its partition is parked and all others go on"
    );
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
