//! Conflicts between indices and the rows that will come, before the first of them.
//!
//! The registry knows a topic's latest schema under `<topic>-value`, as Confluent's converter and
//! rowcast name it. What cannot be looked at now, because a server is away, there is no such
//! subject or it makes no documents, is met by the first record; the check delays a start by its
//! deadline at most.

use std::sync::Arc;
use std::time::Duration;

use connect::kafka::consumer::Topics;
use regex::Regex;
use schema::fault;
use schema::registry::{Registry, RegistryError};
use tokio::time::timeout;

use crate::document::Documents;
use crate::error::{IndexError, SinkError};

/// Longest time for all topics.
const DEADLINE: Duration = Duration::from_secs(30);
/// Most topics of a pattern that are looked at: two requests each.
const TOPICS_MAX: usize = 1_000;

/// Compares the indices of all topics with the latest schemas, as documents will be made of them.
/// All conflicts are logged; the first one is the error.
///
/// # Errors
///
/// Returns [`SinkError`] for fields that cannot hold what the schema has.
pub(crate) async fn check(documents: &mut Documents, topics: &Topics) -> Result<(), SinkError> {
    let checked = timeout(DEADLINE, async {
        let topics = match names(documents.registry(), topics).await {
            Ok(topics) => topics,
            Err(error) => {
                let error = fault::chain(&error);
                tracing::info!(error, "indices are not looked at before the first record");
                return Ok(());
            }
        };
        check_all(documents, &topics).await
    });
    checked.await.unwrap_or_else(|_| {
        tracing::info!("not all indices could be looked at before the first record");
        Ok(())
    })
}

async fn check_all(documents: &mut Documents, topics: &[Arc<str>]) -> Result<(), SinkError> {
    let mut first = None;
    for topic in topics {
        let latest = documents.registry().latest(&format!("{topic}-value")).await;
        let Ok(Some(schema)) = latest else { continue };
        let Some((index, fields)) = documents.outlook(topic, &schema) else { continue };
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

/// The topics that the registry may have schemas of.
async fn names(registry: &Registry, topics: &Topics) -> Result<Vec<Arc<str>>, RegistryError> {
    match topics {
        Topics::List(list) => Ok(list.iter().map(|topic| topic.as_str().into()).collect()),
        Topics::Regex(pattern) => {
            // The consumer's patterns are another library's; what only that one knows is left out.
            let Ok(pattern) = Regex::new(&format!("^(?:{pattern})$")) else {
                return Ok(Vec::new());
            };
            let subjects = registry.subjects().await?;
            let topics = subjects.iter().filter_map(|subject| subject.strip_suffix("-value"));
            let topics = topics.filter(|topic| pattern.is_match(topic));
            Ok(topics.take(TOPICS_MAX).map(Into::into).collect())
        }
    }
}

#[cfg(test)]
mod tests;
