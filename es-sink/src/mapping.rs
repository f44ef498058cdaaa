//! Indices: their names, and mappings that are made from the records' schemas.
//!
//! An index is prepared before the first record of each schema: created when it is missing, given
//! the fields that it lacks, refused when a field has another type. So Elasticsearch never has to
//! guess a type, and new indices are told not to (`dynamic: false`: a field that someone adds on
//! the way, as an ingest pipeline does, is kept in the document and is not in the way).
//!
//! What kind of versions an index has, and whose documents, stands in its mapping's `_meta`
//! (`mark.rs`).

mod field_type;
mod index_name;
mod mark;

use std::collections::HashMap;
use std::sync::Arc;

use schema::plan::document::DocumentField;
use serde_json::{Map, Value, json};

pub(crate) use index_name::IndexTemplate;
pub(crate) use mark::{Mark, Owner, TOPIC_FIELD, VersionKind};

use crate::bulk::{Answer, EsClient, Method, Request, error_kind};
use crate::config::IndexConfig;
use crate::error::SinkError;
use field_type::{FieldTypes, reconcile};

/// The indices that are ready to be written to.
pub(crate) struct Indices {
    client: Arc<EsClient>,
    config: IndexConfig,
    types: FieldTypes,
    marks: HashMap<Arc<str>, Mark>,
}

impl Indices {
    pub(crate) fn new(client: Arc<EsClient>, config: IndexConfig) -> Self {
        let types = FieldTypes::new(config.decimal, config.json);
        Self { client, config, types, marks: HashMap::new() }
    }

    /// The index that a topic's rows go to.
    pub(crate) fn name(&self, topic: &str) -> Result<Arc<str>, SinkError> {
        self.config.name.apply(topic)
    }

    /// What the records of a topic make of an index.
    pub(crate) fn mark(&self, versions: VersionKind, topic: &Arc<str>) -> Mark {
        let owner = match self.config.shared {
            true => Owner::Shared,
            false => Owner::Topic(Arc::clone(topic)),
        };
        Mark { versions, owner }
    }

    /// Checks that an index has documents like those of a topic. An index that was not prepared
    /// with fields yet, because its first record is a tombstone, is prepared without.
    pub(crate) async fn expect(
        &mut self,
        index: &Arc<str>,
        versions: VersionKind,
        topic: &Arc<str>,
    ) -> Result<(), SinkError> {
        match self.marks.get(index) {
            Some(known) if known.is(versions, topic) => Ok(()),
            Some(known) => known.refuse(index, &self.mark(versions, topic), topic),
            None => self.prepare(index, &[], versions, topic).await,
        }
    }

    /// Makes an index ready for documents with these fields.
    pub(crate) async fn prepare(
        &mut self,
        index: &Arc<str>,
        fields: &[DocumentField],
        versions: VersionKind,
        topic: &Arc<str>,
    ) -> Result<(), SinkError> {
        let mut fields = fields.to_vec();
        if self.config.shared {
            fields.push(mark::topic_field());
        }
        let mark = self.mark(versions, topic);
        while !self.try_prepare(index, &fields, &mark, topic).await? {}
        self.marks.insert(Arc::clone(index), mark);
        Ok(())
    }

    /// Whether a topic has documents in an index that exists. Such an index is its own or shared
    /// afterwards, which it may not have said before.
    pub(crate) async fn has_documents_of(
        &mut self,
        index: &Arc<str>,
        topic: &Arc<str>,
    ) -> Result<bool, SinkError> {
        let Some(mapping) = self.read(index).await? else { return Ok(false) };
        if !mark::is_marked(&mapping.meta) {
            return Ok(false);
        }
        self.prepare(index, &[], VersionKind::Lsn, topic).await?;
        Ok(true)
    }

    /// The mapping of an index; none if there is no such index.
    async fn read(&self, index: &str) -> Result<Option<Mapping>, SinkError> {
        let request = Request::json(Method::Get, format!("/{index}/_mapping"), None);
        let action = "read the mapping of";
        let answer = self.client.ask(&request, action, index).await?;
        match answer.status {
            404 => Ok(None),
            200 => match Mapping::parse(&answer.body) {
                Some(mapping) => Ok(Some(mapping)),
                None => Err(self.client.refusal(&answer, action, index)),
            },
            _ => Err(self.client.refusal(&answer, action, index)),
        }
    }

    /// One round: `false` when something was learnt on the way and it has to start over.
    async fn try_prepare(
        &mut self,
        index: &str,
        fields: &[DocumentField],
        mark: &Mark,
        topic: &str,
    ) -> Result<bool, SinkError> {
        match self.read(index).await? {
            None => self.create(index, fields, mark).await,
            Some(mapping) => {
                let is_marked = mark.meets(&mapping.meta, index, topic)?;
                self.complete(index, &mapping, fields, (mark, is_marked)).await
            }
        }
    }

    async fn create(
        &mut self,
        index: &str,
        fields: &[DocumentField],
        mark: &Mark,
    ) -> Result<bool, SinkError> {
        let mut settings = Map::from_iter([("gc_deletes".to_owned(), json!("1h"))]);
        settings
            .extend(self.config.settings.iter().map(|(key, value)| (key.clone(), json!(value))));
        let body = json!({
            "settings": { "index": settings },
            "mappings": {
                "dynamic": false,
                "_meta": mark.added_to(&Map::new()),
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

    /// Adds the fields that are missing, and the mark.
    async fn complete(
        &mut self,
        index: &str,
        mapping: &Mapping,
        fields: &[DocumentField],
        (mark, is_marked): (&Mark, bool),
    ) -> Result<bool, SinkError> {
        let missing = reconcile(&mapping.properties, fields, &self.types).map_err(|conflict| {
            SinkError::MappingConflict {
                index: index.into(),
                field: conflict.field.into(),
                found: conflict.found.into(),
                wanted: conflict.wanted.into(),
            }
        })?;
        if missing.is_empty() && is_marked {
            return Ok(true);
        }
        let added = missing.len();
        // `_meta` is replaced as a whole, so what others have put there goes back with it.
        let body = json!({ "_meta": mark.added_to(&mapping.meta), "properties": missing });
        let action = "extend the mapping of";
        let answer = self.put(format!("/{index}/_mapping"), &body, action, index).await?;
        if answer.status == 200 {
            tracing::info!(index, fields = added, "mapping extended");
            // Who has marked it at the same moment for another topic must be met.
            return Ok(is_marked);
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
}
