//! From a record to an action: schema ids to plans, plans to documents and ids.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use connect::kafka::consumer::Record;
use schema::fault::{self, Disposition, Fault};
use schema::plan::document::{
    DocumentOptions, DocumentPlan, IdPlan, JsonForm, RowChange, write_string,
};
use schema::registry::{Registry, SchemaId};

use crate::batch::Batch;
use crate::bulk::{ActionKind, BulkAction, DocVersion, DocumentKey};
use crate::config::{IndexConfig, JsonType};
use crate::error::{Origin, SinkError};
use crate::mapping::{Indices, TOPIC_FIELD, VersionKind};
use crate::patience::Patience;

/// The plans of all schemas seen so far, each compiled once.
///
/// Bounded by how many versions the tables have had: one entry for each.
pub(crate) struct Documents {
    registry: Registry,
    indices: Indices,
    options: DocumentOptions,
    /// Whether documents of several topics are in one index.
    is_shared: bool,
    values: HashMap<(Arc<str>, SchemaId), Arc<DocumentPlan>>,
    keys: HashMap<SchemaId, Arc<IdPlan>>,
    names: HashMap<Arc<str>, Arc<str>>,
    /// Reused for each id.
    id: String,
}

impl Documents {
    pub(crate) fn new(registry: Registry, indices: Indices, config: &IndexConfig) -> Self {
        let json = match config.json {
            JsonType::Flattened | JsonType::Object => JsonForm::ObjectsOnly,
            JsonType::Stored => JsonForm::Verbatim,
        };
        Self {
            registry,
            indices,
            options: DocumentOptions { json },
            is_shared: config.shared,
            values: HashMap::new(),
            keys: HashMap::new(),
            names: HashMap::new(),
            id: String::new(),
        }
    }

    /// Adds what a record asks for to a batch. Waits for the registry and, before the first record
    /// of a schema, for the index to be ready.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] when the record makes no action. The batch is then as it was.
    pub(crate) async fn add(
        &mut self,
        record: &Record,
        batch: &mut Batch,
    ) -> Result<(), SinkError> {
        let index = self.index(&record.partition.topic)?;
        let document = DocumentKey::new(Arc::clone(&index), self.id(record).await?);
        let (change, lsn) = match &record.value {
            None => (RowChange::Delete, record.lsn),
            Some(value) => {
                let (schema_id, body) = frame(value, record)?;
                let plan = self.value_plan(record, schema_id, &index).await?;
                let row = plan
                    .run(body, batch.documents_mut())
                    .map_err(|source| SinkError::Decode { origin: Origin::of(record), source })?;
                (row.change, row.lsn.or(record.lsn))
            }
        };
        let (kind, version) = version(lsn, record);
        self.indices.expect(&index, kind, &record.partition.topic).await?;
        let kind = match change {
            RowChange::Upsert { document } if self.is_shared => {
                let start = document.start;
                add_topic(&record.partition.topic, batch.documents_mut());
                ActionKind::Index(start..batch.documents_mut().len())
            }
            RowChange::Upsert { document } => ActionKind::Index(document),
            RowChange::Delete => ActionKind::Delete,
        };
        batch.push(BulkAction { document, version, kind, origin: Origin::of(record) });
        Ok(())
    }

    /// The index that a topic's rows go to.
    pub(crate) fn index(&mut self, topic: &Arc<str>) -> Result<Arc<str>, SinkError> {
        if let Some(index) = self.names.get(topic) {
            return Ok(Arc::clone(index));
        }
        let index = self.indices.name(topic)?;
        self.names.insert(Arc::clone(topic), Arc::clone(&index));
        Ok(index)
    }

    async fn id(&mut self, record: &Record) -> Result<&str, SinkError> {
        let no_key = || SinkError::NoKey { origin: Origin::of(record) };
        let (schema_id, body) = frame(record.key.as_ref().ok_or_else(no_key)?, record)?;
        let plan = self.key_plan(record, schema_id).await?;
        self.id.clear();
        let prefix = match self.is_shared {
            // Topics have no colon in their names.
            true => format!("{}:", record.partition.topic),
            false => String::new(),
        };
        plan.run_after(&prefix, body, &mut self.id)
            .map_err(|source| SinkError::Decode { origin: Origin::of(record), source })?;
        Ok(&self.id)
    }

