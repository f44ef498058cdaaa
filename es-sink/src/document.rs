//! From a record to an action: schemas to plans, plans to documents and ids.

mod append;
mod dated;
pub(crate) mod folded;
mod key;
mod ready;
mod schemas;
pub(crate) mod soft;
mod transforms;

use std::sync::Arc;

use bytes::Bytes;
use connect::clock::since_epoch;
use connect::kafka::consumer::Record;
use schema::avro::WriterSchema;
use schema::connect_json::{JsonKey, JsonRow};
use schema::date_hour::DateHour;
use schema::lsn::Lsn;
use schema::plan::document::{
    DecodeError, DocumentOptions, DocumentPlan, PlanError, Row, RowChange, RowChoice, write_string,
};
use schema::registry::Registry;

use crate::batch::{NewAction, Pending};
use crate::bulk::DocVersion;
use crate::bulk_action::{LineOptions, Verb};
use crate::config::{Converter, Converters, DocumentsConfig, IndexConfig, RetryConfig};
use crate::error::{Origin, SinkError, Stage};
use crate::fast::FastMap;
use crate::mapping::{Indices, TOPIC_FIELD, VersionKind, table_of};
use dated::Name;
use folded::Fold;
use key::{Key, KeyColumns, KeyPlan};
use ready::{Ready, Written};
use schemas::{Form, SchemaRef, Schemas, json_error};
use transforms::{Passed, Transforms};

/// How many plans are kept. A table has one for each of its versions; this is for topics whose
/// records bring along a schema of their own each.
const PLANS_MAX: usize = 10_000;

/// The plans of all schemas seen so far, each compiled once.
pub(crate) struct Documents {
    schemas: Schemas,
    indices: Indices,
    config: DocumentsConfig,
    /// What records go through first.
    transforms: Option<Transforms>,
    options: DocumentOptions,
    /// Whether documents of several topics are in one index.
    is_shared: bool,
    /// Whether the documents of rows that are gone stay and are marked.
    soft_delete: bool,
    values: FastMap<(Arc<str>, SchemaRef), Arc<DocumentPlan>>,
    keys: FastMap<(Arc<str>, SchemaRef), Arc<KeyPlan>>,
    names: FastMap<Arc<str>, Name>,
    /// The names of dates, by topic.
    dated: FastMap<(Arc<str>, DateHour), Arc<str>>,
    ready: Ready,
    /// What the record at hand is made of: what its topic has, or what transforms have made of it.
    converters: Converters,
    /// What its plan does in the place of transforms.
    fold: Option<Arc<Fold>>,
    /// What is done with the record at hand.
    stage: Stage,
    /// Of the record at hand, and used again for the next one.
    key: Key,
    document: Vec<u8>,
}

/// What has become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// An action of the batch.
    Action,
    /// None: it says nothing that has to be written.
    Nothing,
    /// None: it says that all rows of its table are gone.
    Truncate {
        /// Its number. With one it is rowcast's, and a sweep goes with it.
        lsn: Option<Lsn>,
    },
}

impl Documents {
    pub(crate) fn new(
        registry: Registry,
        indices: Indices,
        index: &IndexConfig,
        mut config: DocumentsConfig,
    ) -> Self {
        let options = index.types.document_options();
        let transforms = Transforms::new(&mut config, options);
        Self {
            transforms,
            schemas: Schemas::new(registry),
            indices,
            converters: config.converters,
            fold: None,
            config,
            options,
            is_shared: index.shared,
            soft_delete: index.soft_delete,
            values: FastMap::default(),
            keys: FastMap::default(),
            names: FastMap::default(),
            dated: FastMap::default(),
            ready: Ready::default(),
            stage: Stage::TaskPut,
            key: Key::default(),
            document: Vec::new(),
        }
    }

    /// The same, which waits for a registry that does not answer as long as the settings say.
    pub(crate) fn waiting_for_the_registry(mut self, retry: RetryConfig) -> Self {
        self.schemas.set_retry(retry);
        self
    }

    /// What was done with the last record when it failed, if it has.
    pub(crate) fn stage(&self) -> Stage {
        self.stage
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
        batch: &mut Pending,
    ) -> Result<Added, SinkError> {
        let Some(transforms) = &mut self.transforms else {
            return self.add_as_it_is(record, batch).await;
        };
        match transforms.pass(record, (&mut self.schemas, &mut self.stage)).await? {
            Passed::Row(fold, row) => {
                (self.converters, self.fold) = (transforms.converters(), Some(fold));
                return self.add_as_it_is(&row, batch).await;
            }
            Passed::Dropped => return Ok(Added::Nothing),
            Passed::Other => (self.converters, self.fold) = (self.config.converters, None),
        }
        match transforms.apply(record, (&mut self.schemas, &mut self.stage)).await? {
            Some(record) => self.add_as_it_is(&record, batch).await,
            None => Ok(Added::Nothing),
        }
    }

