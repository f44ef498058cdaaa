//! librdkafka's log lines, as ours.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::error::is_passing;

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
        // The end of a partition is an answer that was asked for.
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        tell(&error, reason);
    }
}

/// Least time between two lines about the same kind of trouble.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Says once that a broker does not answer, or what else is wrong, and again after a while if that
/// goes on. Every client of a process meets the same broker and reports each of its attempts, so
/// all of them share this.
pub(super) fn tell(error: &RdKafkaError, reason: &str) {
    static TOLD: Mutex<Vec<(Option<RDKafkaErrorCode>, Instant)>> = Mutex::new(Vec::new());
    // One kind for all that passes, and one for each code that does not.
    let kind = error.rdkafka_error_code().filter(|code| !is_passing(*code));
    if !is_due(&mut TOLD.lock().unwrap_or_else(PoisonError::into_inner), kind, Instant::now()) {
        tracing::debug!(target: "kafka", error = %error, reason, "kafka client reports a problem");
    } else if kind.is_none() {
        let hint = "start Kafka or correct `bootstrap.servers`; rowcast keeps trying";
        tracing::warn!(target: "kafka", error = %error, reason, hint, "kafka does not answer");
    } else {
        tracing::warn!(target: "kafka", error = %error, reason, "kafka client reports a problem");
    }
}

/// Whether a kind was not told of for a while; remembers that it is now.
fn is_due<K: PartialEq>(told: &mut Vec<(K, Instant)>, kind: K, now: Instant) -> bool {
    match told.iter_mut().find(|(known, _)| *known == kind) {
        Some((_, last)) if now.duration_since(*last) < TELL_EVERY => false,
        Some((_, last)) => {
            *last = now;
            true
        }
        None => {
            told.push((kind, now));
            true
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_of_once_in_a_while() {
        let start = Instant::now();
        let mut told = Vec::new();

        assert!(is_due(&mut told, "down", start));
        assert!(!is_due(&mut told, "down", start + TELL_EVERY / 2));
        assert!(is_due(&mut told, "denied", start + TELL_EVERY / 2));
        assert!(is_due(&mut told, "down", start + TELL_EVERY));
        assert!(!is_due(&mut told, "down", start + TELL_EVERY));
    }
}
