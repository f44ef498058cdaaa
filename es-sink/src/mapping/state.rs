//! An index as the server describes it.

use serde_json::{Map, Value};

use super::mark;

/// What `GET /{index}` says.
#[derive(Debug, Clone)]
pub(super) struct IndexState {
    /// Its own name, whatever it was asked for by.
    pub(super) name: Box<str>,
    /// Whether it was asked for by an alias.
    pub(super) is_alias: bool,
    /// Whether that alias hides documents.
    pub(super) is_filtered: bool,
    pub(super) meta: Map<String, Value>,
    pub(super) properties: Map<String, Value>,
    /// `settings.index`.
    pub(super) settings: Map<String, Value>,
}

impl IndexState {
    /// `None` unless the answer describes one index, or several of which one is written to.
    pub(super) fn parse(asked: &str, body: &[u8]) -> Option<Self> {
        let answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let alias = |index: &Value| index.get("aliases")?.get(asked).cloned();
        let is_written = |index: &Value| {
            alias(index)
                .is_some_and(|alias| alias.get("is_write_index") == Some(&Value::Bool(true)))
        };
        let is_only = answer.len() == 1;
        let (name, index) = answer.into_iter().find(|(_, index)| is_only || is_written(index))?;
        let object = |path: &str| {
            let value = index.pointer(path).and_then(Value::as_object);
            value.cloned().unwrap_or_default()
        };
        Some(Self {
            is_alias: name != asked,
            is_filtered: alias(&index).is_some_and(|alias| alias.get("filter").is_some()),
            meta: object("/mappings/_meta"),
            properties: object("/mappings/properties"),
            settings: object("/settings/index"),
            name: name.into(),
        })
    }

    /// What tells it from one of the same name that comes after it.
    pub(super) fn uuid(&self) -> Option<&str> {
        self.settings.get("uuid").and_then(Value::as_str)
    }

    /// What rowcast has written down about it.
    pub(super) fn noted(&self, key: &str) -> Option<&Value> {
        self.meta.get(mark::KEY)?.get(key)
    }

    /// Whether rowcast has ever written to it.
    pub(super) fn is_marked(&self) -> bool {
        self.meta.contains_key(mark::KEY)
    }

    /// Whether rowcast has made it.
    pub(super) fn is_ours(&self) -> bool {
        self.noted(mark::CREATED) == Some(&Value::Bool(true))
    }

    /// Whether all of its fields are as rowcast wanted them.
    pub(super) fn has_our_fields(&self) -> bool {
        self.is_ours() && self.noted(mark::TEMPLATED).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(answer: &Value) -> Option<IndexState> {
        IndexState::parse("orders", answer.to_string().as_bytes())
    }

    #[test]
    fn of_several_indices_behind_an_alias_the_one_that_is_written_to_counts() {
        let old = json!({"aliases": {"orders": {}}, "mappings": {}});
        let new = json!({"aliases": {"orders": {"is_write_index": true, "filter": {}}},
                         "settings": {"index": {"uuid": "u"}}});

        let state = parse(&json!({"orders-000001": old, "orders-000002": new})).unwrap();

        assert_eq!((&*state.name, state.uuid()), ("orders-000002", Some("u")));
        assert!(state.is_alias && state.is_filtered && !state.is_marked());
        assert!(parse(&json!({"orders-000001": old, "orders-000003": old})).is_none());
        assert!(!parse(&json!({"orders": {"aliases": {}}})).unwrap().is_alias);
    }
}
