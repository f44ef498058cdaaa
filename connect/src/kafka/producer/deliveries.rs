//! What became of the records that were handed to librdkafka.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{ClientContext, Message};

use crate::kafka::error::KafkaError;
use crate::kafka::log::LogContext;

/// Remembers the first record that was not delivered.
#[derive(Debug, Clone, Default)]
pub(super) struct Deliveries {
    failed: Arc<Mutex<Option<Undelivered>>>,
}

/// A record that was not delivered. Its bytes are never kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Undelivered {
    topic: String,
    bytes: usize,
    code: Code,
}

impl Deliveries {
    /// Takes the first failure since the last call.
    pub(super) fn take_failure(&self, brokers: &str) -> Option<KafkaError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(failed.judge(brokers))
    }

    fn note(&self, failed: Undelivered) {
        // We have purged it ourselves, for a reason that is told elsewhere.
        if matches!(failed.code, Code::PurgeQueue | Code::PurgeInflight) {
            return;
        }
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failed);
    }
}

impl Undelivered {
    fn judge(self, brokers: &str) -> KafkaError {
        let Self { topic, bytes, code } = self;
        if code == Code::MessageSizeTooLarge {
            return KafkaError::TooLarge { topic, bytes };
        }
        if matches!(code, Code::InvalidRecord | Code::PolicyViolation | Code::InvalidTimestamp) {
            return KafkaError::Rejected { topic, code };
        }
        let source = RdKafkaError::MessageProduction(code);
        KafkaError::of("deliver records", brokers, source)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        LogContext.log(level, facility, message);
    }

    fn error(&self, error: RdKafkaError, reason: &str) {
        LogContext.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        let Err((error, message)) = result else { return };
        let Some(code) = error.rdkafka_error_code() else { return };
        let bytes = message.payload_len() + message.key_len();
        self.note(Undelivered { topic: message.topic().to_owned(), bytes, code });
    }
}

#[cfg(test)]
mod tests {
    use schema::fault::{Disposition, Fault};

    use super::*;

    fn after(codes: &[Code]) -> Option<KafkaError> {
        let deliveries = Deliveries::default();
        for code in codes {
            deliveries.note(Undelivered { topic: "t".to_owned(), bytes: 7, code: *code });
        }
        let failure = deliveries.take_failure("b:9092");
        assert!(deliveries.take_failure("b:9092").is_none(), "it is told once");
        failure
    }

    #[test]
    fn the_first_record_that_was_refused_says_why() {
        let refused = after(&[Code::PurgeQueue, Code::InvalidRecord, Code::MessageTimedOut]);
        let refused = refused.unwrap();
        assert_eq!(refused.disposition(), Disposition::Halt);
        assert!(refused.hint().unwrap().contains("cleanup.policy=delete"));

        let late = after(&[Code::MessageTimedOut, Code::InvalidRecord]).unwrap();
        assert_eq!(late.disposition(), Disposition::Retry);

        let large = after(&[Code::MessageSizeTooLarge]).unwrap();
        assert!(matches!(large, KafkaError::TooLarge { bytes: 7, .. }));
    }

    #[test]
    fn what_we_have_purged_ourselves_is_no_failure() {
        assert!(after(&[Code::PurgeQueue, Code::PurgeInflight]).is_none());
        assert!(after(&[]).is_none());
    }
}
