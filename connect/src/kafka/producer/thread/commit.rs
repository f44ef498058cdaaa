//! How transactions, and what stands for them without any, begin and end.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer, PurgeConfig};
use schema::fault::{Disposition, Fault, chain};

use super::queue::{LISTEN, LONG_PAUSE};
use super::{DELIVERY_TIMEOUT, Session, TRANSACTION_TIMEOUT};
use crate::clock;
use crate::config::Delivery;
use crate::kafka::error::KafkaError;
use crate::kafka::partitions::partitions_of_made;
use crate::kafka::producer::ProducerConfig;
use crate::kafka::{Existence, partition_of, read_compacted};

/// A transaction is committed well before the broker's timeout, even inside a MySQL transaction.
const OPEN_MAX: Duration = Duration::from_secs(5);

/// How many times its interval a transaction stays open while more is there than the broker takes.
/// During a commit nothing is sent, for some 40 ms on two cores: a third of the time of one that is
/// committed every 100 ms. Rows that wait for the broker are late by more than that anyway.
const INTERVALS_BEHIND: u32 = 5;

/// Longest wait for a commit. Without an answer nobody knows here whether it happened: the next start
/// lets the broker end the transaction one way or the other and goes on from the offsets that it
/// then finds.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for an abort. Without one, the next start ends the transaction.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

/// A Kafka transaction that has begun; without transactions, the records whose offsets are not
/// written yet.
pub(super) struct OpenTransaction {
    pub(super) since: Instant,
    pub(super) bytes: usize,
    pub(super) records: usize,
    /// The offsets as of the last batch: they are sent once, at the end.
    pub(super) offsets: HashMap<Vec<u8>, Option<Vec<u8>>>,
    pub(super) is_at_boundary: bool,
    /// Whether a record of it had to wait for room: more is there than the broker takes.
    pub(super) is_behind: bool,
}

/// What the thread does after a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Commit,
    /// Take another batch; commit if there is none for so long.
    TakeWithin(Duration),
}

impl OpenTransaction {
    /// At a boundary it ends as soon as nothing waits; a busy one when it is old or large enough.
    /// Inside a MySQL transaction it ends only when it must.
    pub(super) fn next(&self, age: Duration, config: &ProducerConfig) -> Next {
        let intervals = if self.is_behind { INTERVALS_BEHIND } else { 1 };
        let is_due = self.is_at_boundary && age >= config.commit_interval * intervals;
        if is_due || self.bytes >= config.transaction_max_bytes || age >= OPEN_MAX {
            Next::Commit
        } else if self.is_at_boundary {
            Next::TakeWithin(Duration::ZERO)
        } else {
            Next::TakeWithin(OPEN_MAX - age)
        }
    }
}

impl Session {
    /// Begins a transaction for so many bytes if none is open, not too soon after the last one.
    pub(super) fn begin(&mut self, bytes: usize) -> Result<(), KafkaError> {
        if self.open.is_some() {
            return Ok(());
        }
        if self.config.delivery == Delivery::ExactlyOnce {
            self.begin_transaction(bytes)?;
        }
        self.open = Some(OpenTransaction {
            since: Instant::now(),
            bytes: 0,
            records: 0,
            offsets: HashMap::new(),
            is_at_boundary: false,
            is_behind: false,
        });
        Ok(())
    }

    fn begin_transaction(&mut self, bytes: usize) -> Result<(), KafkaError> {
        if let Some(last) = self.last_commit {
            let pause = self.pause.before(bytes);
            self.rest(pause.saturating_sub(last.elapsed()));
        }
        self.begun_at = clock::since_epoch();
        self.producer.begin_transaction().map_err(|error| self.judge("begin", error))
    }

