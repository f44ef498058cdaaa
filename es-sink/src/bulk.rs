//! Bulk requests: actions out, one outcome for each back.
//!
//! [`Bulk::settle`] ends when every action of a batch is applied, void, or refused for good. Whatever
//! can pass is waited for there, item by item, so nothing else in the sink knows about retries.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod reason;
mod response;
mod size_limit;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use response::{ItemOutcome, error_kind, kind_can_pass};

use crate::batch::Batch;
use crate::bulk_action::Verb;
use crate::client::{Answer, EsClient, NoAnswer, Request};
use crate::error::{IndexError, LostIndex, Origin, SinkError};
use crate::meter::Meter;
use crate::pace::{Outcome, Pace, PaceLimits};
use crate::patience::Patience;
pub(crate) use size_limit::SizeLimit;

/// What happens to one document.
#[derive(Debug, Clone)]
pub(crate) struct BulkAction {
    pub(crate) document: DocumentKey,
    pub(crate) version: DocVersion,
    pub(crate) verb: Verb,
    /// Its lines in the batch's body, the document and the line breaks included.
    pub(crate) line: Range<usize>,
    /// How long the document is.
    pub(crate) document_bytes: usize,
    /// The record that asks for it.
    pub(crate) origin: Origin,
    /// When the row was changed, since 1970, if the record says it.
    pub(crate) changed_at: Option<Duration>,
    /// The records whose actions it has made void: they settle with it.
    pub(crate) void: Vec<Origin>,
}

impl BulkAction {
    /// All records that settle with it.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.void.iter().chain([&self.origin])
    }
}

/// Which document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct DocumentKey {
    pub(crate) index: Arc<str>,
    pub(crate) id: Arc<str>,
}

/// The external version of a document: the place of the change in the order of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DocVersion(pub(crate) u64);

/// What has become of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Actions that changed the index.
    pub(crate) applied: usize,
    /// Actions that were void: the index had the same or a later version.
    pub(crate) stale: usize,
    /// Actions that are neither, and never will be.
    pub(crate) refused: Vec<Refused>,
}

/// An action that Elasticsearch never takes as it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its place in the batch.
    pub(crate) action: usize,
    pub(crate) why: Refusal,
}

/// Why it does not take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A request of it alone is larger than a request may be.
    TooLarge { bytes: usize },
    /// The document does not fit its index.
    Malformed(Malformed),
}

/// How a document does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) status: u16,
    /// `error.type`.
    pub(crate) kind: Box<str>,
    /// The column that the server names, if it names one.
    pub(crate) field: Option<Box<str>>,
}

impl Malformed {
    /// As the error that it is.
    pub(crate) fn error(&self, origin: Origin, index: &str) -> SinkError {
        let Self { status, kind, field } = self.clone();
        let field = field.unwrap_or_else(|| "?".into());
        SinkError::Malformed { origin, index: index.into(), status, kind, field }
    }
}

/// A server that refuses a request for its size does not read it, but ends the connection, and often
/// the end comes before the 413 that would say why (three times in 24 on loopback, with 8 MiB and
/// Elasticsearch 9.5.3). So a request of this size or more, 512 KiB, whose connection is cut so often
/// in a row by a server that answers others, counts as refused.
const CUT_FROM: usize = 512 << 10;
const CUTS_MAX: u32 = 4;

/// What an action is answered whose index is not there.
const NO_INDEX: &str = "index_not_found_exception";

/// Sends batches to one cluster.
pub(crate) struct Bulk {
    client: Arc<EsClient>,
    pace: Mutex<Pace>,
    meter: Arc<Meter>,
}

impl Bulk {
    pub(crate) fn new(client: Arc<EsClient>, limits: PaceLimits, meter: Arc<Meter>) -> Self {
        Self { client, pace: Mutex::new(Pace::new(limits)), meter }
    }

