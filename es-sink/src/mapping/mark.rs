//! What an index says about its documents: `rowcast` in `_meta` of its mapping.
//!
//! `versions`: a Kafka offset is always smaller than an [`schema::lsn::Lsn`], so an index that gets
//! offsets behind Lsns would lose rows without an error. The other way round is what comes of a topic
//! that was taken over from another source (`takeover.rs`). `topic`: two tables in one index would share the documents of
//! rows with the same key, and a sweep of one would take the other's with it. So an index belongs to
//! the topic that has come first, or is `shared`: then ids begin with the topic and each document
//! has it in a field.
//!
//! `created`, `index_uuid` and `bulk_load` are about the index itself: whether rowcast has made it,
//! which one it is, and what is to be put back after a snapshot.

use std::sync::Arc;

use schema::plan::document::{DocumentField, FieldKind};
use serde_json::{Map, Value, json};

use crate::error::SinkError;

/// The field that has the topic of a document, in an index that several share.
pub(crate) const TOPIC_FIELD: &str = "__topic";

/// The field that says of a document that its row is gone, where deletes are soft.
pub(crate) const DELETED_FIELD: &str = "__deleted";
/// The same behind the name of a table.
pub(super) const DELETED_SUFFIX: &str = ".__deleted";

/// Where rowcast's notes are in `_meta`.
pub(super) const KEY: &str = "rowcast";
/// Whether rowcast has made the index.
pub(super) const CREATED: &str = "created";
/// Whether a template has said what some of its fields are.
pub(super) const TEMPLATED: &str = "templated";
/// Where its records begin to have an Lsn, if there are others before.
pub(super) const TAKEN_OVER: &str = "taken_over";
/// The index's UUID. A restored index has that of the one that was saved.
pub(super) const INDEX_UUID: &str = "index_uuid";
/// The settings that were in force before a snapshot.
pub(super) const BULK_LOAD: &str = "bulk_load";

/// What the versions of an index are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VersionKind {
    Lsn,
    Offset,
}

/// Whose documents an index has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Those of one topic.
    Topic(Arc<str>),
    /// Those of several, each with its topic.
    Shared,
}

/// What an index says about its documents, or has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(super) versions: VersionKind,
    pub(super) owner: Owner,
}

impl VersionKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Lsn => "lsn",
            Self::Offset => "kafka offset",
        }
    }
}

impl Mark {
    /// Whether documents of a topic may be in the index.
    pub(super) fn is_of(&self, topic: &Arc<str>) -> bool {
        match &self.owner {
            Owner::Topic(owner) => owner == topic,
            Owner::Shared => true,
        }
    }

    /// This mark among what an index's `_meta` has already.
    pub(super) fn added_to(&self, meta: &Map<String, Value>) -> Map<String, Value> {
        let found = noted_versions(meta);
        let is_taken_over = self.versions == VersionKind::Lsn
            && found.is_some_and(|found| found == VersionKind::Offset.word());
        let meta =
            if is_taken_over { with_note(meta, TAKEN_OVER, json!({})) } else { meta.clone() };
        // An index that was taken over stays so when an old record is read again.
        let versions = match meta.get(KEY).and_then(|ours| ours.get(TAKEN_OVER)) {
            Some(_) => VersionKind::Lsn,
            None => self.versions,
        };
        let meta = with_note(&meta, "versions", json!(versions.word()));
        match &self.owner {
            Owner::Topic(topic) => with_note(&meta, "topic", json!(**topic)),
            Owner::Shared => with_note(&meta, "shared", json!(true)),
        }
    }

    /// Whether an index says this already; `false` if it does not say all of it.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] when it says something else.
    pub(super) fn meets(
        &self,
        meta: &Map<String, Value>,
        index: &str,
        topic: &str,
    ) -> Result<bool, SinkError> {
        let Some(found) = meta.get(KEY) else { return Ok(false) };
        let versions = noted_versions(meta);
        let mut is_taken_over = false;
        if let Some(versions) = versions
            && versions != self.versions.word()
        {
            // Offsets first and then Lsns is the order of a topic that was taken over.
            is_taken_over = versions == VersionKind::Offset.word();
            if !is_taken_over && found.get(TAKEN_OVER).is_none() {
                return Err(self.mixed(index, versions, topic));
            }
        }
        let owner = match (found.get("topic").and_then(Value::as_str), found.get("shared")) {
            (Some(owner), _) => Some(Owner::Topic(owner.into())),
            (None, Some(_)) => Some(Owner::Shared),
            (None, None) => None,
        };
        match owner {
            Some(owner) if owner != self.owner => Err(self.foreign(index, &owner, topic)),
            owner => Ok(owner.is_some() && versions.is_some() && !is_taken_over),
        }
    }

    /// Why documents like `wanted` may not be in an index with this mark.
    pub(super) fn refuse(&self, index: &str, wanted: &Self, topic: &str) -> Result<(), SinkError> {
        if self.versions != wanted.versions {
            return Err(wanted.mixed(index, self.versions.word(), topic));
        }
        Err(wanted.foreign(index, &self.owner, topic))
    }

    fn mixed(&self, index: &str, found: &str, topic: &str) -> SinkError {
        SinkError::MixedVersions {
            index: index.into(),
            found: found.into(),
            wanted: self.versions.word(),
            topic: topic.into(),
        }
    }

    fn foreign(&self, index: &str, found: &Owner, topic: &str) -> SinkError {
        let found = match found {
            Owner::Topic(owner) => format!("has the documents of topic {owner}"),
            Owner::Shared => "is shared by several topics".to_owned(),
        };
        let wanted = match self.owner {
            Owner::Topic(_) => "an index of its own",
            Owner::Shared => "one that is shared",
        };
        SinkError::ForeignIndex {
            index: index.into(),
            found: found.into(),
            wanted,
            topic: topic.into(),
        }
    }
}

/// What an index says that its versions are.
pub(super) fn noted_versions(meta: &Map<String, Value>) -> Option<&str> {
    meta.get(KEY)?.get("versions")?.as_str()
}

/// `_meta` with one more note of rowcast's, or another value of it; null takes it away.
pub(super) fn with_note(meta: &Map<String, Value>, key: &str, value: Value) -> Map<String, Value> {
    let mut meta = meta.clone();
    let mut ours = meta.get(KEY).and_then(Value::as_object).cloned().unwrap_or_default();
    match value {
        Value::Null => drop(ours.remove(key)),
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => drop(ours.insert(key.to_owned(), value)),
    }
    meta.insert(KEY.to_owned(), Value::Object(ours));
    meta
}

/// The field [`TOPIC_FIELD`] for a mapping.
pub(super) fn topic_field() -> DocumentField {
    DocumentField { name: TOPIC_FIELD.into(), kind: FieldKind::Keyword, nullable: false }
}

/// The field [`DELETED_FIELD`] for a mapping.
pub(super) fn deleted_field() -> DocumentField {
    DocumentField { name: DELETED_FIELD.into(), kind: FieldKind::Boolean, nullable: true }
}
