//! Why a broker does not let a client in, where librdkafka knows it: what to mend, in our words.
//!
//! What librdkafka and the servers say goes to the log at `debug` only: an endpoint for tokens may
//! quote what it was asked with.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};

use super::client_config;
use super::log::log_line;

/// Why a broker does not let a client in. A person has to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The name or the password is wrong, or the token is not accepted.
    Login,
    /// The broker has no such `sasl.mechanism`.
    Mechanism {
        /// Those that it has.
        offered: String,
    },
    /// The broker has ended the connection before there was an answer, as with a session whose token has
    /// ended. The next attempt may well succeed.
    Interrupted,
    /// No token could be had.
    Token,
    /// The broker's certificate is not trusted.
    Certificate,
    /// The broker does not take the client's certificate, or misses one.
    ClientCertificate,
    /// TLS is spoken to a listener that has none.
    NoTls,
    /// No TLS, or no login, where the broker wants one.
    Protocol,
}

/// What stands before the mechanisms in librdkafka's message.
const OFFERED: &str = "broker's supported mechanisms: ";

/// What OpenSSL says of an alert that the other side has sent about our certificate.
const CERTIFICATE_ALERTS: [&str; 5] = [
    "certificate required",
    "alert bad certificate",
    "alert unknown ca",
    "alert certificate unknown",
    "alert certificate expired",
];

/// An alert of TLS (bytes 21, 3 and 1 to 3) where librdkafka expects the length of an answer, which it
/// then finds too long.
const TLS_ALERTS: [&str; 2] = ["Invalid frame size 35251", "Invalid response size 35251"];

impl Cause {
    /// What an error of librdkafka is about, by its code and its message.
    pub(super) fn of(code: Code, reason: &str) -> Option<Self> {
        let has = |texts: &[&str]| texts.iter().any(|text| reason.contains(text));
        if code == Code::UnsupportedSASLMechanism {
            return Some(Self::mechanism(reason));
        }
        if matches!(code, Code::Authentication | Code::SaslAuthenticationFailed) {
            return Some(Self::of_login(reason));
        }
        let is_tls = code == Code::SSL;
        let is_cut = code == Code::BrokerTransportFailure;
        if has(&TLS_ALERTS) {
            return Some(Self::Protocol);
        }
        if is_tls && has(&["certificate verify failed"]) {
            Some(Self::Certificate)
        } else if is_tls && has(&CERTIFICATE_ALERTS) {
            Some(Self::ClientCertificate)
        } else if is_tls && has(&["wrong version number", "packet length"])
            || is_cut && has(&["PLAINTEXT broker listener"])
        {
            Some(Self::NoTls)
        } else if is_cut && has(&["a SSL listener", "might require SASL authentication"]) {
            Some(Self::Protocol)
        } else {
            None
        }
    }

    fn of_login(reason: &str) -> Self {
        if reason.contains("mechanism handshake failed") || reason.contains(OFFERED) {
            Self::mechanism(reason)
        } else if reason.contains("OAUTHBEARER token") || reason.contains("OIDC token") {
            Self::Token
        } else {
            Self::Login
        }
    }

    fn mechanism(reason: &str) -> Self {
        let list = reason.split(OFFERED).nth(1).unwrap_or_default();
        match list.split(" (after").next().unwrap_or(list).trim() {
            "" | "(n/a)" => Self::Interrupted,
            offered => Self::Mechanism { offered: offered.to_owned() },
        }
    }

    /// What to do about it. rowcast waits meanwhile.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Login => {
                "correct the name and the password (`sasl.jaas.config`, or `sasl.username` and \
                 `sasl.password` below `kafka`), or mend them at the broker; rowcast keeps trying"
            }
            Self::Mechanism { .. } => {
                "set `sasl.mechanism` to one that the broker has; rowcast keeps trying"
            }
            Self::Interrupted => "look into the broker's log if it goes on; rowcast keeps trying",
            Self::Token => {
                "look at `sasl.oauthbearer.token.endpoint.url`, whether it can be reached and is \
                 trusted (`https.ca.location` below `kafka`), and at the client's id and secret; \
                 rowcast keeps trying"
            }
            Self::Certificate => {
                "give the authority that signed it (`ssl.ca.location` below `kafka`, or \
                 `ssl.truststore.location`), or correct the name in `bootstrap.servers`; rowcast \
                 keeps trying"
            }
            Self::ClientCertificate => {
                "give a certificate that the broker trusts (`ssl.keystore.location` below `kafka`); \
                 rowcast keeps trying"
            }
            Self::NoTls => {
                "correct `security.protocol` (PLAINTEXT or SASL_PLAINTEXT have no TLS), or the port \
                 in `bootstrap.servers`; rowcast keeps trying"
            }
            Self::Protocol => {
                "correct `security.protocol` (SSL or SASL_SSL, or SASL_PLAINTEXT for a login without \
                 TLS), or the port in `bootstrap.servers`; rowcast keeps trying"
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login => f.write_str("SASL authentication failed: the broker refuses the login"),
            Self::Mechanism { offered } => {
                write!(f, "the broker does not have this SASL mechanism, but: {offered}")
            }
            Self::Interrupted => {
                f.write_str("the broker has ended the connection during the login")
            }
            Self::Token => {
                f.write_str("SASL authentication failed: the endpoint for tokens gives none")
            }
            Self::Certificate => f.write_str(
                "TLS: the broker's certificate is not trusted: another authority has signed it, it \
                 has expired, or it is for another name",
            ),
            Self::ClientCertificate => {
                f.write_str("TLS: the broker does not take our certificate, or misses one")
            }
            Self::NoTls => f.write_str("TLS: the broker does not speak it on this port"),
            Self::Protocol => f.write_str("the broker wants TLS or a login on this port"),
        }
    }
}