    /// How fast to go.
    pub(crate) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn client(&self) -> &Arc<EsClient> {
        &self.client
    }

    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Sends a batch until every action is applied, void, or refused for good.
    ///
    /// Cancel safe in this sense: an action may have been applied without being counted, and being
    /// applied again is void.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] for the first refusal that is not about one document, and when
    /// Elasticsearch does not let us in.
    pub(crate) async fn settle(&self, batch: &Batch) -> Result<Settled, SinkError> {
        let client = &self.client;
        let mut settled = Settled::default();
        let mut patience = Patience::with_elasticsearch();
        let all: Vec<usize> = (0..batch.actions().len()).collect();
        let mut parts = parts_within(client.limit().target(), batch, &all);
        let mut cuts = 0;
        while let Some(part) = parts.pop_front() {
            let sent = self.send(batch, &part).await?;
            cuts = if matches!(sent, Sent::Cut { .. }) { cuts + 1 } else { 0 };
            match sent {
                Sent::Items(items) => {
                    settled.applied += items.applied;
                    settled.stale += items.stale;
                    settled.refused.extend(items.refused);
                    if items.retry.is_empty() {
                        patience.succeeded();
                    } else {
                        self.put_back(batch, &items.retry, &mut parts);
                        patience.wait(client.urls(), &items.reason).await;
                    }
                }
                Sent::Nothing { reason } => {
                    self.put_back(batch, &part, &mut parts);
                    patience.wait(client.urls(), &reason).await;
                }
                Sent::Cut { bytes, reason } if cuts < CUTS_MAX || !client.is_alive().await => {
                    tracing::debug!(
                        bytes,
                        cuts,
                        "connection was cut while a large request was sent"
                    );
                    parts.push_front(part);
                    patience.wait(client.urls(), &reason).await;
                }
                Sent::TooLarge { bytes } | Sent::Cut { bytes, .. } => {
                    cuts = 0;
                    client.limit().refused(bytes);
                    match *part {
                        [action] => {
                            let why = Refusal::TooLarge { bytes };
                            settled.refused.push(Refused { action, why });
                        }
                        _ => split(&part, bytes, &mut parts),
                    }
                }
            }
        }
        Ok(settled)
    }

    /// What has to be sent again goes in requests of the size that the pace allows by now: one that is
    /// more than the server has memory for would be refused for ever.
    fn put_back(&self, batch: &Batch, part: &[usize], parts: &mut VecDeque<Vec<usize>>) {
        let bytes_max = self.client.limit().target().min(self.pace().bytes());
        for part in parts_within(bytes_max, batch, part).into_iter().rev() {
            parts.push_front(part);
        }
    }

    async fn send(&self, batch: &Batch, part: &[usize]) -> Result<Sent, SinkError> {
        let body = batch.body(part);
        let (actions, body_bytes) = (part.len(), body.len());
        tracing::debug!(actions, body_bytes, "bulk request sent");
        let sent_at = Instant::now();
        let answered = self.client.send(&Request::bulk(body)).await;
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(sent_at);
        let sent = self.judge(batch, part, (answered, body_bytes))?;
        let (outcome, cause) = sent.pace();
        self.pace().answered(sent_at, now, (body_bytes, outcome));
        self.meter.answered(elapsed, body_bytes, cause);
        let elapsed_ms = millis(elapsed);
        tracing::debug!(actions, cause, elapsed_ms, "bulk request answered");
        Ok(sent)
    }

    fn judge(
        &self,
        batch: &Batch,
        part: &[usize],
        (answered, body_bytes): (Result<Answer, NoAnswer>, usize),
    ) -> Result<Sent, SinkError> {
        let answer = match answered {
            Ok(answer) => answer,
            Err(NoAnswer { reason, was_cut: true }) if body_bytes >= CUT_FROM => {
                return Ok(Sent::Cut { bytes: body_bytes, reason: reason.into() });
            }
            Err(NoAnswer { reason, .. }) => return Ok(Sent::Nothing { reason: reason.into() }),
        };
        match answer.status {
            200 => {
                self.client.limit().accepted(body_bytes);
                self.judge_items(batch, part, &answer)
            }
            413 => Ok(Sent::TooLarge { bytes: body_bytes }),
            _ if answer.can_pass() => Ok(Sent::Nothing { reason: answer.reason() }),
            _ => Err(self.client.refusal(&answer, "write to", "_bulk")),
        }
    }

