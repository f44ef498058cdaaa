//! Connect's data → bytes, by a converter.

use std::sync::Arc;

use formats::{Format, FormatError, Prepared};
use schema::avro::{SchemaStyle, encode, frame, schema_text};
use schema::registry::{Registry, RegistryError, SchemaId, SchemaKind};
use schema::value::{Schema, Value};
use transform::{JsonProblem, Part, byte_array, java_text, json_of, schema_json};

use super::Converter;
use crate::kafka::control::Control;

/// How many schemas are kept for each side: transforms give those of one table the same one, and a
/// handful of tables is in hand at a time.
const KNOWN_MAX: usize = 64;

/// The part of a record that a converter writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Its key.
    Key,
    /// Its value.
    Value,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Value => "value",
        })
    }
}

/// Data that cannot be written. No message has a value of the row in it.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The converter does not take them.
    #[error("{0}")]
    Refused(Box<str>),
    /// The registry does not take their schema.
    #[error("the registry does not take the schema")]
    Schema(#[source] Box<RegistryError>),
    /// The registry takes no schema at all.
    #[error(transparent)]
    Registry(Box<RegistryError>),
}

/// Writes the keys or the values of a connector's records.
pub struct PartWriter {
    side: Side,
    converter: Converter,
    /// How Avro's schemas are written.
    style: SchemaStyle,
    known: Vec<Known>,
}

/// A schema that was written, for a topic.
struct Known {
    schema: Arc<Schema>,
    topic: Arc<str>,
    head: Head,
}

/// What stands before the bytes of a value.
#[derive(Clone)]
enum Head {
    Avro(SchemaId),
    Registered(SchemaId, Arc<Prepared>),
    Json(Arc<str>),
}

impl PartWriter {
    /// A writer by a converter.
    #[must_use]
    pub fn new(side: Side, converter: Converter, style: SchemaStyle) -> Self {
        Self { side, converter, style, known: Vec::new() }
    }

    /// Whether who reads the bytes finds fields in them.
    #[must_use]
    pub fn keeps_structs(&self) -> bool {
        match self.converter {
            Converter::Avro | Converter::Json { .. } | Converter::Registered(_) => true,
            Converter::Text | Converter::Bytes => false,
        }
    }

    /// Appends the bytes of data that go to a topic; says whether there are any.
    ///
    /// # Errors
    ///
    /// Returns [`PartError`] when the converter or the registry does not take them. What was appended
    /// until then is left.
    pub async fn write(
        &mut self,
        (topic, part): (&Arc<str>, &Part),
        registry: &Registry,
        out: &mut Vec<u8>,
    ) -> Result<bool, PartError> {
        let is_null = part.value == Value::Null;
        if is_null && part.schema.is_none() {
            return Ok(false);
        }
        match self.converter {
            Converter::Json { schemas } => self.json(part, schemas, out)?,
            Converter::Bytes => match byte_array(part).map_err(refuses)? {
                Some(bytes) => out.extend_from_slice(bytes),
                None => return Ok(false),
            },
            Converter::Avro | Converter::Registered(_) | Converter::Text if is_null => {
                return Ok(false);
            }
            Converter::Avro => {
                let schema = part.schema.as_ref();
                let schema = schema.ok_or_else(|| refuses("it has no schema"))?;
                let id = self.register(topic, schema, registry).await?;
                out.extend_from_slice(&frame(id));
                encode(schema, &part.value, out).map_err(|error| refuses(error.to_string()))?;
            }
            Converter::Registered(format) => {
                let schema = part.schema.as_ref();
                let schema = schema.ok_or_else(|| refuses("it has no schema"))?;
                let (id, prepared) = self.prepared(format, (topic, schema), registry).await?;
                out.extend_from_slice(&formats::frame::header(id));
                let written = prepared.write(&part.value, out);
                written.map_err(|error| refuses(error.to_string()))?;
            }
            Converter::Text => {
                let text = java_text(part.schema.as_deref(), &part.value);
                out.extend_from_slice(text.map_err(refuses)?.as_bytes());
            }
        }
        Ok(true)
    }

    /// Appends the key of a control record. Where keys are no structs it is a text that says what it
    /// is; its headers say all of it.
    ///
    /// # Errors
    ///
    /// Returns [`PartError`] when the registry cannot be asked.
    pub async fn write_control(
        &mut self,
        key: &Part,
        registry: &Registry,
        out: &mut Vec<u8>,
    ) -> Result<(), PartError> {
        match self.converter {
            Converter::Avro => {
                let id = registry.register(Control::KEY_SUBJECT, Control::KEY_SCHEMA).await;
                out.extend_from_slice(&frame(id.map_err(judge)?));
                let schema = key.schema.as_ref().ok_or_else(|| refuses("it has no schema"))?;
                let written = encode(schema, &key.value, out);
                written.map_err(|error| refuses(error.to_string()))?;
            }
            Converter::Json { schemas } => self.json(key, schemas, out)?,
            Converter::Registered(_) | Converter::Text | Converter::Bytes => {
                let Value::Struct(fields) = &key.value else { return Ok(()) };
                for field in fields {
                    let Value::String(text) = field else { continue };
                    out.extend_from_slice(text.as_bytes());
                    out.push(b' ');
                }
            }
        }
        Ok(())
    }

