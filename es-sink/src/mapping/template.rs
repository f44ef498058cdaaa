//! Index templates: the user's own in the cluster, and the one in the settings.
//!
//! What a template says about a field, or about `dynamic` and `gc_deletes`, is left to it: the body
//! of a creation would win over every template.

use serde_json::{Map, Value};

use super::Indices;
use crate::client::{Method, Request};
use crate::error::SinkError;

/// What the templates of the cluster make of a name, put together by the server.
#[derive(Debug, Default)]
pub(super) struct Template {
    pub(super) settings: Map<String, Value>,
    pub(super) properties: Map<String, Value>,
    pub(super) says_dynamic: bool,
}

impl Template {
    fn parse(body: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let object = |path: &str| {
            let value = answer.pointer(path).and_then(Value::as_object);
            value.cloned().unwrap_or_default()
        };
        Self {
            settings: object("/template/settings/index"),
            properties: object("/template/mappings/properties"),
            says_dynamic: answer.pointer("/template/mappings/dynamic").is_some(),
        }
    }
}

impl Indices {
    /// What an index of this name gets from templates. Nothing where the server cannot say, or
    /// not to us: it needs the privilege `manage_index_templates`.
    pub(super) async fn template_for(&self, index: &str) -> Result<Template, SinkError> {
        let path = format!("/_index_template/_simulate_index/{index}");
        let request = Request::json(Method::Post, path, None);
        match self.client.ask(&request, "look for templates of", index).await {
            Ok(answer) if answer.status == 200 => Ok(Template::parse(&answer.body)),
            Ok(answer) => {
                tracing::debug!(index, status = answer.status, "no templates to look at");
                Ok(Template::default())
            }
            Err(SinkError::Denied { status: 403, .. }) => {
                tracing::info!(
                    index,
                    hint = "give the user the cluster privilege manage_index_templates if \
                            templates in the cluster are to win over rowcast's defaults",
                    "templates may not be looked at, so rowcast's mapping wins over them"
                );
                Ok(Template::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Puts `index.template` under the connector's name, once.
    pub(super) async fn put_template(&mut self) -> Result<(), SinkError> {
        let Some(template) = self.config.template.take() else { return Ok(()) };
        let name = format!("rowcast-{}", self.connector);
        let action = "put index template";
        let answer = self.put(format!("/_index_template/{name}"), &template, action, &name).await?;
        if answer.status != 200 {
            return Err(self.client.refusal(&answer, action, &name));
        }
        tracing::info!(name, "index template put");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_simulation_without_a_match_is_an_empty_template() {
        let template = Template::parse(b"{}");
        assert!(template.properties.is_empty() && !template.says_dynamic);

        let answer = json!({"template": {
            "settings": {"index": {"gc_deletes": "2h"}},
            "mappings": {"dynamic": "strict", "properties": {"a": {"type": "keyword"}}},
        }});
        let template = Template::parse(answer.to_string().as_bytes());
        assert_eq!(template.settings["gc_deletes"], "2h");
        assert!(template.properties.contains_key("a") && template.says_dynamic);
    }
}
