//! Indices: their names, and mappings that are made from the records' schemas.
//!
//! An index is prepared before the first record of each schema: created when it is missing, given
//! the fields that it lacks, refused when a field has another type. So Elasticsearch never has to
//! guess a type, and new indices are told not to (`dynamic: false`: a field that someone adds on
//! the way, as an ingest pipeline does, is kept in the document and is not in the way).
//!
//! What kind of versions an index has stands in its mapping's `_meta`: a Kafka offset is always
//! smaller than an [`schema::lsn::Lsn`], so mixing the two would lose rows without an error.

mod field_type;
mod index_name;

use std::collections::HashMap;
use std::sync::Arc;

use schema::plan::document::DocumentField;
use serde_json::{Map, Value, json};

pub(crate) use index_name::IndexTemplate;

use crate::bulk::{Answer, EsClient, Method, Request, error_kind};
use crate::config::IndexConfig;
use crate::error::SinkError;
use field_type::{FieldTypes, reconcile};

/// What the versions of an index are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VersionKind {
    Lsn,
    Offset,
}

impl VersionKind {
    fn word(self) -> &'static str {
        match self {
            Self::Lsn => "lsn",
            Self::Offset => "kafka offset",
        }
    }
}

/// The indices that are ready to be written to.
pub(crate) struct Indices {
    client: Arc<EsClient>,
    config: IndexConfig,
    types: FieldTypes,
    versions: HashMap<Arc<str>, VersionKind>,
}

impl Indices {
    pub(crate) fn new(client: Arc<EsClient>, config: IndexConfig) -> Self {
        let types = FieldTypes::new(config.decimal, config.json);
        Self { client, config, types, versions: HashMap::new() }
    }

    /// The index that a topic's rows go to.
    pub(crate) fn name(&self, topic: &str) -> Result<Arc<str>, SinkError> {
        self.config.name.apply(topic)
    }

    /// Checks that an index has versions of this kind. An index that was not prepared with fields
    /// yet, because its first record is a tombstone, is prepared without.
    pub(crate) async fn expect_versions(
        &mut self,
        index: &Arc<str>,
        kind: VersionKind,
        topic: &str,
    ) -> Result<(), SinkError> {
        match self.versions.get(index) {
            Some(known) if *known == kind => Ok(()),
            Some(known) => Err(mixed(index, known.word(), kind, topic)),
            None => self.prepare(index, &[], kind, topic).await,
        }
    }

    /// Makes an index ready for documents with these fields.
    pub(crate) async fn prepare(
        &mut self,
        index: &Arc<str>,
        fields: &[DocumentField],
        kind: VersionKind,
        topic: &str,
    ) -> Result<(), SinkError> {
        while !self.try_prepare(index, fields, kind, topic).await? {}
        self.versions.insert(Arc::clone(index), kind);
        Ok(())
    }

    /// One round: `false` when something was learnt on the way and it has to start over.
    async fn try_prepare(
        &mut self,
        index: &str,
        fields: &[DocumentField],
        kind: VersionKind,
        topic: &str,
    ) -> Result<bool, SinkError> {
        let request = Request::json(Method::Get, format!("/{index}/_mapping"), None);
        let answer = self.client.ask(&request, "read the mapping of", index).await?;
        match answer.status {
            404 => self.create(index, fields, kind).await,
            200 => {
                let Some(mapping) = Mapping::parse(&answer.body) else {
                    return Err(self.client.refusal(&answer, "read the mapping of", index));
                };
                mapping.expect_versions(index, kind, topic)?;
                self.complete(index, &mapping, fields, kind).await
            }
            _ => Err(self.client.refusal(&answer, "read the mapping of", index)),
        }
    }

    async fn create(
        &mut self,
        index: &str,
        fields: &[DocumentField],
        kind: VersionKind,
    ) -> Result<bool, SinkError> {
        let mut settings = Map::from_iter([("gc_deletes".to_owned(), json!("1h"))]);
        settings
            .extend(self.config.settings.iter().map(|(key, value)| (key.clone(), json!(value))));
        let body = json!({
            "settings": { "index": settings },
            "mappings": {
                "dynamic": false,
                "_meta": meta(&Map::new(), kind),
                "properties": self.types.properties(fields),
            },
        });
        let answer = self.put(format!("/{index}"), &body, "create index", index).await?;
        match answer.status {
            200 => {
                tracing::info!(index, fields = fields.len(), "index created");
                Ok(true)
            }
            // Another task was faster: look at what it has made.
            400 if &*error_kind(&answer.body) == "resource_already_exists_exception" => Ok(false),
            _ => self.learn(&answer, "create index", index),
        }
    }

