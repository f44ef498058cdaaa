//! The thread that owns the consumer and never stops polling.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use schema::fault::{Disposition, Fault};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::context::{Context, Rebalance};
use super::convert::{list, names, names_with_offset, own, partition_list, start_offsets};
use super::properties::{patterns, properties};
use super::uncommitted::Uncommitted;
use super::{
    Command, CommitOffsets, ConsumerConfig, ConsumerError, ConsumerFeed, Held, Polled,
    REVOKE_DEADLINE, Record,
};
use crate::kafka::{Cause, KafkaError};

/// Most records of a batch. With 1 KiB a record it is full at the same time as by its bytes.
const BATCH_MAX_RECORDS: usize = 1_000;
/// Size at which a batch is complete: 1 MiB, our choice. A larger record makes a batch by itself.
const BATCH_FULL_BYTES: usize = 1 << 20;
/// Longest sleep within librdkafka: how long a command waits on an idle topic.
const POLL_WAIT: Duration = Duration::from_millis(20);
/// How long a full channel is waited for before the partitions are paused. A pause throws away
/// what librdkafka has fetched ahead, so it is not worth it for an ordinary bulk request.
const PAUSE_AFTER: Duration = Duration::from_millis(500);
/// Longest call that asks a broker something.
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);
/// After so long without a partition the log says what is waited for.
const SILENCE: Duration = Duration::from_secs(5);

/// Errors of the client between two polls that are looked at.
const ERRORS_MAX: usize = 16;

/// Subscribes and starts the thread.
pub(super) fn start(
    config: &ConsumerConfig,
    feed: ConsumerFeed,
) -> Result<JoinHandle<()>, ConsumerError> {
    let brokers = config.kafka.get("bootstrap.servers").cloned().unwrap_or_default();
    let failed = |action| {
        let brokers = brokers.clone();
        move |source| KafkaError::of(action, &brokers, source)
    };
    let (rebalance_sender, rebalances) = sync_channel(1);
    let (error_sender, errors) = sync_channel(ERRORS_MAX);
    let context = Context::new(rebalance_sender, error_sender, brokers.clone());
    let consumer: BaseConsumer<Context> =
        properties(config).create_with_context(context).map_err(failed("create a consumer"))?;
    let patterns = patterns(&config.topics);
    let patterns: Vec<_> = patterns.iter().map(String::as_str).collect();
    consumer.subscribe(&patterns).map_err(failed("subscribe"))?;
    let poller = Poller {
        consumer,
        rebalances,
        errors,
        feed,
        runtime: Handle::current(),
        group: config.group_id.clone(),
        brokers: brokers.clone(),
        topics: patterns.join(", "),
        started: Instant::now(),
        with_headers: config.headers,
        topic: None,
        pending: None,
        paused: Held::new(),
        uncommitted: Uncommitted::default(),
        assigned: false,
        told_silence: false,
    };
    std::thread::Builder::new()
        .name(config.client_id.clone())
        .spawn(move || poller.run())
        .map_err(|_| KafkaError::Gone.into())
}

struct Poller {
    consumer: BaseConsumer<Context>,
    rebalances: Receiver<Rebalance>,
    errors: Receiver<RdKafkaError>,
    feed: ConsumerFeed,
    runtime: Handle,
    group: String,
    brokers: String,
    topics: String,
    started: Instant,
    with_headers: bool,
    /// The name of the topic of the last record, which the next one nearly always shares.
    topic: Option<Arc<str>>,
    /// An assignment whose committed offsets the broker has not told yet.
    pending: Option<TopicPartitionList>,
    /// Partitions that the other end wants no records of.
    paused: Held,
    uncommitted: Uncommitted,
    assigned: bool,
    told_silence: bool,
}

/// Whether the thread goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Close,
}

impl Poller {
    fn run(mut self) {
        if let Err(error) = self.serve() {
            let runtime = self.runtime.clone();
            runtime.block_on(self.feed.failed(error));
        }
        // Dropping the consumer gives its partitions up and leaves the group.
        self.consumer.context().close();
    }

