//! What librdkafka calls back: logs, errors, rebalances.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError as RdKafkaError;
use rdkafka::types::RDKafkaRespErr;

use super::super::cause::Cause;
use super::super::log::{log_line, tell};

/// A rebalance that waits for its answer.
pub(super) enum Rebalance {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

/// Puts rebalances aside for the thread to answer, instead of answering within the callback.
///
/// librdkafka allows that: it goes on when `assign` or `unassign` is called, whenever that is. So
/// the thread can go on taking commands while the pipeline settles what it gives up.
pub(super) struct Context {
    rebalances: SyncSender<Rebalance>,
    errors: SyncSender<RdKafkaError>,
    brokers: String,
    waiting: AtomicBool,
    closing: AtomicBool,
    /// Why the last attempt was not let in.
    cause: Mutex<Option<Cause>>,
}

impl Context {
    pub(super) fn new(
        rebalances: SyncSender<Rebalance>,
        errors: SyncSender<RdKafkaError>,
        brokers: String,
    ) -> Self {
        let (waiting, closing) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { rebalances, errors, brokers, waiting, closing, cause: Mutex::default() }
    }

    /// From now on partitions are given up at once: closing waits for that.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Says once that Kafka does not answer.
    pub(super) fn waits(&self, error: &RdKafkaError) {
        if !self.waiting.swap(true, Ordering::Relaxed) {
            let brokers = &self.brokers;
            let hint = "start Kafka or correct `bootstrap.servers`; rowcast keeps trying";
            tracing::warn!(brokers, error = %error, hint, "kafka does not answer, waiting for it");
        }
    }

    /// Takes why the last attempt was not let in.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Says once that it does again.
    pub(super) fn answers(&self) {
        if self.waiting.swap(false, Ordering::Relaxed) {
            tracing::info!(brokers = self.brokers, "kafka answers again");
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: RdKafkaError, reason: &str) {
        if let Some(cause) = error.rdkafka_error_code().and_then(|code| Cause::of(code, reason)) {
            tell(&error, reason);
            *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
            // Polling gives it to the thread as well.
            return;
        }
        tracing::debug!(target: "kafka", error = %error, reason, "kafka client reports a problem");
        // The thread judges it. Errors that find no room repeat those that did.
        drop(self.errors.try_send(error));
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        cause: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assigns = matches!(cause, RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
        let partitions = partitions.clone();
        if self.closing.load(Ordering::Relaxed) {
            let answered = match assigns {
                true => consumer.incremental_assign(&partitions),
                false => consumer.incremental_unassign(&partitions),
            };
            if let Err(error) = answered {
                tracing::debug!(error = %error, "rebalance while closing failed");
            }
            return;
        }
        let rebalance = match assigns {
            true => Rebalance::Assign(partitions),
            false => Rebalance::Revoke(partitions),
        };
        // One rebalance waits for the answer to the one before, so there is room; and the
        // receiver lives as long as the consumer.
        if self.rebalances.try_send(rebalance).is_err() {
            tracing::error!("a rebalance came while another one waited for its answer");
        }
    }
}