    /// Sends the offsets, waits for all deliveries, and commits.
    pub(super) fn commit(&mut self) -> Result<(), KafkaError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let (records, bytes, split) = (open.records, open.bytes, !open.is_at_boundary);
        tracing::debug!(records, bytes, split, "transaction commit begins");
        match self.config.delivery {
            Delivery::ExactlyOnce => {
                self.send_offsets(&open)?;
                let (sent, sent_at) = (open.since.elapsed(), Instant::now());
                self.drain()?;
                self.pause.delivered(bytes, (sent, sent_at.elapsed()));
                self.commit_transaction()?;
            }
            // An offset must not be there before the records that it covers.
            Delivery::AtLeastOnce => {
                self.drain()?;
                self.send_offsets(&open)?;
                self.drain()?;
            }
        }
        self.last_commit = Some(Instant::now());
        self.committed.extend(open.offsets);
        let elapsed_ms = open.since.elapsed().as_millis();
        tracing::debug!(records, elapsed_ms, "transaction committed");
        Ok(())
    }

    fn send_offsets(&mut self, open: &OpenTransaction) -> Result<(), KafkaError> {
        let partitions = self.offset_partitions()?;
        for (key, value) in &open.offsets {
            let mut message = BaseRecord::to(&self.offset_topic)
                .partition(partition_of(key, partitions))
                .key(key.as_slice());
            message.payload = value.as_deref();
            self.enqueue(message)?;
        }
        Ok(())
    }

    /// How long librdkafka may take to deliver what it has.
    pub(super) fn patience(&self) -> Duration {
        match self.config.delivery {
            Delivery::ExactlyOnce => TRANSACTION_TIMEOUT,
            // It gives up by itself before.
            Delivery::AtLeastOnce => DELIVERY_TIMEOUT + TRANSACTION_TIMEOUT,
        }
    }

    fn commit_transaction(&mut self) -> Result<(), KafkaError> {
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.producer.commit_transaction(left) {
                Ok(()) => return Ok(()),
                Err(RdKafkaError::Transaction(error))
                    if error.is_retriable() && Instant::now() < deadline =>
                {
                    tracing::debug!(error = %error, "no answer to a commit yet, asking again");
                }
                Err(error) => {
                    self.is_commit_unknown = matches!(
                        &error,
                        RdKafkaError::Transaction(error) if error.is_retriable()
                    );
                    return Err(self.judge("commit", error));
                }
            }
        }
    }

    /// Gives an open transaction up as well as it can be; the next start ends it in any case.
    /// Returns the error that ends the thread: only the abort may tell that it was a successor's
    /// start that broke the transaction, and then there must be no next start.
    pub(super) fn abandon(&self, error: KafkaError) -> KafkaError {
        let is_transactional = self.config.delivery == Delivery::ExactlyOnce;
        if self.is_commit_unknown || !is_transactional {
            return error;
        }
        // A record that the broker refuses is what broke the transaction.
        self.producer.poll(LISTEN);
        let refused = self.deliveries.take_failure(&self.brokers);
        let error = match refused {
            Some(refused) if refused.disposition() == Disposition::Halt => refused,
            Some(_) | None => error,
        };
        self.producer.purge(PurgeConfig::default().queue().inflight());
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.rest(LONG_PAUSE);
        }
        let Err(refusal) = self.producer.abort_transaction(ABORT_TIMEOUT) else { return error };
        let refusal = self.judge("abort", refusal);
        if matches!(refusal, KafkaError::Fenced { .. }) {
            return refusal;
        }
        tracing::debug!(error = chain(&refusal), "transaction is left to the next start");
        error
    }

    /// To librdkafka a transaction that the broker has ended for its age looks like a successor.
    /// Two things tell them apart: only an old transaction is ended so, and a successor commits
    /// its first offsets soon.
    pub(super) fn explain(&self, error: KafkaError) -> KafkaError {
        let age = clock::since_epoch().saturating_sub(self.begun_at);
        let is_fenced = matches!(error, KafkaError::Fenced { .. });
        if !is_fenced || age < TRANSACTION_TIMEOUT || self.committed.is_empty() {
            return error;
        }
        match read_compacted(&self.offset_topic, Existence::Made, &self.properties) {
            Ok(stored)
                if self.committed.iter().all(|(key, value)| stored.get(key) == value.as_ref()) =>
            {
                KafkaError::Expired
            }
            Ok(_) => error,
            Err(failure) => {
                tracing::warn!(error = chain(&failure), "could not look for a successor's offsets");
                error
            }
        }
    }

    fn offset_partitions(&mut self) -> Result<i32, KafkaError> {
        if let Some(partitions) = self.offset_partitions {
            return Ok(partitions);
        }
        // One that is missed would put a key into another partition than its last value.
        let found = partitions_of_made(self.producer.client(), &self.offset_topic)
            .map_err(|error| self.judge("read the offsets topic's partitions", error))?;
        let partitions = i32::try_from(found.len()).unwrap_or(i32::MAX);
        self.offset_partitions = Some(partitions);
        Ok(partitions)
    }

    pub(super) fn judge(&self, action: &'static str, error: RdKafkaError) -> KafkaError {
        let is_fenced =
            |code| matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch);
        let transaction = if let RdKafkaError::Transaction(transaction) = &error {
            Some(transaction)
        } else {
            None
        };
        let fatal = self.producer.client().fatal_error().map(|(code, _)| code);
        if transaction.map(RDKafkaError::code).or(fatal).is_some_and(is_fenced) {
            let transactional_id = self.config.transactional_id.clone();
            return KafkaError::Fenced { transactional_id };
        }
        let is_broken = transaction.is_some_and(RDKafkaError::txn_requires_abort);
        if is_broken || fatal.is_some_and(is_forgotten) {
            return KafkaError::Aborted { source: error };
        }
        KafkaError::of(action, &self.brokers, error)
    }
}

/// Whether the broker does not know the producer any more, because it was silent for too long or
/// the broker has lost what it knew. The next start makes itself known again.
fn is_forgotten(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidProducerIdMapping
            | Code::UnknownProducerId
            | Code::OutOfOrderSequenceNumber
            | Code::DuplicateSequenceNumber
            | Code::InvalidTransactionalState
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: usize, is_at_boundary: bool) -> OpenTransaction {
        let since = Instant::now();
        let (offsets, is_behind) = (HashMap::new(), false);
        OpenTransaction { since, bytes, records: 1, offsets, is_at_boundary, is_behind }
    }

    #[test]
    fn a_transaction_ends_when_idle_at_a_boundary_or_when_it_must() {
        let config = ProducerConfig {
            delivery: Delivery::ExactlyOnce,
            transactional_id: "t".to_owned(),
            commit_interval: Duration::from_millis(100),
            transaction_max_bytes: 1000,
        };
        let young = Duration::from_millis(10);
        let old = Duration::from_millis(150);

        assert_eq!(open(1, true).next(young, &config), Next::TakeWithin(Duration::ZERO));
        assert_eq!(open(1, true).next(old, &config), Next::Commit);
        assert_eq!(open(1, false).next(old, &config), Next::TakeWithin(OPEN_MAX - old));
        assert_eq!(open(1000, false).next(young, &config), Next::Commit);
        assert_eq!(open(1, false).next(OPEN_MAX, &config), Next::Commit);

        let behind = |bytes| OpenTransaction { is_behind: true, ..open(bytes, true) };
        let long = config.commit_interval * INTERVALS_BEHIND;
        assert_eq!(behind(1).next(old, &config), Next::TakeWithin(Duration::ZERO));
        assert_eq!(behind(1).next(long, &config), Next::Commit);
        assert_eq!(behind(1000).next(young, &config), Next::Commit);
    }
}
