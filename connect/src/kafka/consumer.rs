//! The sink's consumer: records and rebalances as events, offsets back.
//!
//! librdkafka runs on a thread of its own (`thread.rs`), which never stops polling: a broker that
//! hears nothing for `max.poll.interval.ms` takes the partitions away. [`SinkConsumer`] is the
//! asynchronous end of it, [`ConsumerFeed`] the other one, which the thread drives; tests play it
//! without a broker.
//!
//! Two bounded channels lead to the asynchronous end. Records go through one: when it is full the
//! thread pauses its partitions. Rebalances go through the other, so that they overtake records
//! that nobody takes. What overtaking could break is repaired here: each batch carries the epoch
//! in which it was polled, and [`SinkConsumer::next`] drops records of partitions that were
//! revoked since.

mod catalog;
mod context;
mod convert;
mod error;
mod offset_tracker;
mod progress;
mod properties;
#[cfg(test)]
mod tests;
mod thread;
mod uncommitted;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use schema::lsn::Lsn;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

pub use error::ConsumerError;
pub use offset_tracker::OffsetTracker;
pub use progress::{Ends, GroupWatch};

use super::KafkaError;
pub use super::batch::LSN_HEADER;
use super::control::Control;
use crate::control::ActiveTopics;

/// What to consume and as whom.
#[derive(Clone)]
pub struct ConsumerConfig {
    /// `client.id`, shown in the broker's logs.
    pub client_id: String,
    /// `group.id`: whose offsets these are.
    pub group_id: String,
    /// Properties of the client, `bootstrap.servers` among them, by librdkafka's names.
    pub kafka: BTreeMap<String, String>,
    /// Which topics.
    pub topics: Topics,
    /// Whether records come with all their headers. Only transforms look at them.
    pub headers: bool,
}

/// Which topics to consume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topics {
    /// `topics`: these. One that does not exist yet is waited for.
    List(Vec<String>),
    /// `topics.regex`: all whose whole name matches, also those that appear later.
    Regex(String),
}

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

/// The place of a record in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KafkaOffset(pub i64);

/// One consumed record.
#[derive(Debug, Clone)]
pub struct Record {
    /// Where it is from.
    pub partition: TopicPartition,
    /// Its place there.
    pub offset: KafkaOffset,
    /// The key's bytes.
    pub key: Option<Bytes>,
    /// The value's bytes; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The header [`LSN_HEADER`], where there is one.
    pub lsn: Option<Lsn>,
    /// What it says if it is no row.
    pub control: Option<Control>,
    /// What only transforms look at.
    pub meta: RecordMeta,
}

/// What a record has beside its key and its value.
#[derive(Debug, Clone, Default)]
pub struct RecordMeta {
    /// Milliseconds since 1970, if the broker knows.
    pub timestamp: Option<i64>,
    /// Its headers in order, if [`ConsumerConfig::headers`] asks for them.
    pub headers: Box<[(Box<str>, Option<Bytes>)]>,
    /// The topic that it is from, where a transform has sent it to another.
    pub routed_from: Option<Arc<str>>,
}

/// What happened on the Kafka side.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// Records in the order of their partitions.
    Records(Vec<Record>),
    /// Partitions are ours from now on.
    Assigned {
        /// Which.
        partitions: Vec<TopicPartition>,
        /// Those of them of which the group has committed offsets.
        continued: Vec<TopicPartition>,
    },
    /// Partitions go to another member as soon as `done` is used, or after [`REVOKE_DEADLINE`].
    Revoked {
        /// Which.
        partitions: Vec<TopicPartition>,
        /// They are another member's already: commits for them fail.
        lost: bool,
        /// Tells the thread that nothing of them is under way any more.
        done: RevokeDone,
    },
    /// The consumer has ended.
    Failed(ConsumerError),
}

/// How long a rebalance waits for the pipeline to settle what it gives up. 20 s, our choice: well
/// below the 45 s of `session.timeout.ms` and the 300 s of `max.poll.interval.ms`.
pub const REVOKE_DEADLINE: Duration = Duration::from_secs(20);

/// Offsets to commit: for each partition the first one that has not been settled.
pub type CommitOffsets = Vec<(TopicPartition, KafkaOffset)>;

/// The asynchronous end of the consumer.
pub struct SinkConsumer {
    control: mpsc::Receiver<Notice>,
    data: mpsc::Receiver<Polled>,
    commands: blocking::SyncSender<Command>,
    held: watch::Sender<Held>,
    /// Taken from the channel, but not yet held against the rebalances before it.
    polled: Option<Polled>,
    /// Since which epoch each partition is ours.
    assigned: HashMap<TopicPartition, Epoch>,
    tracked: ActiveTopics,
    epoch: Epoch,
    thread: Option<JoinHandle<()>>,
}

/// The end of the consumer that has the records: the Kafka thread, or a test.
pub struct ConsumerFeed {
    control: mpsc::Sender<Notice>,
    data: mpsc::Sender<Polled>,
    commands: blocking::Receiver<Command>,
    held: watch::Receiver<Held>,
    epoch: Epoch,
}

