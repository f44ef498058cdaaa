//! librdkafka's log lines, as ours.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError as RdKafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};

/// A client context that only logs.
///
/// librdkafka reports every failed attempt to connect; the client goes on by itself, so nothing of
/// it is above `WARN`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogContext;

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: RdKafkaError, reason: &str) {
        tracing::warn!(target: "kafka", error = %error, reason, "kafka client reports a problem");
    }
}

impl ConsumerContext for LogContext {}

impl ProducerContext for LogContext {
    type DeliveryOpaque = ();

    /// A failed delivery needs no note here: it makes the commit of its transaction fail.
    fn delivery(&self, _result: &DeliveryResult<'_>, _opaque: ()) {}
}

pub(super) fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning
        | RDKafkaLogLevel::Notice => {
            tracing::debug!(target: "kafka", facility, "{message}");
        }
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::trace!(target: "kafka", facility, "{message}");
        }
    }
}
