//! Waiting for something outside to come back, without limit unless a setting has one, and without
//! flooding the log.

use std::time::Duration;

use connect::backoff::Backoff;
use tokio::time::{Instant, sleep};

use crate::config::RetryConfig;

/// First wait: long enough not to be noticed by the server, short enough not to be noticed by us.
const FIRST_WAIT: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 100 });
/// Longest wait: how late a recovery may be noticed. Work has to go on within 5 s of it, and what was
/// refused may take a second try.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often the log repeats that something is still waited for.
const WARN_EVERY: Duration = Duration::from_secs(30);

/// The state of one wait.
pub(crate) struct Patience {
    what: &'static str,
    hint: &'static str,
    backoff: Backoff,
    warned: Option<Instant>,
    /// When it has been enough.
    until: Option<Instant>,
}

impl Patience {
    /// For waiting until Elasticsearch is available.
    pub(crate) fn with_elasticsearch() -> Self {
        Self::new(
            "elasticsearch",
            "start Elasticsearch or correct `connection.url`; rowcast keeps trying",
        )
    }

    /// For waiting until the schema registry is available.
    pub(crate) fn with_registry(retry: RetryConfig) -> Self {
        let patience = Self::new(
            "schema registry",
            "start the schema registry or correct `schema.registry.url`; rowcast keeps trying",
        );
        Self {
            backoff: Backoff::new(FIRST_WAIT, retry.delay_max.max(FIRST_WAIT)),
            // Too late for a clock is never.
            until: retry.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            ..patience
        }
    }

    /// For waiting until Kafka is available.
    pub(crate) fn with_kafka() -> Self {
        Self::new("kafka", "start Kafka or correct `bootstrap.servers`; rowcast keeps trying")
    }

    fn new(what: &'static str, hint: &'static str) -> Self {
        Self {
            what,
            hint,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            warned: None,
            until: None,
        }
    }

    /// Whether it has been waited for as long as the settings say.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    /// Waits before the next try; longer each time.
    pub(crate) async fn wait(&mut self, target: &str, error: &str) {
        let delay = self.backoff.next_delay();
        let attempt = self.backoff.attempts();
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let (what, hint) = (self.what, self.hint);
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            tracing::warn!(
                what,
                target,
                attempt,
                delay_ms,
                error,
                hint,
                "{what} is not available, retrying"
            );
        } else {
            tracing::debug!(
                what,
                target,
                attempt,
                delay_ms,
                error,
                "{what} is not available, retrying"
            );
        }
        sleep(delay).await;
    }

    /// It has worked.
    pub(crate) fn succeeded(&mut self) {
        if self.warned.take().is_some() {
            tracing::info!(what = self.what, "{} is available again", self.what);
        }
        self.backoff.reset();
    }
}
