//! What the bytes of headers are: Kafka Connect's header converters.

use std::sync::{Arc, LazyLock};

use schema::connect_json::{Enveloped, json_text};
use schema::value::{Kind, Schema, Value};
use serde_json::{Value as Json, json};

use crate::data::{json_of, part_of, schema_json, schema_of};
use crate::record::Part;
use crate::text::{byte_array, connect_text, java_text};
use crate::values;

/// What the bytes of headers are (`header.converter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderConverter {
    /// A text of which Connect finds out what it is.
    #[default]
    Simple,
    /// JSON.
    Json {
        /// Whether each header has its schema.
        schemas: bool,
    },
    /// The text itself.
    Text,
    /// Whatever the bytes are.
    Bytes,
}

/// Bytes that are not what the converter says, or data that it does not take. Has no value in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HeaderProblem(Box<str>);

impl HeaderProblem {
    fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string().into())
    }
}

impl HeaderConverter {
    /// Those that there are, by their Java classes.
    pub const JAVA_CLASSES: [&str; 4] = [
        "org.apache.kafka.connect.storage.SimpleHeaderConverter",
        "org.apache.kafka.connect.json.JsonConverter",
        "org.apache.kafka.connect.storage.StringConverter",
        "org.apache.kafka.connect.converters.ByteArrayConverter",
    ];

    /// The Java class.
    #[must_use]
    pub fn class(self) -> &'static str {
        let [simple, json, text, bytes] = Self::JAVA_CLASSES;
        match self {
            Self::Simple => simple,
            Self::Json { .. } => json,
            Self::Text => text,
            Self::Bytes => bytes,
        }
    }

    /// A header's data.
    ///
    /// # Errors
    ///
    /// Returns [`HeaderProblem`] for bytes that are not what the converter says.
    pub fn read(self, bytes: Option<&[u8]>) -> Result<Part, HeaderProblem> {
        static TEXT: LazyLock<Arc<Schema>> =
            LazyLock::new(|| Arc::new(Schema::new(Kind::String).optional()));
        static BYTES: LazyLock<Arc<Schema>> =
            LazyLock::new(|| Arc::new(Schema::new(Kind::Bytes).optional()));
        let of = |schema: &Arc<Schema>, value: Option<Value>| {
            Part::new(Arc::clone(schema), value.unwrap_or(Value::Null))
        };
        Ok(match self {
            Self::Simple => {
                bytes.map_or(Part::NULL, |it| values::parse(&String::from_utf8_lossy(it)))
            }
            Self::Text => {
                of(&TEXT, bytes.map(|it| Value::String(String::from_utf8_lossy(it).into())))
            }
            Self::Bytes => of(&BYTES, bytes.map(|it| Value::Bytes(it.to_vec()))),
            Self::Json { schemas } => match bytes {
                Some(bytes) if schemas => enveloped(bytes)?,
                Some(bytes) if !bytes.is_empty() => {
                    let json = parse(json_text(bytes).map_err(HeaderProblem::new)?)?;
                    part_of(None, &json).map_err(HeaderProblem::new)?
                }
                Some(_) | None => Part::NULL,
            },
        })
    }

    /// A header's bytes; none for a null.
    ///
    /// # Errors
    ///
    /// Returns [`HeaderProblem`] for data that the converter does not take.
    pub fn write(self, part: &Part) -> Result<Option<Vec<u8>>, HeaderProblem> {
        let (schema, is_null) = (part.schema.as_deref(), part.is_null());
        Ok(match self {
            Self::Simple => connect_text(part).map(String::into_bytes),
            Self::Text if is_null => None,
            Self::Text => Some(java_text(schema, &part.value).map_err(HeaderProblem::new)?.into()),
            Self::Bytes => byte_array(part).map_err(HeaderProblem::new)?.map(<[u8]>::to_vec),
            Self::Json { .. } if is_null && schema.is_none() => None,
            Self::Json { schemas } => {
                let default = schema.and_then(|schema| schema.default.as_ref());
                let value = default.filter(|_| is_null).unwrap_or(&part.value);
                let payload = json_of(schema, value).map_err(HeaderProblem::new)?;
                let json = match schemas {
                    true => json!({ "schema": schema.map(schema_json), "payload": payload }),
                    false => payload,
                };
                Some(json.to_string().into_bytes())
            }
        })
    }
}

fn enveloped(bytes: &[u8]) -> Result<Part, HeaderProblem> {
    let Enveloped { schema, payload } = Enveloped::parse(bytes).map_err(HeaderProblem::new)?;
    let schema = schema.map(|text| schema_of(&parse(text)?).map_err(HeaderProblem::new));
    let schema = schema.transpose()?.map(Arc::new);
    part_of(schema.as_ref(), &parse(payload)?).map_err(HeaderProblem::new)
}

/// `Enveloped` and `json_text` have looked at the nesting.
fn parse(text: &str) -> Result<Json, HeaderProblem> {
    serde_json::from_str(text).map_err(|_| HeaderProblem::new("it is no JSON"))
}
