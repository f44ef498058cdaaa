//! Handing records to librdkafka and waiting for its answers, in a way that neither its threads nor
//! ours spin.
//!
//! What librdkafka 2.12 and rdkafka 0.39 do (read in their sources, seen in profiles; ADR 0126):
//!
//! - An idempotent producer has one request under way for each partition. While other records of it
//!   wait that are older than `linger.ms`, the broker's thread asks for events without a pause. So
//!   [`LINGER`] is longer than records wait; a full batch is sent without it.
//! - The last records before a commit are no full batch. `flush` sets `linger.ms` aside as long as
//!   it runs, and rdkafka's is over at once: whether the broker's thread looks while it runs is a
//!   matter of luck, so it is called several times, again and again ([`Session::nudge`]).
//! - rdkafka's `poll` waits in whole milliseconds, asks on through the rest, and does not return
//!   before its time. So it is only asked for what is there, and between that the thread sleeps.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer};

use super::Session;
use crate::config::Delivery;
use crate::kafka::error::KafkaError;

/// `linger.ms`: longer than a record waits in a full queue, down to 20,000 records a second.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// Calls of one nudge, some 3 us each: together longer than it takes a thread to wake.
const NUDGE_CALLS: usize = 10;

/// Between two looks for answers, at first: a small transaction is answered within 2 ms.
const SHORT_PAUSE: Duration = Duration::from_micros(200);

/// Between two looks later on, and while the queue is full: it has work for several of them.
pub(super) const LONG_PAUSE: Duration = Duration::from_millis(1);

/// Looks after which pauses are long.
const SHORT_PAUSES: usize = 20;

/// Long enough to take off all that librdkafka has to say: a poll without time takes one thing.
pub(super) const LISTEN: Duration = Duration::from_millis(2);

/// How long a full queue may stay as it is before it is nudged: records of many partitions can fill
/// it without one full batch.
const FULL_MAX: Duration = Duration::from_millis(10);

/// How it goes with a record that waits for room.
struct Wait {
    since: Instant,
    /// When the number of those before it has changed last.
    changed: Instant,
    left: i32,
}

impl Session {
    /// Hands a message to librdkafka, waiting while its queue is full; whether it was.
    pub(super) fn enqueue(
        &self,
        mut message: BaseRecord<'_, [u8], [u8]>,
    ) -> Result<bool, KafkaError> {
        // Nobody looks at the clock for a record that does not wait: two looks took a twentieth of
        // what a record costs.
        let mut wait: Option<Wait> = None;
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(wait.is_some()),
                Err((RdKafkaError::MessageProduction(Code::QueueFull), back)) => {
                    let now = Instant::now();
                    let left = self.producer.in_flight_count();
                    let wait = wait.get_or_insert(Wait { since: now, changed: now, left });
                    if now - wait.since > self.patience() {
                        let source = RdKafkaError::MessageProduction(Code::MessageTimedOut);
                        return Err(self.judge("send records", source));
                    }
                    message = back;
                    if left != wait.left {
                        (wait.changed, wait.left) = (now, left);
                    } else if now - wait.changed >= FULL_MAX {
                        self.nudge();
                    }
                    self.rest(LONG_PAUSE);
                }
                Err((RdKafkaError::MessageProduction(Code::MessageSizeTooLarge), back)) => {
                    let bytes =
                        back.payload.map_or(0, <[u8]>::len) + back.key.map_or(0, <[u8]>::len);
                    return Err(KafkaError::TooLarge { topic: back.topic.to_owned(), bytes });
                }
                Err((error, _)) => return Err(self.judge("send records", error)),
            }
        }
    }

    /// Waits until librdkafka has nothing in flight. All that was sent has been acknowledged then;
    /// in a transaction the commit says so.
    pub(super) fn drain(&self) -> Result<(), KafkaError> {
        let deadline = Instant::now() + self.patience();
        let (mut looks, mut left_before) = (0, i32::MAX);
        loop {
            let left = self.producer.in_flight_count();
            if left <= 0 {
                break;
            }
            if Instant::now() > deadline {
                let source = RdKafkaError::Flush(Code::OperationTimedOut);
                return Err(self.judge("deliver records", source));
            }
            if looks == 0 || left == left_before {
                self.nudge();
            }
            self.rest(if looks < SHORT_PAUSES { SHORT_PAUSE } else { LONG_PAUSE });
            (looks, left_before) = (looks + 1, left);
        }
        match self.config.delivery {
            Delivery::ExactlyOnce => Ok(()),
            Delivery::AtLeastOnce => {
                self.deliveries.take_failure(&self.brokers).map_or(Ok(()), Err)
            }
        }
    }

    /// Lets librdkafka send what waits for a fuller batch; most of the time.
    fn nudge(&self) {
        for _ in 0..NUDGE_CALLS {
            // It says that not all is delivered yet, as is known.
            drop(self.producer.flush(Duration::ZERO));
        }
    }

    /// Takes off what librdkafka has to say, and sleeps. Nobody wakes the thread: who waits has work
    /// for one pause at most.
    pub(super) fn rest(&self, pause: Duration) {
        self.producer.poll(Duration::ZERO);
        std::thread::park_timeout(pause);
    }
}
