//! What waits for a bulk request, and the requests that are under way.
//!
//! Several requests are under way at once, as many as the server's answers allow, and never two
//! actions on one document: what comes for a document that is under way waits, and is replaced by
//! what comes after it.

use std::sync::Arc;
use std::time::Duration;

use connect::control::RequestStatus;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::batch::{Batch, BatchLimits, Pending};
use crate::bulk::DocumentKey;
use crate::config::DeliveryConfig;
use crate::error::SinkError;
use crate::fast::FastSet;
use crate::writer::{Writer, Written};

/// How long actions wait for others while requests are under way or records keep coming: what a full
/// request saves is worth more than this, and with few documents that change often most changes
/// become void meanwhile.
const WAIT_FOR_MORE: Duration = Duration::from_millis(100);

/// How much may be under way besides the first request: 8 MiB, our choice, so that large documents
/// do not take the memory that five full requests would.
const BYTES_UNDER_WAY: usize = 8 << 20;

/// The way from actions to answers.
pub(super) struct Delivery {
    writer: Arc<Writer>,
    config: DeliveryConfig,
    pending: Pending,
    /// Documents of the requests under way.
    busy: FastSet<DocumentKey>,
    under_way: JoinSet<Ended>,
    bytes_under_way: usize,
    /// How many actions waited when all of them were on documents that are under way. Nothing can be
    /// sent until others come or a request ends.
    blocked: Option<usize>,
}

/// A request that has ended.
pub(super) struct Ended {
    pub(super) batch: Arc<Batch>,
    pub(super) outcome: Result<Written, SinkError>,
}

impl Delivery {
    pub(super) fn new(writer: Writer, config: DeliveryConfig) -> Self {
        Self {
            writer: Arc::new(writer),
            config,
            pending: Pending::default(),
            busy: FastSet::default(),
            under_way: JoinSet::new(),
            bytes_under_way: 0,
            blocked: None,
        }
    }

    /// Where actions are added.
    pub(super) fn pending(&mut self) -> &mut Pending {
        &mut self.pending
    }

    /// Whether no more actions may be added for now.
    pub(super) fn is_full(&self) -> bool {
        self.pending.is_full(self.limits())
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.under_way.is_empty()
    }

    /// When a request may be sent although it is not full, if nothing else comes meanwhile.
    pub(super) fn due(&self) -> Option<Instant> {
        let wait = if self.under_way.is_empty() { self.config.linger } else { WAIT_FOR_MORE };
        Some(self.oldest_to_send()? + wait.max(self.config.linger))
    }

    /// When it must be sent although others keep coming.
    pub(super) fn overdue(&self) -> Option<Instant> {
        Some(self.oldest_to_send()? + WAIT_FOR_MORE.max(self.config.linger))
    }

    fn oldest_to_send(&self) -> Option<Instant> {
        self.pending.oldest().filter(|_| self.has_slot() && !self.is_blocked())
    }

    fn has_slot(&self) -> bool {
        let is_small = self.under_way.is_empty()
            || self.bytes_under_way + self.pending.bytes().min(self.limits().bytes)
                <= BYTES_UNDER_WAY;
        is_small && self.under_way.len() < self.writer.bulk().pace().in_flight()
    }

    fn is_blocked(&self) -> bool {
        self.blocked.is_some_and(|waiting| self.pending.len() <= waiting)
    }

    fn limits(&self) -> BatchLimits {
        self.config.batch(self.writer.bulk().pace().bytes())
    }

    /// Sends what is full, and what is `due` at this time. Whether there is room again.
    pub(super) fn send_due(&mut self, now: Instant) -> bool {
        let mut has_sent = false;
        while (self.is_full() || self.due().is_some_and(|due| due <= now)) && self.send_one() {
            has_sent = true;
        }
        has_sent
    }

    /// Sends one request if there is anything that may be sent.
    fn send_one(&mut self) -> bool {
        if !self.has_slot() || self.is_blocked() {
            return false;
        }
        let Some(batch) = self.pending.seal(&self.busy, self.limits()) else {
            self.blocked = Some(self.pending.len());
            return false;
        };
        self.busy.extend(batch.actions().iter().map(|action| action.document.clone()));
        self.bytes_under_way += batch.bytes();
        let (writer, batch) = (Arc::clone(&self.writer), Arc::new(batch));
        self.under_way.spawn(async move {
            let outcome = writer.write(&batch).await;
            Ended { batch, outcome }
        });
        true
    }

    /// The next request that ends; never resolves while none is under way.
    ///
    /// Cancel safe: they go on when this is asked for again.
    pub(super) async fn ended(&mut self) -> Result<Ended, SinkError> {
        let Some(joined) = self.under_way.join_next().await else {
            return std::future::pending().await;
        };
        // It was not cancelled, so it has panicked. What it had taken is read again.
        let ended = joined.map_err(|_| SinkError::Interrupted)?;
        for action in ended.batch.actions() {
            self.busy.remove(&action.document);
        }
        self.bytes_under_way = self.bytes_under_way.saturating_sub(ended.batch.bytes());
        self.blocked = None;
        Ok(ended)
    }

    /// Sends all that waits, however little, and gives the next request that ends; `None` when
    /// nothing is left. Cancel safe.
    pub(super) async fn drain(&mut self) -> Option<Result<Ended, SinkError>> {
        while self.send_one() {}
        if self.is_idle() {
            return None;
        }
        Some(self.ended().await)
    }

    /// Drops everything. Nothing is under way when this returns; a request that was may be applied
    /// all the same.
    pub(super) async fn cancel(&mut self) {
        self.under_way.shutdown().await;
        self.busy.clear();
        self.bytes_under_way = 0;
        self.pending = Pending::default();
        self.blocked = None;
    }

    /// What it does just now.
    pub(super) fn status(&self) -> RequestStatus {
        let pace = self.writer.bulk().pace();
        RequestStatus {
            in_flight: count(self.under_way.len()),
            in_flight_limit: count(pace.in_flight()),
            bytes_limit: count(pace.bytes()),
            waiting_bytes: count(self.pending.bytes()),
            ..RequestStatus::default()
        }
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.writer
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
