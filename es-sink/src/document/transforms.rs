//! Records through transforms: bytes → Connect's data → transforms → what documents are made of.
//!
//! What comes out is JSON with its schema, as Connect's `JsonConverter` writes it: from there on it
//! is a record like any other. So documents, mappings and ids are the same as of a topic that a Java
//! worker wrote with these transforms. It costs some microseconds a record, which the sinks without
//! transforms do not pay, nor do those whose transforms look at no key and no value, as routers: their
//! records get another topic and stay what they are. Nor do rows to which transforms do all the same:
//! their plan does it (`folded.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use connect::converter::{HeaderError, connect_record};
use connect::kafka::consumer::{Record, RecordMeta};
use schema::avro::WriterSchema;
use schema::connect_json::{Enveloped, json_text};
use schema::plan::document::DocumentOptions;
use schema::value::{Kind, Schema, Value};
use serde_json::Value as Json;
use transform::{
    Chain, JsonProblem, Needs, Part, json_of, part_of, schema_json, schema_of, sequence_of,
};

use super::folded::{DATED_MILLIS, Fold};
use super::schemas::{Form, SchemaRef, Schemas, json_error};
use crate::config::{Converter, Converters, DocumentsConfig};
use crate::error::{Origin, SinkError, Stage};
use crate::fast::FastMap;

/// How many schemas are kept on each side of the transforms.
const SCHEMAS_MAX: usize = 1_000;

/// The transforms of a sink, and the schemas that they have met.
pub(super) struct Transforms {
    chain: Chain,
    needs: Needs,
    folding: Option<Folding>,
    /// Where the records of topics go, if the topic is all that matters.
    routes: FastMap<Arc<str>, Option<Arc<str>>>,
    /// What the topics have.
    converters: Converters,
    read: FastMap<SchemaRef, (WriterSchema, Arc<Schema>)>,
    enveloped: HashMap<Box<str>, Arc<Schema>>,
    /// What transforms have made, and its text.
    written: Vec<(Arc<Schema>, Arc<str>)>,
    text: Arc<Schema>,
}

/// A chain that folds for most rows.
struct Folding {
    /// The part of it that makes topics.
    topics: Chain,
    options: DocumentOptions,
    /// What rows of each schema become; `None` for one whose rows go through one by one.
    known: FastMap<SchemaRef, Option<Arc<Fold>>>,
}

/// What becomes of a record before its data are looked at.
pub(super) enum Passed {
    /// It is the row that it was, in the topic that it goes to, and the plan does the rest.
    Row(Arc<Fold>, Record),
    /// A transform drops it.
    Dropped,
    /// It has to go through by itself.
    Other,
}

impl Transforms {
    /// The transforms that the settings ask for, if they ask for any, or for a format that is read as
    /// data of Connect. Documents are then made of what comes out of them.
    pub(super) fn new(config: &mut DocumentsConfig, options: DocumentOptions) -> Option<Self> {
        let settings = std::mem::take(&mut config.transforms);
        // They were read once already, when the settings were.
        let (chain, _) = Chain::read(&settings).ok()?;
        let topics = Chain::read(&settings).ok().filter(|_| config.transforms_fold);
        let topics = topics.map(|(chain, _)| chain.of_topics());
        let folding = topics.map(|topics| Folding { topics, options, known: FastMap::default() });
        let (is_generic, converters) = (config.converters.are_generic(), config.converters);
        if chain.is_empty() && !is_generic {
            return None;
        }
        let needs = if is_generic { Needs::Data } else { chain.needs() };
        if needs == Needs::Data {
            let json = Converter::Json { schemas: true };
            config.converters = Converters { key: json, value: json, ..converters };
        }
        let text = Arc::new(Schema::new(Kind::String));
        Some(Self {
            chain,
            needs,
            folding,
            routes: FastMap::default(),
            converters,
            read: FastMap::default(),
            enveloped: HashMap::new(),
            written: Vec::new(),
            text,
        })
    }

    /// Whether keys and values are read before the transforms, so that what comes out of them is what
    /// they have made.
    pub(super) fn read_data(&self) -> bool {
        self.needs == Needs::Data
    }

    /// What the topics have.
    pub(super) fn converters(&self) -> Converters {
        self.converters
    }

