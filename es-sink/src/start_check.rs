//! Conflicts between indices and the rows that will come, before the first of them.
//!
//! The broker knows the topics, and the registry a topic's latest schema under `<topic>-value`, as
//! Confluent's converter and rowcast name it. The registry is not asked for its subjects: Apicurio
//! lists no more than 1,000 of them. What cannot be looked at now, because a server is away, there is
//! no such subject or it makes no documents, is met by the first record; the check delays a start by
//! its deadline at most.

use std::sync::Arc;
use std::time::Duration;

use connect::kafka::consumer::ConsumerConfig;
use schema::fault;
use tokio::time::timeout;

use crate::document::Documents;
use crate::error::{IndexError, SinkError};

/// Longest time for all topics.
const DEADLINE: Duration = Duration::from_secs(30);
/// Most topics that are looked at: two requests each.
const TOPICS_MAX: usize = 1_000;

/// Compares the indices of all topics with the latest schemas, as documents will be made of them.
/// All conflicts are logged; the first one is the error.
///
/// # Errors
///
/// Returns [`SinkError`] for fields that cannot hold what the schema has.
pub(crate) async fn check(
    documents: &mut Documents,
    consumer: &ConsumerConfig,
) -> Result<(), SinkError> {
    let checked = timeout(DEADLINE, async {
        match consumer.topics_now().await {
            Ok(topics) => check_all(documents, &topics).await,
            Err(error) => {
                let error = fault::chain(&error);
                tracing::info!(error, "indices are not looked at before the first record");
                Ok(())
            }
        }
    });
    checked.await.unwrap_or_else(|_| {
        tracing::info!("not all indices could be looked at before the first record");
        Ok(())
    })
}

async fn check_all(documents: &mut Documents, topics: &[Arc<str>]) -> Result<(), SinkError> {
    let mut first = None;
    for topic in topics.iter().take(TOPICS_MAX) {
        let latest = documents.registry().latest(&format!("{topic}-value")).await;
        let Ok(Some(schema)) = latest else { continue };
        let Some(routed) = documents.routed(topic) else { continue };
        let Some((index, fields)) = documents.outlook(&routed, &schema) else { continue };
        let checked = documents.indices().check(&index, topic, &fields).await;
        let Err(error) = checked else { continue };
        match (&first, error) {
            (None, error @ SinkError::Index(IndexError::MappingConflict { .. })) => {
                first = Some(error);
            }
            (Some(_), SinkError::Index(error @ IndexError::MappingConflict { .. })) => {
                let error = fault::chain(&error);
                tracing::warn!(topic = &**topic, error, "another index does not fit its topic");
            }
            // The first record meets it.
            (_, error) => {
                let error = fault::chain(&error);
                tracing::debug!(topic = &**topic, error, "index not looked at");
            }
        }
    }
    first.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
