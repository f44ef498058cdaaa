//! Records as plans write them, before the transforms: in Avro, by schemas and for topics that nobody
//! but us ever sees.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use connect::kafka::batch::{BatchRecord, HeaderName, LSN_HEADER, TopicIndex};
use connect::stage::RecordFailure;
use schema::avro::{FRAME_BYTES, MAGIC, decode_value, schema_of_text};
use schema::registry::SchemaId;
use schema::value::{Kind, Schema, Value};
use transform::{Header, Part, Record};

/// What plans refer to, in the place of a registry and of Kafka. One entry for each table version.
#[derive(Debug, Default)]
pub(crate) struct Drafts(Mutex<Names>);

#[derive(Debug, Default)]
struct Names {
    topics: Vec<(Arc<str>, Purpose)>,
    schemas: Vec<Option<Arc<Schema>>>,
    ids: HashMap<String, SchemaId>,
}

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Rows of a table.
    Table,
    /// Records that are about no row, in one partition.
    Side,
}

impl Drafts {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A topic that records are written for.
    pub(crate) fn topic(&self, name: &str, purpose: Purpose) -> TopicIndex {
        let mut names = self.names();
        let known = names.topics.iter().position(|(known, _)| &**known == name);
        let place = known.unwrap_or_else(|| {
            names.topics.push((name.into(), purpose));
            names.topics.len() - 1
        });
        TopicIndex::of_draft(place)
    }

    /// A schema that records are written by.
    pub(crate) fn schema(&self, text: &str) -> SchemaId {
        let mut names = self.names();
        if let Some(id) = names.ids.get(text) {
            return *id;
        }
        let id = SchemaId(u32::try_from(names.schemas.len()).unwrap_or(u32::MAX));
        names.schemas.push(schema_of_text(text).map(Arc::new));
        names.ids.insert(text.to_owned(), id);
        id
    }

    /// The name of a topic.
    pub(super) fn name(&self, topic: TopicIndex) -> Arc<str> {
        let names = self.names();
        let name = names.topics.get(topic.place());
        name.map_or_else(|| "".into(), |(name, _)| Arc::clone(name))
    }

    /// The topics of tables that have had rows.
    pub(super) fn tables(&self) -> Vec<Arc<str>> {
        let names = self.names();
        let tables = names.topics.iter().filter(|(_, purpose)| *purpose == Purpose::Table);
        tables.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Whether a topic's records are about no row.
    pub(super) fn is_side(&self, topic: TopicIndex) -> bool {
        let names = self.names();
        names.topics.get(topic.place()).is_some_and(|(_, purpose)| *purpose == Purpose::Side)
    }

    /// A record in Connect's data.
    pub(super) fn record(&self, draft: &BatchRecord<'_>) -> Result<Record, RecordFailure> {
        let header = |(name, value): (&HeaderName, Option<&[u8]>)| Header {
            name: name.as_str().to_owned(),
            part: value.map_or(Part::NULL, text),
        };
        let headers = draft.headers().filter(|(name, _)| name.as_str() != LSN_HEADER);
        Ok(Record {
            topic: self.name(draft.topic),
            // None of these has a record of Debezium's MySQL connector.
            partition: None,
            offset: None,
            timestamp: None,
            key: self.part(Some(draft.key).filter(|key| !key.is_empty()))?,
            value: self.part(draft.value)?,
            headers: headers.map(header).collect(),
        })
    }

    /// A key or a value in Connect's data.
    pub(super) fn part(&self, bytes: Option<&[u8]>) -> Result<Part, RecordFailure> {
        let Some(bytes) = bytes else { return Ok(Part::NULL) };
        let Some(([MAGIC, a, b, c, d], body)) = bytes.split_first_chunk::<FRAME_BYTES>() else {
            return Err(RecordFailure::Draft);
        };
        let place = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok();
        let schema = place.and_then(|place| self.names().schemas.get(place).cloned().flatten());
        let schema = schema.ok_or(RecordFailure::Draft)?;
        let value = decode_value(&schema, body).map_err(|_| RecordFailure::Draft)?;
        Ok(Part::new(schema, value))
    }
}

/// A header's value.
fn text(value: &[u8]) -> Part {
    static TEXT: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::new(Kind::String)));
    let value = Value::String(String::from_utf8_lossy(value).into_owned());
    Part::new(Arc::clone(&TEXT), value)
}
