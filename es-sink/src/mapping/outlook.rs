//! What would become of an index, without doing it.

use std::sync::Arc;

use schema::plan::document::DocumentField;
use serde_json::Value;

use super::{ANY_DATE, Indices, Standing, VersionKind, lost, table_of};
use crate::client::{Method, Request};
use crate::error::{IndexError, SinkError};

/// What [`Indices::prepare`] would do with an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IndexOutlook {
    /// It is missing.
    Made {
        /// Its own name, which differs from what it is asked for by if that is an alias.
        own_name: Box<str>,
        /// How many fields it would have.
        fields: usize,
    },
    /// Its mapping lacks these fields.
    Extended {
        /// Their names.
        fields: Vec<String>,
    },
    /// Nothing.
    Fits,
}

impl Indices {
    /// Looks at an index as it would be prepared, and changes nothing. With a date in its name, the
    /// latest one counts.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] for what would be in the way: fields that cannot hold what the records
    /// have, and documents of others.
    pub(crate) async fn outlook(
        &mut self,
        index: &Arc<str>,
        topic: &Arc<str>,
        fields: &[DocumentField],
    ) -> Result<IndexOutlook, SinkError> {
        let fields = self.with_own(fields);
        let found = match index.contains(ANY_DATE) {
            true => self.of_topic(index, topic).await?.pop(),
            false => Some(Arc::clone(index)),
        };
        let state = match &found {
            Some(index) => self.read(index).await?,
            None => None,
        };
        let Some(state) = state else {
            let own_name = self.generation(index).into();
            return Ok(IndexOutlook::Made { own_name, fields: fields.len() });
        };
        // Without the group's offsets a lost index cannot be told from a new one.
        if lost::standing(&state, false) == Standing::Unknown
            && !self.config.adopt
            && self.has_documents(&state.name).await?
        {
            return Err(IndexError::NotAdopted { index: (**index).into() }.into());
        }
        self.mark(VersionKind::Lsn, topic).meets(&state.meta, index, topic)?;
        let missing = self.difference(&state, table_of(topic), &fields)?;
        if missing.is_empty() {
            return Ok(IndexOutlook::Fits);
        }
        Ok(IndexOutlook::Extended { fields: missing.into_iter().map(|(name, _)| name).collect() })
    }

    /// Whether a search finds any.
    pub(super) async fn has_documents(&self, index: &str) -> Result<bool, SinkError> {
        let path = format!("/{index}/_count?terminate_after=1");
        let action = "count the documents of";
        let answer =
            self.client.ask(&Request::json(Method::Get, path, None), action, index).await?;
        let count = serde_json::from_slice::<Value>(&answer.body).ok();
        match count.and_then(|answer| answer.get("count")?.as_u64()) {
            Some(count) if answer.status == 200 => Ok(count > 0),
            Some(_) | None => Err(self.client.refusal(&answer, action, index)),
        }
    }
}