/// How long [`ask`] tries: a login takes less than a second, and librdkafka waits up to one after it
/// was refused.
const ASKED_WITHIN: Duration = Duration::from_secs(3);

/// Events that are looked at after each step; there are a few.
const EVENTS_MAX: usize = 64;

/// One step of it.
const STEP: Duration = Duration::from_millis(100);

/// Asks librdkafka why a broker does not let a client with these properties in; nothing if it does,
/// or does not answer at all. Blocks for up to [`ASKED_WITHIN`].
///
/// Needs a client of its own: librdkafka tells such things to whoever polls, which neither its admin
/// client does nor a producer that waits for the start of its transactions.
pub(super) fn ask(properties: &BTreeMap<String, String>) -> Option<Cause> {
    let consumer: BaseConsumer<Asking> = client_config("rowcast-login", properties)
        .set("allow.auto.create.topics", "false")
        .create_with_context(Asking::default())
        .ok()?;
    let end = Instant::now() + ASKED_WITHIN;
    while Instant::now() < end {
        // Makes it connect. The answer does not matter.
        if consumer.fetch_metadata(Some("rowcast-login"), STEP).is_ok() {
            return None;
        }
        // One call takes one event off: lines of the log, and errors.
        (0..EVENTS_MAX).for_each(|_| drop(consumer.poll(Duration::ZERO)));
        let found = &consumer.context().found;
        if let Some(cause) = found.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Some(cause);
        }
    }
    None
}

/// Remembers the first cause.
#[derive(Default)]
struct Asking {
    found: Mutex<Option<Cause>>,
}

impl ClientContext for Asking {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
        // A connection that the broker ends is no error for librdkafka, only a line.
        self.note(Code::BrokerTransportFailure, message);
    }

    fn error(&self, error: RdKafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.note(code, reason);
        }
    }
}

impl Asking {
    fn note(&self, code: Code, reason: &str) {
        if let Some(cause) = Cause::of(code, reason) {
            self.found.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
        }
    }
}

impl ConsumerContext for Asking {}

#[cfg(test)]
mod tests {
    use super::*;

    /// What librdkafka 2.12.1 says to Kafka 4.3.1, without addresses.
    fn check(table: &[(Code, &str, Option<Cause>)]) {
        let at = "sasl_ssl://127.0.0.1:9093/bootstrap: ";
        for (code, reason, expected) in table {
            assert_eq!(Cause::of(*code, &format!("{at}{reason}")), *expected, "{reason}");
        }
    }

    #[test]
    fn what_librdkafka_says_of_logins_are_causes() {
        let mechanism = |offered: &str| Cause::Mechanism { offered: offered.to_owned() };
        check(&[
            (
                Code::Authentication,
                "SASL authentication error: Authentication failed during authentication due to \
                 invalid credentials with SASL mechanism SCRAM-SHA-512 (after 12ms in state \
                 AUTH_REQ)",
                Some(Cause::Login),
            ),
            (
                Code::Authentication,
                "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: \
                 broker's supported mechanisms: SCRAM-SHA-512,OAUTHBEARER (after 3ms in state \
                 AUTH_HANDSHAKE)",
                Some(mechanism("SCRAM-SHA-512,OAUTHBEARER")),
            ),
            (
                Code::Authentication,
                "SASL OAUTHBEARER mechanism handshake failed: Local: Broker transport failure: \
                 broker's supported mechanisms: (n/a) (after 3ms in state AUTH_HANDSHAKE)",
                Some(Cause::Interrupted),
            ),
            (
                Code::Authentication,
                "Failed to acquire SASL OAUTHBEARER token: Failed to retrieve OIDC token",
                Some(Cause::Token),
            ),
        ]);
    }

    #[test]
    fn what_librdkafka_says_of_tls_are_causes() {
        check(&[
            (
                Code::SSL,
                "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: \
                 broker certificate could not be verified",
                Some(Cause::Certificate),
            ),
            (
                Code::SSL,
                "error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116",
                Some(Cause::ClientCertificate),
            ),
            (
                Code::SSL,
                "SSL handshake failed: error:0A00010B:SSL routines::wrong version number",
                Some(Cause::NoTls),
            ),
            (
                Code::BrokerTransportFailure,
                "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?",
                Some(Cause::NoTls),
            ),
            (
                Code::BrokerTransportFailure,
                "Disconnected: requesting ApiVersion: might be caused by incorrect \
                 security.protocol configuration (connecting to a SSL listener?)",
                Some(Cause::Protocol),
            ),
            (
                Code::BadMessage,
                "Receive failed: Invalid frame size 352518912 (after 5ms in state APIVERSION_QUERY)",
                Some(Cause::Protocol),
            ),
            (Code::BrokerTransportFailure, "Connect to ipv4#127.0.0.1:1 failed: refused", None),
            (Code::AllBrokersDown, "1/1 brokers are down", None),
        ]);
    }
}