    /// An answer that does not fit the request says nothing about any item: it is sent again, which
    /// the versions make harmless.
    fn judge_items(
        &self,
        batch: &Batch,
        part: &[usize],
        answer: &Answer,
    ) -> Result<Sent, SinkError> {
        let actions = part.iter().filter_map(|index| batch.actions().get(*index));
        if response::all_applied(&answer.body, actions.clone().map(|action| action.verb)) {
            self.meter.items(actions.map(|action| (action, &ItemOutcome::Applied)));
            return Ok(Sent::Items(Items { applied: part.len(), ..Items::default() }));
        }
        let Some(outcomes) = response::outcomes(&answer.body, actions.clone().map(|a| a.verb))
        else {
            return Ok(Sent::Nothing { reason: "answer does not match the request".into() });
        };
        let mut items = Items::default();
        for ((place, action), outcome) in part.iter().zip(actions.clone()).zip(outcomes.iter()) {
            items.add(*place, action, outcome)?;
        }
        self.meter.items(actions.zip(&outcomes));
        Ok(Sent::Items(items))
    }
}

/// What one request has come to.
enum Sent {
    /// Each item has its outcome.
    Items(Items),
    /// No usable answer: all of it may be applied or none.
    Nothing { reason: Box<str> },
    /// Refused for its size.
    TooLarge { bytes: usize },
    /// The connection was cut, and the request is so large that this may be a refusal.
    Cut { bytes: usize, reason: Box<str> },
}

/// The outcomes of a request's items.
#[derive(Default)]
struct Items {
    applied: usize,
    stale: usize,
    refused: Vec<Refused>,
    retry: Vec<usize>,
    /// Why the last of them is to be sent again.
    reason: Box<str>,
    /// `error.type` of that.
    cause: Box<str>,
}

impl Items {
    fn add(
        &mut self,
        place: usize,
        action: &BulkAction,
        outcome: &ItemOutcome,
    ) -> Result<(), SinkError> {
        match outcome {
            ItemOutcome::Applied => self.applied += 1,
            ItemOutcome::Stale => self.stale += 1,
            ItemOutcome::Retry { status, kind } => {
                self.retry.push(place);
                self.reason = format!("item answered {status} {kind}").into();
                self.cause = kind.clone();
            }
            ItemOutcome::Malformed(why) => {
                let why = Refusal::Malformed(why.clone());
                self.refused.push(Refused { action: place, why });
            }
            // Its name is an alias that is gone, or no index is made by itself.
            ItemOutcome::Refused { kind, .. } if &**kind == NO_INDEX => {
                let index = (*action.document.index).into();
                return Err(IndexError::IndexLost { index, how: LostIndex::Deleted }.into());
            }
            ItemOutcome::Refused { status, kind } => {
                return Err(SinkError::Rejected {
                    origin: action.origin.clone(),
                    index: (*action.document.index).into(),
                    status: *status,
                    kind: kind.clone(),
                });
            }
        }
        Ok(())
    }
}

impl Sent {
    /// What it says about the server, and the cause of what has to be sent again.
    fn pace(&self) -> (Outcome, Option<&str>) {
        match self {
            Self::Items(items) if items.retry.is_empty() => (Outcome::Done, None),
            Self::Items(items) => (Outcome::Overloaded, Some(&items.cause)),
            Self::Nothing { reason } | Self::Cut { reason, .. } => {
                // `answered 429 …` names its kind; anything else is about the connection.
                let cause = reason.strip_prefix("answered ").unwrap_or("no answer");
                (Outcome::Overloaded, Some(cause.trim_end()))
            }
            Self::TooLarge { .. } => (Outcome::Done, Some("413")),
        }
    }
}

/// Actions of a batch, in parts whose bodies are not larger than they may be. An action that is larger
/// by itself is a part.
fn parts_within(bytes_max: usize, batch: &Batch, actions: &[usize]) -> VecDeque<Vec<usize>> {
    let (mut parts, mut part, mut bytes) = (VecDeque::new(), Vec::new(), 0_usize);
    for &number in actions {
        let more = batch.actions().get(number).map_or(0, Batch::bytes_of);
        if bytes.saturating_add(more) > bytes_max && !part.is_empty() {
            parts.push_back(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes = bytes.saturating_add(more);
        part.push(number);
    }
    parts.push_back(part);
    parts
}

/// Puts the two halves of a part in front, so that both are sent next.
fn split(part: &[usize], bytes: usize, parts: &mut VecDeque<Vec<usize>>) {
    let (first, second) = part.split_at(part.len() / 2);
    tracing::debug!(actions = part.len(), bytes, "bulk request is too large, splitting it");
    parts.push_front(second.to_vec());
    parts.push_front(first.to_vec());
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
