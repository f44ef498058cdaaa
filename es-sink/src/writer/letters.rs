//! The dead letters of one task: written when a document is not taken, marked as healed when a later
//! write of the same document is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use connect::kafka::dead_letters::{DeadLetterError, DeadLetters, Reason};
use schema::fault::{self, Disposition, Fault};
use serde_json::json;

use crate::bulk::{BulkAction, DocumentKey, Malformed};
use crate::error::{Origin, Poison, SINK_TASK, SinkError};
use crate::patience::Patience;

/// Documents whose letters are remembered: 10,000, some 2 MB. Of others `rowcast dlq` shows no healing.
const OPEN_MAX: usize = 10_000;
/// Letters of one document that are remembered: the first ones.
const OF_DOCUMENT_MAX: usize = 16;

/// The dead letters of one task.
pub(super) struct Letters {
    letters: DeadLetters,
    open: Mutex<HashMap<DocumentKey, Vec<Origin>>>,
}

impl Letters {
    pub(super) fn new(letters: DeadLetters) -> Self {
        Self { letters, open: Mutex::default() }
    }

    /// Copies the record of an action to the dead-letter topic; why that cannot be.
    pub(super) async fn write(
        &self,
        action: &BulkAction,
        class: &'static str,
        (error, malformed): (&SinkError, Option<&Malformed>),
    ) -> Result<(), String> {
        let DocumentKey { index, id } = &action.document;
        let details = match malformed {
            Some(Malformed { status, kind, field }) => {
                json!({ "status": status, "type": kind, "field": field })
            }
            None => json!({ "status": 413 }),
        };
        let headers = vec![
            ("rowcast.dlq.index", index.to_string()),
            ("rowcast.dlq.id", id.to_string()),
            ("rowcast.dlq.version", action.version.0.to_string()),
            ("rowcast.dlq.error", details.to_string()),
        ];
        let (stage, message) = ("TASK_PUT", error.to_string());
        let reason = Reason { stage, class: SINK_TASK, exception: class, message, headers };
        self.until_written(&action.origin, Some(&reason)).await?;
        self.remember(action);
        let topic = self.letters.topic();
        tracing::warn!(
            record = %action.origin,
            topic,
            error = %error,
            "document is not taken by elasticsearch, its record is in the dead-letter topic"
        );
        Ok(())
    }

    /// Copies a record that makes no document to the dead-letter topic; why that cannot be.
    ///
    /// Cancel safe in this sense: it may be there although nobody knows.
    pub(super) async fn bury(&self, origin: &Origin, poison: &Poison) -> Result<(), String> {
        let Poison { stage, class, exception, message } = poison.clone();
        let reason = Reason { stage, class, exception, message, headers: Vec::new() };
        self.until_written(origin, Some(&reason)).await
    }

    fn remember(&self, action: &BulkAction) {
        let mut open = self.open();
        if open.len() >= OPEN_MAX && !open.contains_key(&action.document) {
            return;
        }
        let letters = open.entry(action.document.clone()).or_default();
        if letters.len() < OF_DOCUMENT_MAX {
            letters.push(action.origin.clone());
        }
    }

    /// Whether any letter is known that is not healed.
    pub(super) fn are_open(&self) -> bool {
        !self.open().is_empty()
    }

    /// An action was applied: the letters of its document are marked as healed.
    pub(super) async fn heal(&self, action: &BulkAction) {
        let Some(letters) = self.open().remove(&action.document) else { return };
        for record in letters {
            match self.until_written(&record, None).await {
                Ok(()) => tracing::info!(
                    %record,
                    by = %action.origin,
                    "dead letter is healed by a later write of its document"
                ),
                Err(error) => tracing::warn!(
                    %record,
                    error,
                    hint = "`rowcast dlq list` shows it open; to send it back would be void",
                    "dead letter is healed by a later write, and cannot be marked so"
                ),
            }
        }
    }

    /// Writes the letter of a record, or without a reason that it is healed.
    async fn until_written(&self, record: &Origin, reason: Option<&Reason>) -> Result<(), String> {
        let Origin { partition, offset } = record;
        let mut patience = Patience::with_kafka();
        loop {
            let written = match reason {
                Some(reason) => self.letters.write(partition, *offset, reason).await,
                None => self.letters.heal(partition, *offset).await,
            };
            match written {
                Ok(()) => return Ok(()),
                Err(DeadLetterError::Kafka(error)) if error.disposition() == Disposition::Retry => {
                    patience.wait("bootstrap.servers", &fault::chain(&error)).await;
                }
                Err(error) => return Err(fault::chain(&error)),
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<DocumentKey, Vec<Origin>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
