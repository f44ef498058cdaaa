//! Indices that have a date in their names: one table has many.
//!
//! They come with their first rows and go when somebody deletes those that are old enough. So one
//! that is missing is no loss, unlike any other index.

use std::sync::Arc;

use schema::date_hour::DateHour;
use serde_json::{Map, Value};

use super::{Indices, mark};
use crate::client::{Method, Request};
use crate::error::{IndexError, LostIndex, SinkError};

impl Indices {
    /// The column whose date is in the names of indices.
    pub(crate) fn date_column(&self) -> Option<&str> {
        self.config.name.date_column()
    }

    /// What of a date the names say.
    pub(crate) fn rounded(&self, date: DateHour) -> DateHour {
        self.config.name.rounded(date)
    }

    /// The index that a topic's rows of a date go to.
    pub(crate) fn on(&self, topic: &str, date: DateHour) -> Result<Arc<str>, SinkError> {
        self.config.name.on(topic, date, self.behind_name())
    }

    /// Whether an index was prepared and is still taken for the same.
    pub(crate) fn knows(&self, index: &Arc<str>) -> bool {
        self.prepared.contains_key(index)
    }

    /// Forgets all that have a date. The next record of each has it prepared again.
    pub(crate) fn forget_dated(&mut self) {
        self.prepared.retain(|_, known| !known.is_dated);
        self.bulk_load.forget_counts();
    }

    /// What an index that a request has not found means: with a date it may be gone.
    pub(crate) fn judge(&self, error: SinkError) -> SinkError {
        if let SinkError::Index(IndexError::IndexLost { index, how: LostIndex::Deleted }) = &error
            && self.prepared.get(&**index).is_some_and(|known| known.is_dated)
        {
            return IndexError::DatedGone { index: index.clone() }.into();
        }
        error
    }

    /// Which of a topic's indices there are, by a pattern of their names: the one that was written
    /// to last, by its date, is the last.
    pub(crate) async fn of_topic(
        &self,
        pattern: &str,
        topic: &str,
    ) -> Result<Vec<Arc<str>>, SinkError> {
        let action = "look for the indices of";
        let path = format!("/{pattern}?filter_path=*.aliases,*.mappings._meta.{}", mark::KEY);
        let answer =
            self.client.ask(&Request::json(Method::Get, path, None), action, pattern).await?;
        let found: Option<Map<String, Value>> = match answer.status {
            404 => return Ok(Vec::new()),
            200 => serde_json::from_slice(&answer.body).ok(),
            _ => None,
        };
        let Some(found) = found else {
            return Err(self.client.refusal(&answer, action, pattern));
        };
        let mut names: Vec<Arc<str>> = Vec::new();
        for (own, index) in &found {
            if !is_of(index, topic) {
                continue;
            }
            let aliases = index.get("aliases").and_then(Value::as_object);
            let aliases = aliases.into_iter().flat_map(Map::keys);
            let all = std::iter::once(own).chain(aliases);
            let named = all.filter(|name| self.config.name.is_dated(topic, name));
            names.extend(named.map(|name| Arc::from(name.as_str())));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// Whether an index says that it has documents of a topic, maybe beside those of others.
fn is_of(index: &Value, topic: &str) -> bool {
    let Some(ours) = index.pointer("/mappings/_meta").and_then(|meta| meta.get(mark::KEY)) else {
        return false;
    };
    ours.get("topic").and_then(Value::as_str) == Some(topic)
        || ours.get("shared") == Some(&Value::Bool(true))
}
