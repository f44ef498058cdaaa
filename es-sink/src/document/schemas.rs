//! What a record's bytes are, by its converter, and the schemas that they are of.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use connect::kafka::consumer::Record;
use formats::{Format, FormatError, json_schema, protobuf};
use schema::avro::WriterSchema;
use schema::connect_json::{ConnectSchema, Enveloped, JsonError};
use schema::fault::{self, Disposition, Fault};
use schema::registry::{Registered, Registry, RegistryError, SchemaId, SchemaKind};
use schema::value::{Schema, Value};

use crate::config::{Converter, RetryConfig};
use crate::error::{Origin, SinkError};
use crate::patience::Patience;

/// How many schemas of JSON records are kept. A table has one for each version; with more than
/// that the oldest ones are made again.
const EMBEDDED_MAX: usize = 1_000;

/// Where schemas come from.
pub(super) struct Schemas {
    registry: Registry,
    retry: RetryConfig,
    embedded: HashMap<Box<str>, Embedded>,
    formats: HashMap<(SchemaId, Format), Reader>,
    /// The number of the next one.
    next: u64,
}

/// A schema that records bring along.
#[derive(Clone)]
struct Embedded {
    number: u64,
    schema: Arc<ConnectSchema>,
}

/// Reads records of one schema of the registry.
enum Reader {
    Protobuf(Box<protobuf::Reader>),
    JsonSchema(json_schema::Reader),
}

/// Which schema. Of JSON records it is never given to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum SchemaRef {
    Registered(SchemaId),
    Embedded(u64),
}

/// Whether a record is null and has a schema: what `ExtractNewRecordState` leaves in the place of a
/// deleted row becomes that in JSON.
pub(super) fn is_null(converter: Converter, bytes: &[u8]) -> bool {
    converter == (Converter::Json { schemas: true })
        && bytes.trim_ascii_end().ends_with(b"null}")
        && Enveloped::parse(bytes).is_ok_and(|it| it.payload == "null")
}

/// What a record's bytes are.
pub(super) enum Form<'r> {
    /// Avro bytes of a schema.
    Avro { schema: SchemaRef, body: Cow<'r, [u8]> },
    /// A record in another format of the registry.
    Registered { id: SchemaId, format: Format, body: &'r [u8] },
    /// JSON without a schema.
    Json(&'r [u8]),
    /// Text.
    Text(&'r str),
}

impl Schemas {
    pub(super) fn new(registry: Registry) -> Self {
        Self {
            registry,
            retry: RetryConfig::default(),
            embedded: HashMap::new(),
            formats: HashMap::new(),
            next: 0,
        }
    }

    /// How long a registry that does not answer is waited for.
    pub(super) fn set_retry(&mut self, retry: RetryConfig) {
        self.retry = retry;
    }

    /// The registry that knows those of Avro records.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Takes a key's or a value's bytes apart.
    pub(super) fn take<'r>(
        &mut self,
        converter: Converter,
        bytes: &'r Bytes,
        record: &Record,
    ) -> Result<Form<'r>, SinkError> {
        match converter {
            Converter::Avro => {
                let (schema_id, body) = frame(bytes, record)?;
                Ok(Form::Avro { schema: SchemaRef::Registered(schema_id), body: body.into() })
            }
            Converter::Registered(format) => {
                let (id, body) = frame(bytes, record)?;
                Ok(Form::Registered { id, format, body })
            }
            Converter::Json { schemas: false } => Ok(Form::Json(bytes)),
            Converter::Json { schemas: true } => self.enveloped(bytes).map_err(json_error(record)),
            Converter::Text => match str::from_utf8(bytes) {
                Ok(text) => Ok(Form::Text(text)),
                Err(_) => Err(SinkError::NotText { origin: Origin::of(record) }),
            },
        }
    }

    fn enveloped<'r>(&mut self, bytes: &'r [u8]) -> Result<Form<'r>, JsonError> {
        let Enveloped { schema, payload } = Enveloped::parse(bytes)?;
        let Some(schema) = schema else { return Ok(Form::Json(payload.as_bytes())) };
        let Embedded { number, schema } = self.embedded(schema)?;
        let mut body = Vec::new();
        schema.encode(payload, &mut body)?;
        Ok(Form::Avro { schema: SchemaRef::Embedded(number), body: body.into() })
    }

    fn embedded(&mut self, text: &str) -> Result<Embedded, JsonError> {
        if let Some(known) = self.embedded.get(text) {
            return Ok(known.clone());
        }
        if self.embedded.len() >= EMBEDDED_MAX {
            self.embedded.clear();
        }
        let schema = Arc::new(ConnectSchema::parse(text)?);
        let embedded = Embedded { number: self.next, schema };
        self.next += 1;
        self.embedded.insert(text.into(), embedded.clone());
        Ok(embedded)
    }

    /// A schema that a record at hand has. Waits for the registry.
    pub(super) async fn get(
        &self,
        schema: SchemaRef,
        topic: &str,
    ) -> Result<WriterSchema, SinkError> {
        let id = match schema {
            SchemaRef::Embedded(number) => {
                let mut known = self.embedded.values();
                let found = known.find(|known| known.number == number);
                return Ok(found
                    .expect("a schema is asked for while the record that brought it is at hand")
                    .schema
                    .writer()
                    .clone());
            }
            SchemaRef::Registered(id) => id,
        };
        let registered = self.ask(id).await?;
        WriterSchema::parse(&registered.text).map_err(|source| SinkError::Plan {
            topic: topic.into(),
            schema_id: id,
            source,
        })
    }
}

