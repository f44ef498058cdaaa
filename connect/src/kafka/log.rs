//! librdkafka's log lines, as ours.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::cause::Cause;
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
    static TOLD: Mutex<Vec<(Kind, Instant)>> = Mutex::new(Vec::new());
    let kind = Kind::of(error, reason);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_due(&mut told, kind.clone(), Instant::now()) {
        tracing::debug!(target: "kafka", error = %error, reason, "kafka client reports a problem");
        return;
    }
    match kind {
        Kind::NotLetIn(cause) => {
            let hint = cause.remedy();
            tracing::warn!(target: "kafka", error = %cause, hint, "kafka does not let us in");
        }
        Kind::Away => {
            let hint = "start Kafka or correct `bootstrap.servers`; rowcast keeps trying";
            tracing::warn!(target: "kafka", error = %error, reason, hint, "kafka does not answer");
        }
        Kind::Other(_) => {
            tracing::warn!(target: "kafka", error = %error, reason, "kafka client reports a problem");
        }
    }
}

/// A kind of trouble.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    NotLetIn(Cause),
    /// All that passes by itself.
    Away,
    Other(Option<RDKafkaErrorCode>),
}

impl Kind {
    fn of(error: &RdKafkaError, reason: &str) -> Self {
        let code = error.rdkafka_error_code();
        match code.and_then(|code| Cause::of(code, reason)) {
            Some(cause) => Self::NotLetIn(cause),
            None if code.is_none_or(is_passing) => Self::Away,
            None => Self::Other(code),
        }
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