    fn serve(&mut self) -> Result<(), ConsumerError> {
        loop {
            if self.answer(Duration::ZERO)? == Next::Close {
                return Ok(());
            }
            let batch = self.poll_batch()?;
            if !batch.is_empty() && self.deliver(batch)? == Next::Close {
                return Ok(());
            }
            self.break_silence();
        }
    }

    /// Takes commands, repeats what failed, and answers rebalances.
    fn answer(&mut self, patience: Duration) -> Result<Next, ConsumerError> {
        while let Some(command) = self.feed.command(patience) {
            match command {
                Command::Commit { offsets, done } => self.commit(&offsets, done)?,
                Command::RevokeDone => {}
                Command::Close => return Ok(Next::Close),
            }
        }
        if let Some(offsets) = self.uncommitted.due() {
            self.commit(&offsets, None)?;
        }
        if let Ok(error) = self.errors.try_recv() {
            self.judge(error)?;
        }
        match self.rebalances.try_recv() {
            Ok(Rebalance::Assign(partitions)) => self.pending = Some(partitions),
            Ok(Rebalance::Revoke(partitions)) => return self.revoke(&partitions),
            Err(_) => {}
        }
        self.assign_pending()?;
        self.hold()?;
        Ok(Next::GoOn)
    }

    /// Pauses what the other end wants no records of, and resumes what it wants again.
    fn hold(&mut self) -> Result<(), ConsumerError> {
        let Some(wanted) = self.feed.held() else { return Ok(()) };
        let assigned: Held = names(&self.assignment()?).into_iter().collect();
        let pause: Vec<_> = wanted.intersection(&assigned).cloned().collect();
        let resume: Vec<_> = self.paused.difference(&wanted).cloned().collect();
        self.consumer.pause(&partition_list(&pause)).map_err(|error| self.error("pause", error))?;
        let resumed = self.consumer.resume(&partition_list(&resume));
        resumed.map_err(|error| self.error("resume", error))?;
        self.paused = pause.into_iter().collect();
        Ok(())
    }

    /// Hands a batch over. While nobody takes it, the partitions are paused and polling goes on.
    fn deliver(&mut self, batch: Vec<Record>) -> Result<Next, ConsumerError> {
        let runtime = self.runtime.clone();
        let polled = self.feed.polled(batch);
        let Err(refused) = runtime.block_on(self.feed.records(polled, PAUSE_AFTER)) else {
            return Ok(Next::GoOn);
        };
        tracing::debug!("records are not taken, pausing partitions");
        let mut held = VecDeque::from([refused]);
        while let Some(polled) = held.pop_front() {
            if let Err(refused) = runtime.block_on(self.feed.records(polled, POLL_WAIT * 5)) {
                held.push_front(refused);
                if self.poll_paused(&mut held)? == Next::Close {
                    return Ok(Next::Close);
                }
            }
        }
        tracing::debug!("records are taken again, resuming partitions");
        let mut taken = names(&self.assignment()?);
        taken.retain(|partition| !self.paused.contains(partition));
        let resumed = self.consumer.resume(&partition_list(&taken));
        resumed.map_err(|error| self.error("resume", error))?;
        Ok(Next::GoOn)
    }

    /// Serves commands, rebalances and errors without taking more records. Pauses each time, as
    /// a rebalance may have brought partitions. Should a record come all the same, it is held
    /// behind the others: dropping it would lose it.
    fn poll_paused(&mut self, held: &mut VecDeque<Polled>) -> Result<Next, ConsumerError> {
        if self.answer(Duration::ZERO)? == Next::Close {
            return Ok(Next::Close);
        }
        let assignment = self.assignment()?;
        self.consumer.pause(&assignment).map_err(|error| self.error("pause", error))?;
        if let Some(message) = self.poll_one(Duration::ZERO)? {
            let record = own(
                &message,
                (self.shared_topic(message.topic()), self.with_headers),
                &mut BytesMut::new(),
            )?;
            held.push_back(self.feed.polled(vec![record]));
        }
        Ok(Next::GoOn)
    }