/// Partitions of which no records are wanted for a while.
pub type Held = HashSet<TopicPartition>;

/// How many rebalances there were before a moment.
type Epoch = u64;

/// Records with the epoch in which they were polled.
pub struct Polled {
    epoch: Epoch,
    records: Vec<Record>,
}

/// What overtakes records.
enum Notice {
    Assigned { epoch: Epoch, partitions: Vec<TopicPartition>, continued: Vec<TopicPartition> },
    Revoked { epoch: Epoch, partitions: Vec<TopicPartition>, lost: bool },
    Failed(ConsumerError),
}

/// What the asynchronous end asks for.
#[derive(Debug)]
pub enum Command {
    /// Commit these offsets; the answer, where one is wanted, says that the broker has them.
    Commit {
        /// The offsets.
        offsets: CommitOffsets,
        /// Who waits for the answer.
        done: Option<oneshot::Sender<Result<(), KafkaError>>>,
    },
    /// Nothing of the revoked partitions is under way any more.
    RevokeDone,
    /// Leave the group and end.
    Close,
}

/// Batches of records between the two ends. Four of at most 1 MiB each.
const DATA_CAPACITY: usize = 4;
/// Rebalances and commands under way. They come one at a time; the rest is room.
const CONTROL_CAPACITY: usize = 16;
/// How long a commit that someone waits for may take.
const COMMIT_DEADLINE: Duration = Duration::from_secs(10);
/// How long leaving the group may take: librdkafka's own requests end after 10 s.
const CLOSE_DEADLINE: Duration = Duration::from_secs(15);

impl SinkConsumer {
    /// Starts the thread, which connects and joins the group. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// Returns [`ConsumerError`] when librdkafka refuses a property or a topic's name.
    pub fn start(config: &ConsumerConfig) -> Result<Self, ConsumerError> {
        let (mut consumer, feed) = Self::with_feed();
        consumer.thread = Some(thread::start(config, feed)?);
        Ok(consumer)
    }

    /// Both ends, without Kafka behind them.
    #[must_use]
    pub fn with_feed() -> (Self, ConsumerFeed) {
        let (control_sender, control) = mpsc::channel(CONTROL_CAPACITY);
        let (data_sender, data) = mpsc::channel(DATA_CAPACITY);
        let (commands, command_receiver) = blocking::sync_channel(CONTROL_CAPACITY);
        let (held, held_receiver) = watch::channel(Held::new());
        let feed = ConsumerFeed {
            control: control_sender,
            data: data_sender,
            commands: command_receiver,
            held: held_receiver,
            epoch: 0,
        };
        let consumer = Self {
            control,
            data,
            commands,
            held,
            polled: None,
            assigned: HashMap::new(),
            tracked: ActiveTopics::default(),
            epoch: 0,
            thread: None,
        };
        (consumer, feed)
    }

    /// Says from now on in `tracked` of which topics there were records.
    pub fn track(&mut self, tracked: ActiveTopics) {
        self.tracked = tracked;
    }

    /// The next event of any kind; rebalances come before records.
    ///
    /// Cancel safe: a batch that was taken from its channel waits in `self`.
    pub async fn next(&mut self) -> ConsumerEvent {
        loop {
            // Whatever happened before the batch was polled is in this channel by now.
            if let Ok(control) = self.control.try_recv() {
                return self.apply(control);
            }
            if let Some(polled) = self.polled.take() {
                let records = self.still_ours(polled);
                if !records.is_empty() {
                    self.tracked.mark(records.iter().map(|it| &*it.partition.topic));
                    return ConsumerEvent::Records(records);
                }
            }
            tokio::select! {
                biased;
                control = self.control.recv() => return self.apply(control.unwrap_or_else(gone)),
                polled = self.data.recv(), if !self.data.is_closed() || !self.data.is_empty() => {
                    self.polled = polled;
                }
            }
        }
    }

    /// The next event that is no record, for a caller that has no room for records.
    ///
    /// Cancel safe.
    pub async fn next_rebalance(&mut self) -> ConsumerEvent {
        let control = self.control.recv().await.unwrap_or_else(gone);
        self.apply(control)
    }

    /// Asks for no more records of a partition until [`Self::release`]. What has been polled
    /// already still comes.
    pub fn hold(&self, partition: TopicPartition) {
        self.held.send_if_modified(|held| held.insert(partition));
    }

    /// Asks for records of a partition again; they go on where they ended.
    pub fn release(&self, partition: &TopicPartition) {
        self.held.send_if_modified(|held| held.remove(partition));
    }

    /// Asks for a commit and does not wait for it; the thread repeats it until the broker has it or
    /// the partition is gone. `false` if the thread is too busy to be asked.
    pub fn commit_later(&self, offsets: CommitOffsets) -> bool {
        if offsets.is_empty() {
            return true;
        }
        let command = Command::Commit { offsets, done: None };
        self.commands.try_send(command).is_ok()
    }