    async fn key_plan(
        &mut self,
        record: &Record,
        schema_id: SchemaId,
    ) -> Result<Arc<IdPlan>, SinkError> {
        if let Some(plan) = self.keys.get(&schema_id) {
            return Ok(Arc::clone(plan));
        }
        let schema = self.schema(schema_id).await?;
        let plan = IdPlan::compile(&schema).map_err(plan_error(record, schema_id))?;
        let plan = Arc::new(plan);
        self.keys.insert(schema_id, Arc::clone(&plan));
        Ok(plan)
    }

    /// The plan of a value's schema. The first time, the index gets its fields.
    async fn value_plan(
        &mut self,
        record: &Record,
        schema_id: SchemaId,
        index: &Arc<str>,
    ) -> Result<Arc<DocumentPlan>, SinkError> {
        let topic = &record.partition.topic;
        let key = (Arc::clone(topic), schema_id);
        if let Some(plan) = self.values.get(&key) {
            return Ok(Arc::clone(plan));
        }
        let schema = self.schema(schema_id).await?;
        let plan = DocumentPlan::compile(&schema, self.options);
        let plan = Arc::new(plan.map_err(plan_error(record, schema_id))?);
        let kind = self.version_kind(&plan, record);
        self.indices.prepare(index, plan.fields(), kind, topic).await?;
        self.values.insert(key, Arc::clone(&plan));
        Ok(plan)
    }

    /// What versions the records of a plan have, by its first one. A record that does not decode
    /// fails a moment later, with its own error.
    fn version_kind(&self, plan: &DocumentPlan, record: &Record) -> VersionKind {
        let body = record.value.as_ref().and_then(|value| frame(value, record).ok());
        let row = body.and_then(|(_, body)| plan.run(body, &mut Vec::new()).ok());
        version(row.and_then(|row| row.lsn).or(record.lsn), record).0
    }

    async fn schema(&self, id: SchemaId) -> Result<Arc<str>, SinkError> {
        let mut patience = Patience::with_registry();
        loop {
            match self.registry.schema(id).await {
                Ok(schema) => return Ok(schema),
                Err(error) if error.disposition() == Disposition::Retry => {
                    patience.wait("schema.registry.url", &fault::chain(&error)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Adds the topic to the document that was written last.
fn add_topic(topic: &str, documents: &mut Vec<u8>) {
    let is_empty = documents.ends_with(b"{}");
    // The brace at its end.
    documents.pop();
    if !is_empty {
        documents.push(b',');
    }
    write_string(TOPIC_FIELD, documents);
    documents.push(b':');
    write_string(topic, documents);
    documents.push(b'}');
}

/// Takes a record's bytes apart: schema id and Avro body.
/// <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>
fn frame<'a>(bytes: &'a Bytes, record: &Record) -> Result<(SchemaId, &'a [u8]), SinkError> {
    match bytes.split_first_chunk() {
        Some(([0, a, b, c, d], body)) => Ok((SchemaId(u32::from_be_bytes([*a, *b, *c, *d])), body)),
        Some(_) | None => Err(SinkError::NotFramed { origin: Origin::of(record) }),
    }
}

/// The version of a record: its Lsn, or its Kafka offset where nobody gave it one.
fn version(lsn: Option<schema::lsn::Lsn>, record: &Record) -> (VersionKind, DocVersion) {
    match lsn {
        Some(lsn) => (VersionKind::Lsn, DocVersion(lsn.value())),
        // Offsets begin at zero.
        None => (VersionKind::Offset, DocVersion(record.offset.0.unsigned_abs())),
    }
}

fn plan_error(
    record: &Record,
    schema_id: SchemaId,
) -> impl FnOnce(schema::plan::document::PlanError) -> SinkError {
    let topic = (*record.partition.topic).into();
    move |source| SinkError::Plan { topic, schema_id, source }
}