    /// Adds the fields that are missing and the mark of the versions' kind.
    async fn complete(
        &mut self,
        index: &str,
        mapping: &Mapping,
        fields: &[DocumentField],
        kind: VersionKind,
    ) -> Result<bool, SinkError> {
        let missing = reconcile(&mapping.properties, fields, &self.types).map_err(|conflict| {
            SinkError::MappingConflict {
                index: index.into(),
                field: conflict.field.into(),
                found: conflict.found.into(),
                wanted: conflict.wanted.into(),
            }
        })?;
        if missing.is_empty() && mapping.versions().is_some() {
            return Ok(true);
        }
        let added = missing.len();
        // `_meta` is replaced as a whole, so what others have put there goes back with it.
        let body = json!({ "_meta": meta(&mapping.meta, kind), "properties": missing });
        let action = "extend the mapping of";
        let answer = self.put(format!("/{index}/_mapping"), &body, action, index).await?;
        if answer.status == 200 {
            tracing::info!(index, fields = added, "mapping extended");
            return Ok(true);
        }
        self.learn(&answer, action, index)
    }

    async fn put(
        &self,
        path: String,
        body: &Value,
        action: &'static str,
        index: &str,
    ) -> Result<Answer, SinkError> {
        let request = Request::json(Method::Put, path, Some(body.to_string()));
        self.client.ask(&request, action, index).await
    }

    /// A server without `unsigned_long` says so when it is used; from then on it is not.
    fn learn(
        &mut self,
        answer: &Answer,
        action: &'static str,
        index: &str,
    ) -> Result<bool, SinkError> {
        if self.types.has_unsigned_long() && lacks_unsigned_long(&answer.body) {
            self.types.forget_unsigned_long();
            tracing::warn!(
                index,
                "elasticsearch has no type unsigned_long, using double: searches are exact to 15 \
                 digits, documents keep all of them"
            );
            return Ok(false);
        }
        Err(self.client.refusal(answer, action, index))
    }
}

/// The wording differs between versions: `No handler for type [unsigned_long]`, and since 9.x
/// `The mapper type [unsigned_long] declared on field [u] does not exist` (seen with 9.5.3).
fn lacks_unsigned_long(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("type [unsigned_long]")
        && &*error_kind(body) == "mapper_parsing_exception"
}

/// What an index has.
struct Mapping {
    meta: Map<String, Value>,
    properties: Map<String, Value>,
}

impl Mapping {
    /// `None` unless the answer describes exactly one index, by whatever name: the one asked for
    /// may be an alias.
    fn parse(body: &[u8]) -> Option<Self> {
        let answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let mut indices = answer.into_iter();
        let (Some((_, index)), None) = (indices.next(), indices.next()) else { return None };
        let object = |key: &str| {
            let value = index.get("mappings")?.get(key)?.as_object();
            value.cloned()
        };
        Some(Self {
            meta: object("_meta").unwrap_or_default(),
            properties: object("properties").unwrap_or_default(),
        })
    }

    fn versions(&self) -> Option<&str> {
        self.meta.get("rowcast")?.get("versions")?.as_str()
    }

    fn expect_versions(
        &self,
        index: &str,
        kind: VersionKind,
        topic: &str,
    ) -> Result<(), SinkError> {
        match self.versions() {
            Some(found) if found != kind.word() => Err(mixed(index, found, kind, topic)),
            Some(_) | None => Ok(()),
        }
    }
}

fn meta(existing: &Map<String, Value>, kind: VersionKind) -> Map<String, Value> {
    let mut meta = existing.clone();
    meta.insert("rowcast".to_owned(), json!({ "versions": kind.word() }));
    meta
}

fn mixed(index: &str, found: &str, wanted: VersionKind, topic: &str) -> SinkError {
    SinkError::MixedVersions {
        index: index.into(),
        found: found.into(),
        wanted: wanted.word(),
        topic: topic.into(),
    }
}