    /// Looks whether a record's plan does what the transforms do. Waits for the registry.
    ///
    /// # Errors
    ///
    /// As [`Self::apply`].
    pub(super) async fn pass(
        &mut self,
        record: &Record,
        (schemas, stage): (&mut Schemas, &mut Stage),
    ) -> Result<Passed, SinkError> {
        let (Some(folding), Some(value)) = (&mut self.folding, &record.value) else {
            return Ok(Passed::Other);
        };
        let is_dated = record.meta.timestamp.is_none_or(|millis| DATED_MILLIS.contains(&millis));
        let Ok(Form::Avro { schema, .. }) = schemas.take(self.converters.value, value, record)
        else {
            return Ok(Passed::Other);
        };
        let fold = match folding.known.get(&schema) {
            Some(known) => known.clone(),
            None => {
                *stage = Stage::ValueConverter(self.converters.value.class());
                let writer = schemas.get(schema, &record.partition.topic).await?;
                let fold = Fold::of(&self.chain, &writer, folding.options).map(Arc::new);
                if folding.known.len() >= SCHEMAS_MAX {
                    folding.known.clear();
                }
                folding.known.insert(schema, fold.clone());
                fold
            }
        };
        let Some(fold) = fold.filter(|_| is_dated) else { return Ok(Passed::Other) };
        Ok(match self.route(record, stage)? {
            Some(to) => Passed::Row(fold, routed(record, to)),
            None => Passed::Dropped,
        })
    }

    /// The transforms that topics go through.
    fn topics(&mut self) -> &mut Chain {
        self.folding.as_mut().map_or(&mut self.chain, |folding| &mut folding.topics)
    }

    /// Sends a record through. `None` if a transform drops it. Waits for the registry.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] when the record is not what its converter's settings say, or a transform
    /// does not take it.
    pub(super) async fn apply(
        &mut self,
        record: &Record,
        (schemas, stage): (&mut Schemas, &mut Stage),
    ) -> Result<Option<Record>, SinkError> {
        if self.needs != Needs::Data {
            let to = self.route(record, stage)?;
            return Ok(to.map(|to| routed(record, to)));
        }
        let Converters { key, value, header } = self.converters;
        *stage = Stage::KeyConverter(key.class());
        let key = self.part(record, (&record.key, key), schemas).await?;
        *stage = Stage::ValueConverter(value.class());
        let value = self.part(record, (&record.value, value), schemas).await?;
        *stage = Stage::HeaderConverter(header.class());
        let given = self.given(record, key, value)?;
        *stage = Stage::Transformation;
        // The number of a change is in the envelope, which transforms may take away.
        let lsn = record.lsn.or_else(|| sequence_of(&given.value)?.parse().ok());
        let done = self.chain.apply(given);
        let done = done.map_err(|source| SinkError::Transform {
            origin: Origin::of(record),
            source: Box::new(source),
        })?;
        let Some(done) = done else { return Ok(None) };
        *stage = Stage::TaskPut;
        let written = |problem: JsonProblem| convert(record, &problem.to_string());
        Ok(Some(Record {
            key: self.bytes(&done.key).map_err(written)?,
            value: self.bytes(&done.value).map_err(written)?,
            lsn,
            ..routed(record, done.topic)
        }))
    }

    /// The topic that a record goes to; `None` if a transform drops it. Of its data nothing is looked
    /// at but whether they are there.
    fn route(&mut self, record: &Record, stage: &mut Stage) -> Result<Option<Arc<str>>, SinkError> {
        let topic = &record.partition.topic;
        if let Some(known) = self.routes.get(topic) {
            return Ok(known.clone());
        }
        let part = |bytes: &Option<Bytes>| match bytes {
            Some(_) => Part::free(Value::Boolean(true)),
            None => Part::NULL,
        };
        *stage = Stage::HeaderConverter(self.converters.header.class());
        let given = self.given(record, part(&record.key), part(&record.value))?;
        *stage = Stage::Transformation;
        let done = self.topics().apply(given);
        let done = done.map_err(|source| SinkError::Transform {
            origin: Origin::of(record),
            source: Box::new(source),
        })?;
        let to = done.map(|done| done.topic);
        if self.needs == Needs::Topic || self.folding.is_some() {
            self.routes.insert(Arc::clone(topic), to.clone());
        }
        Ok(to)
    }

    /// The topic that records of a topic go to, as far as its name says.
    pub(super) fn routed(&mut self, topic: &Arc<str>) -> Option<Arc<str>> {
        self.chain.route(topic)
    }

    /// The topic that records like one without key and value go to.
    pub(super) fn topic_of(&mut self, record: &Record) -> Result<Arc<str>, SinkError> {
        let given = self.given(record, Part::NULL, Part::NULL)?;
        let done = self.topics().apply(given).map_err(|source| SinkError::Transform {
            origin: Origin::of(record),
            source: Box::new(source),
        })?;
        Ok(done.map_or_else(|| Arc::clone(&record.partition.topic), |done| done.topic))
    }

    fn given(
        &self,
        record: &Record,
        key: Part,
        value: Part,
    ) -> Result<transform::Record, SinkError> {
        connect_record(record, (key, value), self.converters.header).map_err(|error| {
            let HeaderError { name, problem } = error;
            convert(record, &format!("header {name} is not what its converter says: {problem}"))
        })
    }

