//! Indices whose fields Elasticsearch maps by itself: records without a schema, and `schema.ignore`.

use std::sync::Arc;

use schema::plan::document::DocumentField;
use serde_json::json;

use super::{Indices, VersionKind};
use crate::error::SinkError;

impl Indices {
    /// Makes an index ready for documents of which only these fields are known. The others get the
    /// types that Elasticsearch makes of their first values.
    pub(crate) async fn prepare_dynamic(
        &mut self,
        index: &Arc<str>,
        fields: &[DocumentField],
        versions: VersionKind,
        topic: &Arc<str>,
    ) -> Result<(), SinkError> {
        self.prepare(index, fields, versions, topic).await?;
        let action = "make dynamic the mapping of";
        let body = json!({ "dynamic": true });
        let answer = self.put(format!("/{index}/_mapping"), &body, action, index).await?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(self.client.refusal(&answer, action, index))
    }
}