    /// As `JsonConverter`, in its default forms.
    fn json(&mut self, part: &Part, schemas: bool, out: &mut Vec<u8>) -> Result<(), PartError> {
        let refused = |problem: JsonProblem| refuses(problem.to_string());
        let payload = json_of(part.schema.as_deref(), &part.value).map_err(refused)?.to_string();
        if !schemas {
            out.extend_from_slice(payload.as_bytes());
            return Ok(());
        }
        let schema = part.schema.as_ref().map(|schema| self.schema_json(schema));
        out.extend_from_slice(b"{\"schema\":");
        out.extend_from_slice(schema.as_deref().unwrap_or("null").as_bytes());
        out.extend_from_slice(b",\"payload\":");
        out.extend_from_slice(payload.as_bytes());
        out.push(b'}');
        Ok(())
    }

    fn schema_json(&mut self, schema: &Arc<Schema>) -> Arc<str> {
        let found = self.known.iter().find(|known| Arc::ptr_eq(&known.schema, schema));
        if let Some(Known { head: Head::Json(text), .. }) = found {
            return Arc::clone(text);
        }
        let text: Arc<str> = schema_json(schema).to_string().into();
        self.remember(schema, &"".into(), Head::Json(Arc::clone(&text)));
        text
    }

    async fn register(
        &mut self,
        topic: &Arc<str>,
        schema: &Arc<Schema>,
        registry: &Registry,
    ) -> Result<SchemaId, PartError> {
        let is = |known: &&Known| Arc::ptr_eq(&known.schema, schema) && known.topic == *topic;
        if let Some(Known { head: Head::Avro(id), .. }) = self.known.iter().find(is) {
            return Ok(*id);
        }
        let text = schema_text(schema, self.style);
        let subject = self.subject(topic, (SchemaKind::Avro, &text), registry);
        let registered = registry.register(&subject, &text).await;
        let id = registered.map_err(judge)?;
        self.remember(schema, topic, Head::Avro(id));
        Ok(id)
    }

    /// The number of a schema of Protobuf or JSON Schema, and what writes its values.
    async fn prepared(
        &mut self,
        format: Format,
        (topic, schema): (&Arc<str>, &Arc<Schema>),
        registry: &Registry,
    ) -> Result<(SchemaId, Arc<Prepared>), PartError> {
        let is = |known: &&Known| Arc::ptr_eq(&known.schema, schema) && known.topic == *topic;
        if let Some(Known { head: Head::Registered(id, prepared), .. }) = self.known.iter().find(is)
        {
            return Ok((*id, Arc::clone(prepared)));
        }
        let refuses = |error: FormatError| refuses(error.to_string());
        let prepared = format.prepare(schema).map_err(refuses)?;
        let kind = match format {
            Format::Protobuf(_) => SchemaKind::Protobuf,
            Format::JsonSchema(_) => SchemaKind::Json,
        };
        let subject = self.subject(topic, (kind, prepared.text()), registry);
        let identified = registry.identify(&subject, (kind, prepared.text())).await;
        let (id, latest) = identified.map_err(judge)?;
        let prepared = match latest {
            Some(latest) => {
                format.prepare_for(schema, &latest.text, &latest.imports).map_err(refuses)?
            }
            None => prepared,
        };
        let prepared = Arc::new(prepared);
        self.remember(schema, topic, Head::Registered(id, Arc::clone(&prepared)));
        Ok((id, prepared))
    }

    fn subject(&self, topic: &str, schema: (SchemaKind, &str), registry: &Registry) -> String {
        match self.side {
            Side::Key => registry.key_subject(topic, schema),
            Side::Value => registry.value_subject(topic, schema),
        }
    }

    fn remember(&mut self, schema: &Arc<Schema>, topic: &Arc<str>, head: Head) {
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        let (schema, topic) = (Arc::clone(schema), Arc::clone(topic));
        self.known.push(Known { schema, topic, head });
    }
}

/// What the registry says of a schema is about its records; the rest is about all.
fn judge(error: RegistryError) -> PartError {
    match error {
        RegistryError::Incompatible { .. }
        | RegistryError::Refused { .. }
        | RegistryError::NotRegistered { .. }
        | RegistryError::NotLatest { .. } => PartError::Schema(Box::new(error)),
        RegistryError::Settings { .. }
        | RegistryError::Unavailable { .. }
        | RegistryError::Unusable { .. } => PartError::Registry(Box::new(error)),
    }
}

fn refuses(problem: impl Into<Box<str>>) -> PartError {
    PartError::Refused(problem.into())
}