impl Schemas {
    /// Reads a record of a format that has its schemas in the registry. Waits for the registry. The
    /// inner error is about the record, or a schema that Connect has no data for.
    pub(super) async fn read(
        &mut self,
        (id, format): (SchemaId, Format),
        body: &[u8],
    ) -> Result<Result<(Arc<Schema>, Value), FormatError>, SinkError> {
        if !self.formats.contains_key(&(id, format)) {
            let schema = self.ask(id).await?;
            let reader = match Reader::new(format, &schema) {
                Ok(reader) => reader,
                Err(error) => return Ok(Err(error)),
            };
            if self.formats.len() >= EMBEDDED_MAX {
                self.formats.clear();
            }
            self.formats.insert((id, format), reader);
        }
        let reader = self.formats.get_mut(&(id, format)).expect("it was put there if it was not");
        Ok(match reader {
            Reader::Protobuf(reader) => reader.read(body),
            Reader::JsonSchema(reader) => {
                reader.read(body).map(|value| (Arc::clone(reader.schema()), value))
            }
        })
    }

    /// Asks the registry until it answers.
    async fn ask(&self, id: SchemaId) -> Result<Arc<Registered>, RegistryError> {
        let mut patience = Patience::with_registry(self.retry);
        loop {
            match self.registry.registered(id).await {
                Err(error) if error.disposition() == Disposition::Retry && !patience.is_over() => {
                    patience.wait("schema.registry.url", &fault::chain(&error)).await;
                }
                answer => return answer,
            }
        }
    }
}

impl Reader {
    fn new(format: Format, schema: &Registered) -> Result<Self, FormatError> {
        let (kind, expected) = match format {
            Format::Protobuf(_) => (SchemaKind::Protobuf, "ProtobufConverter"),
            Format::JsonSchema(_) => (SchemaKind::Json, "JsonSchemaConverter"),
        };
        if schema.kind != kind {
            return Err(FormatError::other_kind(schema.kind.name(), expected));
        }
        Ok(match format {
            Format::Protobuf(options) => {
                let reader = protobuf::Reader::new(options, &schema.text, &schema.imports)?;
                Self::Protobuf(Box::new(reader))
            }
            Format::JsonSchema(options) => {
                Self::JsonSchema(json_schema::Reader::new(options, &schema.text, &schema.imports)?)
            }
        })
    }
}

/// Takes a record's bytes apart: schema id and Avro body.
/// <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>
fn frame<'a>(bytes: &'a Bytes, record: &Record) -> Result<(SchemaId, &'a [u8]), SinkError> {
    match bytes.split_first_chunk() {
        Some(([0, a, b, c, d], body)) => Ok((SchemaId(u32::from_be_bytes([*a, *b, *c, *d])), body)),
        Some(_) | None => Err(SinkError::NotFramed { origin: Origin::of(record) }),
    }
}

pub(super) fn json_error(record: &Record) -> impl FnOnce(JsonError) -> SinkError {
    let origin = Origin::of(record);
    move |source| SinkError::Json { origin, source }
}