    async fn part(
        &mut self,
        record: &Record,
        (bytes, converter): (&Option<Bytes>, Converter),
        schemas: &mut Schemas,
    ) -> Result<Part, SinkError> {
        let Some(bytes) = bytes else { return Ok(Part::NULL) };
        if converter == (Converter::Json { schemas: true }) {
            return self.enveloped(record, bytes);
        }
        match schemas.take(converter, bytes, record)? {
            Form::Avro { schema, body } => {
                let topic = &record.partition.topic;
                if !self.read.contains_key(&schema) {
                    let writer = schemas.get(schema, topic).await?;
                    let connect =
                        writer.connect_schema().map_err(super::plan_error(record, schema))?;
                    if self.read.len() >= SCHEMAS_MAX {
                        self.read.clear();
                    }
                    self.read.insert(schema, (writer, Arc::new(connect)));
                }
                let (writer, connect) =
                    self.read.get(&schema).expect("it was put there if it was not");
                let value = writer.connect_value(connect, &body);
                let value = value.map_err(|error| convert(record, &error.to_string()))?;
                Ok(Part::new(Arc::clone(connect), value))
            }
            Form::Registered { id, format, body } => {
                let read = schemas.read((id, format), body).await?;
                let (schema, value) = read.map_err(|source| SinkError::Format {
                    origin: Origin::of(record),
                    source: Box::new(source),
                })?;
                Ok(Part::new(schema, value))
            }
            Form::Json(text) => {
                let text = json_text(text).map_err(json_error(record))?;
                let json = parse(record, text)?;
                part_of(None, &json).map_err(|problem| convert(record, &problem.to_string()))
            }
            Form::Text(text) => {
                Ok(Part::new(Arc::clone(&self.text), Value::String(text.to_owned())))
            }
        }
    }

    /// A record in JSON with its schema.
    fn enveloped(&mut self, record: &Record, bytes: &Bytes) -> Result<Part, SinkError> {
        let Enveloped { schema, payload } = Enveloped::parse(bytes).map_err(json_error(record))?;
        let wrong = |problem: JsonProblem| convert(record, &problem.to_string());
        let schema = match schema {
            None => None,
            Some(text) => match self.enveloped.get(text) {
                Some(known) => Some(Arc::clone(known)),
                None => {
                    let schema = Arc::new(schema_of(&parse(record, text)?).map_err(wrong)?);
                    if self.enveloped.len() >= SCHEMAS_MAX {
                        self.enveloped.clear();
                    }
                    self.enveloped.insert(text.into(), Arc::clone(&schema));
                    Some(schema)
                }
            },
        };
        part_of(schema.as_ref(), &parse(record, payload)?).map_err(wrong)
    }

    /// A key or a value as JSON with its schema; `None` for null.
    fn bytes(&mut self, part: &Part) -> Result<Option<Bytes>, JsonProblem> {
        if part.value == Value::Null {
            return Ok(None);
        }
        let payload = json_of(part.schema.as_deref(), &part.value)?;
        let schema = part.schema.as_ref().map(|schema| self.schema_text(schema));
        let schema = schema.as_deref().unwrap_or("null");
        Ok(Some(format!("{{\"schema\":{schema},\"payload\":{payload}}}").into()))
    }

    fn schema_text(&mut self, schema: &Arc<Schema>) -> Arc<str> {
        if let Some((_, text)) = self.written.iter().find(|(known, _)| Arc::ptr_eq(known, schema)) {
            return Arc::clone(text);
        }
        // Null is no record, so nothing that is written is optional as a whole.
        let required = Schema { optional: false, default: None, ..Schema::clone(schema) };
        let text: Arc<str> = schema_json(&required).to_string().into();
        if self.written.len() >= WRITTEN_MAX {
            self.written.clear();
        }
        self.written.push((Arc::clone(schema), Arc::clone(&text)));
        text
    }
}

/// How many texts of schemas are kept: a handful of tables is in hand at a time.
const WRITTEN_MAX: usize = 64;

/// The same record in another topic, or in its own.
fn routed(record: &Record, to: Arc<str>) -> Record {
    let mut partition = record.partition.clone();
    let is_other = to != partition.topic;
    let from = std::mem::replace(&mut partition.topic, to);
    Record {
        partition,
        offset: record.offset,
        key: record.key.clone(),
        value: record.value.clone(),
        lsn: record.lsn,
        control: record.control.clone(),
        meta: RecordMeta {
            timestamp: record.meta.timestamp,
            routed_from: is_other.then_some(from),
            ..RecordMeta::default()
        },
    }
}

fn parse(record: &Record, text: &str) -> Result<Json, SinkError> {
    // `Enveloped` and `json_text` have looked at the nesting.
    serde_json::from_str(text).map_err(|_| convert(record, "it is no JSON"))
}

fn convert(record: &Record, problem: &str) -> SinkError {
    SinkError::Convert { origin: Origin::of(record), problem: problem.into() }
}
