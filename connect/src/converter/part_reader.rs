//! Bytes → Connect's data, by a converter: for connectors that send what they read through transforms.

use std::collections::HashMap;
use std::sync::Arc;

use schema::avro::WriterSchema;
use schema::connect_json::{Enveloped, json_text};
use schema::registry::{Registry, RegistryConfig, RegistryError, SchemaId};
use schema::value::{Kind, Schema, Value};
use serde_json::Value as Json;
use transform::{JsonProblem, Part, part_of, schema_of};

use super::Converter;
use super::text::TextError;

/// Most schemas that are kept. With more than that they are read again.
const SCHEMAS_MAX: usize = 1_000;

/// Reads the keys or the values of records.
pub struct PartReader {
    converter: Converter,
    /// Where Avro's schemas are; other converters need none.
    registry: Option<Registry>,
    registered: HashMap<SchemaId, (WriterSchema, Arc<Schema>)>,
    enveloped: HashMap<Box<str>, Arc<Schema>>,
    text: Arc<Schema>,
    bytes: Arc<Schema>,
}

impl PartReader {
    /// Prepares a converter, which is not one of those that need a format of the registry's. Nothing is
    /// sent yet.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry's settings do not make a client.
    pub fn new(converter: Converter, registry: &RegistryConfig) -> Result<Self, RegistryError> {
        let needs_registry = converter == Converter::Avro;
        Ok(Self {
            converter,
            registry: needs_registry.then(|| Registry::new(registry)).transpose()?,
            registered: HashMap::new(),
            enveloped: HashMap::new(),
            text: Arc::new(Schema::new(Kind::String).optional()),
            bytes: Arc::new(Schema::new(Kind::Bytes).optional()),
        })
    }

    /// The data of a key or a value.
    ///
    /// # Errors
    ///
    /// Returns [`TextError`] when the bytes are not what the converter says, or the registry cannot be
    /// asked.
    pub async fn read(&mut self, bytes: Option<&[u8]>) -> Result<Part, TextError> {
        let of = |schema: &Arc<Schema>, value: Option<Value>| {
            Part::new(Arc::clone(schema), value.unwrap_or(Value::Null))
        };
        match (self.converter, bytes) {
            (Converter::Text, bytes) => {
                let text = |it| Value::String(String::from_utf8_lossy(it).into_owned());
                Ok(of(&self.text, bytes.map(text)))
            }
            (Converter::Bytes | Converter::Registered(_), bytes) => {
                Ok(of(&self.bytes, bytes.map(|it| Value::Bytes(it.to_vec()))))
            }
            (Converter::Avro | Converter::Json { .. }, None) => Ok(Part::NULL),
            (Converter::Json { schemas: true }, Some(bytes)) => self.with_schema(bytes),
            (Converter::Json { schemas: false }, Some(bytes)) => {
                part_of(None, &parse(json_text(bytes)?)?).map_err(refused)
            }
            (Converter::Avro, Some(bytes)) => self.avro(bytes).await,
        }
    }

    fn with_schema(&mut self, bytes: &[u8]) -> Result<Part, TextError> {
        let Enveloped { schema, payload } = Enveloped::parse(bytes)?;
        let schema = match schema.map(|text| (text, self.enveloped.get(text))) {
            None => None,
            Some((_, Some(known))) => Some(Arc::clone(known)),
            Some((text, None)) => {
                let schema = Arc::new(schema_of(&parse(text)?).map_err(refused)?);
                if self.enveloped.len() >= SCHEMAS_MAX {
                    self.enveloped.clear();
                }
                self.enveloped.insert(text.into(), Arc::clone(&schema));
                Some(schema)
            }
        };
        part_of(schema.as_ref(), &parse(payload)?).map_err(refused)
    }

    async fn avro(&mut self, bytes: &[u8]) -> Result<Part, TextError> {
        let Some(([0, id @ ..], body)) = bytes.split_first_chunk::<5>() else {
            return Err(TextError::NotFramed);
        };
        let id = SchemaId(u32::from_be_bytes(*id));
        if self.registered.len() >= SCHEMAS_MAX && !self.registered.contains_key(&id) {
            self.registered.clear();
        }
        let (writer, schema) = match self.registered.entry(id) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let registry = self.registry.as_ref().ok_or(TextError::NotFramed)?;
                let text = registry.schema(id).await?;
                let unusable = |source| TextError::Schema { id: id.0, source };
                let writer = WriterSchema::parse(&text).map_err(unusable)?;
                let schema = Arc::new(writer.connect_schema().map_err(unusable)?);
                place.insert((writer, schema))
            }
        };
        Ok(Part::new(Arc::clone(schema), writer.connect_value(schema, body)?))
    }
}

fn refused(problem: JsonProblem) -> TextError {
    TextError::Data(problem)
}

/// The nesting was looked at before.
fn parse(text: &str) -> Result<Json, TextError> {
    serde_json::from_str(text).map_err(|_| TextError::NotJson)
}
