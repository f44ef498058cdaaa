//! Data streams: a template with the fields, and the stream that is made of it.
//!
//! <https://www.elastic.co/docs/manage-data/data-store/data-streams>

use std::sync::Arc;

use schema::plan::document::DocumentField;
use serde_json::{Map, Value, json};

use super::Indices;
use crate::bulk::error_kind;
use crate::client::{Method, Request};
use crate::error::SinkError;

/// Above the templates that Elasticsearch brings along, which have 100 and 200.
const PRIORITY: u32 = 500;

impl Indices {
    /// Makes a data stream ready for documents with these fields: the template for what is made
    /// from now on, the stream if it is missing, and the fields of the index that it writes to now.
    pub(crate) async fn prepare_stream(
        &mut self,
        stream: &Arc<str>,
        fields: &[DocumentField],
        is_dynamic: bool,
    ) -> Result<(), SinkError> {
        let template = format!("/_index_template/rowcast-{stream}");
        let mut properties = self.known(&template, stream).await?;
        for (name, property) in self.types.properties(stream, fields) {
            // What is there stays: another topic's fields, or what a person has changed.
            properties.entry(name).or_insert(property);
        }
        let settings: Map<String, Value> =
            self.config.settings.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let body = json!({
            "index_patterns": [**stream],
            "priority": PRIORITY,
            "data_stream": {},
            "template": {
                "settings": settings,
                "mappings": { "dynamic": is_dynamic, "properties": properties },
            },
        });
        self.ask_for(template, &body, "put the template of", stream).await?;
        if self.make(stream).await? {
            tracing::info!(stream = &**stream, "data stream created");
            return Ok(());
        }
        let body = json!({ "properties": properties });
        self.ask_for(format!("/{stream}/_mapping"), &body, "extend the mapping of", stream).await
    }

    /// The fields that the template has.
    async fn known(&self, path: &str, stream: &str) -> Result<Map<String, Value>, SinkError> {
        let action = "read the template of";
        let request = Request::json(Method::Get, path.to_owned(), None);
        let answer = self.client.ask(&request, action, stream).await?;
        match answer.status {
            404 => Ok(Map::new()),
            200 => {
                let found: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let path = "/index_templates/0/index_template/template/mappings/properties";
                Ok(found.pointer(path).and_then(Value::as_object).cloned().unwrap_or_default())
            }
            _ => Err(self.client.refusal(&answer, action, stream)),
        }
    }

    /// Makes the stream; `false` if it is there.
    async fn make(&self, stream: &str) -> Result<bool, SinkError> {
        let action = "create data stream";
        let request = Request::json(Method::Put, format!("/_data_stream/{stream}"), None);
        let answer = self.client.ask(&request, action, stream).await?;
        match answer.status {
            200 => Ok(true),
            400 if &*error_kind(&answer.body) == "resource_already_exists_exception" => Ok(false),
            _ => Err(self.client.refusal(&answer, action, stream)),
        }
    }

    async fn ask_for(
        &self,
        path: String,
        body: &Value,
        action: &'static str,
        stream: &str,
    ) -> Result<(), SinkError> {
        let answer = self.put(path, body, action, stream).await?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(self.client.refusal(&answer, action, stream))
    }
}