    fn assignment(&self) -> Result<TopicPartitionList, ConsumerError> {
        Ok(self.consumer.assignment().map_err(|error| self.error("list partitions", error))?)
    }

    fn poll_batch(&mut self) -> Result<Vec<Record>, ConsumerError> {
        let mut batch = Vec::new();
        let (mut bytes, mut memory) = (0, BytesMut::new());
        let mut wait = POLL_WAIT;
        while batch.len() < BATCH_MAX_RECORDS && bytes < BATCH_FULL_BYTES {
            let Some(message) = self.poll_one(wait)? else { break };
            bytes += message.payload_len() + message.key_len();
            let topic = self.shared_topic(message.topic());
            batch.push(own(&message, (Arc::clone(&topic), self.with_headers), &mut memory)?);
            drop(message);
            self.topic = Some(topic);
            wait = Duration::ZERO;
        }
        Ok(batch)
    }

    fn poll_one(&self, wait: Duration) -> Result<Option<BorrowedMessage<'_>>, ConsumerError> {
        match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(message)) => {
                self.consumer.context().answers();
                Ok(Some(message))
            }
            Some(Err(error)) => self.judge(error).map(|()| None),
        }
    }

    /// librdkafka repeats by itself what can pass.
    fn judge(&self, error: RdKafkaError) -> Result<(), ConsumerError> {
        if let Some(cause) = self.consumer.context().cause() {
            return self.is_not_let_in(cause);
        }
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                Err(ConsumerError::OffsetOutOfRange {
                    group: self.group.clone(),
                    place: self.out_of_range(),
                })
            }
            // Said by `break_silence` when it lasts.
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                Ok(())
            }
            // Our poll was late; the rebalance that follows repairs it.
            Some(Code::PollExceeded) => {
                tracing::warn!(group = self.group, "group has moved on without this member");
                Ok(())
            }
            Some(_) | None => {
                let judged = self.error("consume", error.clone());
                if judged.disposition() == Disposition::Retry {
                    self.consumer.context().waits(&error);
                    return Ok(());
                }
                Err(judged.into())
            }
        }
    }

    /// Whoever has partitions goes on with the connections that there are; the log has told of it.
    fn is_not_let_in(&self, cause: Cause) -> Result<(), ConsumerError> {
        if self.assigned {
            return Ok(());
        }
        let (action, brokers) = ("join the consumer group", self.brokers.clone());
        Err(KafkaError::NotLetIn { action, brokers, cause }.into())
    }

    /// Which partition's committed offset the broker does not have: the error does not say.
    fn out_of_range(&self) -> String {
        let assignment = self.consumer.assignment().unwrap_or_default();
        let committed = self.consumer.committed_offsets(assignment, REQUEST_DEADLINE);
        for element in committed.unwrap_or_default().elements() {
            let Offset::Offset(offset) = element.offset() else { continue };
            let (topic, partition) = (element.topic(), element.partition());
            let watermarks = self.consumer.fetch_watermarks(topic, partition, REQUEST_DEADLINE);
            if let Ok((low, high)) = watermarks
                && !(low..=high).contains(&offset)
            {
                return format!("{topic}/{partition}: {offset} is not in {low} to {high}");
            }
        }
        "one of its partitions".to_owned()
    }

    /// Starts the partitions of the last assignment at their committed offsets, once the broker
    /// has told those.
    fn assign_pending(&mut self) -> Result<(), ConsumerError> {
        let Some(partitions) = self.pending.take() else { return Ok(()) };
        let committed = self.consumer.committed_offsets(partitions.clone(), REQUEST_DEADLINE);
        let committed = match committed {
            Ok(committed) => committed,
            Err(error) => {
                self.pending = Some(partitions);
                return self.judge(error);
            }
        };
        let start = start_offsets(&committed).map_err(|error| self.error("assign", error))?;
        self.consumer.incremental_assign(&start).map_err(|error| self.error("assign", error))?;
        self.consumer.context().answers();
        let names = names(&start);
        // A rebalance that moved nothing of ours.
        if names.is_empty() {
            return Ok(());
        }
        tracing::info!(group = self.group, partitions = %list(&names), "partitions assigned");
        self.assigned = true;
        let runtime = self.runtime.clone();
        let continued = names_with_offset(&start);
        runtime.block_on(self.feed.continued(names, continued));
        Ok(())
    }

    /// Gives partitions up after the pipeline has settled them, or at the deadline.
    fn revoke(&mut self, partitions: &TopicPartitionList) -> Result<Next, ConsumerError> {
        let names = names(partitions);
        let lost = self.consumer.assignment_lost();
        tracing::info!(group = self.group, lost, partitions = %list(&names), "partitions revoked");
        let runtime = self.runtime.clone();
        let mut paused = names.clone();
        runtime.block_on(self.feed.revoked(names, lost));
        let next = self.await_revoke_done()?;
        self.uncommitted.forget(&paused);
        // Should they come back, they are not paused.
        paused.retain(|partition| self.paused.remove(partition));
        self.consumer
            .resume(&partition_list(&paused))
            .map_err(|error| self.error("resume", error))?;
        self.consumer
            .incremental_unassign(partitions)
            .map_err(|error| self.error("give partitions up", error))?;
        Ok(next)
    }

    fn await_revoke_done(&mut self) -> Result<Next, ConsumerError> {
        let deadline = Instant::now() + REVOKE_DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.feed.command(left) {
                Some(Command::Commit { offsets, done }) => self.commit(&offsets, done)?,
                Some(Command::RevokeDone) => return Ok(Next::GoOn),
                Some(Command::Close) => return Ok(Next::Close),
                None => {
                    tracing::warn!(group = self.group, "partitions were given up unsettled");
                    return Ok(Next::GoOn);
                }
            }
        }
    }

    /// Commits and waits for the broker's answer, a few milliseconds once a second.
    ///
    /// Not in the background: rdkafka 0.39 does not deliver the outcome of such a commit when the
    /// consumer is polled (seen on Kafka 4.3.1), so nobody would know that it failed.
    fn commit(
        &mut self,
        offsets: &CommitOffsets,
        done: Option<oneshot::Sender<Result<(), KafkaError>>>,
    ) -> Result<(), ConsumerError> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            list.add_partition_offset(
                &partition.topic,
                partition.partition,
                Offset::Offset(offset.0),
            )
            .map_err(|error| self.error("commit", error))?;
        }
        let committed = self.consumer.commit(&list, CommitMode::Sync);
        let partitions = list.count();
        match &committed {
            Ok(()) => {
                tracing::debug!(partitions, "offsets committed");
                self.uncommitted.committed(offsets);
            }
            Err(error) => {
                tracing::warn!(partitions, error = %error, "offset commit failed, repeating it");
                self.uncommitted.failed(offsets);
            }
        }
        if let Some(done) = done {
            // Who does not wait any more has run into its deadline and said so.
            drop(done.send(committed.map_err(|error| self.error("commit", error))));
        }
        Ok(())
    }

    /// Says once what is waited for when no partition comes.
    fn break_silence(&mut self) {
        if self.assigned || self.told_silence || self.started.elapsed() < SILENCE {
            return;
        }
        self.told_silence = true;
        let (topics, brokers) = (&self.topics, &self.brokers);
        tracing::warn!(
            topics,
            brokers,
            group = self.group,
            "no partitions yet, waiting for topics"
        );
    }

    fn shared_topic(&self, name: &str) -> Arc<str> {
        match &self.topic {
            Some(topic) if **topic == *name => Arc::clone(topic),
            Some(_) | None => Arc::from(name),
        }
    }

    fn error(&self, action: &'static str, source: RdKafkaError) -> KafkaError {
        KafkaError::of(action, &self.brokers, source)
    }
}