    async fn add_as_it_is(
        &mut self,
        record: &Record,
        batch: &mut Pending,
    ) -> Result<Added, SinkError> {
        let mut name = self.name(&record.partition.topic)?;
        if self.config.append.is_some() {
            return self.append(record, &name, batch).await;
        }
        if let Some(lsn) = self.truncate(record).await? {
            return Ok(Added::Truncate { lsn });
        }
        let columns = self.read_key(record).await?;
        if name.is_dated {
            name.index = self.index_of_key(record, &columns)?;
        }
        self.document.clear();
        let (row, written) = self.read_row(record).await?;
        self.get_ready(record, &name, (&row, written)).await?;
        let index = &name.index;
        let lsn = row.lsn.or(record.lsn);
        let (kind, version) = version(lsn, record);
        self.indices.expect(index, kind, record).await?;
        self.indices.bulk_load().seen(index, row.is_snapshot());
        let require_alias = self.indices.requires_alias(index);
        let mut pipeline = None;
        let verb = match row.change {
            RowChange::Truncate => return Ok(Added::Truncate { lsn }),
            RowChange::Upsert { .. } => {
                pipeline = self.config.pipeline.clone();
                self.add_folded(record);
                Verb::Index
            }
            RowChange::Delete if self.soft_delete => {
                self.expect_marks(index, (kind, record)).await?;
                let key = columns.fields(table_of(&record.partition.topic), &self.config);
                self.document.clear();
                // A tombstone does not say when.
                let deleted_at = row.changed_at.unwrap_or_else(since_epoch);
                soft::write_mark(&key, deleted_at, &mut self.document);
                Verb::Index
            }
            RowChange::Delete => Verb::Delete,
        };
        if self.is_shared && verb == Verb::Index {
            add_topic(&record.partition.topic, &mut self.document);
        }
        batch.push(&NewAction {
            index,
            id: &self.key.id,
            version,
            verb,
            line: LineOptions {
                routing: self.key.routing(),
                pipeline: pipeline.as_deref(),
                require_alias,
            },
            body: &self.document,
            origin: Origin::of(record),
            changed_at: row.changed_at,
        });
        Ok(Added::Action)
    }

    /// Adds to the document what transforms make of the record and not of its row.
    fn add_folded(&mut self, record: &Record) {
        if let Some(fold) = &self.fold {
            let table = table_of(&record.partition.topic);
            fold.add_fields(record, (&self.config.fields, table), &mut self.document);
        }
    }

    /// The registry of their schemas.
    pub(crate) fn registry(&self) -> &Registry {
        self.schemas.registry()
    }

    /// The indices of the documents.
    pub(crate) fn indices(&mut self) -> &mut Indices {
        &mut self.indices
    }

    /// What the record's value says, and what wrote it. Its document, if it has one, is in
    /// `document`.
    async fn read_row(&mut self, record: &Record) -> Result<(Row, Written), SinkError> {
        let converter = self.converters.value;
        let value = record.value.as_ref().filter(|value| !schemas::is_null(converter, value));
        let Some(value) = value else { return Ok((Row::default(), Written::Nothing)) };
        self.begin(Stage::ValueConverter, converter);
        match self.schemas.take(converter, value, record)? {
            Form::Avro { schema, body } => {
                let (plan, is_new) = self.value_plan(record, schema).await?;
                let row = plan.run(&body, &mut self.document).map_err(decode_error(record))?;
                Ok((row, Written::Schema { schema, plan, is_new }))
            }
            Form::Json(text) => Ok((self.read_json(record, text)?, Written::Schemaless)),
            // Formats of the registry have become JSON before.
            Form::Text(_) | Form::Registered { .. } => {
                Err(SinkError::NotFramed { origin: Origin::of(record) })
            }
        }
    }