    /// Commits offsets and waits until the broker has them.
    ///
    /// # Errors
    ///
    /// Returns [`ConsumerError`] when the broker refuses them or does not answer in time.
    pub async fn commit(&self, offsets: CommitOffsets) -> Result<(), ConsumerError> {
        let (done, answer) = oneshot::channel();
        let command = Command::Commit { offsets, done: Some(done) };
        self.commands.try_send(command).map_err(|_| KafkaError::Gone)?;
        match timeout(COMMIT_DEADLINE, answer).await {
            Ok(Ok(committed)) => Ok(committed?),
            Ok(Err(_)) => Err(KafkaError::Gone.into()),
            Err(_) => Err(ConsumerError::CommitTimeout),
        }
    }

    /// Leaves the group and ends the thread.
    pub async fn close(mut self) {
        let Some(thread) = self.thread.take() else { return };
        // A thread that has ended already takes no command and needs none.
        drop(self.commands.try_send(Command::Close));
        let ended = async { while self.control.recv().await.is_some() {} };
        if timeout(CLOSE_DEADLINE, ended).await.is_err() {
            tracing::warn!("kafka client thread does not end, leaving it behind");
            return;
        }
        if thread.join().is_err() {
            tracing::error!("kafka client thread panicked");
        }
    }

    fn apply(&mut self, control: Notice) -> ConsumerEvent {
        match control {
            Notice::Assigned { epoch, partitions, continued } => {
                self.epoch = epoch;
                self.assigned.extend(partitions.iter().map(|partition| (partition.clone(), epoch)));
                ConsumerEvent::Assigned { partitions, continued }
            }
            Notice::Revoked { epoch, partitions, lost } => {
                self.epoch = epoch;
                for partition in &partitions {
                    self.assigned.remove(partition);
                }
                let done = RevokeDone(self.commands.clone());
                ConsumerEvent::Revoked { partitions, lost, done }
            }
            Notice::Failed(error) => ConsumerEvent::Failed(error),
        }
    }

    /// The records whose partitions have been ours without a break since they were polled.
    fn still_ours(&self, polled: Polled) -> Vec<Record> {
        let Polled { epoch, mut records } = polled;
        if epoch != self.epoch {
            records.retain(|record| {
                self.assigned.get(&record.partition).is_some_and(|since| *since <= epoch)
            });
        }
        records
    }
}

fn gone() -> Notice {
    Notice::Failed(KafkaError::Gone.into())
}

/// The answer to [`ConsumerEvent::Revoked`].
#[derive(Debug)]
pub struct RevokeDone(blocking::SyncSender<Command>);

impl RevokeDone {
    /// Lets the rebalance go on.
    pub fn done(self) {
        // A thread that does not listen any more does not wait either.
        drop(self.0.try_send(Command::RevokeDone));
    }
}

impl ConsumerFeed {
    /// Partitions are ours from now on, without a committed offset.
    pub async fn assigned(&mut self, partitions: Vec<TopicPartition>) {
        self.continued(partitions, Vec::new()).await;
    }

    /// Partitions are ours from now on; some of them go on at committed offsets.
    pub async fn continued(
        &mut self,
        partitions: Vec<TopicPartition>,
        continued: Vec<TopicPartition>,
    ) {
        self.epoch += 1;
        let control = Notice::Assigned { epoch: self.epoch, partitions, continued };
        drop(self.control.send(control).await);
    }

    /// Partitions are about to go, or gone.
    pub async fn revoked(&mut self, partitions: Vec<TopicPartition>, lost: bool) {
        self.epoch += 1;
        let control = Notice::Revoked { epoch: self.epoch, partitions, lost };
        drop(self.control.send(control).await);
    }

    /// The consumer has ended.
    pub async fn failed(&self, error: ConsumerError) {
        drop(self.control.send(Notice::Failed(error)).await);
    }

    /// Marks records as polled now, between the last rebalance and the next one.
    #[must_use]
    pub fn polled(&self, records: Vec<Record>) -> Polled {
        Polled { epoch: self.epoch, records }
    }

    /// Hands records over, if there is room before the time is up; gives them back otherwise.
    ///
    /// # Errors
    ///
    /// Returns the records that found no room.
    pub async fn records(&self, polled: Polled, patience: Duration) -> Result<(), Polled> {
        match timeout(patience, self.data.reserve()).await {
            Ok(Ok(room)) => {
                room.send(polled);
                Ok(())
            }
            // Nobody listens any more: the command to close is under way.
            Ok(Err(_)) | Err(_) => Err(polled),
        }
    }

    /// The partitions of which no records are wanted, if that has changed since the last call.
    #[must_use]
    pub fn held(&mut self) -> Option<Held> {
        // Without the other end nobody wants anything any more.
        let has_changed = self.held.has_changed().unwrap_or(false);
        has_changed.then(|| self.held.borrow_and_update().clone())
    }

    /// The next command, if there is one within the time.
    #[must_use]
    pub fn command(&self, patience: Duration) -> Option<Command> {
        match self.commands.recv_timeout(patience) {
            Ok(command) => Some(command),
            Err(blocking::RecvTimeoutError::Timeout) => None,
            Err(blocking::RecvTimeoutError::Disconnected) => Some(Command::Close),
        }
    }
}
