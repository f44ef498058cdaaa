//! Bulk requests: actions out, one outcome for each back.
//!
//! [`settle`] ends when every action of a batch is applied or void. Whatever can pass is waited
//! for there, item by item, so nothing else in the sink knows about retries.

mod client;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod request;
mod response;
mod size_limit;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use client::{Answer, EsClient, Method, NoAnswer, Request};
pub(crate) use response::error_kind;

use crate::batch::Batch;
use crate::error::{Origin, SinkError};
use crate::patience::Patience;
use response::ItemOutcome;
pub(crate) use size_limit::SizeLimit;

/// What happens to one document.
#[derive(Debug, Clone)]
pub(crate) struct BulkAction {
    pub(crate) document: DocumentKey,
    pub(crate) version: DocVersion,
    pub(crate) kind: ActionKind,
    /// The record that asks for it.
    pub(crate) origin: Origin,
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

/// Write it, or delete it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ActionKind {
    /// Write the document that stands here in the batch.
    Index(Range<usize>),
    Delete,
}

/// What has become of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Actions that changed the index.
    pub(crate) applied: usize,
    /// Actions that were void: the index had the same or a later version.
    pub(crate) stale: usize,
    /// Actions that are neither, because a request of one of them alone is too large.
    pub(crate) too_large: Vec<TooLarge>,
}

/// An action that is too large for any request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    /// Its place in the batch.
    pub(crate) action: usize,
    /// The size of a request that has nothing else.
    pub(crate) bytes: usize,
}

/// A server that refuses a request for its size does not read it, but ends the connection, and often
/// the end comes before the 413 that would say why (three times in 24 on loopback, with 8 MiB and
/// Elasticsearch 9.5.3). So a request of this size or more, 512 KiB, whose connection is cut so often
/// in a row by a server that answers others, counts as refused.
const CUT_FROM: usize = 512 << 10;
const CUTS_MAX: u32 = 4;

/// Sends a batch until every action is applied, void, or found to be too large.
///
/// Cancel safe in this sense: an action may have been applied without being counted, and being
/// applied again is void.
///
/// # Errors
///
/// Returns [`SinkError`] for the first action that Elasticsearch will never accept, or when it
/// does not let us in.
pub(crate) async fn settle(client: &EsClient, batch: &Batch) -> Result<Settled, SinkError> {
    let mut settled = Settled::default();
    let mut patience = Patience::with_elasticsearch();
    let mut parts = parts_within(client.limit().target(), batch);
    let mut cuts = 0;
    while let Some(part) = parts.pop_front() {
        let sent = send(client, batch, &part).await?;
        cuts = if matches!(sent, Sent::Cut { .. }) { cuts + 1 } else { 0 };
        match sent {
            Sent::Items { applied, stale, retry, reason } => {
                settled.applied += applied;
                settled.stale += stale;
                if retry.is_empty() {
                    patience.succeeded();
                } else {
                    parts.push_front(retry);
                    patience.wait(client.urls(), &reason).await;
                }
            }
            Sent::Nothing { reason } => {
                parts.push_front(part);
                patience.wait(client.urls(), &reason).await;
            }
            Sent::Cut { bytes, reason } if cuts < CUTS_MAX || !client.is_alive().await => {
                tracing::debug!(bytes, cuts, "connection was cut while a large request was sent");
                parts.push_front(part);
                patience.wait(client.urls(), &reason).await;
            }
            Sent::TooLarge { bytes } | Sent::Cut { bytes, .. } => {
                cuts = 0;
                client.limit().refused(bytes);
                match *part {
                    [action] => settled.too_large.push(TooLarge { action, bytes }),
                    _ => split(&part, bytes, &mut parts),
                }
            }
        }
    }
    Ok(settled)
}

/// What one request has come to.
enum Sent {
    /// Each item has its outcome.
    Items { applied: usize, stale: usize, retry: Vec<usize>, reason: Box<str> },
    /// No usable answer: all of it may be applied or none.
    Nothing { reason: Box<str> },
    /// Refused for its size.
    TooLarge { bytes: usize },
    /// The connection was cut, and the request is so large that this may be a refusal.
    Cut { bytes: usize, reason: Box<str> },
}

async fn send(client: &EsClient, batch: &Batch, part: &[usize]) -> Result<Sent, SinkError> {
    let body = request::body(batch, part);
    let (actions, body_bytes) = (part.len(), body.len());
    tracing::debug!(actions, body_bytes, "bulk request sent");
    let sent_at = Instant::now();
    let answered = client.send(&Request::bulk(body)).await;
    let answer = match answered {
        Ok(answer) => answer,
        Err(NoAnswer { reason, was_cut: true }) if body_bytes >= CUT_FROM => {
            return Ok(Sent::Cut { bytes: body_bytes, reason: reason.into() });
        }
        Err(NoAnswer { reason, .. }) => return Ok(Sent::Nothing { reason: reason.into() }),
    };
    let elapsed_ms = millis(sent_at.elapsed());
    tracing::debug!(actions, status = answer.status, elapsed_ms, "bulk request answered");
    match answer.status {
        200 => {
            client.limit().accepted(body_bytes);
            judge_items(batch, part, &answer)
        }
        413 => Ok(Sent::TooLarge { bytes: body_bytes }),
        _ if answer.can_pass() => Ok(Sent::Nothing { reason: answer.reason() }),
        _ => Err(client.refusal(&answer, "write to", "_bulk")),
    }
}

/// An answer that does not fit the request says nothing about any item: it is sent again, which
/// the versions make harmless.
fn judge_items(batch: &Batch, part: &[usize], answer: &Answer) -> Result<Sent, SinkError> {
    let actions = part.iter().filter_map(|index| batch.actions().get(*index));
    let Some(outcomes) = response::outcomes(&answer.body, actions.clone().map(|a| &a.kind)) else {
        return Ok(Sent::Nothing { reason: "answer does not match the request".into() });
    };
    let (mut applied, mut stale, mut retry) = (0, 0, Vec::new());
    let mut reason = Box::default();
    for ((index, action), outcome) in part.iter().zip(actions).zip(outcomes) {
        match outcome {
            ItemOutcome::Applied => applied += 1,
            ItemOutcome::Stale => stale += 1,
            ItemOutcome::Retry { status, kind } => {
                retry.push(*index);
                reason = format!("item answered {status} {kind}").into();
            }
            ItemOutcome::Refused { status, kind } => {
                let (origin, index) = (action.origin.clone(), (*action.document.index).into());
                return Err(SinkError::Rejected { origin, index, status, kind });
            }
        }
    }
    Ok(Sent::Items { applied, stale, retry, reason })
}

/// All actions of a batch, in parts whose bodies are not larger than they may be. An action that
/// is larger by itself is a part.
fn parts_within(bytes_max: usize, batch: &Batch) -> VecDeque<Vec<usize>> {
    let (mut parts, mut part, mut bytes) = (VecDeque::new(), Vec::new(), 0_usize);
    for (number, action) in batch.actions().iter().enumerate() {
        let more = batch.bytes_of(action);
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