    /// Notes that bytes are read. What has gone through transforms was read before.
    fn begin(&mut self, stage: fn(&'static str) -> Stage, converter: Converter) {
        let was_read = self.transforms.as_ref().is_some_and(Transforms::read_data);
        let was_read = was_read && self.fold.is_none();
        self.stage = if was_read { Stage::TaskPut } else { stage(converter.class()) };
    }

    fn read_json(&mut self, record: &Record, text: &[u8]) -> Result<Row, SinkError> {
        let table = table_of(&record.partition.topic);
        let field = |column: &str| self.config.fields.field(table, column);
        let deleted_rows = self.config.append.is_some();
        let everything = RowChoice::everything(self.options);
        let choice = RowChoice { field: &field, deleted_rows, ..everything };
        let row = JsonRow::parse(text).and_then(|row| row.run(&choice, &mut self.document));
        row.map_err(json_error(record))
    }

    /// The number of a record that says that all rows are gone, if it is one and has one. It has no
    /// key.
    async fn truncate(&mut self, record: &Record) -> Result<Option<Option<Lsn>>, SinkError> {
        let (None, Some(value)) = (&record.key, &record.value) else { return Ok(None) };
        self.begin(Stage::ValueConverter, self.converters.value);
        let choice = RowChoice::everything(self.options);
        // What does not decode has no key either, which is told of.
        let row = match self.schemas.take(self.converters.value, value, record)? {
            Form::Avro { schema, body } => {
                let topic = &record.partition.topic;
                let writer = self.schemas.get(schema, topic).await?;
                let plan = DocumentPlan::of_schema(&writer, &RowChoice::everything(self.options))
                    .map_err(plan_error(record, schema))?;
                plan.run(&body, &mut Vec::new()).ok()
            }
            Form::Json(text) => {
                JsonRow::parse(text).and_then(|row| row.run(&choice, &mut Vec::new())).ok()
            }
            Form::Text(_) | Form::Registered { .. } => None,
        };
        let row = row.filter(|row| row.change == RowChange::Truncate);
        Ok(row.map(|row| row.lsn.or(record.lsn)))
    }

    /// Reads the record's key into `key`.
    async fn read_key<'r>(&mut self, record: &'r Record) -> Result<KeyColumns<'r>, SinkError> {
        let no_key = || SinkError::NoKey { origin: Origin::of(record) };
        let key: &'r Bytes = record.key.as_ref().ok_or_else(no_key)?;
        self.begin(Stage::KeyConverter, self.converters.key);
        let topic = &record.partition.topic;
        // An appended document's id begins with the topic in any case.
        let prefix = match self.is_shared && self.config.append.is_none() {
            // Topics have no colon in their names.
            true => format!("{topic}:"),
            false => String::new(),
        };
        let wrong = |source| SinkError::EmbeddedPlan { topic: (**topic).into(), source };
        match self.schemas.take(self.converters.key, key, record)? {
            Form::Avro { schema, body } => {
                let plan = self.key_plan(record, schema).await?;
                plan.read(&prefix, &body, &mut self.key).map_err(decode_error(record))?;
                Ok(KeyColumns::Avro { plan, body })
            }
            Form::Json(text) => {
                let key = JsonKey::parse(text).map_err(json_error(record))?.ok_or_else(no_key)?;
                self.key.set_json(&prefix, &key, &self.config).map_err(wrong)?;
                Ok(KeyColumns::Json(key))
            }
            Form::Registered { .. } => Err(SinkError::NotFramed { origin: Origin::of(record) }),
            Form::Text(text) => {
                self.key.set_text(&prefix, text, &self.config).map_err(wrong)?;
                Ok(KeyColumns::Nameless)
            }
        }
    }

    async fn key_plan(
        &mut self,
        record: &Record,
        schema: SchemaRef,
    ) -> Result<Arc<KeyPlan>, SinkError> {
        let topic = &record.partition.topic;
        let key = (Arc::clone(topic), schema);
        if let Some(plan) = self.keys.get(&key) {
            return Ok(Arc::clone(plan));
        }
        let writer = self.schemas.get(schema, topic).await?;
        let plan = KeyPlan::compile(&writer, table_of(topic), &self.config);
        let plan = Arc::new(plan.map_err(plan_error(record, schema))?);
        remember(&mut self.keys, key, &plan);
        Ok(plan)
    }

    fn compile(&self, schema: &WriterSchema, topic: &str) -> Result<DocumentPlan, PlanError> {
        let table = table_of(topic);
        let field = |column: &str| self.config.fields.field(table, column);
        let deleted_rows = self.config.append.is_some();
        let everything = RowChoice::everything(self.options);
        let choice = RowChoice { field: &field, deleted_rows, ..everything };
        match &self.fold {
            Some(fold) => fold.compile(schema, &choice),
            None => DocumentPlan::of_schema(schema, &choice),
        }
    }
}

fn remember<P>(
    plans: &mut FastMap<(Arc<str>, SchemaRef), Arc<P>>,
    key: (Arc<str>, SchemaRef),
    plan: &Arc<P>,
) {
    if plans.len() >= PLANS_MAX {
        plans.clear();
    }
    plans.insert(key, Arc::clone(plan));
}

/// Adds the topic to the document that was written last.
pub(crate) fn add_topic(topic: &str, documents: &mut Vec<u8>) {
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

/// The version of a record: its Lsn, or its Kafka offset where nobody gave it one.
fn version(lsn: Option<Lsn>, record: &Record) -> (VersionKind, DocVersion) {
    match lsn {
        Some(lsn) => (VersionKind::Lsn, DocVersion(lsn.value())),
        // Offsets begin at zero.
        None => (VersionKind::Offset, DocVersion(record.offset.0.unsigned_abs())),
    }
}

fn decode_error(record: &Record) -> impl FnOnce(DecodeError) -> SinkError {
    let origin = Origin::of(record);
    move |source| SinkError::Decode { origin, source }
}

fn plan_error(record: &Record, schema: SchemaRef) -> impl FnOnce(PlanError) -> SinkError {
    let topic = (*record.partition.topic).into();
    move |source| match schema {
        SchemaRef::Registered(schema_id) => SinkError::Plan { topic, schema_id, source },
        SchemaRef::Embedded(_) => SinkError::EmbeddedPlan { topic, source },
    }
}
